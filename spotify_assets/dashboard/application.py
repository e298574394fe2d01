"""The ASGI application: an address to a view, a view to HTML, JSON or CSV."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from spotify_assets.dashboard.caching import entity_tag, is_fresh_for
from spotify_assets.dashboard.feeds import MEDIA_TYPE, Feed, as_atom, refuse_what_passes, subscribed
from spotify_assets.dashboard.filters import FilterError, Filters
from spotify_assets.dashboard.html import Html
from spotify_assets.dashboard.marts import Build, Marts
from spotify_assets.dashboard.pages import NotFoundError, Page
from spotify_assets.dashboard.security import SecurityHeaders
from spotify_assets.dashboard.static_files import StaticFiles
from spotify_assets.dashboard.views import VIEWS, BuildOf, View

_log = logging.getLogger(__name__)
_REVALIDATED = "private, no-cache"
_UNAVAILABLE = "The warehouse cannot be read at the moment. Reload the page in a minute."
_TOO_SLOW = "The question took too long, and was given up. Ask for less: one week, or one artist."
# Postgres' code of a statement that was ended for its time.
_QUERY_CANCELED = "57014"


Made = TypeVar("Made", Page, Feed)


@dataclass(frozen=True)
class _Answer(Generic[Made]):
    """What a view made of a request."""

    view: View
    made: Made
    filters: Filters
    builds: Mapping[str, Build]
    request: Request


class Dashboard:
    """The pages over one warehouse.

    Args:
        engine: reads the marts, see `marts.connect`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._static = StaticFiles()
        self._html = Html(self._static)

    def application(self) -> ASGIApp:
        """The ASGI application."""
        # The headers outside of everything: an answer to an error of ours has them, too.
        return SecurityHeaders(GZipMiddleware(self._routed(), minimum_size=500))

    def _routed(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/healthz", self._is_alive),
                Route("/readyz", self._is_ready),
                Route("/static/{digest}/{name:path}", self._static.answer),
                *(route for view in VIEWS for route in self._routes(view)),
            ],
            exception_handlers={
                FilterError: self._refused,
                NotFoundError: self._not_found,
                HTTPException: self._http_error,
                SQLAlchemyError: self._database_error,
                Exception: self._failed,
            },
        )

    def _routes(self, view: View) -> list[Route]:
        return [
            # The longer ones first: an id may hold a point.
            *([Route(f"{view.path}.atom", self._feed(view, view.feed))] if view.feed else []),
            Route(f"{view.path}.json", self._page(view, self._as_json), name=f"{view.name}.json"),
            Route(f"{view.path}.csv", self._page(view, self._as_csv), name=f"{view.name}.csv"),
            Route(view.path, self._page(view, self._as_html), name=view.name),
            *([Route("/", self._page(view, self._as_html), name="home")] if view.is_home else []),
        ]

    def _page(
        self, view: View, written: Callable[[_Answer[Page]], Response]
    ) -> Callable[[Request], Response]:
        return self._endpoint(view, view.build, written)

    def _feed(self, view: View, build: BuildOf[Feed]) -> Callable[[Request], Response]:
        def build_lasting(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Feed:
            refuse_what_passes(filters)
            return build(marts, filters, path)

        return self._endpoint(view, build_lasting, self._as_atom)

    def _endpoint(
        self, view: View, build: BuildOf[Made], written: Callable[[_Answer[Made]], Response]
    ) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            filters = Filters.parse(request.query_params.multi_items())
            with Marts(self._engine) as marts:
                builds = marts.builds()
                tag = entity_tag(request.url.path, request.url.query, builds, self._html.digest)
                headers = {"ETag": tag, "Cache-Control": _REVALIDATED}
                if is_fresh_for(request.headers.get("if-none-match"), tag):
                    return Response(status_code=304, headers=headers)
                made = build(marts, filters, request.path_params)
            response = written(_Answer(view, made, filters, builds, request))
            response.headers.update(headers)
            return response

        return answer

    def _as_html(self, answer: _Answer[Page]) -> Response:
        # The home page is a view at another address: its files are at the view's own.
        path = answer.request.url.path
        path = answer.view.path if path == "/" else path
        return self._html.page(answer.view, answer.made, answer.filters, answer.builds, path)

    def _as_json(self, answer: _Answer[Page]) -> Response:
        table, builds = answer.made.table, answer.builds
        return JSONResponse(
            {
                "view": answer.view.name,
                "title": answer.made.title,
                "as_of": {
                    mart: builds[mart].as_of.isoformat() for mart in answer.view.marts if mart in builds
                },
                "source": next((build.source for build in builds.values() if build.source), None),
                "filters": answer.filters.query(),
                "note": table.note,
                "total": len(table.rows) if table.total is None else table.total,
                "rows": table.as_json(),
            }
        )

    def _as_csv(self, answer: _Answer[Page]) -> Response:
        return Response(
            answer.made.table.as_csv(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{answer.view.name}.csv"'},
        )

    def _as_atom(self, answer: _Answer[Feed]) -> Response:
        path = answer.request.url.path.removesuffix(".atom")
        site = str(answer.request.base_url).rstrip("/")
        filters = subscribed(answer.filters, answer.made.uses)
        body = as_atom(answer.made, answer.builds.get(answer.view.marts[0]), site, path, filters.query())
        return Response(body, media_type=MEDIA_TYPE)

    def _is_alive(self, _: Request) -> Response:
        return PlainTextResponse("alive\n", headers={"Cache-Control": "no-store"})

    def _is_ready(self, _: Request) -> Response:
        with Marts(self._engine) as marts:
            marts.builds()
        return PlainTextResponse("ready\n", headers={"Cache-Control": "no-store"})

    def _refused(self, request: Request, error: Exception) -> Response:
        return self._problem(request, 400, "This address cannot be understood", str(error))

    def _not_found(self, request: Request, error: Exception) -> Response:
        return self._problem(request, 404, "There is nothing here", str(error))

    def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- for the type checker; Starlette gives no other
        if error.status_code == 404:
            return self._problem(request, 404, "There is nothing here", "No page has this address.")
        return self._problem(request, error.status_code, error.detail, "Ask for a page with GET.")

    def _database_error(self, request: Request, error: Exception) -> Response:
        _log.error("%s: %s", request.url.path, error)
        is_slow = isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED
        return self._problem(
            request, 503, "Not available", _TOO_SLOW if is_slow else _UNAVAILABLE, {"Retry-After": "60"}
        )

    def _failed(self, request: Request, error: Exception) -> Response:
        _log.error("%s failed", request.url.path, exc_info=error)
        return self._problem(
            request, 500, "This page failed", "That is a mistake of ours; the log of the dashboard has it."
        )

    def _problem(
        self,
        request: Request,
        status: int,
        title: str,
        message: str,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        sent = {"Cache-Control": "no-store", **(headers or {})}
        if request.url.path.endswith(".json"):
            body = json.dumps({"error": title, "message": message})
            return Response(body, status, headers=sent, media_type="application/json")
        if request.url.path.endswith((".csv", ".atom")) or request.url.path in ("/readyz", "/healthz"):
            return PlainTextResponse(f"{title}: {message}\n", status, headers=sent)
        return self._html.problem(status, title, message, sent)


def create_application(engine: Engine) -> ASGIApp:
    """The dashboard as an ASGI application."""
    return Dashboard(engine).application()
