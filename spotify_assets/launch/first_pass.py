"""Materializing the whole graph once, in this process, with visible progress."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.events.log import EventLogEntry
from dagster_shared.error import SerializableErrorInfo

from spotify_assets.automation import (
    MARTS_ASSETS,
    build_marts,
    load_albums,
    missing_ranges,
    poll_new_releases,
)
from spotify_assets.definitions import defs
from spotify_assets.partitions import ALBUM_ID

Say = Callable[[str], None]

# The listener says what goes on; the console logger would print every event beside it. The event log has them all.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Outcome:
    """What the runs of a pass came to."""

    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    seconds_by_step: dict[str, float] = field(default_factory=dict)
    albums_loaded: int = 0

    @property
    def succeeded(self) -> bool:
        """True when every run succeeded and no check failed at ERROR severity."""
        return not self.failures


def materialize_everything(instance: dg.DagsterInstance, say: Say) -> Outcome:
    """Poll for new releases, load every album that is missing, and build the marts.

    Raises:
        KeyboardInterrupt: also where Dagster caught it; the run under way is recorded as canceled.
    """
    outcome = Outcome()
    say("Asking for new releases")
    _run(instance, poll_new_releases.name, {}, outcome, say)
    # A pass that a person asked for does not wait for the hour after a failure.
    ranges = missing_ranges(instance, datetime.now(UTC), heed_failures=False)
    keys = instance.get_dynamic_partitions(ALBUM_ID)
    for number, albums in enumerate(ranges, start=1):
        count = len(albums.within(keys))
        say(f"Loading {count} albums (run {number} of {len(ranges)})")
        _run(instance, load_albums.name, albums.tags, outcome, say)
        outcome.albums_loaded += count
    if not ranges and not _marts_built_on(instance, datetime.now(UTC)):
        say("Building the marts")
        _run(instance, build_marts.name, {}, outcome, say)
    return outcome


def _marts_built_on(instance: dg.DagsterInstance, day: datetime) -> bool:
    built = [instance.get_latest_materialization_event(mart) for mart in MARTS_ASSETS]
    return all(event and datetime.fromtimestamp(event.timestamp, UTC).date() == day.date() for event in built)


def _run(
    instance: dg.DagsterInstance, job_name: str, tags: Mapping[str, str], outcome: Outcome, say: Say
) -> None:
    run_id = str(uuid.uuid4())
    listener = _Listener(outcome, say)
    instance.add_event_listener(run_id, listener)
    job = defs.resolve_job_def(job_name)
    result = job.execute_in_process(
        run_config=_QUIET, instance=instance, tags=dict(tags), run_id=run_id, raise_on_error=False
    )
    # Dagster takes an interrupt for the run's own, records the run as canceled or failed, and returns.
    run = instance.get_run_by_id(run_id)
    if listener.interrupted or (run and run.status == dg.DagsterRunStatus.CANCELED):
        raise KeyboardInterrupt
    if not result.success and not listener.failed_steps:
        outcome.failures.append(f"Run {run_id} of {job_name} failed before its first step; its log says why.")


class _Listener:
    """Follows the events of one run: says what goes on, and adds it up."""

    def __init__(self, outcome: Outcome, say: Say) -> None:
        self._outcome = outcome
        self._say = say
        self._started: dict[str, float] = {}
        self._counted: set[tuple[str, dg.AssetKey]] = set()
        self._is_check: set[str] = set()
        self.failed_steps: set[str] = set()
        self.interrupted = False

    def __call__(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        self.interrupted |= _is_interrupt(getattr(event.event_specific_data, "error", None))
        if event.step_key is not None and not self.interrupted:
            self._follow_step(event, entry.timestamp)

    def _follow_step(self, event: DagsterEvent, timestamp: float) -> None:
        step_key = str(event.step_key)
        if event.is_step_start:
            self._started[step_key] = timestamp
        elif event.is_step_materialization:
            self._add_calls(event)
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._note_check(event)
        elif event.is_step_failure:
            self._note_failure(event)
        elif event.is_step_success:
            self._note_success(step_key, timestamp)

    def _add_calls(self, event: DagsterEvent) -> None:
        # Each partition of a range repeats the metadata of its step.
        materialization = event.step_materialization_data.materialization
        marker = (str(event.step_key), materialization.asset_key)
        if marker in self._counted:
            return
        self._counted.add(marker)
        calls = materialization.metadata.get("calls_by_endpoint")
        self._outcome.calls.update(calls.value if isinstance(calls, dg.JsonMetadataValue) else {})

    def _note_check(self, event: DagsterEvent) -> None:
        evaluation: Any = event.event_specific_data
        self._is_check.add(str(event.step_key))
        if evaluation.passed:
            return
        sentence = (
            f"{evaluation.asset_key.to_user_string()} {evaluation.check_name}: {evaluation.description}"
        )
        failed = evaluation.severity == dg.AssetCheckSeverity.ERROR
        (self._outcome.failures if failed else self._outcome.warnings).append(sentence)
        self._say(f"  check {'FAILED' if failed else 'warns'}: {sentence}")

    def _note_failure(self, event: DagsterEvent) -> None:
        self.failed_steps.add(str(event.step_key))
        error = event.step_failure_data.user_failure_data or event.step_failure_data.error
        reason = getattr(error, "description", None) or getattr(error, "message", None) or "its log says why"
        sentence = f"{event.step_key}: {reason.strip()}"
        self._outcome.failures.append(sentence)
        self._say(f"  FAILED {sentence}")

    def _note_success(self, step_key: str, timestamp: float) -> None:
        seconds = timestamp - self._started.get(step_key, timestamp)
        self._outcome.seconds_by_step[step_key] = self._outcome.seconds_by_step.get(step_key, 0) + seconds
        if step_key not in self._is_check:
            self._say(f"  {step_key.removeprefix('spotify__').replace('__', '/')} ({seconds:.1f} s)")


def _is_interrupt(error: SerializableErrorInfo | None) -> bool:
    """True where the error, or one behind it, is Ctrl-C or SIGTERM."""
    if error is None:
        return False
    if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
        return True
    return _is_interrupt(error.cause) or _is_interrupt(error.context)
