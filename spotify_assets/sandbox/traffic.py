"""What the server keeps in mind while it runs: calls answered, tokens given out, rolling rate limits."""

from __future__ import annotations

import math
import secrets
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from spotify_assets.sandbox.answers import Quota

Ticks = Callable[[], float]

# In a shorter window the wait is written with a fraction: whole seconds would be most of it.
_SHORT_WINDOW_SECONDS = 10.0
_REMEMBERED_CALLS = 50_000


class AnsweredCall(NamedTuple):
    """One call as GET /sandbox/requests tells it.

    `seconds` is when it came in, since the sandbox started; `status` 0 is a connection that was dropped; `asked`
    holds the ids of a batch, the id (or UPC) in the path, or the text of a search, and is empty otherwise.
    """

    seconds: float
    endpoint: str
    status: int
    asked: str


class CallCounter:
    """The calls since the start or the last reset: how many of each kind, and the newest one by one."""

    def __init__(self) -> None:
        self._endpoints: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._rate_limited: Counter[str] = Counter()
        self._quotas: Counter[Quota] = Counter()
        self._newest: deque[AnsweredCall] = deque(maxlen=_REMEMBERED_CALLS)

    def answered(self, call: AnsweredCall, quota: Quota | None) -> None:
        """Count one call, and the quota that its answer says is used up."""
        self._endpoints[call.endpoint] += 1
        self._statuses[call.status] += 1
        if call.status == 429:
            self._rate_limited[call.endpoint] += 1
        if quota is not None:
            self._quotas[quota] += 1
        self._newest.append(call)

    def reset(self) -> None:
        """Begin anew."""
        self._endpoints.clear()
        self._statuses.clear()
        self._rate_limited.clear()
        self._quotas.clear()
        self._newest.clear()

    def report(self) -> dict[str, Any]:
        """The body of GET /sandbox/calls. Status 0 counts calls whose connection was dropped.

        `rate_limited` and `rate_limited_endpoints` count every 429, also those of `quota` (Spotify's QUOTA_EXCEEDED);
        `deezer_quota` counts Deezer's error of that kind, which comes with status 200.
        """
        return {
            "endpoints": dict(sorted(self._endpoints.items())),
            "statuses": {str(status): count for status, count in sorted(self._statuses.items())},
            "total": self._endpoints.total(),
            "rate_limited": self._statuses[429],
            "rate_limited_endpoints": dict(sorted(self._rate_limited.items())),
            "quota": self._quotas["quota"],
            "deezer_quota": self._quotas["deezer_quota"],
        }

    def requests(self) -> list[AnsweredCall]:
        """The body of GET /sandbox/requests: the newest 50,000 calls in the order in which they came in."""
        return sorted(self._newest, key=lambda call: call.seconds)


class RollingLimit:
    """So many calls in any `window` seconds; refused calls do not count, None as `calls` is no limit."""

    def __init__(self, calls: int | None, ticks: Ticks, window: float) -> None:
        self._calls = calls
        self._ticks = ticks
        self._window = window
        self._taken: deque[float] = deque()

    def retry_after(self) -> str | None:
        """Take a place and answer None, or answer what Retry-After says until one is free."""
        if self._calls is None:
            return None
        now = self._ticks()
        while self._taken and self._taken[0] <= now - self._window:
            self._taken.popleft()
        if len(self._taken) < self._calls:
            self._taken.append(now)
            return None
        return self._written(self._taken[0] + self._window - now if self._taken else self._window)

    def _written(self, seconds: float) -> str:
        """Rounded up, so that a caller who waits exactly as long finds a place."""
        if self._window < _SHORT_WINDOW_SECONDS:
            # 0.4 - 0.1 is a little more than 0.3 to Python, and is not meant to be 0.31.
            hundredths = math.ceil(round(seconds * 100, 9))
            return f"{max(1, hundredths) / 100:.2f}"
        return str(max(1, math.ceil(seconds)))


class Tokens:
    """Access tokens, each good for `seconds`."""

    def __init__(self, seconds: int, ticks: Ticks) -> None:
        self.seconds = seconds
        self._ticks = ticks
        self._expiry: dict[str, float] = {}

    def issue(self) -> str:
        """A new token; those that ran out are forgotten."""
        now = self._ticks()
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        token = f"sandbox-{secrets.token_urlsafe(48)}"
        self._expiry[token] = now + self.seconds
        return token

    def is_good(self, token: str) -> bool:
        """Whether the token was given out here and has not run out."""
        return self._expiry.get(token, -math.inf) > self._ticks()

    def expire_all(self) -> None:
        """Let every token run out at once."""
        self._expiry.clear()
