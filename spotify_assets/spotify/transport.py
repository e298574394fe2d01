"""The wire: one session, one token, one retry policy, one limiter. Nothing else retries or waits."""

import logging
import random as random_module
import threading
import time as time_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from spotify_assets.spotify.answers import Question, read_answer
from spotify_assets.spotify.call_log import CallLog
from spotify_assets.spotify.credentials import Credentials, Token, TokenKeeper, read_token
from spotify_assets.spotify.errors import (
    AuthenticationError,
    BadRequestError,
    QuotaExceededError,
    RateLimitedError,
    StoppedError,
    TransientError,
)

SANDBOX_HEADER = "X-Spotify-Assets-Sandbox"
# Seconds to connect, and seconds between two pieces of an answer.
TIMEOUT = (5.0, 20.0)
# Seconds after which a long wait looks up, so that Ctrl-C is seen wherever the system delivers it.
WAKE_EVERY = 0.5

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
Parameters = Mapping[str, str | int]


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


class Limiter:
    """What the threads know of Spotify's limits: a pause for all, and endpoints closed for a longer while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._closed: dict[str, RateLimitedError] = {}

    def pause_until(self, moment: float) -> None:
        """Let no thread call before that time (seconds since the epoch)."""
        with self._lock:
            self._paused_until = max(self._paused_until, moment)

    @property
    def paused_until(self) -> float:
        """Seconds since the epoch; in the past when there is no pause."""
        with self._lock:
            return self._paused_until

    def close(self, error: RateLimitedError) -> None:
        """Remember that an endpoint must not be called before the error's `resume_at`."""
        with self._lock:
            self._closed[error.endpoint] = error

    def refusal(self, question: Question, now: float) -> RateLimitedError | None:
        """The error that closed the endpoint, for this question, while it still holds."""
        with self._lock:
            error = self._closed.get(question.endpoint)
        if error is None or now >= error.resume_at.timestamp():
            return None
        return type(error)(
            error.message, resume_at=error.resume_at, endpoint=question.endpoint, ids=question.ids
        )


class _Bearer(AuthBase):
    """Sets the token.

    As `auth` rather than as a header: requests replaces a plain Authorization header by what a ~/.netrc
    says of the host.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.text}"
        return request


class Transport:
    """Sends requests to the Web API and the token service, and retries what may be retried.

    Args:
        credentials: of the application.
        api_url: base of the Web API, with its version.
        accounts_url: base of the token service.
        policy: see `RetryPolicy`.
        threads: connections kept and used at once.
        time: seconds since the epoch.
        sleep: waits that many seconds; by default a wait that ends early when the batch is stopped.
        random: a number from 0 to 1.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        api_url: str,
        accounts_url: str,
        policy: RetryPolicy,
        threads: int,
        time: Clock = time_module.time,
        sleep: Sleep | None = None,
        random: Random = random_module.random,
    ) -> None:
        self.calls = CallLog()
        self._api_url = _base(api_url)
        self._token_url = f"{_base(accounts_url)}api/token"
        self._basic = HTTPBasicAuth(credentials.client_id.encode(), credentials.client_secret.encode())
        self._policy = policy
        self._time = time
        self._sleep = sleep
        self._random = random
        self._limiter = Limiter()
        self._session = _session(threads)
        self._tokens = TokenKeeper(self._request_token, time)
        self._closed = threading.Event()

    def close(self) -> None:
        """Close the connections; later calls raise `StoppedError`, and waiting ones after their wait."""
        self._closed.set()
        self._session.close()

    def token(self, stop: threading.Event | None = None) -> Token:
        """Give the current token, asking for one when there is none."""
        return self._tokens.token(self._closed if stop is None else stop)

    def get(self, question: Question, path: str, parameters: Parameters, stop: threading.Event) -> object:
        """Ask the Web API.

        Args:
            question: what is asked, for errors and counts.
            path: relative to the base of the Web API.
            parameters: of the query, unquoted.
            stop: when set, waiting ends and no further request is sent.

        Returns:
            The answer's JSON.

        Raises:
            SpotifyError: see `errors`.
        """
        patience = self._patience(question, stop)
        is_renewed = False
        while True:
            patience.hold()
            # Outside the try: the token service has had its own retries.
            token = self._tokens.token(stop)
            try:
                return self._get_once(token, question, path, parameters)
            except AuthenticationError:
                self._tokens.drop(token)
                if is_renewed:
                    raise
                is_renewed = True
                self.calls.count_retry()
            except (TransientError, RateLimitedError) as error:
                patience.bear(error)

    def _get_once(self, token: Token, question: Question, path: str, parameters: Parameters) -> object:
        response = self._send(
            question, "GET", self._api_url + path, auth=_Bearer(token), params=dict(parameters)
        )
        return read_answer(question, response, self._time())

    def _request_token(self, stop: threading.Event) -> Token:
        question = Question("token")
        patience = self._patience(question, stop)
        while True:
            patience.hold()
            try:
                return self._request_token_once(question)
            except (TransientError, RateLimitedError) as error:
                patience.bear(error)

    def _request_token_once(self, question: Question) -> Token:
        response = self._send(
            question, "POST", self._token_url, auth=self._basic, data={"grant_type": "client_credentials"}
        )
        try:
            payload = read_answer(question, response, self._time())
        except (BadRequestError, AuthenticationError) as error:
            # The token service says 400 invalid_client where others say 401.
            raise AuthenticationError(
                f"the client id and secret are refused ({error.message})",
                endpoint=question.endpoint,
                status=error.status,
            ) from error
        return read_token(payload, self._time(), is_sandbox=SANDBOX_HEADER in response.headers)

    def _send(self, question: Question, method: str, url: str, **arguments: Any) -> requests.Response:  # noqa: ANN401 -- handed to requests as they are
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

    def _patience(self, question: Question, stop: threading.Event) -> "_Patience":
        return _Patience(
            question, self._policy, self._limiter, self.calls, self._time, self._random, self._waiter(stop)
        )

    def _waiter(self, stop: threading.Event) -> Callable[[float], bool]:
        """Wait that many seconds, 0 for not at all; True when the call is to be given up."""

        def wait(seconds: float) -> bool:
            if seconds > 0:
                self.calls.count_wait(seconds)
                (self._sleep or partial(_sleep_unless, stop))(seconds)
            return stop.is_set() or self._closed.is_set()

        return wait


