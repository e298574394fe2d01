"""The IO manager in real Dagster runs on a real Postgres."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import URL, Engine, text

from spotify_assets.warehouse.io_manager import PostgresIOManager
from spotify_assets.warehouse.resource import WarehouseDatabase

ALBUMS = dg.DynamicPartitionsDefinition(name="album")
BY_ALBUM = {"partition_expr": "album_id"}


def io_manager(url: URL) -> PostgresIOManager:
    """As a user with nothing but a URL makes it."""
    return PostgresIOManager(database=WarehouseDatabase(url=url.render_as_string(hide_password=False)))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("album", ["d", "b", "a", "c"])
        yield instance


@pytest.fixture
def run(instance: dg.DagsterInstance, empty_database_url: URL) -> Callable[..., dg.ExecuteInProcessResult]:
    def run(
        *assets: dg.AssetsDefinition, span: tuple[str, str] | None = None, **options: Any
    ) -> dg.ExecuteInProcessResult:
        tags = (
            {"dagster/asset_partition_range_start": span[0], "dagster/asset_partition_range_end": span[1]}
            if span
            else {}
        )
        return dg.materialize(
            assets,
            instance=instance,
            resources={"io_manager": io_manager(empty_database_url)},
            tags=tags,
            **options,
        )

    return run


Run = Callable[..., dg.ExecuteInProcessResult]


def songs(rows: Callable[[list[str]], pl.DataFrame], key: list[str] | None = None) -> dg.AssetsDefinition:
    @dg.asset(key=key or ["music", "songs"], partitions_def=ALBUMS, metadata=BY_ALBUM)
    def asset(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return rows(list(context.partition_keys))

    return asset


def two_songs_each(version: int) -> Callable[[list[str]], pl.DataFrame]:
    return lambda keys: pl.DataFrame(
        {
            "album_id": [key for key in keys for _ in range(2)],
            "song": [f"{key}{number}" for key in keys for number in range(2)],
            "version": [version] * 2 * len(keys),
        }
    )


def stored(
    engine: Engine, query: str = "select album_id, song, version from music.songs order by 1, 2, 3"
) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a_range_run_replaces_its_partitions_and_leaves_the_others_untouched(
    run: Run, engine: Engine
) -> None:
    run(songs(two_songs_each(1)), span=("d", "c"))
    run(songs(two_songs_each(2)), span=("b", "a"))
    run(songs(two_songs_each(2)), span=("b", "a"))
    assert stored(engine) == [
        (key, f"{key}{number}", version)
        for key, version in (("a", 2), ("b", 2), ("c", 1), ("d", 1))
        for number in range(2)
    ]


def test_a_single_partition_run_writes_that_partition(run: Run, engine: Engine) -> None:
    run(songs(two_songs_each(1)), partition_key="c")
    assert {row[0] for row in stored(engine)} == {"c"}


def test_an_album_that_lost_its_tracks_becomes_empty(run: Run, engine: Engine) -> None:
    """Deleting by the keys in the frame, not of the run, would leave the old rows of such an album."""
    run(songs(two_songs_each(1)), span=("d", "c"))
    run(songs(lambda keys: two_songs_each(2)(keys[:1])), span=("d", "a"))
    assert {(row[0], row[2]) for row in stored(engine)} == {("d", 2), ("c", 1)}


def test_no_rows_at_all_empty_the_partitions_of_the_run(run: Run, engine: Engine) -> None:
    run(songs(two_songs_each(1)), span=("d", "c"))
    result = run(songs(lambda keys: two_songs_each(2)(keys).clear()), span=("d", "b"))
    assert {row[0] for row in stored(engine)} == {"a", "c"}
    assert result.asset_materializations_for_node("music__songs")[0].metadata["rows_in_run"].value == 0


def test_rows_of_a_partition_outside_the_run_are_refused_by_name(run: Run, engine: Engine) -> None:
    run(songs(two_songs_each(1)), span=("d", "c"))
    with pytest.raises(dg.Failure, match=r"does not write: album_id 'zz'.*nothing was written"):
        run(songs(lambda keys: two_songs_each(2)([*keys, "zz"])), span=("d", "b"))
    assert {row[2] for row in stored(engine)} == {1}


def test_rows_without_a_partition_are_refused(run: Run) -> None:
    with pytest.raises(dg.Failure, match="does not write: album_id None"):
        run(songs(lambda _: pl.DataFrame({"album_id": [None], "song": ["x"]})), partition_key="a")


def test_a_reversed_range_is_refused_where_dagster_would_report_a_success(run: Run, engine: Engine) -> None:
    """The end of the range was added before its start: Dagster gives no keys at all, and no error."""
    with pytest.raises(dg.Failure, match="has no partitions"):
        run(songs(lambda _: two_songs_each(1)(["a"]).clear()), span=("c", "d"))
    assert stored(engine, "select to_regclass('music.songs')") == [(None,)]


def test_a_partitioned_asset_without_partition_expr_is_refused_with_what_to_write(run: Run) -> None:
    @dg.asset(partitions_def=ALBUMS)
    def bare() -> pl.DataFrame:
        return pl.DataFrame({"album_id": ["a"]})

    with pytest.raises(dg.Failure, match="partition_expr"):
        run(bare, partition_key="a")


def test_an_unpartitioned_asset_replaces_its_whole_table(run: Run, engine: Engine) -> None:
    sizes = iter([3, 1])

    @dg.asset(key_prefix=["music"])
    def charts() -> pl.DataFrame:
        return pl.DataFrame({"place": range(next(sizes))})

    run(charts)
    result = run(charts)
    assert stored(engine, "select * from music.charts") == [(0,)]
    metadata = result.asset_materializations_for_node("music__charts")[0].metadata
    assert metadata["dagster/row_count"].value == 1
    assert metadata["dagster/table_name"].value == "music.charts"
    assert metadata["bytes"].value == 2
    assert metadata["sample"].value == "| place |\n| --- |\n| 0 |"
    schema = metadata["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert [(column.name, column.type) for column in schema.columns] == [("place", "bigint")]


def test_a_key_of_one_part_lives_in_schema_public(run: Run, engine: Engine) -> None:
    @dg.asset
    def lone() -> pl.LazyFrame:
        return pl.LazyFrame({"n": [1]})

    run(lone)
    assert stored(engine, "select n from public.lone") == [(1,)]


def test_something_else_than_a_frame_is_refused_by_its_type(run: Run) -> None:
    @dg.asset
    def wrong() -> list[int]:
        return [1]

    with pytest.raises(dg.Failure, match=r"wrong returned list: .*polars\.DataFrame"):
        run(wrong)


def test_an_input_holds_the_runs_partitions_only_in_the_columns_asked_for(run: Run) -> None:
    """`asset_partition_keys` comes in the order of a set; the rows must not depend on it."""
    seen: list[pl.DataFrame] = []

    @dg.asset(
        partitions_def=ALBUMS,
        metadata=BY_ALBUM,
        ins={"upstream": dg.AssetIn(key=["music", "songs"], metadata={"columns": ["song", "album_id"]})},
    )
    def longer(upstream: pl.DataFrame) -> pl.DataFrame:
        seen.append(upstream)
        return upstream

    run(songs(two_songs_each(1)), span=("d", "c"))
    run(songs(two_songs_each(1)), longer, span=("b", "a"), selection=[longer])
    assert seen[0].sort("song").rows() == [("a0", "a"), ("a1", "a"), ("b0", "b"), ("b1", "b")]
    assert seen[0].columns == ["song", "album_id"]


def test_a_mart_that_takes_a_partitioned_asset_whole_sends_no_list_of_keys(
    run: Run, instance: dg.DagsterInstance, engine: Engine
) -> None:
    """Ten thousand keys would make a statement of 260 kB. Seen from a row no key of today names."""
    seen: list[pl.LazyFrame] = []

    @dg.asset(ins={"upstream": dg.AssetIn(key=["music", "songs"])})
    def mart(upstream: pl.LazyFrame) -> pl.DataFrame:
        seen.append(upstream)
        return upstream.collect()

    run(songs(two_songs_each(1)), span=("d", "c"))
    instance.delete_dynamic_partition("album", "c")
    run(songs(two_songs_each(1)), mart, selection=[mart])
    assert isinstance(seen[0], pl.LazyFrame)
    assert seen[0].collect().get_column("album_id").n_unique() == 4
    assert len(stored(engine, "select * from public.mart")) == 8


def test_an_input_without_rows_is_empty_and_typed(run: Run) -> None:
    seen: list[pl.DataFrame] = []

    @dg.asset(partitions_def=ALBUMS, metadata=BY_ALBUM, ins={"upstream": dg.AssetIn(key=["music", "songs"])})
    def longer(upstream: pl.DataFrame) -> pl.DataFrame:
        seen.append(upstream)
        return upstream

    run(songs(two_songs_each(1)), partition_key="d")
    run(songs(two_songs_each(1)), longer, partition_key="a", selection=[longer])
    assert_frame_equal(seen[0], two_songs_each(1)(["a"]).clear())


def test_an_input_that_was_never_materialized_says_so(run: Run) -> None:
    @dg.asset(partitions_def=ALBUMS, metadata=BY_ALBUM, ins={"upstream": dg.AssetIn(key=["music", "songs"])})
    def longer(upstream: pl.DataFrame) -> pl.DataFrame:
        return upstream

    with pytest.raises(dg.Failure, match=r"no table music\.songs yet"):
        run(songs(two_songs_each(1)), longer, partition_key="a", selection=[longer])


def details(album: str, **changed: Any) -> pl.DataFrame:
    row = {"album_id": album, "track_id": f"{album}-1", "popularity": 40, "isrc": None, **changed}
    frame = pl.DataFrame([row], schema_overrides={"popularity": pl.Int64, "isrc": pl.String})
    return frame.with_columns(fetched_at=pl.lit("2026-01-02").str.to_datetime(time_zone="UTC"))


def test_a_declared_table_is_filled_and_comes_back_in_its_own_types(run: Run, engine: Engine) -> None:
    """Wider integers are fine as long as the values fit; the column schema is not repeated on every event."""
    asset = songs(lambda keys: pl.concat(details(key) for key in keys), ["spotify", "track_details"])
    result = run(asset, span=("d", "a"))
    metadata = result.asset_materializations_for_node("spotify__track_details")[0].metadata
    assert "dagster/column_schema" not in metadata
    assert metadata["rows_in_run"].value == 3
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from spotify.track_details")).scalar_one() == 3


def test_a_frame_that_does_not_fit_is_refused_with_everything_that_is_wrong(run: Run, engine: Engine) -> None:
    frame = details("a", popularity=70_000, isrc=5, extra=True).with_columns(track_id=pl.lit(None, pl.String))
    asset = songs(lambda _: frame.drop("fetched_at").cast({"isrc": pl.Int64}), ["spotify", "track_details"])
    with pytest.raises(dg.Failure, match="does not fit") as caught:
        run(asset, partition_key="a")
    message = str(caught.value)
    assert "column 'extra' (Boolean): spotify.track_details has no such column" in message
    assert "column 'track_id' has 1 null(s), first in row 1: expected text not null" in message
    assert (
        "column 'popularity' is Int64: expected smallint, and the values 70000 to 70000 do not fit" in message
    )
    assert "column 'isrc' is Int64: expected text" in message
    assert "column 'fetched_at' is missing: expected timestamp with time zone not null" in message
    assert stored(engine, "select count(*) from spotify.track_details") == [(0,)]


def test_rows_that_share_a_key_are_refused_with_an_example(run: Run) -> None:
    frame = pl.concat([details("a"), details("a", popularity=1)])
    asset = songs(lambda _: frame, ["spotify", "track_details"])
    with pytest.raises(dg.Failure, match="2 rows share their key"):
        run(asset, partition_key="a")


def test_no_error_and_no_repr_shows_the_password(empty_database_url: URL) -> None:
    password = empty_database_url.password
    assert password
    manager = io_manager(empty_database_url.set(database="nowhere"))
    assert password not in repr(manager)
    with pytest.raises(Exception, match="nowhere") as caught:
        manager.load_input(dg.build_input_context(asset_key=dg.AssetKey(["music", "songs"])))
    assert password not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_one_partition_of_an_asset_can_be_loaded_outside_a_run(
    run: Run, instance: dg.DagsterInstance, empty_database_url: URL
) -> None:
    asset = songs(two_songs_each(1))
    run(asset, span=("d", "c"))
    definitions = dg.Definitions(assets=[asset], resources={"io_manager": io_manager(empty_database_url)})
    frame = definitions.load_asset_value(
        ["music", "songs"], python_type=pl.DataFrame, partition_key="b", instance=instance
    )
    assert isinstance(frame, pl.DataFrame)
    assert_frame_equal(frame.sort("song"), two_songs_each(1)(["b"]))


def test_a_value_that_the_table_forbids_leaves_the_old_rows(run: Run, engine: Engine) -> None:
    popularity = iter([40, 101])
    asset = songs(lambda _: details("a", popularity=next(popularity)), ["spotify", "track_details"])
    run(asset, partition_key="a")
    with pytest.raises(Exception, match="track_details_popularity_check"):
        run(asset, partition_key="a")
    assert stored(engine, "select popularity from spotify.track_details") == [(40,)]


def test_columns_of_a_declared_table_that_the_frame_leaves_out_are_named_in_the_metadata(run: Run) -> None:
    asset = songs(lambda _: details("a").drop("isrc"), ["spotify", "track_details"])
    result = run(asset, partition_key="a")
    metadata = result.asset_materializations_for_node("spotify__track_details")[0].metadata
    assert metadata["columns left null"].value == "isrc"


def test_partitions_may_be_days_in_a_date_column(run: Run, engine: Engine) -> None:
    """The key is text, the column a date: compared in the column's type, so that its index serves."""

    @dg.asset(
        key_prefix=["music"],
        partitions_def=dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-05"),
        metadata={"partition_expr": "day"},
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def plays(context: dg.AssetExecutionContext) -> pl.DataFrame:
        days = pl.Series("day", list(context.partition_keys)).str.to_date()
        return pl.DataFrame({"day": days, "run": [context.run.run_id] * len(days)})

    first = run(plays, span=("2026-01-01", "2026-01-03"))
    second = run(plays, span=("2026-01-02", "2026-01-02"))
    runs = [row[0] for row in stored(engine, "select run from music.plays order by day")]
    assert runs == [first.run_id, second.run_id, first.run_id]


def events_of(result: dg.ExecuteInProcessResult) -> list[dict[str, Any]]:
    events = result.asset_materializations_for_node("music__songs")
    return [{name: value.value for name, value in event.metadata.items()} for event in events]


def test_the_events_of_a_range_show_no_rows_of_another_partition_and_say_that_totals_are_the_runs(
    run: Run,
) -> None:
    """Dagster repeats an output's metadata on the event of each partition."""
    events = events_of(run(songs(two_songs_each(1)), span=("d", "a")))
    assert len(events) == 3
    for event in events:
        assert event["rows_in_run"] == 6
        assert set(event) == {
            *("rows_in_run", "bytes_in_run", "seconds_in_run"),
            *("dagster/table_name", "dagster/column_schema"),
        }


@pytest.mark.parametrize("options", [{"partition_key": "b"}, {"span": ("b", "b")}], ids=["key", "range"])
def test_the_event_of_one_partition_has_its_row_count_and_a_sample(run: Run, options: dict[str, Any]) -> None:
    [event] = events_of(run(songs(two_songs_each(1)), **options))
    assert event["dagster/partition_row_count"] == 2
    assert event["sample"].splitlines()[2] == "| b | b0 | 1 |"


def twice_retried(
    rows: Callable[[], object], metadata: dict[str, str]
) -> tuple[dg.AssetsDefinition, list[object]]:
    """An asset that a RetryPolicy repeats, and the outputs it has made so far."""
    made: list[object] = []

    @dg.asset(
        key=["spotify", "track_details"],
        partitions_def=ALBUMS,
        metadata=metadata,
        retry_policy=dg.RetryPolicy(max_retries=2),
    )
    def asset() -> Any:
        made.append(rows())
        return made[-1]

    return asset, made


@pytest.mark.parametrize(
    ("rows", "metadata", "cause"),
    [
        (lambda: details("a", popularity=70_000), BY_ALBUM, "FrameDoesNotFitError"),
        (lambda: details("a", isrc="x\0y"), BY_ALBUM, "EncodingError"),
        (lambda: [1], BY_ALBUM, "TypeError"),
        (lambda: details("a"), {}, "DagsterInvalidDefinitionError"),
    ],
    ids=["misfit", "NUL", "no frame", "no partition_expr"],
)
def test_what_can_never_be_written_is_not_tried_again(
    run: Run, rows: Callable[[], object], metadata: dict[str, str], cause: str
) -> None:
    """Each retry repeats the step's API calls, and the events of the outputs before this one."""
    asset, made = twice_retried(rows, metadata)
    result = run(asset, partition_key="a", raise_on_error=False)
    assert not result.success
    assert len(made) == 1
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.error is not None
    assert failure.error.cause is not None
    assert failure.error.cause.cls_name == cause


def test_an_input_that_is_not_there_is_not_asked_for_again(run: Run) -> None:
    @dg.asset(
        ins={"upstream": dg.AssetIn(key=["music", "songs"])}, retry_policy=dg.RetryPolicy(max_retries=2)
    )
    def longer(upstream: pl.DataFrame) -> pl.DataFrame:
        return upstream

    result = run(songs(two_songs_each(1)), longer, selection=[longer], raise_on_error=False)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_an_output_whose_connection_was_lost_is_written_by_the_retry(run: Run, engine: Engine) -> None:
    """The server ends the session in the midst of the first write, and of that alone."""
    with engine.begin() as connection:
        connection.execute(text("create sequence writes"))
        connection.execute(
            text(
                "create function cut_the_first() returns trigger language plpgsql as $$ begin "
                "if nextval('writes') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if; "
                "return null; end $$"
            )
        )
        connection.execute(
            text(
                "create trigger cut before insert on spotify.track_details "
                "for each statement execute function cut_the_first()"
            )
        )
    asset, made = twice_retried(lambda: details("a"), BY_ALBUM)
    assert run(asset, partition_key="a").success
    assert len(made) == 2
    assert stored(engine, "select count(*) from spotify.track_details") == [(1,)]
