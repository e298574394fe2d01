"""The application's credentials and its token."""

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from spotify_assets.spotify.errors import AuthenticationError, MalformedAnswerError

# What may stand in an Authorization header (RFC 6750). A line break in a token would otherwise come back
# in the text of the HTTP library's own error.
_TOKEN_TEXT = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_RENEW_BEFORE = 60.0
_DEFAULT_LIFETIME = 3600.0


@dataclass(frozen=True)
class Credentials:
    """Client id and client secret of a Spotify application. The secret never prints.

    Raises:
        AuthenticationError: either is empty, before any call is made.
    """

    client_id: str
    client_secret: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Sixteen characters that tell the client id from others without showing it."""
        return hashlib.sha256(self.client_id.encode()).hexdigest()[:16]

    def __post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            if not getattr(self, name).strip():
                raise AuthenticationError(f"the {name.replace('_', ' ')} is empty", endpoint="token")


@dataclass(frozen=True)
class Token:
    """An access token. Its text never prints.

    Attributes:
        text: what goes into the Authorization header.
        renew_at: seconds since the epoch from which a new one is to be asked for.
        is_sandbox: True when the sandbox API gave it.
    """

    text: str = field(repr=False)
    renew_at: float
    is_sandbox: bool


def read_token(payload: object, now: float, *, is_sandbox: bool) -> Token:
    """Read the token service's answer.

    Raises:
        MalformedAnswerError: there is no token in it that a header could carry.
    """
    text = payload.get("access_token") if isinstance(payload, dict) else None
    if not isinstance(text, str) or not _TOKEN_TEXT.fullmatch(text):
        raise MalformedAnswerError("no usable access token in the answer", endpoint="token", status=200)
    lifetime = payload.get("expires_in") if isinstance(payload, dict) else None
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not lifetime > 0:
        # The 401 after expiry renews it then.
        lifetime = _DEFAULT_LIFETIME
    # Half of a short life, so that a token of a minute is not asked for before every call.
    return Token(text, now + lifetime - min(_RENEW_BEFORE, lifetime / 2), is_sandbox)


class TokenKeeper:
    """Holds one token for any number of threads and renews it when due.

    Args:
        request_token: asks the token service until the event is set; called by one thread at a time.
        time: seconds since the epoch.
    """

    def __init__(self, request_token: Callable[[threading.Event], Token], time: Callable[[], float]) -> None:
        self._request_token = request_token
        self._time = time
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._refusal: AuthenticationError | None = None

    def token(self, stop: threading.Event) -> Token:
        """Give a token that is good for a while; ask for one only when there is none.

        Args:
            stop: when set, waiting for the token service ends.

        Raises:
            AuthenticationError: the token service refused the credentials, now or before.
            ApiError: the token service could not be reached.
        """
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            if self._token is None or self._time() >= self._token.renew_at:
                self._token = self._renewed(stop)
            return self._token

    def drop(self, token: Token) -> None:
        """Forget a token that was refused, unless another thread has renewed it already."""
        with self._lock:
            if self._token is token:
                self._token = None

    def _renewed(self, stop: threading.Event) -> Token:
        try:
            return self._request_token(stop)
        except AuthenticationError as error:
            # Sixteen threads with a wrong secret are one refused request, not sixteen.
            self._refusal = error
            raise
