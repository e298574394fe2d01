"""Spotify's errors as Dagster failures that say whether a retry can help."""

import contextlib
from collections.abc import Iterator

import dagster as dg

from spotify_assets.spotify.errors import RateLimitedError, SpotifyError, TransientError

RETRIES = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For steps that call Spotify. It applies to transient failures alone: `spotify_failures` forbids it to the rest."""


@contextlib.contextmanager
def spotify_failures() -> Iterator[None]:
    """Turn what the client raises into a failure that is retried only where the same call may yet succeed.

    A rate limit beyond SPOTIFY_MAX_RETRY_AFTER is not retried: calling again while limited lengthens the penalty.
    Its failure carries `resume_at`, the time from which calls are allowed again.
    """
    try:
        yield
    except SpotifyError as error:
        raise dg.Failure(
            str(error), metadata=_metadata(error), allow_retries=isinstance(error, TransientError)
        ) from error


def _metadata(error: SpotifyError) -> dict[str, dg.MetadataValue]:
    if isinstance(error, RateLimitedError):
        return {"resume_at": dg.MetadataValue.timestamp(error.resume_at)}
    return {}
