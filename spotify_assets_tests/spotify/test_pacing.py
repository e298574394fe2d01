"""How fast to call: the rules one by one, what holds whatever happens, and whole loads against a simulated limit."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.spotify.pacing import WINDOW, Pace, Pacing

NOW = 1_795_000_000.0


def taken(pacing: Pacing, pace: Pace, at: float) -> Pace:
    """The pace after a call at that time, which must be allowed."""
    pace, wait = pacing.take(pace, at)
    assert wait == 0
    return pace


def after_calls(pacing: Pacing, times: list[float], pace: Pace | None = None) -> Pace:
    pace = Pace() if pace is None else pace
    for at in times:
        pace = taken(pacing, pace, at)
    return pace


def burst(calls: int, over: float = 4.0) -> list[float]:
    return [NOW + over * n / calls for n in range(calls)]


# --- Taking ---


def test_where_nothing_is_known_nothing_is_held_back() -> None:
    pace = after_calls(Pacing(), [NOW] * 1000)
    assert (pace.rate, pace.recent_calls) == (None, 1000)


def test_a_known_limit_spreads_the_calls_evenly() -> None:
    pacing = Pacing(most=100)
    pace = taken(pacing, Pace(), NOW)
    pace, wait = pacing.take(pace, NOW)
    assert 0 < wait <= 30 / 99
    pace = taken(pacing, pace, NOW + wait)
    _, wait = pacing.take(pace, NOW + wait)
    assert wait == pytest.approx(30 / 99)


def test_who_must_wait_is_not_counted() -> None:
    pacing = Pacing(most=10)
    pace = taken(pacing, Pace(), NOW)
    for _ in range(5):
        pace, wait = pacing.take(pace, NOW)
        assert wait > 0
    assert pace.recent_calls == 1


def test_a_call_that_comes_a_little_late_does_not_put_off_the_next() -> None:
    """Every thread wakes some milliseconds late; over a thousand calls that would add up to seconds."""
    pacing = Pacing(most=100)
    late, at, pace = 0.01, NOW, taken(pacing, Pace(), NOW)
    for _ in range(99):
        pace, wait = pacing.take(pace, at)
        at += wait + late
        pace = taken(pacing, pace, at)
    assert at - NOW < 99 * 30 / 99 + 1.5 * late


def test_a_call_that_comes_very_late_does_not_let_others_catch_up() -> None:
    """Calls saved up over an hour would go out in one burst, beyond the limit."""
    pacing = Pacing(most=100)
    pace = taken(pacing, Pace(), NOW)
    pace = taken(pacing, pace, NOW + 3600)
    pace, wait = pacing.take(pace, NOW + 3600)
    assert wait == pytest.approx(30 / 99)


@pytest.mark.parametrize(("slowed_at", "share"), [(0.0, 1 / 6), (NOW - 3600, 1 / 12)], ids=["set", "learned"])
def test_a_step_that_asks_others_meanwhile_is_made_up_for_in_part(slowed_at: float, share: float) -> None:
    """Steps ask Deezer and ReccoBeats in between: lost for good, these seconds would slow a load down by a tenth."""
    pacing = Pacing(most=100)
    pace = taken(pacing, Pace(rate=99.0, slowed_at=slowed_at), NOW)
    later = NOW + 20
    calls = 0
    while True:
        pace, wait = pacing.take(pace, later)
        if wait > 0:
            break
        calls += 1
    assert calls == pytest.approx(99 * share + 1, abs=1)


def test_what_was_noted_while_a_clock_ran_a_year_ahead_holds_nothing_up() -> None:
    """Kept in the database, it would have stopped every load for a year."""
    pacing = Pacing(most=100)
    in_a_year = NOW + 365 * 86_400
    pace = pacing.refused(taken(pacing, Pace(), in_a_year), in_a_year, in_a_year, 20.0)
    assert pacing.take(pace, NOW)[1] <= WINDOW


def test_a_pause_of_a_few_minutes_is_kept() -> None:
    pacing = Pacing()
    pace = pacing.refused(taken(pacing, Pace(), NOW), NOW, NOW, 900.0)
    assert pacing.take(pace, NOW + 1)[1] == 899


@pytest.mark.parametrize("most", [1, 2, 7, 10, 20, 49, 50, 100, 300, 900])
def test_no_window_holds_more_calls_than_the_limit_however_the_callers_come(most: int) -> None:
    """Below 50 one call more fitted in, which was refused: all that caution left free went to calls that came late."""
    rng = random.Random(most)
    pacing, pace, at = Pacing(most=most), Pace(), NOW
    granted: deque[float] = deque()
    for _ in range(min(20 * most, 2000)):
        pace, wait = pacing.take(pace, at)
        while wait > 0:
            # In time, a little late, or later than the reserve.
            at += wait + rng.choice([0.0, 0.0, 0.01, 0.2, 40.0])
            pace, wait = pacing.take(pace, at)
        granted.append(at)
        while granted[0] <= at - WINDOW + 1e-6:
            granted.popleft()
        assert len(granted) <= most


# --- A 429 ---


def test_a_429_pauses_every_call_until_its_wait_is_over() -> None:
    pacing = Pacing()
    pace = pacing.refused(taken(pacing, Pace(), NOW), NOW + 1, NOW, 7.0)
    assert pacing.take(pace, NOW + 1)[1] == 7.0
    assert pacing.take(pace, NOW + 7.5)[1] == 0.5
    assert pacing.take(pace, NOW + 8)[1] == 0


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    pacing = Pacing()
    pace = pacing.refused(taken(pacing, Pace(), NOW), NOW, NOW, 20.0)
    assert pacing.refused(pace, NOW + 1, NOW, 2.0).paused_until == NOW + 20


def test_the_rate_learned_from_a_429_is_that_at_which_the_calls_would_have_passed() -> None:
    pacing = Pacing()
    pace = after_calls(pacing, [*burst(100), NOW + 4])
    pace = pacing.refused(pace, NOW + 4.2, NOW + 4, 26.0)
    assert pace.rate == pytest.approx(99)
    assert pace.recent_calls == 100


def test_the_rate_of_a_shorter_window_is_learned_as_well() -> None:
    """50 calls in 5 s are 300 in 30."""
    pacing = Pacing()
    pace = after_calls(pacing, [*burst(50, over=1), NOW + 1])
    assert pacing.refused(pace, NOW + 1, NOW + 1, 4.0).rate == pytest.approx(297)


@pytest.mark.parametrize("rounding", [0.0, 0.4, 1.0, 1.9])
def test_a_wait_that_is_rounded_up_does_not_slow_the_calls_down(rounding: float) -> None:
    """A Retry-After is whole seconds: taken at its word it made the window longer, and the limit lower than it is."""
    pacing = Pacing()
    pace = after_calls(pacing, [*burst(100), NOW + 4])
    assert pacing.refused(pace, NOW + 4, NOW + 4, 26 + rounding).rate == pytest.approx(99)


def test_four_threads_that_are_refused_together_lower_the_rate_once() -> None:
    pacing = Pacing()
    pace = after_calls(pacing, [*burst(100), *[NOW + 4 + n / 100 for n in range(4)]])
    rates = []
    for n in range(4):
        pace = pacing.refused(pace, NOW + 4.2 + n / 100, NOW + 4 + n / 100, 26.0)
        rates.append(pace.rate)
    assert len(set(rates)) == 1
    assert pace.recent_calls == 100


def test_a_call_that_was_granted_after_the_slowing_down_lowers_the_rate_again() -> None:
    pacing = Pacing()
    pace = after_calls(pacing, [*burst(100), NOW + 4])
    pace = pacing.refused(pace, NOW + 4.1, NOW + 4, 1.0)
    rate = pace.rate
    pace = taken(pacing, pace, NOW + 6)
    pace = pacing.refused(pace, NOW + 6.1, NOW + 6, 25.0)
    assert pace.rate is not None
    assert rate is not None
    assert pace.rate < rate


@pytest.mark.parametrize("most", [None, 100])
def test_a_429_after_fewer_calls_than_the_least_teaches_nothing(most: int | None) -> None:
    """Removed endpoints answer some keys 429 from the first call on: a limit of one call would stop every load."""
    pacing = Pacing(most=most)
    pace = taken(pacing, Pace(), NOW)
    before = pace.rate
    pace = pacing.refused(pace, NOW + 1, NOW, 11.0)
    assert pace.rate == before
    assert pace.paused_until == NOW + 12


def test_no_429_pushes_the_rate_below_the_least() -> None:
    pacing, pace, at = Pacing(), Pace(), NOW
    for _ in range(50):
        # 600 s that the answer asks for would make it one call a minute.
        pace = after_calls(pacing, [at] * (20 if pace.rate is None else 1), pace)
        pace = replace(pace, recent=((pacing.slice_at(at), 20),))
        pace = pacing.refused(pace, at + 1, at, 600.0)
        at = pace.paused_until
    assert pace.rate == pacing.least


@pytest.mark.parametrize("most", [1, 5, 9])
def test_a_setting_below_the_least_is_not_raised_by_a_429(most: int) -> None:
    pacing = Pacing(most=most)
    pace = replace(taken(pacing, Pace(), NOW), recent=((pacing.slice_at(NOW), 20),))
    rate = pacing.refused(pace, NOW + 1, NOW, 5.0).rate
    assert rate == most * pacing.caution


# --- Growing ---


def used(pacing: Pacing, pace: Pace, share: float, windows: int) -> Pace:
    """The pace after windows in which that share of its rate was called."""
    at = max(pace.slowed_at, pace.raised_at)
    for _ in range(windows):
        calls = math.ceil(share * (pace.rate or 0))
        pace = replace(
            pace, recent=((pacing.slice_at(at + 29), calls - 1),), next_call_at=0.0, paused_until=0.0
        )
        at += 30
        pace = pacing.take(pace, at)[0]
    return pace


LEARNED = Pace(rate=50.0, slowed_at=NOW)


def test_a_rate_that_is_used_grows_slowly() -> None:
    pace = used(Pacing(), LEARNED, 1.0, 1)
    assert pace.rate == pytest.approx(51)
    assert used(Pacing(), pace, 0.9, 9).rate == pytest.approx(50 * 1.02**10)


def test_a_rate_that_is_not_used_does_not_grow() -> None:
    """A night without calls proves nothing."""
    assert used(Pacing(), LEARNED, 0.7, 20).rate == 50
    pace, _ = Pacing().take(LEARNED, NOW + 86_400)
    assert pace.rate == 50


def test_a_rate_grows_once_a_window() -> None:
    pace = used(Pacing(), LEARNED, 1.0, 1)
    for second in range(30):
        pace = Pacing().take(replace(pace, next_call_at=0.0), NOW + 30 + second)[0]
        assert pace.rate == pytest.approx(51)


def test_a_rate_never_grows_above_the_setting() -> None:
    for windows in range(1, 15):
        assert (used(Pacing(most=60), LEARNED, 1.0, windows).rate or 0) <= 0.99 * 60
    assert used(Pacing(most=60), LEARNED, 1.0, 15).rate == 0.99 * 60


# --- A setting that changes between two runs, while the rate is kept ---


@pytest.mark.parametrize("most", [20, 50, 200])
def test_a_learned_rate_is_never_above_the_setting(most: int) -> None:
    """A rate of yesterday's, kept in the database, overruled the setting for as long as it held."""
    learned = Pace(rate=500.0, slowed_at=NOW - 3600)
    assert taken(Pacing(most=most), learned, NOW).rate == 0.99 * most


