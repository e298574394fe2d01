"""From which columns each column of a mart is made: read off the marts' SQL by sqlglot.

What makes a value counts: the expressions it is computed from, with the arguments, partitions and orders of aggregates
and windows. Joins and conditions choose rows and do not count, with one exception: where a value is a constant that a
join picks from a list, such as the name of a key, it is made of what the join compares.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp, parse_one
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from spotify_assets.assets.marts import MART_INPUTS, mart_sql, sql_digest
from spotify_assets.warehouse.tables import metadata, views

MIGRATIONS = Path(__file__).parents[1] / "spotify_assets" / "warehouse" / "migrations" / "versions"
_VIEW = re.compile(r"create view (\S+) as\n(.*?)\"\"\"", re.DOTALL)
_PLACEHOLDER = re.compile(r"(?<!:):(\w+)")

Origins = frozenset[tuple[str, str]]
"""Tables, with their schemas, and columns of them."""
# For columns of a source, the constant that its rows are chosen by.
_Chosen = Mapping[str, str]
_NOTHING: Origins = frozenset()


class LineageError(Exception):
    """A column cannot be followed; the message names the mart and the column."""


def column_lineage(name: str, sql: str) -> dict[str, Origins]:
    """For each column that the select `sql` of the mart `name` gives, the columns of tables it is made of.

    Raises:
        LineageError: the SQL has a form that is not understood, or reads a column that no table has.
    """
    root = _scope(sql)
    return {
        column: frozenset(_at_tables(name, column, _of_column(root, column, {})))
        for column in _query(root).named_selects
    }


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


def _scope(sql: str) -> Scope:
    # sqlglot takes a placeholder without a cast for the slice of an array.
    parsed = parse_one(_PLACEHOLDER.sub(r"'\1'", sql), dialect="postgres")
    scope = build_scope(qualify(parsed, schema=_schema(), dialect="postgres"))
    if scope is None:
        raise LineageError("There is no select to follow.")
    return scope


def _query(scope: Scope) -> exp.Query:
    if not isinstance(scope.expression, exp.Query):
        raise LineageError(f"This is no select: {scope.expression.sql()[:200]}")
    return scope.expression


def _schema() -> dict[str, object]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for table in [*metadata.tables.values(), *views.tables.values()]:
        schema.setdefault(str(table.schema), {})[table.name] = {
            column.name: "text" for column in table.columns
        }
    return dict(schema)


def _view_selects() -> dict[str, str]:
    """By name, the select of each view as the latest migration makes it."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.py")))
    return {name: select for text in texts for name, select in _VIEW.findall(text)}


def _at_tables(mart: str, column: str, origins: Origins) -> Iterator[tuple[str, str]]:
    """The same with views followed to the tables behind them."""
    for table, origin in origins:
        if table in views.tables:
            yield from _at_tables(mart, column, _of_column(_scope(_view_selects()[table]), origin, {}))
        elif table in metadata.tables and origin in metadata.tables[table].columns:
            yield table, origin
        else:
            raise LineageError(f"marts.{mart}.{column} comes from {table}.{origin}, which is not there.")


def _of_column(scope: Scope, column: str, chosen: _Chosen) -> Origins:
    """What the column of a query's result is made of, in the rows that have the `chosen` constants."""
    if isinstance(scope.expression, exp.SetOperation):
        place = _query(scope).named_selects.index(column)
        return frozenset().union(
            *(
                _of_column(branch, _query(branch).named_selects[place], chosen)
                for branch in scope.set_operation_scopes
            )
        )
    projection = next((each for each in _query(scope).selects if each.alias_or_name == column), None)
    if projection is None:
        raise LineageError(f"No column {column} in: {scope.expression.sql()[:200]}")
    return _of_expression(scope, projection, _Rows(scope, chosen))


