"""The sandbox's HTTP server, and one that runs in a background thread."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from spotify_assets.sandbox.application import SandboxOptions, create_app
from spotify_assets.sandbox.catalogue_file import load_catalogue
from spotify_assets.sandbox.connection import Protocol
from spotify_assets.sandbox.faults import Fault, FaultError
from spotify_assets.sandbox.model import Catalogue
from spotify_assets.sandbox.render import Access
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets.sandbox.traffic import AnsweredCall

__all__ = ["SandboxOptions", "SandboxServer", "build_server", "create_app", "listen"]

_START_SECONDS = 10.0


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one.

    Raises:
        OSError: the port is taken, or the host is none of this machine's.
    """
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP, which those of
    # socket.create_server do not; with it on, answers of more than one segment take 40 ms longer.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(256)
    except OSError:
        bound.close()
        raise
    return bound


def build_server(app: ASGIApp) -> uvicorn.Server:
    """The HTTP server for the application: quiet, without the parts it does not need."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            # The real services keep idle connections for minutes; a short time here would break off pooled ones.
            timeout_keep_alive=120,
            timeout_graceful_shutdown=1,
        )
    )


class SandboxServer:
    """The sandbox in a background thread on 127.0.0.1, for as long as the context lasts.

    Args:
        albums: how many albums the synthetic catalogue shows at any time.
        seed: another seed is another catalogue.
        tracks_per_album: fixes the length of every synthetic album.
        catalogue: a catalogue file, or a catalogue, in place of the synthetic one.
        options: access, latency, rate limit and so on, see SandboxOptions.
        faults: texts such as "rate-limit=1:times=2", added to those of the options.
        port: 0 takes a free one.
    """

    def __init__(
        self,
        *,
        albums: int = 200,
        seed: int = 1,
        tracks_per_album: int | None = None,
        catalogue: Path | Catalogue | None = None,
        options: SandboxOptions | None = None,
        access: Access | None = None,
        latency: float | None = None,
        rate_limit: int | None = None,
        rate_window: float | None = None,
        new_releases_limit: int | None = None,
        token_seconds: int | None = None,
        deezer_limit: int | None = None,
        now: Callable[[], datetime] | None = None,
        faults: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        given = {
            "access": access,
            "latency": latency,
            "rate_limit": rate_limit,
            "rate_window": rate_window,
            "new_releases_limit": new_releases_limit,
            "token_seconds": token_seconds,
            "deezer_limit": deezer_limit,
            "now": now,
        }
        base = options or SandboxOptions()
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        every_fault = (*base.faults, *(Fault.parse(text) for text in faults))
        self.options = replace(base, **changes, faults=every_fault)
        if catalogue is None:
            self.catalogue: Catalogue = SyntheticCatalogue(albums, seed, tracks_per_album)
        else:
            self.catalogue = load_catalogue(catalogue) if isinstance(catalogue, Path) else catalogue
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SandboxServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Serve, and return once calls are answered.

        Raises:
            OSError: the port is taken.
            TimeoutError: the server did not come up.
        """
        bound = listen("127.0.0.1", self._port)
        self._port = bound.getsockname()[1]
        server = build_server(create_app(self.catalogue, self.options))
        thread = threading.Thread(target=server.run, args=([bound],), name="spotify-sandbox", daemon=True)
        self._server, self._thread = server, thread
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise TimeoutError("the sandbox server did not start")
            time.sleep(0.005)

    def close(self) -> None:
        """Stop serving; calls under way are given a second."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None

    @property
    def url(self) -> str:
        """The root, such as http://127.0.0.1:1234/."""
        return f"http://127.0.0.1:{self._port}/"

    @property
    def api_url(self) -> str:
        """In the place of https://api.spotify.com/v1/."""
        return f"{self.url}v1/"

    @property
    def accounts_url(self) -> str:
        """In the place of https://accounts.spotify.com/."""
        return self.url

    @property
    def reccobeats_url(self) -> str:
        """In the place of https://api.reccobeats.com/v1/."""
        return f"{self.url}reccobeats/v1/"

    @property
    def deezer_url(self) -> str:
        """In the place of https://api.deezer.com/."""
        return f"{self.url}deezer/"

    def calls(self) -> dict[str, int]:
        """Calls by endpoint since the start or the last reset."""
        return dict(self.report()["endpoints"])

    def report(self) -> dict[str, Any]:
        """The body of GET /sandbox/calls, see CallCounter.report."""
        answer: dict[str, Any] = self._ask("GET", "/sandbox/calls")
        return answer

    @property
    def requests(self) -> list[AnsweredCall]:
        """The newest 50,000 calls since the start or the last reset, in the order in which they came in."""
        return [AnsweredCall(*call) for call in self._ask("GET", "/sandbox/requests")]

    def reset_calls(self) -> None:
        """Count from zero."""
        self._ask("DELETE", "/sandbox/calls")

    def set_faults(self, *faults: str) -> None:
        """Put these faults in the place of all there were; none clears them.

        Raises:
            FaultError: a fault that cannot be understood.
        """
        answer = self._ask("POST", "/sandbox/faults", {"faults": list(faults)})
        if "error" in answer:
            raise FaultError(answer["error"])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 -- JSON
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_START_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
