"""The warehouse's database: its URL in every form that is needed, its engine, its migrations, its claim."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from spotify_assets.warehouse import tables
from spotify_assets.warehouse.embedded import EmbeddedPostgres

DRIVER = "postgresql+psycopg"
APPLICATION_NAME = "spotify-assets"
# Dagster's own storage, in the same database, so that one DATABASE_URL is all anyone needs.
DAGSTER_SCHEMA = "dagster"
VERSION_TABLE = "schema_version"
VERSION_TABLE_SCHEMA = "ops"

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as it never changes: machines with different releases must meet at it.
_MIGRATION_LOCK = 5_309_672_141_820

SourceKind = Literal["live", "sandbox"]
_embedded: dict[Path, EmbeddedPostgres] = {}
_embedded_lock = threading.Lock()


class DatabaseUrlError(ValueError):
    """A database URL cannot be used; the message never shows the URL, which holds a password."""


class MigrationError(RuntimeError):
    """The database cannot be migrated by this release."""


class SourceMismatchError(RuntimeError):
    """The database holds rows of the other kind of API, and the two never mix."""


@dataclass(frozen=True)
class Revision:
    """One migration: its id and the sentence that says what it does."""

    revision: str
    description: str


@dataclass(frozen=True)
class MigrationStatus:
    """Where a database stands: `current` is None before the first migration, `pending` is in order."""

    current: str | None
    head: str
    pending: tuple[Revision, ...]


def normalise_url(text: str | URL) -> URL:
    """A Postgres URL in any of its usual spellings, with the driver this package uses.

    Query parameters are kept: they go to libpq (sslmode, sslrootcert, options, host of a socket folder).

    Raises:
        DatabaseUrlError: it is no URL, or one of another database.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # From None, and without the text: both may hold the password.
        raise DatabaseUrlError(
            "DATABASE_URL is not a URL of the form postgresql://user:password@host:port/database "
            "(characters such as @ : / ? # % in the password must be percent-encoded)"
        ) from None
    backend = url.drivername.partition("+")[0]
    if backend not in ("postgres", "postgresql"):
        raise DatabaseUrlError(
            f"DATABASE_URL names a {backend} database: only Postgres is supported, "
            "postgresql://user:password@host:port/database"
        )
    return url.set(drivername=DRIVER)


def warehouse_url(database_url: str | URL | None, home: Path) -> URL:
    """The warehouse's URL: `database_url`, or where it is None the embedded server's under `home`.

    The embedded server is started, or attached to, until this process ends; asking again is cheap and brings
    a server back that was killed.

    Raises:
        DatabaseUrlError: see `normalise_url`.
        EmbeddedPostgresError: the embedded server cannot be started.
    """
    if database_url is not None:
        return normalise_url(database_url)
    directory = home.absolute() / "postgres"
    with _embedded_lock:
        server = _embedded.setdefault(directory, EmbeddedPostgres(directory))
        address = server.start()
    return URL.create(
        DRIVER,
        username=address.user,
        password=address.password,
        host=address.host,
        port=address.port,
        database=address.database,
    )


def release_embedded(home: Path) -> None:
    """Give this process's share in the embedded server under `home` back before the process ends."""
    with _embedded_lock:
        server = _embedded.pop(home.absolute() / "postgres", None)
    if server is not None:
        server.close()


def create_engine(url: str | URL) -> Engine:
    """An engine on the warehouse: sessions in UTC, connections tested before use."""
    normalised = normalise_url(url)
    named = "application_name" in normalised.query
    engine = sa.create_engine(
        normalised,
        pool_pre_ping=True,
        connect_args={} if named else {"application_name": APPLICATION_NAME},
        # Statement errors would otherwise carry rows of the frame into logs and events.
        hide_parameters=True,
    )
    event.listen(engine, "connect", _use_utc)
    return engine


