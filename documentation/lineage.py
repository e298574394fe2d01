"""From which columns each column of a mart is made: read off the marts' SQL by sqlglot.

What makes a value counts: the expressions it is computed from, with the arguments, partitions and orders of aggregates
and windows. Joins and conditions choose rows and do not count, with two exceptions:

- A constant that a join picks from a list, such as the name of a key, is made of what the join compares.
- What is nothing but a number of rows is made of what tells these apart: their key, or what they were grouped by.

So only a constant of the SQL, or the time that the build was given, is made of nothing.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlalchemy import Table
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from documentation.column_trace import ColumnTrace, LineageError, Origins, select_of
from spotify_assets.assets.marts import MART_INPUTS, mart_sql, sql_digest
from spotify_assets.warehouse.tables import metadata, views

MIGRATIONS = Path(__file__).parents[1] / "spotify_assets" / "warehouse" / "migrations" / "versions"
_VIEW = re.compile(r"create view (\S+) as\n(.*?)\"\"\"", re.DOTALL)
_PLACEHOLDER = re.compile(r"(?<!:):(\w+)")


def column_lineage(name: str, sql: str) -> dict[str, Origins]:
    """For each column that the select `sql` of the mart `name` gives, the columns of tables it is made of.

    Raises:
        LineageError: the SQL has a form that is not understood, or reads a column that no table has.
    """
    try:
        root = _scope(sql)
        columns = select_of(root).named_selects
    except (SqlglotError, LineageError) as error:
        raise LineageError(f"The select of marts.{name} cannot be followed: {error}") from error
    return {column: _of_mart_column(name, root, column) for column in columns}


def lineage_file() -> str:
    """The text of the file that the assets read: by mart, the digest of its SQL, and its columns' origins."""
    marts = ",\n".join(f"{json.dumps(name)}: {_of_mart(name)}" for name in MART_INPUTS)
    return f"{{\n{marts}\n}}\n"


def _of_mart(name: str) -> str:
    sql = mart_sql(name)
    # A column a line, so that a change shows what it changes.
    columns = ",\n".join(
        f"    {json.dumps(column)}: {json.dumps(sorted('.'.join(origin) for origin in origins))}"
        for column, origins in column_lineage(name, sql).items()
    )
    return f'{{\n  "sql": {json.dumps(sql_digest(sql))},\n  "columns": {{\n{columns}\n  }}\n}}'


def _of_mart_column(mart: str, root: Scope, column: str) -> Origins:
    try:
        # What a mart tells of its own earlier rows was made of the same.
        return frozenset(origin for origin in _at_tables(root, column) if origin[0] != f"marts.{mart}")
    except LineageError as error:
        raise LineageError(f"marts.{mart}.{column} cannot be followed: {error}") from error


def _at_tables(scope: Scope, column: str) -> Origins:
    # What is nothing but a number of rows, is made of what tells these apart.
    origins = ColumnTrace(_keys()).column(scope, column) or ColumnTrace(_keys(), counts=True).column(
        scope, column
    )
    return frozenset().union(*(_behind_views(*origin) for origin in origins))


def _behind_views(table: str, column: str) -> Origins:
    if table in views.tables:
        return _at_tables(_scope(view_selects()[table]), column)
    if table in metadata.tables and column in metadata.tables[table].columns:
        return frozenset({(table, column)})
    raise LineageError(f"there is no {table}.{column}")


def _scope(sql: str) -> Scope:
    # sqlglot takes a placeholder without a cast for the slice of an array.
    parsed = parse_one(_PLACEHOLDER.sub(r"'\1'", sql), dialect="postgres")
    if any(each.recursive for each in parsed.find_all(exp.With)):
        raise LineageError("it has a recursive query")
    scope = build_scope(qualify(parsed, schema=_schema(), dialect="postgres"))
    if scope is None:
        raise LineageError("there is no select")
    return scope


def _tables() -> Iterator[Table]:
    yield from metadata.tables.values()
    yield from views.tables.values()


@cache
def _schema() -> dict[str, object]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for table in _tables():
        columns = {column.name: "text" for column in table.columns}
        schema.setdefault(str(table.schema), {})[table.name] = columns
    return dict(schema)


@cache
def _keys() -> dict[str, list[str]]:
    return {table.fullname: [column.name for column in table.primary_key] for table in _tables()}


@cache
def view_selects() -> dict[str, str]:
    """By name, the select of each view as the latest migration makes it."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.py")))
    return {name: select for text in texts for name, select in _VIEW.findall(text)}
