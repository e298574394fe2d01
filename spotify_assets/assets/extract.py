"""What is new, and what is on it: sightings, releases and their tracks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from spotify_assets.assets.call_report import CallReport, reported_calls
from spotify_assets.assets.failures import RETRIES, spotify_failures
from spotify_assets.assets.given_albums import GivenAlbumsError, given_album_ids
from spotify_assets.assets.kept_loads import Loaded, kept_on_failure
from spotify_assets.assets.table_metadata import partitioned_table_metadata, table_metadata
from spotify_assets.partitions import album_id, album_ids_of_run, register_albums
from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.settings import load_settings
from spotify_assets.spotify import records
from spotify_assets.spotify.batches import Part
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.endpoints import ALBUM, ALBUMS, ALBUMS_AT_ONCE, SEARCH
from spotify_assets.spotify.endpoints import NEW_RELEASES as NEW_RELEASES_LIST
from spotify_assets.spotify.errors import (
    ApiError,
    BadRequestError,
    MalformedAnswerError,
    NotFoundError,
)
from spotify_assets.spotify.records import AlbumBatch, Batch, SetAside
from spotify_assets.warehouse import tables
from spotify_assets.warehouse.statements import albums_by_market, record_set_aside, upsert_sightings

API_POOL = "spotify_api"
OWNERS = ["team:data"]

NEW_RELEASES = dg.AssetKey(["spotify", "new_releases"])
RELEASES = dg.AssetKey(["spotify", "releases"])
TRACKS = dg.AssetKey(["spotify", "tracks"])


class NewReleasesConfig(dg.Config):
    """How the albums are found."""

    album_ids: str | None = Field(
        default=None,
        description="Register the albums of this file or table and ask Spotify for none: a file with an album id in"
        " each line, a CSV file with a column album_id, or a table of the warehouse (schema.table) with that column."
        " Unset: SPOTIFY_ALBUM_IDS; where that is unset too, Spotify is asked.",
    )


@dg.asset(
    key=NEW_RELEASES,
    group_name="extract",
    kinds={"spotify", "postgres"},
    owners=OWNERS,
    code_version="2",
    metadata=table_metadata(tables.new_releases),
    pool=API_POOL,
    retry_policy=RETRIES,
)
def new_releases(
    context: dg.AssetExecutionContext,
    config: NewReleasesConfig,
    spotify: Spotify,
    warehouse: Warehouse,
    clock: Clock,
) -> dg.MaterializeResult[None]:
    """New albums, one row per album and market with when it was first and last seen as new there.

    Polls each market of SPOTIFY_MARKETS in full (GET /browse/new-releases; for keys without it GET /search for tag:new)
    and registers albums that were never seen as partitions. Rows are never deleted: an album that is no longer new
    keeps its last_seen_at. With `album_ids` the albums of a file or table are registered, and nothing is asked: those
    have no row here, since nobody saw them as new.
    """
    if given := config.album_ids or load_settings().album_ids:
        return _register_given(context, given, warehouse)
    seen_at = clock.now()
    with reported_calls(context, NEW_RELEASES, spotify, warehouse, clock) as report:
        with spotify_failures():
            client = spotify.client()
        poll = _poll(client, spotify.markets)
        sightings = poll.sightings
        with warehouse.engine.begin() as connection:
            upsert_sightings(connection, sightings, seen_at)
            record_set_aside(connection, NEW_RELEASES.to_user_string(), poll.set_aside, seen_at)
        added = register_albums(context.instance, sightings["album_id"].to_list())
        listed = sightings["album_id"].n_unique()
        _skip_known(report, client, listed - len(added))
        # What was listed by then is recorded.
        poll.raise_failure()
        return dg.MaterializeResult(
            metadata={
                "albums_listed": listed,
                "albums_added": len(added),
                "set_aside": len(poll.set_aside),
                "markets": ", ".join(spotify.markets),
                "found_by": NEW_RELEASES_LIST if client.access.allows(NEW_RELEASES_LIST) else SEARCH,
                **report.metadata(),
            }
        )


def _register_given(
    context: dg.AssetExecutionContext, given: str, warehouse: Warehouse
) -> dg.MaterializeResult[None]:
    try:
        album_ids = given_album_ids(given, warehouse.engine)
    except GivenAlbumsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    added = register_albums(context.instance, album_ids)
    return dg.MaterializeResult(
        metadata={"albums_listed": len(album_ids), "albums_added": len(added), "found_by": given, "calls": 0}
    )


def _skip_known(report: CallReport, client: SpotifyClient, albums: int) -> None:
    """Count the calls that loading the albums anew would take which the list names and which are registered."""
    if client.access.allows(ALBUMS):
        report.skip(ALBUMS, -(-albums // ALBUMS_AT_ONCE))
    else:
        report.skip(ALBUM, albums)


@dataclass
class _Poll:
    """What the markets listed, page by page, and what went wrong.

    Attributes:
        pages: as they came.
        refused: by market, what Spotify said of those that could not be polled.
        error: what ended the poll of all further markets.
    """

    pages: list[Batch] = field(default_factory=list)
    refused: dict[str, ApiError] = field(default_factory=dict)
    error: ApiError | None = None

    @property
    def sightings(self) -> pl.DataFrame:
        """Each album once in each market, at its first position."""
        frames = [records.frame(records.SIGHTINGS), *(page.frame for page in self.pages)]
        return pl.concat(frames).unique(["market", "album_id"], keep="first", maintain_order=True)

    @property
    def set_aside(self) -> list[SetAside]:
        """Entries that could not be read."""
        return [item for page in self.pages for item in page.set_aside]

    def raise_failure(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.error is not None:
            with spotify_failures():
                raise self.error
        if self.refused:
            told = "; ".join(f"{market}: {error}" for market, error in self.refused.items())
            raise dg.Failure(f"Markets that could not be polled: {told}", allow_retries=False)


def _poll(client: SpotifyClient, markets: Sequence[str]) -> _Poll:
    """The lists of the markets; those after one that ends in a limit or an outage are not asked for."""
    poll = _Poll()
    for market in markets:
        try:
            client.new_releases(market, on_page=poll.pages.append)
        except (BadRequestError, NotFoundError, MalformedAnswerError) as error:
            poll.refused[market] = error
        except ApiError as error:
            poll.error = error
            break
    return poll


@dg.multi_asset(
    name="releases_and_tracks",
    outs={
        "releases": dg.AssetOut(
            key=RELEASES,
            description="One row per album: type, dates, label, popularity, UPC, cover and credits (GET /albums).",
            group_name="extract",
            kinds={"spotify", "postgres"},
            owners=OWNERS,
            code_version="1",
            metadata=partitioned_table_metadata(tables.releases),
            is_required=False,
        ),
        "tracks": dg.AssetOut(
            key=TRACKS,
            description="One row per track of an album, from the same answer as the album, following pages included.",
            group_name="extract",
            kinds={"spotify", "postgres"},
            owners=OWNERS,
            code_version="1",
            metadata=partitioned_table_metadata(tables.tracks),
            is_required=False,
        ),
    },
    # An asset of another partitioning is a dependency, never an input: its rows are read by key where needed.
    deps=[NEW_RELEASES],
    # Tracks hang on releases, so that the selection `spotify/releases*` takes them along.
    internal_asset_deps={"releases": {NEW_RELEASES}, "tracks": {RELEASES}},
    can_subset=True,
    partitions_def=album_id,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=API_POOL,
    retry_policy=RETRIES,
)
def releases_and_tracks(
    context: dg.AssetExecutionContext, spotify: Spotify, warehouse: Warehouse, clock: Clock
) -> Iterator[dg.Output[pl.DataFrame]]:
    """Fetch the albums of the run with all their tracks: one step for both, since one answer holds both."""
    album_ids = album_ids_of_run(context)
    answered: list[Part[AlbumBatch]] = spotify.answered(RELEASES)
    with (
        reported_calls(context, RELEASES, spotify, warehouse, clock) as report,
        kept_on_failure(context, RELEASES, warehouse, clock, lambda: _loaded(context, answered, clock.now())),
    ):
        batch = _fetch_albums(context, spotify, warehouse, album_ids, answered)
    fetched_at = clock.now()
    with warehouse.engine.begin() as connection:
        record_set_aside(connection, RELEASES.to_user_string(), batch.set_aside, fetched_at)
    metadata: dict[str, Any] = {"set_aside": len(batch.set_aside), **report.metadata()}
    for asset, frame in _frames(context, batch, fetched_at).items():
        yield dg.Output(frame, output_name=asset.path[-1], metadata=metadata)
        # One answer holds both: its calls are counted with the first alone.
        metadata = {}


def _fetch_albums(
    context: dg.AssetExecutionContext,
    spotify: Spotify,
    warehouse: Warehouse,
    album_ids: Sequence[str],
    answered: list[Part[AlbumBatch]],
) -> AlbumBatch:
    """The albums; those that were answered to an earlier attempt at the step are not asked for again."""
    before = list(answered)
    known = {key for part in before for key in part.ids}
    with warehouse.engine.connect() as connection:
        grouped = albums_by_market(
            connection, [key for key in album_ids if key not in known], spotify.markets
        )
    with spotify_failures():
        client = spotify.client()
        context.log.info("Fetching %d albums, %s access", len(album_ids) - len(known), client.access)
        batches = [client.albums(ids, market, on_part=answered.append) for market, ids in grouped.items()]
    return AlbumBatch.joined([*(part.content for part in before), *batches])


def _loaded(
    context: dg.AssetExecutionContext, answered: Sequence[Part[AlbumBatch]], fetched_at: datetime
) -> Loaded:
    batch = AlbumBatch.joined([part.content for part in answered])
    album_ids = [key for part in answered for key in part.ids]
    return Loaded(album_ids, _frames(context, batch, fetched_at), batch.set_aside)


def _frames(
    context: dg.AssetExecutionContext, batch: AlbumBatch, fetched_at: datetime
) -> dict[dg.AssetKey, pl.DataFrame]:
    """The rows for each asset that the run is to load."""
    frames = {RELEASES: batch.releases, TRACKS: batch.tracks}
    return {
        asset: stamped(frame, "fetched_at", fetched_at)
        for asset, frame in frames.items()
        if asset in context.selected_asset_keys
    }


def stamped(frame: pl.DataFrame, column: str, time: datetime) -> pl.DataFrame:
    """The frame with the time at which its rows were asked for."""
    return frame.with_columns(pl.lit(time, dtype=pl.Datetime("us", "UTC")).alias(column))