def test_a_learned_rate_below_the_setting_is_kept() -> None:
    learned = Pace(rate=50.0, slowed_at=NOW - 3600)
    assert taken(Pacing(most=200), learned, NOW).rate == 50


@pytest.mark.parametrize(("most", "rate"), [(200, 198.0), (20, 19.8), (None, None)])
def test_a_setting_that_no_429_has_contradicted_is_replaced_by_the_next(
    most: int | None, rate: float | None
) -> None:
    """Kept in the database, the old one was taken for something learned, and grew by 2 % in 30 s."""
    pace = taken(Pacing(most=50), Pace(), NOW)
    assert pace.rate == 49.5
    assert taken(Pacing(most=most), pace, NOW + 60).rate == rate


# --- Whatever happens ---


@dataclass
class Story:
    """A pace through some takes and refusals at random times."""

    pacing: Pacing
    pace: Pace = field(default_factory=Pace)
    now: float = NOW
    granted: list[float] = field(default_factory=list)

    def take(self, later: float) -> None:
        self.now += later
        before = self.pace
        self.pace, wait = self.pacing.take(before, self.now)
        assert 0 <= wait < math.inf
        if wait > 0:
            assert self.pace.recent_calls <= before.recent_calls
        else:
            assert self.now >= before.paused_until
            self.granted.append(self.now)

    def refuse(self, later: float, which: int, retry_after: float) -> None:
        self.now += later
        if not self.granted:
            return
        before = self.pace
        granted_at = self.granted[-1 - which % len(self.granted)]
        self.pace = self.pacing.refused(before, self.now, granted_at, retry_after)
        assert self.pace.paused_until >= max(before.paused_until, self.now + retry_after)
        if before.rate is not None:
            assert self.pace.rate is not None
            assert self.pace.rate <= before.rate

    def check(self) -> None:
        ceiling = math.inf if self.pacing.most is None else self.pacing.caution * self.pacing.most
        if self.pace.rate is not None:
            assert min(self.pacing.least, ceiling) <= self.pace.rate <= ceiling
        elif self.granted:
            assert self.pacing.most is None
        within = sum(at > self.now - self.pacing.window - 1 for at in self.granted)
        assert self.pace.recent_calls <= within
        assert all(calls > 0 for _, calls in self.pace.recent)
        assert len(self.pace.recent) <= 151
        if self.pacing.most is not None:
            window = [at for at in self.granted if at > self.now - self.pacing.window + 1e-6]
            assert len(window) <= self.pacing.most


