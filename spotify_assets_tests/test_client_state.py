"""What is known of a key and its limits, kept in a real Postgres: shared by all processes, and mixed up by none."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import URL, Engine, Row, text

from spotify_assets.client_state import (
    KNOWN_LIMITS,
    WarehouseAccessMemory,
    WarehouseBudget,
    closures,
    state_engine,
)
from spotify_assets.spotify.access import Access
from spotify_assets.spotify.budget import Closure
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.endpoints import (
    ALBUM,
    ALBUMS,
    ARTISTS,
    DEEZER_ALBUM,
    RECCOBEATS_FEATURES,
    TOKEN,
    TRACKS,
)
from spotify_assets.spotify.errors import ForbiddenError, QuotaExceededError
from spotify_assets.spotify.pacing import Pace, Pacing
from spotify_assets.spotify.wire import Wire
from spotify_assets.warehouse import tables
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, error_answer

CLIENT_ID = "0123456789abcdef-my-client-id"
CLIENT = Credentials(CLIENT_ID, "secret").fingerprint
OTHER = Credentials("another-client-id", "secret").fingerprint
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

MakeEngine = Callable[[], Engine]


@pytest.fixture
def make_engine(empty_database_url: URL) -> Iterator[MakeEngine]:
    """Engines on one database, as processes on several machines have them."""
    with ExitStack() as stack:

        def make() -> Engine:
            engine = state_engine(empty_database_url)
            stack.callback(engine.dispose)
            return engine

        yield make


@pytest.fixture
def make_budget(make_engine: MakeEngine) -> Callable[..., WarehouseBudget]:
    def make(client: str = CLIENT, **pacings: Pacing) -> WarehouseBudget:
        """A budget with an engine of its own."""
        return WarehouseBudget(make_engine(), client, pacings)

    return make


MakeBudget = Callable[..., WarehouseBudget]


def rates(engine: Engine) -> dict[tuple[str, str], Row[Any]]:
    with engine.connect() as connection:
        rows = connection.execute(text("select * from ops.call_rates")).all()
    return {(row.caller, row.service): row for row in rows}


def closed(group: str = "albums", until: datetime = NOW + timedelta(hours=1)) -> Closure:
    return Closure(group, until, "quota")


# --- The pace ---


def test_the_calls_of_one_budget_take_places_of_the_other(make_budget: MakeBudget, engine: Engine) -> None:
    first, second = make_budget(spotify=Pacing(most=10)), make_budget(spotify=Pacing(most=10))
    assert first.take(ALBUMS, NOW).wait == 0
    assert 0 < second.take(TRACKS, NOW).wait <= 30 / 9.9
    row = rates(engine)[CLIENT, "spotify"]
    assert (row.calls_per_window, sum(row.recent_calls), row.version) == (9.9, 1, 1)


def test_the_pause_that_one_budget_is_told_holds_the_other(make_budget: MakeBudget) -> None:
    first, second = make_budget(), make_budget()
    grant = first.take(ALBUMS, NOW)
    first.refused(ALBUMS, grant.at, 3600.0)
    assert 3500 < second.take(TRACKS, NOW).wait <= 3600
    # Other services go on.
    assert [second.take(endpoint, NOW).wait for endpoint in (DEEZER_ALBUM, RECCOBEATS_FEATURES, TOKEN)] == [
        0,
        0,
        0,
    ]


def test_the_rate_that_one_budget_has_learned_is_the_others(make_budget: MakeBudget, engine: Engine) -> None:
    first, second = make_budget(), make_budget()
    grants = [budget.take(ALBUMS, NOW) for budget in (first, second) * 20]
    second.refused(ALBUMS, grants[-1].at, 29.0)
    row = rates(engine)[CLIENT, "spotify"]
    # 39 of 40 passed.
    assert row.calls_per_window == pytest.approx(0.99 * 39, rel=0.1)
    assert sum(row.recent_calls) == 39
    first.refused(ALBUMS, grants[-2].at, 29.0)
    assert rates(engine)[CLIENT, "spotify"].calls_per_window == row.calls_per_window


def test_the_pace_is_that_of_the_database_whatever_a_machine_takes_the_time_to_be(
    make_budget: MakeBudget,
) -> None:
    """Two machines whose clocks are a minute apart would each see the other's calls as long past."""
    budget = make_budget(spotify=Pacing(most=10))
    first = budget.take(ALBUMS, NOW)
    second = budget.take(ALBUMS, NOW + timedelta(days=365))
    assert first.wait == 0
    assert second.wait > 0
    assert first.at == pytest.approx(time.time(), abs=60)


