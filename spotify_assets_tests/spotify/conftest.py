"""A fake API on a real socket, time that passes only when somebody sleeps, and clients that use both."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.reccobeats import ReccoBeats
from spotify_assets.spotify.wire import Wire
from spotify_assets_tests.spotify.fake_api import FakeApi

SECRET = "a-client-secret"
NOW = 1_795_000_000.0

MakeClient = Callable[..., SpotifyClient]
MakeWire = Callable[..., Wire]
_OF_WIRE = ("time", "sleep", "random", "threads", "max_retry_after", "budget")


class FakeTime:
    """Seconds since the epoch that move on only by `sleep`, which returns at once and is noted."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def time(self) -> float:
        with self._lock:
            return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as running:
        yield running


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def make_wire(fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeWire]:
    # The fake is on this machine, whatever proxy the environment names.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as stack:

        def make(**changes: object) -> Wire:
            """A wire with the options of `Wire` that a test changes."""
            options: dict[str, Any] = {
                "time": fake_time.time,
                "sleep": fake_time.sleep,
                "random": lambda: 0.5,
                **changes,
            }
            wire = Wire(**options)
            stack.callback(wire.close)
            return wire

        yield make


@pytest.fixture
def make_client(api: FakeApi, make_wire: MakeWire) -> MakeClient:
    def make(*, asks_reccobeats: bool = False, **changes: object) -> SpotifyClient:
        """A client with the options of `Wire` and of `SpotifyClient` that a test changes."""
        wire = make_wire(**{name: changes.pop(name) for name in _OF_WIRE if name in changes})
        options: dict[str, Any] = {"api_url": api.api_url, "accounts_url": api.url, **changes}
        if asks_reccobeats:
            options["reccobeats"] = ReccoBeats(wire, api.reccobeats_url)
        return SpotifyClient(Credentials("a-client-id", SECRET), wire, **options)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> SpotifyClient:
    return make_client()
