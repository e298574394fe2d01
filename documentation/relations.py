"""Which tables belong together, and by which columns.

Foreign keys do not say it: partitions are replaced one table at a time, so there are none. It follows from the names
of columns, by three rules:

1. A table whose key is made of ids alone is the *home* of that key; of several with the same key, the first.
2. A table with all columns of a home's key refers to it. What follows by another home is left out: what has a track
   has its album. Where not all are there, the ids that are there tie it loosely.
3. A list such as `artist_ids` refers to each table that has `artist_id` in its key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, Table


@dataclass(frozen=True)
class Relation:
    """A table that refers to another by columns of the same names, or by a list of ids.

    Attributes:
        source: The one that refers.
        target: The one referred to.
        columns: Columns of `source` that it does so by.
        is_whole_key: They are the target's whole key: a row of `source` has at most one row there.
    """

    source: Table
    target: Table
    columns: tuple[str, ...]
    is_whole_key: bool

    @property
    def is_one_to_one(self) -> bool:
        """True where a row of the target has at most one row in `source`."""
        return self.is_whole_key and _key(self.source) == set(self.columns)


def relations(tables: Sequence[Table]) -> list[Relation]:
    """The relations among `tables`, in their order; the order also decides which of several is a home."""
    homes = _homes(tables)
    return [relation for table in tables for relation in _relations_of(table, homes, tables)]


def _relations_of(table: Table, homes: Sequence[Table], tables: Sequence[Table]) -> Iterator[Relation]:
    names = {column.name for column in table.columns}
    others = [home for home in homes if home is not table]
    if table in homes:
        # A home is tied to smaller ones only: an album is no part of one of its tracks.
        others = [home for home in others if _key(home) < _key(table)]
    whole = [home for home in others if _key(home) <= names]
    for home in whole:
        if not any(_key(home) < _key(other) for other in whole):
            yield Relation(table, home, _in_order(home, _key(home)), is_whole_key=True)
    covered = {name for home in whole for name in _key(home)}
    for home in others:
        if home not in whole and (shared := (_key(home) & names) - covered):
            yield Relation(table, home, _in_order(home, shared), is_whole_key=False)
            covered |= shared
    yield from _by_list(table, tables)


def _by_list(table: Table, tables: Sequence[Table]) -> Iterator[Relation]:
    for column in table.columns:
        if isinstance(column.type, ARRAY) and column.name.endswith("_ids"):
            named = column.name.removesuffix("s")
            for other in tables:
                if other is not table and named in _key(other):
                    yield Relation(table, other, (column.name,), is_whole_key=False)


def _homes(tables: Sequence[Table]) -> list[Table]:
    homes: dict[frozenset[str], Table] = {}
    for table in tables:
        if all(name.endswith("_id") for name in _key(table)):
            homes.setdefault(_key(table), table)
    return list(homes.values())


def _key(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.primary_key)


def _in_order(table: Table, names: frozenset[str]) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key if column.name in names)
