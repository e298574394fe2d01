"""What is known of the tracks and their artists: audio features, details, popularity over time."""

from collections.abc import Callable, Sequence
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
from spotify_assets.spotify.endpoints import ARTISTS as ARTISTS_AT_SPOTIFY
from spotify_assets.spotify.endpoints import ARTISTS_AT_ONCE
from spotify_assets.spotify.endpoints import TRACK as TRACK_AT_SPOTIFY
from spotify_assets.spotify.endpoints import TRACKS as TRACKS_AT_SPOTIFY
from spotify_assets.spotify.errors import ForbiddenError
from spotify_assets.spotify.records import Batch, FeatureBatch
from spotify_assets.warehouse import tables
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
    answered: list[Part[Batch]] = spotify.answered(AUDIO_FEATURES)
    before = list(answered)
    with (
        reported_calls(context, AUDIO_FEATURES, spotify, warehouse, clock) as report,
        kept_on_failure(
            context,
            AUDIO_FEATURES,
            warehouse,
            clock,
            lambda: _whole(AUDIO_FEATURES, tracks, album_ids, answered, clock.now()),
        ),
        spotify_failures(),
    ):
        found = spotify.client().audio_features(_left(tracks, before), on_part=answered.append)
    checked_at = clock.now()
    frame = pl.concat([*(part.content.frame for part in before), found.frame])
    with warehouse.engine.begin() as connection:
        record_set_aside(connection, AUDIO_FEATURES.to_user_string(), found.set_aside, checked_at)
        record_feature_attempts(connection, outcomes(frame, found.unanswered), checked_at)
    if found.problem:
        context.log.warning("%s", found.problem)
    features = tracks.join(frame, on="track_id", how="inner", maintain_order="left")
    return dg.Output(
        stamped(features, "checked_at", checked_at),
        metadata={**_features_metadata(features, found), **report.metadata()},
    )


def outcomes(features: pl.DataFrame, unanswered: Sequence[str]) -> dict[str, str]:
    """How it went to ask for each track's features: measured, absent or unanswered."""
    asked = dict(features.select("track_id", "status").iter_rows())
    return {**asked, **dict.fromkeys(unanswered, "unanswered")}


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


def _whole(
    asset: dg.AssetKey,
    tracks: pl.DataFrame,
    album_ids: Sequence[str],
    answered: Sequence[Part[Batch]],
    time: datetime,
) -> Loaded:
    """The albums all of whose tracks were answered, with their rows."""
    albums = whole_albums(tracks, {key for part in answered for key in part.ids}, album_ids)
    rows = tracks.filter(pl.col("album_id").is_in(albums))
    if not answered:
        return Loaded([], {})
    frame = pl.concat([part.content.frame for part in answered]).unique("track_id", keep="first")
    column = "checked_at" if asset == AUDIO_FEATURES else "fetched_at"
    frames = {asset: stamped(rows.join(frame, on="track_id", how="inner"), column, time)}
    return Loaded(albums, frames, [item for part in answered for item in part.content.set_aside])


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
    has each track asked for alone (GET /tracks/{id}).
    """
    album_ids = album_ids_of_run(context)
    answered: list[Part[Batch]] = spotify.answered(TRACK_DETAILS)
    before = list(answered)
    with (
        reported_calls(context, TRACK_DETAILS, spotify, warehouse, clock) as report,
        kept_on_failure(
            context,
            TRACK_DETAILS,
            warehouse,
            clock,
            lambda: _whole(TRACK_DETAILS, tracks, album_ids, answered, clock.now()),
        ),
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
    rows = tracks.join(details, on="track_id", how="inner", maintain_order="left")
    measured = rows.height - rows["popularity"].null_count()
    return dg.Output(
        stamped(rows, "fetched_at", fetched_at),
        metadata={
            "with_popularity": measured,
            "with_isrc": rows.height - rows["isrc"].null_count(),
            "coverage": measured / tracks.height if tracks.height else None,
            "set_aside": len(set_aside),
            **withheld,
            **report.metadata(),
        },
    )


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

    A re-run on the same day replaces that day; history is never deleted.
    """
    with warehouse.engine.begin() as connection:
        changed = snapshot_popularity(connection, clock.now().date())
    return dg.MaterializeResult(metadata={"rows_added_or_changed": changed})


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
    with reported_calls(context, ARTISTS, spotify, warehouse, clock) as report:
        with spotify_failures():
            batch = _fetch_artists(spotify, warehouse, fetched_at)
        with warehouse.engine.begin() as connection:
            upsert_artists(connection, batch.frame, fetched_at)
            record_set_aside(connection, ARTISTS.to_user_string(), batch.set_aside, fetched_at)
            credited = artists_credited_since(connection, _start_of_run(context, fetched_at))
        report.skip(ARTISTS_AT_SPOTIFY, max(0, credited - batch.frame.height) // ARTISTS_AT_ONCE)
        return dg.MaterializeResult(
            metadata={
                "artists_added": batch.frame.height,
                "with_details": batch.frame.height - batch.frame["popularity"].null_count(),
                "set_aside": len(batch.set_aside),
                **report.metadata(),
            }
        )


def _start_of_run(context: dg.AssetExecutionContext, now: datetime) -> datetime:
    record = context.instance.get_run_record_by_id(context.run.run_id)
    return datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else now


def _fetch_artists(spotify: Spotify, warehouse: Warehouse, now: datetime) -> Batch:
    """The artists that are not known yet; no client is made where there are none."""
    with warehouse.engine.connect() as connection:
        if not artists_to_fetch(connection, now, details_are_given=True):
            return Batch(records.frame(records.ARTISTS))
        client = spotify.client()
        is_open = client.access.allows(ARTISTS_AT_SPOTIFY)
        artist_ids = artists_to_fetch(connection, now, details_are_given=is_open)
        if is_open:
            try:
                return client.artists(artist_ids)
            except ForbiddenError:
                # The client has noted that it is closed.
                pass
        return Batch(records.artists_by_name(credited_names(connection, artist_ids)))
