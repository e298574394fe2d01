"""Popularity gets a history: what is new is read again every day, and nothing that was measured is lost."""

import math
import uuid
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import text

from spotify_assets.automation import load_albums, reread_popularity
from spotify_assets.client_state import WarehouseBudget, state_engine
from spotify_assets.load_planning import missing_ranges
from spotify_assets.sandbox.model import Track
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets.spotify.budget import Closure
from spotify_assets.spotify.credentials import Credentials
from spotify_assets_tests.graph.conftest import Graph, StartGraph
from spotify_assets_tests.graph.days import DAY, FIRST_DAY, Days, Time

# As QUEUED, without the code location that a queued run must name.
WAITING = dg.DagsterRunStatus.NOT_STARTED


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def days(start_graph: StartGraph, time: Time) -> Days:
    """Thirty albums of four tracks, on the first day."""
    return Days(start_graph(albums=30, now=time), time)


def details(graph: Graph) -> dict[str, tuple[int | None, str | None]]:
    return {
        track_id: (popularity, isrc)
        for track_id, popularity, isrc in graph.rows(
            "select track_id, popularity, isrc from spotify.track_details"
        )
    }


def test_over_ten_days_and_past_the_eighth_week_every_snapshot_is_what_spotify_said_that_day(
    days: Days,
) -> None:
    """Popularity was read once, when an album was loaded: no mart of it over time could be built."""
    for offset in (*range(11), 51, 52):
        days.time.now = FIRST_DAY + offset * DAY
        days.load()
        days.expect_snapshots()
        assert days.snapshots() == days.expected
    # The albums of the first day were new for the week of 16 November and the seven weeks after it.
    first_album = days.graph.instance.get_dynamic_partitions("album_id")[0]
    measured = days.graph.rows(
        "select max(measured_on) from spotify.popularity_snapshots where album_id = :album",
        {"album": first_album},
    )
    assert measured == [(date(2027, 1, 10),)]
    # Nor is it all the same number.
    assert len({value for (_, _), value in days.expected.items()}) > 10


def test_a_day_costs_as_many_calls_as_fifties_of_tracks_and_its_second_pass_none(days: Days) -> None:
    days.load()
    days.time.now += DAY
    calls = days.load()
    tracks, added = days.expect_snapshots(), days.added_tracks()
    assert tracks > 100
    assert calls["tracks"] == math.ceil((tracks - added) / 50) + math.ceil(added / 50)
    assert any(line.startswith("Reading the popularity of 30 albums again") for line in days.graph.said)
    days.time.now += timedelta(hours=8)
    assert days.load()["tracks"] == 0
    assert days.graph.tick(at=days.time.now) == []


def test_a_tick_after_midnight_asks_for_what_is_due_in_ranges_and_not_again(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule that was missed, or failed at its time of day, would leave that day without a snapshot."""
    monkeypatch.setenv("SPOTIFY_ACCESS", "extended")
    graph = days.graph
    days.load()
    assert graph.tick(at=FIRST_DAY) == []
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "20")
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    requests = graph.tick(at=midnight)
    assert [request.job_name for request in requests] == [reread_popularity.name] * 2
    days.time.now = midnight
    assert graph.execute(requests[0], at=midnight).success
    assert graph.sandbox.calls()["tracks"] == math.ceil(120 / 50) + math.ceil(80 / 50)
    [left] = graph.tick(at=midnight)
    assert left.tags == requests[1].tags
    queue(graph, left)
    assert graph.tick(at=midnight) == []


def test_the_marts_of_the_day_hold_what_was_read_again(days: Days) -> None:
    """The daily schedule built them ten minutes after midnight from what was read on the day before."""
    days.load()
    days.time.now += 3 * DAY
    for request in days.graph.tick(at=days.time.now):
        assert days.graph.execute(request, at=days.time.now).success
    assert days.graph.rows("select distinct popularity_on from marts.track_catalog") == [
        (days.time.now.date(),)
    ]


def queue(graph: Graph, request: dg.RunRequest) -> None:
    """The run that was requested, waiting."""
    run_id, tags = str(uuid.uuid4()), dict(request.tags)
    run = dg.DagsterRun(job_name=str(request.job_name), run_id=run_id, status=WAITING, tags=tags)
    graph.instance.add_run(run)


def test_what_is_missing_is_asked_for_first_and_never_waits_for_room(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night of thousands of albums to read again would hold up the releases of a Friday."""
    monkeypatch.setenv("SPOTIFY_ACCESS", "extended")
    graph = days.graph
    days.load()
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "2")
    days.time.now += 7 * DAY
    graph.poll()
    requests = graph.tick(at=days.time.now)
    kinds = [request.job_name for request in requests]
    loads = kinds.count(load_albums.name)
    assert 0 < loads < 10
    assert kinds == [load_albums.name] * loads + [reread_popularity.name] * (10 - loads)
    for _ in range(10):
        queue(graph, requests[-1])
    assert [request.job_name for request in graph.tick(at=days.time.now)] == [load_albums.name] * loads


