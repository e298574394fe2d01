"""`spotify-assets up`: the UI, the daemon with its sensor, and how they end."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest

from spotify_assets.sandbox.server import SandboxServer
from spotify_assets_tests.processes.conftest import Clone, interrupt, make_clone

# One served system for all tests of this file: `make test` keeps the tests of a file on one worker.
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "spotify_assets"}


@dataclass
class Served:
    """A running `up` and the clock of its sandbox."""

    clone: Clone
    sandbox: SandboxServer
    clock: dict[str, datetime]
    process: subprocess.Popen[str]
    address: str
    dashboard: str

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask the UI's GraphQL."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self.address}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            payload = json.load(answer)
        assert "errors" not in payload, payload
        return payload["data"]

    def partitions_of(self, table: str) -> dict[str, int]:
        """How many partitions of an asset are materialized, and how many there are."""
        node = self.ask(PARTITIONS, key={"path": ["spotify", table]})["assetNodeOrError"]
        return dict(node["partitionStats"])


PARTITIONS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    partitionStats { numMaterialized numPartitions numFailed } partitionKeysByDimension { partitionKeys } } } }"""
ASSETS = """{ assetNodes { assetKey { path } description groupName kinds owners { ... on TeamAssetOwner { team } }
    hasMaterializePermission metadataEntries { label ... on TableSchemaMetadataEntry {
    schema { columns { name type description constraints { nullable } } } } } } }"""
LAUNCH_JOB = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status } } }"""
INSTIGATORS = """query($where: RepositorySelector!) { sensorsOrError(repositorySelector: $where) { ... on Sensors {
    results { name sensorState { status } } } }
    schedulesOrError(repositorySelector: $where) { ... on Schedules { results { name scheduleState { status } } } } }"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    clock = {"now": datetime.now(UTC)}
    with SandboxServer(albums=6, tracks_per_album=3, now=lambda: clock["now"]) as sandbox:
        clone = make_clone(
            SPOTIFY_SANDBOX="1", SPOTIFY_API_URL=sandbox.api_url, SPOTIFY_ACCOUNTS_URL=sandbox.accounts_url
        )
        port, dashboard_port = free_port(), free_port()
        ports = ("--port", str(port), "--dashboard-port", str(dashboard_port))
        process = clone.start("spotify-assets", "up", *ports)
        try:
            wait_for(
                "the UI is up",
                lambda: (
                    "Ctrl-C ends everything" in clone.said("spotify-assets") or process.poll() is not None
                ),
            )
            assert process.poll() is None, clone.said("spotify-assets")
            yield Served(
                clone,
                sandbox,
                clock,
                process,
                f"http://127.0.0.1:{port}",
                f"http://127.0.0.1:{dashboard_port}",
            )
        finally:
            if process.poll() is None:
                interrupt(process)
            shutil.rmtree(clone.folder)


def test_the_ui_shows_the_graph_with_descriptions_kinds_and_column_schemas(served: Served) -> None:
    nodes = {"/".join(node["assetKey"]["path"]): node for node in served.ask(ASSETS)["assetNodes"]}
    assert len(nodes) == 19
    for name, node in nodes.items():
        assert node["description"], name
        assert "postgres" in node["kinds"], name
        assert node["owners"], name
        [schema] = [
            entry["schema"] for entry in node["metadataEntries"] if entry["label"] == "dagster/column_schema"
        ]
        assert all(column["description"] for column in schema["columns"]), name
    assert nodes["spotify/tracks"]["groupName"] == "extract"
    assert nodes["marts/track_catalog"]["groupName"] == "marts"


def test_the_dashboard_is_served_beside_it_and_shows_what_was_loaded(served: Served) -> None:
    assert served.dashboard in served.clone.said("spotify-assets")
    with urlopen(f"{served.dashboard}/ranking.json", timeout=60) as answer:
        ranking = json.load(answer)
    assert len(ranking["rows"]) == 6
    assert ranking["source"] == "sandbox"


