"""Replaces the rows of a mart by those of its select: all of them aside, in a scratch schema, or a part in place.

One transaction does it all, so that whatever goes wrong leaves the old mart whole and nothing behind.
Readers keep the old mart until the commit and find the new one after it. A part is deleted and inserted where it
stands; a whole mart is swapped for the new one. Two limits follow from the swap:
a view on a mart would be lost with the old table and is refused by name, and a reader in a `repeatable read`
transaction that began before the swap must have read the mart before it, too.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import psycopg
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Table,
    any_,
    func,
    literal,
    text,
)
from sqlalchemy import select as sqlalchemy_select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.schema import (
    AddConstraint,
    CreateIndex,
    CreateSchema,
    CreateTable,
    DropTable,
    SetColumnComment,
    SetTableComment,
)

from spotify_assets.warehouse.statements import statement

BUILD_SCHEMA = "marts_build"

# While the swap waits for its lock, every new reader queues behind it: it waits in turns of so many seconds.
# The longest is over deadlock_timeout (1 s), at which Postgres ends an autovacuum that stands in the way.
_SHORTEST_TURN, _LONGEST_TURN = 0.25, 1.5
_LONGEST_PAUSE = 2.0
# A build sorts and hashes the whole warehouse; the default of 4 MB sends most of it to disk.
_WORK_MEM = "32MB"


class MartError(Exception):
    """A mart could not be built; the old one is as it was."""


class MartMisfitError(MartError):
    """The select or its parameters do not fit the mart's table; the message names what does not."""


class MartHasDependentsError(MartError):
    """A view or another object stands on the mart and would be lost with the old table."""


class MartBusyError(MartError):
    """Readers held the old mart for too long; the message names their sessions."""


@dataclass(frozen=True)
class SwapPatience:
    """How the swap waits for readers of the old mart.

    Attributes:
        seconds: After so long the build fails with `MartBusyError`.
        clock: Monotonic seconds.
        sleep: Sleeps so many seconds.
        draw: A number in 0-1 that spreads the pauses.
    """

    seconds: float = 120.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random


@dataclass(frozen=True)
class Rows:
    """Some of a mart's rows: those whose `column` has one of the `values`, or is at least the first of them.

    Attributes:
        column: Of the mart.
        values: Each once, in order.
        onwards: Whether all later values belong to them.
    """

    column: str
    values: Sequence[Any]
    onwards: bool = False


def rebuild(
    engine: Engine,
    table: Table,
    select: str,
    parameters: Mapping[str, Any],
    patience: SwapPatience | None = None,
) -> int:
    """Replace all rows of `table` by those of `select`; returns how many there are now.

    Constraints, indexes and comments come from `table`; owner and privileges from the table it replaces.
    Builds of the same table wait for each other.

    Args:
        engine: The warehouse.
        table: The mart.
        select: Gives its rows, with exactly its columns and their types.
        parameters: Values of the select's placeholders, such as `as_of`; times must carry a time zone.
        patience: How long to wait for readers of the old mart.

    Raises:
        MartMisfitError: The select or the parameters do not fit the table.
        MartHasDependentsError: A view stands on the mart.
        MartBusyError: Readers held the old mart for longer than the patience allows.
        sqlalchemy.exc.DBAPIError: The select failed, or its rows break a constraint of the mart.
    """
    with build_of(engine, table) as connection:
        return replace_all(connection, table, select, parameters, patience)


