"""Asking again for the audio features that there were none of: sources learn of a new track within days, or months."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

from spotify_assets.assets.call_report import reported_calls
from spotify_assets.assets.enrich import AUDIO_FEATURES, outcomes
from spotify_assets.assets.extract import API_POOL, OWNERS
from spotify_assets.assets.failures import RETRIES, spotify_failures
from spotify_assets.assets.table_metadata import table_metadata
from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.spotify.batches import Part
from spotify_assets.spotify.errors import RateLimitedError, TransientError
from spotify_assets.spotify.records import Batch
from spotify_assets.warehouse import tables
from spotify_assets.warehouse.statements import (
    FEATURES_ASKED_AGAIN_AFTER_DAYS,
    features_due,
    fill_features,
    record_feature_attempts,
    record_set_aside,
)

FEATURE_ATTEMPTS = dg.AssetKey(["ops", "feature_attempts"])
_DAYS = ", ".join(map(str, FEATURES_ASKED_AGAIN_AFTER_DAYS))


@dg.asset(
    key=FEATURE_ATTEMPTS,
    deps=[AUDIO_FEATURES],
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="enrich",
    kinds={"spotify", "postgres"},
    owners=OWNERS,
    code_version="1",
    metadata=table_metadata(tables.feature_attempts),
    pool=API_POOL,
    retry_policy=RETRIES,
    description=f"Asks again for the audio features of tracks that had none, {_DAYS} days after the first answer, and"
    " of those that nobody could be asked about: only those, in full batches. Found features go into"
    " spotify.audio_features.",
)
def feature_attempts(
    context: dg.AssetExecutionContext, spotify: Spotify, warehouse: Warehouse, clock: Clock
) -> dg.MaterializeResult[None]:
    """Ask for the features that are due; each answer is written as it comes."""
    with warehouse.engine.connect() as connection:
        due = features_due(connection, clock.now())
    if not due:
        return dg.MaterializeResult(metadata={"due": 0, "calls": 0})
    answered = _Answered()

    def write(part: Part[Batch]) -> None:
        answered.add(part, _write(part, warehouse, clock.now()))

    with reported_calls(context, FEATURE_ATTEMPTS, spotify, warehouse, clock) as report:
        try:
            unanswered, problem = _ask_again(spotify, due, write, answered)
        finally:
            for album_id in sorted(answered.changed_albums):
                context.log_event(dg.AssetMaterialization(AUDIO_FEATURES, partition=album_id))
        given_up = [key for key in due if key not in answered.track_ids and key not in unanswered]
        with warehouse.engine.begin() as connection:
            record_feature_attempts(connection, dict.fromkeys(given_up, "absent"), clock.now())
        if problem:
            context.log.warning("%s", problem)
        return dg.MaterializeResult(
            metadata={
                "due": len(due),
                "measured": answered.statuses["measured"],
                "absent": answered.statuses["absent"] + len(given_up),
                "unanswered": len(unanswered),
                "albums_changed": len(answered.changed_albums),
                **({"problem": problem} if problem else {}),
                **report.metadata(),
            }
        )


@dataclass
class _Answered:
    """What was answered so far."""

    track_ids: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    changed_albums: set[str] = field(default_factory=set)

    def add(self, part: Part[Batch], changed_albums: Sequence[str]) -> None:
        self.track_ids.update(part.ids)
        self.statuses.update(part.content.frame["status"].to_list())
        self.changed_albums.update(changed_albums)


def _ask_again(
    spotify: Spotify, due: Sequence[str], write: Callable[[Part[Batch]], None], answered: _Answered
) -> tuple[set[str], str | None]:
    """The tracks that nobody could be asked about, and why.

    A limit or an outage fails no run: the marts do not wait for features that may never come, and the next run asks.
    """
    with spotify_failures():
        try:
            batch = spotify.client().audio_features(due, on_part=write)
        except (RateLimitedError, TransientError) as error:
            return set(due) - answered.track_ids, str(error)
    return set(batch.unanswered), batch.problem


def _write(part: Part[Batch], warehouse: Warehouse, asked_at: datetime) -> list[str]:
    """Write one answer; the albums that have features now."""
    with warehouse.engine.begin() as connection:
        changed = fill_features(connection, part.content.frame, asked_at)
        record_feature_attempts(connection, outcomes(part.content.frame, ()), asked_at)
        record_set_aside(connection, AUDIO_FEATURES.to_user_string(), part.content.set_aside, asked_at)
    return changed
