"""Fixtures shared by all tests: a real Postgres, one per worker, and a fresh database for each test."""

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import URL, Engine, text

from documentation.sandbox_weeks import load_weeks
from spotify_assets.warehouse.database import create_engine, migrate, normalise_url
from spotify_assets.warehouse.embedded import EmbeddedPostgres

# No deadline: a busy machine is no fault of the code. CI takes the same examples each time, so that a change is judged
# by what it changed; every other run looks for new ones.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")

# A suite that was started in the background of a script, or by nohup, is deaf to Ctrl-C, and so is every program it
# starts: tests that send them one would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count(1)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may enter: pytest's own is closed to the server's account when root."""
    folder = Path(tempfile.mkdtemp(prefix="spotify-assets-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """The maintenance database of an embedded server that lives as long as this worker."""
    folder = Path(tempfile.mkdtemp(prefix="spotify-assets-"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder / "postgres") as server:
        address = server.start()
        url = normalise_url(
            f"postgresql://{address.user}:{address.password}@{address.host}:{address.port}/postgres"
        )
        with _autocommit(url) as run:
            # Nothing here outlives the session: no need to wait for the disk.
            run("alter system set fsync = off")
            run("alter system set autovacuum = off")
            run("select pg_reload_conf()")
        yield url
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: URL) -> str:
    """Name of a database that holds the migrated, empty tables, to copy others from."""
    name = "migrated"
    with _autocommit(postgres_server) as run:
        run(f"create database {name}")
    migrate(postgres_server.set(database=name))
    return name


@pytest.fixture(scope="session")
def weeks_template(
    postgres_server: URL, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Name of a database that holds four weeks of the sandbox, see `sandbox_weeks`, to copy others from."""
    with own_database(postgres_server, migrated_template) as url:
        load_weeks(url, tmp_path_factory.mktemp("weeks"), print)
        yield str(url.database)


@pytest.fixture
def empty_database_url(postgres_server: URL, migrated_template: str) -> Iterator[URL]:
    """A database of this test's own: all tables are there, and empty."""
    with own_database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture
def bare_database_url(postgres_server: URL) -> Iterator[URL]:
    """A database of this test's own without any table."""
    with own_database(postgres_server, "template1") as url:
        yield url


@pytest.fixture
def engine(empty_database_url: URL) -> Iterator[Engine]:
    """An engine on `empty_database_url`."""
    engine = create_engine(empty_database_url)
    yield engine
    engine.dispose()


@contextmanager
def own_database(server: URL, template: str) -> Iterator[URL]:
    """A copy of the database `template`, dropped at the end."""
    name = f"test_{next(_numbers)}"
    with _autocommit(server) as run:
        run(f"create database {name} template {template} strategy file_copy")
    yield server.set(database=name)
    with _autocommit(server) as run:
        run(f"drop database {name} with (force)")


@contextmanager
def _autocommit(url: URL) -> Iterator[Callable[[str], object]]:
    engine = create_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield lambda statement: connection.execute(text(statement))
    finally:
        engine.dispose()
