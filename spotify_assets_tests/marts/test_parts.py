"""A mart that is built in part holds what a whole build would: whatever was changed, in whatever order, by whomever."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from spotify_assets.assets.marts import MART_INPUTS
from spotify_assets.warehouse.database import create_engine
from spotify_assets.warehouse.marts import PARTS, Mart, MartBuild, build_mart, reason_for_whole, refresh_mart
from spotify_assets.warehouse.statements import upsert_sightings
from spotify_assets.warehouse.tables import metadata
from spotify_assets_tests.marts import rows

AS_OF = datetime(2026, 3, 4, 9, tzinfo=UTC)
TODAY = AS_OF.date()
DAY = timedelta(days=1)
ALBUMS = [f"album-{number}" for number in range(40)]
TRACKS = [f"track-{number}" for number in range(90)]
ARTISTS = [f"artist-{number}" for number in range(12)]
FEATURES = ("danceability", "energy", "tempo")


def _refresh(engine: Engine, name: str, as_of: datetime = AS_OF) -> MartBuild:
    return refresh_mart(engine, name, as_of, [".".join(key.path) for key in MART_INPUTS[name]])


def _refresh_all(engine: Engine, as_of: datetime = AS_OF) -> dict[str, MartBuild]:
    return {name: _refresh(engine, name, as_of) for name in MART_INPUTS}


def _built(engine: Engine, name: str) -> list[str]:
    return _lines(engine, f"marts.{name}", {})


def _from_scratch(engine: Engine, name: str, as_of: datetime = AS_OF) -> list[str]:
    """The rows that a whole build would give now."""
    mart = Mart.named(name)
    return _lines(engine, f"({mart.select})", mart.parameters(as_of))


def _lines(engine: Engine, relation: str, parameters: dict[str, Any]) -> list[str]:
    # As text, a double is told from any other; the columns of a select may stand in another order.
    query = f"select cast(to_jsonb(mart) as text) from {relation} as mart order by 1"
    with engine.connect() as connection:
        return list(connection.execute(text(query), parameters).scalars())


class Upheaval:
    """Changes of the warehouse's inputs, drawn at random: those that loads make, and those of somebody at psql."""

    def __init__(self, connection: Connection, draw: random.Random) -> None:
        self._connection = connection
        self._draw = draw

    def strike(self) -> str:
        """Change something; returns what."""
        changes: list[Callable[[], None]] = [
            self.load_album,
            self.load_album,
            self.load_album,
            self.measure_today,
            self.measure_today,
            self.remove_album,
            self.see_album,
            self.measure,
            self.rank,
            self.fill_features,
            self.name_genres,
            self.ask_deezer,
            self.attempt_features,
            self.forget_a_measurement,
            self.move_release,
            self.list_and_load_again,
            self.list_and_load_again,
            self.forget_deezer,
            self.exchange_keys,
        ]
        change = self._draw.choice(changes)
        change()
        return change.__name__

    def load_album(self) -> None:
        """What a load does: every row of the album is replaced."""
        album = self._draw.choice(ALBUMS)
        self._delete("spotify.releases", album)
        precision = self._draw.choice(["day", "day", "day", "month", None])
        released = self._a_day(90) if precision else None
        artists = self._some(ARTISTS, 2)
        self._insert(
            "spotify.releases",
            rows.release(
                album,
                released,
                release_date_precision=precision,
                artist_ids=artists,
                artist_names=artists,
                album_type=self._draw.choice(["album", "single"]),
                fetched_at=rows.at_noon(self._a_day(20)),
            ),
        )
        for table in ("spotify.tracks", "spotify.audio_features", "spotify.track_details"):
            self._delete(table, album)
        for place, track in enumerate(self._some(TRACKS, 5), start=1):
            credited = self._some(ARTISTS, 3)
            duration_ms = self._draw.randrange(100_000, 300_000)
            self._insert(
                "spotify.tracks",
                rows.track(
                    album,
                    track,
                    artist_ids=credited,
                    artist_names=credited,
                    track_number=place,
                    duration_ms=duration_ms,
                ),
            )
            self._insert("spotify.audio_features", self._features(album, track))
            popularity = self._draw.choice([None, self._draw.randrange(101)])
            fetched_at = rows.at_noon(self._a_day(10))
            self._insert("spotify.track_details", rows.details(album, track, popularity, fetched_at))

    def remove_album(self) -> None:
        """As somebody at psql may."""
        table = self._draw.choice(
            [
                "spotify.releases",
                "spotify.tracks",
                "spotify.audio_features",
                "spotify.new_releases",
                "deezer.albums",
            ]
        )
        self._delete(table, self._draw.choice(ALBUMS))

    def see_album(self) -> None:
        """In another market, maybe earlier."""
        album, market = self._draw.choice(ALBUMS), self._draw.choice(["US", "DE"])
        seen = rows.at_noon(self._a_day(60))
        self._run(
            "delete from spotify.new_releases where market = :market and album_id = :album",
            market=market,
            album=album,
        )
        self._insert("spotify.new_releases", rows.sighting(album, seen, market))

    def measure(self) -> None:
        """Also anew, and on an earlier day."""
        self._measure(self._a_day(30))

    def measure_today(self) -> None:
        self._measure(TODAY)

    def _measure(self, day: date) -> None:
        self._run(
            "insert into spotify.popularity_snapshots values (:track, :album, :day, :popularity)"
            " on conflict (track_id, measured_on) do update set popularity = excluded.popularity",
            track=self._draw.choice(TRACKS),
            album=self._draw.choice(ALBUMS),
            day=day,
            popularity=self._draw.randrange(101),
        )

    def rank(self) -> None:
        album, track, day = self._draw.choice(ALBUMS), self._draw.choice(TRACKS), self._a_day(30)
        self._run(
            "delete from deezer.track_ranks where album_id = :album and track_id = :track and measured_on = :day",
            album=album,
            track=track,
            day=day,
        )
        self._insert(
            "deezer.track_ranks", rows.deezer_rank(album, track, day, self._draw.randrange(1_000_000))
        )

    def fill_features(self) -> None:
        self._run(
            "update spotify.audio_features set status = 'measured', source = 'reccobeats', energy = :energy"
            " where track_id = :track",
            energy=self._draw.random(),
            track=self._draw.choice(TRACKS),
        )

    def name_genres(self) -> None:
        self._run(
            "insert into spotify.artists (artist_id, name, genres, fetched_at)"
            " values (:artist, :artist, :genres, now())"
            " on conflict (artist_id) do update set genres = excluded.genres",
            artist=self._draw.choice(ARTISTS),
            genres=self._some(["pop", "rock", "jazz"], 2),
        )

    def ask_deezer(self) -> None:
        self._run(
            "insert into deezer.albums (album_id, status, genres, label, checked_at)"
            " values (:album, 'found', :genres, :label, now())"
            " on conflict (album_id) do update set genres = excluded.genres, label = excluded.label",
            album=self._draw.choice(ALBUMS),
            genres=self._some(["Pop", "Rock"], 1),
            label=self._draw.choice(["One", "Two"]),
        )

    def attempt_features(self) -> None:
        self._run(
            "insert into ops.feature_attempts (track_id, outcome, attempts, last_tried_at)"
            " values (:track, :outcome, 0, now())"
            " on conflict (track_id) do update set outcome = excluded.outcome",
            track=self._draw.choice(TRACKS),
            outcome=self._draw.choice(["unanswered", "absent"]),
        )

    def forget_a_measurement(self) -> None:
        table = self._draw.choice(["spotify.popularity_snapshots", "deezer.track_ranks"])
        self._run(f"delete from {table} where track_id = :track", track=self._draw.choice(TRACKS))

    def move_release(self) -> None:
        self._run(
            "update spotify.releases set release_date = :day, release_date_precision = 'day' where album_id = :album",
            day=self._a_day(90),
            album=self._draw.choice(ALBUMS),
        )

    def list_and_load_again(self) -> None:
        """Or take it off the lists, too: all of it between two builds."""
        album = self._draw.choice(ALBUMS)
        self._delete("spotify.releases", album)
        self._delete("spotify.new_releases", album)
        loaded, seen = rows.at_noon(self._a_day(60)), rows.at_noon(self._a_day(60))
        self._insert("spotify.releases", rows.release(album, self._a_day(60), fetched_at=loaded))
        if self._draw.random() < 0.5:
            self._insert("spotify.new_releases", rows.sighting(album, seen))

    def forget_deezer(self) -> None:
        """Its measure goes with the last album."""
        self._run("delete from deezer.albums")

    def exchange_keys(self) -> None:
        """As nobody should."""
        one, other = self._draw.sample(ALBUMS, 2)
        for table in ("spotify.releases", "spotify.tracks"):
            self._run(
                f"update {table} set album_id = :other where album_id = :one"
                f" and not exists (select from {table} where album_id = :other)",
                one=one,
                other=other,
            )

    def _features(self, album: str, track: str) -> rows.Row:
        if self._draw.random() < 0.3:
            return rows.features(album, track, status="absent", source=None)
        measured = {name: round(self._draw.random(), 2) for name in FEATURES}
        return rows.features(album, track, **measured, key=self._draw.randrange(12), mode=1)

    def _a_day(self, days_back: int) -> date:
        # Some are of the next days, and of the next week, by a clock that was ahead.
        return TODAY - timedelta(days=self._draw.randrange(-7, days_back))

    def _some(self, of: list[str], most: int) -> list[str]:
        return self._draw.sample(of, self._draw.randint(1, most))

    def _insert(self, table: str, row: rows.Row) -> None:
        self._connection.execute(metadata.tables[table].insert(), row)

    def _delete(self, table: str, album: str) -> None:
        self._run(f"delete from {table} where album_id = :album", album=album)

    def _run(self, statement: str, **parameters: object) -> None:
        self._connection.execute(text(statement), parameters)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_changes_each_mart_is_what_a_whole_build_would_give(engine: Engine, seed: int) -> None:
    """A part that leaves something out is not seen by any check: the mart is whole, and wrong."""
    draw = random.Random(seed)
    extents: Counter[tuple[str, str]] = Counter()
    for step in range(20):
        with engine.begin() as connection:
            upheaval = Upheaval(connection, draw)
            done = [upheaval.strike() for _ in range(draw.randint(1, 2) if step else 150)]
        for name, build in _refresh_all(engine).items():
            extents[name, build.extent] += 1
            if name in PARTS:
                assert _built(engine, name) == _from_scratch(engine, name), f"{name}, step {step}: {done}"
                assert build.rows == len(_built(engine, name))
    # That it is not the whole that is built each time.
    assert all(extents[name, "part"] >= 3 for name in PARTS), extents


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Two hundred albums of one track, of eight weeks, measured in each; every mart is built."""
    numbers = range(200)
    days = [TODAY - DAY - 7 * DAY * weeks for weeks in range(8)]
    rows.load_in_bulk(
        engine,
        {
            "spotify.new_releases": [
                rows.sighting(f"album-{number}", rows.at_noon(days[number % 8])) for number in numbers
            ],
            "spotify.releases": [
                rows.release(f"album-{number}", days[number % 8], fetched_at=rows.at_noon(days[number % 8]))
                for number in numbers
            ],
            "spotify.tracks": [rows.track(f"album-{number}", f"track-{number}") for number in numbers],
            "spotify.audio_features": [
                rows.features(f"album-{number}", f"track-{number}", energy=number / 200) for number in numbers
            ],
            "spotify.popularity_snapshots": [
                rows.snapshot(f"track-{number}", day, number % 100, f"album-{number}")
                for number in numbers
                for day in days
            ],
            "deezer.albums": [rows.deezer_album("album-0")],
        },
    )
    builds = _refresh_all(engine)
    assert {build.reason for build in builds.values()} == {"never built before"}
    return engine


def _add_album(connection: Connection, album: str) -> None:
    track = f"track-of-{album}"
    for table, row in {
        "spotify.new_releases": rows.sighting(album, AS_OF),
        "spotify.releases": rows.release(album, TODAY, fetched_at=AS_OF),
        "spotify.tracks": rows.track(album, track),
        "spotify.audio_features": rows.features(album, track, energy=0.5),
        "spotify.popularity_snapshots": rows.snapshot(track, TODAY, 100, album),
    }.items():
        connection.execute(metadata.tables[table].insert(), row)


def _albums_in_catalog(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(text("select album_id from marts.track_catalog")).scalars())


def _extents(builds: dict[str, MartBuild]) -> dict[str, str]:
    return {name: build.extent for name, build in builds.items()}


IN_PART_OR_KEPT = {name: "part" if name in PARTS else "kept" for name in MART_INPUTS}


def test_one_more_album_is_built_in_part_and_the_statistics_of_all_are_kept(filled: Engine) -> None:
    with filled.begin() as connection:
        _add_album(connection, "new")
    later = AS_OF + timedelta(hours=3)
    builds = _refresh_all(filled, later)
    assert _extents(builds) == IN_PART_OR_KEPT
    assert builds["track_catalog"].rows == 201
    assert builds["track_catalog"].as_of == later
    # It says of what time it is, not when it was looked at.
    assert builds["artist_feature_profile"].as_of == AS_OF
    with filled.connect() as connection:
        rows_of_builds = connection.execute(text("select mart, as_of from marts.builds"))
        noted = {row.mart: row.as_of for row in rows_of_builds}
    assert noted["track_catalog"] == later
    assert noted["artist_feature_profile"] == AS_OF


def test_the_statistics_of_all_follow_when_more_than_a_hundredth_of_the_albums_has_changed(
    filled: Engine,
) -> None:
    with filled.begin() as connection:
        for number in range(3):
            _add_album(connection, f"new-{number}")
    builds = _refresh_all(filled)
    assert builds["artist_feature_profile"].reason == "enough has changed"
    assert builds["feature_popularity_correlation"].extent == "whole"
    # What percentiles refer to does not move by so little.
    assert builds["feature_distribution"].extent == "kept"


def test_where_percentiles_refer_to_other_values_the_catalog_is_built_whole(filled: Engine) -> None:
    with filled.begin() as connection:
        for number in range(30):
            _add_album(connection, f"new-{number}")
    builds = _refresh_all(filled)
    assert builds["feature_distribution"].reason == "enough has changed"
    assert builds["track_catalog"].reason == "changed as a whole: marts.feature_distribution"
    assert builds["feature_week"].reason == "changed as a whole: marts.track_catalog"
    assert _built(filled, "track_catalog") == _from_scratch(filled, "track_catalog")


def test_what_is_committed_while_a_build_is_under_way_is_made_good_by_the_next(filled: Engine) -> None:
    """By its number or its time, a change is older than a build that cannot have seen it."""
    with filled.begin() as slow:
        _add_album(slow, "slow")
        with filled.begin() as quick:
            _add_album(quick, "quick")
        _refresh_all(filled)
        assert "quick" in _albums_in_catalog(filled)
        assert "slow" not in _albums_in_catalog(filled)
    assert _extents(_refresh_all(filled))["track_catalog"] == "part"
    assert "slow" in _albums_in_catalog(filled)


def test_a_part_that_fails_is_made_good_by_the_next_build(filled: Engine) -> None:
    with filled.begin() as connection:
        _add_album(connection, "new")
        connection.execute(
            text("alter table marts.track_catalog add constraint never check (album_id <> 'new')")
        )
    with pytest.raises(Exception, match="never"):
        _refresh(filled, "track_catalog")
    assert len(_albums_in_catalog(filled)) == 200
    with filled.begin() as connection:
        connection.execute(text("alter table marts.track_catalog drop constraint never"))
    assert _refresh(filled, "track_catalog").extent == "part"
    assert "new" in _albums_in_catalog(filled)


@pytest.mark.parametrize(
    "statement",
    [
        "truncate spotify.tracks",
        "truncate spotify.tracks, spotify.releases",
    ],
)
def test_a_table_that_was_emptied_has_its_marts_built_whole(filled: Engine, statement: str) -> None:
    with filled.begin() as connection:
        connection.execute(text(statement))
    build = _refresh(filled, "track_catalog")
    assert build.extent == "whole"
    assert "spotify.tracks" in build.reason
    assert build.rows == 0


def test_a_mart_that_was_dropped_by_hand_is_built_whole(filled: Engine) -> None:
    with filled.begin() as connection:
        connection.execute(text("drop table marts.track_week"))
    assert _refresh(filled, "track_week").extent == "whole"
    assert _built(filled, "track_week") == _from_scratch(filled, "track_week")


def test_the_next_day_everything_is_built_whole(filled: Engine) -> None:
    builds = _refresh_all(filled, AS_OF + DAY)
    assert {build.reason for build in builds.values()} == {"first build of 2026-03-05"}


def test_what_has_changed_almost_everywhere_is_built_whole(filled: Engine) -> None:
    with filled.begin() as connection:
        connection.execute(text("update spotify.releases set label = 'Another'"))
    assert _refresh(filled, "track_catalog").reason == "most of it has changed"


def test_a_mart_asked_for_by_itself_is_built_whole(filled: Engine) -> None:
    assert build_mart(filled, "track_catalog", AS_OF).reason == "asked for"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"code": "another"}, "its definition has changed"),
        ({"cluster": "another"}, "the warehouse has moved to another database cluster"),
        ({"as_of": AS_OF + DAY}, "first build of 2026-03-04"),
    ],
)
def test_a_mart_is_built_whole_where_its_last_build_tells_nothing(
    filled: Engine, changed: dict[str, object], reason: str
) -> None:
    """After a restore elsewhere the numbers of transactions mean others: changes would pass for seen ones."""
    [column] = changed
    with filled.begin() as connection:
        connection.execute(
            text(f"update marts.builds set {column} = :value where mart = 'coverage'"),
            {"value": changed[column]},
        )
    assert _refresh(filled, "coverage").reason == reason


def test_a_mart_is_built_whole_where_the_copy_that_its_rows_come_from_was_ahead(filled: Engine) -> None:
    """A copy of a cluster has its number: brought back, what was changed since passed for seen."""
    with filled.begin() as connection:
        connection.execute(text("update marts.builds set seen = '99999999:99999999:'"))
        _add_album(connection, "new")
    assert _refresh(filled, "track_catalog").reason == "the warehouse has moved to another database cluster"


def test_a_new_definition_of_a_mart_has_another_code() -> None:
    mart = Mart.named("coverage")
    another_select = Mart(mart.table, f"{mart.select} -- Another.", mart.changed)
    another_table = Mart(metadata.tables["marts.track_week"], mart.select, mart.changed)
    assert len({mart.code, another_select.code, another_table.code}) == 3
    assert mart.code == Mart.named("coverage").code
    assert reason_for_whole(None, AS_OF, mart.code, "cluster") == "never built before"


def _insert(engine: Engine, tables: dict[str, rows.Row]) -> None:
    with engine.begin() as connection:
        for table, row in tables.items():
            connection.execute(metadata.tables[table].insert(), row)


def _wait_until_blocked(engine: Engine) -> None:
    """Until a session waits for a lock that another holds."""
    give_up_at = time.monotonic() + 60
    waiting = (
        "select exists (select 1 from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock')"
    )
    while time.monotonic() < give_up_at:
        with engine.connect() as connection:
            if connection.scalar(text(waiting)):
                return
        time.sleep(0.02)
    raise AssertionError("Nobody waits for a lock.")


def test_an_album_that_comes_on_a_list_and_is_loaded_again_leaves_the_week_of_its_first_load(
    filled: Engine,
) -> None:
    """It was counted in both weeks: only where it was on no list yet, its reload told of the week before."""
    long_ago = rows.at_noon(TODAY - 14 * DAY)
    _insert(filled, {"spotify.releases": rows.release("old", TODAY, fetched_at=long_ago)})
    _refresh(filled, "coverage")
    with filled.begin() as connection:
        connection.execute(text("delete from spotify.releases where album_id = 'old'"))
    _insert(
        filled,
        {
            "spotify.new_releases": rows.sighting("old", AS_OF),
            "spotify.releases": rows.release("old", TODAY, fetched_at=AS_OF),
        },
    )
    assert _refresh(filled, "coverage").extent == "part"
    assert _built(filled, "coverage") == _from_scratch(filled, "coverage")


def test_what_a_clock_ahead_has_seen_next_week_is_counted_in_this_one(filled: Engine) -> None:
    """The week of the sighting was built, in which it is not, and this week was not."""
    _insert(filled, {"spotify.new_releases": rows.sighting("ahead", AS_OF + 7 * DAY)})
    assert _refresh(filled, "coverage").extent == "part"
    assert _built(filled, "coverage") == _from_scratch(filled, "coverage")


def test_with_the_last_album_of_deezers_its_measure_goes_from_every_week(filled: Engine) -> None:
    """It stayed in the weeks before that album's own."""
    with filled.begin() as connection:
        connection.execute(text("delete from deezer.albums"))
    _refresh(filled, "weekly_popular_releases")
    assert _built(filled, "weekly_popular_releases") == _from_scratch(filled, "weekly_popular_releases")


