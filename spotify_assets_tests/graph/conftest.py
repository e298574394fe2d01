"""The graph on a real database and a sandbox of its own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from sqlalchemy import URL, Engine, text

from spotify_assets.automation import load_albums, load_missing_albums, poll_new_releases
from spotify_assets.definitions import defs
from spotify_assets.launch.first_pass import FirstPass, Outcome
from spotify_assets.resources import Clock
from spotify_assets.sandbox.server import SandboxServer
from spotify_assets.settings import Settings
from spotify_assets.warehouse.database import create_engine

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Graph:
    """A sandbox, a migrated database and an instance, with the environment that joins them."""

    sandbox: SandboxServer
    engine: Engine
    instance: dg.DagsterInstance
    said: list[str] = field(default_factory=list)

    def run(self, job: str = load_albums.name, **tags: str) -> dg.ExecuteInProcessResult:
        """Execute a job in this process; a failed run is returned, not raised."""
        resolved = defs.resolve_job_def(job)
        return resolved.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)

    def load_range(self, start: str, end: str) -> dg.ExecuteInProcessResult:
        """Load the albums from `start` to `end` in insertion order."""
        return self.run(
            **{"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end}
        )

    def poll(self) -> list[str]:
        """Poll for new releases; returns all partitions."""
        assert self.run(poll_new_releases.name).success
        return list(self.instance.get_dynamic_partitions("album_id"))

    def load_everything(self, at: datetime | None = None) -> Outcome:
        """What `spotify-assets once` does, with `at` as the time that its assets see; the sandbox's is its own."""
        return FirstPass(self.instance, self.engine, self.said.append, clock=_clock(at)).run()

    def tick(self, at: datetime | None = None) -> list[dg.RunRequest]:
        """One evaluation of the sensor: the runs that it requests."""
        resources = {**(defs.resources or {}), "clock": _clock(at)}
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            result = load_missing_albums(context)
        assert isinstance(result, dg.SensorResult)
        return list(result.run_requests or [])

    def execute(self, request: dg.RunRequest, at: datetime | None = None) -> dg.ExecuteInProcessResult:
        """A run that was requested; one that fails is returned, not raised."""
        return defs.resolve_job_def(str(request.job_name)).execute_in_process(
            instance=self.instance,
            tags=request.tags,
            asset_selection=request.asset_selection,
            run_config={"resources": {"clock": {"config": {"fixed": at.isoformat() if at else None}}}},
            raise_on_error=False,
        )

    def rows(self, query: str, parameters: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        [(count,)] = self.rows(f"select count(*) from {table}")
        assert isinstance(count, int)
        return count

    def answered_albums(self) -> list[str]:
        """The albums that were asked for and answered, each as often as it was; samples of probes left out."""
        asked = [
            key
            for call in self.sandbox.requests
            if call.endpoint in ("albums", "albums/{id}") and call.status == 200
            for key in call.asked.split(",")
        ]
        registered = set(self.instance.get_dynamic_partitions("album_id"))
        return [key for key in asked if key in registered]

    def table(self, name: str, order_by: str) -> pl.DataFrame:
        """A whole table."""
        with self.engine.connect() as connection:
            return pl.read_database(
                f"select * from {name} order by {order_by}", connection, infer_schema_length=None
            )


StartGraph = Callable[..., Graph]


def _clock(at: datetime | None) -> Clock:
    return Clock(fixed=at.isoformat() if at else None)


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """What the failed steps of a run said."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join(f"{failure.error_display_string}" for failure in failures)


def retries(result: dg.ExecuteInProcessResult) -> int:
    """How many times a step of the run was put up for retry."""
    return sum(event.is_step_up_for_retry for event in result.all_events)


@pytest.fixture
def start_graph(
    empty_database_url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[StartGraph]:
    """Starts a graph whose sandbox has the options given."""
    monkeypatch.chdir(tmp_path)
    for setting in Settings.model_fields.values():
        monkeypatch.delenv(str(setting.validation_alias), raising=False)
    monkeypatch.setenv("SPOTIFY_SANDBOX", "1")
    monkeypatch.setenv("DATABASE_URL", empty_database_url.render_as_string(hide_password=False))
    monkeypatch.setenv("SPOTIFY_ASSETS_HOME", str(tmp_path / "home"))
    engine = create_engine(empty_database_url)
    servers: list[SandboxServer] = []

    with dg.DagsterInstance.ephemeral() as instance:

        def start(**options: Any) -> Graph:
            sandbox = SandboxServer(**{"albums": 12, "tracks_per_album": 4, **options})
            servers.append(sandbox.__enter__())
            monkeypatch.setenv("SPOTIFY_API_URL", sandbox.api_url)
            monkeypatch.setenv("SPOTIFY_ACCOUNTS_URL", sandbox.accounts_url)
            return Graph(sandbox, engine, instance)

        yield start
    for server in servers:
        server.__exit__(None, None, None)
    engine.dispose()


@pytest.fixture
def graph(start_graph: StartGraph) -> Graph:
    """A graph of twelve albums of four tracks."""
    return start_graph()
