"""What can go wrong with a call to Spotify, ReccoBeats or Deezer, as one tree.

ApiError
├── TransientError            server errors, timeouts, dropped or truncated answers; retries used up
├── RateLimitedError          429 with a wait that is too long to sit out; carries `resume_at`
│   └── QuotaExceededError    the quota of a development-mode application is used up
├── ForbiddenError            403: this application may not use this endpoint at all
├── PremiumRequiredError      403: the account that owns the application has lost Premium
├── RefusedError              403 for any other cause
├── AuthenticationError       no token, or a token that is refused twice
├── NotFoundError             404
├── BadRequestError           400 and every other 4xx
├── MalformedAnswerError      an answer that is not what the endpoint promises
└── StoppedError              the call was given up because another one failed, or on Ctrl-C
"""

from collections.abc import Sequence
from datetime import datetime

from spotify_assets.spotify.endpoints import title_of

_IDS_SHOWN = 3


class ApiError(Exception):
    """A call that failed. The text names the endpoint, the status and the first few ids.

    Attributes:
        message: what happened and what to do next, without the endpoint, status and ids.
        endpoint: the endpoint's name as in `CallLog`, such as "albums" or "token".
        status: the HTTP status, or None when there was no answer.
        ids: every id the call asked for.
    """

    def __init__(
        self, message: str, *, endpoint: str, status: int | None = None, ids: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint = endpoint
        self.status = status
        self.ids = tuple(ids)

    def __str__(self) -> str:
        status = "" if self.status is None else f" answered {self.status}"
        ids = f" for {_shorten(self.ids)}" if self.ids else ""
        return f"{title_of(self.endpoint)}{status}{ids}: {self.message}"


class TransientError(ApiError):
    """A fault that may pass: 5xx, a timeout, a dropped or truncated answer. All retries are used up.

    Attributes:
        retry_after: seconds that the last answer asked to wait, or None.
    """

    retry_after: float | None = None


class RateLimitedError(ApiError):
    """429 with a wait longer than allowed, or still 429 after all waits. Nothing was slept for it.

    Attributes:
        resume_at: when to call again (aware, UTC). Calling earlier lengthens the penalty.
        retry_after: the seconds from the answer until then.
    """

    def __init__(
        self,
        message: str,
        *,
        resume_at: datetime,
        endpoint: str,
        retry_after: float = 0.0,
        status: int | None = 429,
        ids: Sequence[str] = (),
    ) -> None:
        super().__init__(message, endpoint=endpoint, status=status, ids=ids)
        self.resume_at = resume_at
        self.retry_after = retry_after


class QuotaExceededError(RateLimitedError):
    """The quota of a development-mode application is used up for this endpoint (`QUOTA_EXCEEDED`)."""


class ForbiddenError(ApiError):
    """The endpoint is closed to this application, for good; another source has to serve instead."""


class PremiumRequiredError(ApiError):
    """The owner of the application has no active Premium subscription, so every data call is refused."""


class RefusedError(ApiError):
    """A 403 that speaks neither of a closed endpoint nor of Premium, such as a firewall's page."""


class AuthenticationError(ApiError):
    """The credentials are empty or refused, or a fresh token is refused as well."""


class NotFoundError(ApiError):
    """404: the endpoint or the one id asked for does not exist."""


class BadRequestError(ApiError):
    """400 or another 4xx: the request itself is wrong, and the same again will fail the same way."""


class MalformedAnswerError(ApiError):
    """A 200 (or a redirect) whose body is not the JSON that the endpoint promises."""


class StoppedError(ApiError):
    """The call was given up while waiting, because another call of its batch failed or on Ctrl-C."""


def _shorten(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_IDS_SHOWN])
    more = len(ids) - _IDS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
