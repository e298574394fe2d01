"""Replacing rows of a table, in one transaction."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import Connection, Engine

from spotify_assets.warehouse.catalogue import (
    StoredColumn,
    TableAddress,
    driver_connection,
    run,
    stored_columns,
)
from spotify_assets.warehouse.encoding import csv_slices, refuse_nul
from spotify_assets.warehouse.evolving import evolve, is_ready, refuse_unstorable
from spotify_assets.warehouse.fitting import FrameDoesNotFitError, fitted
from spotify_assets.warehouse.table_locks import lock_partitions, lock_table


@dataclass(frozen=True)
class Partitions:
    """The partitions that a run replaces: those it was started for, whether it has rows for them or not."""

    column: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """What a write did: rows and bytes sent, seconds from encoding to commit."""

    rows: int
    bytes: int
    seconds: float


def replace(
    engine: Engine,
    table: TableAddress,
    frame: pl.DataFrame,
    *,
    partitions: Partitions | None,
    declared: sa.Table | None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Written:
    """Replace the rows of these partitions, or of the whole table where `partitions` is None, by the frame.

    Readers see the old rows until the commit. A table that is not declared is made and widened as needed.

    Raises:
        FrameDoesNotFitError: nothing was written; says what does not fit.
        EncodingError: nothing was written; names a value that Postgres cannot store.
    """
    started = monotonic()
    if partitions is not None:
        _refuse_strangers(frame, table, partitions)
    refuse_unstorable(frame, table)
    refuse_nul(frame)
    if declared is not None:
        frame = fitted(frame, declared)
    # Encoded before anything is locked; a value that cannot be written fails here.
    slices = csv_slices(frame)
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        columns = _prepare(connection, table, frame, partitions, declared)
        # In a statement after the locks, so that it sees what other runs committed before they let go.
        _delete(connection, table, columns, partitions)
        _copy(connection, table, frame.columns, slices)
        connection.commit()
    return Written(frame.height, sum(map(len, slices)), monotonic() - started)


def _refuse_strangers(frame: pl.DataFrame, table: TableAddress, partitions: Partitions) -> None:
    if partitions.column not in frame.columns:
        raise FrameDoesNotFitError(
            f"The frame for {table} has no column {partitions.column!r}, which partition_expr names as its partition"
        )
    found = frame.get_column(partitions.column).cast(pl.String).unique()
    strangers = sorted(repr(key) for key in set(found) - set(partitions.keys))
    if strangers:
        more = f" and {len(strangers) - 5} more" if len(strangers) > 5 else ""
        raise FrameDoesNotFitError(
            f"The frame for {table} has rows of partitions that this run does not write: {partitions.column} "
            f"{', '.join(strangers[:5])}{more}; nothing was written"
        )


def _prepare(
    connection: Connection,
    table: TableAddress,
    frame: pl.DataFrame,
    partitions: Partitions | None,
    declared: sa.Table | None,
) -> dict[str, StoredColumn]:
    """Take the locks, and make or widen a table that is not declared."""
    if partitions is None:
        lock_table(connection, table)
    else:
        lock_partitions(connection, table, partitions.keys)
    columns = stored_columns(connection, table)
    if declared is not None:
        if not columns:
            raise FrameDoesNotFitError(f"There is no table {table}: run `spotify-assets database migrate`")
        return columns
    if is_ready(frame, table, columns):
        return columns
    # Never from the shared lock to the exclusive one: two runs that both try would wait for each other.
    connection.rollback()
    evolve(connection, table, frame, None if partitions is None else partitions.column)
    return stored_columns(connection, table)


def _delete(
    connection: Connection,
    table: TableAddress,
    columns: dict[str, StoredColumn],
    partitions: Partitions | None,
) -> None:
    if partitions is None:
        # Not truncate: it would lock readers out, and show them an empty table.
        run(connection, sql.SQL("delete from {}").format(table.quoted))
        return
    condition = partition_condition(columns[partitions.column], sql.Placeholder())
    run(
        connection,
        sql.SQL("delete from {} where {}").format(table.quoted, condition),
        [list(partitions.keys)],
    )


def partition_condition(column: StoredColumn, keys: sql.Composable) -> sql.Composed:
    """Rows of the partitions in `keys`, an array of text; in the column's own type, so that its index serves.

    A sub-select, not `= any(...)`: the cast of an array is worked out anew for every row there, which took
    a second for a thousand keys and 12,000 rows.
    """
    return sql.SQL("{} in (select key::{} from unnest({}::text[]) as keys (key))").format(
        sql.Identifier(column.name), sql.SQL(column.type), keys
    )


def _copy(connection: Connection, table: TableAddress, columns: Collection[str], slices: list[bytes]) -> None:
    if not slices:
        return
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy {} ({}) from stdin (format csv, null '')").format(table.quoted, names)
    with driver_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for part in slices:
            copy.write(part)
