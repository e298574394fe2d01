"""How fast to call a service whose limit is a number of calls in a rolling window. Pure: no clock, no waiting.

Spotify counts calls per application in a rolling 30 s and publishes no number. A limit that is known spreads the calls
evenly; one that is not is learned from the 429s: down at once to what would have been allowed, up slowly again.
"""

import math
from dataclasses import dataclass, replace

WINDOW = 30.0
"""Seconds of Spotify's rolling window (documentation/web-api/concepts/rate-limits)."""

# A Retry-After is whole seconds, rounded up.
_ROUNDED = 2.0
# Calls are counted in slices of the window: fine enough not to lose calls at its border.
_SLICES = 150
# Share of the window that may be made up for, where nobody called for a while: of a limit that is set, and of one that
# is learned, which is less sure.
_MADE_UP_FOR, _MADE_UP_FOR_IF_LEARNED = 1 / 6, 1 / 12
# No wait is longer, in windows: what says otherwise was written while a clock was wrong.
_LONGEST_WAIT = 120


@dataclass(frozen=True)
class Pace:
    """What is known of one service's limit. Times are seconds since the epoch.

    Attributes:
        rate: calls per window that are thought to be allowed; None while nothing is known, and nothing is held back.
        next_call_at: before it the next call would come too soon after the last one.
        paused_until: the end of the wait that the latest 429 asked for.
        slowed_at: when a 429 last lowered the rate.
        raised_at: when the rate was last raised.
        recent: calls of the last window that were not refused, as (slice of the window, calls), oldest first; slices
            are numbered from the epoch.
    """

    rate: float | None = None
    next_call_at: float = 0.0
    paused_until: float = 0.0
    slowed_at: float = 0.0
    raised_at: float = 0.0
    recent: tuple[tuple[int, int], ...] = ()

    @property
    def recent_calls(self) -> int:
        """Calls of the last window that were not refused."""
        return sum(calls for _, calls in self.recent)

    @property
    def is_learned(self) -> bool:
        """Whether the rate comes from a 429."""
        return self.slowed_at > 0


