"""Tables that nobody declared: what widens by itself, and what is refused since it would change a meaning."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import Engine, text

from spotify_assets.warehouse.catalogue import TableAddress, stored_columns
from spotify_assets.warehouse.fitting import FrameDoesNotFitError
from spotify_assets.warehouse.merging import CannotMergeError, merged
from spotify_assets.warehouse.reading import read
from spotify_assets.warehouse.writing import Partitions, replace

TABLE = TableAddress("lab", "grown")


def write(engine: Engine, frame: pl.DataFrame, *keys: str) -> None:
    partitions = Partitions("album", keys or tuple(frame.get_column("album").unique()))
    replace(engine, TABLE, frame, partitions=partitions, declared=None)


def column_type(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        return stored_columns(connection, TABLE)[name].type


@pytest.mark.parametrize(
    ("first", "second", "becomes", "expected"),
    [
        (pl.Series([1], dtype=pl.Int16), pl.Series([2**40]), "bigint", [1, 2**40]),
        (pl.Series([1]), pl.Series([2], dtype=pl.Int8), "bigint", [1, 2]),
        (pl.Series([1]), pl.Series([2**64 - 1], dtype=pl.UInt64), "numeric(39,0)", [1, 2**64 - 1]),
        (pl.Series([2**31 - 1], dtype=pl.Int32), pl.Series([0.5]), "double precision", [2**31 - 1, 0.5]),
        (pl.Series([0.5], dtype=pl.Float32), pl.Series([0.1]), "double precision", [0.5, 0.1]),
        (
            pl.Series([Decimal("1.5")], dtype=pl.Decimal(9, 1)),
            pl.Series([Decimal("1.25")], dtype=pl.Decimal(20, 2)),
            "numeric(20,2)",
            [Decimal("1.50"), Decimal("1.25")],
        ),
        (pl.Series([None], dtype=pl.Null), pl.Series([7]), "bigint", [None, 7]),
        (pl.Series([7]), pl.Series([None], dtype=pl.Null), "bigint", [7, None]),
        (pl.Series(["a"], dtype=pl.Enum(["a"])), pl.Series(["b"], dtype=pl.Enum(["b"])), "text", ["a", "b"]),
        (
            pl.Series([{"a": 1}]),
            pl.Series([{"b": "x"}]),
            "jsonb",
            [{"a": 1, "b": None}, {"a": None, "b": "x"}],
        ),
        (pl.Series([[1]], dtype=pl.List(pl.Int32)), pl.Series([[2**40]]), "bigint[]", [[1], [2**40]]),
    ],
    ids=[
        *("smallint to bigint", "bigint stays", "unsigned", "integer to double", "real to double", "decimal"),
        *("all null so far", "all null now", "enum", "struct", "list"),
    ],
)
def test_a_column_widens_and_keeps_every_value(
    engine: Engine, first: pl.Series, second: pl.Series, becomes: str, expected: list[object]
) -> None:
    write(engine, pl.DataFrame({"album": ["a"], "value": first}))
    write(engine, pl.DataFrame({"album": ["b"], "value": second}))
    assert column_type(engine, "value") == becomes
    assert read(engine, TABLE).sort("album").get_column("value").to_list() == expected


def test_a_new_column_is_added_and_a_missing_one_is_null(engine: Engine) -> None:
    write(engine, pl.DataFrame({"album": ["a"], "old": [1]}))
    write(engine, pl.DataFrame({"new": ["x"], "album": ["b"]}))
    expected = pl.DataFrame({"album": ["a", "b"], "old": [1, None], "new": [None, "x"]})
    assert_frame_equal(read(engine, TABLE).sort("album"), expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pl.Series([2**60]), pl.Series([0.5])),
        (pl.Series(["1"]), pl.Series([1])),
        (pl.Series([1]), pl.Series(["1"])),
        (pl.Series(["a"]), pl.Series([["a"]])),
        (pl.Series([0]).cast(pl.Datetime("us")), pl.Series([0]).cast(pl.Datetime("us", "UTC"))),
        (pl.Series([{"a": 1}]), pl.Series([{"a": "x"}])),
    ],
    ids=["bigint to double", "text to integer", "integer to text", "scalar to list", "zone", "struct"],
)
def test_a_column_that_would_change_its_meaning_is_refused_by_name(
    engine: Engine, first: pl.Series, second: pl.Series
) -> None:
    """Other writers round 5.5 to 6 here, or store the bits of a double as an integer."""
    frame = pl.DataFrame({"album": ["a"], "value": first})
    write(engine, frame)
    with pytest.raises(
        FrameDoesNotFitError, match=r"'value' of lab\.grown is .* alter table lab\.grown alter column"
    ):
        write(engine, pl.DataFrame({"album": ["a"], "value": second}))
    assert_frame_equal(read(engine, TABLE), frame)


def test_a_column_made_not_null_by_others_takes_nulls_when_they_come(engine: Engine) -> None:
    write(engine, pl.DataFrame({"album": ["a"], "value": [1]}))
    with engine.begin() as connection:
        connection.execute(text("alter table lab.grown alter column value set not null"))
    write(engine, pl.DataFrame({"album": ["b"], "value": pl.Series([None], dtype=pl.Int64)}))
    assert read(engine, TABLE).get_column("value").null_count() == 1


def test_a_comment_that_people_wrote_stays_above_ours(engine: Engine) -> None:
    frame = pl.DataFrame({"album": ["a"], "value": pl.Series(["x"], dtype=pl.Categorical)})
    write(engine, frame)
    with engine.begin() as connection:
        noted = connection.execute(text("select obj_description('lab.grown'::regclass)")).scalar_one()
        quoted = f"Songs, one row each.\n{noted}".replace("'", "''")
        connection.exec_driver_sql(f"comment on table lab.grown is '{quoted}'")
    write(engine, frame.with_columns(more=1))
    with engine.connect() as connection:
        comment = connection.execute(text("select obj_description('lab.grown'::regclass)")).scalar_one()
    assert comment.startswith("Songs, one row each.\n")
    assert_frame_equal(read(engine, TABLE), frame.with_columns(more=pl.lit(1, pl.Int32)))


def test_eight_writers_make_the_same_table_and_schema_at_once(engine: Engine) -> None:
    """Two `create ... if not exists` at once collide in the catalogue."""

    def add(number: int) -> None:
        frame = pl.DataFrame({"album": [str(number)], "n": [number], f"own_{number % 2}": [number]})
        write(engine, frame)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    frame = read(engine, TABLE)
    assert sorted(frame.get_column("n")) == list(range(8))
    assert set(frame.columns) == {"album", "n", "own_0", "own_1"}


def test_a_reader_in_the_way_of_an_alter_makes_it_give_up_with_the_old_rows_in_place(engine: Engine) -> None:
    """An ALTER that waits for a reader makes every later reader wait for it."""
    write(engine, pl.DataFrame({"album": ["a"], "value": [1]}))
    with engine.connect() as reader:
        reader.execute(text("select * from lab.grown"))
        with pytest.raises(Exception, match="lock timeout"):
            write(engine, pl.DataFrame({"album": ["a"], "value": [2], "more": [3]}))
    assert read(engine, TABLE).rows() == [("a", 1)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pl.Decimal(38, 0), pl.Decimal(38, 30)),
        (pl.Decimal(10, 2), pl.Float64()),
        (pl.UInt128(), pl.Int8()),
        (pl.Date(), pl.Datetime("us")),
        (pl.List(pl.String), pl.List(pl.Int64)),
    ],
)
def test_dtypes_that_no_third_one_holds_do_not_merge(ours: pl.DataType, theirs: pl.DataType) -> None:
    with pytest.raises(CannotMergeError):
        merged(ours, theirs)
