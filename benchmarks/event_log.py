"""What Dagster's event log costs a run of 1,000 albums: stock storage, and ours (pooled and batched).

A job of four partitioned assets that do nothing, over a range of 1,000 partitions, so that events are all there is.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from spotify_assets.warehouse.database import migrate, normalise_url
from spotify_assets.warehouse.embedded import EmbeddedPostgres

PARTITIONS = 1000
ASSETS = 4


def run() -> str:
    """Measure both storages and return the report as Markdown."""
    stock = _measure("stock", batch_size="0")
    ours = _measure("ours", batch_size="1000")
    per_stock, per_ours = (1000 * seconds / (PARTITIONS * ASSETS) for seconds in (stock, ours))
    return f"""## Dagster's event log: {ASSETS} assets over {PARTITIONS:,} partitions in one run

Assets that do nothing, on Postgres; one run each, one after the other.

| | seconds | ms per asset and partition | ratio |
|---|---|---|---|
| stock storage | {stock:.1f} | {per_stock:.1f} | {stock / ours:.1f} |
| pooled and batched (`spotify_assets/instance/storage.py`) | {ours:.1f} | {per_ours:.1f} | 1 |
"""


def _measure(storage: str, batch_size: str) -> float:
    print(f"  event log, {storage} storage", flush=True)
    with tempfile.TemporaryDirectory(prefix="spotify-assets-bench-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            address = server.start()
            url = f"postgresql://{address.user}:{address.password}@{address.host}:{address.port}/{address.database}"
            migrate(normalise_url(url))
            environ = {**os.environ, "DATABASE_URL": url, "DAGSTER_EVENT_BATCH_SIZE": batch_size}
            command = [sys.executable, "-m", "benchmarks.event_log", storage]
            ended = subprocess.run(
                command,
                env=environ,
                check=True,
                text=True,
                stdout=subprocess.PIPE,
                cwd=Path(__file__).parents[1],
            )
    return float(json.loads(ended.stdout.splitlines()[-1]))


def _run_job(storage: str) -> float:
    import dagster as dg
    from dagster_postgres import DagsterPostgresStorage

    warnings.filterwarnings("ignore", category=dg.BetaWarning)

    from spotify_assets.instance.storage import WarehouseDagsterStorage
    from spotify_assets.warehouse.database import dagster_storage_url

    album_id = dg.DynamicPartitionsDefinition(name="album_id")

    def nothing(name: str) -> dg.AssetsDefinition:
        @dg.asset(name=name, partitions_def=album_id, backfill_policy=dg.BackfillPolicy.single_run())
        def asset() -> None: ...

        return asset

    job = dg.define_asset_job("job", selection=dg.AssetSelection.all())
    defs = dg.Definitions(assets=[nothing(f"asset_{number}") for number in range(ASSETS)], jobs=[job])
    if storage == "stock":
        url = dagster_storage_url(os.environ["DATABASE_URL"]).render_as_string(hide_password=False)
        chosen = DagsterPostgresStorage(url)
    else:
        chosen = WarehouseDagsterStorage.from_config_value(None, {})
    with tempfile.TemporaryDirectory() as folder:
        instance = dg.DagsterInstance.local_temp(folder)
        instance._run_storage = chosen.run_storage
        instance._event_storage = chosen.event_log_storage
        for attached in (chosen.run_storage, chosen.event_log_storage):
            attached.register_instance(instance)
        keys = [f"album{number:04}" for number in range(PARTITIONS)]
        instance.add_dynamic_partitions("album_id", keys)
        tags = {
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        }
        started = time.perf_counter()
        result = defs.resolve_job_def("job").execute_in_process(
            instance=instance,
            tags=tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        seconds = time.perf_counter() - started
        assert result.success  # noqa: S101 -- a run that failed has no time to report
        assert len(instance.get_materialized_partitions(dg.AssetKey("asset_0"))) == PARTITIONS  # noqa: S101 -- same
    return seconds


if __name__ == "__main__":
    print(json.dumps(_run_job(sys.argv[1])))
