"""Polars frames as the CSV that COPY reads, and text read from Postgres as the dtypes it was written from."""

from collections.abc import Iterator

import polars as pl

from spotify_assets.warehouse.column_types import element_of, is_nested, postgres_type

# Bounds the memory of the encoded text; larger slices are no faster (28 against 640 MB for a million rows).
SLICE_ROWS = 20_000
_TIMESTAMP = "%m-%d %H:%M:%S%.6f"
# In JSON a NUL is written \u0000; one whose backslash is itself escaped is text.
_JSON_NUL = r"(^|[^\\])(\\\\)*\\u0000"


class EncodingError(ValueError):
    """A value cannot be stored in Postgres as it is; the message names column and row."""


def csv_slices(frame: pl.DataFrame, rows: int = SLICE_ROWS) -> list[bytes]:
    """The frame for `COPY ... (FORMAT csv)`: null is nothing, the empty string is `""`.

    Raises:
        EncodingError: a value has no exact form in Postgres.
    """
    return [_csv(part) for part in frame.iter_slices(rows)] if frame.height else []


def _csv(frame: pl.DataFrame) -> bytes:
    written = frame.select(_written(frame.get_column(name)) for name in frame.columns)
    # non_numeric: an unquoted \. would end the data, and an unquoted empty string would be null.
    return written.write_csv(include_header=False, quote_style="non_numeric", null_value="").encode()


