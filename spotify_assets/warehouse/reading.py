"""Reading a table into Polars, in the dtypes it was written in, without building rows in Python."""

from collections.abc import Collection, Sequence

import polars as pl
from adbc_driver_postgresql import dbapi
from psycopg import sql
from sqlalchemy import Engine

from spotify_assets.warehouse.catalogue import StoredColumn, TableAddress, stored_columns
from spotify_assets.warehouse.database import libpq_uri
from spotify_assets.warehouse.encoding import restored, selected
from spotify_assets.warehouse.writing import Partitions, partition_condition


class TableNotFoundError(LookupError):
    """There is no such table or column; the message says which and what makes it."""


def read(
    engine: Engine,
    table: TableAddress,
    *,
    partitions: Partitions | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The rows of these partitions, or of the whole table; typed and empty where there are none.

    Args:
        engine: the warehouse.
        table: what to read.
        partitions: None reads everything; an empty tuple of keys reads nothing.
        columns: None reads all, in the table's order.

    Raises:
        TableNotFoundError: the table, or a column asked for, is not there.
    """
    with engine.connect() as connection:
        stored = stored_columns(connection, table)
    _refuse_missing(table, stored, [*(columns or ()), *([partitions.column] if partitions else ())])
    wanted = [stored[name] for name in (stored if columns is None else columns)]
    query, parameters = _query(table, stored, wanted, partitions)
    # The text goes to libpq as it is: with parameters, no percent sign needs escaping.
    with (
        dbapi.connect(libpq_uri(engine.url), autocommit=True) as adbc,
        adbc.cursor() as cursor,
    ):
        cursor.execute(query, parameters=parameters)
        frame: pl.DataFrame = cursor.fetch_polars()
    return frame.select(restored(frame.get_column(column.name), column.dtype) for column in wanted)


def _refuse_missing(table: TableAddress, stored: dict[str, StoredColumn], wanted: Collection[str]) -> None:
    if not stored:
        raise TableNotFoundError(f"There is no table {table} yet: materialize its asset first")
    if missing := [name for name in wanted if name not in stored]:
        raise TableNotFoundError(f"Table {table} has no column {', '.join(map(repr, missing))}")


def _query(
    table: TableAddress,
    stored: dict[str, StoredColumn],
    wanted: Sequence[StoredColumn],
    partitions: Partitions | None,
) -> tuple[str, tuple[str, ...] | None]:
    names = sql.SQL(", ").join(
        sql.SQL(selected(sql.Identifier(column.name).as_string(None), column.type)) for column in wanted
    )
    query = sql.SQL("select {} from {}").format(names, table.quoted)
    if partitions is None:
        return query.as_string(None), None
    # ADBC binds no arrays: the array travels as one text, and Postgres takes it apart.
    condition = partition_condition(stored[partitions.column], sql.SQL("$1::text"))
    literal = _array_literal(partitions.keys)
    return sql.SQL("{} where {}").format(query, condition).as_string(None), (literal,)


def _array_literal(keys: Sequence[str]) -> str:
    escaped = (key.replace("\\", "\\\\").replace('"', '\\"') for key in keys)
    return "{" + ",".join(f'"{key}"' for key in escaped) + "}"
