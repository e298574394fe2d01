"""Which albums to load now: the decision as a pure function, and what it needs to know read off the run history."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Self

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from spotify_assets.assets.enrich import AUDIO_FEATURES, TRACK_DETAILS
from spotify_assets.assets.extract import RELEASES, TRACKS
from spotify_assets.assets.failures import CAUSE_TAG, RESUME_AT_TAG, Cause
from spotify_assets.partitions import ALBUM_ID
from spotify_assets.settings import load_settings

PARTITIONED_ASSETS = (RELEASES, TRACKS, AUDIO_FEATURES, TRACK_DETAILS)
RETRY_FAILED_AFTER = timedelta(hours=1)
_LOOK_BACK = timedelta(days=7)
FAILED_STATUSES = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# Those that a process works on; the other unfinished ones wait for a daemon.
WORKING_STATUSES = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


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
    def of_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """The range of a run, or None where the run is of no album."""
        if partition := tags.get(PARTITION_NAME_TAG):
            return cls(partition, partition)
        if ASSET_PARTITION_RANGE_START_TAG in tags:
            return cls(tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG])
        return None


class Albums:
    """All albums in the order in which they were registered, which is the order of ranges."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys
        self._position = {key: position for position, key in enumerate(keys)}

    def within(self, albums: AlbumRange) -> Sequence[str]:
        """The albums of a range; none where an end is not there any more."""
        start, end = self._position.get(albums.start), self._position.get(albums.end)
        return [] if start is None or end is None else self.keys[start : end + 1]


@dataclass(frozen=True)
class FailedLoads:
    """How the loads of an album failed lately.

    Attributes:
        last_at: When the last one failed, whatever the cause.
        of_albums: How many failed for a reason that may lie in one of their albums; neither rate limits nor outages.
    """

    last_at: datetime
    of_albums: int = 0


def ranges_to_load(
    albums: Albums,
    loaded: AbstractSet[str],
    in_flight: AbstractSet[str],
    failed: Mapping[str, FailedLoads],
    now: datetime,
    most_per_run: int,
) -> list[AlbumRange]:
    """The ranges of albums to load now.

    Every missing album that no run is loading is in exactly one range; a range never holds an album that was not
    missing. Failed albums are left alone for an hour, and asked for again in ranges a quarter as long for each failure
    that may lie in one of them, so that one album that cannot be loaded soon stands alone and stops nobody else.

    Args:
        albums: all partitions.
        loaded: those with every partitioned asset materialized.
        in_flight: those that an unfinished run covers.
        failed: those whose load failed lately.
        now: the time.
        most_per_run: albums in a run at most.
    """

    def failures(key: str) -> int | None:
        """None: not to be asked for now."""
        if key in loaded or key in in_flight:
            return None
        if (failure := failed.get(key)) is None:
            return 0
        return failure.of_albums if now - failure.last_at >= RETRY_FAILED_AFTER else None

    ranges: list[AlbumRange] = []
    for count, group in groupby(albums.keys, key=failures):
        if count is not None:
            ranges.extend(_chunks(list(group), max(1, most_per_run // 4**count)))
    return ranges


def _chunks(keys: Sequence[str], size: int) -> Iterator[AlbumRange]:
    for start in range(0, len(keys), size):
        chunk = keys[start : start + size]
        yield AlbumRange(chunk[0], chunk[-1])


def registered_albums(instance: dg.DagsterInstance) -> Albums:
    """All album partitions."""
    return Albums(list(instance.get_dynamic_partitions(ALBUM_ID)))


def loaded_albums(instance: dg.DagsterInstance) -> set[str]:
    """The albums that each partitioned asset was materialized for."""
    return set.intersection(*(instance.get_materialized_partitions(asset) for asset in PARTITIONED_ASSETS))


def missing_ranges(instance: dg.DagsterInstance, now: datetime) -> list[AlbumRange]:
    """What the sensor asks for: all that is missing and neither queued, being loaded, nor waiting after a failure."""
    albums = registered_albums(instance)
    return ranges_to_load(
        albums,
        loaded=loaded_albums(instance),
        in_flight=_albums_in_flight(instance, albums, NOT_FINISHED_STATUSES),
        failed=_failed_loads(instance, albums, since=now - _LOOK_BACK),
        now=now,
        most_per_run=load_settings().albums_per_run,
    )


def missing_ranges_at_once(instance: dg.DagsterInstance, now: datetime) -> list[AlbumRange]:
    """What a person asks for: failed albums do not wait, and queued runs, which need a daemon, do not count."""
    albums = registered_albums(instance)
    in_flight = _albums_in_flight(instance, albums, WORKING_STATUSES)
    return ranges_to_load(albums, loaded_albums(instance), in_flight, {}, now, load_settings().albums_per_run)


def calls_allowed_from(instance: dg.DagsterInstance, now: datetime) -> datetime | None:
    """The time that Spotify asked to wait for, where it is still to come; calling earlier lengthens the penalty."""
    records = instance.get_run_records(
        dg.RunsFilter(statuses=FAILED_STATUSES, updated_after=now - _LOOK_BACK)
    )
    times = [
        datetime.fromisoformat(resume_at)
        for record in records
        if (resume_at := record.dagster_run.tags.get(RESUME_AT_TAG))
    ]
    return max((time for time in times if time > now), default=None)


def _albums_in_flight(
    instance: dg.DagsterInstance, albums: Albums, statuses: Sequence[dg.DagsterRunStatus]
) -> set[str]:
    runs = instance.get_runs(dg.RunsFilter(statuses=list(statuses)))
    return {key for run in runs if (found := AlbumRange.of_tags(run.tags)) for key in albums.within(found)}


def _failed_loads(instance: dg.DagsterInstance, albums: Albums, since: datetime) -> dict[str, FailedLoads]:
    failed: dict[str, FailedLoads] = {}
    for record in instance.get_run_records(dg.RunsFilter(statuses=FAILED_STATUSES, updated_after=since)):
        run = record.dagster_run
        if (found := AlbumRange.of_tags(run.tags)) is None:
            continue
        ended_at = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        # A run that died without a word may have died of an album.
        of_albums = int(run.tags.get(CAUSE_TAG, Cause.ALBUMS) == Cause.ALBUMS)
        for key in albums.within(found):
            known = failed.get(key, FailedLoads(ended_at))
            failed[key] = FailedLoads(max(known.last_at, ended_at), known.of_albums + of_albums)
    return failed
