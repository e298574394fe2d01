"""Counts of what went over the wire."""

import threading
from collections import Counter


class CallLog:
    """Counts requests by endpoint, refusals and waits. Safe to share between threads.

    Every request that was sent counts, also one that failed or was sent again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._rate_limited = 0
        self._retried = 0
        self._seconds_waited = 0.0

    def by_endpoint(self) -> dict[str, int]:
        """Requests sent so far, by endpoint name, such as `{"token": 1, "albums": 50}`."""
        with self._lock:
            return dict(self._requests)

    @property
    def total(self) -> int:
        """Requests sent so far to any endpoint, token requests included."""
        with self._lock:
            return self._requests.total()

    @property
    def rate_limited(self) -> int:
        """Answers with status 429 so far."""
        with self._lock:
            return self._rate_limited

    @property
    def retried(self) -> int:
        """Requests that were sent again so far, for any cause."""
        with self._lock:
            return self._retried

    @property
    def seconds_waited(self) -> float:
        """Seconds spent waiting so far, summed over threads."""
        with self._lock:
            return self._seconds_waited

    def count_request(self, endpoint: str) -> None:
        """Note that a request is being sent."""
        with self._lock:
            self._requests[endpoint] += 1

    def count_rate_limited(self) -> None:
        """Note an answer with status 429."""
        with self._lock:
            self._rate_limited += 1

    def count_retry(self) -> None:
        """Note that a request is going to be sent again."""
        with self._lock:
            self._retried += 1

    def count_wait(self, seconds: float) -> None:
        """Note a wait of that many seconds."""
        with self._lock:
            self._seconds_waited += seconds
