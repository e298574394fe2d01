"""What is known of the tracks and their artists: audio features, details, popularity over time."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from sqlalchemy import Table

from spotify_assets.assets.call_report import CallReport, reported_calls
from spotify_assets.assets.extract import API_POOL, OWNERS, RELEASES, TRACKS, stamped
from spotify_assets.assets.failures import RETRIES, spotify_failures
from spotify_assets.assets.kept_loads import Loaded, kept_on_failure, whole_albums
from spotify_assets.assets.table_metadata import partitioned_table_metadata, table_metadata
from spotify_assets.partitions import album_id, album_ids_of_run
from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.spotify import records
from spotify_assets.spotify.batches import Part
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.endpoints import ARTISTS as ARTISTS_AT_SPOTIFY
from spotify_assets.spotify.endpoints import ARTISTS_AT_ONCE
from spotify_assets.spotify.endpoints import TRACK as TRACK_AT_SPOTIFY
from spotify_assets.spotify.endpoints import TRACKS as TRACKS_AT_SPOTIFY
from spotify_assets.spotify.errors import ForbiddenError
from spotify_assets.spotify.records import Batch, FeatureBatch, Schema, SetAside
from spotify_assets.warehouse import tables
from spotify_assets.warehouse.io_manager import table_address
from spotify_assets.warehouse.reading import read
from spotify_assets.warehouse.statements import (
    albums_by_market,
    artists_credited_since,
    artists_to_fetch,
    credited_names,
    record_feature_attempts,
    record_set_aside,
    snapshot_popularity,
    upsert_artists,
)
from spotify_assets.warehouse.writing import Partitions

AUDIO_FEATURES = dg.AssetKey(["spotify", "audio_features"])
TRACK_DETAILS = dg.AssetKey(["spotify", "track_details"])
POPULARITY_SNAPSHOTS = dg.AssetKey(["spotify", "popularity_snapshots"])
ARTISTS = dg.AssetKey(["spotify", "artists"])

_TRACK_KEYS = {"tracks": dg.AssetIn(key=TRACKS, metadata={"columns": ["album_id", "track_id"]})}


def _asked_by_track(
    key: dg.AssetKey, table: Table
) -> Callable[[Callable[..., dg.Output[pl.DataFrame]]], dg.AssetsDefinition]:
    """Makes an asset of a function that asks Spotify for something about each track of the run's albums."""
    return dg.asset(
        key=key,
        ins=_TRACK_KEYS,
        partitions_def=album_id,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="enrich",
        kinds={"spotify", "postgres"},
        owners=OWNERS,
        code_version="1",
        metadata=partitioned_table_metadata(table),
        pool=API_POOL,
        retry_policy=RETRIES,
    )


@_asked_by_track(AUDIO_FEATURES, tables.audio_features)
def audio_features(
    context: dg.AssetExecutionContext,
    spotify: Spotify,
    warehouse: Warehouse,
    clock: Clock,
    tracks: pl.DataFrame,
) -> dg.Output[pl.DataFrame]:
    """Audio features, one row per track; where there are none the row says `absent`.

    From Spotify (GET /audio-features), or from ReccoBeats for keys that Spotify refuses them. Tracks without any are
    asked for again, see ops/feature_attempts.
    """
    album_ids = album_ids_of_run(context)
    earlier = _measured_before(warehouse, album_ids)
    answered: list[Part[Batch]] = spotify.answered(AUDIO_FEATURES)
    before = list(answered)

    def loaded() -> Loaded:
        whole = _whole(tracks, album_ids, answered, records.AUDIO_FEATURES)
        rows = _best_of(stamped(whole.rows, "checked_at", clock.now()), earlier)
        return Loaded(whole.album_ids, {AUDIO_FEATURES: rows}, whole.set_aside, outcomes(rows, ()))

    with (
        reported_calls(context, AUDIO_FEATURES, spotify, warehouse, clock) as report,
        kept_on_failure(context, AUDIO_FEATURES, warehouse, clock, loaded),
        spotify_failures(),
    ):
        found = spotify.client().audio_features(_left(tracks, before), on_part=answered.append)
    checked_at = clock.now()
    frame = pl.concat([*(part.content.frame for part in before), found.frame])
    features = tracks.join(frame, on="track_id", how="inner", maintain_order="left")
    rows = _best_of(stamped(features, "checked_at", checked_at), earlier)
    with warehouse.engine.begin() as connection:
        record_set_aside(connection, AUDIO_FEATURES.to_user_string(), found.set_aside, checked_at)
        record_feature_attempts(connection, outcomes(rows, found.unanswered), checked_at)
    if found.problem:
        context.log.warning("%s", found.problem)
    return dg.Output(rows, metadata={**_features_metadata(rows, found), **report.metadata()})


