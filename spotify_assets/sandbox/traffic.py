"""What the server keeps in mind while it runs: calls answered, tokens given out, the rolling rate limit."""

from __future__ import annotations

import math
import secrets
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

Ticks = Callable[[], float]

RATE_WINDOW_SECONDS = 30.0


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
    """So many calls in any 30 seconds; refused calls do not count."""

    def __init__(self, calls: int | None, ticks: Ticks) -> None:
        self._calls = calls
        self._ticks = ticks
        self._taken: deque[float] = deque()

    def seconds_to_wait(self) -> int:
        """Take a place and answer 0, or answer the whole seconds until one is free."""
        if self._calls is None:
            return 0
        now = self._ticks()
        while self._taken and self._taken[0] <= now - RATE_WINDOW_SECONDS:
            self._taken.popleft()
        if len(self._taken) < self._calls:
            self._taken.append(now)
            return 0
        return max(1, math.ceil(self._taken[0] + RATE_WINDOW_SECONDS - now)) if self._taken else 30


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
