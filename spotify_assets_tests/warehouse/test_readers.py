"""Readers, each through a real login: what they can do, and what they cannot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import URL, Engine, event, text

from spotify_assets.cli import main
from spotify_assets.warehouse.database import create_engine, libpq_uri, migrate
from spotify_assets.warehouse.mart_rows import rebuild
from spotify_assets.warehouse.marts import build_mart
from spotify_assets.warehouse.readers import (
    READABLE_SCHEMAS,
    Reader,
    ReaderError,
    ReaderLimits,
    make_reader,
)
from spotify_assets_tests.marts.test_build import NUMBERS, SELECT

READ_WRITE = "set session characteristics as transaction read write"
PASSWORD = "p@ss:w/rd%"
AS_OF = datetime(2026, 3, 4, tzinfo=UTC)
Make = Callable[..., Reader]


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def value(engine: Engine, statement: str) -> object:
    with engine.begin() as connection:
        return connection.scalar(text(statement))


@contextmanager
def login(url: URL) -> Iterator[psycopg.Connection]:
    with psycopg.connect(libpq_uri(url), autocommit=True) as connection:
        yield connection


def answer(url: URL, statement: str) -> object:
    with login(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return None if row is None else row[0]


@pytest.fixture
def roles(postgres_server: URL) -> Iterator[list[str]]:
    """Names of roles to drop at the end: they belong to the whole server, and other tests must not meet them."""
    names: list[str] = []
    yield names
    maintenance = create_engine(postgres_server)
    databases = "select datname from pg_database where datallowconn and datname <> 'template0'"
    with maintenance.connect() as connection:
        everywhere = list(connection.scalars(text(databases)))
    for database in everywhere:
        there = create_engine(postgres_server.set(database=database))
        run(there, *(f'drop owned by "{name}" cascade' for name in names))
        there.dispose()
    run(maintenance, *(f'drop role "{name}"' for name in names))
    maintenance.dispose()


@pytest.fixture
def name(engine: Engine) -> str:
    """A reader's name of this test's own."""
    return f"reader_of_{engine.url.database}"


@pytest.fixture
def make(engine: Engine, name: str, roles: list[str]) -> Make:
    """Makes the reader, of the marts unless told otherwise."""

    def made(
        *schemas: str, by: Engine = engine, limits: ReaderLimits | None = None, password: str = PASSWORD
    ) -> Reader:
        reader = make_reader(by, name, schemas or ("marts",), limits or ReaderLimits(), password)
        if name not in roles:
            roles.append(name)
        return reader

    return made


@pytest.fixture
def owner(engine: Engine, roles: list[str], bare_database_url: URL) -> Iterator[Engine]:
    """The warehouse of a user who owns the database and may create roles, and is no superuser."""
    user = f"owner_of_{bare_database_url.database}"
    run(engine, f"create role {user} login createrole password 'secret'")
    roles.append(user)
    as_superuser = create_engine(engine.url)
    with as_superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"alter database {bare_database_url.database} owner to {user}"))
    as_superuser.dispose()
    own = create_engine(bare_database_url.set(username=user, password="secret"))
    migrate(own)
    yield own
    own.dispose()


def test_a_reader_of_the_marts_reads_every_mart(make: Make, engine: Engine) -> None:
    """Also over the password that a URL must escape, and with scram on 127.0.0.1."""
    with engine.connect() as connection:
        query = text(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind = 'r'"
        )
        marts = list(connection.scalars(query))
    url = make().url
    assert [answer(url, f"select count(*) from marts.{mart}") for mart in marts] == [0] * len(marts)
    assert len(marts) >= 2


@pytest.mark.parametrize(
    "statement",
    [
        "select * from spotify.tracks",
        "select * from spotify.album_starts",
        "select * from deezer.albums",
        "select * from ops.source",
        "select * from ops.schema_version",
        "select * from dagster.runs",
        "select * from dagster_kept.events",
        "select * from pg_authid",
        "select pg_read_file('/etc/passwd')",
        "select pg_ls_dir('.')",
        "select lo_import('/etc/passwd')",
        "copy (select 1) to program 'true'",
        "copy marts.track_catalog from program 'true'",
        "copy (select 1) to '/tmp/out'",
        "insert into marts.track_catalog (album_id) values ('a')",
        "update marts.track_catalog set label = 'a'",
        "delete from marts.track_catalog",
        "truncate marts.track_catalog",
        "drop table marts.track_catalog",
        "alter table marts.track_catalog add column more int",
        "create index on marts.track_catalog (label)",
        "create table marts.own (id int)",
        "create table public.own (id int)",
        "create temporary table own (id int)",
        "create view public.own as select 1",
        "create schema own",
        "create role other",
        "create extension dblink",
        "create function public.own() returns int language sql as 'select 1'",
        "set role postgres",
        "alter role postgres password 'mine'",
        "alter system set work_mem = '1GB'",
        "select pg_reload_conf()",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
    ],
)
def test_a_reader_can_do_nothing_else_even_when_it_lifts_its_own_defaults(
    make: Make, engine: Engine, statement: str
) -> None:
    """A session can leave the read-only default behind: what then still holds are the rights."""
    run(engine, "create schema dagster_kept", "create table dagster_kept.events (id int)")
    run(engine, "create table if not exists dagster.runs (id int)")
    with login(make().url) as connection:
        connection.execute(READ_WRITE)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_a_reader_reaches_no_other_database_of_the_embedded_server(make: Make) -> None:
    url = make().url
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            answer(url.set(database=database), "select 1")


def test_a_reader_starts_read_only_and_with_limits(make: Make) -> None:
    url = make(limits=ReaderLimits(connections=1, statement_seconds=1, idle_seconds=30)).url
    with login(url) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create temporary table own (id int)")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(5)")
        assert connection.execute("show idle_in_transaction_session_timeout").fetchone() == ("30s",)
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            answer(url, "select 1")


def test_a_reader_of_all_reads_what_was_loaded_and_never_the_operations(make: Make) -> None:
    url = make(*READABLE_SCHEMAS).url
    for relation in ("spotify.tracks", "spotify.album_starts", "deezer.albums", "marts.track_catalog"):
        assert answer(url, f"select count(*) from {relation}") == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        answer(url, "select * from ops.api_calls")


def test_a_renewed_reader_has_the_new_password_and_only_the_rights_asked_for(
    make: Make, engine: Engine
) -> None:
    before = make(*READABLE_SCHEMAS).url
    after = make(password="other").url
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        answer(before, "select 1")
    assert answer(after, "select count(*) from marts.track_catalog") == 0
    run(engine, "create table spotify.later (id int)")
    for table in ("spotify.tracks", "spotify.later"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            answer(after, f"select * from {table}")


def test_a_rebuilt_mart_stays_readable(make: Make, engine: Engine) -> None:
    url = make().url
    build_mart(engine, "track_catalog", AS_OF)
    build_mart(engine, "track_catalog", AS_OF)
    assert answer(url, "select count(*) from marts.track_catalog") == 0


def test_a_mart_of_a_later_release_is_readable_from_its_migration_on(make: Make, engine: Engine) -> None:
    url = make().url
    NUMBERS.create(engine)
    assert answer(url, "select count(*) from marts.numbers") == 0
    rebuild(engine, NUMBERS, SELECT, {"generation": 1})
    assert answer(url, "select count(*) from marts.numbers") == 1000


def test_a_mart_that_was_dropped_is_readable_once_it_is_built_again(make: Make, engine: Engine) -> None:
    """A table that is moved into a schema does not get the schema's default privileges."""
    url = make().url
    run(engine, "drop table if exists marts.numbers")
    rebuild(engine, NUMBERS, SELECT, {"generation": 1})
    assert answer(url, "select count(*) from marts.numbers") == 1000
    with login(url) as connection:
        connection.execute(READ_WRITE)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from marts.numbers")


