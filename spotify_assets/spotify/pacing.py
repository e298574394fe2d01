"""How fast to call a service whose limit is a number of calls in a rolling window. Pure: no clock, no waiting.

Spotify counts calls per application in a rolling 30 s and publishes no number. A limit that is known spreads the calls
evenly; one that is not is learned from the 429s: down at once to what would have been allowed, up slowly again.
"""

import math
from dataclasses import dataclass, replace

WINDOW = 30.0
"""Seconds of Spotify's rolling window (documentation/web-api/concepts/rate-limits)."""

# A Retry-After is whole seconds, rounded up, and the calls are counted by whole seconds.
_ROUNDED = 2.0


@dataclass(frozen=True)
class Pace:
    """What is known of one service's limit. Times are seconds since the epoch.

    Attributes:
        rate: calls per window that are thought to be allowed; None while nothing is known, and nothing is held back.
        next_call_at: before it the next call would come too soon after the last one.
        paused_until: the end of the wait that the latest 429 asked for.
        slowed_at: when a 429 last lowered the rate.
        raised_at: when the rate was last raised.
        recent: calls of the last window that were not refused, as (whole second, calls), oldest first.
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


@dataclass(frozen=True)
class Pacing:
    """The rules by which a pace changes.

    Attributes:
        most: calls per window that are never exceeded; None where no limit is known.
        window: seconds of the service's rolling window.
        least: calls per window below which no 429 pushes the rate, and without which nothing is learned from one: the
            cause lies elsewhere then.
        caution: share of a limit that is used: two calls sent evenly arrive unevenly.
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
        interval = self.window / pace.rate if pace.rate else 0.0
        wait = max(pace.paused_until, pace.next_call_at) - now
        if wait > 0:
            return pace, wait
        # A call that comes late does not put off the next one, up to half of what caution leaves free in a window; the
        # other half is for calls that take longer on their way than others.
        late = min(interval / 2, self.window * (1 / self.caution - 1) / 2)
        earliest = max(pace.next_call_at, now - late)
        return replace(pace, next_call_at=earliest + interval, recent=_counted(pace.recent, now)), 0.0

    def refused(self, pace: Pace, now: float, taken_at: float, retry_after: float) -> Pace:
        """Note a 429.

        Args:
            pace: as it is known.
            now: the time.
            taken_at: when the refused call was granted. Calls granted before the rate was last lowered are part of
                the same event: four threads that are refused together lower it once.
            retry_after: seconds that the answer asked to wait.
        """
        pace = replace(pace, recent=_uncounted(self._within_window(pace.recent, now), taken_at))
        resume_at = max(pace.paused_until, now + retry_after)
        if taken_at > pace.slowed_at and pace.recent_calls >= self.least:
            pace = replace(pace, rate=self._lowered(pace, resume_at), slowed_at=now)
        return replace(pace, paused_until=resume_at)

    def _lowered(self, pace: Pace, resume_at: float) -> float:
        """The rate at which the same calls, spread over the time until the next one is allowed, would have passed."""
        seconds = resume_at - pace.recent[0][0]
        if abs(seconds - self.window) <= _ROUNDED:
            seconds = self.window
        passed = pace.recent_calls / max(seconds, 1.0) * self.window
        ceiling = math.inf if pace.rate is None else pace.rate
        return min(ceiling, max(self.least, self.caution * min(passed, ceiling)))

    def _up_to_date(self, pace: Pace, now: float) -> Pace:
        pace = replace(pace, recent=self._within_window(pace.recent, now))
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
        if pace.rate is not None and pace.slowed_at:
            return min(pace.rate, self._ceiling)
        return None if self.most is None else self._ceiling

    @property
    def _ceiling(self) -> float:
        return math.inf if self.most is None else self.most * self.caution

    def _within_window(self, recent: tuple[tuple[int, int], ...], now: float) -> tuple[tuple[int, int], ...]:
        return tuple((second, calls) for second, calls in recent if second > now - self.window)


def _counted(recent: tuple[tuple[int, int], ...], now: float) -> tuple[tuple[int, int], ...]:
    second = math.floor(now)
    if recent and recent[-1][0] == second:
        return (*recent[:-1], (second, recent[-1][1] + 1))
    return (*recent, (second, 1))


def _uncounted(recent: tuple[tuple[int, int], ...], taken_at: float) -> tuple[tuple[int, int], ...]:
    second = math.floor(taken_at)
    lessened = ((at, calls - (at == second)) for at, calls in recent)
    return tuple((at, calls) for at, calls in lessened if calls > 0)
