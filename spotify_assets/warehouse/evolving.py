"""Tables that nobody declared: made from the first frame, widened by later ones."""

import polars as pl
from psycopg import sql
from sqlalchemy import Connection, text

from spotify_assets.warehouse.catalogue import (
    SCHEMA_MARK,
    StoredColumn,
    TableAddress,
    people_comment,
    run,
    stored_columns,
)
from spotify_assets.warehouse.column_types import UnsupportedTypeError, postgres_type, schema_to_json
from spotify_assets.warehouse.fitting import FrameDoesNotFitError
from spotify_assets.warehouse.merging import CannotMergeError, merged
from spotify_assets.warehouse.table_locks import lock_schema, lock_table

# ALTER TABLE waits for every reader, and every later reader waits for it: better to give up.
_LOCK_TIMEOUT = "5s"
_MAX_NAME_BYTES = 63


def refuse_unstorable(frame: pl.DataFrame, table: TableAddress) -> None:
    """Refuse what no table can hold, before anything is locked.

    Raises:
        FrameDoesNotFitError: names the column and what is wrong with it.
    """
    if not frame.width:
        raise FrameDoesNotFitError(f"The frame for {table} has no columns")
    for name, dtype in frame.schema.items():
        if not name or len(name.encode()) > _MAX_NAME_BYTES:
            raise FrameDoesNotFitError(
                f"Column {name!r} of the frame for {table}: Postgres takes names of 1 to {_MAX_NAME_BYTES} bytes"
            )
        try:
            postgres_type(dtype)
        except UnsupportedTypeError as error:
            raise FrameDoesNotFitError(f"Column {name!r} of the frame for {table}: {error}") from error


def is_ready(frame: pl.DataFrame, table: TableAddress, columns: dict[str, StoredColumn]) -> bool:
    """True when a table of these columns takes the frame as it is."""
    if not columns:
        return False
    for name, stored in columns.items():
        has_nulls = name not in frame.columns or frame.get_column(name).null_count() > 0
        if has_nulls and not stored.nullable:
            return False
    return all(
        name in columns
        and merged_or_refused(table, columns[name], frame.get_column(name)) == _kept(columns[name])
        for name in frame.columns
    )


def evolve(
    connection: Connection, table: TableAddress, frame: pl.DataFrame, partition_column: str | None
) -> None:
    """Make the table, or widen it, so that it takes the frame. Locks out every other writer until commit.

    Raises:
        FrameDoesNotFitError: a column would have to change its meaning; says which, and the ALTER to run.
    """
    lock_table(connection, table)
    columns = stored_columns(connection, table)
    connection.execute(text(f"set local lock_timeout = '{_LOCK_TIMEOUT}'"))
    if columns:
        _widen(connection, table, frame, columns)
    else:
        _create(connection, table, frame, partition_column)
    connection.execute(text("set local lock_timeout = 0"))


def merged_or_refused(
    table: TableAddress, stored: StoredColumn, values: pl.Series
) -> tuple[str, pl.DataType]:
    """Type and dtype of a column that holds what it has and the new values.

    Raises:
        FrameDoesNotFitError: there is no such type.
    """
    try:
        dtype = merged(stored.dtype, values.dtype)
        # Types that we read but would not have chosen (varchar, uuid) stay as long as nothing changes.
        kind = stored.type if dtype == stored.dtype else postgres_type(dtype)
    except (CannotMergeError, UnsupportedTypeError) as error:
        raise FrameDoesNotFitError(
            f"Column {values.name!r} of {table} is {stored.type} (read as {stored.dtype}) and the frame has "
            f"{values.dtype}: that changes its meaning, so it is not done unasked. Cast the frame, or run: "
            f'alter table {table} alter column "{values.name}" type {_type_or_text(values.dtype)} using ...'
        ) from error
    if kind.startswith("character") and isinstance(values.dtype, pl.String):
        longest = values.str.len_chars().max()
        limit = int("".join(filter(str.isdigit, kind)) or 0)
        if limit and isinstance(longest, int) and longest > limit:
            kind = "text"
    return kind, dtype


def _type_or_text(dtype: pl.DataType) -> str:
    try:
        return postgres_type(dtype)
    except UnsupportedTypeError:
        return "text"


def _kept(stored: StoredColumn) -> tuple[str, pl.DataType]:
    return stored.type, stored.dtype


def _create(
    connection: Connection, table: TableAddress, frame: pl.DataFrame, partition_column: str | None
) -> None:
    _create_schema(connection, table.schema)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), _type(postgres_type(dtype)))
        for name, dtype in frame.schema.items()
    )
    # Each run deletes and inserts: with the default scale factor the dead rows outgrow the live ones.
    run(
        connection,
        sql.SQL("create table {} ({}) with (autovacuum_vacuum_scale_factor = 0.05)").format(
            table.quoted, columns
        ),
    )
    if partition_column is not None:
        run(
            connection,
            sql.SQL("create index on {} ({})").format(table.quoted, sql.Identifier(partition_column)),
        )
    _note_schema(connection, table, dict(frame.schema))


def _create_schema(connection: Connection, schema: str) -> None:
    # Two "create schema if not exists" at once collide in the catalogue.
    lock_schema(connection, schema)
    found = connection.execute(text("select 1 from pg_namespace where nspname = :schema"), {"schema": schema})
    if found.first() is None:
        run(connection, sql.SQL("create schema {}").format(sql.Identifier(schema)))


def _widen(
    connection: Connection, table: TableAddress, frame: pl.DataFrame, columns: dict[str, StoredColumn]
) -> None:
    schema = {name: stored.dtype for name, stored in columns.items()}
    for name in frame.columns:
        values = frame.get_column(name)
        if (stored := columns.get(name)) is None:
            kind, schema[name] = postgres_type(values.dtype), values.dtype
            _alter(connection, table, sql.SQL("add column {} {}").format(sql.Identifier(name), _type(kind)))
        else:
            kind, schema[name] = merged_or_refused(table, stored, values)
            _change_type(connection, table, stored, kind)
    for name, stored in columns.items():
        has_nulls = name not in frame.columns or frame.get_column(name).null_count() > 0
        if has_nulls and not stored.nullable:
            _alter(connection, table, sql.SQL("alter column {} drop not null").format(sql.Identifier(name)))
    _note_schema(connection, table, schema)


def _change_type(connection: Connection, table: TableAddress, stored: StoredColumn, kind: str) -> None:
    if kind == stored.type:
        return
    column = sql.Identifier(stored.name)
    # A column that was all null so far was made as text.
    using = sql.SQL("null") if isinstance(stored.dtype, pl.Null) else column
    change = sql.SQL("alter column {} type {} using {}::{}").format(column, _type(kind), using, _type(kind))
    _alter(connection, table, change)


def _note_schema(connection: Connection, table: TableAddress, schema: dict[str, pl.DataType]) -> None:
    comment = f"{people_comment(connection, table)}{SCHEMA_MARK}{schema_to_json(schema)}"
    run(connection, sql.SQL("comment on table {} is {}").format(table.quoted, sql.Literal(comment)))


def _alter(connection: Connection, table: TableAddress, change: sql.Composed) -> None:
    run(connection, sql.SQL("alter table {} {}").format(table.quoted, change))


def _type(kind: str) -> sql.SQL:
    return sql.SQL(kind)
