"""What runs by itself: jobs, the schedules, and the sensor that loads what is missing or due again.

A sensor and not declarative automation: it requests one run for a whole range of albums with the marts and checks in
the same run, and its decision (`load_planning.ranges_to_load`) is a pure function.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PRIORITY_TAG
from sqlalchemy import Engine

from spotify_assets.assets.deezer import DEEZER_ALBUMS, TRACK_RANKS
from spotify_assets.assets.enrich import ARTISTS, POPULARITY_SNAPSHOTS, TRACK_DETAILS
from spotify_assets.assets.extract import NEW_RELEASES
from spotify_assets.assets.failures import note_cause
from spotify_assets.assets.feature_attempts import FEATURE_ATTEMPTS
from spotify_assets.assets.marts import MARTS
from spotify_assets.load_planning import (
    ALL_OF_AN_ALBUM,
    FAILED_STATUSES,
    PARTITIONED_ASSETS,
    REREAD_JOB,
    RETRY_FAILED_AFTER,
    AlbumRange,
    closed_groups,
    discovery_closed_until,
    loads_closed_until,
    missing_ranges,
)
from spotify_assets.rereading import ranges_to_reread
from spotify_assets.resources import Clock, Warehouse
from spotify_assets.settings import load_settings
from spotify_assets.spotify.endpoints import SEARCH

MARTS_ASSETS = tuple(mart.key for mart in MARTS)
# Load runs that wait or work at once; the sensor's next ticks go on. Thousands of queued runs would bury the UI.
_UNFINISHED_LOADS = 10
# Development keys were seen locked for 20 h after a few hundred searches.
_SEARCHED_EVERY = timedelta(hours=20)

# Built from all that is loaded, whichever run loaded it.
SUMMARIES = (
    FEATURE_ATTEMPTS,
    POPULARITY_SNAPSHOTS,
    ARTISTS,
    DEEZER_ALBUMS,
    TRACK_RANKS,
    *MARTS_ASSETS,
)
_summaries = dg.AssetSelection.assets(*SUMMARIES)
_every_check = dg.AssetSelection.all_asset_checks()

poll_new_releases = dg.define_asset_job(
    "poll_new_releases",
    selection=dg.AssetSelection.assets(NEW_RELEASES),
    description="Polls the lists of new releases and registers unseen albums as partitions.",
    hooks={note_cause},
)

load_albums = dg.define_asset_job(
    "load_albums",
    selection=dg.AssetSelection.assets(*PARTITIONED_ASSETS) | _summaries,
    description="Loads a range of albums, then rebuilds the marts and checks, all in one run.",
    hooks={note_cause},
)

reread_popularity = dg.define_asset_job(
    REREAD_JOB,
    selection=dg.AssetSelection.assets(TRACK_DETAILS) | _summaries,
    description="Reads again how popular the tracks of a range of albums are today, then rebuilds the marts and checks,"
    " all in one run.",
    # Where runs queue, an album that is missing goes before one that is there.
    tags={PRIORITY_TAG: "-1"},
    hooks={note_cause},
)

refresh_marts = dg.define_asset_job(
    "refresh_marts",
    selection=_summaries | _every_check,
    description="Asks again for audio features that are due, and Deezer about the albums of the last weeks; builds anew"
    " what is built from all albums, and runs every check: a new week appears without a new album, and what a failed"
    " load left undone is made good.",
    hooks={note_cause},
)

run_checks = dg.define_asset_job("run_checks", selection=_every_check, description="Runs every check.")


@dg.schedule(
    name="poll_new_releases_every_six_hours",
    job=poll_new_releases,
    cron_schedule="0 */6 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Polls, unless Spotify asked to wait; keys that find albums by search are polled once a day.",
)
def poll_schedule(
    context: dg.ScheduleEvaluationContext, warehouse: Warehouse
) -> dg.RunRequest | dg.SkipReason:
    """Requests a poll, unless there is a reason not to."""
    reason = reason_not_to_poll(context.instance, warehouse.engine, context.scheduled_execution_time)
    return dg.SkipReason(reason) if reason else dg.RunRequest()


def reason_not_to_poll(instance: dg.DagsterInstance, engine: Engine, now: datetime) -> str | None:
    """Why new releases are not to be asked for now; None where they may be."""
    if load_settings().album_ids:
        # Takes no call.
        return None
    if until := discovery_closed_until(closed_groups(engine, now)):
        return _waiting(until)
    if searched_since(instance, now - _SEARCHED_EVERY):
        return "Albums are searched for once a day: a search takes up to 100 calls a market."
    return None


def searched_since(instance: dg.DagsterInstance, time: datetime) -> bool:
    """True where new releases were last found by search, and after `time`."""
    event = instance.get_latest_materialization_event(NEW_RELEASES)
    if event is None or event.timestamp < time.timestamp() or event.asset_materialization is None:
        return False
    found_by = event.asset_materialization.metadata.get("found_by")
    return found_by is not None and found_by.value == SEARCH


refresh_schedule = dg.ScheduleDefinition(
    name="refresh_marts_daily",
    job=refresh_marts,
    cron_schedule="10 0 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def last_refresh(instance: dg.DagsterInstance) -> dg.RunRecord | None:
    """The latest run that was to build the marts, whatever became of it."""
    latest = [
        record
        for job in (load_albums, reread_popularity, refresh_marts)
        for record in instance.get_run_records(dg.RunsFilter(job_name=job.name), limit=1)
    ]
    return max(latest, key=lambda record: record.create_timestamp, default=None)


def refresh_failed_before(instance: dg.DagsterInstance, time: datetime) -> bool:
    """True where the latest run that was to build the marts failed, and did so before `time`."""
    record = last_refresh(instance)
    if record is None or record.dagster_run.status not in FAILED_STATUSES:
        return False
    return (record.end_time or record.update_timestamp.timestamp()) <= time.timestamp()


@dg.sensor(
    name="load_missing_albums",
    jobs=[load_albums, reread_popularity, refresh_marts],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def load_missing_albums(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, clock: Clock
) -> dg.SensorResult:
    """Requests a run for each range of albums that are registered and not loaded, and may be asked for now.

    Then one for each range of albums whose popularity is due to be read again today: what is due is asked for until it
    is done, whatever happened at any one time of day.
    """
    instance, now = context.instance, clock.now()
    closed = closed_groups(warehouse.engine, now)
    loads = missing_ranges(instance, now, closed)
    rereads = ranges_to_reread(instance, warehouse.engine, now, closed)
    if loads or rereads:
        return dg.SensorResult(run_requests=_requests(instance, loads, rereads))
    if refresh_failed_before(instance, now - RETRY_FAILED_AFTER):
        # Also while something is closed: what was loaded by then is to be seen in the marts.
        return dg.SensorResult(run_requests=[dg.RunRequest(job_name=refresh_marts.name)])
    if until := loads_closed_until(closed):
        return dg.SensorResult(skip_reason=_waiting(until))
    return dg.SensorResult(
        skip_reason="Every registered album is loaded and of today, under way, or waiting to be retried."
    )


def _requests(
    instance: dg.DagsterInstance, loads: Sequence[AlbumRange], rereads: Sequence[AlbumRange]
) -> list[dg.RunRequest]:
    """As many as the queue has room for: what is read again never takes the room of a load."""
    room = max(0, _UNFINISHED_LOADS - _unfinished(instance, load_albums.name))
    requests = [_load_request(albums) for albums in loads[:room]]
    left = max(0, room - len(requests) - _unfinished(instance, reread_popularity.name))
    return [*requests, *(_reread_request(albums) for albums in rereads[:left])]


def _unfinished(instance: dg.DagsterInstance, job_name: str) -> int:
    return instance.get_runs_count(dg.RunsFilter(job_name=job_name, statuses=NOT_FINISHED_STATUSES))


def assets_of_load(albums: AlbumRange) -> list[dg.AssetKey] | None:
    """The assets of a load run: what is missing of its albums, and what is built from all; None for the whole job."""
    if albums.assets == ALL_OF_AN_ALBUM:
        return None
    return [*sorted(albums.assets), *SUMMARIES]


def _load_request(albums: AlbumRange) -> dg.RunRequest:
    return dg.RunRequest(job_name=load_albums.name, tags=albums.tags, asset_selection=assets_of_load(albums))


def _reread_request(albums: AlbumRange) -> dg.RunRequest:
    return dg.RunRequest(job_name=reread_popularity.name, tags=albums.tags)


def _waiting(until: datetime) -> str:
    return (
        f"Spotify asked to wait until {until:%Y-%m-%d %H:%M:%S} UTC; calling earlier lengthens the penalty."
    )
