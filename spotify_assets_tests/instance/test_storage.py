"""Dagster's storage on the warehouse: the same events as the stock storage writes, in fewer statements."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.base_storage import DagsterStorage
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from sqlalchemy import URL, Engine, event, text

from spotify_assets.instance import storage
from spotify_assets.instance.storage import PooledEventLogStorage, WarehouseDagsterStorage
from spotify_assets.warehouse.database import MigrationError, dagster_storage_url

ALBUMS = [f"album{number}" for number in range(40)]
album_id = dg.DynamicPartitionsDefinition(name="album_id")
SINGLE_RUN = dg.BackfillPolicy.single_run()


@dg.asset(partitions_def=album_id, backfill_policy=SINGLE_RUN, tags={"kept": "yes"})
def first() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 3})


@dg.asset(partitions_def=album_id, backfill_policy=SINGLE_RUN, deps=[first])
def second() -> None: ...


@dg.asset(deps=[second])
def mart() -> None: ...


@dg.asset_check(asset=mart)
def mart_is_good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


defs = dg.Definitions(
    assets=[first, second, mart],
    asset_checks=[mart_is_good],
    jobs=[dg.define_asset_job("load", selection="*")],
)


@contextmanager
def instance_on(chosen: DagsterStorage, folder: Path) -> Iterator[dg.DagsterInstance]:
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        instance._run_storage = chosen.run_storage
        instance._event_storage = chosen.event_log_storage
        for attached in (chosen.run_storage, chosen.event_log_storage):
            attached.register_instance(instance)
        yield instance


def run_over_all_albums(chosen: DagsterStorage, folder: Path) -> str:
    with instance_on(chosen, folder) as instance:
        instance.add_dynamic_partitions("album_id", ALBUMS)
        result = defs.resolve_job_def("load").execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": ALBUMS[0],
                "dagster/asset_partition_range_end": ALBUMS[-1],
            },
        )
        assert result.success
        for asset in (first, second):
            assert instance.get_materialized_partitions(asset.key) == set(ALBUMS)
        assert instance.get_latest_materialization_event(mart.key) is not None
        return result.run_id


@pytest.fixture
def ours(empty_database_url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WarehouseDagsterStorage:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", empty_database_url.render_as_string(hide_password=False))
    return WarehouseDagsterStorage.from_config_value(None, {})


@pytest.fixture
def stock(bare_database_url: URL) -> DagsterPostgresStorage:
    url = bare_database_url.set(drivername="postgresql+psycopg2")
    return DagsterPostgresStorage(url.render_as_string(hide_password=False))


def stored(chosen: DagsterStorage, table: str, columns: str) -> Counter[tuple[object, ...]]:
    assert isinstance(chosen.event_log_storage, PostgresEventLogStorage)
    with chosen.event_log_storage.index_connection() as connection:
        return Counter(tuple(row) for row in connection.execute(text(f"select {columns} from {table}")))


@pytest.mark.parametrize("batch_size", ["0", "7", "1000"])
def test_the_same_rows_are_written_as_by_the_stock_storage(
    ours: WarehouseDagsterStorage,
    stock: DagsterPostgresStorage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: str,
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    run_over_all_albums(stock, tmp_path / "stock")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch_size)
    run_id = run_over_all_albums(ours, tmp_path / "ours")

    for table, columns in [
        ("event_logs", "dagster_event_type, asset_key, partition, step_key"),
        ("asset_event_tags", "asset_key, key"),
        (
            "asset_keys",
            "asset_key, last_materialization is not null, last_materialization_timestamp is not null",
        ),
        ("asset_check_executions", "asset_key, check_name, execution_status"),
    ]:
        assert stored(ours, table, columns) == stored(stock, table, columns), table
    assert stored(ours, "asset_keys", "last_run_id") == Counter({(run_id,): 3})


def test_planned_events_of_a_range_go_in_as_one_statement(
    ours: WarehouseDagsterStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock writes each by itself, each over connections of its own: 75 ms were measured per asset and partition."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    assert isinstance(ours.event_log_storage, PooledEventLogStorage)
    inserts: list[str] = []
    connects: list[object] = []
    event.listen(
        ours.event_log_storage._engine,
        "before_cursor_execute",
        lambda *call: inserts.append(call[2]) if "INSERT INTO event_logs" in call[2] else None,
    )
    event.listen(ours.event_log_storage._engine, "connect", lambda *_: connects.append(_))
    run_over_all_albums(ours, tmp_path / "ours")
    planned = [insert for insert in inserts if insert.count("(%(") > len(ALBUMS)]
    assert len(planned) == 1, "both assets' planned events together"
    assert len(inserts) < len(ALBUMS)
    assert len(connects) <= 4


def test_another_dagster_release_gets_its_stock_storage_and_is_told(
    ours: WarehouseDagsterStorage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(storage, "TESTED_DAGSTER", "0.0.0")
    with caplog.at_level(logging.WARNING):
        fallback = WarehouseDagsterStorage.from_config_value(None, {})
    assert type(fallback.event_log_storage) is PostgresEventLogStorage
    assert "stock event log" in caplog.text
    assert ours.event_log_storage is not fallback.event_log_storage
    run_over_all_albums(fallback, tmp_path / "fallback")


def test_dagsters_tables_lie_in_a_schema_of_their_own(ours: WarehouseDagsterStorage, engine: Engine) -> None:
    assert stored(ours, "event_logs", "id") == Counter()
    with engine.connect() as connection:
        schemas = connection.execute(
            text(
                "select distinct schemaname from pg_tables where tablename in ('event_logs', 'runs', 'jobs')"
            )
        ).scalars()
        assert list(schemas) == ["dagster"]


def test_a_database_that_was_never_migrated_is_refused_with_what_to_run(
    bare_database_url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", bare_database_url.render_as_string(hide_password=False))
    with pytest.raises(MigrationError, match="spotify-assets database migrate"):
        WarehouseDagsterStorage.from_config_value(None, {})


def test_the_stock_url_is_not_what_the_storage_uses(empty_database_url: URL) -> None:
    """SQLAlchemy 2.1 takes postgresql:// for psycopg 3, on which Dagster's NOTIFY statement fails."""
    url = dagster_storage_url(empty_database_url)
    assert url.drivername == "postgresql+psycopg2"
    assert "search_path=dagster" in str(url.query["options"])
