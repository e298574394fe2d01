"""What is known of the tracks and their artists: audio features, details, popularity over time."""

from collections.abc import Callable

import dagster as dg
import polars as pl
from sqlalchemy import Table

from spotify_assets.assets.call_report import CallReport
from spotify_assets.assets.extract import API_POOL, OWNERS, RELEASES, TRACKS, stamped
from spotify_assets.assets.failures import RETRIES, spotify_failures
from spotify_assets.assets.table_metadata import partitioned_table_metadata, table_metadata
from spotify_assets.partitions import album_id, album_ids_of_run
from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.warehouse import tables
from spotify_assets.warehouse.statements import (
    albums_by_market,
    artists_to_fetch,
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
    """Audio features, one row per track; where Spotify has none the row says `absent` (GET /audio-features)."""
    album_ids_of_run(context)
    with spotify_failures():
        client = spotify.client()
        report = CallReport(client)
        batch = client.audio_features(tracks["track_id"].to_list())
    checked_at = clock.now()
    with warehouse.engine.begin() as connection:
        record_set_aside(connection, AUDIO_FEATURES.to_user_string(), batch.set_aside, checked_at)
    features = tracks.join(batch.frame, on="track_id", how="inner", maintain_order="left")
    measured = features.filter(pl.col("status") == "measured").height
    return dg.Output(
        stamped(features, "checked_at", checked_at),
        metadata={
            "measured": measured,
            "absent": features.height - measured,
            "coverage": measured / features.height if features.height else None,
            "set_aside": len(batch.set_aside),
            **report.metadata(),
        },
    )


@_asked_by_track(TRACK_DETAILS, tables.track_details)
def track_details(
    context: dg.AssetExecutionContext,
    spotify: Spotify,
    warehouse: Warehouse,
    clock: Clock,
    tracks: pl.DataFrame,
) -> dg.Output[pl.DataFrame]:
    """Track popularity (0-100) at the time of asking, and ISRC (GET /tracks); null where the key does not get it."""
    album_ids = album_ids_of_run(context)
    with warehouse.engine.connect() as connection:
        grouped = albums_by_market(connection, album_ids, spotify.markets)
    with spotify_failures():
        client = spotify.client()
        report = CallReport(client)
        batches = [
            client.tracks(tracks.filter(pl.col("album_id").is_in(ids))["track_id"].to_list(), market)
            for market, ids in grouped.items()
        ]
    fetched_at = clock.now()
    set_aside = [item for batch in batches for item in batch.set_aside]
    with warehouse.engine.begin() as connection:
        record_set_aside(connection, TRACK_DETAILS.to_user_string(), set_aside, fetched_at)
    # A track on two albums of the run that were seen in different markets was asked for in both.
    details = pl.concat([batch.frame for batch in batches]).unique(
        "track_id", keep="first", maintain_order=True
    )
    rows = tracks.join(details, on="track_id", how="inner", maintain_order="left")
    measured = rows.height - rows["popularity"].null_count()
    return dg.Output(
        stamped(rows, "fetched_at", fetched_at),
        metadata={
            "with_popularity": measured,
            "coverage": measured / tracks.height if tracks.height else None,
            "set_aside": len(set_aside),
            **report.metadata(),
        },
    )


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
def artists(spotify: Spotify, warehouse: Warehouse, clock: Clock) -> dg.MaterializeResult[None]:
    """Every artist credited on a release or track (GET /artists).

    Only artists that the warehouse does not have yet are asked for.
    """
    fetched_at = clock.now()
    with warehouse.engine.connect() as connection:
        artist_ids = artists_to_fetch(connection, fetched_at)
    if not artist_ids:
        return dg.MaterializeResult(metadata={"artists_added": 0, "calls": 0})
    with spotify_failures():
        client = spotify.client()
        report = CallReport(client)
        batch = client.artists(artist_ids)
    with warehouse.engine.begin() as connection:
        upsert_artists(connection, batch.frame, fetched_at)
        record_set_aside(connection, ARTISTS.to_user_string(), batch.set_aside, fetched_at)
    return dg.MaterializeResult(
        metadata={"artists_added": batch.frame.height, "set_aside": len(batch.set_aside), **report.metadata()}
    )
