"""What Dagster's UI shows of a declared table, taken from its one definition."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy does not annotate it


def table_metadata(table: Table) -> Mapping[str, Any]:
    """Definition metadata of the asset that fills `table`: its name and its columns with types and comments."""
    return {
        "dagster/table_name": table.fullname,
        "dagster/column_schema": dg.TableSchema(columns=[_column(column) for column in table.columns]),
    }


def partitioned_table_metadata(table: Table) -> Mapping[str, Any]:
    """The same for an asset partitioned by album: names the column that holds the partition."""
    return {**table_metadata(table), "partition_expr": "album_id"}


def _column(column: Column[Any]) -> dg.TableColumn:
    return dg.TableColumn(
        name=column.name,
        type=column.type.compile(dialect=_POSTGRES).lower(),
        description=column.comment,
        constraints=dg.TableColumnConstraints(
            nullable=bool(column.nullable), other=["primary key"] if column.primary_key else []
        ),
    )