def test_deezers_measure_comes_into_every_week_though_its_first_album_came_while_a_part_was_built(
    engine: Engine,
) -> None:
    """The part had the measure, from which the next build took it that every week had."""
    albums = range(120)
    # This week's is a small part of all.
    released = [TODAY - DAY] + [TODAY - DAY - 7 * DAY * (number % 3 + 5) for number in albums[1:]]
    rows.load_in_bulk(
        engine,
        {
            "spotify.releases": [rows.release(f"album-{number}", released[number]) for number in albums],
            "spotify.tracks": [rows.track(f"album-{number}", f"track-{number}") for number in albums],
        },
    )
    _refresh(engine, "weekly_popular_releases")
    _insert(engine, {"spotify.popularity_snapshots": rows.snapshot("track-0", TODAY, 3, "album-0")})
    with engine.connect() as holder, ThreadPoolExecutor() as threads:
        # The build works out what to replace, and then waits.
        holder.execute(text("lock table marts.weekly_popular_releases in share mode"))
        build = threads.submit(_refresh, engine, "weekly_popular_releases")
        _wait_until_blocked(engine)
        _insert(engine, {"deezer.albums": rows.deezer_album("album-0")})
        holder.rollback()
        assert build.result().extent == "part"
    assert _refresh(engine, "weekly_popular_releases").extent == "whole"
    assert _built(engine, "weekly_popular_releases") == _from_scratch(engine, "weekly_popular_releases")


