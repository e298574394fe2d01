"""Rate limits are waited for, quotas end the step with the time to resume; nothing is lost or asked for twice."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from spotify_assets.automation import (
    load_albums,
    load_missing_albums,
    poll_new_releases,
    reason_not_to_poll,
)
from spotify_assets.client_state import WarehouseBudget, state_engine
from spotify_assets.definitions import defs
from spotify_assets.load_planning import loaded_albums
from spotify_assets.sandbox.server import SandboxServer
from spotify_assets.spotify.access import Access
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.endpoints import SPOTIFY
from spotify_assets.spotify.pacing import Pacing
from spotify_assets.spotify.wire import Wire
from spotify_assets_tests.graph.conftest import Graph, StartGraph, failure_text

# Some 400 albums of the last two weeks: 40 pages of search, two runs of 200 albums.
DEVELOPMENT: dict[str, Any] = {"access": "development", "albums": 1600, "tracks_per_album": 2}
AT_CALL_300 = "quota=52531:after=300"


def failed_step(result: dg.ExecuteInProcessResult) -> dg.DagsterEvent:
    [failure] = [event for event in result.all_events if event.is_step_failure]
    return failure


def ask_sensor(graph: Graph) -> dg.SensorResult:
    with dg.build_sensor_context(instance=graph.instance, resources=defs.resources) as context:
        result = load_missing_albums(context)
    assert isinstance(result, dg.SensorResult)
    return result


def let_the_quota_be_renewed(graph: Graph) -> None:
    """The time that Spotify named has come."""
    graph.sandbox.set_faults()
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("update ops.call_closures set closed_until = now() - interval '1 second'")


def web_api_calls(graph: Graph) -> int:
    neighbours = ("deezer/", "reccobeats/", "token")
    return sum(count for name, count in graph.sandbox.calls().items() if not name.startswith(neighbours))


def test_a_quota_in_the_middle_of_a_run_keeps_what_was_loaded_and_the_rest_is_completed_later(
    start_graph: StartGraph,
) -> None:
    """QUOTA_EXCEEDED at call 300 cost the albums of the whole run, and as many calls again on the next day."""
    graph = start_graph(**DEVELOPMENT, faults=[AT_CALL_300])
    before = datetime.now(UTC)
    first = graph.load_everything()
    assert not first.succeeded

    # What was answered is loaded, and recorded as materialized.
    answered = set(graph.answered_albums())
    assert 200 < len(answered) < 300
    assert {key for (key,) in graph.rows("select album_id from spotify.releases")} == answered
    assert graph.instance.get_materialized_partitions(dg.AssetKey(["spotify", "tracks"])) == answered
    # The cost of the step that failed is told as well: the summary was 100 calls short of what had been made.
    assert first.calls == graph.sandbox.calls()
    # The message names the time.
    resume_at = f"{before + timedelta(seconds=52_531):%Y-%m-%d %H:%M}"
    assert any(resume_at[:-1] in failure and "quota is used up" in failure for failure in first.failures)

    # Nothing of the Web API is asked before it, neither by a person nor by automation.
    calls = web_api_calls(graph)
    second = graph.load_everything()
    assert not second.succeeded
    # The first poll since: search has a quota of its own, and its first answer says that it is used up as well.
    assert web_api_calls(graph) == calls + 1
    third = graph.load_everything()
    assert not third.succeeded
    assert web_api_calls(graph) == calls + 1
    assert "asked to wait until" in str(ask_sensor(graph).skip_reason)
    assert "asked to wait until" in str(reason_not_to_poll(graph.instance, graph.engine, datetime.now(UTC)))
    # What the kept albums lack comes from others, and need not wait.
    assert loaded_albums(graph.instance) == answered

    let_the_quota_be_renewed(graph)
    tomorrow = datetime.now(UTC) + timedelta(hours=21)
    assert reason_not_to_poll(graph.instance, graph.engine, tomorrow) is None
    assert graph.load_everything().succeeded
    registered = set(graph.instance.get_dynamic_partitions("album_id"))
    assert {key for (key,) in graph.rows("select album_id from spotify.releases")} == registered
    assert Counter(graph.answered_albums()) == Counter(dict.fromkeys(registered, 1))


def test_a_quota_ends_the_step_at_once_and_is_not_retried(start_graph: StartGraph) -> None:
    graph = start_graph(**DEVELOPMENT, faults=[AT_CALL_300])
    keys = graph.poll()
    graph.load_range(keys[0], keys[199])
    result = graph.load_range(keys[200], keys[-1])
    assert not result.success
    assert sum(event.is_step_up_for_retry for event in result.all_events) == 0
    assert "the application's quota is used up; call again after" in failure_text(result)
    assert failed_step(result).step_key == "releases_and_tracks"
    [(waited,)] = graph.rows(
        "select sum(seconds_waited) from ops.api_calls where run_id = :run", {"run": result.run_id}
    )
    assert waited == 0


def test_a_run_launched_by_hand_before_the_time_asks_nothing(start_graph: StartGraph) -> None:
    graph = start_graph(access="development", albums=60, faults=["quota=52531:on=albums/{id}"])
    keys = graph.poll()
    graph.load_range(keys[0], keys[-1])
    calls = graph.sandbox.calls()["albums/{id}"]
    assert calls <= 4  # those that were under way together
    result = graph.load_range(keys[0], keys[0])
    assert "the application's quota is used up; call again after" in failure_text(result)
    assert graph.sandbox.calls()["albums/{id}"] == calls


def test_the_quota_of_one_group_of_endpoints_leaves_the_others_open(start_graph: StartGraph) -> None:
    """Albums of artists were seen locked for a day while album, search and track went on."""
    graph = start_graph(access="development", albums=60, faults=["quota=52531:on=albums/{id}"])
    keys = graph.poll()
    graph.load_range(keys[0], keys[-1])
    assert graph.rows("select endpoint_group, cause from ops.call_closures") == [("albums", "quota")]
    searches = graph.sandbox.calls()["search"]
    graph.poll()
    assert graph.sandbox.calls()["search"] == 2 * searches


def test_what_a_search_has_found_before_its_quota_ended_is_kept(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota of a few hundred searches would never get through, and what it had found was thrown away each day."""
    monkeypatch.setenv("SPOTIFY_MARKETS", "US,GB,DE")
    graph = start_graph(access="development", albums=400, faults=["quota=52531:on=search:after=13"])
    result = graph.run(poll_new_releases.name)
    assert not result.success
    assert "the application's quota is used up; call again after" in failure_text(result)
    kept = dict(graph.rows("select market, count(*) from spotify.new_releases group by market"))
    assert set(kept) == {"US", "GB"}
    assert kept["GB"] > 0
    listed = {key for (key,) in graph.rows("select album_id from spotify.new_releases")}
    assert set(graph.instance.get_dynamic_partitions("album_id")) == listed
    # And it can be loaded: albums have a quota of their own.
    keys = list(graph.instance.get_dynamic_partitions("album_id"))
    assert graph.load_range(keys[0], keys[-1]).success
    assert graph.count("spotify.releases") == len(listed)