def test_an_owner_who_is_no_superuser_makes_and_renews_readers(make: Make, owner: Engine) -> None:
    """The user whom hosted servers give: owns the database, may create roles, and no more."""
    make(*READABLE_SCHEMAS, by=owner)
    made = make(by=owner, password="other")
    build_mart(owner, "track_catalog", AS_OF)
    assert made.left_open == ()
    assert answer(made.url, "select count(*) from marts.track_catalog") == 0
    with login(made.url) as connection:
        connection.execute(READ_WRITE)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create temporary table own (id int)")


def test_an_owner_who_may_not_create_roles_is_given_the_sql_for_an_administrator(
    owner: Engine, engine: Engine, name: str, roles: list[str]
) -> None:
    user = owner.url.username
    run(engine, f"alter role {user} nocreaterole")
    with pytest.raises(ReaderError, match="permission denied to create role") as refused:
        make_reader(owner, name, ["marts"], ReaderLimits(), "secret")
    assert "secret" not in str(refused.value)
    script = str(refused.value).split("\n\n", 1)[1].replace(f"\\password {name}", "")
    as_administrator = create_engine(engine.url.set(database=owner.url.database))
    run(as_administrator, *filter(str.strip, script.split(";\n")), f"alter role {name} password 'secret'")
    as_administrator.dispose()
    roles.append(name)
    url = owner.url.set(username=name, password="secret")
    build_mart(owner, "track_catalog", AS_OF)
    assert answer(url, "select count(*) from marts.track_catalog") == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        answer(url, "select * from spotify.tracks")


def test_a_role_that_is_no_reader_of_this_database_is_not_touched(engine: Engine) -> None:
    """`--name postgres` would have locked the owner out of the own warehouse."""
    with pytest.raises(ReaderError, match="There is a role postgres already"):
        make_reader(engine, "postgres", ["marts"], ReaderLimits(), "secret")
    assert value(engine, "select 1") == 1