LATER = st.sampled_from([0.0, 0.001, 0.05, 0.3, 1.0, 5.0, 29.9, 31.0]) | st.floats(0, 40)
STEPS = st.lists(
    st.tuples(st.just("take"), LATER)
    | st.tuples(st.just("refuse"), LATER, st.integers(0, 30), st.floats(0, 60)),
    max_size=60,
)
PACINGS = st.builds(
    Pacing, most=st.none() | st.integers(1, 500), window=st.sampled_from([1.0, 5.0, 30.0, 60.0])
)


@given(PACINGS, st.integers(0, 200), STEPS)
def test_whatever_happens_the_rate_stays_between_the_least_and_the_limit(
    pacing: Pacing, burst_of: int, steps: list[tuple[object, ...]]
) -> None:
    story = Story(pacing)
    for _ in range(burst_of):
        story.take(0.001)
    for name, *arguments in steps:
        act: Callable[..., None] = story.take if name == "take" else story.refuse
        act(*arguments)
        story.check()


@given(PACINGS, STEPS)
def test_who_waits_as_long_as_told_may_call_then(pacing: Pacing, steps: list[tuple[object, ...]]) -> None:
    """A wait that is told again and again would keep a thread for ever."""
    story = Story(pacing)
    for name, *arguments in steps:
        act: Callable[..., None] = story.take if name == "take" else story.refuse
        act(*arguments)
    pace, wait = pacing.take(story.pace, story.now)
    if wait > 0:
        assert pacing.take(pace, story.now + wait + 1e-6)[1] == 0


