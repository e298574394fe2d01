"""The wire: one session, one retry policy, one count of calls and one budget. Nothing else retries or waits."""

import logging
import random as random_module
import threading
import time as time_module
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from spotify_assets.spotify.answers import Question, limit_error
from spotify_assets.spotify.budget import Budget, Closure, MemoryBudget
from spotify_assets.spotify.call_log import CallLog
from spotify_assets.spotify.endpoints import group_of
from spotify_assets.spotify.errors import (
    QuotaExceededError,
    RateLimitedError,
    StoppedError,
    TransientError,
)
from spotify_assets.spotify.moments import moment
from spotify_assets.spotify.pacing import WINDOW

# Seconds to connect, and seconds between two pieces of an answer.
TIMEOUT = (5.0, 20.0)
# Seconds after which a long wait looks up, so that Ctrl-C is seen wherever the system delivers it.
WAKE_EVERY = 0.5
# Spotify, its token service, ReccoBeats, Deezer.
_HOSTS = 4

_PASSING_FAULTS = (
    requests.exceptions.Timeout,
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_FAULT_TEXTS: dict[type[Exception], str] = {
    requests.exceptions.ConnectTimeout: "no connection in time",
    requests.exceptions.ReadTimeout: "no answer in time",
    requests.exceptions.ChunkedEncodingError: "the answer broke off",
    requests.exceptions.ContentDecodingError: "the answer cannot be decompressed",
}

_logger = logging.getLogger(__name__)

Clock = Callable[[], float]
Sleep = Callable[[float], None]
Random = Callable[[], float]


@dataclass(frozen=True)
class RetryPolicy:
    """How often a call is sent again, and how long is waited before.

    Attributes:
        attempts: times a call is sent at most when it meets transient faults.
        waits: times a 429 is waited for at most, per call.
        max_retry_after: longest wait in seconds that a 429 may ask for; beyond it the call fails at once.
        shortest: seconds before the first repetition; doubled for each further one.
        longest: seconds that no backoff exceeds.
    """

    attempts: int = 5
    waits: int = 5
    max_retry_after: float = 60.0
    shortest: float = 0.5
    longest: float = 20.0

    def backoff(self, failures: int, retry_after: float | None, chance: float) -> float:
        """Seconds to wait after that many transient failures.

        Args:
            failures: 1 after the first failure.
            retry_after: what the answer asked for; heeded up to `max_retry_after`.
            chance: 0 to 1; spreads threads that failed together.
        """
        ceiling = min(self.longest, self.shortest * 2.0 ** (failures - 1))
        seconds = ceiling * (0.5 + 0.5 * chance)
        if retry_after is not None and retry_after <= self.max_retry_after:
            return max(seconds, retry_after)
        return seconds


class Wire:
    """What every call to every service goes through. Threads may share one; nothing is written to disk.

    Args:
        max_retry_after: longest wait in seconds that a 429 may ask for; a longer one is an error at once.
        threads: calls made at a time, and connections kept.
        budget: limits shared with others; by default those of this wire alone.
        time: seconds since the epoch.
        sleep: waits that many seconds; by default a wait that ends early when the batch is stopped.
        random: a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        max_retry_after: float = RetryPolicy.max_retry_after,
        threads: int = 4,
        budget: Budget | None = None,
        time: Clock = time_module.time,
        sleep: Sleep | None = None,
        random: Random = random_module.random,
    ) -> None:
        self.calls = CallLog()
        self.threads = threads
        self.budget = MemoryBudget({}, time) if budget is None else budget
        self.policy = RetryPolicy(max_retry_after=max_retry_after)
        self.time = time
        self.random = random
        self.closed = threading.Event()
        self._sleep = sleep
        self._session = _session(threads)

    def close(self) -> None:
        """Close the connections; later calls raise `StoppedError`, and waiting ones after their wait."""
        self.closed.set()
        self._session.close()

    def send(self, question: Question, method: str, url: str, **arguments: Any) -> requests.Response:  # noqa: ANN401 -- handed to requests as they are
        """Send one request, once.

        Raises:
            TransientError: there was no whole answer.
        """
        self.calls.count_request(question.endpoint)
        try:
            # Redirects are not followed: they would carry the token wherever they point.
            return self._session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **arguments)
        except _PASSING_FAULTS as error:
            # The request holds the Authorization header; nothing that prints this error needs it.
            error.request = None
            raise TransientError(
                _FAULT_TEXTS.get(type(error), "the connection failed"),
                endpoint=question.endpoint,
                ids=question.ids,
            ) from error

    def patience(self, question: Question, stop: threading.Event) -> "Patience":
        """The retries of one call, which is given up when `stop` is set."""
        return Patience(question, self, stop)

    def wait(self, question: Question, seconds: float, stop: threading.Event) -> None:
        """Wait that many seconds, 0 for not at all.

        Raises:
            StoppedError: the call is to be given up.
        """
        if seconds > 0:
            self.calls.count_wait(question.endpoint, seconds)
            (self._sleep or partial(_sleep_unless, stop))(seconds)
        if stop.is_set() or self.closed.is_set():
            raise StoppedError(
                "given up: another call failed, or the client was closed",
                endpoint=question.endpoint,
                ids=question.ids,
            )


class Patience:
    """The retries of one call: what it waits for before it is sent, and whether it is sent again."""

    def __init__(self, question: Question, wire: Wire, stop: threading.Event) -> None:
        self._question = question
        self._wire = wire
        self._stop = stop
        self._failures = 0
        self._waits = 0
        self._granted_at = 0.0

    def hold(self) -> None:
        """Wait until the budget lets the call go.

        Raises:
            RateLimitedError: at once, when the endpoint is closed for longer.
            StoppedError: the call is to be given up.
        """
        self._wait(0)
        while True:
            now = moment(self._wire.time())
            grant = self._wire.budget.take(self._question.endpoint, now)
            if (closure := grant.closure) is not None:
                raise limit_error(self._question, closure.until, now, is_quota=closure.cause == "quota")
            if grant.wait <= 0:
                self._granted_at = grant.at
                return
            if grant.wait > max(self._wire.policy.max_retry_after, WINDOW):
                # Another process, which may wait longer, has been told to.
                raise limit_error(self._question, now + timedelta(seconds=grant.wait), now, is_quota=False)
            self._wait(grant.wait)

    def bear(self, error: TransientError | RateLimitedError) -> None:
        """Wait as long as the failed call has to, or raise its error when it is not to be sent again."""
        if isinstance(error, RateLimitedError):
            self._bear_limit(error)
        else:
            self._bear_fault(error)
        self._wire.calls.count_retry()

    def _bear_fault(self, error: TransientError) -> None:
        policy = self._wire.policy
        self._failures += 1
        if self._failures >= policy.attempts:
            error.message += f" (given up after {self._failures} attempts)"
            raise error
        seconds = policy.backoff(self._failures, error.retry_after, self._wire.random())
        _logger.info("%s; trying again in %.1f s", error, seconds)
        self._wait(seconds)

    def _bear_limit(self, error: RateLimitedError) -> None:
        self._wire.calls.count_rate_limited(self._question.endpoint)
        is_quota = isinstance(error, QuotaExceededError)
        if is_quota or error.retry_after > self._wire.policy.max_retry_after:
            group = group_of(self._question.endpoint)
            self._wire.budget.close(Closure(group, error.resume_at, "quota" if is_quota else "rate limit"))
            raise error
        self._waits += 1
        self._wire.budget.refused(self._question.endpoint, self._granted_at, error.retry_after)
        if self._waits > self._wire.policy.waits:
            raise error
        _logger.warning("%s; all calls wait %.1f s", error, error.retry_after)

    def _wait(self, seconds: float) -> None:
        self._wire.wait(self._question, seconds, self._stop)


def _sleep_unless(stop: threading.Event, seconds: float) -> None:
    while seconds > 0 and not stop.wait(min(seconds, WAKE_EVERY)):
        seconds -= WAKE_EVERY


def _session(threads: int) -> requests.Session:
    session = requests.Session()
    # One connection a thread, and a thread that finds none waits for one instead of opening a spare one.
    adapter = HTTPAdapter(pool_connections=_HOSTS, pool_maxsize=threads, max_retries=0, pool_block=True)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    # ReccoBeats' firewall refuses the default agents of some libraries.
    session.headers["User-Agent"] = f"spotify-assets/{_version()}"
    session.headers["Accept"] = "application/json"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _version() -> str:
    try:
        return version("spotify-assets")
    except PackageNotFoundError:
        # Run from a source tree that is not installed.
        return "source"


def base_url(url: str) -> str:
    """The base of an API, ending in a slash.

    Raises:
        ValueError: it is no http(s) address.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ValueError(f"{url!r} is not the base of an API: it must start with http:// or https://")
    return f"{url.rstrip('/')}/"
