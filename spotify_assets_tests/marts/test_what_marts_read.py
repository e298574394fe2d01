"""What the marts read, by Postgres itself: it notes for a view which tables and columns its select reads."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection, text

from documentation.lineage import column_lineage, view_selects
from spotify_assets.assets.marts import MART_INPUTS, mart_sql
from spotify_assets.warehouse.database import create_engine
from spotify_assets.warehouse.tables import metadata, views
from spotify_assets_tests.conftest import own_database

PLACEHOLDER = re.compile(r"(?<!:):\w+")
USED_TABLES = """
    select distinct table_schema || '.' || table_name
    from information_schema.view_table_usage where view_schema || '.' || view_name = :view
"""
USED_COLUMNS = """
    select distinct table_schema || '.' || table_name, column_name
    from information_schema.view_column_usage where view_schema || '.' || view_name = any(:views)
"""


@pytest.fixture(scope="module")
def connection(postgres_server: URL, migrated_template: str) -> Iterator[Connection]:
    """A connection that sees each mart's select as a view of schema `reading`."""
    with own_database(postgres_server, migrated_template) as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.exec_driver_sql("create schema reading")
            for mart in MART_INPUTS:
                select = PLACEHOLDER.sub("null", mart_sql(mart))
                connection.exec_driver_sql(f"create view reading.{mart} as {select}")
            yield connection
        engine.dispose()


def _tables_of(connection: Connection, view: str) -> Iterator[str]:
    """The tables and views that a view reads, and those that these views read."""
    for table in connection.execute(text(USED_TABLES), {"view": view}).scalars():
        yield table
        if table in views.tables:
            yield from _tables_of(connection, table)


@pytest.mark.parametrize("mart", MART_INPUTS)
def test_a_mart_depends_on_exactly_the_tables_that_it_reads(connection: Connection, mart: str) -> None:
    """A dependency that is missing lets a mart be built before its input; one too many waits for nothing."""
    # A mart that tells of its own earlier weeks does not wait for itself.
    read = set(_tables_of(connection, f"reading.{mart}")) - set(views.tables) - {f"marts.{mart}"}
    assert read == {".".join(key.path) for key in MART_INPUTS[mart]}


@pytest.mark.parametrize("mart", MART_INPUTS)
def test_a_mart_is_made_of_columns_that_postgres_says_it_reads(connection: Connection, mart: str) -> None:
    """The lineage is told by another parser than the one that builds the mart."""
    tables = set(_tables_of(connection, f"reading.{mart}"))
    rows = connection.execute(text(USED_COLUMNS), {"views": [f"reading.{mart}", *tables]})
    read = {(table, column) for table, column in rows}
    # A number of rows is made of their keys, whether these are read or not.
    keys = {
        (table, key.name)
        for table in tables - set(views.tables)
        for key in metadata.tables[table].primary_key
    }
    assert frozenset().union(*column_lineage(mart, mart_sql(mart)).values()) <= read | keys


@pytest.mark.parametrize("view", views.tables)
def test_a_view_is_followed_as_it_is_in_the_database(connection: Connection, view: str) -> None:
    """It is read from the migrations: a later one that changes the view in another way would be passed over."""
    select = connection.execute(
        text("select pg_get_viewdef(cast(:view as regclass))"), {"view": view}
    ).scalar_one()
    assert column_lineage("view", view_selects()[view]) == column_lineage("view", select.rstrip("; \n"))
