"""Spotify's errors as failures that say whether a retry can help, and why a run failed, for who plans the next."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum

import dagster as dg
from sqlalchemy.exc import InterfaceError, OperationalError

from spotify_assets.settings import SettingsError
from spotify_assets.spotify.errors import (
    ApiError,
    AuthenticationError,
    PremiumRequiredError,
    RateLimitedError,
    RefusedError,
    TransientError,
)
from spotify_assets.warehouse.database import SourceMismatchError

RETRIES = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For steps that call Spotify; failures that the same step would meet again forbid it."""

CAUSE_TAG = "spotify_assets/cause"

_OF_ACCOUNT = (
    AuthenticationError,
    PremiumRequiredError,
    RefusedError,
    SettingsError,
    SourceMismatchError,
)
_OF_OUTAGE = (TransientError, OperationalError, InterfaceError)


class Cause(StrEnum):
    """What a run failed of."""

    RATE_LIMIT = "rate limit"
    OUTAGE = "outage"
    INTERRUPT = "interrupt"
    ACCOUNT = "account"
    """The key, the account or the environment is refused: the same for every album."""
    ALBUMS = "albums"
    """Anything else: it may lie in one of the run's albums."""


@contextlib.contextmanager
def spotify_failures() -> Iterator[None]:
    """Turn what the client raises into a failure that is retried only where the same call may yet succeed.

    A rate limit beyond SPOTIFY_MAX_RETRY_AFTER is not retried: calling again while limited lengthens the penalty.
    Its failure carries `resume_at`, the time from which calls are allowed again.
    """
    try:
        yield
    except ApiError as error:
        raise dg.Failure(
            str(error), metadata=_metadata(error), allow_retries=isinstance(error, TransientError)
        ) from error


def _metadata(error: ApiError) -> dict[str, dg.MetadataValue[float]]:
    if isinstance(error, RateLimitedError):
        return {"resume_at": dg.MetadataValue.timestamp(error.resume_at)}
    return {}


def resume_at(failure: BaseException | None) -> datetime | None:
    """The time that a rate limit's failure carries."""
    carried = failure.metadata.get("resume_at") if isinstance(failure, dg.Failure) else None
    return (
        datetime.fromtimestamp(carried.value, UTC) if isinstance(carried, dg.TimestampMetadataValue) else None
    )


def cause_of(failure: BaseException | None) -> Cause:
    """Why a step failed."""
    if resume_at(failure) is not None:
        return Cause.RATE_LIMIT
    behind = failure.__cause__ if isinstance(failure, dg.Failure) else failure
    if isinstance(behind, _OF_ACCOUNT):
        return Cause.ACCOUNT
    return Cause.OUTAGE if isinstance(behind, _OF_OUTAGE) else Cause.ALBUMS


@dg.failure_hook
def note_cause(context: dg.HookContext) -> None:
    """Tag the run with why it failed: the sensor plans by it."""
    context.instance.add_run_tags(context.run_id, {CAUSE_TAG: str(cause_of(context.op_exception))})