def test_a_key_that_finds_albums_by_search_is_polled_once_a_day(start_graph: StartGraph) -> None:
    """Four polls a day of 100 calls used up a quota of a few hundred searches."""
    graph = start_graph(access="development", albums=60)
    graph.poll()
    now = datetime.now(UTC)
    assert "once a day" in str(reason_not_to_poll(graph.instance, graph.engine, now + timedelta(hours=6)))
    assert reason_not_to_poll(graph.instance, graph.engine, now + timedelta(hours=24)) is None


def test_a_key_with_a_list_of_new_releases_is_polled_every_time(graph: Graph) -> None:
    graph.poll()
    assert reason_not_to_poll(graph.instance, graph.engine, datetime.now(UTC)) is None


def test_given_albums_do_not_wait_for_the_search(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = start_graph(access="development", albums=60, faults=["quota=52531:on=search"])
    graph.run(poll_new_releases.name)
    assert reason_not_to_poll(graph.instance, graph.engine, datetime.now(UTC)) is not None
    monkeypatch.setenv("SPOTIFY_ALBUM_IDS", "watch.txt")
    assert reason_not_to_poll(graph.instance, graph.engine, datetime.now(UTC)) is None


def test_after_a_quota_the_sensor_asks_for_what_the_kept_albums_lack_and_nothing_else(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole load again would ask Spotify for albums that it has given."""
    graph = start_graph(**DEVELOPMENT, faults=[AT_CALL_300])
    keys = graph.poll()
    graph.load_range(keys[0], keys[199])
    graph.load_range(keys[200], keys[-1])
    kept = [key for key in keys[200:] if key in set(graph.answered_albums())]
    assert kept
    assert ask_sensor(graph).run_requests == []
    monkeypatch.setattr("spotify_assets.load_planning.RETRY_FAILED_AFTER", timedelta(0))
    requests = ask_sensor(graph).run_requests or []
    assert requests
    for request in requests:
        assert request.asset_selection is not None
        assert dg.AssetKey(["spotify", "releases"]) not in request.asset_selection
        assert dg.AssetKey(["spotify", "audio_features"]) in request.asset_selection
    calls = web_api_calls(graph)
    for request in requests:
        job = defs.resolve_job_def(load_albums.name)
        run = job.execute_in_process(
            instance=graph.instance, tags=request.tags, asset_selection=request.asset_selection
        )
        assert run.success
    assert web_api_calls(graph) == calls
    assert loaded_albums(graph.instance) == set(keys[:200]) | set(kept)


def test_artists_that_were_answered_before_a_limit_are_kept_and_not_asked_for_again(
    start_graph: StartGraph,
) -> None:
    """Nothing of a step was written until its last call: each day began again with the same artists."""
    graph = start_graph(albums=150, tracks_per_album=6, faults=["quota=52531:on=artists:after=2"])
    keys = graph.poll()
    assert not graph.load_range(keys[0], keys[-1]).success
    kept = graph.count("spotify.artists")
    assert kept >= 100
    let_the_quota_be_renewed(graph)
    assert graph.load_range(keys[0], keys[0]).success
    asked = [
        key
        for call in graph.sandbox.requests
        if call.endpoint == "artists" and call.status == 200
        for key in call.asked.split(",")
    ]
    assert len(asked) > kept
    assert max(Counter(asked).values()) == 1


def test_an_outage_in_the_middle_keeps_what_was_loaded_and_the_retry_asks_for_the_rest_alone(
    start_graph: StartGraph,
) -> None:
    """A retry of the step asked for all albums of the run again."""
    graph = start_graph(access="development", albums=60, faults=["dropped:on=albums/{id}:after=10:times=30"])
    keys = graph.poll()
    result = graph.load_range(keys[0], keys[-1])
    assert result.success
    assert Counter(graph.answered_albums()) == Counter(dict.fromkeys(keys, 1))
    assert graph.count("spotify.releases") == len(keys)


@pytest.mark.parametrize(
    ("most", "share"),
    [
        pytest.param(100, 0.01, id="a limit that is set"),
        pytest.param(None, 0.05, id="a limit that is not known"),
    ],
)
def test_many_albums_under_a_limit_meet_hardly_any_429(graph: Graph, most: int | None, share: float) -> None:
    """The limit of 100 calls in 30 s, with time running ten times as fast; shared through the warehouse."""
    pacing = Pacing(most=most, window=3.0)
    state = state_engine(graph.engine.url)
    with SandboxServer(
        albums=500, tracks_per_album=1, access="development", rate_limit=100, rate_window=3.0
    ) as sandbox:
        wire = Wire(budget=WarehouseBudget(state, "a-key", {SPOTIFY: pacing}))
        with SpotifyClient(
            Credentials("id", "secret"),
            wire,
            api_url=sandbox.api_url,
            accounts_url=sandbox.accounts_url,
            access=Access("development"),
        ) as client:
            listing = sandbox.catalogue.new_releases(datetime.now(UTC))
            ids = [album.album_id for album in listing.page(0, 500)]
            assert client.albums(ids, "US").releases.height == 500
        report = sandbox.report()
    assert report["rate_limited"] <= share * report["total"], report
    state.dispose()
