"""The budget of calls: how fast they may follow each other, and which endpoints must not be called before a time.

A rate limit (so many calls in 30 s) and a quota (so many a day) are two things. The first slows all calls to a service
down; the second closes one group of endpoints until a time that Spotify names. Both belong to whoever calls, not to a
process: a budget kept in a database is shared by all processes and machines.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from spotify_assets.spotify.endpoints import group_of, service_of
from spotify_assets.spotify.pacing import Pace, Pacing

Cause = Literal["quota", "rate limit"]


@dataclass(frozen=True)
class Closure:
    """A group of endpoints that must not be called for a while.

    Attributes:
        group: of endpoints, see `endpoints.group_of`.
        until: when calls are allowed again (aware, UTC). Calling earlier lengthens the penalty.
        cause: a used-up quota, or a rate limit whose wait is too long to sit out.
    """

    group: str
    until: datetime
    cause: Cause

    def __str__(self) -> str:
        what = "the quota is used up" if self.cause == "quota" else "too many calls were made"
        return f"{what}; nothing is asked before {self.until:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True)
class Grant:
    """The answer to a request to call.

    Attributes:
        wait: seconds after which to ask again; 0: call now.
        at: the budget's own time at which it was given, to hand back with `refused`.
        closure: not to be called at all for a while; None: allowed, after the wait.
    """

    wait: float
    at: float
    closure: Closure | None = None


class Budget(Protocol):
    """What is known of the limits. Safe to share between threads."""

    def take(self, endpoint: str, now: datetime) -> Grant:
        """Ask to call an endpoint now; the call counts where it is granted."""

    def refused(self, endpoint: str, granted_at: float, retry_after: float) -> None:
        """Note that a granted call was answered 429, to be repeated after that many seconds."""

    def close(self, closure: Closure) -> None:
        """Let nobody call a group of endpoints for a while."""


class MemoryBudget:
    """A budget of this process alone.

    Args:
        pacings: the rules for each service; by default nothing is known of its limit.
        time: seconds since the epoch.
    """

    def __init__(self, pacings: Mapping[str, Pacing], time: Callable[[], float]) -> None:
        self._pacings = pacings
        self._time = time
        self._lock = threading.Lock()
        self._paces: dict[str, Pace] = {}
        self._closures: dict[str, Closure] = {}

    def take(self, endpoint: str, now: datetime) -> Grant:
        """See `Budget`."""
        service = service_of(endpoint)
        with self._lock:
            at = self._time()
            closure = self._closures.get(group_of(endpoint))
            if closure is not None and now < closure.until:
                return Grant(0.0, at, closure)
            pace, wait = self._pacing(service).take(self._paces.get(service, Pace()), at)
            self._paces[service] = pace
            return Grant(wait, at)

    def refused(self, endpoint: str, granted_at: float, retry_after: float) -> None:
        """See `Budget`."""
        service = service_of(endpoint)
        with self._lock:
            pace = self._paces.get(service, Pace())
            self._paces[service] = self._pacing(service).refused(pace, self._time(), granted_at, retry_after)

    def close(self, closure: Closure) -> None:
        """See `Budget`."""
        with self._lock:
            known = self._closures.get(closure.group)
            if known is None or known.until < closure.until:
                self._closures[closure.group] = closure

    def _pacing(self, service: str) -> Pacing:
        return self._pacings.get(service, Pacing())