@dataclass
class _Patience:
    """The retries of one call.

    Attributes:
        wait: waits that many seconds; True when the call is to be given up.
        failures: transient faults met so far.
        waits: 429 answers met so far.
    """

    question: Question
    policy: RetryPolicy
    limiter: Limiter
    calls: CallLog
    time: Clock
    random: Random
    wait: Callable[[float], bool]
    failures: int = 0
    waits: int = 0

    def hold(self) -> None:
        """Wait until the threads may call; raise at once when the endpoint is closed for longer."""
        held_until = 0.0
        self._wait(0)
        # Again only when another thread has met a further 429 meanwhile.
        while (until := self.limiter.paused_until) > held_until:
            held_until = until
            self._wait(until - self.time())
        refusal = self.limiter.refusal(self.question, self.time())
        if refusal is not None:
            raise refusal

    def bear(self, error: TransientError | RateLimitedError) -> None:
        """Wait as long as the failed call has to, or raise its error when it is not to be sent again."""
        if isinstance(error, RateLimitedError):
            self._bear_limit(error)
        else:
            self._bear_fault(error)
        self.calls.count_retry()

    def _bear_fault(self, error: TransientError) -> None:
        self.failures += 1
        if self.failures >= self.policy.attempts:
            error.message += f" (given up after {self.failures} attempts)"
            raise error
        seconds = self.policy.backoff(self.failures, error.retry_after, self.random())
        _logger.info("%s; trying again in %.1f s", error, seconds)
        self._wait(seconds)

    def _bear_limit(self, error: RateLimitedError) -> None:
        self.calls.count_rate_limited()
        self.waits += 1
        resume_at = error.resume_at.timestamp()
        # Rounded, since a datetime holds no more than microseconds.
        seconds = round(resume_at - self.time(), 3)
        if isinstance(error, QuotaExceededError) or seconds > self.policy.max_retry_after:
            self.limiter.close(error)
            raise error
        if self.waits > self.policy.waits:
            raise error
        _logger.warning("%s; all calls wait %.1f s", error, seconds)
        self.limiter.pause_until(resume_at)

    def _wait(self, seconds: float) -> None:
        if self.wait(seconds):
            raise StoppedError(
                "given up: another call failed, or the client was closed",
                endpoint=self.question.endpoint,
                ids=self.question.ids,
            )


def _sleep_unless(stop: threading.Event, seconds: float) -> None:
    while seconds > 0 and not stop.wait(min(seconds, WAKE_EVERY)):
        seconds -= WAKE_EVERY


def _session(threads: int) -> requests.Session:
    session = requests.Session()
    # One connection a thread, and a thread that finds none waits for one instead of opening a spare one.
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=threads, max_retries=0, pool_block=True)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
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


def _base(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ValueError(f"{url!r} is not the base of an API: it must start with http:// or https://")
    return f"{url.rstrip('/')}/"
