"""When the albums of the synthetic catalogue come out: an endless sequence, the same for every start.

Album number k appears at a fixed moment of absolute time. The moments repeat every eight weeks, so that any
window of eight weeks holds exactly as many albums as were asked for, whatever the clock says.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from spotify_assets.sandbox.draws import share

# A Saturday: the week then ends with Friday, the day on which half of all music comes out.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
WEEKS = 8
PERIOD = timedelta(weeks=WEEKS)
_DAY = timedelta(days=1)
_FRIDAY_SHARE = 0.5
_OTHER_DAYS = 6


def _time_in_week(part: float) -> timedelta:
    """Where in its week a release falls whose turn is at `part` (0 to 1): half of them on Friday."""
    if part < 1 - _FRIDAY_SHARE:
        return _DAY * (_OTHER_DAYS * part / (1 - _FRIDAY_SHARE))
    return _DAY * (_OTHER_DAYS + (part - 1 + _FRIDAY_SHARE) / _FRIDAY_SHARE)


class ReleaseCalendar:
    """The moments of release for a catalogue that shows `albums` of them at any time."""

    def __init__(self, key: str, albums: int) -> None:
        self._key = key
        self.albums = albums

    def moment(self, k: int) -> datetime:
        """When album k came (or will come) out."""
        cycle, turn = divmod(k, self.albums)
        # Away from the borders of its slot, so that two moments never meet.
        place = 0.05 + 0.9 * share(self._key, "moment", turn)
        week, part = divmod((turn + place) / self.albums * WEEKS, 1)
        return EPOCH + PERIOD * cycle + timedelta(weeks=week) + _time_in_week(part)

    def is_out(self, k: int, now: datetime) -> bool:
        """Whether album k is out at `now`; cheap, and safe for numbers whose moment no calendar reaches."""
        behind = (now - EPOCH) // PERIOD - k // self.albums
        return behind > 0 or (behind == 0 and self.moment(k) <= now)

    def newest(self, now: datetime) -> int:
        """The number of the newest album that is out at `now`; below 0 before the epoch."""
        cycle = (now - EPOCH) // PERIOD
        low, high = 0, self.albums
        while low < high:
            middle = (low + high) // 2
            if self.moment(cycle * self.albums + middle) <= now:
                low = middle + 1
            else:
                high = middle
        return cycle * self.albums + low - 1
