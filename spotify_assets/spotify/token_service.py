"""The accounts service: client id and secret against a token (OAuth 2 client credentials)."""

import threading

from requests.auth import HTTPBasicAuth

from spotify_assets.spotify.answers import Question, read_answer
from spotify_assets.spotify.credentials import Credentials, Token, read_token
from spotify_assets.spotify.endpoints import TOKEN
from spotify_assets.spotify.errors import (
    AuthenticationError,
    BadRequestError,
    RateLimitedError,
    TransientError,
)
from spotify_assets.spotify.wire import Wire, base_url

SANDBOX_HEADER = "X-Spotify-Assets-Sandbox"
_QUESTION = Question(TOKEN)


class TokenService:
    """Asks for tokens.

    Args:
        wire: what the calls go through.
        url: base of the accounts service.
        credentials: of the application.

    Raises:
        ValueError: `url` is no http(s) address.
    """

    def __init__(self, wire: Wire, url: str, credentials: Credentials) -> None:
        self._wire = wire
        self._url = f"{base_url(url)}api/token"
        self._basic = HTTPBasicAuth(credentials.client_id.encode(), credentials.client_secret.encode())

    def request(self, stop: threading.Event) -> Token:
        """Ask for a token; gives up when `stop` is set.

        Raises:
            AuthenticationError: the client id and secret are refused.
            ApiError: see `errors`.
        """
        patience = self._wire.patience(_QUESTION, stop)
        while True:
            patience.hold()
            try:
                return self._request_once()
            except (TransientError, RateLimitedError) as error:
                patience.bear(error)

    def _request_once(self) -> Token:
        response = self._wire.send(
            _QUESTION, "POST", self._url, auth=self._basic, data={"grant_type": "client_credentials"}
        )
        now = self._wire.time()
        try:
            payload = read_answer(_QUESTION, response, now)
        except (BadRequestError, AuthenticationError) as error:
            # The token service says 400 invalid_client where others say 401.
            raise AuthenticationError(
                f"the client id and secret are refused ({error.message})",
                endpoint=_QUESTION.endpoint,
                status=error.status,
            ) from error
        return read_token(payload, now, is_sandbox=SANDBOX_HEADER in response.headers)
