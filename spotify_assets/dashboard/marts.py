"""Reads the marts: statements of `queries/`, their values bound, through a login that sees nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from sqlalchemy import CursorResult, Engine, TextClause, event, text
from sqlalchemy import create_engine as sqlalchemy_create_engine
from sqlalchemy.engine import URL

STATEMENT_SECONDS = 3
_CONNECTIONS = 5
# A query never gives more rows than a page or a file shows; the file says so where it was cut.
MOST_ROWS = 100_000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Build:
    """When a mart was last built: its row of marts.builds, see there."""

    mart: str
    as_of: datetime
    built_at: datetime
    rows: int
    extent: str
    source: str | None


@dataclass(frozen=True)
class Order:
    """An order of rows: by a column that a view has, then by those that settle ties.

    Attributes:
        column: Of the statement; one of those that the view names, never what an address says.
        descending: From the highest; nulls are last either way.
        then: Columns that tell any two rows apart.
    """

    column: str
    descending: bool
    then: Sequence[str]

    @property
    def sql(self) -> str:
        """As it follows `order by`."""
        direction = "desc" if self.descending else "asc"
        return ", ".join([f"{_quoted(self.column)} {direction} nulls last", *map(_quoted, self.then)])


def _plain(result: CursorResult[Any]) -> list[Row]:
    return [dict(row._mapping) for row in result]


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def connect(url: URL) -> Engine:
    """An engine whose sessions can write nothing and wait for nothing long, whatever the login's own limits are."""
    engine = sqlalchemy_create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
        # A mart that is replaced while an older snapshot is read would look empty in it.
        isolation_level="READ COMMITTED",
    )

    @event.listens_for(engine, "connect")
    def _limit(connection: psycopg.Connection, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("set default_transaction_read_only = on")
            cursor.execute(f"set statement_timeout = '{STATEMENT_SECONDS}s'")
            cursor.execute("set idle_in_transaction_session_timeout = '10s'")
            cursor.execute("set timezone = 'UTC'")
            # A page's statements are small; compiling them takes longer than running them.
            cursor.execute("set jit = off")
        connection.commit()

    return engine


@cache
def statement(name: str) -> TextClause:
    """The statement in `queries/{name}.sql`."""
    return text((files(__package__) / "queries" / f"{name}.sql").read_text(encoding="utf-8"))


class Marts:
    """The marts, over one connection: each statement sees them as they are when it begins. Used as a context."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> "Marts":
        self._connection = self._engine.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def rows(self, name: str, /, **parameters: object) -> Sequence[Row]:
        """The rows of a statement."""
        return _plain(self._connection.execute(statement(name), parameters))

    def row(self, name: str, /, **parameters: object) -> Row | None:
        """The row of a statement that gives one at most."""
        rows = self.rows(name, **parameters)
        return rows[0] if rows else None

    def builds(self) -> dict[str, Build]:
        """When each mart was last built."""
        return {row["mart"]: Build(**row) for row in self.rows("builds")}

    def page(
        self, name: str, /, *, order: Order, first: int, most: int, **parameters: object
    ) -> tuple[Sequence[Row], int]:
        """Some rows of a statement, in an order of its own columns, and how many it has in all."""
        ordered = text(
            f"select found.*, count(*) over () as rows_in_all from (\n{statement(name).text}\n) as found"
            f" order by {order.sql} limit :most offset :first"
        )
        rows = _plain(self._connection.execute(ordered, {**parameters, "first": first, "most": most}))
        if rows or not first:
            return rows, rows[0]["rows_in_all"] if rows else 0
        # Past the end there is no row to say how many there are.
        counted = text(f"select count(*) from (\n{statement(name).text}\n) as found")
        return rows, self._connection.execute(counted, parameters).scalar_one()
