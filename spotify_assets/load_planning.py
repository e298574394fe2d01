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
from sqlalchemy import Engine

from spotify_assets.assets.enrich import AUDIO_FEATURES, TRACK_DETAILS
from spotify_assets.assets.extract import RELEASES, TRACKS
from spotify_assets.assets.failures import CAUSE_TAG, Cause
from spotify_assets.client_state import closures
from spotify_assets.partitions import ALBUM_ID
from spotify_assets.resources import credentials_of
from spotify_assets.settings import load_settings
from spotify_assets.spotify.budget import Closure
from spotify_assets.spotify.endpoints import (
    ALBUMS,
    NEW_RELEASES,
    SEARCH,
    TOKEN,
    group_of,
)
from spotify_assets.spotify.endpoints import (
    AUDIO_FEATURES as FEATURES_ENDPOINT,
)
from spotify_assets.spotify.endpoints import (
    TRACKS as TRACKS_ENDPOINT,
)

PARTITIONED_ASSETS = (RELEASES, TRACKS, AUDIO_FEATURES, TRACK_DETAILS)
ALL_OF_AN_ALBUM = frozenset(PARTITIONED_ASSETS)
# Whose quota a step needs. A group that the key's plan does not call is never closed.
_GROUPS = {
    RELEASES: group_of(ALBUMS),
    TRACKS: group_of(ALBUMS),
    AUDIO_FEATURES: group_of(FEATURES_ENDPOINT),
    TRACK_DETAILS: group_of(TRACKS_ENDPOINT),
}
RETRY_FAILED_AFTER = timedelta(hours=1)
REREAD_JOB = "reread_popularity"
"""The job that reads again what is loaded: its failures say nothing about loading, nor those of loads about it."""
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
    """A contiguous range of partitions in insertion order, both ends included.

    Attributes:
        start: the first album.
        end: the last one.
        assets: what is to be loaded of them.
    """

    start: str
    end: str
    assets: frozenset[dg.AssetKey] = ALL_OF_AN_ALBUM

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


def assets_to_load(
    album: str, loaded: Mapping[dg.AssetKey, AbstractSet[str]], waiting: AbstractSet[dg.AssetKey]
) -> frozenset[dg.AssetKey]:
    """What is to be loaded of an album now.

    What hangs on tracks is not loaded without them. Releases and tracks come together, and all that hangs on them anew.

    Args:
        album: its partition.
        loaded: for each partitioned asset the albums it was materialized for.
        waiting: the assets that must not be asked for before a time that Spotify named.
    """
    missing = frozenset(asset for asset in PARTITIONED_ASSETS if album not in loaded[asset])
    if not missing & {RELEASES, TRACKS}:
        return missing - waiting
    return frozenset() if waiting & {RELEASES, TRACKS} else ALL_OF_AN_ALBUM - waiting


