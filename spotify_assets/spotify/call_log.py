"""Counts of what went over the wire."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class CallCounts:
    """What the calls of one endpoint came to.

    Attributes:
        requests: requests sent, also those that failed or were sent again.
        answered: requests that were answered with what was asked for.
        ids: ids that those answers were about.
        rate_limited: answers with status 429, or with the error that stands for it.
        seconds_waited: seconds spent waiting, summed over threads.
    """

    requests: int = 0
    answered: int = 0
    ids: int = 0
    rate_limited: int = 0
    seconds_waited: float = 0.0

    @property
    def saved_by_batching(self) -> int:
        """Requests that one call an id would have taken in addition."""
        return max(0, self.ids - self.answered)

    def __add__(self, other: "CallCounts") -> "CallCounts":
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return CallCounts(**sums)

    def __sub__(self, other: "CallCounts") -> "CallCounts":
        rest = {each.name: getattr(self, each.name) - getattr(other, each.name) for each in fields(self)}
        return CallCounts(**rest)


class CallLog:
    """Counts requests by endpoint, refusals and waits. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, CallCounts] = defaultdict(CallCounts)
        self._retried = 0

    def counts(self) -> Mapping[str, CallCounts]:
        """What the calls came to so far, by endpoint name, such as "albums"."""
        with self._lock:
            return dict(self._counts)

    def by_endpoint(self) -> dict[str, int]:
        """Requests sent so far, by endpoint name, such as `{"token": 1, "albums": 50}`."""
        return {endpoint: counts.requests for endpoint, counts in self.counts().items() if counts.requests}

    @property
    def total(self) -> int:
        """Requests sent so far to any endpoint, token requests included."""
        return self._sum.requests

    @property
    def rate_limited(self) -> int:
        """Answers with status 429 so far."""
        return self._sum.rate_limited

    @property
    def seconds_waited(self) -> float:
        """Seconds spent waiting so far, summed over threads."""
        return self._sum.seconds_waited

    @property
    def retried(self) -> int:
        """Requests that were sent again so far, for any cause."""
        with self._lock:
            return self._retried

    def count_request(self, endpoint: str) -> None:
        """Note that a request is being sent."""
        self._add(endpoint, CallCounts(requests=1))

    def count_answer(self, endpoint: str, ids: int) -> None:
        """Note that a request for so many ids was answered."""
        self._add(endpoint, CallCounts(answered=1, ids=ids))

    def count_rate_limited(self, endpoint: str) -> None:
        """Note an answer with status 429."""
        self._add(endpoint, CallCounts(rate_limited=1))

    def count_wait(self, endpoint: str, seconds: float) -> None:
        """Note a wait of that many seconds."""
        self._add(endpoint, CallCounts(seconds_waited=seconds))

    def count_retry(self) -> None:
        """Note that a request is going to be sent again."""
        with self._lock:
            self._retried += 1

    def _add(self, endpoint: str, counts: CallCounts) -> None:
        with self._lock:
            self._counts[endpoint] += counts

    @property
    def _sum(self) -> CallCounts:
        return sum(self.counts().values(), CallCounts())