def _written(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if postgres_type(dtype) == "jsonb":
        return _as_json(column)
    if isinstance(dtype, pl.List | pl.Array):
        return _as_array(column, element_of(dtype))
    return column.to_frame().select(_as_text(pl.col(column.name), dtype).alias(column.name)).to_series()


def _as_text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """An expression for scalar values in the form Postgres reads."""
    if isinstance(dtype, pl.Date):
        return _with_era(value, "%m-%d", "")
    if isinstance(dtype, pl.Datetime):
        plain = value if dtype.time_zone is None else value.dt.convert_time_zone("UTC")
        return _with_era(plain.dt.cast_time_unit("us"), _TIMESTAMP, "" if dtype.time_zone is None else "+00")
    if isinstance(dtype, pl.Time):
        return value.dt.to_string("%H:%M:%S%.6f")
    if isinstance(dtype, pl.Duration):
        return pl.format("{} microseconds", value.dt.cast_time_unit("us").cast(pl.Int64))
    if isinstance(dtype, pl.Binary):
        return pl.format("\\x{}", value.bin.encode("hex"))
    if dtype.is_numeric() or isinstance(dtype, pl.Boolean):
        return value
    return value.cast(pl.String)


def _with_era(value: pl.Expr, rest: str, zone: str) -> pl.Expr:
    """Postgres counts years before 1 as BC (year 0 is 1 BC) and knows no sign; Polars writes -0044 and +12000."""
    year = value.dt.year()
    digits = pl.when(year < 1).then(1 - year).otherwise(year).cast(pl.String).str.zfill(4)
    era = pl.when(year < 1).then(pl.lit(" BC")).otherwise(pl.lit(""))
    return pl.format("{}-{}{}{}", digits, value.dt.to_string(rest), pl.lit(zone), era)


def _as_array(column: pl.Series, element: pl.DataType) -> pl.Series:
    text = _as_text(pl.element(), element).cast(pl.String)
    if isinstance(element, pl.String | pl.Categorical | pl.Enum):
        text = text.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    if not (element.is_numeric() or isinstance(element, pl.Boolean)):
        text = pl.format('"{}"', text)
    values = pl.col(column.name)
    lists = values.arr.to_list() if isinstance(column.dtype, pl.Array) else values
    joined = lists.list.eval(text.fill_null("NULL")).list.join(",")
    return column.to_frame().select(pl.format("{{{}}}", joined).alias(column.name)).to_series()


def _as_json(column: pl.Series) -> pl.Series:
    # Only a struct can be encoded: the column travels as its one field, and the wrapping is cut off again.
    wrapped = column.alias("v").to_frame().select(pl.struct("v").struct.json_encode()).to_series()
    text = wrapped.str.slice(len('{"v":')).str.head(-1)
    text = text.to_frame("v").select(pl.when(column.is_not_null()).then(pl.col("v"))).to_series()
    if (row := _first(text.str.contains(_JSON_NUL))) is not None:
        raise EncodingError(f"Column {column.name!r}, row {row}: text holds the character NUL")
    read_back = from_json(text, column.dtype)
    if (row := _first(read_back.ne_missing(column))) is not None:
        raise EncodingError(
            f"Column {column.name!r}, row {row}: a value within {column.dtype} has no exact form in JSON "
            "(NaN and infinity have none)"
        )
    return text.alias(column.name)


def from_json(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Nested values from their JSON."""
    wrapped = text.alias("v").to_frame().select(pl.format('{{"v":{}}}', pl.col("v").fill_null("null")))
    return wrapped.to_series().str.json_decode(pl.Struct({"v": dtype})).struct.field("v").alias(text.name)


def _first(flags: pl.Series) -> int | None:
    """Number of the first row, from 1, where `flags` is true."""
    found = flags.fill_null(value=False).arg_true()
    return int(found[0]) + 1 if len(found) else None


def refuse_nul(frame: pl.DataFrame) -> None:
    """Postgres has no text with the character NUL in it, and would not say which column it stood in.

    Raises:
        EncodingError: names the column and the first such row.
    """
    for column in frame.iter_columns():
        for texts in _texts(column):
            if (row := _first(texts)) is not None:
                raise EncodingError(
                    f"Column {column.name!r}, row {row}: text holds the character NUL, which Postgres cannot store"
                )


def _texts(column: pl.Series) -> Iterator[pl.Series]:
    dtype = column.dtype
    if isinstance(dtype, pl.Categorical | pl.Enum):
        yield column.cast(pl.String).str.contains("\0", literal=True)
    elif isinstance(dtype, pl.String):
        yield column.str.contains("\0", literal=True)
    elif isinstance(dtype, pl.List | pl.Array) and isinstance(
        element_of(dtype), pl.String | pl.Categorical | pl.Enum
    ):
        lists = column.arr.to_list() if isinstance(dtype, pl.Array) else column
        yield lists.list.eval(pl.element().cast(pl.String).str.contains("\0", literal=True)).list.any()


def selected(column: str, postgres: str) -> str:
    """What to select so that ADBC reads the column exactly: it has no numeric, jsonb or interval of its own.

    Args:
        column: the column's name, quoted.
        postgres: its type, as the catalogue spells it.
    """
    if postgres == "interval":
        return f"(extract(epoch from {column}) * 1000000)::bigint as {column}"
    if is_read_natively(postgres):
        return column
    return f"{column}::text{'[]' if postgres.endswith('[]') else ''} as {column}"


def is_read_natively(postgres: str) -> bool:
    """True for the types, and arrays of them, that ADBC reads exactly."""
    return postgres.removesuffix("[]") in _NATIVE


_NATIVE = frozenset(
    (
        *("text", "boolean", "smallint", "integer", "bigint", "real", "double precision", "bytea"),
        *("date", "time without time zone", "timestamp without time zone", "timestamp with time zone"),
    )
)


def restored(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """A column as it was before it was written: what `selected` read, in `dtype`."""
    if column.dtype == dtype:
        return column
    if isinstance(dtype, pl.Null):
        return pl.Series(column.name, [None] * len(column), dtype=pl.Null)
    if is_nested(dtype) and isinstance(column.dtype, pl.String):
        return from_json(column, dtype)
    if isinstance(dtype, pl.Duration):
        return column.cast(pl.Duration("us")).dt.cast_time_unit(dtype.time_unit)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return column.dt.convert_time_zone(dtype.time_zone).dt.cast_time_unit(dtype.time_unit)
    if isinstance(dtype, pl.Array):
        return column.cast(pl.List(element_of(dtype))).list.to_array(dtype.size)
    return column.cast(dtype)
