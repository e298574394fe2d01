"""Does a frame fit a declared table? Refused before anything is written, by name."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from spotify_assets.warehouse.column_types import element_of

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_INTEGER_LIMITS: tuple[tuple[type[sa.Integer], int], ...] = (
    # Subclasses of Integer first.
    (sa.SmallInteger, 2**15),
    (sa.BigInteger, 2**63),
    (sa.Integer, 2**31),
)


class FrameDoesNotFitError(ValueError):
    """A frame cannot be written to its table; the message names each column, what it has and what is expected."""


def fitted(frame: pl.DataFrame, table: sa.Table) -> pl.DataFrame:
    """The frame, if every row of it can be stored in `table` unchanged.

    Integers may be wider than the column as long as the values fit; columns that may be null may be missing.

    Raises:
        FrameDoesNotFitError: lists everything that does not fit.
    """
    complaints = [*_columns(frame, table), *_duplicates(frame, table)]
    if complaints:
        lines = "\n".join(f"  {complaint}" for complaint in complaints)
        raise FrameDoesNotFitError(f"The frame does not fit {table.fullname}; nothing was written.\n{lines}")
    return frame


def _columns(frame: pl.DataFrame, table: sa.Table) -> Iterator[str]:
    for name in frame.columns:
        if name not in table.columns:
            yield f"column {name!r} ({frame.schema[name]}): {table.fullname} has no such column"
    for column in table.columns:
        expected = f"{_type_name(column)}{'' if column.nullable else ' not null'}"
        if column.name in frame.columns:
            yield from _values(frame.get_column(column.name), column, expected)
        elif not column.nullable and column.server_default is None:
            yield f"column {column.name!r} is missing: expected {expected}"


def _values(values: pl.Series, column: sa.Column[Any], expected: str) -> Iterator[str]:
    named = f"column {column.name!r} is {values.dtype}: expected {expected}"
    if not _is_accepted(values.dtype, column.type):
        yield named
    elif not _is_within_limits(values, column.type):
        yield f"{named}, and the values {values.min()!r} to {values.max()!r} do not fit"
    if not column.nullable and values.null_count():
        row = int(values.is_null().arg_true()[0]) + 1
        yield f"column {column.name!r} has {values.null_count()} null(s), first in row {row}: expected {expected}"


def _duplicates(frame: pl.DataFrame, table: sa.Table) -> Iterator[str]:
    key = [column.name for column in table.primary_key.columns if column.name in frame.columns]
    if not key or len(key) != len(table.primary_key.columns):
        return
    repeated = frame.select(key).filter(frame.select(key).is_duplicated())
    if repeated.height:
        example = ", ".join(f"{name} {value!r}" for name, value in repeated.row(0, named=True).items())
        yield (
            f"{repeated.height} rows share their key ({', '.join(key)}) with another, for example {example}: "
            "expected one row per key"
        )


def _is_accepted(dtype: pl.DataType, wanted: sa.types.TypeEngine[Any]) -> bool:
    if isinstance(dtype, pl.Null):
        return True
    if isinstance(wanted, sa.ARRAY):
        return isinstance(dtype, pl.List) and _is_accepted(element_of(dtype), wanted.item_type)
    if isinstance(wanted, sa.DateTime):
        return isinstance(dtype, pl.Datetime) and (dtype.time_zone is not None) == wanted.timezone
    for sql_type, dtypes in _ACCEPTED:
        if isinstance(wanted, sql_type):
            return isinstance(dtype, dtypes)
    return False


_ACCEPTED: tuple[tuple[type[sa.types.TypeEngine[Any]], tuple[type[pl.DataType], ...]], ...] = (
    (sa.Text, (pl.String, pl.Categorical, pl.Enum)),
    (sa.String, (pl.String, pl.Categorical, pl.Enum)),
    (sa.Boolean, (pl.Boolean,)),
    (
        sa.Integer,
        (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Int128),
    ),
    (sa.Double, (pl.Float32, pl.Float64)),
    (sa.Float, (pl.Float32, pl.Float64)),
    (sa.Numeric, (pl.Decimal,)),
    (sa.Date, (pl.Date,)),
    (sa.Time, (pl.Time,)),
    (sa.Interval, (pl.Duration,)),
    (sa.LargeBinary, (pl.Binary,)),
    (sa.JSON, (pl.Struct, pl.List)),
)


def _is_within_limits(values: pl.Series, wanted: sa.types.TypeEngine[Any]) -> bool:
    for sql_type, limit in _INTEGER_LIMITS:
        if isinstance(wanted, sql_type):
            low, high = values.min(), values.max()
            return (low is None or int(str(low)) >= -limit) and (high is None or int(str(high)) < limit)
    return True


def _type_name(column: sa.Column[Any]) -> str:
    return str(column.type.compile(_DIALECT)).lower()