def test_each_client_and_each_service_has_its_own_pace(make_budget: MakeBudget, engine: Engine) -> None:
    slow = {"spotify": Pacing(most=10), "accounts": Pacing(most=10), "deezer": Pacing(most=10)}
    ours, others = make_budget(CLIENT, **slow), make_budget(OTHER, **slow)
    for endpoint in (ALBUMS, TOKEN):
        assert ours.take(endpoint, NOW).wait == 0
        assert others.take(endpoint, NOW).wait == 0
    # Deezer takes no key: it counts the calls of an address.
    assert ours.take(DEEZER_ALBUM, NOW).wait == 0
    assert others.take(DEEZER_ALBUM, NOW).wait > 0
    assert set(rates(engine)) == {
        (CLIENT, "spotify"),
        (CLIENT, "accounts"),
        (OTHER, "spotify"),
        (OTHER, "accounts"),
        ("keyless", "deezer"),
    }


@dataclass(frozen=True)
class Interrupted(Pacing):
    """Lets another process act between the reading and the writing of a pace, once."""

    others: list[Callable[[], object]] = field(default_factory=list)

    def take(self, pace: Pace, now: float) -> tuple[Pace, float]:
        self._let_the_other_act()
        return super().take(pace, now)

    def refused(self, pace: Pace, now: float, taken_at: float, retry_after: float) -> Pace:
        self._let_the_other_act()
        return super().refused(pace, now, taken_at, retry_after)

    def _let_the_other_act(self) -> None:
        if self.others:
            self.others.pop()()


@pytest.mark.parametrize("is_first_ever", [True, False], ids=["no row yet", "a row"])
def test_a_place_that_another_process_has_taken_meanwhile_is_not_taken_twice(
    make_budget: MakeBudget, engine: Engine, is_first_ever: bool
) -> None:
    quick = Pacing(most=30_000)
    other = make_budget(spotify=quick)
    if not is_first_ever:
        other.take(ALBUMS, NOW)
        time.sleep(0.01)
    taken: list[float] = []
    pacing = Interrupted(most=10, others=[lambda: taken.append(other.take(ALBUMS, NOW).wait)])
    budget = make_budget(spotify=pacing)
    calls = 0 if is_first_ever else 1
    grant = budget.take(ALBUMS, NOW)
    assert taken == [0.0]
    row = rates(engine)[CLIENT, "spotify"]
    # The other's call is counted; ours is either counted as well or was told to wait.
    assert sum(row.recent_calls) == calls + 1 + (grant.wait == 0)
    assert row.version == sum(row.recent_calls)


def test_a_refusal_is_not_lost_to_a_call_that_another_process_makes_meanwhile(
    make_budget: MakeBudget, engine: Engine
) -> None:
    other = make_budget()
    budget = make_budget()
    grant = budget.take(ALBUMS, NOW)
    interrupted = Interrupted(others=[lambda: other.take(ALBUMS, NOW)])
    make_budget(spotify=interrupted).refused(ALBUMS, grant.at, 3600.0)
    assert other.take(ALBUMS, NOW).wait > 3500
    assert sum(rates(engine)[CLIENT, "spotify"].recent_calls) == 1


def test_two_processes_of_four_threads_never_call_more_often_than_the_limit_in_any_window(
    make_budget: MakeBudget,
) -> None:
    """Taken by each for itself, they would make up to twice as many."""
    limit, calls = 200, 60
    budgets = [make_budget(spotify=Pacing(most=limit, window=1.0)) for _ in range(2)]
    start = threading.Barrier(8)

    def call(number: int) -> list[float]:
        start.wait(30)
        granted = []
        for _ in range(calls):
            while (grant := budgets[number % 2].take(ALBUMS, NOW)).wait > 0:
                time.sleep(grant.wait)
            granted.append(grant.at)
        return granted

    with ThreadPoolExecutor(8) as pool:
        granted = sorted(at for some in pool.map(call, range(8)) for at in some)
    assert len(granted) == 8 * calls
    assert most_in_a_window(granted, 1.0) <= limit


def most_in_a_window(times: list[float], window: float) -> int:
    """The most of them that lie in any window."""
    within: deque[float] = deque()
    most = 0
    for at in times:
        within.append(at)
        # To the microsecond, which is how exactly the database keeps them.
        while within[0] <= at - window + 2e-6:
            within.popleft()
        most = max(most, len(within))
    return most


