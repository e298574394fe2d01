"""The dtype that holds the values of two: how a table that is not declared may widen."""

import polars as pl
from polars._typing import TimeUnit

from spotify_assets.warehouse.column_types import element_of, instance_of

_TEXT = (pl.String, pl.Categorical, pl.Enum)
# In this order: the first that holds both ranges is taken.
_SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)
_BITS: dict[type[pl.DataType], tuple[int, int]] = {
    # dtype: bits below zero, bits above
    **{kind: (bits, bits) for kind, bits in zip(_SIGNED, (7, 15, 31, 63, 127), strict=True)},
    **{kind: (0, bits) for kind, bits in ((pl.UInt8, 8), (pl.UInt16, 16), (pl.UInt32, 32), (pl.UInt64, 64))},
}
_FLOATS = (pl.Float16, pl.Float32, pl.Float64)
_UNITS = ("ms", "us", "ns")
_MAX_DIGITS = 38


class CannotMergeError(TypeError):
    """No dtype holds the values of both without changing some."""


def merged(ours: pl.DataType, theirs: pl.DataType) -> pl.DataType:
    """The dtype that holds every value of both exactly; `ours` where it does.

    Raises:
        CannotMergeError: there is none, or only text would.
    """
    if ours == theirs or isinstance(theirs, pl.Null):
        return ours
    if isinstance(ours, pl.Null):
        return theirs
    if isinstance(ours, _TEXT) and isinstance(theirs, _TEXT):
        return pl.String()
    if ours.is_numeric() and theirs.is_numeric():
        return _numbers(ours, theirs)
    return _containers(ours, theirs)


def _numbers(ours: pl.DataType, theirs: pl.DataType) -> pl.DataType:
    if ours.is_integer() and theirs.is_integer():
        return _integers(ours, theirs)
    if ours.is_float() and theirs.is_float():
        return max(ours, theirs, key=lambda dtype: _FLOATS.index(type(dtype)))
    if ours.is_decimal() or theirs.is_decimal():
        return _decimals(ours, theirs)
    integer = ours if ours.is_integer() else theirs
    # A double holds integers up to 2^53; a bigint would lose digits.
    if max(_BITS.get(type(integer), (127, 128))) <= 32:
        return pl.Float64()
    raise CannotMergeError


def _integers(ours: pl.DataType, theirs: pl.DataType) -> pl.DataType:
    if type(ours) not in _BITS or type(theirs) not in _BITS:
        raise CannotMergeError
    below, above = (max(pair) for pair in zip(_BITS[type(ours)], _BITS[type(theirs)], strict=True))
    for dtype in (ours, theirs, *(kind() for kind in _SIGNED)):
        if _BITS[type(dtype)][0] >= below and _BITS[type(dtype)][1] >= above:
            return dtype
    raise CannotMergeError


def _decimals(ours: pl.DataType, theirs: pl.DataType) -> pl.DataType:
    (our_digits, our_scale), (their_digits, their_scale) = _digits(ours), _digits(theirs)
    scale = max(our_scale, their_scale)
    precision = max(our_digits, their_digits) + scale
    if precision > _MAX_DIGITS:
        raise CannotMergeError
    return pl.Decimal(precision, scale)


def _digits(dtype: pl.DataType) -> tuple[int, int]:
    """Digits before the point and after it."""
    if isinstance(dtype, pl.Decimal):
        return (dtype.precision or _MAX_DIGITS) - dtype.scale, dtype.scale
    if type(dtype) in _BITS:
        return len(str(2 ** max(_BITS[type(dtype)]))), 0
    raise CannotMergeError


def _containers(ours: pl.DataType, theirs: pl.DataType) -> pl.DataType:
    if isinstance(ours, pl.Datetime) and isinstance(theirs, pl.Datetime):
        # timestamp and timestamptz differ in what they mean, not in what they hold.
        if (ours.time_zone is None) == (theirs.time_zone is None):
            return pl.Datetime(_finer(ours.time_unit, theirs.time_unit), ours.time_zone)
    elif isinstance(ours, pl.Duration) and isinstance(theirs, pl.Duration):
        return pl.Duration(_finer(ours.time_unit, theirs.time_unit))
    elif isinstance(ours, pl.Struct) and isinstance(theirs, pl.Struct):
        return _structs(ours, theirs)
    elif isinstance(ours, pl.List | pl.Array) and isinstance(theirs, pl.List | pl.Array):
        return pl.List(merged(element_of(ours), element_of(theirs)))
    raise CannotMergeError


def _finer(ours: TimeUnit, theirs: TimeUnit) -> TimeUnit:
    return max(ours, theirs, key=_UNITS.index)


def _structs(ours: pl.Struct, theirs: pl.Struct) -> pl.DataType:
    fields = {field.name: instance_of(field.dtype) for field in ours.fields}
    for field in theirs.fields:
        dtype = instance_of(field.dtype)
        fields[field.name] = merged(fields[field.name], dtype) if field.name in fields else dtype
    return pl.Struct(fields)