def test_a_range_that_failed_waits_an_hour_and_then_comes_in_quarters(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of failures is Dagster's own: the day before is simulated."""
    graph, now = days.graph, datetime.now(UTC)
    days.time.now = now - DAY
    days.load()
    [request] = graph.tick(at=now)
    graph.sandbox.set_faults("status=400/json:on=tracks")
    assert not graph.execute(request, at=now).success
    assert graph.tick(at=now) == []
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "40")
    assert len(graph.tick(at=now + timedelta(minutes=65))) == 3
    # What a load failed of is another matter.
    assert missing_ranges(graph.instance, now + timedelta(minutes=65), {}) == []


def close_tracks(graph: Graph, until: datetime) -> None:
    state = state_engine(graph.engine.url)
    budget = WarehouseBudget(state, Credentials("sandbox", "sandbox").fingerprint, {})
    budget.close(Closure("tracks", until, "quota"))
    state.dispose()


def test_nothing_is_read_again_before_the_time_that_spotify_named(days: Days) -> None:
    days.load()
    days.time.now += DAY
    close_tracks(days.graph, days.time.now + timedelta(hours=5))
    assert days.graph.tick(at=days.time.now) == []
    calls = days.graph.sandbox.calls()["tracks"]
    days.graph.load_everything(at=days.time.now)
    assert days.graph.sandbox.calls()["tracks"] == calls
    days.time.now += timedelta(hours=6)
    assert reread_popularity.name in [request.job_name for request in days.graph.tick(at=days.time.now)]


def test_a_key_that_gets_no_popularity_makes_no_run_and_no_call(start_graph: StartGraph, time: Time) -> None:
    """Each day each of its albums would be read again, to be told that it is closed."""
    graph = start_graph(albums=60, access="development", now=time)
    days = Days(graph, time)
    days.load()
    # Answers are remembered with the real time.
    with graph.engine.begin() as connection:
        connection.execute(text("update ops.access set answered_at = :now"), {"now": time.now})
    time.now += DAY
    graph.poll()
    assert reread_popularity.name not in [request.job_name for request in graph.tick(at=time.now)]
    days.load()
    assert graph.instance.get_runs_count(dg.RunsFilter(job_name=reread_popularity.name)) == 0


