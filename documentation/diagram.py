"""The tables as Mermaid entity-relationship diagrams, which GitHub draws."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Column, Table

from documentation.column_facts import type_name
from documentation.relations import Relation

# Beside keys and ids: enough to tell what a table is about, few enough to read the picture.
_MOST_OTHERS = 4


def diagram(tables: Sequence[Table], found: Sequence[Relation]) -> str:
    """A diagram of `tables` with their keys, ids and first other columns, and the relations found among them."""
    lines = ["erDiagram", *(f"    {line}" for line in _lines(tables, found))]
    return "\n".join(["```mermaid", *lines, "```"])


def _lines(tables: Sequence[Table], found: Sequence[Relation]) -> Iterator[str]:
    for relation in found:
        target, source = _entity(relation.target), _entity(relation.source)
        yield f'{target} {_arrow(relation)} {source} : "{", ".join(relation.columns)}"'
    for table in tables:
        yield f'{_entity(table)}["{table.fullname}"] {{'
        for column in _shown(table):
            key = " PK" if column.primary_key else ""
            yield f"    {type_name(column).replace(' ', '_')} {column.name}{key}"
        yield "}"


def _arrow(relation: Relation) -> str:
    if not relation.is_whole_key:
        return "}o..o{"
    # "Or none" on both sides: tables are loaded one after the other.
    return "|o--o|" if relation.is_one_to_one else "|o--o{"


def _entity(table: Table) -> str:
    return table.fullname.replace(".", "_")


def _shown(table: Table) -> Iterator[Column[object]]:
    others = 0
    for column in table.columns:
        is_id = column.name.endswith(("_id", "_ids"))
        if column.primary_key or is_id or others < _MOST_OTHERS:
            others += not (column.primary_key or is_id)
            yield column
