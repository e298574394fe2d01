"""Every dtype comes back as it was written, to the bit; what cannot is refused by name before anything is written."""

import datetime as dt
import struct
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sqlalchemy import Engine, text

from spotify_assets.warehouse.catalogue import TableAddress
from spotify_assets.warehouse.encoding import EncodingError
from spotify_assets.warehouse.fitting import FrameDoesNotFitError
from spotify_assets.warehouse.reading import read
from spotify_assets.warehouse.writing import Partitions, replace

TABLE = TableAddress("lab", "cases")
HARD_TEXT = [
    *(
        "",
        " ",
        "NULL",
        "null",
        "\\N",
        "\\.",
        '"',
        '""',
        "'",
        "\\",
        "a,b",
        "{a,b}",
        "tab\t",
        "a\nb",
        "a\r\nb",
        "\r",
    ),
    *("💿 été", "\u202e", "\ufeff", "e\u0301", "%s %(x)s :name $1", None),
]
INFINITE = float("inf")


def column(values: list[Any], dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    return pl.Series("value", values, dtype=dtype)


def at(text: str) -> dt.datetime:
    """A time without a zone, unless the text gives one."""
    return dt.datetime.fromisoformat(text)


def ages(*years: str) -> pl.Series:
    """Dates outside the years Python's own dates know."""
    days = {"44 BC": -735_000, "year 12000": 3_663_000, "year 1": -719_162}
    return pl.Series("value", [days[year] for year in years], dtype=pl.Int32).cast(pl.Date)


CASES: dict[str, pl.Series] = {
    "String": column(HARD_TEXT, pl.String),
    "Categorical": column(["a", "", None, "a"], pl.Categorical),
    "Enum": column(["x", None, "ü"], pl.Enum(["ü", "x", "unused"])),
    "Boolean": column([True, False, None], pl.Boolean),
    "Int8": column([-(2**7), 2**7 - 1, None], pl.Int8),
    "Int16": column([-(2**15), 2**15 - 1, None], pl.Int16),
    "Int32": column([-(2**31), 2**31 - 1, None], pl.Int32),
    "Int64": column([-(2**63), 2**63 - 1, None], pl.Int64),
    "Int128": column([-(2**127), 2**127 - 1, None], pl.Int128),
    "UInt8": column([0, 2**8 - 1, None], pl.UInt8),
    "UInt16": column([0, 2**16 - 1, None], pl.UInt16),
    "UInt32": column([0, 2**32 - 1, None], pl.UInt32),
    "UInt64": column([0, 2**64 - 1, None], pl.UInt64),
    "Float32": column([0.1, 3.4e38, 1e-45, -0.0, float("nan"), INFINITE, -INFINITE, None], pl.Float32),
    "Float64": column([0.1 + 0.2, 1.7e308, 5e-324, -0.0, float("nan"), INFINITE, -INFINITE, None], pl.Float64),
    "Decimal": column([Decimal("1.5000000001"), Decimal("-9999999999.9999999999"), None], pl.Decimal(38, 10)),
    "Date": column([dt.date(1, 1, 1), dt.date(999, 12, 31), dt.date(9999, 12, 31), None], pl.Date),
    "Date outside years 1 to 9999": ages("44 BC", "year 12000", "year 1"),
    "Datetime us": column([at("2026-01-02 03:04:05.678901"), None], pl.Datetime("us")),
    "Datetime ms": column([at("1969-12-31 23:59:59.999"), None], pl.Datetime("ms")),
    "Datetime ns": column([at("2026-01-02 03:04:05.678901"), None], pl.Datetime("ns")),
    "Datetime UTC": column([dt.datetime(2026, 1, 2, tzinfo=dt.UTC), None], pl.Datetime("us", "UTC")),
    "Datetime Bucharest": column(
        [dt.datetime(2026, 7, 2, 3, tzinfo=dt.UTC), None], pl.Datetime("ms", "Europe/Bucharest")
    ),
    "Time": column([dt.time(0), dt.time(23, 59, 59, 999_999), None], pl.Time),
    "Duration us": column([dt.timedelta(days=-1, microseconds=1), dt.timedelta(days=9999), None], pl.Duration("us")),
    "Duration ms": column([dt.timedelta(milliseconds=1500), None], pl.Duration("ms")),
    "Binary": column([b"", b"\x00\xff\\'\"\n", None], pl.Binary),
    "List of String": column([HARD_TEXT, [], [None], None], pl.List(pl.String)),
    "List of Int64": column([[1, None, -(2**63)], [], None], pl.List(pl.Int64)),
    "List of UInt64": column([[2**64 - 1, None], [], None], pl.List(pl.UInt64)),
    "List of Float64": column([[0.1 + 0.2, float("nan"), -INFINITE, None], None], pl.List(pl.Float64)),
    "List of Boolean": column([[True, None, False], None], pl.List(pl.Boolean)),
    "List of Date": column([[dt.date(2026, 1, 2), None], [], None], pl.List(pl.Date)),
    "List of Datetime": column([[at("2026-01-02 03:00:00+00:00"), None], None], pl.List(pl.Datetime("us", "UTC"))),
    "Array": column([[1.5, None], [2.5, 3.5], None], pl.Array(pl.Float64, 2)),
    "List of List": column([[[1], [2, 3], None, []], [], None], pl.List(pl.List(pl.Int64))),
    "Struct": column(
        [{"n": 1, "d": dt.date(2026, 1, 2), "t": 'a"\\\n💿'}, {"n": None, "d": None, "t": None}, None],
        pl.Struct({"n": pl.Int64, "d": pl.Date, "t": pl.String}),
    ),
    "List of Struct": column(
        [[{"id": "x", "n": 2**63 - 1}, None], [], None], pl.List(pl.Struct({"id": pl.String, "n": pl.Int64}))
    ),
    "Null": column([None, None], pl.Null),
}  # fmt: skip


def write(engine: Engine, frame: pl.DataFrame) -> None:
    replace(engine, TABLE, frame, partitions=None, declared=None)


@pytest.mark.parametrize("values", CASES.values(), ids=CASES.keys())
def test_a_dtype_comes_back_as_it_was_written_with_and_without_rows(
    engine: Engine, values: pl.Series
) -> None:
    # row_number keeps the order: a table has none.
    frame = values.to_frame().with_row_index("row_number")
    write(engine, frame)
    assert_frame_equal(read(engine, TABLE).sort("row_number"), frame, check_exact=True)
    # Partitions are read through another protocol of the driver.
    some = Partitions("row_number", ("0", "1"))
    expected = frame.filter(pl.col("row_number") < 2)
    assert_frame_equal(read(engine, TABLE, partitions=some).sort("row_number"), expected, check_exact=True)
    write(engine, frame.clear())
    assert_frame_equal(read(engine, TABLE), frame.clear(), check_exact=True)


def test_a_table_of_one_column_keeps_its_null_rows(engine: Engine) -> None:
    """The row of such a null is an empty line."""
    frame = pl.DataFrame({"value": ["", None, "x", None]})
    write(engine, frame)
    assert sorted(map(repr, read(engine, TABLE).to_series())) == sorted(map(repr, frame.to_series()))


def test_difficult_column_names_are_kept(engine: Engine) -> None:
    names = [
        'a"b',
        "a'b",
        "100%",
        "%s",
        "%(x)s",
        "a.b",
        ":name",
        "a,b",
        "(a)",
        " ",
        "UPPER",
        "select",
        "ü",
        "$1",
        "a\\b",
    ]
    frame = pl.DataFrame({name: [number] for number, name in enumerate(names)})
    write(engine, frame)
    assert_frame_equal(read(engine, TABLE), frame)
    assert_frame_equal(read(engine, TABLE, columns=["%s", 'a"b']), frame.select("%s", 'a"b'))


def test_frames_of_several_slices_arrive_whole(engine: Engine) -> None:
    frame = pl.DataFrame({"n": range(45_000)})
    write(engine, frame)
    assert_frame_equal(read(engine, TABLE).sort("n"), frame)


def test_text_of_fifty_megabytes_comes_back(engine: Engine) -> None:
    frame = pl.DataFrame({"value": ["é" * 25_000_000]})
    write(engine, frame)
    assert read(engine, TABLE).item() == frame.item()


def test_nanoseconds_are_cut_to_the_microseconds_postgres_has(engine: Engine) -> None:
    write(engine, pl.DataFrame({"t": pl.Series([1_999], dtype=pl.Int64).cast(pl.Datetime("ns"))}))
    assert read(engine, TABLE).get_column("t").cast(pl.Int64).item() == 1_000


@pytest.mark.parametrize(
    "values",
    [
        column(["a", "b\0c"], pl.String),
        column(["a", "b\0c"], pl.Categorical),
        column([["a"], ["x", "b\0c"]], pl.List(pl.String)),
        column([{"t": "a"}, {"t": "\\\\b\0c"}], pl.Struct({"t": pl.String})),
    ],
    ids=["String", "Categorical", "List", "Struct"],
)
def test_nul_in_text_is_refused_with_column_and_row(engine: Engine, values: pl.Series) -> None:
    with pytest.raises(EncodingError, match="'value', row 2: text holds the character NUL"):
        write(engine, values.to_frame())


def test_text_that_only_looks_like_an_escaped_nul_is_kept(engine: Engine) -> None:
    frame = pl.DataFrame({"value": [{"t": "\\u0000"}]})
    write(engine, frame)
    assert_frame_equal(read(engine, TABLE), frame)


def test_nan_within_a_struct_is_refused_since_json_would_make_it_null(engine: Engine) -> None:
    with pytest.raises(EncodingError, match="'value', row 2"):
        write(engine, pl.DataFrame({"value": [{"x": 1.0}, {"x": float("nan")}]}))


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (pl.DataFrame({"value": [object()]}), "'value'.*Object"),
        (pl.DataFrame({"value": [[b"x"]]}), "'value'.*Binary"),
        (pl.DataFrame({"value": [{"d": dt.timedelta(1)}]}), "'value'.*Duration"),
        (pl.DataFrame(), "no columns"),
        (pl.DataFrame({"": [1]}), "1 to 63 bytes"),
        (pl.DataFrame({"é" * 32: [1]}), "1 to 63 bytes"),
    ],
    ids=["Object", "List of Binary", "Struct of Duration", "no columns", "empty name", "long name"],
)
def test_what_no_table_can_hold_is_refused_by_name(
    engine: Engine, frame: pl.DataFrame, complaint: str
) -> None:
    with pytest.raises(FrameDoesNotFitError, match=complaint):
        write(engine, frame)
    with engine.connect() as connection:
        assert connection.execute(text("select to_regclass('lab.cases')")).scalar_one() is None


