"""What the server keeps in mind while it runs: calls answered, tokens given out, the rolling rate limit."""

from __future__ import annotations

import math
import secrets
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

Ticks = Callable[[], float]

# In a shorter window the wait is written with a fraction: whole seconds would be most of it.
_SHORT_WINDOW_SECONDS = 10.0


class CallCounter:
    """Calls by endpoint and by status since the start or the last reset."""

    def __init__(self) -> None:
        self.endpoints: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()

    def answered(self, endpoint: str, status: int | None) -> None:
        """Count one call; status None is a call that got no answer."""
        self.endpoints[endpoint] += 1
        self.statuses[status or 0] += 1

    def reset(self) -> None:
        """Begin anew."""
        self.endpoints.clear()
        self.statuses.clear()

    def report(self) -> dict[str, Any]:
        """The body of GET /sandbox/calls. Status 0 counts calls whose connection was dropped."""
        return {
            "endpoints": dict(sorted(self.endpoints.items())),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "total": self.endpoints.total(),
            "rate_limited": self.statuses[429],
        }


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