# --- A whole load against a limit ---


@dataclass
class RollingWindow:
    """A server that accepts so many calls in any window, and answers the others 429 with whole seconds to wait."""

    limit: int
    window: float = WINDOW
    accepted: deque[float] = field(default_factory=deque)

    def retry_after(self, now: float) -> float | None:
        """Seconds to wait, or None: accepted."""
        while self.accepted and self.accepted[0] <= now - self.window:
            self.accepted.popleft()
        if len(self.accepted) < self.limit:
            self.accepted.append(now)
            return None
        return max(1.0, math.ceil(self.accepted[0] + self.window - now))


@dataclass
class Kept:
    """A pace as a database keeps it: it is read, and written only if nobody has written meanwhile."""

    pacing: Pacing
    round_trip: float
    pace: Pace = field(default_factory=Pace)
    version: int = 0

    def write(self, pace: Pace, version: int) -> bool:
        if version != self.version:
            return False
        self.pace, self.version = pace, self.version + 1
        return True


class Load:
    """So many calls by so many callers, who belong to one process or several: an event loop over simulated time."""

    def __init__(
        self, server: RollingWindow, processes: Sequence[Kept], calls: int, callers: int, seed: int
    ) -> None:
        self.accepted_at: list[float] = []
        self.refusals = 0
        self._server, self._left = server, calls
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        for number in range(callers):
            self._at(NOW, partial(self._next, processes[number % len(processes)]))

    def run(self) -> "Load":
        while self._events:
            now, _, act = heapq.heappop(self._events)
            act(now)
        return self

    @property
    def seconds(self) -> float:
        return self.accepted_at[-1] - self.accepted_at[0]

    @property
    def share_refused(self) -> float:
        return self.refusals / (self.refusals + len(self.accepted_at))

    def _at(self, time: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), act))

    def _next(self, kept: Kept, now: float) -> None:
        if self._left:
            self._left -= 1
            self._take(kept, now)

    def _take(self, kept: Kept, now: float) -> None:
        pace, wait = kept.pacing.take(kept.pace, now)
        version = kept.version

        def write(later: float) -> None:
            if wait > 0:
                self._at(later + wait, partial(self._take, kept))
            elif kept.write(pace, version):
                self._send(kept, now, later)
            else:
                self._take(kept, later)

        self._at(now + kept.round_trip, write)

    def _send(self, kept: Kept, granted_at: float, now: float) -> None:
        latency = self._random.uniform(0.02, 0.2)

        def arrive(at: float) -> None:
            retry_after = self._server.retry_after(at)
            if retry_after is None:
                self.accepted_at.append(at)
                self._at(at + latency / 2, partial(self._next, kept))
            else:
                self.refusals += 1
                self._at(at + latency / 2, partial(self._refused, kept, granted_at, retry_after))

        self._at(now + latency / 2, arrive)

    def _refused(self, kept: Kept, granted_at: float, retry_after: float, now: float) -> None:
        kept.write(kept.pacing.refused(kept.pace, now, granted_at, retry_after), kept.version)
        self._take(kept, now)