# --- Closures ---


def test_a_closure_holds_every_process_until_its_time(make_budget: MakeBudget) -> None:
    first, second = make_budget(), make_budget()
    first.close(closure := closed())
    for budget in (first, second):
        for endpoint in (ALBUMS, ALBUM):
            assert budget.take(endpoint, NOW).closure == closure
            assert budget.take(endpoint, NOW + timedelta(minutes=59, seconds=59)).closure == closure
            assert budget.take(endpoint, NOW + timedelta(hours=1)).closure is None
        assert budget.take(TRACKS, NOW).closure is None


def test_a_call_to_a_closed_group_takes_no_place(make_budget: MakeBudget, engine: Engine) -> None:
    budget = make_budget()
    budget.close(closed())
    budget.take(ALBUMS, NOW)
    assert rates(engine) == {}


@pytest.mark.parametrize(("first", "second"), [(60, 1), (1, 60)])
def test_the_later_end_of_two_closures_stands(make_budget: MakeBudget, first: int, second: int) -> None:
    """A short wait that another process was told must not open a quota that is used up."""
    make_budget().close(closed(until=NOW + timedelta(minutes=first)))
    make_budget().close(closed(until=NOW + timedelta(minutes=second)))
    found = make_budget().take(ALBUMS, NOW).closure
    assert found is not None
    assert found.until == NOW + timedelta(minutes=60)


def test_a_closure_of_spotifys_holds_for_that_client_and_one_of_a_keyless_service_for_all(
    make_budget: MakeBudget, engine: Engine
) -> None:
    ours, others = make_budget(CLIENT), make_budget(OTHER)
    for group in ("albums", "token", "deezer", "reccobeats"):
        ours.close(closed(group))
    assert [others.take(endpoint, NOW).closure is None for endpoint in (ALBUMS, TOKEN)] == [True, True]
    assert [ours.take(endpoint, NOW).closure is None for endpoint in (ALBUMS, TOKEN)] == [False, False]
    for budget in (ours, others):
        assert budget.take(DEEZER_ALBUM, NOW).closure == closed("deezer")
        assert budget.take(RECCOBEATS_FEATURES, NOW).closure == closed("reccobeats")
    with engine.connect() as connection:
        assert set(closures(connection, CLIENT, NOW)) == {"albums", "token", "deezer", "reccobeats"}
        assert closures(connection, OTHER, NOW) == {
            group: closed(group) for group in ("deezer", "reccobeats")
        }
        assert closures(connection, CLIENT, NOW + timedelta(hours=1)) == {}


def test_a_closure_that_has_ended_can_be_followed_by_another(make_budget: MakeBudget) -> None:
    budget = make_budget()
    budget.close(closed(until=NOW))
    later = Closure("albums", NOW + timedelta(days=1), "rate limit")
    budget.close(later)
    assert budget.take(ALBUMS, NOW).closure == later


# --- Access ---


def test_what_a_key_may_do_is_remembered_for_a_day(make_engine: MakeEngine) -> None:
    """A key can lose access at any moment, and the postponed cut may come on any day."""
    time_is = [NOW]
    memory = WarehouseAccessMemory(make_engine(), CLIENT, lambda: time_is[0])
    memory.remember(ALBUMS, is_open=False)
    time_is[0] += timedelta(hours=12)
    memory.remember(TRACKS, is_open=True)
    assert memory.recall() == {ALBUMS: False, TRACKS: True}
    time_is[0] = NOW + timedelta(days=1)
    assert memory.recall() == {ALBUMS: False, TRACKS: True}
    time_is[0] += timedelta(seconds=1)
    assert memory.recall() == {TRACKS: True}
    time_is[0] += timedelta(hours=12)
    assert memory.recall() == {}


def test_the_latest_answer_is_believed(make_engine: MakeEngine) -> None:
    time_is = [NOW]
    memory = WarehouseAccessMemory(make_engine(), CLIENT, lambda: time_is[0])
    memory.remember(ALBUMS, is_open=True)
    time_is[0] += timedelta(hours=20)
    memory.remember(ALBUMS, is_open=False)
    time_is[0] += timedelta(hours=20)
    assert memory.recall() == {ALBUMS: False}


def test_each_client_has_its_own_access(make_engine: MakeEngine) -> None:
    """One machine's development key must not send another's extended key the long way."""
    ours, others = (WarehouseAccessMemory(make_engine(), client, lambda: NOW) for client in (CLIENT, OTHER))
    ours.remember(ALBUMS, is_open=False)
    others.remember(ALBUMS, is_open=True)
    assert ours.recall() == {ALBUMS: False}
    assert others.recall() == {ALBUMS: True}


