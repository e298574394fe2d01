"""What Dagster's UI shows of a declared table, taken from its one definition."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy does not annotate it


def table_metadata(table: Table, lineage: dg.TableColumnLineage | None = None) -> Mapping[str, Any]:
    """Definition metadata of the asset that fills `table`: its name and its columns with types and comments.

    With a `lineage`, the description of each column says what it is made of: the open-source UI shows nothing of the
    lineage metadata.
    """
    made_of = lineage.deps_by_column if lineage else {}
    columns = [_column(column, made_of.get(column.name, ())) for column in table.columns]
    return {"dagster/table_name": table.fullname, "dagster/column_schema": dg.TableSchema(columns=columns)}


def partitioned_table_metadata(table: Table) -> Mapping[str, Any]:
    """The same for an asset partitioned by album: names the column that holds the partition."""
    return {**table_metadata(table), "partition_expr": "album_id"}


def _column(column: Column[Any], origins: Sequence[dg.TableColumnDep]) -> dg.TableColumn:
    return dg.TableColumn(
        name=column.name,
        type=column.type.compile(dialect=_POSTGRES).lower(),
        description=f"{column.comment}\n\n{_made_of(origins)}" if origins else column.comment,
        constraints=dg.TableColumnConstraints(
            nullable=bool(column.nullable), other=["primary key"] if column.primary_key else []
        ),
    )


def _made_of(origins: Sequence[dg.TableColumnDep]) -> str:
    columns: dict[str, list[str]] = {}
    for origin in origins:
        columns.setdefault(".".join(origin.asset_key.path), []).append(f"`{origin.column_name}`")
    told = [f"{table}: {', '.join(names)}" for table, names in columns.items()]
    return f"Made of {'; '.join(told)}."
