"""The dashboard as it is served: a real server on a real database of four weeks, seen through a reader's login."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
import requests
import uvicorn
from sqlalchemy import URL, Engine, text

from spotify_assets.dashboard.application import create_application
from spotify_assets.dashboard.marts import connect
from spotify_assets.warehouse.database import create_engine
from spotify_assets.warehouse.readers import ReaderLimits, make_reader
from spotify_assets_tests.conftest import own_database

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Site:
    """A dashboard that is served.

    Attributes:
        address: Without a slash at its end.
        owner: Reads and changes the warehouse as its owner, to hold the pages against it.
    """

    address: str
    owner: Engine

    def get(self, path: str, **headers: str) -> requests.Response:
        """An answer as it comes; redirects are not followed."""
        return requests.get(f"{self.address}{path}", headers=headers, timeout=30, allow_redirects=False)

    def page(self, path: str) -> str:
        """The HTML of a page that is there."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def rows(self, query: str, **parameters: object) -> Sequence[Row]:
        """Rows of the warehouse."""
        with self.owner.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(text(query), parameters)]

    def value(self, query: str, **parameters: object) -> Any:
        """The one value of a query."""
        with self.owner.connect() as connection:
            return connection.execute(text(query), parameters).scalar_one()


@pytest.fixture(scope="session")
def site(postgres_server: URL, weeks_template: str) -> Iterator[Site]:
    """The dashboard of four weeks of the sandbox. Nothing in it may be changed: it is all tests' own."""
    with own_database(postgres_server, weeks_template) as url:
        yield from served(url)


@pytest.fixture
def empty_site(empty_database_url: URL) -> Iterator[Site]:
    """The dashboard of a warehouse in which nothing was built yet; a test's own."""
    yield from served(empty_database_url)


def served(url: URL) -> Iterator[Site]:
    """A dashboard of a warehouse, ended at the end, with its login."""
    owner = create_engine(url)
    role = f"dashboard_{url.database}"
    reader = make_reader(owner, role, ["marts"], ReaderLimits(), "secret")
    engine = connect(reader.url)
    server = uvicorn.Server(
        uvicorn.Config(create_application(engine), ws="none", lifespan="off", log_level="warning")
    )
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", owner)
    server.should_exit = True
    thread.join()
    engine.dispose()
    with owner.begin() as connection:
        # Roles belong to the whole server: other tests must not meet it.
        connection.execute(text(f"drop owned by {role}"))
        connection.execute(text(f"drop role {role}"))
    owner.dispose()


class _Cells(HTMLParser):
    """The cells of each table of a page, row by row, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._is_in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.tables[-1][-1][-1] += data


def tables_of(page: str) -> list[list[list[str]]]:
    """The tables of a page: of each its rows, the first of which are the headings, as the texts of their cells."""
    cells = _Cells()
    cells.feed(page)
    return cells.tables
