"""Roles that may read some schemas of the warehouse and do nothing else: for analysts, and for the dashboard.

The rights are the barrier: what a role was not granted it cannot take. The limits of time and the read-only
default are courtesies that a session can set anew; only the number of connections cannot be changed by it.
What Postgres gives everyone and none can take back but a superuser stays open: large objects, NOTIFY, advisory locks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, inspect, text

from spotify_assets.warehouse.catalogue import driver_connection
from spotify_assets.warehouse.marts import MART_SCHEMA
from spotify_assets.warehouse.statements import statement

READABLE_SCHEMAS = (MART_SCHEMA, "spotify", "deezer")

# Of a URL's query, what says how to reach the server. The rest may be the owner's own: password, client key.
_KEPT_IN_URL = frozenset({"host", "hostaddr", "port", "sslmode", "sslrootcert", "channel_binding"})
_NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_MARK = "spotify-assets: reader of database "
_CHANGING = "insert, update, delete, truncate, references, trigger"


class ReaderError(RuntimeError):
    """A reader cannot be made; nothing was changed, and the message says what to do."""


@dataclass(frozen=True)
class ReaderLimits:
    """What one reader may take of the server.

    Attributes:
        connections: At most so many at once.
        statement_seconds: A query that runs longer is ended. A swap waits 120 s for readers of the old mart.
        idle_seconds: A transaction in which nothing happens for so long is ended, as it holds marts in use.
    """

    connections: int = 10
    statement_seconds: int = 60
    idle_seconds: int = 60


@dataclass(frozen=True)
class Reader:
    """A role that can read.

    Attributes:
        url: How it reaches the warehouse, password included.
        left_open: What it may do besides because everyone may, in words.
        relied_on_by: The roles on whose account that was left open; empty where it could not be closed.
    """

    url: URL = field(repr=False)
    left_open: tuple[str, ...]
    relied_on_by: tuple[str, ...]


@dataclass(frozen=True)
class _Ground:
    """What is there before."""

    database: str
    is_renewed: bool
    has_public: bool
    owners: Mapping[str, Sequence[str]]
    relied_on_by: tuple[str, ...]


def make_reader(
    engine: Engine, name: str, schemas: Sequence[str], limits: ReaderLimits, password: str
) -> Reader:
    """Create a login role that can read `schemas` and nothing else, or renew its password, limits and rights.

    All or nothing. The rights cover tables that are made later, and marts when they are replaced. The server gets
    the password hashed, so that its log holds none.

    Args:
        engine: The warehouse, as the owner of its tables.
        name: Of the role: lower-case letters, digits and underscores.
        schemas: Some of `READABLE_SCHEMAS`; a renewed reader loses the others.
        limits: What it may take.
        password: Drawn at random by the caller.

    Raises:
        ReaderError: the name is taken by a role that is no reader of this database, the owner may not create
            roles (the message holds the SQL for one who may), or the role has rights from elsewhere.
        ValueError: not a name that can be used, or a schema that readers are not given.
    """
    _check(name, schemas)
    with engine.begin() as connection:
        # Roles and default privileges cannot be changed by two at once: the second would fail.
        connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:mark, 0))"), {"mark": _MARK})
        ground = _ground(connection, name)
        statements = [*_role(name, ground, limits), *_rights(name, ground, schemas)]
        _apply(connection, name, statements, password)
        left_open = _left_open(connection, name, schemas)
    return Reader(
        _url(engine.url, ground.database, name, password),
        left_open,
        ground.relied_on_by if left_open else (),
    )


def _check(name: str, schemas: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be a reader's name: use lower-case letters, digits and _, and no leading pg_"
        )
    refused = [schema for schema in schemas if schema not in READABLE_SCHEMAS]
    if refused or not schemas:
        wrong = ", ".join(refused) or "no schema"
        raise ValueError(f"A reader cannot be given {wrong}: only {', '.join(READABLE_SCHEMAS)}")


def _ground(connection: Connection, name: str) -> _Ground:
    database = connection.scalars(text("select current_database()")).one()
    marks = connection.scalars(statement("role_mark"), {"reader": name}).all()
    if marks and marks[0] != _mark(database):
        raise ReaderError(
            f"There is a role {name} already, and it is not a reader of database {database}: choose another name"
        )
    owners: dict[str, list[str]] = {}
    for row in connection.execute(statement("schema_owners"), {"schemas": list(READABLE_SCHEMAS)}):
        owners.setdefault(row.schema_name, []).append(row.owner_name)
    if missing := set(READABLE_SCHEMAS) - set(owners):
        raise ReaderError(
            f"The database has no schema {', '.join(sorted(missing))}: run `spotify-assets database migrate` first"
        )
    relied_on_by = connection.scalars(
        statement("roles_beside_readers"), {"reader": name, "marks": f"{_MARK}%"}
    )
    has_public = bool(connection.scalar(text("select to_regnamespace('public') is not null")))
    return _Ground(database, bool(marks), has_public, owners, tuple(relied_on_by))


def _mark(database: str) -> str:
    return f"{_MARK}{database}"


def _role(name: str, ground: _Ground, limits: ReaderLimits) -> Iterator[sql.Composed]:
    """The role itself. A renewed one keeps its attributes: only a superuser may name them; they are checked later."""
    role = sql.Identifier(name)
    if not ground.is_renewed:
        yield sql.SQL(
            "create role {} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls noinherit"
        ).format(role)
        yield sql.SQL("comment on role {} is {}").format(role, sql.Literal(_mark(ground.database)))
    yield sql.SQL("alter role {} login connection limit {}").format(role, sql.Literal(limits.connections))
    for setting, value in {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{limits.statement_seconds}s",
        "idle_in_transaction_session_timeout": f"{limits.idle_seconds}s",
    }.items():
        yield sql.SQL("alter role {} set {} = {}").format(role, sql.Identifier(setting), sql.Literal(value))


def _rights(name: str, ground: _Ground, schemas: Sequence[str]) -> Iterator[sql.Composed]:
    role, database = sql.Identifier(name), sql.Identifier(ground.database)
    if not ground.relied_on_by:
        yield sql.SQL("revoke temporary on database {} from public").format(database)
        if ground.has_public:
            # Up to Postgres 14, everyone may.
            yield sql.SQL("revoke create on schema public from public").format()
    # Everyone may connect by default; an administrator who takes that away should not lock readers out.
    yield sql.SQL("grant connect on database {} to {}").format(database, role)
    for schema, owners in ground.owners.items():
        if schema in schemas:
            yield from _each_right("grant", "to", schema, owners, role)
        elif ground.is_renewed:
            yield from _each_right("revoke", "from", schema, owners, role)


def _each_right(
    verb: str, preposition: str, schema: str, owners: Sequence[str], role: sql.Identifier
) -> Iterator[sql.Composed]:
    """Grant, or revoke, the reading of a schema, of its tables, and of those its owners will make."""
    words = {
        "verb": sql.SQL(verb),
        "to": sql.SQL(preposition),
        "schema": sql.Identifier(schema),
        "role": role,
    }
    yield sql.SQL("{verb} usage on schema {schema} {to} {role}").format(**words)
    yield sql.SQL("{verb} select on all tables in schema {schema} {to} {role}").format(**words)
    for owner in owners:
        yield sql.SQL(
            "alter default privileges for role {owner} in schema {schema} {verb} select on tables {to} {role}"
        ).format(owner=sql.Identifier(owner), **words)


def _apply(connection: Connection, name: str, statements: Sequence[sql.Composed], password: str) -> None:
    driver = driver_connection(connection)
    try:
        # A mart that is swapped after this takes the new rights over; see `marts.py`.
        for mart in inspect(connection).get_table_names(MART_SCHEMA):
            driver.execute(
                sql.SQL("lock table {} in access share mode").format(sql.Identifier(MART_SCHEMA, mart))
            )
        for composed in statements:
            driver.execute(composed)
        hashed = driver.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
        driver.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(name), sql.Literal(hashed.decode()))
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise ReaderError(_for_an_administrator(name, statements, error)) from error


def _for_an_administrator(name: str, statements: Sequence[sql.Composed], error: psycopg.Error) -> str:
    script = "\n".join(f"{composed.as_string(None)};" for composed in statements)
    return (
        f"The database's user may not do that: {error.diag.message_primary}. Nothing was changed. "
        f"An administrator can make the reader in psql, on the same database, with:\n\n{script}\n\\password {name}\n"
    )


def _left_open(connection: Connection, name: str, schemas: Sequence[str]) -> tuple[str, ...]:
    """What everyone, and so the reader, may do besides reading.

    Raises:
        ReaderError: the role itself was given more, or has not got what it needs.
    """
    database = connection.scalars(text("select current_database()")).one()
    if not connection.scalar(
        text("select has_database_privilege(:reader, :database, 'connect')"),
        {"reader": name, "database": database},
    ):
        raise ReaderError(f"{name} may not connect to database {database}: its owner must grant that")
    parameters = {"reader": name, "schemas": list(schemas), "changing": _CHANGING}
    excesses = connection.execute(statement("reader_excess"), parameters).all()
    own = [row.excess for row in excesses if not row.is_everyones]
    if own:
        raise ReaderError(
            f"Role {name} can do more than read, and a reader must not: it {'; it '.join(own)}. "
            "Take that away, or choose another name"
        )
    return tuple(row.excess for row in excesses)


def _url(owner: URL, database: str, name: str, password: str) -> URL:
    query = {key: value for key, value in owner.query.items() if key in _KEPT_IN_URL}
    return owner.set(username=name, password=password, database=database, query=query)
