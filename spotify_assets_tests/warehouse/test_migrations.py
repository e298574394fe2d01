"""The migrations: they make exactly the declared tables, once, from however many machines."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, MetaData, text

from spotify_assets.warehouse import tables
from spotify_assets.warehouse.database import (
    VERSION_TABLE,
    VERSION_TABLE_SCHEMA,
    MigrationError,
    _config,
    create_engine,
    migrate,
    migration_status,
)

_DEFINITIONS = """
    select n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid) as definition
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any(:schemas) and c.relname <> 'schema_version' and k.contype <> 'n'
    union all
    select schemaname, tablename, indexname, indexdef from pg_indexes
    where schemaname = any(:schemas) and tablename <> 'schema_version'
"""


def _definitions(connection: Connection) -> list[tuple[str, ...]]:
    rows = connection.execute(text(_DEFINITIONS), {"schemas": list(tables.SCHEMAS)})
    return sorted(tuple(row) for row in rows)


def test_the_migrated_database_is_what_tables_py_declares(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "compare_type": True,
                "compare_server_default": True,
                "version_table": VERSION_TABLE,
                "version_table_schema": VERSION_TABLE_SCHEMA,
                "include_name": lambda name, kind, _: kind != "schema" or name in tables.SCHEMAS,
            },
        )
        assert compare_metadata(context, tables.metadata) == []


def test_the_migrated_database_has_the_declared_checks_keys_and_indexes_to_the_letter(
    engine: Engine, bare_database_url: URL
) -> None:
    # Alembic's comparison does not look at check constraints: a forgotten one would go unseen.
    straight = create_engine(bare_database_url)
    with straight.begin() as connection:
        for schema in tables.SCHEMAS:
            connection.execute(text(f"create schema {schema}"))
        tables.metadata.create_all(connection)
        declared = _definitions(connection)
    straight.dispose()
    with engine.connect() as connection:
        assert _definitions(connection) == declared
    assert len(declared) > 20


def test_a_second_migration_changes_nothing_and_says_so(bare_database_url: URL) -> None:
    said: list[str] = []
    first = migrate(bare_database_url, said.append)
    assert [line for line in said if line.startswith("Migrating the database: 0001")]
    assert "Created schema dagster" in said
    said.clear()
    assert migrate(bare_database_url, said.append) == first
    assert said == [f"The database is up to date (revision {first.head})"]


def test_four_machines_migrate_an_empty_database_at_once(bare_database_url: URL) -> None:
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: migrate(bare_database_url), range(4)))
    assert {report.current for report in reports} == {reports[0].head}


def test_the_status_of_an_empty_database_lists_what_is_pending_and_creates_nothing(
    bare_database_url: URL,
) -> None:
    status = migration_status(bare_database_url)
    assert status.current is None
    assert status.pending[0].revision == "0001"
    engine = create_engine(bare_database_url)
    reflected = MetaData()
    reflected.reflect(engine, schema="public")
    engine.dispose()
    assert reflected.tables == {}


def test_a_database_of_a_newer_release_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("update ops.schema_version set version_num = '9999'"))
    with pytest.raises(MigrationError, match="newer release"):
        migrate(engine)


def test_a_failed_migration_leaves_nothing_behind(bare_database_url: URL) -> None:
    engine = create_engine(bare_database_url)
    with engine.begin() as connection:
        connection.execute(text("create schema spotify"))
        connection.execute(text("create table spotify.tracks (odd int)"))
    with pytest.raises(Exception, match="already exists"):
        migrate(engine)
    assert migration_status(engine).current is None
    engine.dispose()


def test_a_database_of_the_release_before_keeps_its_learned_rates(engine: Engine) -> None:
    """A column was renamed in the migration that had made it: databases from before had no such column for ever."""
    with engine.begin() as connection:
        command.downgrade(_config(connection), "0002")
        connection.execute(
            text(
                "insert into ops.call_rates (caller, service, calls_per_30s, recent_seconds, recent_calls, version)"
                " values ('a-key', 'spotify', 90, '{1764000000}', '{3}', 7)"
            )
        )
    assert migrate(engine).pending == ()
    with engine.connect() as connection:
        row = connection.execute(
            text("select calls_per_window, recent_slices, recent_calls, version from ops.call_rates")
        ).one()
    assert tuple(row) == (90, [], [], 7)


def test_a_role_that_may_not_create_schemas_finds_an_up_to_date_database(engine: Engine) -> None:
    """`create schema if not exists` asks for the right to create even where nothing is to be made."""
    name = f"reader_{engine.url.database}"
    with engine.begin() as connection:
        connection.execute(text(f"create role {name} login password 'secret'"))
        connection.execute(text(f"grant usage on schema ops to {name}"))
        connection.execute(text(f"grant select on ops.schema_version to {name}"))
    status = migrate(engine.url.set(username=name, password="secret"))
    with engine.begin() as connection:
        # Roles belong to the whole server: other tests must not meet it.
        connection.execute(text(f"drop owned by {name}"))
        connection.execute(text(f"drop role {name}"))
    assert status.pending == ()
