"""One service's API over the wire: GET, with a token where it asks for one."""

import threading
from collections.abc import Callable, Mapping

import requests
from requests.auth import AuthBase

from spotify_assets.spotify.answers import Question, read_answer
from spotify_assets.spotify.credentials import Token, TokenKeeper
from spotify_assets.spotify.errors import AuthenticationError, RateLimitedError, TransientError
from spotify_assets.spotify.wire import Wire, base_url

Parameters = Mapping[str, str | int]
Reader = Callable[[Question, requests.Response, float], object]


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


class _NoAuth(AuthBase):
    """Sends no credentials, also where a ~/.netrc has some for the host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Transport:
    """Asks one API, and has the wire retry what may be retried.

    Args:
        wire: what the calls go through.
        url: base of the API, with its version.
        tokens: gives the token; None for an API without one.
        read: gives an answer's JSON or raises the error it stands for.

    Raises:
        ValueError: `url` is no http(s) address.
    """

    def __init__(
        self, wire: Wire, url: str, *, tokens: TokenKeeper | None = None, read: Reader = read_answer
    ) -> None:
        self._wire = wire
        self._url = base_url(url)
        self._tokens = tokens
        self._read = read

    def get(self, question: Question, path: str, parameters: Parameters, stop: threading.Event) -> object:
        """Ask for one thing.

        Args:
            question: what is asked, for errors and counts.
            path: relative to the base of the API.
            parameters: of the query, unquoted.
            stop: when set, waiting ends and no further request is sent.

        Returns:
            The answer's JSON.

        Raises:
            ApiError: see `errors`.
        """
        patience = self._wire.patience(question, stop)
        is_renewed = False
        while True:
            patience.hold()
            # Outside the try: the token service has had its own retries.
            token = None if self._tokens is None else self._tokens.token(stop)
            try:
                answer = self._get_once(token, question, path, parameters)
            except AuthenticationError:
                if self._tokens is None or token is None:
                    raise
                self._tokens.drop(token)
                if is_renewed:
                    raise
                is_renewed = True
                self._wire.calls.count_retry()
            except (TransientError, RateLimitedError) as error:
                patience.bear(error)
            else:
                self._wire.calls.count_answer(question.endpoint, len(question.ids))
                return answer

    def _get_once(self, token: Token | None, question: Question, path: str, parameters: Parameters) -> object:
        auth = _NoAuth() if token is None else _Bearer(token)
        response = self._wire.send(question, "GET", self._url + path, auth=auth, params=dict(parameters))
        return self._read(question, response, self._wire.time())
