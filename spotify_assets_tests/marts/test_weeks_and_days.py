"""The marts by week and by day, of hand-made rows: track_week, feature_week, release_cadence, coverage."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import URL, Engine, text

from spotify_assets.assets.marts import MARTS
from spotify_assets.resources import Clock, Warehouse
from spotify_assets.warehouse.resource import WarehouseDatabase
from spotify_assets_tests.marts import rows
from spotify_assets_tests.marts.rows import Row

AS_OF = datetime(2026, 3, 18, 9, tzinfo=UTC)
MONDAY = date(2026, 3, 2)
WEEK = timedelta(weeks=1)
POPULARITY = "spotify_popularity"


def _track_weeks(engine: Engine, as_of: datetime = AS_OF) -> dict[tuple[date, str, str], Row]:
    return rows.build(
        engine, "track_week", as_of, lambda row: (row["week_start"], row["measure"], row["track_id"])
    )


def test_the_last_measurement_of_a_week_is_the_weeks(engine: Engine) -> None:
    days = {MONDAY: 10, MONDAY + timedelta(days=6): 30, MONDAY + timedelta(days=3): 20}
    rows.load(
        engine,
        {"spotify.popularity_snapshots": [rows.snapshot("t", day, value) for day, value in days.items()]},
    )
    [row] = _track_weeks(engine).values()
    assert (row["value"], row["measured_on"]) == (30, MONDAY + timedelta(days=6))


def test_a_week_without_a_measurement_has_no_row_and_is_not_bridged(engine: Engine) -> None:
    """A value of two weeks ago would pass for last week's, and its change for a week's."""
    weeks = {MONDAY - WEEK: 10, MONDAY: 15, MONDAY + 2 * WEEK: 40}
    rows.load(
        engine,
        {"spotify.popularity_snapshots": [rows.snapshot("t", day, value) for day, value in weeks.items()]},
    )
    found = _track_weeks(engine)
    assert {key[0] for key in found} == set(weeks)
    changes = [
        (found[week, POPULARITY, "t"]["previous"], found[week, POPULARITY, "t"]["delta"]) for week in weeks
    ]
    assert changes == [(None, None), (10, 5), (None, None)]


def test_percentiles_are_among_the_tracks_of_the_week_and_measure(engine: Engine) -> None:
    rows.load(
        engine,
        {
            "spotify.popularity_snapshots": [
                *(rows.snapshot(f"t{number}", MONDAY, value) for number, value in enumerate((5, 7, 7, 9))),
                rows.snapshot("t0", MONDAY + WEEK, 5),
            ],
            "deezer.track_ranks": [rows.deezer_rank("album", "t3", MONDAY, 1)],
        },
    )
    found = _track_weeks(engine)
    percentiles = [found[MONDAY, POPULARITY, f"t{number}"]["percentile"] for number in range(4)]
    assert percentiles == [0.125, 0.5, 0.5, 0.875]
    assert found[MONDAY + WEEK, POPULARITY, "t0"]["percentile"] == 0.5
    assert (
        found[MONDAY, "deezer_rank", "t3"]["percentile"],
        found[MONDAY, "deezer_rank", "t3"]["value"],
    ) == (0.5, 1)


def test_of_two_ranks_of_one_day_the_higher_is_the_tracks(engine: Engine) -> None:
    ranks = [rows.deezer_rank("a", "t", MONDAY, 100), rows.deezer_rank("b", "t", MONDAY, 900)]
    rows.load(engine, {"deezer.track_ranks": ranks})
    [row] = _track_weeks(engine).values()
    assert row["value"] == 900


def test_what_was_measured_after_the_day_of_as_of_is_left_out(engine: Engine) -> None:
    days = (AS_OF.date(), AS_OF.date() + timedelta(days=1))
    rows.load(
        engine, {"spotify.popularity_snapshots": [rows.snapshot("t", day, 10 + day.day) for day in days]}
    )
    [row] = _track_weeks(engine).values()
    assert row["measured_on"] == AS_OF.date()


def _albums(**released: date | None) -> dict[str, list[Row]]:
    return {
        "spotify.releases": [rows.release(album, day) for album, day in released.items()],
        "spotify.tracks": [rows.track(album, f"{album}-track") for album in released],
    }


def _feature_weeks(engine: Engine) -> dict[tuple[date, str], Row]:
    rows.build(engine, "track_catalog", AS_OF, lambda row: (row["album_id"], row["track_id"]))
    return rows.build(engine, "feature_week", AS_OF, lambda row: (row["week_start"], row["feature"]))


def test_a_week_whose_tracks_were_not_measured_says_so(engine: Engine) -> None:
    tables = _albums(first=MONDAY, second=MONDAY + WEEK)
    measured = [rows.features("first", "first-track", energy=0.5)]
    rows.load(engine, tables | {"spotify.audio_features": measured})
    found = _feature_weeks(engine)
    assert len(found) == 2 * 9
    assert (found[MONDAY, "energy"]["n"], found[MONDAY, "energy"]["mean"]) == (1, 0.5)
    row = found[MONDAY + WEEK, "energy"]
    assert (row["tracks"], row["n"], row["mean"], row["median"], row["p25"]) == (1, 0, None, None, None)


def test_a_track_on_two_albums_of_one_week_counts_once_in_it(engine: Engine) -> None:
    tables = {
        "spotify.releases": [rows.release("a", MONDAY), rows.release("b", MONDAY + timedelta(days=4))],
        "spotify.tracks": [rows.track("a", "t"), rows.track("b", "t")],
        "spotify.audio_features": [
            rows.features("a", "t", energy=0.5),
            rows.features("b", "t", energy=0.5),
        ],
    }
    rows.load(engine, tables)
    row = _feature_weeks(engine)[MONDAY, "energy"]
    assert (row["tracks"], row["n"]) == (1, 1)


def test_quartiles_are_interpolated(engine: Engine) -> None:
    albums = {f"a{number}": MONDAY for number in range(4)}
    tables = _albums(**albums)
    features = [
        rows.features(f"a{n}", f"a{n}-track", energy=value) for n, value in enumerate((0.1, 0.2, 0.4, 0.8))
    ]
    rows.load(engine, tables | {"spotify.audio_features": features})
    row = _feature_weeks(engine)[MONDAY, "energy"]
    found = (row["p25"], row["median"], row["p75"], row["mean"])
    assert found == pytest.approx((0.175, 0.3, 0.5, 0.375))


def _cadence(engine: Engine) -> dict[tuple[date, str], Row]:
    return rows.build(engine, "release_cadence", AS_OF, lambda row: (row["release_date"], row["album_type"]))


def test_cadence_counts_releases_by_day_and_format(engine: Engine) -> None:
    rows.load(
        engine,
        {
            "spotify.releases": [
                rows.release("a", MONDAY),
                rows.release("b", MONDAY),
                rows.release("c", MONDAY, album_type="single"),
                rows.release("year", MONDAY, release_date_precision="year"),
                rows.release("to come", AS_OF.date() + timedelta(days=1)),
            ],
            "spotify.tracks": [
                rows.track("a", "t1", explicit=True, duration_ms=100_000),
                rows.track("a", "t2", duration_ms=200_000),
                rows.track("b", "t3", duration_ms=400_000),
            ],
        },
    )
    found = _cadence(engine)
    assert set(found) == {(MONDAY, "album"), (MONDAY, "single")}
    row = found[MONDAY, "album"]
    assert (row["releases"], row["tracks"]) == (2, 3)
    assert (row["explicit_share"], row["median_duration_ms"]) == (pytest.approx(1 / 3), 200_000)
    # An album without tracks is a release all the same; of what it does not have nothing is known.
    row = found[MONDAY, "single"]
    assert (row["releases"], row["tracks"], row["explicit_share"], row["median_duration_ms"]) == (
        1,
        0,
        None,
        None,
    )


def _coverage(engine: Engine) -> dict[date, Row]:
    rows.build(engine, "track_catalog", AS_OF, lambda row: (row["album_id"], row["track_id"]))
    return rows.build(engine, "coverage", AS_OF, lambda row: row["week_start"])


def test_coverage_tells_what_is_loaded_and_measured_of_what_was_seen(engine: Engine) -> None:
    seen = rows.at_noon(MONDAY)
    rows.load(
        engine,
        {
            "spotify.new_releases": [
                rows.sighting("loaded", seen),
                rows.sighting("loaded", seen - timedelta(days=1), "DE"),
                rows.sighting("not loaded", seen),
            ],
            "spotify.releases": [
                rows.release("loaded", MONDAY, fetched_at=seen + WEEK),
                rows.release("asked for", MONDAY, fetched_at=seen + WEEK),
            ],
            "spotify.tracks": [rows.track("loaded", name) for name in ("s", "r", "absent", "pending")],
            "spotify.audio_features": [
                rows.features("loaded", "s", energy=0.5),
                rows.features("loaded", "r", energy=0.5, source="reccobeats"),
                rows.features("loaded", "absent", status="absent", source=None),
            ],
            "spotify.track_details": [rows.details("loaded", "s", 5, seen)],
            "deezer.track_ranks": [rows.deezer_rank("loaded", name, MONDAY, 5) for name in ("s", "r")],
        },
    )
    found = _coverage(engine)
    # The first sighting in any market; where there is none, the load.
    assert set(found) == {MONDAY - WEEK, MONDAY, MONDAY + WEEK}
    counts = {week: (row["albums"], row["albums_loaded"], row["tracks"]) for week, row in found.items()}
    assert counts == {MONDAY - WEEK: (1, 1, 4), MONDAY: (1, 0, 0), MONDAY + WEEK: (1, 1, 0)}
    row = found[MONDAY - WEEK]
    features = ("features_spotify", "features_reccobeats", "features_absent", "features_pending")
    assert [row[name] for name in features] == [1, 1, 1, 1]
    assert (row["with_spotify_popularity"], row["with_deezer_rank"]) == (1, 2)


def test_each_build_of_the_coverage_is_remembered(engine: Engine, empty_database_url: URL) -> None:
    """The check that it does not fall has nothing else to compare with."""
    tables = _albums(first=MONDAY, second=MONDAY)
    measured = [rows.features("first", "first-track", energy=0.5)]
    rows.load(engine, tables | {"spotify.audio_features": measured})
    warehouse = Warehouse(
        database=WarehouseDatabase(url=empty_database_url.render_as_string(hide_password=False))
    )
    for hour in (9, 10):
        clock = Clock(fixed=f"2026-03-18T{hour:02}:00:00+00:00")
        dg.materialize(MARTS, resources={"warehouse": warehouse, "clock": clock})
    query = (
        "select as_of, albums, albums_loaded, tracks, with_features from ops.coverage_history order by as_of"
    )
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    assert found == [(AS_OF, 2, 2, 2, 1), (AS_OF + timedelta(hours=1), 2, 2, 2, 1)]
