"""Follows a column of a select through its queries to the columns of tables that it is made of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

Origins = frozenset[tuple[str, str]]
"""Tables, with their schemas, and columns of them."""
_NOTHING: Origins = frozenset()
# Of columns that are told by name, the constant that they have in the rows that are looked at.
_Chosen = frozenset[tuple[str, str]]
_ANY: _Chosen = frozenset()


class LineageError(Exception):
    """A column cannot be followed; the message says where."""


@dataclass
class ColumnTrace:
    """Follows columns of qualified queries.

    With `counts`, a bare `count(*)`, `row_number()` or `exists` is made of what tells the counted rows apart: the keys
    of their table by `keys`, or what they are grouped by. Without, it is made of nothing.
    """

    keys: Mapping[str, Sequence[str]]
    counts: bool = False
    # Each once: the columns of a mart share most of their way.
    _known: dict[tuple[Scope, str, _Chosen], Origins] = field(default_factory=dict)

    def column(self, scope: Scope, name: str, chosen: _Chosen = _ANY) -> Origins:
        """What the column `name` of a query's result is made of, in the rows that have the `chosen` constants.

        Raises:
            LineageError: the query has a form that is not understood.
        """
        step = (scope, name, chosen)
        if step not in self._known:
            self._known[step] = self._of_column(scope, name, chosen)
        return self._known[step]

    def _of_column(self, scope: Scope, name: str, chosen: _Chosen) -> Origins:
        query = select_of(scope)
        if name not in query.named_selects:
            raise _not_understood(f"no column {name}", query)
        place = query.named_selects.index(name)
        if isinstance(query, exp.SetOperation):
            return _all(
                self.column(branch, select_of(branch).named_selects[place], _renamed(chosen, query, branch))
                for branch in scope.set_operation_scopes
            )
        return self._of_expression(scope, query.selects[place], chosen)

    def _of_expression(self, scope: Scope, expression: exp.Expr, chosen: _Chosen = _ANY) -> Origins:
        kept = frozenset(_kept_by_windows(scope, expression, chosen))
        return _all(self._of_part(scope, part, kept) for part in _parts(scope, expression))

    def _of_part(self, scope: Scope, part: exp.Expr, chosen: _Chosen) -> Origins:
        if isinstance(part, exp.Column):
            return self._of_reference(scope, part, chosen)
        if isinstance(part, exp.TableColumn):
            raise _not_understood(f"a whole row, {part.name}", scope.expression)
        if isinstance(part, exp.Query):
            return self._of_nested(scope, part)
        return self._of_counted_rows(scope) if self.counts and _counts_rows(part) else _NOTHING

    def _of_nested(self, scope: Scope, query: exp.Query) -> Origins:
        nested = _nested(scope, query)
        origins = _all(self.column(nested, name) for name in select_of(nested).named_selects)
        return (
            origins | self._of_rows(nested)
            if self.counts and isinstance(query.parent, exp.Exists)
            else origins
        )

    def _of_rows(self, scope: Scope) -> Origins:
        """What tells the rows of a query's result apart."""
        query = select_of(scope)
        if isinstance(query, exp.SetOperation):
            return _all(self._of_rows(branch) for branch in scope.set_operation_scopes)
        distinct, group = query.args.get("distinct"), query.args.get("group")
        if distinct is not None:
            on = distinct.args.get("on")
            return _all(
                self._of_expression(scope, each) for each in (on.expressions if on else query.selects)
            )
        if group is not None:
            return _all(self._of_expression(scope, each) for each in group.expressions)
        return self._of_counted_rows(scope)

    def _of_counted_rows(self, scope: Scope) -> Origins:
        """The same of the rows that a query reads, before it groups them: of its first source, without those joined."""
        read = scope.expression.args.get("from_")
        source = read and scope.sources.get(read.this.alias_or_name)
        if isinstance(source, exp.Table):
            table = _table_name(source)
            return frozenset((table, column) for column in self.keys.get(table, ()))
        return self._of_rows(source) if isinstance(source, Scope) and _is_query(source) else _NOTHING

    def _of_reference(
        self, scope: Scope, column: exp.Column, chosen: _Chosen = _ANY, lists: frozenset[str] = frozenset()
    ) -> Origins:
        if not column.table and column.name in select_of(scope).named_selects:
            # sqlglot leaves the name of a result in `distinct on` as it is.
            return self.column(scope, column.name, chosen)
        owner, source = _source(scope, column)
        if isinstance(source, exp.Table):
            return self._of_table(owner, source, column)
        inner = frozenset(_constants(owner, column.table, chosen if owner is scope else _ANY))
        origins = self._of_source(source, column, inner)
        if origins or not _is_list_of_constants(source):
            return origins
        # A constant that a join picks from a list is made of what the join compares.
        passed = lists | {column.table}
        picks = [other for other in _compared_with(owner, column.table) if other.table not in passed]
        return _all(self._of_reference(owner, other, lists=passed) for other in picks)

    def _of_table(self, scope: Scope, table: exp.Table, column: exp.Column) -> Origins:
        if not isinstance(table.this, exp.Identifier):
            # A function in the place of a table.
            return self._of_expression(scope, table.this)
        return frozenset({(_table_name(table), column.name)})

    def _of_source(self, source: Scope, column: exp.Column, chosen: _Chosen) -> Origins:
        expression = source.expression
        listed = expression.this.unnest() if isinstance(expression, exp.Lateral) else expression
        if isinstance(listed, exp.Values | exp.Unnest):
            return self._of_list(source, expression, listed, column.name, chosen)
        if not isinstance(listed, exp.Query):
            return self._of_expression(source, listed)
        if listed is expression:
            return self.column(source, column.name, chosen)
        return self.column(_nested(source, listed), _inner_name(expression, listed, column.name))

    def _of_list(
        self, scope: Scope, aliased: exp.Expr, listed: exp.Expr, column: str, chosen: _Chosen
    ) -> Origins:
        """What a column of `values` or `unnest` is made of: the places of the lists under its name."""
        names = _column_names(aliased, listed)
        if column not in names:
            raise _not_understood(f"no column {column}", aliased)
        place = names.index(column)
        if isinstance(listed, exp.Values):
            return _all(self._of_expression(scope, row[place]) for row in _rows(listed, names, chosen))
        # The ordinality of an unnest stands behind its lists, and is made of none.
        return _all(self._of_expression(scope, each) for each in listed.expressions[place : place + 1])


