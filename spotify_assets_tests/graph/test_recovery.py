"""What was left undone is made good, and nobody is told that all is well before it is."""

import uuid
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from spotify_assets.assets.failures import (
    CAUSE_TAG,
    Cause,
    cause_of,
    note_cause,
    spotify_failures,
)
from spotify_assets.automation import load_albums, poll_new_releases, refresh_marts
from spotify_assets.client_state import WarehouseBudget, state_engine
from spotify_assets.definitions import defs
from spotify_assets.launch.dead_runs import end_dead_runs, home_tag
from spotify_assets.load_planning import (
    AlbumRange,
    closed_groups,
    missing_ranges,
    missing_ranges_at_once,
)
from spotify_assets.spotify.budget import Closure
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.errors import ApiError, BadRequestError, RateLimitedError, TransientError
from spotify_assets_tests.graph.conftest import REPOSITORY, Graph, StartGraph, failure_text

# As QUEUED, without the code location that a queued run must name.
WAITING = dg.DagsterRunStatus.NOT_STARTED


def add_run(
    graph: Graph,
    status: dg.DagsterRunStatus,
    *,
    job: str = load_albums.name,
    tags: dict[str, str] | None = None,
) -> str:
    run_id = str(uuid.uuid4())
    graph.instance.add_run(dg.DagsterRun(job_name=job, run_id=run_id, status=status, tags=tags or {}))
    return run_id


def test_a_tick_asks_for_all_that_is_missing_and_not_again_while_that_run_is_open(graph: Graph) -> None:
    graph.poll()
    [request] = graph.tick()
    assert request.job_name == load_albums.name
    add_run(graph, WAITING, tags=dict(request.tags))
    assert graph.tick() == []


