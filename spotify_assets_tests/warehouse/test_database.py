"""Database URLs in all their spellings, sessions, and the claim that keeps live and sandbox data apart."""

import datetime as dt

import psycopg2  # type: ignore[import-untyped]  # installed without stubs
import pytest
from sqlalchemy import URL, Engine, text

from spotify_assets.warehouse.database import (
    DatabaseUrlError,
    SourceMismatchError,
    claim_source,
    create_engine,
    dagster_storage_url,
    libpq_uri,
    normalise_url,
)


@pytest.mark.parametrize(
    "scheme",
    [
        "postgres",
        "postgresql",
        "postgresql+psycopg",
        "postgresql+psycopg2",
        "postgresql+asyncpg",
        "postgresql+pg8000",
    ],
)
def test_every_usual_spelling_of_a_postgres_url_is_accepted(scheme: str) -> None:
    url = normalise_url(
        f"{scheme}://me:p%40ss@db.example:6000/music?sslmode=verify-full&sslrootcert=/a%20b.pem"
    )
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "me",
        "p@ss",
        "db.example",
        6000,
        "music",
    )
    assert dict(url.query) == {"sslmode": "verify-full", "sslrootcert": "/a b.pem"}


@pytest.mark.parametrize(
    "text",
    [
        "mysql://me:hunter2@db/music",
        "sqlite:////hunter2.db",
        "me:hunter2@db/music",
        "hunter2",
        "postgresql://me:hunter2@db:port/music",
        "postgresql//me:hunter2@db/music",
    ],
)
def test_another_url_is_refused_without_showing_the_password(text: str) -> None:
    with pytest.raises(DatabaseUrlError, match="DATABASE_URL") as caught:
        normalise_url(text)
    assert "hunter2" not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_dagsters_storage_lands_in_its_own_schema(empty_database_url: URL) -> None:
    url = dagster_storage_url(empty_database_url)
    assert url.drivername == "postgresql+psycopg2"
    connection = psycopg2.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    with connection, connection.cursor() as cursor:
        cursor.execute("create table runs (id int)")
        cursor.execute("select schemaname from pg_tables where tablename = 'runs'")
        assert cursor.fetchone() == ("dagster",)
    connection.close()


def test_options_given_in_the_url_are_kept_beside_dagsters_search_path() -> None:
    url = dagster_storage_url("postgresql://db/music?options=-cstatement_timeout%3D5s")
    assert url.query["options"] == "-cstatement_timeout=5s -csearch_path=dagster"


def test_the_libpq_uri_keeps_a_difficult_password() -> None:
    assert libpq_uri("postgres://me:p%40%2Fs%3A%25@db/music") == "postgresql://me:p%40%2Fs%3A%25@db/music"


def test_sessions_are_in_utc_and_carry_the_applications_name(engine: Engine) -> None:
    with engine.connect() as connection:
        row = connection.execute(
            text("select current_setting('TimeZone'), current_setting('application_name')")
        ).one()
    assert tuple(row) == ("UTC", "spotify-assets")


def test_a_failing_statement_shows_neither_values_nor_the_password(engine: Engine) -> None:
    password = engine.url.password
    assert password
    with engine.connect() as connection, pytest.raises(Exception, match="division by zero") as caught:
        connection.execute(text("select 1 / 0 where :name <> ''"), {"name": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert password not in f"{caught.value!r}{engine!r}{engine.url}"


def test_the_first_claim_stands_and_the_other_kind_is_refused_with_a_way_on(engine: Engine) -> None:
    with engine.begin() as connection:
        claim_source(connection, "sandbox")
        claim_source(connection, "sandbox")
    with engine.begin() as connection, pytest.raises(SourceMismatchError) as caught:
        claim_source(connection, "live")
    assert "SPOTIFY_ASSETS_HOME" in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)
    with engine.begin() as connection:
        kind, claimed_at = connection.execute(text("select kind, claimed_at from ops.source")).one()
    assert kind == "sandbox"
    assert claimed_at.utcoffset() == dt.timedelta(0)


def test_an_engine_can_be_made_of_any_spelling(empty_database_url: URL) -> None:
    engine = create_engine(libpq_uri(empty_database_url))
    with engine.connect() as connection:
        assert connection.execute(text("select 1")).scalar_one() == 1
    engine.dispose()
