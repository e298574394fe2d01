"""Materializing the whole graph once, in this process, with visible progress."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.events.log import EventLogEntry
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import Engine, text

from spotify_assets.assets.enrich import TRACK_DETAILS
from spotify_assets.assets.failures import CAUSE_TAG, Cause
from spotify_assets.automation import (
    MARTS_ASSETS,
    assets_of_load,
    load_albums,
    poll_new_releases,
    refresh_failed_before,
    refresh_marts,
    reread_popularity,
    run_checks,
)
from spotify_assets.definitions import defs
from spotify_assets.load_planning import (
    AlbumRange,
    closed_groups,
    loaded_albums,
    missing_ranges_at_once,
    registered_albums,
    waiting_assets,
)
from spotify_assets.rereading import popularity_is_given, ranges_to_reread_at_once
from spotify_assets.resources import Clock

Say = Callable[[str], None]

# The listener says what goes on; the console logger would print every event beside it. The event log has them all.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Outcome:
    """What the runs of a pass came to."""

    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    albums_loaded: int = 0

    @property
    def succeeded(self) -> bool:
        """True when every run succeeded, every album is loaded, and no check failed at ERROR severity."""
        return not self.failures


class FirstPass:
    """The jobs that load everything once, run one after the other in this process.

    Args:
        instance: where the runs are recorded.
        engine: the warehouse.
        say: prints a line.
        tags: tags of every run.
        clock: the time, for the pass and for the assets of its runs.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        engine: Engine,
        say: Say,
        tags: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._instance = instance
        self._engine = engine
        self._say = say
        self._tags = dict(tags or {})
        # The key, the account or the environment was refused: every further run would be.
        self._is_refused = False
        self._run_ids: list[str] = []
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Poll for new releases, read again what is due, load every album that is missing, build the marts, and check.

        Raises:
            KeyboardInterrupt: also where Dagster caught it; the run under way is recorded as canceled.
        """
        self._say("Asking for new releases")
        if self._execute(poll_new_releases.name) or not self._is_refused:
            self._bring_up_to_date()
        self.outcome.calls = self._calls()
        return self.outcome

    def _bring_up_to_date(self) -> None:
        now = self._clock.now()
        closed = closed_groups(self._engine, now)
        for closure in closed.values():
            self._say(f"Leaving out what needs {closure.group}: {closure}")
        missing = missing_ranges_at_once(self._instance, now, closed)
        due = ranges_to_reread_at_once(self._instance, self._engine, now, closed)
        # First: what is built from a load has the day's popularity, and it takes few calls.
        is_built = self._read_again(due)
        if self._is_refused:
            return
        if missing:
            self._load(missing)
        elif self._marts_are_due(self._clock.now(), is_built=is_built):
            self._say("Building the marts")
            self._execute(refresh_marts.name)
        else:
            self._say("Nothing new; checking what is there")
            self._execute(run_checks.name)
        self._note_missing_albums()

    def _read_again(self, due: Sequence[AlbumRange]) -> bool:
        """Read the popularity of these albums again; True where a run has built the marts from it."""
        albums, is_built = registered_albums(self._instance), False
        for number, found in enumerate(due, start=1):
            if self._is_refused or not self._popularity_may_be_asked_for():
                break
            count = len(albums.within(found))
            self._say(f"Reading the popularity of {count} albums again (run {number} of {len(due)})")
            is_built |= self._execute(reread_popularity.name, found.tags)
        return is_built

    def _popularity_may_be_asked_for(self) -> bool:
        """Asked before each run: the one before may have used up a quota, or found that the key gets none."""
        now = self._clock.now()
        if TRACK_DETAILS in waiting_assets(closed_groups(self._engine, now)):
            self._say("Leaving out the rest: Spotify asked to wait.")
            return False
        return popularity_is_given(self._engine, now) is not False

    def _calls(self) -> Counter[str]:
        """By endpoint, those of failed steps included: of the ops table, as only what succeeded has metadata."""
        query = (files(__package__) / "queries" / "calls_of_runs.sql").read_text(encoding="utf-8")
        with self._engine.connect() as connection:
            rows = connection.execute(text(query), {"run_ids": self._run_ids})
            return Counter({row.endpoint: row.calls for row in rows})

    def _load(self, ranges: Sequence[AlbumRange]) -> None:
        albums, left_out = registered_albums(self._instance), 0
        for number, found in enumerate(ranges, start=1):
            # Asked before each run: the one before may have used up a quota.
            if found.assets & waiting_assets(closed_groups(self._engine, self._clock.now())):
                left_out += 1
                continue
            self._say(f"Loading {len(albums.within(found))} albums (run {number} of {len(ranges)})")
            if self._execute(load_albums.name, found.tags, assets_of_load(found)):
                self.outcome.albums_loaded += len(albums.within(found))
            elif self._is_refused:
                return
        if left_out:
            self._say(f"Left out {left_out} of {len(ranges)} runs: Spotify asked to wait.")

    def _marts_are_due(self, now: datetime, *, is_built: bool) -> bool:
        """True where the marts were not built today, `is_built` being of this pass, or the last build failed."""
        built = [self._instance.get_latest_materialization_event(mart) for mart in MARTS_ASSETS]
        today = all(
            event and datetime.fromtimestamp(event.timestamp, UTC).date() == now.date() for event in built
        )
        return not (is_built or today) or refresh_failed_before(self._instance, now)

    def _note_missing_albums(self) -> None:
        missing = len(set(registered_albums(self._instance).keys) - loaded_albums(self._instance))
        if missing:
            self.outcome.failures.append(f"{missing} registered albums are not loaded.")

    def _execute(
        self,
        job_name: str,
        tags: Mapping[str, str] | None = None,
        assets: Sequence[dg.AssetKey] | None = None,
    ) -> bool:
        run_id = str(uuid.uuid4())
        self._run_ids.append(run_id)
        listener = _Listener(self.outcome, self._say)
        self._instance.add_event_listener(run_id, listener)
        result = defs.resolve_job_def(job_name).execute_in_process(
            run_config=self._run_config(),
            asset_selection=assets,
            instance=self._instance,
            tags={**self._tags, **(tags or {})},
            run_id=run_id,
            raise_on_error=False,
        )
        # Dagster takes an interrupt for the run's own, records the run as canceled or failed, and returns.
        run = self._instance.get_run_by_id(run_id)
        self._is_refused |= run is not None and run.tags.get(CAUSE_TAG) == Cause.ACCOUNT
        if listener.interrupted or (run and run.status == dg.DagsterRunStatus.CANCELED):
            raise KeyboardInterrupt
        if not result.success and not listener.failed_steps:
            self.outcome.failures.append(
                f"Run {run_id} of {job_name} failed outside its steps; its log says why."
            )
        return result.success

    def _run_config(self) -> dict[str, Any]:
        return _QUIET if self._clock.fixed is None else {**_QUIET, **_showing(self._clock.fixed)}


def _showing(time: str) -> dict[str, Any]:
    return {"resources": {"clock": {"config": {"fixed": time}}}}


class _Listener:
    """Follows the events of one run: says what goes on, and adds it up."""

    def __init__(self, outcome: Outcome, say: Say) -> None:
        self._outcome = outcome
        self._say = say
        self._started: dict[str, float] = {}
        self._is_check: set[str] = set()
        self.failed_steps: set[str] = set()
        self.interrupted = False

    def __call__(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        self.interrupted |= _is_interrupt(getattr(event.event_specific_data, "error", None))
        if event.event_type == dg.DagsterEventType.ENGINE_EVENT and "blocked by limit for pool" in (
            event.message or ""
        ):
            self._say(f"  waiting: {event.message}")
        elif event.step_key is not None and not self.interrupted:
            self._follow_step(event, entry.timestamp)

    def _follow_step(self, event: DagsterEvent, timestamp: float) -> None:
        step_key = str(event.step_key)
        if event.is_step_start:
            self._started[step_key] = timestamp
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._note_check(event)
        elif event.is_step_failure:
            self._note_failure(event)
        elif event.is_step_success:
            self._note_success(step_key, timestamp)

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
        told = event.step_failure_data.user_failure_data
        error = told or _cause(event.step_failure_data.error)
        reason = getattr(error, "description", None) or getattr(error, "message", None) or "its log says why"
        sentence = f"{event.step_key}: {reason.strip()}"
        self._outcome.failures.append(sentence)
        self._say(f"  FAILED {sentence}")

    def _note_success(self, step_key: str, timestamp: float) -> None:
        seconds = timestamp - self._started.get(step_key, timestamp)
        if step_key not in self._is_check:
            self._say(f"  {step_key.removeprefix('spotify__').replace('__', '/')} ({seconds:.1f} s)")


def _cause(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """The error at the bottom: what Dagster wraps it in says only that a step failed."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error


def _is_interrupt(error: SerializableErrorInfo | None) -> bool:
    """True where the error, or one behind it, is Ctrl-C or SIGTERM."""
    if error is None:
        return False
    if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
        return True
    return _is_interrupt(error.cause) or _is_interrupt(error.context)
