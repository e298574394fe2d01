"""The budget of one process: paces by service, closures by group, and what it says of both."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from spotify_assets.spotify.budget import Cause, Closure, Grant, MemoryBudget
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.endpoints import (
    ACCOUNTS,
    ALBUM,
    ALBUM_TRACKS,
    ALBUMS,
    ARTISTS,
    AUDIO_FEATURES,
    DEEZER,
    DEEZER_ALBUM,
    DEEZER_TRACKS,
    NEW_RELEASES,
    RECCOBEATS,
    RECCOBEATS_FEATURES,
    SEARCH,
    SPOTIFY,
    TOKEN,
    TRACK,
    TRACKS,
    group_of,
    service_of,
)
from spotify_assets.spotify.errors import QuotaExceededError, RateLimitedError
from spotify_assets.spotify.moments import moment
from spotify_assets.spotify.pacing import Pace, Pacing
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import NOW, FakeTime, MakeClient
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, error_answer


def closed(group: str, seconds: float, cause: Cause = "quota") -> Closure:
    return Closure(group, moment(NOW + seconds), cause)


@pytest.fixture
def make_budget(fake_time: FakeTime) -> Callable[..., MemoryBudget]:
    def make(**pacings: Pacing) -> MemoryBudget:
        return MemoryBudget(pacings, fake_time.time)

    return make


MakeBudget = Callable[..., MemoryBudget]


def wait_for(budget: MemoryBudget, endpoint: str, fake_time: FakeTime) -> float:
    return budget.take(endpoint, moment(fake_time.time())).wait


# --- Which calls share what ---


@pytest.mark.parametrize(
    ("endpoint", "service", "group"),
    [
        (TOKEN, ACCOUNTS, "token"),
        (NEW_RELEASES, SPOTIFY, "browse"),
        (SEARCH, SPOTIFY, "search"),
        (ALBUMS, SPOTIFY, "albums"),
        (ALBUM, SPOTIFY, "albums"),
        (ALBUM_TRACKS, SPOTIFY, "albums"),
        (TRACKS, SPOTIFY, "tracks"),
        (TRACK, SPOTIFY, "tracks"),
        (AUDIO_FEATURES, SPOTIFY, "audio-features"),
        (ARTISTS, SPOTIFY, "artists"),
        (RECCOBEATS_FEATURES, RECCOBEATS, RECCOBEATS),
        (DEEZER_ALBUM, DEEZER, DEEZER),
        (DEEZER_TRACKS, DEEZER, DEEZER),
    ],
)
def test_each_endpoint_counts_towards_one_limit_and_one_quota(
    endpoint: str, service: str, group: str
) -> None:
    assert (service_of(endpoint), group_of(endpoint)) == (service, group)


def test_calls_to_one_service_share_a_pace_and_other_services_have_their_own(
    make_budget: MakeBudget, fake_time: FakeTime
) -> None:
    budget = make_budget(spotify=Pacing(most=50), deezer=Pacing(most=300))
    assert wait_for(budget, ALBUMS, fake_time) == 0
    assert wait_for(budget, TRACKS, fake_time) > 0
    assert wait_for(budget, DEEZER_ALBUM, fake_time) == 0
    assert wait_for(budget, DEEZER_TRACKS, fake_time) > 0
    # No limit of these two is known.
    assert [wait_for(budget, endpoint, fake_time) for endpoint in (TOKEN, RECCOBEATS_FEATURES) * 50] == [
        0
    ] * 100


def test_a_429_pauses_its_service_alone(make_budget: MakeBudget, fake_time: FakeTime) -> None:
    budget = make_budget()
    grant = budget.take(ALBUMS, moment(NOW))
    budget.refused(ALBUMS, grant.at, 7.0)
    assert wait_for(budget, SEARCH, fake_time) == 7
    assert wait_for(budget, DEEZER_ALBUM, fake_time) == 0
    assert wait_for(budget, TOKEN, fake_time) == 0
    fake_time.sleep(7)
    assert wait_for(budget, SEARCH, fake_time) == 0


def test_a_grant_states_the_time_at_which_it_was_given(make_budget: MakeBudget, fake_time: FakeTime) -> None:
    budget = make_budget()
    fake_time.sleep(5)
    assert budget.take(ALBUMS, moment(NOW)).at == NOW + 5


# --- Closures ---


def test_a_closed_group_is_closed_until_its_time_and_the_others_are_open(make_budget: MakeBudget) -> None:
    budget = make_budget()
    budget.close(closure := closed("albums", 3600))
    for endpoint in (ALBUMS, ALBUM, ALBUM_TRACKS):
        assert budget.take(endpoint, moment(NOW)).closure == closure
        assert budget.take(endpoint, moment(NOW + 3599.9)).closure == closure
        assert budget.take(endpoint, moment(NOW + 3600)).closure is None
    for endpoint in (TRACKS, SEARCH, ARTISTS, DEEZER_ALBUM):
        assert budget.take(endpoint, moment(NOW)).closure is None


def test_a_call_to_a_closed_group_takes_no_place(make_budget: MakeBudget, fake_time: FakeTime) -> None:
    budget = make_budget(spotify=Pacing(most=10))
    budget.close(closed("albums", 3600))
    for _ in range(20):
        assert budget.take(ALBUMS, moment(NOW)).wait == 0
    assert wait_for(budget, TRACKS, fake_time) == 0


@pytest.mark.parametrize(("first", "second"), [(3600, 60), (60, 3600), (3600, 3600)])
def test_the_later_end_of_two_closures_stands(make_budget: MakeBudget, first: int, second: int) -> None:
    """A short wait that another call was told must not open a quota that is used up."""
    budget = make_budget()
    budget.close(closed("albums", first))
    budget.close(closed("albums", second, "rate limit"))
    found = budget.take(ALBUMS, moment(NOW)).closure
    assert found is not None
    assert found.until == moment(NOW + 3600)
    assert found.cause == ("rate limit" if second > first else "quota")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("quota", "the quota is used up; nothing is asked before 2026-11-18 12:06:40 UTC"),
        ("rate limit", "too many calls were made; nothing is asked before 2026-11-18 12:06:40 UTC"),
    ],
)
def test_a_closure_says_why_and_until_when(cause: Cause, words: str) -> None:
    assert str(closed("albums", 3600, cause)) == words


# --- Through the client ---


def test_calls_are_spread_by_the_budget_and_the_waits_are_counted(
    api: FakeApi, make_client: MakeClient, fake_time: FakeTime
) -> None:
    api.on("/v1/artists", lambda request: Answer({"artists": [payloads.artist(key) for key in request.ids]}))
    budget = MemoryBudget({SPOTIFY: Pacing(most=100)}, fake_time.time)
    client = make_client(budget=budget, threads=1)
    assert client.artists([f"a{n}" for n in range(1000)]).frame.height == 1000
    # Twenty calls: the first goes at once.
    assert fake_time.now - NOW == pytest.approx(19 * 30 / 99, abs=0.2)
    assert client.calls.seconds_waited == pytest.approx(fake_time.now - NOW)
    assert client.calls.rate_limited == 0


def test_a_used_up_quota_closes_all_endpoints_of_its_group_to_all_clients_of_the_budget(
    api: FakeApi, make_client: MakeClient, fake_time: FakeTime
) -> None:
    api.on("/v1/albums", error_answer(429, "Too many requests", "QUOTA_EXCEEDED", Retry_After="52531"))
    api.on("/v1/tracks", Answer({"tracks": [payloads.track("a")]}))
    budget = MemoryBudget({}, fake_time.time)
    clients = [make_client(budget=budget) for _ in range(2)]
    for client in clients:
        with pytest.raises(QuotaExceededError) as caught:
            client.albums(["a"], "US")
        assert caught.value.resume_at == moment(NOW + 52_531)
    assert len(api.seen("/v1/albums")) == 1
    assert clients[1].tracks(["a"], "US").frame.height == 1


def test_a_limit_too_long_to_wait_for_is_no_used_up_quota(api: FakeApi, client: SpotifyClient) -> None:
    api.on("/v1/artists", error_answer(429, Retry_After="3600"))
    for _ in range(2):
        with pytest.raises(RateLimitedError, match="too many requests; call again after 2026-11-18 12:06:40"):
            client.artists(["a"])


# --- Threads ---


class Slow(Pacing):
    """Takes a while to decide, in which other threads come by."""

    def take(self, pace: Pace, now: float) -> tuple[Pace, float]:
        time.sleep(0.001)
        return super().take(pace, now)


def test_two_threads_never_take_the_same_place(make_budget: MakeBudget) -> None:
    budget = make_budget(spotify=Slow(most=100))
    start = threading.Barrier(8)

    def take(_: int) -> list[float]:
        start.wait(10)
        return [budget.take(ALBUMS, moment(NOW)).wait for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        waits = [wait for some in pool.map(take, range(8)) for wait in some]
    # No time passes: one call is allowed.
    assert waits.count(0.0) == 1


def test_threads_that_are_refused_together_slow_the_pace_once(
    make_budget: MakeBudget, fake_time: FakeTime
) -> None:
    budget = make_budget()
    grants = [budget.take(ALBUMS, moment(NOW)) for _ in range(100)]
    fake_time.sleep(1)
    start = threading.Barrier(4)

    def refuse(grant: Grant) -> None:
        start.wait(10)
        budget.refused(ALBUMS, grant.at, 29.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(refuse, grants[:4]))
    # A little more than the wait: the calls leave the window a slice later.
    fake_time.sleep(29.3)
    for _ in range(2):
        assert wait_for(budget, ALBUMS, fake_time) == 0
        interval = wait_for(budget, ALBUMS, fake_time)
        fake_time.sleep(interval)
    # 99 calls were not refused when the first refusal was noted.
    assert interval == pytest.approx(30 / (0.99 * 99))