def select_of(scope: Scope) -> exp.Query:
    """The query of a scope.

    Raises:
        LineageError: it is something else, such as a delete.
    """
    if not isinstance(scope.expression, exp.Query):
        raise _not_understood("this is no select", scope.expression)
    return scope.expression


def _is_query(scope: Scope) -> bool:
    return isinstance(scope.expression, exp.Query)


def _not_understood(what: str, expression: exp.Expr) -> LineageError:
    return LineageError(f"{what} in: {expression.sql('postgres')[:200]}")


def _all(found: Iterable[Origins]) -> Origins:
    return _NOTHING.union(*found)


def _table_name(table: exp.Table) -> str:
    # In SQL a name alone is looked up in the search path, which a build does not rely on.
    if not table.db:
        raise _not_understood(f"{table.name} without its schema", table)
    return f"{table.db}.{table.name}"


def _source(scope: Scope, column: exp.Column) -> tuple[Scope, exp.Table | Scope]:
    """The source of that name, in the query itself or in one around it, and the query that has it."""
    owner: Scope | None = scope
    while owner is not None:
        source = owner.sources.get(column.table)
        if source is not None:
            return owner, source
        owner = owner.parent
    raise _not_understood(f"{column.sql('postgres')} names no source that is known", scope.expression)


def _nested(scope: Scope, query: exp.Query) -> Scope:
    wanted = query.unnest()
    found = next((each for each in scope.subquery_scopes if each.expression is wanted), None)
    if found is None:
        raise _not_understood("a query in this place", query)
    return found


def _parts(scope: Scope, expression: exp.Expr) -> Iterator[exp.Expr]:
    """The expression and what it consists of, with named windows, and without going into queries within it."""
    for part in expression.walk(prune=lambda each: isinstance(each, exp.Query)):
        yield part
        if isinstance(part, exp.Window):
            for window in _windows_behind(scope, part):
                yield from window.find_all(exp.Column)


def _windows_behind(scope: Scope, window: exp.Window) -> Iterator[exp.Window]:
    """The named windows that a window goes by, directly or by one another."""
    named = {each.name: each for each in scope.expression.args.get("windows") or ()}
    while (behind := named.get(window.alias)) is not None:
        yield behind
        window = behind


def _counts_rows(part: exp.Expr) -> bool:
    return isinstance(part, exp.RowNumber) or (
        isinstance(part, exp.Count) and isinstance(part.this, exp.Star)
    )


