import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import takewhile

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    text,
)
from sqlalchemy.exc import DBAPIError

from spotify_assets.warehouse.mart_rows import (
    MartBusyError,
    MartHasDependentsError,
    MartMisfitError,
    SwapPatience,
    rebuild,
)
from spotify_assets.warehouse.marts import SELECTS, build_mart
from spotify_assets.warehouse.tables import metadata

NUMBERS = Table(
    "numbers",
    MetaData(naming_convention=metadata.naming_convention),
    Column("id", Integer, nullable=False, comment="Which number."),
    Column("generation", Integer, nullable=False),
    Column("Mean Value", Double, comment="A name that needs quotes."),
    PrimaryKeyConstraint("id"),
    CheckConstraint("generation >= 0", name="generation"),
    Index(None, "generation"),
    schema="marts",
    comment="A mart of numbers.",
)
SELECT = """
-- Columns stand in another order than in the table.
select
    cast(:generation as integer) as generation,
    cast(null as double precision) as "Mean Value",
    number as id
from generate_series(1, 1000) as number
"""
AS_OF = datetime(2026, 3, 4, tzinfo=UTC)
Sql = Callable[[str], object]


@pytest.fixture
def mart(engine: Engine) -> Engine:
    """An engine on a warehouse with the mart `numbers`, of 1000 rows of generation 0."""
    with engine.begin() as connection:
        NUMBERS.create(connection)
    rebuild(engine, NUMBERS, SELECT, {"generation": 0})
    return engine


@pytest.fixture
def sql(engine: Engine) -> Sql:
    """Runs a statement and gives its one value, or none."""

    def run(statement: str) -> object:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None

    return run


def _is_whole_and_alone(sql: Sql, generation: int) -> bool:
    """Whether the mart is of this generation, and nothing is left of any build."""
    whole = sql(f"select count(*) = 1000 and bool_and(generation = {generation}) from marts.numbers")
    left = sql("select count(*) from pg_class where relnamespace = to_regnamespace('marts_build')")
    return whole is True and left == 0


def test_a_build_replaces_all_rows_and_takes_columns_by_name(mart: Engine, sql: Sql) -> None:
    assert rebuild(mart, NUMBERS, SELECT, {"generation": 7}) == 1000
    assert _is_whole_and_alone(sql, generation=7)
    assert sql("select max(id) from marts.numbers") == 1000


def test_a_mart_that_was_dropped_by_hand_is_built_again(mart: Engine, sql: Sql) -> None:
    sql("drop table marts.numbers")
    rebuild(mart, NUMBERS, SELECT, {"generation": 1})
    assert _is_whole_and_alone(sql, generation=1)


@pytest.mark.parametrize(
    ("select", "message"),
    [
        pytest.param("select 1 as id, 2 as generation", "Mean Value is missing", id="missing"),
        pytest.param(
            f"{SELECT} ".replace("number as id", "number as id, 1 as more"), "more is not", id="extra"
        ),
        pytest.param(
            f"{SELECT} ".replace("number as id", "number as id, 1 as id"), "id stands twice", id="twice"
        ),
        pytest.param(
            # Postgres would round it into the integer column without a word.
            SELECT.replace("number as id", "number * 1.5 as id"),
            "id is numeric where the mart has integer",
            id="type",
        ),
    ],
)
def test_a_select_that_does_not_fit_is_refused_by_name(
    mart: Engine, sql: Sql, select: str, message: str
) -> None:
    parameters = {"generation": 1} if ":generation" in select else {}
    with pytest.raises(MartMisfitError, match=message):
        rebuild(mart, NUMBERS, select, parameters)
    assert _is_whole_and_alone(sql, generation=0)


def test_parameters_that_do_not_fit_are_refused_by_name(mart: Engine) -> None:
    with pytest.raises(MartMisfitError, match="takes the parameters generation, given: as_of"):
        rebuild(mart, NUMBERS, SELECT, {"as_of": AS_OF})
    # It would be read in whatever zone the session has.
    with pytest.raises(MartMisfitError, match="given as as_of has no time zone"):
        build_mart(mart, "track_catalog", datetime(2026, 3, 4))  # noqa: DTZ001 -- the point of the test
    with pytest.raises(MartMisfitError, match="There is no mart nonsense"):
        build_mart(mart, "nonsense", AS_OF)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("1 / (number - 1000) + number", id="fails on the last row"),
        pytest.param("1", id="breaks the key"),
        pytest.param("nullif(number, 1000)", id="breaks not null"),
    ],
)
def test_a_failed_build_leaves_the_old_mart_and_nothing_behind(mart: Engine, sql: Sql, broken: str) -> None:
    with pytest.raises(DBAPIError):
        rebuild(mart, NUMBERS, SELECT.replace("number as id", f"{broken} as id"), {"generation": 1})
    assert _is_whole_and_alone(sql, generation=0)