def least_seconds(calls: int, limit: int) -> float:
    """What the limit imposes: the first of each further `limit` calls waits for a whole window."""
    return (calls - 1) // limit * WINDOW


def load(
    limit: int, calls: int, pacing: Pacing, callers: int = 4, seed: int = 1, round_trip: float = 0.0
) -> Load:
    return Load(RollingWindow(limit), [Kept(pacing, round_trip)], calls, callers, seed).run()


# Limits, calls, callers who can make as many, and where chance begins.
LOADS = pytest.mark.parametrize(
    ("limit", "calls", "callers", "seed"),
    [
        (100, 1000, 4, 1),
        (100, 1000, 4, 2),
        (100, 1000, 4, 3),
        (100, 1000, 1, 1),
        (100, 1000, 12, 1),
        (100, 1100, 4, 1),
        (100, 1100, 4, 2),
        (100, 1100, 4, 3),
        (20, 200, 4, 1),
        (20, 1000, 4, 1),
        (900, 9000, 8, 1),
    ],
)


@LOADS
def test_with_a_known_limit_hardly_a_call_is_refused_and_no_time_is_lost(
    limit: int, calls: int, callers: int, seed: int
) -> None:
    result = load(limit, calls, Pacing(most=limit), callers, seed)
    assert len(result.accepted_at) == calls
    assert result.share_refused <= 0.01
    assert result.seconds <= 1.15 * least_seconds(calls, limit)


