"""What a step has loaded when it fails is kept: written and recorded as materialized, so that it is not asked again."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import dagster as dg
import polars as pl

from spotify_assets.resources import Clock, Warehouse
from spotify_assets.warehouse.io_manager import declared_table, table_address
from spotify_assets.warehouse.statements import (
    SetAsideItem,
    record_feature_attempts,
    record_set_aside,
)
from spotify_assets.warehouse.writing import Partitions, replace


@dataclass(frozen=True)
class Loaded:
    """What a step has loaded.

    Attributes:
        album_ids: the albums that are loaded whole.
        frames: their rows, by asset.
        set_aside: items of theirs that were not loaded.
        feature_outcomes: how it went to ask for the audio features of their tracks, by track id.
    """

    album_ids: Sequence[str]
    frames: Mapping[dg.AssetKey, pl.DataFrame]
    set_aside: Sequence[SetAsideItem] = ()
    feature_outcomes: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def kept_on_failure(
    context: dg.AssetExecutionContext,
    asset: dg.AssetKey,
    warehouse: Warehouse,
    clock: Clock,
    loaded: Callable[[], Loaded],
) -> Iterator[None]:
    """Write what is loaded when the block fails, and let the failure through.

    Without it a quota that ends at the 190th of 200 albums would cost the same 190 calls again on the next day.

    Args:
        context: of the step.
        asset: under which items that were set aside are recorded.
        warehouse: where it goes.
        clock: the time.
        loaded: tells what is loaded by then; asked only on a failure.
    """
    try:
        yield
    except dg.Failure:
        found = loaded()
        if found.album_ids:
            with warehouse.engine.begin() as connection:
                record_set_aside(connection, asset.to_user_string(), found.set_aside, clock.now())
                record_feature_attempts(connection, found.feature_outcomes, clock.now())
            for key, frame in found.frames.items():
                _keep(context, warehouse, key, frame, found.album_ids)
            context.log.info("Kept %d albums that were loaded before the failure", len(found.album_ids))
        raise


def _keep(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    asset: dg.AssetKey,
    frame: pl.DataFrame,
    album_ids: Sequence[str],
) -> None:
    table = table_address(asset)
    partitions = Partitions("album_id", tuple(sorted(album_ids)))
    replace(warehouse.engine, table, frame, partitions=partitions, declared=declared_table(table))
    for album_id in album_ids:
        context.log_event(
            dg.AssetMaterialization(asset, partition=album_id, metadata={"kept_of_a_failed_step": True})
        )


def whole_albums(tracks: pl.DataFrame, answered: Set[str], album_ids: Sequence[str]) -> list[str]:
    """The albums each of whose tracks was answered; those without tracks are whole at once.

    Args:
        tracks: album_id and track_id of all tracks of the albums.
        answered: track ids.
        album_ids: the albums, in order.
    """
    open_tracks = tracks.filter(~pl.col("track_id").is_in(list(answered)))
    still_open = set(open_tracks["album_id"])
    return [album_id for album_id in album_ids if album_id not in still_open]