def _measured_before(warehouse: Warehouse, album_ids: Sequence[str]) -> pl.DataFrame:
    """The rows of these albums that have features by now."""
    partitions = Partitions("album_id", tuple(album_ids))
    rows = read(warehouse.engine, table_address(AUDIO_FEATURES), partitions=partitions)
    return rows.filter(pl.col("status") == "measured")


def _best_of(rows: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """The new rows, but for those that say less than what was measured before.

    A key that has lost access to Spotify's features would else replace them by ReccoBeats', or by none, for good.
    """
    keys = ["album_id", "track_id"]
    known = earlier.select(*keys, pl.col("source").alias("earlier_source"))
    says_less = (pl.col("status") == "absent") | (
        (pl.col("source") == "reccobeats") & (pl.col("earlier_source") == "spotify")
    )
    poorer = rows.join(known, on=keys, how="inner").filter(says_less).select(keys)
    kept = earlier.join(poorer, on=keys, how="semi").select(rows.columns)
    return pl.concat([rows.join(poorer, on=keys, how="anti", maintain_order="left"), kept])


def outcomes(features: pl.DataFrame, unanswered: Sequence[str]) -> dict[str, str]:
    """How it went to ask for each track's features: measured, absent or unanswered."""
    statuses: dict[str, str] = dict(features.select("track_id", "status").iter_rows())
    without = set(unanswered)
    return {
        track_id: "unanswered" if status == "absent" and track_id in without else status
        for track_id, status in statuses.items()
    }


def _features_metadata(features: pl.DataFrame, found: FeatureBatch) -> dict[str, Any]:
    measured = features.filter(pl.col("status") == "measured")
    return {
        "measured": measured.height,
        "absent": features.height - measured.height,
        "unanswered": len(found.unanswered),
        "sources": ", ".join(measured["source"].unique().sort()) or "none",
        "coverage": measured.height / features.height if features.height else None,
        "set_aside": len(found.set_aside),
        **({"problem": found.problem} if found.problem else {}),
    }


def _left(tracks: pl.DataFrame, before: Sequence[Part[Batch]]) -> list[str]:
    """The tracks that no earlier attempt at the step was answered about."""
    answered = {key for part in before for key in part.ids}
    return [track_id for track_id in tracks["track_id"] if track_id not in answered]


@dataclass(frozen=True)
class _Whole:
    """The albums all of whose tracks were answered, the answers, and what was set aside.

    Attributes:
        album_ids: those albums.
        answered: a row for each track that was answered, on whichever album.
        rows: the rows of the tracks of those albums.
        set_aside: items that could not be read.
    """

    album_ids: list[str]
    answered: pl.DataFrame
    rows: pl.DataFrame
    set_aside: list[SetAside]


def _whole(
    tracks: pl.DataFrame, album_ids: Sequence[str], answered: Sequence[Part[Batch]], schema: Schema
) -> _Whole:
    albums = whole_albums(tracks, {key for part in answered for key in part.ids}, album_ids)
    frames = [records.frame(schema), *(part.content.frame for part in answered)]
    frame = pl.concat(frames).unique("track_id", keep="first")
    rows = tracks.filter(pl.col("album_id").is_in(albums)).join(frame, on="track_id", how="inner")
    return _Whole(albums, frame, rows, [item for part in answered for item in part.content.set_aside])


@_asked_by_track(TRACK_DETAILS, tables.track_details)
def track_details(
    context: dg.AssetExecutionContext,
    spotify: Spotify,
    warehouse: Warehouse,
    clock: Clock,
    tracks: pl.DataFrame,
) -> dg.Output[pl.DataFrame]:
    """Track popularity (0-100) at the time of asking, and ISRC (GET /tracks).

    Keys without batch calls get no popularity from any call: theirs is null, and so is the ISRC, unless SPOTIFY_ISRC=1
    has each track asked for alone (GET /tracks/{id}). Read again every day while the album is in its first eight weeks:
    an ISRC that was known stays, and a track that Spotify knows no more keeps its row, without popularity.
    """
    album_ids = album_ids_of_run(context)
    earlier = _details_before(warehouse, album_ids)
    answered: list[Part[Batch]] = spotify.answered(TRACK_DETAILS)
    before = list(answered)

    def loaded() -> Loaded:
        whole = _whole(tracks, album_ids, answered, records.TRACK_DETAILS)
        asked = tracks.filter(pl.col("album_id").is_in(whole.album_ids))
        rows = stamped(_renewed(asked, whole.answered, earlier), "fetched_at", clock.now())
        return Loaded(whole.album_ids, {TRACK_DETAILS: rows}, whole.set_aside)

    with (
        reported_calls(context, TRACK_DETAILS, spotify, warehouse, clock) as report,
        _history_is_kept(warehouse, clock),
        kept_on_failure(context, TRACK_DETAILS, warehouse, clock, loaded),
    ):
        left = tracks.filter(pl.col("track_id").is_in(_left(tracks, before)))
        batches = _fetch_details(spotify, warehouse, left, album_ids, answered)
        withheld = _withheld(spotify, report, left)
    fetched_at = clock.now()
    set_aside = [item for batch in batches for item in batch.set_aside]
    with warehouse.engine.begin() as connection:
        record_set_aside(connection, TRACK_DETAILS.to_user_string(), set_aside, fetched_at)
    # A track on two albums of the run that were seen in different markets was asked for in both.
    details = pl.concat([batch.frame for batch in (*(part.content for part in before), *batches)]).unique(
        "track_id", keep="first", maintain_order=True
    )
    rows = _renewed(tracks, details, earlier)
    metadata = {
        **_details_metadata(rows, tracks),
        "set_aside": len(set_aside),
        **withheld,
        **report.metadata(),
    }
    return dg.Output(stamped(rows, "fetched_at", fetched_at), metadata=metadata)


def _details_before(warehouse: Warehouse, album_ids: Sequence[str]) -> pl.DataFrame:
    """What is known of the tracks of these albums by now."""
    partitions = Partitions("album_id", tuple(album_ids))
    columns = ["album_id", "track_id", "isrc"]
    return read(warehouse.engine, table_address(TRACK_DETAILS), partitions=partitions, columns=columns)


def _renewed(tracks: pl.DataFrame, answered: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """The rows of tracks that were asked for: what was answered, and of those known before the ISRC at least.

    An ISRC never changes; a track taken down for a day, or a key that lost its access, would else cost it for good.
    """
    keys = ["album_id", "track_id"]
    known = earlier.rename({"isrc": "known_isrc"}).with_columns(is_row=True)
    return (
        tracks.join(answered.with_columns(is_answer=True), on="track_id", how="left", maintain_order="left")
        .join(known, on=keys, how="left", maintain_order="left")
        .filter(pl.any_horizontal(pl.col("is_answer", "is_row").fill_null(value=False)))
        .select(*keys, "popularity", pl.coalesce("isrc", "known_isrc").alias("isrc"))
    )


@contextlib.contextmanager
def _history_is_kept(warehouse: Warehouse, clock: Clock) -> Iterator[None]:
    """Writes the history of the details before they are replaced, and of what a step has kept that fails.

    Of a run that died before its snapshots, or of a step that met a limit, no later step of the run would write it.
    """
    _snapshot(warehouse, clock)
    try:
        yield
    except dg.Failure:
        _snapshot(warehouse, clock)
        raise


def _snapshot(warehouse: Warehouse, clock: Clock) -> int:
    with warehouse.engine.begin() as connection:
        return snapshot_popularity(connection, clock.now().date())


def _details_metadata(rows: pl.DataFrame, tracks: pl.DataFrame) -> dict[str, Any]:
    measured = rows.height - rows["popularity"].null_count()
    return {
        "with_popularity": measured,
        "with_isrc": rows.height - rows["isrc"].null_count(),
        "coverage": measured / tracks.height if tracks.height else None,
    }


def _fetch_details(
    spotify: Spotify,
    warehouse: Warehouse,
    tracks: pl.DataFrame,
    album_ids: Sequence[str],
    answered: list[Part[Batch]],
) -> list[Batch]:
    with warehouse.engine.connect() as connection:
        grouped = albums_by_market(connection, album_ids, spotify.markets)
    with spotify_failures():
        client = spotify.client()
        return [
            client.tracks(
                tracks.filter(pl.col("album_id").is_in(ids))["track_id"].to_list(),
                market,
                on_part=answered.append,
            )
            for market, ids in grouped.items()
        ]


def _withheld(spotify: Spotify, report: CallReport, tracks: pl.DataFrame) -> dict[str, str]:
    """What to say where the key gets no popularity; the calls that would have shown that are counted as skipped."""
    access = spotify.client().access
    if access.allows(TRACKS_AT_SPOTIFY):
        return {}
    if not spotify.client().asks_single_tracks:
        report.skip(TRACK_AT_SPOTIFY, tracks.height)
    return {"popularity": f"not measured: Spotify gives none to this key ({access} access)"}


@dg.asset(
    key=POPULARITY_SNAPSHOTS,
    deps=[TRACK_DETAILS],
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="enrich",
    kinds={"sql", "postgres"},
    owners=OWNERS,
    code_version="1",
    metadata=table_metadata(tables.popularity_snapshots),
)
def popularity_snapshots(warehouse: Warehouse, clock: Clock) -> dg.MaterializeResult[None]:
    """History of track popularity, one row per track and UTC day, from track_details after each load.

    Daily while an album is in its first eight weeks. A re-run on the same day replaces that day; history is never
    deleted, and a day on which Spotify gave a track no popularity has no row.
    """
    return dg.MaterializeResult(metadata={"rows_added_or_changed": _snapshot(warehouse, clock)})


@dg.asset(
    key=ARTISTS,
    deps=[RELEASES, TRACKS],
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="enrich",
    kinds={"spotify", "postgres"},
    owners=OWNERS,
    code_version="1",
    metadata=table_metadata(tables.artists),
    pool=API_POOL,
    retry_policy=RETRIES,
)
def artists(
    context: dg.AssetExecutionContext, spotify: Spotify, warehouse: Warehouse, clock: Clock
) -> dg.MaterializeResult[None]:
    """Every artist credited on a release or track (GET /artists); for keys without batch calls, by name alone.

    Only artists that the warehouse does not have yet are asked for; those known by name alone once more when the key
    gets details.
    """
    fetched_at = clock.now()
    added = _Added()

    def write(batch: Batch) -> None:
        """Each answer as it comes: what was answered before a limit is not asked for again."""
        with warehouse.engine.begin() as connection:
            upsert_artists(connection, batch.frame, fetched_at)
            record_set_aside(connection, ARTISTS.to_user_string(), batch.set_aside, fetched_at)
        added.add(batch)

    with reported_calls(context, ARTISTS, spotify, warehouse, clock) as report:
        with spotify_failures():
            _fetch_artists(spotify, warehouse, fetched_at, write)
        with warehouse.engine.connect() as connection:
            credited = artists_credited_since(connection, _start_of_run(context, fetched_at))
        report.skip(ARTISTS_AT_SPOTIFY, max(0, credited - added.artists) // ARTISTS_AT_ONCE)
        return dg.MaterializeResult(
            metadata={
                "artists_added": added.artists,
                "with_details": added.with_details,
                "set_aside": added.set_aside,
                **report.metadata(),
            }
        )


@dataclass
class _Added:
    """The artists that were written."""

    artists: int = 0
    with_details: int = 0
    set_aside: int = 0

    def add(self, batch: Batch) -> None:
        self.artists += batch.frame.height
        self.with_details += batch.frame.height - batch.frame["popularity"].null_count()
        self.set_aside += len(batch.set_aside)


def _start_of_run(context: dg.AssetExecutionContext, now: datetime) -> datetime:
    record = context.instance.get_run_record_by_id(context.run.run_id)
    return datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else now


def _fetch_artists(
    spotify: Spotify, warehouse: Warehouse, now: datetime, write: Callable[[Batch], None]
) -> None:
    """Fetch the artists that are not known yet; no client is made where there are none."""
    with warehouse.engine.connect() as connection:
        if not artists_to_fetch(connection, now, details_are_given=True):
            return
    client = spotify.client()
    if client.access.allows(ARTISTS_AT_SPOTIFY) and _fetch_details_of_artists(client, warehouse, now, write):
        return
    with warehouse.engine.connect() as connection:
        left = artists_to_fetch(connection, now, details_are_given=False)
        names = credited_names(connection, left)
    write(Batch(records.artists_by_name(names)))


def _fetch_details_of_artists(
    client: SpotifyClient, warehouse: Warehouse, now: datetime, write: Callable[[Batch], None]
) -> bool:
    """Fetch what Spotify says of the artists; False where that is closed to the key, or closes meanwhile."""
    with warehouse.engine.connect() as connection:
        artist_ids = artists_to_fetch(connection, now, details_are_given=True)
    answered: set[str] = set()

    def take(part: Part[Batch]) -> None:
        write(part.content)
        answered.update(part.ids)

    try:
        batch = client.artists(artist_ids, on_part=take)
    except ForbiddenError:
        # The client has noted that it is closed.
        return False
    of_no_answer = [item for item in batch.set_aside if item.item_id not in answered]
    write(Batch(records.frame(records.ARTISTS), tuple(of_no_answer)))
    return True