def test_where_it_is_not_known_what_the_key_gets_one_range_is_to_find_out(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = days.graph
    days.load()
    monkeypatch.setenv("SPOTIFY_ALBUMS_PER_RUN", "10")
    days.time.now += DAY
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("delete from ops.access")
    graph.sandbox.set_faults("access=development")
    [request] = graph.tick(at=days.time.now)
    calls = graph.sandbox.calls()["tracks"]
    assert graph.execute(request, at=days.time.now).success
    assert graph.sandbox.calls()["tracks"] == calls + 1
    assert graph.tick(at=days.time.now) == []
    # What was measured and what never changes is still there.
    assert all(isrc for _, isrc in details(graph).values())
    assert days.snapshots().keys() == {(track_id, FIRST_DAY.date()) for track_id in details(graph)}


def test_a_limit_in_the_middle_keeps_what_was_answered_and_writes_its_snapshots(days: Days) -> None:
    """The step that writes them comes after the one that failed: the day's numbers were replaced unseen."""
    graph = days.graph
    days.load()
    days.time.now += DAY
    graph.sandbox.set_faults("quota=52531:on=tracks:after=1")
    [request] = graph.tick(at=days.time.now)
    assert not graph.execute(request, at=days.time.now).success
    today = days.time.now.date()
    written = {track_id for track_id, day in days.snapshots() if day == today}
    assert len(written) == 48
    renewed = graph.rows(
        "select track_id from spotify.track_details where fetched_at = :now", {"now": days.time.now}
    )
    assert {track_id for (track_id,) in renewed} == written
    # The rest, and no more, when the quota is renewed.
    graph.sandbox.set_faults()
    days.time.now += timedelta(hours=11)
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("delete from ops.call_closures")
    calls = days.load()
    days.expect_snapshots()
    assert calls["tracks"] == math.ceil((120 - 48) / 50) + math.ceil(days.added_tracks() / 50)
    assert {key: value for key, value in days.snapshots().items() if key[1] == today} == {
        key: value for key, value in days.expected.items() if key[1] == today
    }


def test_a_track_that_spotify_knows_no_more_keeps_its_isrc_and_its_history(days: Days) -> None:
    """Its row was gone with the next reading, and with it the ISRC by which Deezer is matched."""
    graph = days.graph
    days.load()
    before = details(graph)
    days.time.now += DAY
    graph.sandbox.set_faults("null-items:on=tracks:times=1")
    days.load()
    after = details(graph)
    [lost] = [track_id for track_id in after if after[track_id][0] is None]
    assert after.keys() >= before.keys()
    assert after[lost][1] == before[lost][1] is not None
    assert (lost, FIRST_DAY.date()) in days.snapshots()
    assert (lost, days.time.now.date()) not in days.snapshots()
    # It is no reason to read the album again on the same day, and one to do so on the next.
    assert graph.tick(at=days.time.now) == []
    days.time.now += DAY
    days.load()
    assert details(graph)[lost][0] is not None


class Withholding(SyntheticCatalogue):
    """A catalogue that gives no popularity from a day on."""

    ends_on = FIRST_DAY.date() + DAY

    def track_popularity(self, track: Track, day: date) -> int:
        """None from then on, as Spotify answers for some tracks."""
        return super().track_popularity(track, day) if day < self.ends_on else None  # type: ignore[return-value]


def test_popularity_that_spotify_answers_null_is_unknown_and_costs_no_history(
    start_graph: StartGraph, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its rank is made from the same number.
    monkeypatch.setenv("DEEZER_API_URL", "")
    graph = start_graph(catalogue=Withholding(12, 1, 4), now=time)
    days = Days(graph, time)
    days.load()
    before = days.snapshots()
    time.now += DAY
    days.load()
    assert {value for value, _ in details(graph).values()} == {None}
    assert days.snapshots() == before
    assert graph.tick(at=time.now) == []


def test_a_run_that_died_before_its_snapshots_loses_none_when_the_next_day_is_read(days: Days) -> None:
    """The details of the day before were replaced, and no later step could tell what they had been."""
    graph = days.graph
    days.load()
    expected = days.snapshots()
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("delete from spotify.popularity_snapshots")
    days.time.now += DAY
    days.load()
    assert expected.items() <= days.snapshots().items()


def test_an_album_none_of_whose_tracks_spotify_knows_is_asked_about_once_a_day(
    start_graph: StartGraph, time: Time
) -> None:
    """Without a row to tell when it was read, it would be asked about at every tick, or never again."""
    graph = start_graph(albums=12, tracks_per_album=1, now=time, faults=["null-items:on=tracks"])
    days = Days(graph, time)
    days.load()
    [album] = graph.rows(
        "select album_id from spotify.tracks except select album_id from spotify.track_details"
    )
    assert graph.tick(at=time.now) == []
    time.now += DAY
    days.load()
    assert graph.tick(at=time.now) == []
    graph.sandbox.set_faults()
    time.now += DAY
    days.load()
    assert graph.rows(
        "select count(popularity) from spotify.track_details where album_id = :album", {"album": album[0]}
    ) == [(1,)]