def ranges_to_load(
    albums: Albums,
    wanted: Mapping[str, frozenset[dg.AssetKey]],
    in_flight: AbstractSet[str],
    failed: Mapping[str, FailedLoads],
    now: datetime,
    most_per_run: int,
) -> list[AlbumRange]:
    """The ranges of albums to load now.

    Every wanted album that no run is loading is in exactly one range, with others of which the same is wanted; a range
    never holds an album that was not wanted. Failed albums are left alone for an hour, and asked for again in ranges a
    quarter as long for each failure that may lie in one of them, so that one album that cannot be loaded soon stands
    alone and stops nobody else.

    Args:
        albums: all partitions.
        wanted: by album, what is to be loaded of it; nothing of the albums that are not in it.
        in_flight: those that an unfinished run covers.
        failed: those whose load failed lately.
        now: the time.
        most_per_run: albums in a run at most.
    """

    def kind(key: str) -> tuple[frozenset[dg.AssetKey], int]:
        """What is to be loaded, and how often it failed; nothing where it is not to be asked for now."""
        nothing: tuple[frozenset[dg.AssetKey], int] = (frozenset(), 0)
        if key in in_flight or not (assets := wanted.get(key)):
            return nothing
        if (failure := failed.get(key)) is None:
            return assets, 0
        return (assets, failure.of_albums) if now - failure.last_at >= RETRY_FAILED_AFTER else nothing

    ranges: list[AlbumRange] = []
    for (assets, failures), group in groupby(albums.keys, key=kind):
        if assets:
            ranges.extend(_chunks(list(group), max(1, most_per_run // 4**failures), assets))
    return ranges


def _chunks(keys: Sequence[str], size: int, assets: frozenset[dg.AssetKey]) -> Iterator[AlbumRange]:
    for start in range(0, len(keys), size):
        chunk = keys[start : start + size]
        yield AlbumRange(chunk[0], chunk[-1], assets)


def registered_albums(instance: dg.DagsterInstance) -> Albums:
    """All album partitions."""
    return Albums(list(instance.get_dynamic_partitions(ALBUM_ID)))


def loaded_albums(instance: dg.DagsterInstance) -> set[str]:
    """The albums that each partitioned asset was materialized for."""
    return set.intersection(*loaded_by_asset(instance).values())


def loaded_by_asset(instance: dg.DagsterInstance) -> dict[dg.AssetKey, set[str]]:
    """For each partitioned asset the albums it was materialized for."""
    return {asset: instance.get_materialized_partitions(asset) for asset in PARTITIONED_ASSETS}


def missing_ranges(
    instance: dg.DagsterInstance, now: datetime, closed: Mapping[str, Closure]
) -> list[AlbumRange]:
    """What the sensor asks for: all that is missing and neither queued, being loaded, nor waiting after a failure.

    Args:
        instance: where partitions and runs are recorded.
        now: the time.
        closed: the groups of endpoints that must not be called now, see `closed_groups`.
    """
    albums = registered_albums(instance)
    return ranges_to_load(
        albums,
        _wanted(instance, albums, closed),
        in_flight=albums_in_flight(instance, albums, NOT_FINISHED_STATUSES),
        failed=failed_loads(instance, albums, since=now - _LOOK_BACK),
        now=now,
        most_per_run=load_settings().albums_per_run,
    )


def missing_ranges_at_once(
    instance: dg.DagsterInstance, now: datetime, closed: Mapping[str, Closure]
) -> list[AlbumRange]:
    """What a person asks for: failed albums do not wait, and queued runs, which need a daemon, do not count."""
    albums = registered_albums(instance)
    in_flight = albums_in_flight(instance, albums, WORKING_STATUSES)
    wanted = _wanted(instance, albums, closed)
    return ranges_to_load(albums, wanted, in_flight, {}, now, load_settings().albums_per_run)


def _wanted(
    instance: dg.DagsterInstance, albums: Albums, closed: Mapping[str, Closure]
) -> dict[str, frozenset[dg.AssetKey]]:
    loaded, waiting = loaded_by_asset(instance), waiting_assets(closed)
    return {key: assets for key in albums.keys if (assets := assets_to_load(key, loaded, waiting))}


def waiting_assets(closed: Mapping[str, Closure]) -> frozenset[dg.AssetKey]:
    """The partitioned assets whose endpoints must not be called now; without a token none may be."""
    if group_of(TOKEN) in closed:
        return ALL_OF_AN_ALBUM
    return frozenset(asset for asset, group in _GROUPS.items() if group in closed)


def closed_groups(engine: Engine, now: datetime) -> dict[str, Closure]:
    """The groups of endpoints that this environment's key must not call now; calling earlier lengthens the penalty."""
    settings = load_settings()
    if not settings.has_credentials and not settings.uses_sandbox:
        # The run says what is missing.
        return {}
    with engine.connect() as connection:
        return closures(connection, credentials_of(settings).fingerprint, now)


def discovery_closed_until(closed: Mapping[str, Closure]) -> datetime | None:
    """From when new releases may be asked for, where they may not be now."""
    return _closed_until(closed, {group_of(NEW_RELEASES), group_of(SEARCH), group_of(TOKEN)})


def loads_closed_until(closed: Mapping[str, Closure]) -> datetime | None:
    """From when everything about albums may be asked for, where some of it may not be now."""
    return _closed_until(closed, {*_GROUPS.values(), group_of(TOKEN)})


def _closed_until(closed: Mapping[str, Closure], groups: AbstractSet[str]) -> datetime | None:
    return max((closure.until for group, closure in closed.items() if group in groups), default=None)


def albums_in_flight(
    instance: dg.DagsterInstance, albums: Albums, statuses: Sequence[dg.DagsterRunStatus]
) -> set[str]:
    """The albums that runs of these statuses cover."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(statuses)))
    return {key for run in runs if (found := AlbumRange.of_tags(run.tags)) for key in albums.within(found)}


def failed_loads(
    instance: dg.DagsterInstance, albums: Albums, since: datetime, *, of_rereads: bool = False
) -> dict[str, FailedLoads]:
    """The albums whose load failed since then, or with `of_rereads` those whose popularity could not be read again."""
    failed: dict[str, FailedLoads] = {}
    for record in instance.get_run_records(dg.RunsFilter(statuses=FAILED_STATUSES, updated_after=since)):
        run = record.dagster_run
        found = AlbumRange.of_tags(run.tags)
        if found is None or (run.job_name == REREAD_JOB) is not of_rereads:
            continue
        ended_at = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        # A run that died without a word may have died of an album.
        of_albums = int(run.tags.get(CAUSE_TAG, Cause.ALBUMS) == Cause.ALBUMS)
        for key in albums.within(found):
            known = failed.get(key, FailedLoads(ended_at))
            failed[key] = FailedLoads(max(known.last_at, ended_at), known.of_albums + of_albums)
    return failed
