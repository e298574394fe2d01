"""What goes wrong is said by name, is retried only where that can help, and loses nothing."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from spotify_assets.automation import poll_new_releases
from spotify_assets.load_planning import missing_ranges
from spotify_assets_tests.graph.conftest import StartGraph, failure_text, retries


def test_an_album_that_vanished_is_set_aside_with_its_reason_and_the_rest_is_loaded(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(faults=["vanished"])
    outcome = graph.load_everything()
    assert outcome.failures == []
    assert graph.count("spotify.releases") == 11
    [(item, reason)] = graph.rows(
        "select item_id, reason from ops.set_aside where asset = 'spotify/releases'"
    )
    keys = set(graph.instance.get_dynamic_partitions("album_id"))
    assert keys - {key for (key,) in graph.rows("select album_id from spotify.releases")} == {item}
    assert "unknown" in str(reason)
    # It counts as loaded: otherwise every tick would ask for it again.
    assert missing_ranges(graph.instance, datetime.now(UTC), {}) == []


def test_server_errors_that_pass_are_retried_by_the_client_and_cost_no_step(start_graph: StartGraph) -> None:
    graph = start_graph(faults=["status=503/html:on=albums:times=1", "truncated:on=tracks:times=1"])
    outcome = graph.load_everything()
    assert outcome.failures == []
    assert graph.count("spotify.track_details") == 48


@pytest.mark.parametrize("endpoint", ["albums", "audio-features", "tracks", "artists"])
@pytest.mark.parametrize("fault", ["rate-limit=86400", "quota=86400"])
def test_a_limit_for_a_day_fails_its_step_at_once_with_the_time_to_resume(
    start_graph: StartGraph, endpoint: str, fault: str
) -> None:
    """spotipy sleeps it: 18 hours were measured with Retry-After 86400.

    And a step that had nothing to keep by then failed in keeping it: it was retried, and its failure named no time.
    """
    graph = start_graph(faults=[f"{fault}:on={endpoint}"])
    keys = graph.poll()
    before = datetime.now(UTC)
    result = graph.load_range(keys[0], keys[-1])
    assert not result.success
    assert retries(result) == 0
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    resume_at = failure.user_failure_data.metadata["resume_at"]
    assert isinstance(resume_at, dg.TimestampMetadataValue)
    assert abs(resume_at.value - (before + timedelta(days=1)).timestamp()) < 60
    assert graph.sandbox.calls()[endpoint] == 1


def test_failed_albums_wait_an_hour_for_the_sensor_but_not_for_a_person(start_graph: StartGraph) -> None:
    graph = start_graph(faults=["status=400/json:on=tracks:times=1"])
    first = graph.load_everything()
    assert not first.succeeded
    now = datetime.now(UTC)
    assert missing_ranges(graph.instance, now, {}) == []
    in_quarters = missing_ranges(graph.instance, now + timedelta(hours=2), {})
    assert len(in_quarters) == 1  # twelve albums fit in a quarter of 200
    assert graph.load_everything().succeeded
    assert graph.count("spotify.track_details") == 48


def test_without_credentials_and_sandbox_a_run_says_what_to_set(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never silently sample data."""
    graph = start_graph()
    monkeypatch.delenv("SPOTIFY_SANDBOX")
    result = graph.run(poll_new_releases.name)
    assert not result.success
    assert retries(result) == 0
    assert "SPOTIPY_CLIENT_ID" in failure_text(result)
    assert "SPOTIFY_SANDBOX=1" in failure_text(result)


def test_a_sandbox_database_refuses_live_data_and_says_how_to_go_on(start_graph: StartGraph) -> None:
    graph = start_graph()
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("insert into ops.source (kind, claimed_at) values ('live', now())")
    result = graph.run(poll_new_releases.name)
    assert not result.success
    assert "SPOTIFY_ASSETS_HOME" in failure_text(result)
    assert graph.count("spotify.new_releases") == 0


def test_a_key_that_talks_to_a_sandbox_is_found_out_by_the_answer(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials and a SPOTIFY_API_URL that points at a sandbox must not pass as live data."""
    graph = start_graph()
    monkeypatch.delenv("SPOTIFY_SANDBOX")
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "some-id")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "some-secret")
    graph.poll()
    assert graph.rows("select kind from ops.source") == [("sandbox",)]


def test_no_secret_reaches_an_event(start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = start_graph(faults=["status=400/html:on=albums"])
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "hush-id")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "hush-secret")
    monkeypatch.delenv("SPOTIFY_SANDBOX")
    keys = graph.poll()
    result = graph.load_range(keys[0], keys[1])
    events = " ".join(str(entry) for entry in graph.instance.all_logs(result.run_id))
    assert "hush" not in events
    assert "Bearer" not in events