def test_a_build_whose_session_is_ended_leaves_the_old_mart_and_nothing_behind(
    mart: Engine, sql: Sql
) -> None:
    slow = SELECT.replace("number as id", "number + cast(length(cast(pg_sleep(1) as text)) as integer) as id")
    with ThreadPoolExecutor(1) as pool:
        build = pool.submit(rebuild, mart, NUMBERS, slow, {"generation": 1})
        _wait_until(lambda: sql(f"select pg_terminate_backend(pid) from {_BUILDING}") is True)
        with pytest.raises(DBAPIError):
            build.result(timeout=30)
    assert _is_whole_and_alone(sql, generation=0)


_BUILDING = "pg_stat_activity where query like 'insert into marts_build.numbers%' and state = 'active'"


def test_constraints_indexes_and_comments_are_those_of_the_migrations(engine: Engine) -> None:
    for name in ("track_catalog", "weekly_popular_releases"):
        with engine.connect() as connection:
            before = _described(connection, name)
        build_mart(engine, name, AS_OF)
        with engine.connect() as connection:
            assert _described(connection, name) == before


def _described(connection: Connection, mart: str) -> list[tuple[str, ...]]:
    """Columns, constraints, indexes and comments of a mart, as the catalogue spells them."""
    queries = (
        "select attname, format_type(atttypid, atttypmod), cast(attnotnull as text), "
        "coalesce(col_description(attrelid, attnum), '') from pg_attribute where attrelid = to_regclass(:mart) "
        "and attnum > 0 and not attisdropped order by attnum",
        "select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = to_regclass(:mart) order by 1",
        "select indexname, indexdef from pg_indexes where schemaname || '.' || tablename = :mart order by 1",
        "select obj_description(to_regclass(:mart))",
    )
    return [
        tuple(row) for query in queries for row in connection.execute(text(query), {"mart": f"marts.{mart}"})
    ]


def test_every_select_has_its_table_and_says_what_it_is() -> None:
    selects = sorted(SELECTS.glob("*.sql"))
    assert {path.stem for path in selects} == {
        table.name for table in metadata.tables.values() if table.schema == "marts" and table.name != "builds"
    }
    assert {path.stem for path in (SELECTS / "changed").glob("*.sql")} == {path.stem for path in selects}
    for path in selects:
        lines = path.read_text(encoding="utf-8").splitlines()
        opening = takewhile(lambda line: line.startswith("--"), lines)
        header = [line.split(":")[0] for line in opening if line[3] != " "]
        assert header == ["-- Question", "-- Grain", "-- Inputs", "-- Refresh"]
        assert "now()" not in path.read_text(encoding="utf-8")


@contextmanager
def _role(sql: Sql, name: str) -> Iterator[str]:
    """A role, which belongs to the whole server: other tests must not meet it."""
    sql(f'create role "{name}"')
    yield f'"{name}"'
    sql(f'drop owned by "{name}"')
    sql(f'drop role "{name}"')


def test_grants_and_owner_of_the_old_mart_are_carried_over(mart: Engine, sql: Sql) -> None:
    with _role(sql, "Mart Reader") as reader, _role(sql, "Mart Owner") as owner:
        sql(f"grant usage, create on schema marts to {owner}")
        sql(f"alter table marts.numbers owner to {owner}")
        sql(f"grant select on marts.numbers to {reader} with grant option")
        sql(f"grant update (generation) on marts.numbers to {reader}")
        sql("grant select on marts.numbers to public")
        privileges = "select array_agg(acl::text order by acl::text) from pg_class, unnest(relacl) as acl"
        columns = "select string_agg(cast(attacl as text), '') from pg_attribute"
        table, attribute = "'marts.numbers'::regclass", "attrelid = 'marts.numbers'::regclass"
        before = (sql(f"{privileges} where oid = {table}"), sql(f"{columns} where {attribute}"))
        rebuild(mart, NUMBERS, SELECT, {"generation": 1})
        after = (sql(f"{privileges} where oid = {table}"), sql(f"{columns} where {attribute}"))
        assert after == before
        assert "Mart Reader" in str(before[0])
        assert sql(f"select relowner::regrole::text from pg_class where oid = {table}") == owner


def test_a_right_that_was_revoked_does_not_come_back_by_default_privileges(mart: Engine, sql: Sql) -> None:
    with _role(sql, "revoked") as role:
        sql(f"alter default privileges grant select on tables to {role}")
        rebuild(mart, NUMBERS, SELECT, {"generation": 1})
        assert (
            sql(f"select has_table_privilege('{role}', 'marts.numbers', 'select')".replace('"', "")) is False
        )


def test_a_right_granted_while_the_swap_waits_is_not_lost(mart: Engine, sql: Sql) -> None:
    """The swap read the privileges first and then waited for the lock: what was granted in between was dropped."""
    waiting = "select count(*) from pg_locks where relation = 'marts.numbers'::regclass and not granted"
    with _role(sql, "late") as role, ThreadPoolExecutor(1) as pool:
        with mart.begin() as granting:
            granting.execute(text("lock table marts.numbers in access share mode"))
            granting.execute(text(f"grant select on marts.numbers to {role}"))
            build = pool.submit(rebuild, mart, NUMBERS, SELECT, {"generation": 1})
            _wait_until(lambda: sql(waiting) == 1)
        assert build.result() == 1000
        assert sql("select has_table_privilege('late', 'marts.numbers', 'select')") is True


