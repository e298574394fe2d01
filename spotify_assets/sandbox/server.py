"""The sandbox as an ASGI application, and a server that runs it in a background thread."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from spotify_assets.sandbox import deezer_endpoints, endpoints, reccobeats
from spotify_assets.sandbox.answers import (
    Answer,
    RefusedError,
    api_error,
    deezer_quota_exceeded,
    html_error,
    quota,
    rate_limited,
    token_error,
    unauthorized,
)
from spotify_assets.sandbox.catalogue_file import load_catalogue
from spotify_assets.sandbox.endpoints import Call, Handler
from spotify_assets.sandbox.fault_answers import answer_in_place, disfigured
from spotify_assets.sandbox.faults import Fault, FaultError, Faults
from spotify_assets.sandbox.model import Catalogue
from spotify_assets.sandbox.render import Access
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets.sandbox.traffic import AnsweredCall, CallCounter, RollingLimit, Ticks, Tokens

MARK = (b"x-spotify-assets-sandbox", b"1")
_TRANSPORT = "sandbox.transport"
_START_SECONDS = 10.0
_DEEZER_WINDOW_SECONDS = 5.0


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class SandboxOptions:
    """How the sandbox behaves, whatever its catalogue.

    `latency` is in seconds and added to every answer; `rate_limit` in calls per rolling `rate_window` seconds;
    `new_releases_limit` caps the list (Spotify's own shows 100); `token_seconds` is the life of a token;
    `deezer_limit` is in calls of Deezer per rolling 5 seconds (its own is 50). `now` decides what is out and how
    popular it is, `ticks` measures tokens and the rate limits.
    """

    access: Access = "extended"
    latency: float = 0.0
    rate_limit: int | None = None
    rate_window: float = 30.0
    new_releases_limit: int | None = None
    token_seconds: int = 3600
    deezer_limit: int | None = None
    faults: tuple[Fault, ...] = ()
    now: Callable[[], datetime] = utc_now
    ticks: Ticks = time.monotonic


class _Sandbox:
    """The state of one running sandbox and the way every call takes through it."""

    def __init__(self, catalogue: Catalogue, options: SandboxOptions) -> None:
        self.catalogue = catalogue
        self.options = options
        self.started = options.ticks()
        self.calls = CallCounter()
        self.faults = Faults(options.faults)
        self.tokens = Tokens(options.token_seconds, options.ticks)
        self.limit = RollingLimit(options.rate_limit, options.ticks, options.rate_window)
        self.deezer_limit = RollingLimit(options.deezer_limit, options.ticks, _DEEZER_WINDOW_SECONDS)

    def routes(self) -> list[Route]:
        """Every path the sandbox answers."""
        web_api = [
            self._route(f"/v1/{path}", name, self._api(run)) for path, name, run in endpoints.ENDPOINTS
        ]
        other_features = [
            self._route(f"/reccobeats/v1/{path}", name, self._open(run, "reccobeats/v1/"))
            for path, name, run in reccobeats.ENDPOINTS
        ]
        other_shop = [
            self._route(f"/deezer/{path}", name, self._open(self._within_quota(run), "deezer/"))
            for path, name, run in deezer_endpoints.ENDPOINTS
        ]
        return [
            *web_api,
            *other_features,
            *other_shop,
            self._route("/api/token", "token", self._token, "POST"),
            Route("/sandbox/health", self._health),
            Route("/sandbox/calls", self._calls, methods=["GET", "DELETE"]),
            Route("/sandbox/requests", self._requests),
            Route("/sandbox/faults", self._faults, methods=["GET", "POST"]),
        ]

    def _route(
        self,
        path: str,
        name: str,
        answer: Callable[[Request, dict[str, str]], Awaitable[Answer]],
        method: str = "GET",
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            came_in = self.options.ticks() - self.started
            striking = self.faults.striking(name)
            await asyncio.sleep(self.options.latency + float(striking.get("slow", 0)))
            given = None if "dropped" in striking else await answer(request, striking)
            call = AnsweredCall(came_in, name, 0 if given is None else given.status, _asked(request))
            self.calls.answered(call, None if given is None else quota(given))
            return _Dropped() if given is None else _response(given, truncated="truncated" in striking)

        return Route(path, endpoint, methods=[method])

    def _api(self, run: Handler) -> Callable[[Request, dict[str, str]], Awaitable[Answer]]:
        """An endpoint of the Web API: token, rate limit, faults, then the answer."""

        async def answer(request: Request, striking: dict[str, str]) -> Answer:
            if "token-expiry" in striking:
                self.tokens.expire_all()
            try:
                self._check_token(request.headers.get("authorization", ""))
                self._check_limit()
                call = self._call(request, "v1/", striking)
                given = self._answer_in_place(striking) or run(call)
            except RefusedError as refused:
                return refused.answer
            return disfigured(given, call, striking)

        return answer

    def _open(self, run: Handler, root: str) -> Callable[[Request, dict[str, str]], Awaitable[Answer]]:
        """An endpoint that needs no token."""

        async def answer(request: Request, striking: dict[str, str]) -> Answer:
            call = self._call(request, root, striking)
            try:
                given = self._answer_in_place(striking) or run(call)
            except RefusedError as refused:
                return refused.answer
            return disfigured(given, call, striking)

        return answer

    def _within_quota(self, run: Handler) -> Handler:
        def answer(call: Call) -> Answer:
            return run(call) if self.deezer_limit.retry_after() is None else deezer_quota_exceeded()

        return answer

    def _call(self, request: Request, root: str, striking: Mapping[str, str]) -> Call:
        access: Access = self.options.access
        if "access" in striking:
            access = "development" if striking["access"] == "development" else "extended"
        values = {name: ",".join(request.query_params.getlist(name)) for name in request.query_params}
        return Call(
            catalogue=self.catalogue,
            access=access,
            now=self.options.now(),
            base_url=f"{request.base_url}{root}",
            query=values,
            path=request.path_params,
            new_releases_limit=self.options.new_releases_limit,
            relinked="relinked" in striking,
            overlapping="duplicate-items" in striking,
            border_status=404 if "search-border-404" in striking else 400,
        )

    def _check_token(self, header: str) -> None:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise RefusedError(unauthorized("Missing/invalid/expired access token", "missing_token"))
        if not self.tokens.is_good(token):
            raise RefusedError(unauthorized("The access token expired", "invalid_token"))

    def _check_limit(self) -> None:
        retry_after = self.limit.retry_after()
        if retry_after is not None:
            raise RefusedError(rate_limited(retry_after))

    def _answer_in_place(self, striking: Mapping[str, str]) -> Answer | None:
        return answer_in_place(striking, self.options.now())

    async def _token(self, request: Request, striking: dict[str, str]) -> Answer:
        """POST /api/token: any credentials are good but the id `invalid`."""
        if "token-down" in striking:
            return html_error(int(striking["token-down"]))
        fault = self._answer_in_place(striking)
        if fault is not None:
            return fault
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        credentials = _credentials(request.headers.get("authorization", ""), form)
        if credentials is None:
            return token_error("invalid_client")
        if "" in credentials or credentials[0] == "invalid":
            return token_error("invalid_client", "Invalid client")
        if form.get("grant_type") != "client_credentials":
            return token_error("unsupported_grant_type", "grant_type must be client_credentials")
        token = {
            "access_token": self.tokens.issue(),
            "token_type": "Bearer",
            "expires_in": self.tokens.seconds,
        }
        return Answer(200, token)

    async def _health(self, request: Request) -> Response:
        del request
        total = self.catalogue.new_releases(self.options.now()).total
        return JSONResponse({"status": "ok", "access": self.options.access, "new_releases": total})

    async def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.calls.reset()
        return JSONResponse(self.calls.report())

    async def _requests(self, request: Request) -> Response:
        del request
        return JSONResponse(self.calls.requests())

    async def _faults(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self.faults.set(_posted_faults(await request.body()))
            except FaultError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"faults": self.faults.report()})


def _asked(request: Request) -> str:
    """What a call is about, see AnsweredCall."""
    in_path: str = next(iter(request.path_params.values()), "")
    return in_path or ",".join(request.query_params.getlist("ids")) or request.query_params.get("q", "")


def _posted_faults(body: bytes) -> list[Fault]:
    try:
        given = json.loads(body)["faults"]
    except (ValueError, KeyError, TypeError) as error:
        raise FaultError('the body must be {"faults": ["rate-limit=1:times=3", ...]}') from error
    if not isinstance(given, list):
        raise FaultError("faults must be a list; an empty one clears them")
    return [Fault.parse(str(text)) for text in given]


def _credentials(header: str, form: Mapping[str, str]) -> tuple[str, str] | None:
    """Client id and secret, from HTTP Basic or from the form; None where neither is there."""
    kind, _, encoded = header.partition(" ")
    if kind.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return client_id, secret
    if "client_id" in form:
        return form["client_id"], form.get("client_secret", "")
    return None


def _response(answer: Answer, *, truncated: bool) -> Response:
    if isinstance(answer.body, str):
        kind = "text/html" if answer.body.startswith("<") else "text/plain"
        content = answer.body.encode()
    else:
        kind = "application/json"
        content = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode()
    build = _Truncated if truncated else Response
    return build(content, answer.status, dict(answer.headers), f"{kind}; charset=utf-8")


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope.get(_TRANSPORT)
    if not isinstance(transport, asyncio.Transport):
        raise TypeError("faults of the connection need SandboxServer or the sandbox command")
    return transport


class _Dropped(Response):
    """No answer: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send
        _transport(scope).abort()
        await _until_gone(receive)


class _Truncated(Response):
    """Half the body that its length promises, then the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        _transport(scope).close()
        await _until_gone(receive)


class _Protocol(H11Protocol):
    """Lets the application reach its connection: no other way leads to dropping one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- handed on to uvicorn as they are
        super().__init__(*args, **kwargs)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- uvicorn's own ASGI types
            await inner({**scope, _TRANSPORT: self.transport}, receive, send)

        self.app = app


def _marked(app: ASGIApp) -> ASGIApp:
    """Mark every answer as the sandbox's, and take the slash spotipy puts behind a path for none."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), MARK]}
            await send(message)

        if scope["type"] == "http" and len(scope["path"]) > 1:
            scope = {**scope, "path": scope["path"].rstrip("/")}
        await app(scope, receive, mark)

    return marked


async def _no_service(request: Request, error: Exception) -> Response:
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _response(api_error(status, "Service not found"), truncated=False)


def create_app(catalogue: Catalogue, options: SandboxOptions) -> ASGIApp:
    """The sandbox as an ASGI application, for any server; dropping connections needs SandboxServer's."""
    routes = _Sandbox(catalogue, options).routes()
    return _marked(Starlette(routes=routes, exception_handlers={404: _no_service, 405: _no_service}))


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
            http=_Protocol,
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