@LOADS
def test_a_limit_that_nobody_knows_is_learned_at_the_cost_of_few_refused_calls(
    limit: int, calls: int, callers: int, seed: int
) -> None:
    result = load(limit, calls, Pacing(), callers, seed)
    assert len(result.accepted_at) == calls
    assert result.share_refused <= 0.05
    assert result.seconds <= 1.15 * least_seconds(calls, limit)


@pytest.mark.parametrize("calls", [1000, 1100])
@pytest.mark.parametrize("seed", range(5))
def test_of_a_thousand_calls_under_an_unknown_limit_of_100_hardly_more_than_ten_are_refused(
    calls: int, seed: int
) -> None:
    assert load(100, calls, Pacing(), seed=seed).share_refused < 0.015


@pytest.mark.parametrize(("most", "share"), [(100, 0.01), (None, 0.05)], ids=["known", "unknown"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_processes_that_share_a_pace_share_the_limit(most: int | None, share: float, seed: int) -> None:
    """Each of them alone would use the whole limit."""
    result = load(100, 1000, Pacing(most=most), callers=12, seed=seed, round_trip=0.003)
    assert len(result.accepted_at) == 1000
    assert result.share_refused <= share
    assert result.seconds <= 1.15 * least_seconds(1000, 100)


def test_three_processes_that_share_nothing_are_refused_where_sharing_ones_are_not() -> None:
    """What the simulation shows where sharing fails."""
    alone = [Kept(Pacing(most=100), 0.0) for _ in range(3)]
    assert Load(RollingWindow(100), alone, 1000, 12, 1).run().refusals > 5
    assert load(100, 1000, Pacing(most=100), callers=12, round_trip=0.003).refusals == 0


def test_callers_without_a_pace_are_refused_a_lot() -> None:
    """What the simulation shows of a client that only waits out each 429: it tells a good pace from none."""

    class OnlyWaiting(Pacing):
        def refused(self, pace: Pace, now: float, taken_at: float, retry_after: float) -> Pace:
            del taken_at
            return replace(pace, paused_until=max(pace.paused_until, now + retry_after))

    result = load(100, 1000, OnlyWaiting(), callers=12)
    assert result.share_refused > 0.05


def test_a_limit_that_is_lower_than_the_setting_is_learned_all_the_same() -> None:
    result = load(100, 1000, Pacing(most=200))
    assert result.share_refused <= 0.05
    assert result.seconds <= 1.2 * least_seconds(1000, 100)


def test_a_limit_that_is_raised_meanwhile_is_found_in_time() -> None:
    """From 50 to 100 within an hour of use: 2 % in each window."""
    kept = Kept(Pacing(), 0.0)
    Load(RollingWindow(50), [kept], 500, 4, 1).run()
    assert kept.pace.rate == pytest.approx(50, rel=0.1)
    later = Load(RollingWindow(100), [kept], 6000, 4, 2)
    later.run()
    assert kept.pace.rate == pytest.approx(100, rel=0.1)
    assert later.share_refused < 0.01