@contextmanager
def build_of(engine: Engine, table: Table) -> Iterator[Connection]:
    """The transaction of a build: it waits for other builds of the table, and is committed at the end."""
    _ensure_build_schema(engine)
    # READ COMMITTED whatever the engine says: a build that waited for another must see what that one left.
    options = {"isolation_level": "READ COMMITTED"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        _advisory_lock(connection, table.fullname)
        _set_locally(connection, "timezone", "UTC")
        _set_locally(connection, "work_mem", _WORK_MEM)
        # A plan made without the values would read all rows where a part is asked for.
        _set_locally(connection, "plan_cache_mode", "force_custom_plan")
        yield connection


def replace_all(
    connection: Connection,
    table: Table,
    select: str,
    parameters: Mapping[str, Any],
    patience: SwapPatience | None = None,
) -> int:
    """Within a build, replace all rows; see `rebuild`."""
    _check_parameters(table, select, parameters)
    # One that was dropped by hand, and whose select reads its own earlier rows.
    table.create(connection, checkfirst=True)
    _refuse_dependents(connection, table)
    query = _fitting(connection, table, select, parameters)
    rows = _build_aside(connection, table, query, parameters)
    _swap_when_free(connection, table, patience or SwapPatience())
    return rows


def replace_some(
    connection: Connection, table: Table, some: Rows, select: str, parameters: Mapping[str, Any]
) -> int:
    """Within a build, replace some rows by those of a select that gives no others; returns how many more there are.

    Raises:
        MartMisfitError: The select or the parameters do not fit the table.
        sqlalchemy.exc.DBAPIError: The select failed, or its rows break a constraint of the mart.
    """
    _check_parameters(table, select, parameters)
    query = _fitting(connection, table, select, parameters)
    deleted = connection.execute(table.delete().where(_condition(table, some))).rowcount
    return _insert(connection, table, query, parameters) - deleted


def count_of(connection: Connection, table: Table, some: Rows) -> int:
    """How many rows of the mart these are."""
    query = sqlalchemy_select(func.count()).select_from(table).where(_condition(table, some))
    count: int = connection.execute(query).scalar_one()
    return count


def _condition(table: Table, some: Rows) -> ColumnElement[bool]:
    column: Column[Any] = table.columns[some.column]
    if some.onwards:
        return column.op(">=", is_comparison=True)(some.values[0])
    return column.op("=", is_comparison=True)(any_(literal(list(some.values), ARRAY(column.type))))


def _check_parameters(table: Table, select: str, parameters: Mapping[str, Any]) -> None:
    expected = set(text(select).compile().params)
    if expected != set(parameters):
        raise MartMisfitError(
            f"{table.fullname}: its select takes the parameters {_listed(expected)}, given: {_listed(parameters)}."
        )
    naive = [name for name, value in parameters.items() if isinstance(value, datetime) and not value.tzinfo]
    if naive:
        raise MartMisfitError(f"{table.fullname}: the time given as {_listed(naive)} has no time zone.")


def _ensure_build_schema(engine: Engine) -> None:
    """Make the scratch schema in a transaction of its own: inside the build's, other marts would wait for it."""
    with engine.begin() as connection:
        _advisory_lock(connection, BUILD_SCHEMA)
        if connection.scalar(text("select to_regnamespace(:name) is null"), {"name": BUILD_SCHEMA}):
            connection.execute(CreateSchema(BUILD_SCHEMA))


def _refuse_dependents(connection: Connection, table: Table) -> None:
    dependents = list(connection.scalars(statement("mart_dependents"), {"mart": _quoted(connection, table)}))
    if dependents:
        raise _has_dependents(table, ", ".join(dependents))


def _advisory_lock(connection: Connection, name: str) -> None:
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def _set_locally(connection: Connection, setting: str, value: str) -> None:
    """Set it for this transaction, or for this savepoint."""
    connection.execute(
        text("select set_config(:setting, :value, true)"), {"setting": setting, "value": value}
    )


def _fitting(connection: Connection, table: Table, select: str, parameters: Mapping[str, Any]) -> str:
    """The select with the table's columns in their order, once it is known to give each with its exact type.

    Types must agree without a cast: Postgres would round a mean silently into an integer column.
    """
    given = _result_types(connection, f"select * from (\n{select}\n) as mart limit 0", parameters)
    names = Counter(name for name, _ in given)
    misfits = [f"{name} stands twice" for name, times in names.items() if times > 1]
    misfits += [f"{column.name} is missing" for column in table.columns if column.name not in names]
    misfits += [f"{name} is not a column of the mart" for name in names if name not in table.columns]
    if not misfits:
        misfits = _type_misfits(connection, table, dict(given))
    if misfits:
        raise MartMisfitError(f"{table.fullname}: its select does not fit: {'; '.join(misfits)}.")
    return f"select {_column_list(connection, table)} from (\n{select}\n) as mart"


def _type_misfits(connection: Connection, table: Table, given: Mapping[str, int]) -> list[str]:
    nulls = ", ".join(
        f"cast(null as {column.type.compile(connection.dialect)}) as {_quoted_name(connection, column.name)}"
        for column in table.columns
    )
    expected = _result_types(connection, f"select {nulls}", {})
    return [
        f"{name} is {_type_name(connection, given[name])} where the mart has {_type_name(connection, oid)}"
        for name, oid in expected
        if given[name] != oid
    ]


def _result_types(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Name and type oid of each column a query gives."""
    with connection.execute(text(query), parameters) as result:
        description = result.cursor.description if result.cursor is not None else None
        return [(str(column[0]), cast(int, column[1])) for column in description or ()]


def _type_name(connection: Connection, oid: int) -> str:
    return str(connection.scalar(text("select format_type(cast(:oid as oid), null)"), {"oid": oid}))


def _build_aside(connection: Connection, table: Table, query: str, parameters: Mapping[str, Any]) -> int:
    """Make the new table in the scratch schema, fill it, index it, and give the planner its statistics."""
    built = _aside(table)
    # Named before the table is made: it then comes without its key, which is built faster on the full table.
    key = AddConstraint(built.primary_key, isolate_from_table=True)
    connection.execute(DropTable(built, if_exists=True))
    connection.execute(CreateTable(built))
    rows = _insert(connection, built, query, parameters)
    connection.execute(key)
    for index in sorted(built.indexes, key=lambda index: str(index.name)):
        connection.execute(CreateIndex(index))
    _comment(connection, built)
    connection.execute(text(f"analyze {_quoted(connection, built)}"))
    return rows


def _insert(connection: Connection, table: Table, query: str, parameters: Mapping[str, Any]) -> int:
    target = f"{_quoted(connection, table)} ({_column_list(connection, table)})"
    return connection.execute(text(f"insert into {target}\n{query}"), parameters).rowcount


def _comment(connection: Connection, built: Table) -> None:
    if built.comment is not None:
        connection.execute(SetTableComment(built))
    for column in built.columns:
        if column.comment is not None:
            connection.execute(SetColumnComment(column))


def _swap_when_free(connection: Connection, table: Table, patience: SwapPatience) -> None:
    """Swap as soon as no reader holds the old mart, without making others queue for long."""
    give_up_at = patience.clock() + patience.seconds
    pause = 0.1
    while True:
        try:
            with connection.begin_nested():
                turn = min(max(pause, _SHORTEST_TURN), _LONGEST_TURN)
                _set_locally(connection, "lock_timeout", f"{turn * 1000:.0f}ms")
                _swap(connection, table)
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            if patience.clock() >= give_up_at:
                raise _busy(connection, table, patience.seconds) from error
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.errors.DependentObjectsStillExist):
                raise
            # Made while the mart was being built, or of a kind that the catalogue query does not look for.
            raise _has_dependents(table, error.orig.diag.message_detail or "unnamed") from error
        else:
            return
        patience.sleep(pause * (0.5 + patience.draw()))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _swap(connection: Connection, table: Table) -> None:
    mart, built = _quoted(connection, table), _quoted(connection, _aside(table))
    schema = _quoted_name(connection, str(table.schema))
    if connection.scalar(text("select to_regclass(:mart) is not null"), {"mart": mart}):
        # Before its privileges are read: one granted while the drop waits would be lost.
        connection.exec_driver_sql(f"lock table {mart} in access exclusive mode")
    parameters = {"mart": mart, "built": built, "schema": schema}
    privileges = connection.execute(statement("mart_privileges"), parameters).all()
    connection.execute(DropTable(table, if_exists=True))
    connection.exec_driver_sql(f"alter table {built} set schema {schema}")
    for privilege in privileges:
        connection.exec_driver_sql(privilege.command)


def _has_dependents(table: Table, dependents: str) -> MartHasDependentsError:
    return MartHasDependentsError(
        f"{table.fullname} is replaced at each build, but this stands on it: {dependents}. "
        "Drop it, or put it on the tables the mart is built from."
    )


def _busy(connection: Connection, table: Table, seconds: float) -> MartBusyError:
    holders = connection.execute(statement("mart_holders"), {"mart": _quoted(connection, table)})
    sessions = ", ".join(f"{holder.pid} ({holder.application_name}, {holder.activity})" for holder in holders)
    return MartBusyError(
        f"{table.fullname} was in use for {seconds:g} s; the old mart stays. Sessions that hold it: "
        f"{sessions or 'none any more'}. End them, or build again later."
    )


def _aside(table: Table) -> Table:
    """The same table in the scratch schema; names of constraints and indexes are per schema and stay."""
    scratch = MetaData(naming_convention=table.metadata.naming_convention)
    return table.to_metadata(scratch, schema=BUILD_SCHEMA)


def _column_list(connection: Connection, table: Table) -> str:
    return ", ".join(_quoted_name(connection, column.name) for column in table.columns)


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


def _quoted_name(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _listed(names: Mapping[str, Any] | set[str] | list[str]) -> str:
    return ", ".join(sorted(names)) or "none"