def test_types_of_other_programs_are_read_without_a_crash(engine: Engine) -> None:
    """The driver has no numeric, uuid, json or interval of its own; Polars would panic on the last."""
    with engine.begin() as connection:
        connection.execute(text("create schema lab"))
        connection.execute(
            text(
                "create table lab.cases as select 1.50::numeric(10, 2) as price, 1.23456789::numeric as free, "
                "'{\"a\": 1}'::jsonb as doc, '1 day'::interval as span, "
                "'00000000-0000-0000-0000-000000000001'::uuid as id, 'x'::varchar(5) as code, '1.2.3.4'::inet as ip, "
                "'2026-01-02 03:04:05'::timestamp(0) as at, array[1.5, null]::numeric(3, 1)[] as prices"
            )
        )
    assert read(engine, TABLE).row(0, named=True) == {
        "price": Decimal("1.50"),
        "free": "1.23456789",
        "doc": '{"a": 1}',
        "span": dt.timedelta(days=1),
        "id": "00000000-0000-0000-0000-000000000001",
        "code": "x",
        "ip": "1.2.3.4/32",
        "at": at("2026-01-02 03:04:05"),
        "prices": [Decimal("1.5"), None],
    }


SAFE_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.none() | SAFE_TEXT, min_size=50, max_size=50),
    lists=st.lists(st.none() | st.lists(st.none() | SAFE_TEXT, max_size=5), min_size=50, max_size=50),
    numbers=st.lists(st.none() | BITS, min_size=50, max_size=50),
)
def test_any_text_list_and_double_comes_back(
    engine: Engine, texts: list[Any], lists: list[Any], numbers: list[Any]
) -> None:
    frame = pl.DataFrame(
        {"row_number": range(50), "text": texts, "list": lists, "number": numbers},
        schema_overrides={"text": pl.String, "list": pl.List(pl.String), "number": pl.Float64},
    )
    write(engine, frame)
    assert_frame_equal(read(engine, TABLE).sort("row_number"), frame, check_exact=True)