def _use_utc(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # A statement rather than the startup option: connection poolers refuse options.
    cursor = connection.cursor()
    cursor.execute("set time zone 'UTC'")
    cursor.close()
    connection.commit()


def unreachable(error: OperationalError) -> str:
    """What to tell a user whose database does not answer, or refuses; the driver names host and port, no password."""
    said = str(error.orig).splitlines()[0] if error.orig else "no reason was given"
    return (
        f"The database cannot be used: {said}. Check DATABASE_URL, and that the server runs and lets you in."
    )


def dagster_storage_url(url: str | URL) -> URL:
    """The URL for Dagster's own storage: schema `dagster` of the same database.

    With psycopg2, named in the URL: Dagster's NOTIFY statement fails on psycopg 3, and SQLAlchemy 2.1 takes
    that for a plain postgresql:// URL.
    """
    normalised = normalise_url(url)
    given = normalised.query.get("options", "")
    options = " ".join([*([given] if isinstance(given, str) else given), f"-csearch_path={DAGSTER_SCHEMA}"])
    return normalised.set(drivername="postgresql+psycopg2").update_query_dict({"options": options.strip()})


def libpq_uri(url: str | URL) -> str:
    """The URL as libpq reads it, with the password in it: for ADBC, never for a log."""
    return normalise_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def migrate(database: Engine | URL | str, echo: Callable[[str], None] | None = None) -> MigrationStatus:
    """Bring the database to this release's schema; safe from several machines at once, and again.

    All pending migrations run in one transaction under a lock: another caller waits, then finds them done.

    Args:
        database: the engine or URL of the warehouse.
        echo: gets a sentence for each step done.

    Raises:
        MigrationError: the database was migrated by a newer release.
    """
    say = echo or _keep_silent
    engine = database if isinstance(database, Engine) else create_engine(database)
    try:
        with engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            _create_missing_schemas(connection, say)
            status = _status(connection)
            for pending in status.pending:
                say(f"Migrating the database: {pending.revision}, {pending.description}")
            command.upgrade(_config(connection), "head")
            if not status.pending:
                say(f"The database is up to date (revision {status.head})")
            return _status(connection)
    finally:
        if engine is not database:
            engine.dispose()


def migration_status(database: Engine | URL | str) -> MigrationStatus:
    """Where the database stands; changes nothing.

    Raises:
        MigrationError: the database was migrated by a newer release.
    """
    engine = database if isinstance(database, Engine) else create_engine(database)
    try:
        with engine.connect() as connection:
            return _status(connection)
    finally:
        if engine is not database:
            engine.dispose()


def claim_source(connection: Connection, kind: SourceKind) -> None:
    """Note that this database is filled from the live API or from the sandbox; the first claim stands.

    Runs in the caller's transaction: claim before the first row is written.

    Raises:
        SourceMismatchError: the database holds the other kind's rows.
    """
    connection.execute(
        insert(tables.source).values(kind=kind, claimed_at=sa.func.now()).on_conflict_do_nothing()
    )
    claimed = connection.execute(sa.select(tables.source.c.kind)).scalar_one()
    if claimed != kind:
        raise SourceMismatchError(
            f"This database was filled from the {_API[claimed]}, and this run reads the {_API[kind]}: the two "
            f"never mix. Give the {kind} data a database of its own: set SPOTIFY_ASSETS_HOME to another folder, "
            "or DATABASE_URL to another database"
        )


_API = {"live": "live Spotify API", "sandbox": "sandbox API"}


def _keep_silent(_: str) -> None:
    return None


def _create_missing_schemas(connection: Connection, say: Callable[[str], None]) -> None:
    # Looked up first: "if not exists" still asks for the right to create schemas where all are there.
    present = set(sa.inspect(connection).get_schema_names())
    for schema in (*tables.SCHEMAS, DAGSTER_SCHEMA):
        if schema not in present:
            connection.execute(sa.schema.CreateSchema(schema))
            say(f"Created schema {schema}")


def _config(connection: Connection | None = None) -> Config:
    # No alembic.ini: found by the package's own path, it works from an installed wheel too.
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _status(connection: Connection) -> MigrationStatus:
    scripts = ScriptDirectory.from_config(_config())
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "version_table_schema": VERSION_TABLE_SCHEMA}
    )
    current = context.get_current_revision()
    head = scripts.get_current_head()
    if head is None:
        raise MigrationError(f"No migrations were found in {_MIGRATIONS}")
    try:
        pending = tuple(
            Revision(script.revision, script.doc)
            for script in scripts.iterate_revisions(head, current or "base")
        )
    except RevisionError as error:
        raise MigrationError(
            f"The database is at revision {current}, which this release does not know: it was migrated by a "
            "newer release of spotify-assets; update this one"
        ) from error
    return MigrationStatus(current, head, pending[::-1])