@dataclass(frozen=True)
class _Rows:
    """The rows of a select that are looked at."""

    scope: Scope
    chosen: _Chosen

    def of_source(self, source: str) -> dict[str, str]:
        """Columns of a source that must equal a constant: by a join, or by what was chosen of the result."""
        constants = {
            each.left.name: each.right.name
            for each in self._comparisons()
            if isinstance(each.left, exp.Column)
            and each.left.table == source
            and isinstance(each.right, exp.Literal)
        }
        for column, constant in self.chosen.items():
            for projection in _query(self.scope).selects:
                inner = projection.unalias()
                if (
                    projection.alias_or_name == column
                    and isinstance(inner, exp.Column)
                    and inner.table == source
                ):
                    constants[inner.name] = constant
        return constants

    def compared_with(self, source: str) -> Iterator[exp.Column]:
        """The columns of other sources by which the rows of this one are joined."""
        for each in self._comparisons():
            sides = [side for side in (each.left, each.right) if isinstance(side, exp.Column)]
            if source in {side.table for side in sides}:
                yield from (side for side in sides if side.table != source)

    def _comparisons(self) -> Iterator[exp.EQ]:
        for join in self.scope.expression.args.get("joins") or ():
            if (condition := join.args.get("on")) is not None:
                yield from condition.find_all(exp.EQ)


def _of_expression(scope: Scope, expression: exp.Expr, rows: _Rows) -> Origins:
    found: set[tuple[str, str]] = set()
    for column in _columns_with_windows(scope, expression):
        found |= _of_reference(scope, column, rows)
    return frozenset(found)


def _columns_with_windows(scope: Scope, expression: exp.Expr) -> Iterator[exp.Column]:
    yield from expression.find_all(exp.Column)
    named = {window.name: window for window in scope.expression.args.get("windows") or ()}
    for window in expression.find_all(exp.Window):
        if window.alias in named:
            yield from named[window.alias].find_all(exp.Column)


def _of_reference(scope: Scope, column: exp.Column, rows: _Rows) -> Origins:
    source = scope.sources.get(column.table)
    if isinstance(source, exp.Table):
        # A function in the place of a table has no columns of tables behind it.
        return frozenset({(f"{source.db}.{source.name}", column.name)}) if source.db else _NOTHING
    if not isinstance(source, Scope):
        raise LineageError(f"{column.sql()} names no source that is known in: {scope.expression.sql()[:200]}")
    origins = _of_source(scope, source, column, rows)
    if origins or source.expression.find(exp.Table) is not None:
        return origins
    # A list of constants.
    picked = {_key(other): other for other in rows.compared_with(column.table) if _key(other) != _key(column)}
    return frozenset().union(*(_of_reference(scope, other, _Rows(scope, {})) for other in picked.values()))


def _key(column: exp.Column) -> tuple[str, str]:
    return column.table, column.name


def _of_source(scope: Scope, source: Scope, column: exp.Column, rows: _Rows) -> Origins:
    chosen = rows.of_source(column.table)
    expression = source.expression
    if isinstance(expression, exp.Lateral):
        inner = expression.this.unnest()
        if isinstance(inner, exp.Query) and not isinstance(inner, exp.Values):
            [within] = [each for each in source.subquery_scopes if each.expression is inner]
            return _of_column(within, _inner_name(expression, inner, column.name), chosen)
        return _of_listed(scope, expression, inner, column.name, chosen)
    if isinstance(expression, exp.Values | exp.Unnest):
        return _of_listed(scope, expression, expression, column.name, chosen)
    return _of_column(source, column.name, chosen)


def _inner_name(lateral: exp.Lateral, inner: exp.Query, column: str) -> str:
    names = _column_names(lateral)
    return inner.named_selects[names.index(column)] if column in names else column


def _of_listed(scope: Scope, aliased: exp.Expr, listed: exp.Expr, column: str, chosen: _Chosen) -> Origins:
    """What a column of `values` or `unnest` is made of: the places of the lists under its name."""
    names = _column_names(aliased)
    if column not in names:
        raise LineageError(f"No column {column} in: {aliased.sql()[:200]}")
    place = names.index(column)
    if isinstance(listed, exp.Values):
        rows = [
            row.expressions
            for row in listed.expressions
            if all(row.expressions[names.index(name)].name == constant for name, constant in chosen.items())
        ]
        places = [row[place] for row in rows]
    else:
        # The ordinality of an unnest stands behind its lists, and is made of none.
        places = listed.expressions[place : place + 1]
    return frozenset().union(*(_of_expression(scope, each, _Rows(scope, {})) for each in places))


def _column_names(aliased: exp.Expr) -> list[str]:
    alias = aliased.args.get("alias") or (aliased.parent and aliased.parent.args.get("alias"))
    names = [each.name for each in alias.columns] if alias else []
    # Where sqlglot keeps the name of `with ordinality`.
    ordinality = aliased.args.get("offset")
    return [*names, ordinality.name] if isinstance(ordinality, exp.Identifier) else names
