"""Which Postgres type holds a Polars dtype, and back."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

import polars as pl
from polars.datatypes import DataTypeClass

_SCALARS: dict[type[pl.DataType], str] = {
    pl.String: "text",
    pl.Categorical: "text",
    pl.Enum: "text",
    pl.Null: "text",
    pl.Boolean: "boolean",
    pl.Int8: "smallint",
    pl.UInt8: "smallint",
    pl.Int16: "smallint",
    pl.UInt16: "integer",
    pl.Int32: "integer",
    pl.UInt32: "bigint",
    pl.Int64: "bigint",
    pl.UInt64: "numeric(20,0)",
    pl.Int128: "numeric(39,0)",
    pl.UInt128: "numeric(39,0)",
    pl.Float16: "real",
    pl.Float32: "real",
    pl.Float64: "double precision",
    pl.Date: "date",
    pl.Time: "time without time zone",
    pl.Duration: "interval",
    pl.Binary: "bytea",
}
_ARRAY_ELEMENTS = (
    *(pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Date, pl.Time, pl.Datetime, pl.Decimal),
    *(
        pl.Int8,
        pl.Int16,
        pl.Int32,
        pl.Int64,
        pl.Int128,
        pl.UInt8,
        pl.UInt16,
        pl.UInt32,
        pl.UInt64,
        pl.UInt128,
    ),
    *(pl.Float32, pl.Float64),
)
_NOT_IN_JSON = (pl.Binary, pl.Duration, pl.Object)
_FROM_POSTGRES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "smallint": pl.Int16(),
    "integer": pl.Int32(),
    "bigint": pl.Int64(),
    "real": pl.Float32(),
    "double precision": pl.Float64(),
    "date": pl.Date(),
    "time without time zone": pl.Time(),
    "timestamp without time zone": pl.Datetime("us"),
    "timestamp with time zone": pl.Datetime("us", "UTC"),
    "interval": pl.Duration("us"),
    "bytea": pl.Binary(),
}
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")


class UnsupportedTypeError(TypeError):
    """Postgres has no type that gives this dtype back unchanged."""


def postgres_type(dtype: pl.DataType) -> str:
    """The Postgres type of a column, spelled as the catalogue spells it.

    Raises:
        UnsupportedTypeError: values of this dtype would not come back as they were.
    """
    if isinstance(dtype, pl.Datetime):
        return f"timestamp with{'out' if dtype.time_zone is None else ''} time zone"
    if isinstance(dtype, pl.Decimal):
        return f"numeric({dtype.precision or 38},{dtype.scale})"
    if (scalar := _SCALARS.get(type(dtype))) is not None:
        return scalar
    if isinstance(dtype, pl.List | pl.Array) and isinstance(element := element_of(dtype), _ARRAY_ELEMENTS):
        return f"{postgres_type(element)}[]"
    if is_nested(dtype) and not _contains(dtype, _NOT_IN_JSON):
        return "jsonb"
    raise UnsupportedTypeError(f"{dtype} has no Postgres type that would give it back unchanged")


def polars_dtype(postgres: str) -> pl.DataType:
    """The dtype in which a column of a table that another program made is read; text where there is none."""
    if postgres.endswith("[]") and (element := polars_dtype(postgres[:-2])) != pl.Binary():
        return pl.List(element)
    if match := _NUMERIC.fullmatch(postgres):
        precision, scale = int(match[1]), int(match[2])
        return pl.Decimal(precision, scale) if 0 <= scale <= precision <= 38 else pl.String()
    return _FROM_POSTGRES.get(postgres, pl.String())


def is_nested(dtype: pl.DataType) -> bool:
    """True for lists, arrays and structs."""
    return isinstance(dtype, pl.List | pl.Array | pl.Struct)


def element_of(dtype: pl.List | pl.Array) -> pl.DataType:
    """The dtype of a list's elements."""
    return instance_of(dtype.inner)


def _contains(dtype: pl.DataType, kinds: tuple[type[pl.DataType], ...]) -> bool:
    if isinstance(dtype, pl.Struct):
        return any(_contains(instance_of(field.dtype), kinds) for field in dtype.fields)
    if isinstance(dtype, pl.List | pl.Array):
        return _contains(element_of(dtype), kinds)
    return isinstance(dtype, kinds)


def instance_of(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """The dtype itself, also where Polars hands out its class."""
    return dtype() if isinstance(dtype, DataTypeClass) else dtype


def schema_to_json(schema: Mapping[str, pl.DataType]) -> str:
    """The schema as text, to be kept in the table's comment."""
    return json.dumps({name: _describe(dtype) for name, dtype in schema.items()}, ensure_ascii=False)


def schema_from_json(text: str) -> dict[str, pl.DataType]:
    """The schema that `schema_to_json` wrote."""
    return {name: _restore(described) for name, described in json.loads(text).items()}


def _describe(dtype: pl.DataType) -> Any:  # noqa: ANN401 -- JSON
    kind = type(dtype).__name__
    if isinstance(dtype, pl.Datetime):
        return [kind, dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, pl.Duration):
        return [kind, dtype.time_unit]
    if isinstance(dtype, pl.Decimal):
        return [kind, dtype.precision, dtype.scale]
    if isinstance(dtype, pl.Enum):
        return [kind, dtype.categories.to_list()]
    if isinstance(dtype, pl.List):
        return [kind, _describe(element_of(dtype))]
    if isinstance(dtype, pl.Array):
        return [kind, _describe(element_of(dtype)), dtype.size]
    if isinstance(dtype, pl.Struct):
        return [kind, {field.name: _describe(instance_of(field.dtype)) for field in dtype.fields}]
    return kind


def _restore(described: Any) -> pl.DataType:  # noqa: ANN401 -- JSON
    if isinstance(described, str):
        return cast("pl.DataType", getattr(pl, described)())
    kind, *arguments = described
    if kind == "Struct":
        return pl.Struct({name: _restore(field) for name, field in arguments[0].items()})
    if kind in ("List", "Array"):
        arguments[0] = _restore(arguments[0])
    return cast("pl.DataType", getattr(pl, kind)(*arguments))
