"""A quarter of daily polls: what the marts of weekly popularity say is what the sandbox's own numbers come to."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime

import dagster as dg
import pytest
from sqlalchemy import text

from spotify_assets.automation import refresh_marts
from spotify_assets.sandbox import deezer as deezer_truth
from spotify_assets.sandbox.draws import share
from spotify_assets.sandbox.model import Album, Track
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets.warehouse.marts import build_mart
from spotify_assets_tests.graph.conftest import Graph, StartGraph
from spotify_assets_tests.graph.days import DAY, FIRST_DAY, Days, Time
from spotify_assets_tests.graph.weekly_truth import (
    WEEK,
    Listed,
    Rows,
    monday,
    track_weeks,
    weekly_releases,
)

FIRST_MONDAY = FIRST_DAY + 3 * DAY
DAYS = 13 * 7
SPOTIFY, DEEZER = MEASURES = ("spotify_popularity", "deezer_rank")
KEYS = {
    "weekly_popular_releases": ("week_start", "measure", "album_id"),
    "track_week": ("week_start", "measure", "track_id"),
}
STATUSES = ("new", "up", "down", "same", "re-entry", "unmeasured")
# By the number of the day. From a Friday to a Sunday no album can be loaded; a week and a day on either side no
# popularity can be read; another such week the machine is off.
CLOSED = {**dict.fromkeys(range(18, 21), "albums"), **dict.fromkeys(range(27, 36), "tracks")}
OFF = range(47, 57)


class TakenDown(SyntheticCatalogue):
    """A catalogue of which parts are not to be had for spells of ten days, at each service others."""

    def find_track(self, track_id: str, now: datetime) -> Track | None:
        """What Spotify answers to a track's id."""
        track = super().find_track(track_id, now)
        if track is None or _is_away("album", track.album_id, now) or _is_away("track", track_id, now):
            return None
        return track

    def find_upc(self, upc: str, now: datetime) -> Album | None:
        """What Deezer finds under a UPC."""
        return self._on_deezer(super().find_upc(upc, now), now)

    def numbered_album(self, number: int, now: datetime) -> Album | None:
        """What Deezer finds under an id of its own."""
        return self._on_deezer(super().numbered_album(number, now), now)

    def _on_deezer(self, album: Album | None, now: datetime) -> Album | None:
        return None if album is None or _is_away("deezer", album.album_id, now) else album