def _noted(engine: Engine) -> list[tuple[Any, ...]]:
    """What is noted of the inputs; of the marts themselves it is that they were built."""
    query = (
        "select distinct source, item, day from ops.changes where source not like 'marts.%' order by 1, 2, 3"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a_poll_that_sees_the_same_albums_again_changes_no_mart(filled: Engine) -> None:
    """Every poll would have every listed album built anew."""
    listed = [
        {
            key: value
            for key, value in rows.sighting(f"album-{number}", AS_OF).items()
            if not key.endswith("_at")
        }
        for number in range(50)
    ]
    frame = pl.DataFrame([{**row, "release_date": None} for row in listed])
    with filled.begin() as connection:
        upsert_sightings(connection, frame, AS_OF)
    assert _noted(filled) == []
    with filled.begin() as connection:
        upsert_sightings(connection, frame.head(1).with_columns(market=pl.lit("DE")), AS_OF)
    assert _noted(filled) == [("spotify.new_releases", "album-0", TODAY)]


def test_a_measurement_that_is_the_same_as_before_changes_no_mart(filled: Engine) -> None:
    with filled.begin() as connection:
        connection.execute(text("update deezer.albums set checked_at = now(), fans = 7"))
        connection.execute(text("update spotify.artists set fetched_at = now(), followers = 7"))
    assert _noted(filled) == []


def test_a_release_is_noted_under_its_day_before_and_after(filled: Engine) -> None:
    with filled.begin() as connection:
        connection.execute(
            text("update spotify.releases set release_date = :day where album_id = 'album-7'"), {"day": TODAY}
        )
    assert _noted(filled) == [
        ("spotify.releases", "album-7", TODAY - 50 * DAY),
        ("spotify.releases", "album-7", TODAY),
    ]


@pytest.fixture
def writer(filled: Engine) -> Iterator[str]:
    """A role that may write to the inputs and has no right in ops."""
    name = f"writer_of_{filled.url.database}"
    with filled.begin() as connection:
        connection.execute(text(f"create role {name}"))
        connection.execute(text(f"grant usage on schema spotify, deezer to {name}"))
        connection.execute(text(f"grant all on all tables in schema spotify, deezer to {name}"))
    yield name
    with filled.begin() as connection:
        connection.execute(text(f"drop owned by {name}"))
        connection.execute(text(f"drop role {name}"))


def test_what_another_role_writes_is_noted_though_it_has_no_right_in_ops(filled: Engine, writer: str) -> None:
    """Its writes were refused: permission denied for schema ops."""
    with filled.begin() as connection:
        connection.execute(text(f"set local role {writer}"))
        _add_album(connection, "new")
        connection.execute(text("update spotify.releases set label = 'Another' where album_id = 'album-1'"))
    assert {item for _, item, _ in _noted(filled)} >= {"new", "track-of-new", "album-1"}


def test_no_other_role_has_an_expression_of_its_own_run_by_the_rights_of_the_owner(
    filled: Engine, writer: str
) -> None:
    """The arguments of the triggers are SQL."""
    with filled.connect() as connection:
        connection.execute(text(f"grant usage on schema ops to {writer}"))
        connection.execute(text(f"set local role {writer}"))
        connection.execute(text("create temporary table bait (id text)"))
        with pytest.raises(ProgrammingError, match="permission denied for function"):
            connection.execute(
                text(
                    "create trigger trap after insert on bait referencing new table as rows_after"
                    " for each statement execute function ops.note_changes('current_user', 'null::date', '')"
                )
            )


def test_changes_are_forgotten_when_every_mart_has_them_and_no_sooner(filled: Engine) -> None:
    """Kept for ever, they would grow with every load; forgotten too soon, a mart would never be told."""
    assert _noted(filled) == []
    with filled.begin() as connection:
        _add_album(connection, "new")
    builds = list(MART_INPUTS)
    for name in builds[:-1]:
        _refresh(filled, name)
        assert ("spotify.tracks", "new", None) in _noted(filled)
    _refresh(filled, builds[-1])
    # Those that were kept still count what has changed since they were built.
    for name in ("feature_distribution", "artist_feature_profile", "feature_popularity_correlation"):
        build_mart(filled, name, AS_OF)
    assert _noted(filled) == []


def test_what_a_build_under_way_lacks_is_not_forgotten_though_its_mart_was_not_built_for_days(
    filled: Engine,
) -> None:
    """Its builds of before did not count, and it was not noted yet: what it lacked was lost until the next day."""
    with filled.begin() as connection:
        connection.execute(
            text(
                "update marts.builds set as_of = as_of - :days, built_at = built_at - :days where mart = :mart"
            ),
            {"days": 3 * DAY, "mart": "track_week"},
        )
    with filled.connect() as reader, ThreadPoolExecutor() as threads:
        # The build waits for it, long after it has read its inputs.
        reader.execute(text("select from marts.track_week limit 1"))
        build = threads.submit(_refresh, filled, "track_week")
        _wait_until_blocked(filled)
        with filled.begin() as connection:
            _add_album(connection, "new")
        for name in MART_INPUTS:
            if name != "track_week":
                build_mart(filled, name, AS_OF)
        reader.rollback()
        assert build.result().extent == "whole"
    assert _refresh(filled, "track_week").extent == "part"
    assert _built(filled, "track_week") == _from_scratch(filled, "track_week")


def test_a_mart_that_was_never_built_keeps_no_changes(filled: Engine) -> None:
    """One whose first build fails each day had all be kept for ever."""
    with filled.begin() as connection:
        connection.execute(text("delete from marts.builds where mart = 'coverage'"))
        _add_album(connection, "new")
    for name in MART_INPUTS:
        if name != "coverage":
            build_mart(filled, name, AS_OF)
    assert _noted(filled) == []


def test_a_build_passes_over_what_another_is_just_forgetting_whatever_the_isolation(filled: Engine) -> None:
    """A database whose transactions are repeatable read by default had builds fail after their commit."""
    connection_info = {"options": "-c default_transaction_isolation=repeatable\\ read"}
    engine = create_engine(filled.url.update_query_dict(connection_info))
    with filled.begin() as connection:
        _add_album(connection, "new")
    with filled.connect() as other, ThreadPoolExecutor() as threads:
        other.execute(text("insert into ops.changes (transaction_id, source) values (3, 'spotify.tracks')"))
        other.commit()
        other.execute(text("delete from ops.changes where transaction_id = 3"))
        build = threads.submit(build_mart, engine, "track_week", AS_OF)
        _wait_until_blocked(filled)
        other.commit()
        assert build.result().extent == "whole"
    engine.dispose()


def test_eight_readers_never_see_a_mart_without_the_part_that_is_being_replaced(filled: Engine) -> None:
    ended = threading.Event()
    seen: list[set[int]] = [set() for _ in range(8)]

    def read(number: int) -> None:
        with filled.connect() as connection:
            while not ended.is_set():
                count = connection.execute(text("select count(*) from marts.track_catalog")).scalar_one()
                seen[number].add(count)
                connection.rollback()

    readers = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for reader in readers:
        reader.start()
    extents = set()
    for number in range(20):
        with filled.begin() as connection:
            connection.execute(
                text("update spotify.releases set label = :label where album_id < 'album-13'"),
                {"label": str(number)},
            )
        extents.add(_refresh(filled, "track_catalog").extent)
    ended.set()
    for reader in readers:
        reader.join()
    assert extents == {"part"}
    assert seen == [{200}] * 8


@pytest.fixture(autouse=True)
def _no_time_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates must not hang on it."""
    monkeypatch.setenv("PGTZ", "Pacific/Auckland")
