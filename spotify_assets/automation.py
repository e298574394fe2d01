"""What runs by itself: jobs, the schedules, and the sensor that loads what is missing.

A sensor and not declarative automation: it requests one run for a whole range of albums with the marts and checks in
the same run, its decision is a pure function, and a tick costs the same at any number of partitions.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from spotify_assets.assets.enrich import ARTISTS, AUDIO_FEATURES, POPULARITY_SNAPSHOTS, TRACK_DETAILS
from spotify_assets.assets.extract import NEW_RELEASES, RELEASES, TRACKS
from spotify_assets.assets.marts import MARTS
from spotify_assets.partitions import ALBUM_ID
from spotify_assets.settings import load_settings

MARTS_ASSETS = tuple(mart.key for mart in MARTS)
PARTITIONED_ASSETS = (RELEASES, TRACKS, AUDIO_FEATURES, TRACK_DETAILS)
RETRY_FAILED_AFTER = timedelta(hours=1)
_LOOK_BACK = timedelta(days=7)
# A tick asks for a few runs at most; the next tick goes on. Thousands of queued runs would bury the UI.
_RUNS_PER_TICK = 10

_mart_selection = dg.AssetSelection.assets(*MARTS)

poll_new_releases = dg.define_asset_job(
    "poll_new_releases",
    selection=dg.AssetSelection.assets(NEW_RELEASES),
    description="Polls the lists of new releases and registers unseen albums as partitions.",
)

load_albums = dg.define_asset_job(
    "load_albums",
    selection=dg.AssetSelection.assets(*PARTITIONED_ASSETS, POPULARITY_SNAPSHOTS, ARTISTS) | _mart_selection,
    description="Loads a range of albums, then rebuilds the marts and checks, all in one run.",
)

build_marts = dg.define_asset_job(
    "build_marts",
    selection=_mart_selection,
    description="Rebuilds the marts, so that a new week appears in them without a new album.",
)

poll_schedule = dg.ScheduleDefinition(
    name="poll_new_releases_every_six_hours",
    job=poll_new_releases,
    cron_schedule="0 */6 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

marts_schedule = dg.ScheduleDefinition(
    name="build_marts_daily",
    job=build_marts,
    cron_schedule="10 0 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dataclass(frozen=True)
class AlbumRange:
    """A contiguous range of partitions in insertion order, both ends included."""

    start: str
    end: str

    @property
    def tags(self) -> dict[str, str]:
        """The run tags that make a run cover this range."""
        return {ASSET_PARTITION_RANGE_START_TAG: self.start, ASSET_PARTITION_RANGE_END_TAG: self.end}

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> "AlbumRange | None":
        """The range of a run, or None where the run is of no album."""
        if partition := tags.get(PARTITION_NAME_TAG):
            return cls(partition, partition)
        if ASSET_PARTITION_RANGE_START_TAG in tags:
            return cls(tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG])
        return None

    def within(self, keys: Sequence[str]) -> Sequence[str]:
        """Its albums among `keys`; none where an end is not there any more."""
        try:
            return keys[keys.index(self.start) : keys.index(self.end) + 1]
        except ValueError:
            return []


@dataclass(frozen=True)
class FailedLoads:
    """How often the load of an album failed lately, and when last."""

    attempts: int
    last_at: datetime


def ranges_to_load(
    keys: Sequence[str],
    loaded: AbstractSet[str],
    in_flight: AbstractSet[str],
    failed: Mapping[str, FailedLoads],
    now: datetime,
    most_per_run: int,
) -> list[AlbumRange]:
    """The ranges of albums to load now.

    Every missing album that no run is loading is in exactly one range; a range never holds an album that was not
    missing. Failed albums are left alone for an hour, and asked for again in ranges a quarter as long for each failure,
    so that one album that cannot be loaded soon stands alone and stops nobody else.

    Args:
        keys: all partitions, in insertion order.
        loaded: those with every partitioned asset materialized.
        in_flight: those that an unfinished run covers.
        failed: those whose load failed lately.
        now: the time.
        most_per_run: albums in a run at most.
    """

    def attempts(key: str) -> int | None:
        """None: not to be asked for now; else how often it failed."""
        if key in loaded or key in in_flight:
            return None
        if (failure := failed.get(key)) is None:
            return 0
        return failure.attempts if now - failure.last_at >= RETRY_FAILED_AFTER else None

    ranges: list[AlbumRange] = []
    for failures, group in groupby(keys, key=attempts):
        if failures is not None:
            ranges.extend(_chunks(list(group), max(1, most_per_run // 4**failures)))
    return ranges


def _chunks(keys: Sequence[str], size: int) -> Iterator[AlbumRange]:
    for start in range(0, len(keys), size):
        chunk = keys[start : start + size]
        yield AlbumRange(chunk[0], chunk[-1])


def missing_ranges(
    instance: dg.DagsterInstance, now: datetime, *, heed_failures: bool = True
) -> list[AlbumRange]:
    """`ranges_to_load` with what the instance knows; without `heed_failures`, failed albums do not wait."""
    keys = list(instance.get_dynamic_partitions(ALBUM_ID))
    loaded = set.intersection(*(instance.get_materialized_partitions(asset) for asset in PARTITIONED_ASSETS))
    return ranges_to_load(
        keys,
        loaded=loaded,
        in_flight=_albums_in_flight(instance, keys),
        failed=_failed_loads(instance, keys, since=now - _LOOK_BACK) if heed_failures else {},
        now=now,
        most_per_run=load_settings().albums_per_run,
    )


def _albums_in_flight(instance: dg.DagsterInstance, keys: Sequence[str]) -> set[str]:
    runs = instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    return {key for run in runs if (albums := AlbumRange.of_tags(run.tags)) for key in albums.within(keys)}


def _failed_loads(
    instance: dg.DagsterInstance, keys: Sequence[str], since: datetime
) -> dict[str, FailedLoads]:
    statuses = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    records = instance.get_run_records(
        dg.RunsFilter(job_name=load_albums.name, statuses=statuses, updated_after=since), limit=500
    )
    failed: dict[str, FailedLoads] = {}
    for record in records:
        if (albums := AlbumRange.of_tags(record.dagster_run.tags)) is None:
            continue
        ended_at = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        for key in albums.within(keys):
            known = failed.get(key, FailedLoads(0, ended_at))
            failed[key] = FailedLoads(known.attempts + 1, max(known.last_at, ended_at))
    return failed


@dg.sensor(
    name="load_missing_albums",
    job=load_albums,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def load_missing_albums(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Requests a run for each range of albums that are registered and not loaded."""
    ranges = missing_ranges(context.instance, datetime.now(UTC))
    if not ranges:
        return dg.SensorResult(
            skip_reason="Every registered album is loaded, being loaded, or waiting to be retried."
        )
    return dg.SensorResult(run_requests=[dg.RunRequest(tags=found.tags) for found in ranges[:_RUNS_PER_TICK]])
