"""The sandbox as an ASGI application: the state of a running one, its paths, and the way of every call."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotify_assets.sandbox import deezer_endpoints, endpoints, reccobeats
from spotify_assets.sandbox.answers import (
    Answer,
    RefusedError,
    api_error,
    deezer_quota_exceeded,
    html_error,
    quota,
    rate_limited,
    unauthorized,
)
from spotify_assets.sandbox.connection import Dropped, Truncated
from spotify_assets.sandbox.endpoints import Call, Handler
from spotify_assets.sandbox.fault_answers import answer_in_place, disfigured
from spotify_assets.sandbox.faults import Fault, FaultError, Faults
from spotify_assets.sandbox.model import Catalogue
from spotify_assets.sandbox.render import Access
from spotify_assets.sandbox.token_service import token_answer
from spotify_assets.sandbox.traffic import AnsweredCall, CallCounter, RollingLimit, Ticks, Tokens

MARK = (b"x-spotify-assets-sandbox", b"1")
_DEEZER_WINDOW_SECONDS = 5.0

# Answers one call, under the faults that befall it.
_Endpoint = Callable[[Request, dict[str, str]], Awaitable[Answer]]


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
        web_api_routes = [
            self._route(f"/v1/{path}", name, self._api(run)) for path, name, run in endpoints.ENDPOINTS
        ]
        reccobeats_routes = [
            self._route(f"/reccobeats/v1/{path}", name, self._open(run, "reccobeats/v1/"))
            for path, name, run in reccobeats.ENDPOINTS
        ]
        deezer_routes = [
            self._route(f"/deezer/{path}", name, self._open(self._within_quota(run), "deezer/"))
            for path, name, run in deezer_endpoints.ENDPOINTS
        ]
        return [
            *web_api_routes,
            *reccobeats_routes,
            *deezer_routes,
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
        answer: _Endpoint,
        method: str = "GET",
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            came_in = self.options.ticks() - self.started
            striking = self.faults.striking(name)
            await asyncio.sleep(self.options.latency + float(striking.get("slow", 0)))
            given = None if "dropped" in striking else await answer(request, striking)
            call = AnsweredCall(came_in, name, 0 if given is None else given.status, _asked(request))
            self.calls.answered(call, None if given is None else quota(given))
            return Dropped() if given is None else _response(given, truncated="truncated" in striking)

        return Route(path, endpoint, methods=[method])

    def _api(self, run: Handler) -> _Endpoint:
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

    def _open(self, run: Handler, root: str) -> _Endpoint:
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
        if "token-down" in striking:
            return html_error(int(striking["token-down"]))
        authorization, body = request.headers.get("authorization", ""), await request.body()
        return self._answer_in_place(striking) or token_answer(authorization, body, self.tokens)

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


def _response(answer: Answer, *, truncated: bool) -> Response:
    if isinstance(answer.body, str):
        kind = "text/html" if answer.body.startswith("<") else "text/plain"
        content = answer.body.encode()
    else:
        kind = "application/json"
        content = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode()
    build = Truncated if truncated else Response
    return build(content, answer.status, dict(answer.headers), f"{kind}; charset=utf-8")


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
