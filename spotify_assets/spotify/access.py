"""What this application may ask Spotify for.

Since 2024-11-27 and 2026-02-11 most applications may call neither new releases nor batches nor audio features. Which
ones may is not documented for a single key, and can change at any moment: it is asked, remembered, and corrected by
every answer that says otherwise.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Literal, Protocol

from spotify_assets.spotify.endpoints import AUDIO_FEATURES, CLOSABLE
from spotify_assets.spotify.errors import (
    BadRequestError,
    ForbiddenError,
    MalformedAnswerError,
    NotFoundError,
    RateLimitedError,
    TransientError,
)

Declared = Literal["auto", "extended", "development"]


class AccessMemory(Protocol):
    """Keeps what was learned, for as long as it can be relied on."""

    def recall(self) -> Mapping[str, bool]:
        """For each endpoint that was asked lately, whether it is open."""

    def remember(self, endpoint: str, *, is_open: bool) -> None:
        """Note what an endpoint answered."""


class NoMemory:
    """Remembers nothing."""

    def recall(self) -> Mapping[str, bool]:
        """See `AccessMemory`."""
        return {}

    def remember(self, endpoint: str, *, is_open: bool) -> None:
        """See `AccessMemory`."""


class Access:
    """Which of the endpoints that Spotify closes are open to this application. Safe to share between threads.

    An endpoint that is not known is taken for open, and its first real call tells: that costs an open endpoint nothing,
    and a closed one a call. As soon as one turns out closed the others are asked, since seldom one is closed alone.

    Args:
        declared: what the user says of the key: 'extended' and 'development' are believed until an answer says
            otherwise, with 'auto' each endpoint is asked.
        memory: used with 'auto' alone.
    """

    def __init__(self, declared: Declared = "auto", memory: AccessMemory | None = None) -> None:
        self._is_auto = declared == "auto"
        self._memory = memory if memory is not None and self._is_auto else NoMemory()
        self._lock = threading.Lock()
        self._known = {} if self._is_auto else dict.fromkeys(CLOSABLE, declared == "extended")
        self._is_recalled = not self._is_auto
        self._is_in_doubt = False

    def allows(self, endpoint: str) -> bool:
        """Whether the endpoint may be called, as far as is known."""
        with self._lock:
            self._recall()
            return self._known.get(endpoint, True)

    def is_known(self, endpoint: str) -> bool:
        """Whether the endpoint has answered lately, or was declared; else its next call is to be made alone."""
        with self._lock:
            self._recall()
            return endpoint in self._known

    def learn(self, endpoint: str, *, is_open: bool) -> None:
        """Note what an endpoint answered. Where it contradicts what was known, nothing else is relied on either."""
        with self._lock:
            self._recall()
            if self._known.get(endpoint) is is_open:
                return
            is_contradiction = endpoint in self._known
            if self._is_auto and is_contradiction:
                self._known = {key: False for key, was_open in self._known.items() if not was_open}
            self._known[endpoint] = is_open
            # A good answer to another thread does not end the doubt.
            self._is_in_doubt |= self._is_auto and not is_open
        self._memory.remember(endpoint, is_open=is_open)

    def resolve_doubt(self, ask: Callable[[str], None]) -> None:
        """Ask every endpoint that is not known, once one of them has turned out closed.

        Args:
            ask: makes one call of an endpoint.

        Raises:
            ApiError: the account or the key is refused altogether.
        """
        with self._lock:
            if self._is_in_doubt:
                self._ask_unknown(ask)
                self._is_in_doubt = False

    def ask_all(self, ask: Callable[[str], None]) -> Mapping[str, bool | None]:
        """Ask every endpoint, whatever is known: True for open, False for closed, None where the answer did not say.

        Args:
            ask: makes one call of an endpoint.

        Raises:
            ApiError: the account or the key is refused altogether.
        """
        with self._lock:
            self._known, self._is_recalled, self._is_in_doubt = {}, True, False
            self._ask_unknown(ask)
            return {endpoint: self._known.get(endpoint) for endpoint in CLOSABLE}

    @property
    def closed(self) -> frozenset[str]:
        """The endpoints that are known to be closed."""
        with self._lock:
            self._recall()
            return frozenset(endpoint for endpoint, is_open in self._known.items() if not is_open)

    def __str__(self) -> str:
        return title(self.closed)

    def _recall(self) -> None:
        if not self._is_recalled:
            self._known.update(self._memory.recall())
            self._is_recalled = True

    def _ask_unknown(self, ask: Callable[[str], None]) -> None:
        for endpoint in CLOSABLE:
            if endpoint not in self._known and (is_open := _probe(ask, endpoint)) is not None:
                self._known[endpoint] = is_open
                self._memory.remember(endpoint, is_open=is_open)


def title(closed: Collection[str]) -> str:
    """The kind of access in words."""
    missing = [endpoint for endpoint in CLOSABLE if endpoint in closed]
    if not missing:
        return "extended"
    if missing == [AUDIO_FEATURES]:
        return "extended without audio features"
    return "development" if len(missing) == len(CLOSABLE) else f"without {', '.join(missing)}"


def _probe(ask: Callable[[str], None], endpoint: str) -> bool | None:
    """Whether the endpoint is open; None where the answer does not say."""
    try:
        ask(endpoint)
    except ForbiddenError:
        return False
    except (NotFoundError, BadRequestError):
        # It took the question; the thing asked for is another matter.
        return True
    except (TransientError, RateLimitedError, MalformedAnswerError):
        return None
    return True
