"""What the database knows of a table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql
from sqlalchemy import Connection

from spotify_assets.warehouse.column_types import polars_dtype, schema_from_json
from spotify_assets.warehouse.statements import statement

# The line of a table's comment that keeps the Polars schema; text written by people may stand above it.
SCHEMA_MARK = "polars schema: "
# timestamp(3) with time zone, interval day to second(2): precision makes no other type.
_PRECISION = re.compile(r"^(timestamp|time|interval)[^\[]*?\(\d\)")


@dataclass(frozen=True)
class TableAddress:
    """Schema and name of a table."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> sql.Identifier:
        """Both, as SQL."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True)
class StoredColumn:
    """A column as it stands in the database, and the dtype it was last written in."""

    name: str
    type: str
    nullable: bool
    dtype: pl.DataType


def stored_columns(connection: Connection, table: TableAddress) -> dict[str, StoredColumn]:
    """The table's columns in order; empty when there is no such table."""
    noted = schema_from_json(_noted_schema(connection, table) or "{}")
    columns = {}
    for row in connection.execute(statement("table_columns"), _name_of(table)):
        spelled = _PRECISION.sub(lambda match: re.sub(r"\(\d\)", "", match[0]), row.column_type)
        columns[row.column_name] = StoredColumn(
            row.column_name, spelled, row.is_nullable, noted.get(row.column_name) or polars_dtype(spelled)
        )
    return columns


def people_comment(connection: Connection, table: TableAddress) -> str:
    """The part of the table's comment that is not ours."""
    return (_comment(connection, table) or "").partition(SCHEMA_MARK)[0]


def _noted_schema(connection: Connection, table: TableAddress) -> str | None:
    _, mark, noted = (_comment(connection, table) or "").partition(SCHEMA_MARK)
    return noted if mark else None


def _comment(connection: Connection, table: TableAddress) -> str | None:
    found: str | None = connection.execute(statement("table_comment"), _name_of(table)).scalar_one()
    return found


def _name_of(table: TableAddress) -> dict[str, str]:
    return {"quoted_name": table.quoted.as_string(None)}


def driver_connection(connection: Connection) -> psycopg.Connection:
    """What SQLAlchemy's connection stands on, in the same transaction: for COPY and quoted names."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("The warehouse's engine must use psycopg: make it with database.create_engine")
    return driver


def run(connection: Connection, composed: sql.Composed, parameters: Sequence[object] | None = None) -> None:
    """Run a statement that has names in it, which cannot be bound; its values are."""
    driver_connection(connection).execute(composed, parameters)