@dataclass(frozen=True)
class Pacing:
    """The rules by which a pace changes.

    Attributes:
        most: calls per window that are never exceeded; None where no limit is known.
        window: seconds of the service's rolling window.
        least: calls per window below which no 429 pushes the rate, and without which nothing is learned from one: the
            cause lies elsewhere then.
        caution: share of a limit at which the calls follow each other.
        step: share by which the rate grows in a window without a 429.
    """

    most: float | None = None
    window: float = WINDOW
    least: float = 10.0
    caution: float = 0.99
    step: float = 0.02

    def take(self, pace: Pace, now: float) -> tuple[Pace, float]:
        """Ask to call now.

        Returns:
            The pace with the call counted, and 0; or the pace as it is, and the seconds after which to ask again.
        """
        pace = self._up_to_date(pace, now)
        wait = max(pace.paused_until, pace.next_call_at, self._room_at(pace)) - now
        if wait > 0:
            return pace, wait
        interval = self.window / pace.rate if pace.rate else 0.0
        earliest = max(pace.next_call_at, now - self._made_up_for(pace, now))
        recent = _counted(pace.recent, self.slice_at(now))
        return replace(pace, next_call_at=earliest + interval, recent=recent), 0.0

    def _made_up_for(self, pace: Pace, now: float) -> float:
        """Seconds without calls that the next ones may make up for.

        Late calls, and steps that ask others in between, do not slow the whole down; after a longer rest the calls
        begin evenly.
        """
        if now - pace.next_call_at > self.window:
            return 0.0
        return self.window * (_MADE_UP_FOR_IF_LEARNED if pace.is_learned else _MADE_UP_FOR)

    def _room_at(self, pace: Pace) -> float:
        """From when on there is room for a call in the window, however unevenly the calls before it came."""
        if pace.rate is None:
            return 0.0
        most = pace.rate if pace.is_learned else pace.rate / self.caution
        too_many = pace.recent_calls + 1 - max(1, math.floor(most))
        room_at = 0.0
        for number, calls in pace.recent:
            if too_many <= 0:
                break
            too_many -= calls
            room_at = (number + 1) * self._slice_width + self.window
        return room_at

    def refused(self, pace: Pace, now: float, taken_at: float, retry_after: float) -> Pace:
        """Note a 429.

        Args:
            pace: as it is known.
            now: the time.
            taken_at: when the refused call was granted. Calls granted before the rate was last lowered are part of
                the same event: four threads that are refused together lower it once.
            retry_after: seconds that the answer asked to wait.
        """
        within = self._within_window(pace.recent, now)
        pace = replace(pace, recent=_uncounted(within, self.slice_at(taken_at)))
        resume_at = max(pace.paused_until, now + retry_after)
        if taken_at > pace.slowed_at and pace.recent_calls >= self.least:
            pace = replace(pace, rate=self._lowered(pace, resume_at), slowed_at=now)
        return replace(pace, paused_until=resume_at)

    def _lowered(self, pace: Pace, resume_at: float) -> float:
        """The rate at which the same calls, spread over the time until the next one is allowed, would have passed."""
        seconds = resume_at - pace.recent[0][0] * self._slice_width
        if abs(seconds - self.window) <= _ROUNDED:
            seconds = self.window
        passed = pace.recent_calls / max(seconds, 1.0) * self.window
        ceiling = math.inf if pace.rate is None else pace.rate
        return min(ceiling, max(self.least, self.caution * min(passed, ceiling)))

    def _up_to_date(self, pace: Pace, now: float) -> Pace:
        latest = now + _LONGEST_WAIT * self.window
        pace = replace(
            pace,
            recent=self._within_window(pace.recent, now),
            next_call_at=min(pace.next_call_at, now + self.window),
            paused_until=pace.paused_until if pace.paused_until <= latest else 0.0,
        )
        rate = self._known_rate(pace)
        if rate != pace.rate:
            return replace(pace, rate=rate, raised_at=now)
        if rate is None or now - max(pace.slowed_at, pace.raised_at) < self.window:
            return pace
        # A rate that was not made use of has not been proved.
        if pace.recent_calls < 0.8 * rate:
            return pace
        return replace(pace, rate=min(self._ceiling, rate * (1 + self.step)), raised_at=now)

    def _known_rate(self, pace: Pace) -> float | None:
        """What a 429 has taught, as far as the setting allows; else the setting, whatever it was before."""
        if pace.rate is not None and pace.is_learned:
            return min(pace.rate, self._ceiling)
        return None if self.most is None else self._ceiling

    @property
    def _ceiling(self) -> float:
        return math.inf if self.most is None else self.most * self.caution

    @property
    def _slice_width(self) -> float:
        return self.window / _SLICES

    def slice_at(self, time: float) -> int:
        """The number of the slice of the window in which a time lies."""
        return math.floor(time / self._slice_width)

    def _within_window(self, recent: tuple[tuple[int, int], ...], now: float) -> tuple[tuple[int, int], ...]:
        """The slices any part of which is in the window that ends now; none of the future."""
        first, last = self.slice_at(now - self.window), self.slice_at(now)
        return tuple((number, calls) for number, calls in recent if first <= number <= last)


def _counted(recent: tuple[tuple[int, int], ...], number: int) -> tuple[tuple[int, int], ...]:
    if recent and recent[-1][0] == number:
        return (*recent[:-1], (number, recent[-1][1] + 1))
    return (*recent, (number, 1))


def _uncounted(recent: tuple[tuple[int, int], ...], number: int) -> tuple[tuple[int, int], ...]:
    lessened = ((at, calls - (at == number)) for at, calls in recent)
    return tuple((at, calls) for at, calls in lessened if calls > 0)
