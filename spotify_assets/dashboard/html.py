"""A page as HTML: one template for all views, which knows the kinds of sections and nothing of any view."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from spotify_assets.dashboard.feeds import subscribed
from spotify_assets.dashboard.filters import (
    ALBUM_TYPES,
    CAMELOT,
    FEATURE_RANGES,
    MEASURES,
    SOURCES,
    Filters,
    in_digits,
)
from spotify_assets.dashboard.marts import Build
from spotify_assets.dashboard.pages import Chart, Facts, Multiples, Page, Prose
from spotify_assets.dashboard.scales import FEATURE_SCALES, SCALES
from spotify_assets.dashboard.security import IMAGE_HOST
from spotify_assets.dashboard.static_files import StaticFiles
from spotify_assets.dashboard.tables import Column, Table, in_words
from spotify_assets.dashboard.views import VIEWS, View
from spotify_assets.dashboard.views.choices import MEASURE_NAMES

ROWS_PER_PAGE = 50


class Html:
    """Writes pages.

    Args:
        static: the files that they load.
    """

    def __init__(self, static: StaticFiles) -> None:
        self._templates = Environment(
            loader=PackageLoader("spotify_assets.dashboard"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {
            "static": static.address,
            "views": [view for view in VIEWS if view.label],
            "measures": MEASURE_NAMES,
            "choices_of": {"measure": MEASURES, "type": ALBUM_TYPES, "source": SOURCES},
            "feature_ranges": FEATURE_RANGES,
            "camelot": CAMELOT,
            "kind": _kind,
            "as_data": _as_data,
            "in_words": in_words,
            "in_digits": in_digits,
            "scales": SCALES,
            "features": FEATURE_SCALES,
        }
        self.digest = hashlib.sha256(f"{static.digest} {_templates_digest()}".encode()).hexdigest()[:12]

    def page(
        self, view: View, page: Page, filters: Filters, builds: Mapping[str, Build], path: str
    ) -> HTMLResponse:
        """A view's page, at the address `path`."""
        built = [builds[mart] for mart in view.marts if mart in builds]
        is_invented = any(build.source == "sandbox" for build in builds.values())
        text = self._templates.get_template("page.html").render(
            view=view,
            page=page,
            filters=filters,
            query=filters.query(page=1, sort=None, descending=False),
            address_of=lambda kind: f"{path}.{kind}{_with(filters.query())}".rstrip("?"),
            feed=f"{path}.atom{_with(subscribed(filters, page.uses).query())}".rstrip("?")
            if view.feed
            else None,
            has_charts=any(isinstance(section, Chart | Multiples) for section in page.sections),
            carried_on=_carried_on(page, filters),
            as_of=min((build.as_of for build in built), default=None),
            is_invented=is_invented,
            # Those of invented albums are invented as well.
            cover=_no_cover if is_invented else _cover,
            sort_link=lambda column: _sort_link(page.table, column, filters),
            page_link=lambda number: _with(filters.query(page=number)),
            pages=_pages(page.table),
        )
        return HTMLResponse(text)

    def problem(self, status: int, title: str, message: str, headers: Mapping[str, str]) -> HTMLResponse:
        """A page that says what went wrong."""
        text = self._templates.get_template("problem.html").render(
            title=title, message=message, status=status
        )
        return HTMLResponse(text, status, headers=headers)


def _templates_digest() -> str:
    contents = [entry.read_text(encoding="utf-8") for entry in sorted_templates()]
    return hashlib.sha256("".join(contents).encode()).hexdigest()


def sorted_templates() -> list[Any]:
    """The templates' files, in the order of their names."""
    return sorted((files(__package__) / "templates").iterdir(), key=lambda entry: entry.name)


def _kind(section: object) -> str:
    """Which part of the template writes a section."""
    return {Chart: "chart", Facts: "facts", Multiples: "multiples", Prose: "prose", Table: "table"}[
        type(section)
    ]


def _cover(address: str | None) -> str | None:
    """A cover's address, where it is one that pages may load."""
    return address if address and address.startswith(f"{IMAGE_HOST}/") else None


def _no_cover(_: str | None) -> None:
    return None


def _as_data(spec: Mapping[str, Any]) -> Markup:
    """JSON inside of a script element that is never run: nothing in it may end the element."""
    text = json.dumps(spec, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704 -- escaped in the line itself


def _sort_link(table: Table, column: Column, filters: Filters) -> str:
    """The same page sorted by a column; once more, the other way round."""
    turned = column.name == table.sort and not table.descending
    return _with(filters.query(sort=column.name, descending=turned, page=1))


def _with(query: str) -> str:
    return f"?{query}" if query else "?"


def _carried_on(page: Page, filters: Filters) -> list[tuple[str, str]]:
    """What the form of the filters keeps although it has no field for it; the page of a table is another then."""
    has_field = (page.uses - {"sort", "descending"}) | {"page"}
    return parse_qsl(filters.query(**{name: _UNSET[name] for name in has_field}))


_UNSET = {field.name: field.default for field in fields(Filters)}


def _pages(table: Table) -> int:
    return 1 if table.total is None else -(-table.total // ROWS_PER_PAGE)