def test_sensor_and_schedules_run_without_being_switched_on(served: Served) -> None:
    found = served.ask(INSTIGATORS, where=LOCATION)
    states = [sensor["sensorState"]["status"] for sensor in found["sensorsOrError"]["results"]]
    states += [schedule["scheduleState"]["status"] for schedule in found["schedulesOrError"]["results"]]
    assert states == ["RUNNING"] * 3


def test_a_second_up_says_that_one_is_running_and_where(served: Served) -> None:
    second = served.clone.run("spotify-assets", "up", "--port", str(free_port()))
    assert second.returncode == 1
    assert "already running" in second.stdout
    assert served.address in second.stdout


def test_materializing_two_albums_from_the_ui_loads_them_again(served: Served) -> None:
    node = served.ask(PARTITIONS, key={"path": ["spotify", "releases"]})["assetNodeOrError"]
    keys = node["partitionKeysByDimension"][0]["partitionKeys"][1:3]
    albums_before = served.sandbox.calls()["albums"]
    names = ["releases", "tracks", "audio_features", "track_details"]
    selection = [{"path": ["spotify", name]} for name in names]
    launched = served.ask(BACKFILL, params={"partitionNames": keys, "assetSelection": selection})
    assert launched["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess", launched
    backfill = launched["launchPartitionBackfill"]["backfillId"]
    wait_for(
        "the backfill ends",
        lambda: (
            served.ask(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"]
            == "COMPLETED_SUCCESS"
        ),
    )
    assert served.sandbox.calls()["albums"] == albums_before + 1


def discover_new_releases(served: Served) -> None:
    """Let twenty days pass in the sandbox, and poll."""
    before = served.partitions_of("track_details")["numPartitions"]
    served.clock["now"] += timedelta(days=20)
    selector = {**LOCATION, "jobName": "poll_new_releases"}
    launched = served.ask(LAUNCH_JOB, params={"selector": selector, "runConfigData": {}})
    assert launched["launchRun"]["__typename"] == "LaunchRunSuccess", launched
    wait_for(
        "new albums are partitions",
        lambda: served.partitions_of("track_details")["numPartitions"] > before,
    )


def test_new_releases_are_loaded_by_the_sensor_with_the_daemon_running(served: Served) -> None:
    before = served.partitions_of("track_details")
    assert before["numMaterialized"] == before["numPartitions"]
    discover_new_releases(served)

    def all_loaded() -> bool:
        stats = served.partitions_of("track_details")
        return stats["numMaterialized"] == stats["numPartitions"]

    wait_for("the sensor's run loaded them", all_loaded)
    assert served.partitions_of("track_details")["numFailed"] == 0


def test_ctrl_c_in_the_middle_of_a_sensors_run_ends_every_process_and_loses_no_album(served: Served) -> None:
    """The run stayed STARTED; the next pass believed it, and exited 0 with a part of the tracks for ever.

    The last test of this file: it ends what the others use.
    """
    assert len(served.clone.processes()) > 4
    served.sandbox.set_faults("slow=120:on=audio-features")
    calls = served.sandbox.calls()["albums"]
    discover_new_releases(served)
    wait_for("the sensor's run is under way", lambda: served.sandbox.calls()["albums"] > calls)
    time.sleep(1)
    assert interrupt(served.process) == 0, served.clone.said("spotify-assets")
    wait_for("every process has ended", lambda: served.clone.processes() == [], seconds=20)

    served.sandbox.set_faults()
    again = served.clone.run("spotify-assets", "once")
    assert again.returncode == 0, again.stdout
    assert "whose process is gone" in again.stdout or "Loading" in again.stdout
    counts = served.clone.run("python", "-c", COUNT_ROWS)
    tracks, features = counts.stdout.split()
    assert tracks == features


COUNT_ROWS = """
from pathlib import Path
from spotify_assets.warehouse.database import create_engine, warehouse_url
with create_engine(warehouse_url(None, Path(".spotify_assets"))).connect() as connection:
    for table in ("tracks", "audio_features"):
        print(connection.exec_driver_sql(f"select count(*) from spotify.{table}").scalar_one())
"""