def test_ticks_keep_the_queue_short(start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tick added ten runs, however many waited."""
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "1")
    graph = start_graph(albums=30)
    graph.poll()
    first = graph.tick()
    assert len(first) == 10
    for request in first[:7]:
        add_run(graph, WAITING, tags=dict(request.tags))
    assert len(graph.tick()) == 3


def close_albums(graph: Graph, until: datetime) -> None:
    """Note that Spotify's quota of albums is used up until then."""
    state = state_engine(graph.engine.url)
    budget = WarehouseBudget(state, Credentials("sandbox", "sandbox").fingerprint, {})
    budget.close(Closure("albums", until, "quota"))
    state.dispose()


def test_nothing_is_asked_of_spotify_before_the_time_it_named(graph: Graph) -> None:
    """Calling while limited lengthens the penalty."""
    graph.poll()
    close_albums(graph, datetime.now(UTC) + timedelta(hours=5))
    assert graph.tick() == []


def test_the_time_that_spotify_named_passes(graph: Graph) -> None:
    graph.poll()
    close_albums(graph, datetime.now(UTC) - timedelta(minutes=1))
    assert len(graph.tick()) == 1


def test_a_rate_limited_pass_stops_at_its_first_run_and_says_so(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went on with each further range: a call a range, each while limited."""
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "4")
    graph = start_graph(faults=["rate-limit=86400:on=albums"])
    outcome = graph.load_everything()
    assert not outcome.succeeded
    assert outcome.albums_loaded == 0
    assert graph.sandbox.calls()["albums"] == 1
    assert any("Left out 2 of 3 runs" in line for line in graph.said)
    assert any("12 registered albums are not loaded" in failure for failure in outcome.failures)
    [record] = graph.instance.get_run_records(dg.RunsFilter(job_name=load_albums.name))
    assert record.dagster_run.tags[CAUSE_TAG] == Cause.RATE_LIMIT
    [closure] = closed_groups(graph.engine, datetime.now(UTC)).values()
    assert (closure.group, closure.cause) == ("albums", "rate limit")
    assert closure.until > datetime.now(UTC) + timedelta(hours=23)


def test_a_refused_account_is_not_taken_for_a_bad_album(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After four hours without Premium each album was loaded by a run of its own, for a week."""
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "4")
    graph = start_graph()
    keys = graph.poll()
    graph.sandbox.set_faults("premium-required")
    for _ in range(4):
        assert not graph.load_range(keys[0], keys[-1]).success
    [*_, record] = graph.instance.get_run_records(dg.RunsFilter(job_name=load_albums.name))
    assert record.dagster_run.tags[CAUSE_TAG] == Cause.ACCOUNT
    later = datetime.now(UTC) + timedelta(hours=2)
    assert [(found.start, found.end) for found in missing_ranges(graph.instance, later, {})] == [
        (keys[0], keys[3]),
        (keys[4], keys[7]),
        (keys[8], keys[11]),
    ]


def test_a_pass_ends_at_the_first_run_that_is_refused_altogether(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "4")
    graph = start_graph()
    graph.poll()
    graph.sandbox.set_faults("premium-required:on=albums")
    outcome = graph.load_everything()
    assert not outcome.succeeded
    assert graph.sandbox.calls()["albums"] == 1
    assert sum("Active premium subscription" in failure for failure in outcome.failures) == 1


def test_tracks_whose_features_must_wait_are_in_the_marts_all_the_same(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor said "waiting" until the limit ended, and the marts stayed as they were."""
    graph = start_graph(faults=["rate-limit=86400:on=audio-features"])
    keys = graph.poll()
    result = graph.load_range(keys[0], keys[-1])
    assert not result.success
    assert "too many requests; call again after" in failure_text(result)
    assert graph.count("marts.track_catalog") == 0
    monkeypatch.setattr("spotify_assets.load_planning.RETRY_FAILED_AFTER", timedelta(0))
    monkeypatch.setattr("spotify_assets.automation.RETRY_FAILED_AFTER", timedelta(0))
    while requests := graph.tick():
        for request in requests:
            job = defs.resolve_job_def(str(request.job_name))
            assert job.execute_in_process(
                instance=graph.instance, tags=request.tags, asset_selection=request.asset_selection
            ).success
    assert graph.rows("select features_status, count(*) from marts.track_catalog group by 1") == [
        ("pending", 48)
    ]


def test_artists_that_failed_after_the_load_are_made_good_by_the_next_pass(start_graph: StartGraph) -> None:
    """All partitions counted as loaded, and no job held the artists: passes two and three called it a success."""
    graph = start_graph(faults=["status=400/json:on=artists:times=1"])
    assert not graph.load_everything().succeeded
    assert graph.count("spotify.artists") == 0
    assert graph.load_everything().succeeded
    assert graph.count("spotify.artists") > 0
    assert graph.count("marts.track_catalog") == 48


def test_the_sensor_makes_it_good_too_after_an_hour(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = start_graph(faults=["status=400/json:on=artists:times=1"])
    graph.load_everything()
    assert graph.tick() == []
    monkeypatch.setattr("spotify_assets.automation.RETRY_FAILED_AFTER", timedelta(0))
    assert [request.job_name for request in graph.tick()] == [refresh_marts.name]
    assert graph.run(refresh_marts.name).success
    assert graph.tick() == []


def test_a_pass_with_nothing_to_load_still_fails_while_a_check_fails(graph: Graph) -> None:
    """The second `once` exited 0: with nothing to load, no check ran."""
    graph.load_everything()
    with graph.engine.begin() as connection:
        connection.exec_driver_sql(
            "delete from spotify.releases where album_id = (select min(album_id) from spotify.releases)"
        )
    for _ in range(2):
        outcome = graph.load_everything()
        assert any("album_is_known" in failure for failure in outcome.failures)


def test_one_market_that_is_refused_does_not_stop_the_others(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_MARKETS", "US,GB,DE")
    graph = start_graph(faults=["status=400/json:on=browse/new-releases:after=1:times=1"])
    result = graph.run(poll_new_releases.name)
    assert not result.success
    assert "GB" in failure_text(result)
    assert graph.rows("select distinct market from spotify.new_releases order by 1") == [("DE",), ("US",)]
    assert len(graph.instance.get_dynamic_partitions("album_id")) == 12


def test_runs_of_an_earlier_holder_of_the_home_are_ended_and_their_albums_loaded(graph: Graph) -> None:
    """kill -9 of `once`: the run stayed STARTED, and two further passes said "Done" with nothing loaded."""
    keys = graph.poll()
    home = REPOSITORY / "some-home"
    tags = {**AlbumRange(keys[0], keys[-1]).tags, **home_tag(home)}
    dead = add_run(graph, dg.DagsterRunStatus.STARTED, tags=tags)
    of_another_home = add_run(graph, dg.DagsterRunStatus.STARTED, tags=home_tag(REPOSITORY / "other"))
    now = datetime.now(UTC)
    assert missing_ranges_at_once(graph.instance, now, {}) == []

    assert end_dead_runs(graph.instance, home, is_only_machine=False) == 1

    run = graph.instance.get_run_by_id(dead)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.FAILURE
    other = graph.instance.get_run_by_id(of_another_home)
    assert other is not None
    assert other.status == dg.DagsterRunStatus.STARTED
    assert len(missing_ranges_at_once(graph.instance, now, {})) == 1
    # The sensor waits its hour, and then asks for the whole range: an interrupt says nothing against the albums.
    [later] = missing_ranges(graph.instance, now + timedelta(hours=2), {})
    assert (later.start, later.end) == (keys[0], keys[-1])


def test_a_queued_run_does_not_keep_a_person_from_loading(graph: Graph) -> None:
    """`once` has no daemon that would ever start it."""
    keys = graph.poll()
    add_run(graph, WAITING, tags=AlbumRange(keys[0], keys[-1]).tags)
    assert len(missing_ranges_at_once(graph.instance, datetime.now(UTC), {})) == 1
    assert missing_ranges(graph.instance, datetime.now(UTC), {}) == []


@pytest.mark.parametrize(
    ("error", "retried", "cause"),
    [
        pytest.param(TransientError("down", endpoint="albums"), True, Cause.OUTAGE, id="outage"),
        pytest.param(BadRequestError("no", endpoint="albums"), False, Cause.ALBUMS, id="bad request"),
        pytest.param(
            RateLimitedError("wait", endpoint="albums", resume_at=datetime(2026, 11, 23, tzinfo=UTC)),
            False,
            Cause.RATE_LIMIT,
            id="rate limit",
        ),
    ],
)
def test_only_what_may_yet_succeed_is_retried(error: ApiError, retried: bool, cause: Cause) -> None:
    with pytest.raises(dg.Failure) as failure, spotify_failures():
        raise error
    assert failure.value.allow_retries is retried
    assert cause_of(failure.value) == cause


def test_every_job_that_calls_spotify_notes_why_it_failed() -> None:
    for job in (poll_new_releases, load_albums, refresh_marts):
        assert note_cause in (job.hooks or set())