def _kept_by_windows(scope: Scope, expression: exp.Expr, chosen: _Chosen) -> Iterator[tuple[str, str]]:
    """Those of the chosen that hold for all rows of each window: a window over all sees the other rows too."""
    partitions = [_partition(scope, window) for window in expression.find_all(exp.Window)]
    for name, constant in chosen:
        inner = _projection(scope, name)
        if all(inner is not None and inner.sql() in partition for partition in partitions):
            yield name, constant


def _partition(scope: Scope, window: exp.Window) -> set[str]:
    windows = (window, *_windows_behind(scope, window))
    return {each.sql() for part in windows for each in part.args.get("partition_by") or ()}


def _projection(scope: Scope, name: str) -> exp.Expr | None:
    return next((each.unalias() for each in select_of(scope).selects if each.alias_or_name == name), None)


def _renamed(chosen: _Chosen, query: exp.Query, branch: Scope) -> _Chosen:
    """The chosen columns of a union under the names that they have in one of its branches."""
    names = dict(zip(query.named_selects, select_of(branch).named_selects, strict=True))
    return frozenset((names[name], constant) for name, constant in chosen)


def _constants(scope: Scope, source: str, chosen: _Chosen) -> Iterator[tuple[str, str]]:
    """Columns of a source that must equal a constant: by a condition, or by what was chosen of the result."""
    for condition in _binding_conditions(scope, source):
        for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if isinstance(one, exp.Column) and one.table == source and isinstance(other, exp.Literal):
                yield one.name, other.name
    for name, constant in chosen:
        inner = _projection(scope, name) if isinstance(scope.expression, exp.Select) else None
        if isinstance(inner, exp.Column) and inner.table == source:
            yield inner.name, constant


def _binding_conditions(scope: Scope, source: str) -> Iterator[exp.EQ]:
    """The equations that every row of the source meets that is there: an outer join keeps the others of a side."""
    conditions = [
        join.args.get("on")
        for join in scope.expression.args.get("joins") or ()
        if not join.side or (join.side == "LEFT" and join.alias_or_name == source)
    ]
    conditions.append(_where(scope))
    for condition in conditions:
        yield from (each for each in _conjuncts(condition) if isinstance(each, exp.EQ))


def _where(scope: Scope) -> exp.Expr | None:
    where: exp.Where | None = scope.expression.args.get("where")
    return where.this if where is not None else None


def _conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    if condition is None:
        return
    inner = condition.unnest()
    if isinstance(inner, exp.And):
        yield from _conjuncts(inner.left)
        yield from _conjuncts(inner.right)
    else:
        yield inner


def _compared_with(scope: Scope, source: str) -> Iterator[exp.Column]:
    """The columns of other sources by which the rows of this one are joined."""
    conditions = [join.args.get("on") for join in scope.expression.args.get("joins") or ()]
    for condition in (*conditions, _where(scope)):
        for conjunct in _conjuncts(condition):
            columns = list(conjunct.find_all(exp.Column))
            if source in {column.table for column in columns}:
                yield from (column for column in columns if column.table != source)


def _is_list_of_constants(source: Scope) -> bool:
    """Whether it has several rows and reads no table: of a single row, nothing is picked."""
    expression = source.expression
    single = isinstance(expression, exp.Select) and expression.args.get("from_") is None
    return not single and expression.find(exp.Table) is None


def _inner_name(lateral: exp.Expr, inner: exp.Query, column: str) -> str:
    names = _column_names(lateral, inner)
    return inner.named_selects[names.index(column)] if column in names else column


def _column_names(aliased: exp.Expr, listed: exp.Expr) -> list[str]:
    alias = aliased.args.get("alias") or (aliased.parent and aliased.parent.args.get("alias"))
    names = [each.name for each in alias.columns] if alias else []
    # Where sqlglot keeps the name of `with ordinality`.
    ordinality = listed.args.get("offset")
    return [*names, ordinality.name] if isinstance(ordinality, exp.Identifier) else names


def _rows(listed: exp.Values, names: Sequence[str], chosen: _Chosen) -> list[Sequence[exp.Expr]]:
    """The rows of `values` that can have the chosen constants."""
    rows: list[Sequence[exp.Expr]] = [row.expressions for row in listed.expressions]
    for name, constant in chosen:
        place = names.index(name)
        rows = [row for row in rows if not isinstance(row[place], exp.Literal) or row[place].name == constant]
        if not rows:
            raise _not_understood(f"no row in which {name} is {constant}", listed)
    return rows