def test_a_reader_of_another_database_is_not_touched(make: Make, owner: Engine) -> None:
    make()
    with pytest.raises(ReaderError, match="not a reader of database"):
        make(by=owner)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("grant pg_read_all_data to {}", "is a member of pg_read_all_data"),
        ("grant pg_execute_server_program to {}", "is a member of pg_execute_server_program"),
        ("alter role {} createdb", "has the attribute createdb"),
        ("grant update (label) on marts.track_catalog to {}", "may change marts.track_catalog"),
        ("grant usage on schema ops to {0}; grant select on ops.access to {0}", "may read ops.access"),
        ("create table public.own (id int); alter table public.own owner to {}", "owns something"),
        ("grant create on schema marts to {}", "may create objects in schema marts"),
    ],
)
def test_a_reader_that_was_given_more_is_not_renewed(
    make: Make, name: str, engine: Engine, given: str, complaint: str
) -> None:
    """It would be handed out as one that can only read."""
    url = make().url
    run(engine, *given.format(name).split(";"))
    with pytest.raises(ReaderError, match=complaint):
        make(password="other")
    assert answer(url, "select 1") == 1


def test_what_others_may_rely_on_is_left_as_it_is_and_told(
    make: Make, engine: Engine, roles: list[str]
) -> None:
    other = f"other_of_{engine.url.database}"
    run(engine, f"create role {other} login")
    roles.append(other)
    run(engine, "create table public.shared (id int)", "grant select on public.shared to public")
    made = make()
    assert made.left_open == ("may create temporary tables", "may read public.shared")
    assert other in made.relied_on_by
    run(engine, "grant create on schema public to public")
    assert "may create objects in schema public" in make().left_open


def test_the_server_never_sees_the_password(make: Make, engine: Engine, name: str) -> None:
    """Its log, and pg_stat_statements, hold statements as they came."""
    talkative = create_engine(engine.url)
    logged: list[str] = []

    @event.listens_for(talkative, "connect")
    def listen(connection: psycopg.Connection, _: object) -> None:
        connection.add_notice_handler(lambda notice: logged.append(str(notice.message_primary)))
        connection.execute("set client_min_messages = log")
        connection.execute("set log_statement = 'all'")
        connection.commit()

    make(by=talkative, password="never-seen")
    talkative.dispose()
    [stored] = [line for line in logged if f'alter role "{name}" password' in line]
    assert "SCRAM-SHA-256$" in stored
    assert not any("never-seen" in line for line in logged)


def test_a_database_without_the_schema_public_has_readers_too(make: Make, engine: Engine) -> None:
    run(engine, "drop schema public")
    assert answer(make().url, "select count(*) from marts.track_catalog") == 0


@pytest.mark.parametrize("bad", ["", "Analyst", "an analyst", 'a"; drop', "pg_analyst", "1st", "a" * 64])
def test_an_odd_name_is_refused(engine: Engine, bad: str) -> None:
    with pytest.raises(ValueError, match="cannot be a reader's name"):
        make_reader(engine, bad, ["marts"], ReaderLimits(), "secret")


@pytest.mark.parametrize("schemas", [["ops"], ["marts", "dagster"], ["pg_catalog"], []])
def test_a_schema_that_readers_are_not_given_is_refused(engine: Engine, schemas: list[str]) -> None:
    with pytest.raises(ValueError, match="cannot be given"):
        make_reader(engine, "analyst", schemas, ReaderLimits(), "secret")


def test_an_address_with_the_owners_key_and_password_in_it_is_not_handed_on(
    make: Make, engine: Engine
) -> None:
    secretive = create_engine(
        engine.url.update_query_dict(
            {"passfile": "/owner/pgpass", "sslmode": "prefer", "options": "-c a.b=c"}
        )
    )
    assert dict(make(by=secretive).url.query) == {"sslmode": "prefer"}
    secretive.dispose()


def test_the_command_prints_the_address_alone_and_keeps_the_password_nowhere(
    engine: Engine, name: str, roles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    result = CliRunner().invoke(main, ["database", "reader", "--name", name, "--raw"])
    roles.append(name)
    assert result.exit_code == 0, result.output
    [address] = result.stdout.splitlines()
    with psycopg.connect(address) as connection:
        assert connection.execute("select count(*) from spotify.tracks").fetchone() == (0,)
        password = connection.info.password
    assert len(password) >= 32
    assert password not in result.stderr
    assert f"{name} can read marts, spotify, deezer." in result.stderr


def test_the_command_says_in_a_sentence_what_is_wrong(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    taken = CliRunner().invoke(main, ["database", "reader", "--name", "postgres"])
    assert (taken.exit_code, taken.stdout) == (1, "")
    assert taken.stderr.startswith("Error: There is a role postgres already")
    odd = CliRunner().invoke(main, ["database", "reader", "--name", "An Analyst"])
    assert odd.exit_code == 2
    assert "cannot be a reader's name" in odd.stderr