# --- Both, through the client ---


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeApi() as running:
        yield running


@pytest.fixture
def make_client(api: FakeApi, make_engine: MakeEngine) -> Iterator[Callable[[], SpotifyClient]]:
    """Clients of one key, as processes on several machines have them."""
    with ExitStack() as stack:

        def make() -> SpotifyClient:
            engine = make_engine()
            memory = WarehouseAccessMemory(engine, CLIENT, lambda: datetime.now(UTC))
            return stack.enter_context(
                SpotifyClient(
                    Credentials(CLIENT_ID, "secret"),
                    Wire(budget=WarehouseBudget(engine, CLIENT, {})),
                    api_url=api.api_url,
                    accounts_url=api.url,
                    access=Access("auto", memory),
                )
            )

        yield make


def test_a_quota_that_one_process_has_used_up_costs_the_next_no_call(
    api: FakeApi, make_client: Callable[[], SpotifyClient]
) -> None:
    """Each would find out by a call of its own, and every call while limited lengthens the penalty."""
    api.on("/v1/artists", error_answer(429, None, "QUOTA_EXCEEDED", Retry_After="52531"))
    for _ in range(3):
        with pytest.raises(QuotaExceededError) as caught:
            make_client().artists(["a"])
        assert caught.value.resume_at > datetime.now(UTC) + timedelta(hours=14)
    assert len(api.seen("/v1/artists")) == 1


def test_what_one_process_has_learned_of_the_key_costs_the_next_no_call(
    api: FakeApi, make_client: Callable[[], SpotifyClient]
) -> None:
    for endpoint in ("browse/new-releases", "albums", "tracks", "audio-features", "artists"):
        api.on(f"/v1/{endpoint}", error_answer(403, "Forbidden"))
    api.on("/v1/albums/a", Answer(payloads.album("a")))
    for _ in range(3):
        client = make_client()
        assert client.albums(["a"], "US").releases.height == 1
        with pytest.raises(ForbiddenError):
            client.artists(["a"])
        assert str(client.access) == "development"
    assert len(api.seen("/v1/albums")) == len(api.seen("/v1/artists")) == 1
    assert len(api.seen("/v1/albums/a")) == 3


def test_no_client_id_or_secret_stands_in_any_table(
    api: FakeApi, make_client: Callable[[], SpotifyClient], make_budget: MakeBudget, engine: Engine
) -> None:
    """Analysts read these tables; a client id is half of a credential."""
    api.on("/v1/artists", Answer({"artists": [payloads.artist("a")]}))
    make_client().artists(["a"])
    make_budget().close(closed())
    with engine.connect() as connection:
        rows = [
            str(row)
            for table in tables.metadata.sorted_tables
            if table.schema == "ops"
            for row in connection.execute(table.select())
        ]
    assert {CLIENT in row for row in rows} == {True}
    assert len(rows) == 4  # one of access, one closure, the paces of Spotify and of its token service
    assert not any(CLIENT_ID in row or "secret" in row for row in rows)


# --- The engine ---


def test_a_call_does_not_wait_for_the_disk_and_other_writes_do(
    make_engine: MakeEngine, engine: Engine
) -> None:
    """A crash may forget the last calls; waiting for the disk would cost more than a call."""
    for each, setting in ((make_engine(), "off"), (engine, "on")):
        with each.connect() as connection:
            assert connection.execute(text("show synchronous_commit")).scalar_one() == setting


def test_what_is_kept_stands_alone_and_needs_no_commit(make_engine: MakeEngine) -> None:
    with make_engine().connect() as connection:
        connection.execute(
            text("insert into ops.access values (:client, 'albums', true, :now)"),
            {"client": CLIENT, "now": NOW},
        )
    assert WarehouseAccessMemory(make_engine(), CLIENT, lambda: NOW).recall() == {ALBUMS: True}


def test_an_artist_call_counts_towards_the_limits_that_are_known(make_budget: MakeBudget) -> None:
    """Of Spotify none is; Deezer says 50 in 5 s."""
    budget = make_budget(**KNOWN_LIMITS)
    assert [budget.take(ARTISTS, NOW).wait for _ in range(20)] == [0] * 20
    assert budget.take(DEEZER_ALBUM, NOW).wait == 0
    assert 0 < budget.take(DEEZER_ALBUM, NOW).wait < 5 / 49