def test_a_mart_made_anew_gets_the_default_privileges_of_its_schema(mart: Engine, sql: Sql) -> None:
    """A table that is moved into a schema does not get them by itself."""
    with _role(sql, "default") as role:
        sql(f"alter default privileges in schema marts grant select on tables to {role} with grant option")
        sql(f"alter default privileges in schema spotify grant insert on tables to {role}")
        sql("drop table marts.numbers")
        rebuild(mart, NUMBERS, SELECT, {"generation": 1})
        may = "select has_table_privilege('default', 'marts.numbers', '{}')"
        assert sql(may.format("select with grant option")) is True
        assert sql(may.format("insert")) is False


@pytest.mark.parametrize(
    ("dependent", "name"),
    [
        ("create view public.top as select id from marts.numbers", "top"),
        ("create materialized view public.kept as select id from marts.numbers", "kept"),
        ("create table public.tied (id integer references marts.numbers)", "tied"),
        # Not seen before the build; Postgres itself names it at the swap.
        ("create table public.composed (number marts.numbers)", "composed"),
    ],
)
def test_what_stands_on_the_mart_is_named_and_kept(mart: Engine, sql: Sql, dependent: str, name: str) -> None:
    sql(dependent)
    with pytest.raises(MartHasDependentsError, match=name):
        rebuild(mart, NUMBERS, SELECT, {"generation": 1})
    assert _is_whole_and_alone(sql, generation=0)
    assert sql(f"select count(*) from public.{name}") is not None


def test_a_long_reader_is_waited_for(mart: Engine, sql: Sql) -> None:
    with mart.connect() as reader:
        reader.execute(text("select count(*) from marts.numbers"))
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                reader.rollback()

        rebuild(mart, NUMBERS, SELECT, {"generation": 1}, SwapPatience(sleep=sleep, draw=lambda: 0.5))
    assert waits == [0.1, 0.2, 0.4]
    assert _is_whole_and_alone(sql, generation=1)


def test_a_reader_that_never_ends_is_named_and_the_old_mart_stays(mart: Engine, sql: Sql) -> None:
    with mart.connect() as reader:
        pid = reader.scalar(text("select pg_backend_pid() from marts.numbers limit 1"))
        with pytest.raises(MartBusyError, match=rf"marts.numbers .* {pid} \(.*idle in transaction\)"):
            rebuild(mart, NUMBERS, SELECT, {"generation": 1}, SwapPatience(seconds=0.5))
    assert _is_whole_and_alone(sql, generation=0)


def test_while_a_build_waits_for_a_reader_others_read_on(mart: Engine, sql: Sql) -> None:
    # Without a lock timeout everyone would queue behind the swap for as long as the one reader stays.
    with mart.connect() as reader, ThreadPoolExecutor(1) as pool:
        reader.execute(text("select count(*) from marts.numbers"))
        build = pool.submit(rebuild, mart, NUMBERS, SELECT, {"generation": 1}, SwapPatience(seconds=3))
        longest = 0.0
        while not build.done():
            started = time.monotonic()
            assert sql("select count(*) from marts.numbers") == 1000
            longest = max(longest, time.monotonic() - started)
        assert isinstance(build.exception(), MartBusyError)
    assert longest < 2


def test_builds_of_one_mart_wait_for_each_other(mart: Engine, sql: Sql) -> None:
    slow = SELECT.replace("from generate_series", "from pg_sleep(1) cross join generate_series")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(rebuild, mart, NUMBERS, slow, {"generation": 1})
        _wait_until(lambda: sql(f"select count(*) from {_BUILDING}") == 1)
        rebuild(mart, NUMBERS, SELECT, {"generation": 2})
        assert first.done()
        assert first.result() == 1000
    assert _is_whole_and_alone(sql, generation=2)


def test_readers_never_see_the_mart_empty_half_or_missing(mart: Engine) -> None:
    seen: set[tuple[int, int, int]] = set()
    stop = threading.Event()

    def poll() -> int:
        """Count polls; any error, such as a missing table, ends the poll and fails the test."""
        polls = 0
        query = text("select count(*), min(generation), max(generation) from marts.numbers")
        with mart.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not stop.is_set():
                seen.add(tuple(connection.execute(query).one()))
                polls += 1
        return polls

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(poll) for _ in range(4)]
        try:
            for generation in range(1, 11):
                rebuild(mart, NUMBERS, SELECT, {"generation": generation})
        finally:
            stop.set()
        assert all(reader.result() > 0 for reader in readers)
    assert all(count == 1000 and low == high for count, low, high in seen)
    assert len(seen) > 5


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "It did not come about within 20 s."
        time.sleep(0.02)
