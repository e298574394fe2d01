"""What is new, and what is on it: sightings, releases and their tracks."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from spotify_assets.assets.call_report import CallReport
from spotify_assets.assets.failures import RETRIES, spotify_failures
from spotify_assets.assets.table_metadata import partitioned_table_metadata, table_metadata
from spotify_assets.partitions import album_id, album_ids_of_run, register_albums
from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.spotify import records
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import BadRequestError, MalformedAnswerError, NotFoundError
from spotify_assets.spotify.records import AlbumBatch, Batch
from spotify_assets.warehouse import tables
from spotify_assets.warehouse.statements import albums_by_market, record_set_aside, upsert_sightings

API_POOL = "spotify_api"
OWNERS = ["team:data"]

NEW_RELEASES = dg.AssetKey(["spotify", "new_releases"])
RELEASES = dg.AssetKey(["spotify", "releases"])
TRACKS = dg.AssetKey(["spotify", "tracks"])


@dg.asset(
    key=NEW_RELEASES,
    group_name="extract",
    kinds={"spotify", "postgres"},
    owners=OWNERS,
    code_version="1",
    metadata=table_metadata(tables.new_releases),
    pool=API_POOL,
    retry_policy=RETRIES,
)
def new_releases(
    context: dg.AssetExecutionContext, spotify: Spotify, warehouse: Warehouse, clock: Clock
) -> dg.MaterializeResult[None]:
    """Albums on Spotify's list of new releases, one row per album and market with when it was first and last seen.

    Polls each market of SPOTIFY_MARKETS in full (GET /browse/new-releases) and registers albums that were never seen
    as partitions. Rows are never deleted: an album that leaves the list keeps its last_seen_at.
    """
    seen_at = clock.now()
    with spotify_failures():
        client = spotify.client()
        report = CallReport(client)
        polls, refused = _poll(client, spotify.markets)
    sightings = pl.concat([poll.frame for poll in polls])
    with warehouse.engine.begin() as connection:
        upsert_sightings(connection, sightings, seen_at)
        for poll in polls:
            record_set_aside(connection, NEW_RELEASES.to_user_string(), poll.set_aside, seen_at)
    added = register_albums(context.instance, sightings["album_id"].to_list())
    if refused:
        # What the other markets listed is recorded by now.
        raise dg.Failure(f"Markets that could not be polled: {'; '.join(refused)}", allow_retries=False)
    return dg.MaterializeResult(
        metadata={
            "albums_listed": sightings["album_id"].n_unique(),
            "albums_added": len(added),
            "set_aside": sum(len(poll.set_aside) for poll in polls),
            "markets": ", ".join(spotify.markets),
            **report.metadata(),
        }
    )


def _poll(client: SpotifyClient, markets: Sequence[str]) -> tuple[list[Batch], list[str]]:
    """The lists of the markets that can be polled, and for the others what Spotify said."""
    polls: list[Batch] = [Batch(records.frame(records.SIGHTINGS), ())]
    refused = []
    for market in markets:
        try:
            polls.append(client.new_releases(market))
        except (BadRequestError, NotFoundError, MalformedAnswerError) as error:
            refused.append(f"{market}: {error}")
    return polls, refused


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
    with spotify_failures():
        report = CallReport(spotify.client())
        batches = _fetch_albums(context, spotify, warehouse, album_ids)
    fetched_at = clock.now()
    frames = {
        "releases": pl.concat([batch.releases for batch in batches]),
        "tracks": pl.concat([batch.tracks for batch in batches]),
    }
    set_aside = [item for batch in batches for item in batch.set_aside]
    with warehouse.engine.begin() as connection:
        record_set_aside(connection, RELEASES.to_user_string(), set_aside, fetched_at)
    metadata: dict[str, Any] = {"set_aside": len(set_aside), **report.metadata()}
    for name in sorted(key.path[-1] for key in context.selected_asset_keys):
        yield dg.Output(stamped(frames[name], "fetched_at", fetched_at), output_name=name, metadata=metadata)
        # One answer holds both: its calls are counted with the first alone.
        metadata = {}


def _fetch_albums(
    context: dg.AssetExecutionContext, spotify: Spotify, warehouse: Warehouse, album_ids: Sequence[str]
) -> list[AlbumBatch]:
    with warehouse.engine.connect() as connection:
        grouped = albums_by_market(connection, album_ids, spotify.markets)
    client = spotify.client()
    context.log.info("Fetching %d albums", len(album_ids))
    return [client.albums(ids, market) for market, ids in grouped.items()]


def stamped(frame: pl.DataFrame, column: str, time: datetime) -> pl.DataFrame:
    """The frame with the time at which its rows were asked for."""
    return frame.with_columns(pl.lit(time, dtype=pl.Datetime("us", "UTC")).alias(column))
