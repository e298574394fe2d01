"""Runs whose process is gone.

Dagster goes on taking them for running: their albums would never be loaded again, and the places that they hold in a
pool never be free.
"""

import json
import socket
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG

from spotify_assets.assets.failures import CAUSE_TAG, Cause
from spotify_assets.load_planning import WORKING_STATUSES

_HOME_TAG = "spotify_assets/home"


def home_tag(home: Path) -> dict[str, str]:
    """The tag of runs that are executed by `up` or `once` itself, of which there is one at a time on a home folder."""
    return {_HOME_TAG: f"{socket.gethostname()}:{home}"}


def end_dead_runs(instance: dg.DagsterInstance, home: Path, *, is_only_machine: bool) -> int:
    """Mark the runs of processes that are gone as failed, and free their places in pools.

    To be called by who holds the lock of `home`: an unfinished run of an earlier holder is dead.

    Args:
        instance: where the runs are.
        home: the home folder whose lock is held.
        is_only_machine: the database is the embedded one, so that no other machine's runs are in it: a run whose code
            server does not answer on its socket is dead. Elsewhere that says nothing.

    Returns:
        How many there were.
    """
    dead = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=WORKING_STATUSES))
        if run.tags.get(_HOME_TAG) == home_tag(home)[_HOME_TAG]
        or (is_only_machine and _code_server_is_gone(run.tags.get(GRPC_INFO_TAG)))
    ]
    for run in dead:
        instance.add_run_tags(run.run_id, {CAUSE_TAG: str(Cause.INTERRUPT)})
        instance.report_run_failed(run, "The process of this run ended before the run did.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(dead)


def _code_server_is_gone(grpc_info: str | None) -> bool:
    path = json.loads(grpc_info).get("socket") if grpc_info else None
    if path is None:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return True
    return False