def _is_away(what: str, key: str, now: datetime) -> bool:
    return share("taken down", what, key, now.date().toordinal() // 10) < 0.08


@dataclass
class Quarter:
    """A graph through the days of a quarter, and what it must have learned, by the rules of the sandbox."""

    days: Days
    catalogue: TakenDown
    first_seen: dict[str, date] = field(default_factory=dict)
    loaded: dict[str, Album] = field(default_factory=dict)
    loaded_on: dict[str, date] = field(default_factory=dict)
    is_on_deezer: dict[str, bool] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    measured: dict[str, dict[str, dict[date, int]]] = field(
        default_factory=lambda: {measure: defaultdict(dict) for measure in MEASURES}
    )

    @property
    def now(self) -> datetime:
        return self.days.time.now

    @property
    def today(self) -> date:
        return self.now.date()

    def live(self, number: int) -> None:
        """One day, with what is closed on it."""
        self.days.time.now = FIRST_MONDAY + number * DAY
        closed = CLOSED.get(number)
        if closed is None:
            self.days.load()
        else:
            self._load_what_is_open(closed)
        self._learn(closed)

    def _load_what_is_open(self, closed: str) -> None:
        """A pass that is refused something, and the daily refresh: what failed would have come before it."""
        graph = self.days.graph
        # No quota: the end of one is told in real time, which may be before the simulated day or after it.
        graph.sandbox.set_faults(f"status=400/json:on={closed}")
        failures = graph.load_everything(at=self.now).failures
        # Albums are asked for on days with new ones alone.
        if any(f"Spotify {closed} answered 400" in failure for failure in failures):
            self.refused.add(closed)
        assert graph.execute(dg.RunRequest(job_name=refresh_marts.name), at=self.now).success
        graph.sandbox.set_faults()

    def _learn(self, closed: str | None) -> None:
        """What the services say today of everything that is new to the graph."""
        listing = self.catalogue.new_releases(self.now)
        for album in listing.page(0, listing.total):
            self.first_seen.setdefault(album.album_id, self.today)
            if closed != "albums":
                self.loaded.setdefault(album.album_id, album)
                self.loaded_on.setdefault(album.album_id, self.today)
        for album in self.loaded.values():
            if self.today < monday(self.new_since(album)) + 8 * WEEK:
                self._learn_of_spotify(album, is_open=closed != "tracks")
                self._learn_of_deezer(album)

    def _learn_of_spotify(self, album: Album, *, is_open: bool) -> None:
        for track in album.tracks:
            if is_open and self.catalogue.find_track(track.track_id, self.now):
                popularity = self.catalogue.track_popularity(track, self.today)
                self.measured[SPOTIFY][track.track_id][self.today] = popularity

    def _learn_of_deezer(self, album: Album) -> None:
        """Of an album that is found under its own UPC, the tracks that are the same recordings."""
        found = self.found_on_deezer(album)
        self.is_on_deezer[album.album_id] = found == album
        if found == album:
            for known in deezer_truth.deezer_tracks(self.catalogue, album, self.today):
                if known.is_same_recording:
                    self.measured[DEEZER][known.track.track_id][self.today] = known.rank

    def found_on_deezer(self, album: Album) -> Album | None:
        """What a lookup of the album's UPC answers today: for some albums another one."""
        return deezer_truth.find_upc(self.catalogue, deezer_truth.stored_upc(album), self.now)

    def new_since(self, album: Album) -> date:
        return max(released_on(album), self.first_seen[album.album_id])

    def listed(self) -> list[Listed]:
        return [
            Listed(
                album.album_id,
                self.new_since(album),
                [track.track_id for track in album.tracks],
                {
                    "name": album.name,
                    "artist_names": [artist.name for artist in album.artists],
                    "album_type": album.album_type,
                    "release_date": released_on(album),
                    "genres": self._genres(album),
                    "label": album.label,
                },
            )
            for album in self.loaded.values()
        ]

    def _genres(self, album: Album) -> list[str] | None:
        """Deezer's where it had the album when last asked, else those of the artists."""
        artists = [self.catalogue.find_artist(credit.artist_id, self.now) for credit in album.artists]
        if self.is_on_deezer[album.album_id]:
            return [genre.name for genre in deezer_truth.genres(album, artists[0])]
        return sorted({genre for artist in artists if artist for genre in artist.genres}) or None

    def expected(self) -> dict[str, Rows]:
        """What the marts must hold."""
        return {
            "weekly_popular_releases": {
                key: row
                for measure in MEASURES
                for key, row in weekly_releases(
                    measure, self.listed(), self.measured[measure], self.today
                ).items()
            },
            "track_week": {
                key: row
                for measure in MEASURES
                for key, row in track_weeks(measure, self.measured[measure]).items()
            },
        }


def released_on(album: Album) -> date:
    """The first day of what Spotify shows: a day, a month or a year."""
    year, month, day = (*map(int, album.release_date.split("-")), 1, 1)[:3]
    return date(year, month, day)


def marts(graph: Graph) -> dict[str, Rows]:
    """Every column of every row of the two marts."""
    return {mart: mart_rows(graph, mart) for mart in KEYS}


def mart_rows(graph: Graph, mart: str) -> Rows:
    rows: Rows = {}
    with graph.engine.connect() as connection:
        for row in connection.execute(text(f"select * from marts.{mart}")).mappings():
            week, measure, key = (row[name] for name in KEYS[mart])
            rows[week, measure, key] = {name: row[name] for name in row if name not in KEYS[mart]}
    return rows


def build_from_scratch(graph: Graph, now: datetime) -> None:
    for mart in KEYS:
        build_mart(graph.engine, mart, now)


def assert_equal(found: dict[str, Rows], expected: dict[str, Rows]) -> None:
    """Names the rows that differ: thousands of equal ones would hide them."""
    for mart, rows in expected.items():
        keys = sorted(rows.keys() | found[mart].keys())
        differences = [
            (key, found[mart].get(key), rows.get(key))
            for key in keys
            if found[mart].get(key) != rows.get(key)
        ]
        assert differences == [], f"{len(differences)} rows of {mart} differ; the first: {differences[0]}"


def assert_that_every_case_occurs(quarter: Quarter, weekly: Rows) -> None:
    """What does not occur would be equal whatever the marts said of it."""
    assert quarter.refused == set(CLOSED.values())
    seen = {(measure, row["status"]) for (_, measure, _), row in weekly.items()}
    assert seen == {(measure, status) for measure in MEASURES for status in STATUSES}
    assert [case for case, occurs in cases(quarter, weekly).items() if not occurs] == []


def cases(quarter: Quarter, weekly: Rows) -> dict[str, bool]:
    ranked = {key: row for key, row in weekly.items() if row["rank"]}
    scores = Counter((*key[:2], row["value_mean"], row["value_max"]) for key, row in ranked.items())
    means = Counter(score[:3] for score in scores)
    albums = quarter.loaded.values()
    return {
        "two albums differ by their highest track alone": max(means.values()) > 1,
        "two albums differ by their id alone": max(scores.values()) > 1,
        "not all tracks are measured": any(row["tracks_measured"] < row["tracks"] for row in ranked.values()),
        "an album is loaded in a week after it was seen": any(
            monday(loaded_on) > monday(quarter.first_seen[album_id])
            for album_id, loaded_on in quarter.loaded_on.items()
        ),
        "only the month is known": any(album.release_date_precision == "month" for album in albums),
        "only the year is known": any(album.release_date_precision == "year" for album in albums),
        "Deezer answers another album": any(
            quarter.found_on_deezer(album) not in (None, album) for album in albums
        ),
    }


@pytest.fixture
def quarter(start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch) -> Quarter:
    """Sixteen albums of three tracks in eight weeks; of the seeds, one with which every case occurs."""
    # What the key was last answered is kept with the real time.
    monkeypatch.setenv("SPOTIFY_ACCESS", "extended")
    time, catalogue = Time(FIRST_MONDAY), TakenDown(albums=16, seed=3, tracks_per_album=3)
    return Quarter(Days(start_graph(catalogue=catalogue, now=time), time), catalogue)


def test_after_each_day_of_a_quarter_the_weekly_marts_are_what_the_services_said(quarter: Quarter) -> None:
    """A week that was missed, or an album that came late, would shift every rank, peak and re-entry after it."""
    graph = quarter.days.graph
    for number in range(DAYS):
        if number not in OFF:
            quarter.live(number)
            assert_equal(marts(graph), quarter.expected())
    as_built = marts(graph)
    build_from_scratch(graph, quarter.now)
    assert_equal(marts(graph), as_built)
    assert_that_every_case_occurs(quarter, as_built["weekly_popular_releases"])
