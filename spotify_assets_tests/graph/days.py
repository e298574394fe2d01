"""Days that pass one after the other: a graph and its sandbox, with one time that a test sets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from spotify_assets_tests.graph.conftest import Graph

DAY = timedelta(days=1)
# A Friday, on which half of the week's albums come out.
FIRST_DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Time:
    """The time of a sandbox, and of the assets that are told it."""

    now: datetime = FIRST_DAY

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Days:
    """A graph whose days are passed one after the other."""

    graph: Graph
    time: Time
    expected: dict[tuple[str, date], int] = field(default_factory=dict)

    def load(self) -> dict[str, int]:
        """One pass on the day; returns the calls it took."""
        before = dict(self.graph.sandbox.calls())
        outcome = self.graph.load_everything(at=self.time.now)
        assert outcome.failures == []
        return {name: count - before.get(name, 0) for name, count in self.graph.sandbox.calls().items()}

    def expect_snapshots(self) -> int:
        """Note what the sandbox says today of the albums that are measured today; returns their tracks."""
        today, seen = self.time.now.date(), set()
        for track_id, new_since, loaded_on in self._tracks():
            ends = new_since - timedelta(days=new_since.weekday()) + timedelta(weeks=8)
            if new_since <= today < ends or loaded_on == today:
                seen.add(track_id)
                self.expected[track_id, today] = self._popularity(track_id, today)
        return len(seen)

    def _tracks(self) -> Iterator[tuple[str, date, date]]:
        """Each loaded track, since when its album is new, and when it was loaded."""
        yield from self.graph.rows(
            "select track_id, greatest(releases.release_date, min(first_seen_at)::date), releases.fetched_at::date"
            " from spotify.tracks join spotify.releases using (album_id)"
            " join spotify.new_releases using (album_id)"
            " group by track_id, releases.release_date, releases.fetched_at"
        )

    def added_tracks(self) -> int:
        """How many tracks were loaded just now, and not read again."""
        query = "select count(*) from spotify.tracks where fetched_at = :now"
        [(count,)] = self.graph.rows(query, {"now": self.time.now})
        assert isinstance(count, int)
        return count

    def _popularity(self, track_id: str, day: date) -> int:
        catalogue = self.graph.sandbox.catalogue
        track = catalogue.find_track(track_id, self.time.now)
        assert track is not None
        return catalogue.track_popularity(track, day)

    def snapshots(self) -> dict[tuple[str, date], int]:
        return {
            (track_id, day): value
            for track_id, day, value in self.graph.rows(
                "select track_id, measured_on, popularity from spotify.popularity_snapshots"
            )
        }
