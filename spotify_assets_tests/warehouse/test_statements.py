"""The history of popularity: which days a snapshot adds, replaces, and leaves alone."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine

from spotify_assets.warehouse.statements import snapshot_popularity
from spotify_assets.warehouse.tables import popularity_snapshots
from spotify_assets_tests.marts import rows
from spotify_assets_tests.marts.rows import Row

TODAY = date(2026, 3, 4)
YESTERDAY = TODAY - timedelta(days=1)
NOON = rows.at_noon(TODAY)


def _history_after(
    engine: Engine, details: Sequence[Row], history: Sequence[Row] = (), today: date = TODAY
) -> list[tuple[str, date, int, str]]:
    rows.load(engine, {"spotify.track_details": details, "spotify.popularity_snapshots": history})
    _snapshot(engine, today)
    return _history(engine)


def _snapshot(engine: Engine, today: date = TODAY) -> int:
    with engine.begin() as connection:
        return snapshot_popularity(connection, today)


def _history(engine: Engine) -> list[tuple[str, date, int, str]]:
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(popularity_snapshots.select()).mappings()]
    return sorted((row["track_id"], row["measured_on"], row["popularity"], row["album_id"]) for row in found)


def test_a_rerun_on_the_same_day_replaces_the_day_and_leaves_older_days(engine: Engine) -> None:
    history = [
        rows.snapshot("track", TODAY - timedelta(days=400), 10),
        rows.snapshot("track", YESTERDAY, 20),
        rows.snapshot("track", TODAY, 30),
    ]
    assert _history_after(engine, [rows.details("album", "track", 31, NOON)], history) == [
        ("track", TODAY - timedelta(days=400), 10, "album"),
        ("track", YESTERDAY, 20, "album"),
        ("track", TODAY, 31, "album"),
    ]
    assert _snapshot(engine) == 0  # nothing changed: nothing is written


def test_a_run_that_crosses_midnight_keeps_the_day_of_the_measurement(engine: Engine) -> None:
    """Another run has the new day in the history before it."""
    before_midnight = datetime(2026, 3, 3, 23, 59, 59, tzinfo=UTC)
    after_midnight = before_midnight + timedelta(seconds=1)
    details = [rows.details("a", "late", 40, before_midnight), rows.details("b", "early", 50, after_midnight)]
    history = [rows.snapshot("other", TODAY, 5)]
    assert _history_after(engine, details, history) == [
        ("early", TODAY, 50, "b"),
        ("late", YESTERDAY, 40, "a"),
        ("other", TODAY, 5, "album"),
    ]


def test_the_day_is_that_of_utc_whatever_the_zone_of_the_session(engine: Engine) -> None:
    at = datetime(2026, 3, 3, 23, 30, tzinfo=UTC)
    rows.load(engine, {"spotify.track_details": [rows.details("album", "track", 40, at)]})
    with engine.begin() as connection:
        connection.exec_driver_sql("set local time zone 'Pacific/Kiritimati'")
        snapshot_popularity(connection, TODAY)
    assert _history(engine) == [("track", YESTERDAY, 40, "album")]


def test_a_snapshot_of_the_future_does_not_keep_out_the_days_before_it(engine: Engine) -> None:
    """A clock that was wrong once silenced the history until the day it had shown."""
    future = TODAY + timedelta(days=30)
    history = [rows.snapshot("track", future, 99)]
    assert _history_after(engine, [rows.details("album", "track", 40, NOON)], history) == [
        ("track", TODAY, 40, "album"),
        ("track", future, 99, "album"),
    ]


def test_details_of_the_future_wait_for_their_day(engine: Engine) -> None:
    tomorrow = [rows.details("album", "track", 40, NOON + timedelta(days=1))]
    assert _history_after(engine, tomorrow) == []
    assert _snapshot(engine, TODAY + timedelta(days=1)) == 1


def test_a_track_on_two_albums_is_measured_once_a_day_by_the_latest_answer(engine: Engine) -> None:
    """Two rows of one key in one statement would be an error of Postgres."""
    details = [
        rows.details("a", "track", 40, NOON + timedelta(minutes=1)),
        rows.details("b", "track", 41, NOON),
        rows.details("c", "track", 42, NOON - timedelta(days=1)),
    ]
    assert _history_after(engine, details) == [("track", YESTERDAY, 42, "c"), ("track", TODAY, 40, "a")]


def test_tracks_without_popularity_and_days_long_in_the_history_add_nothing(engine: Engine) -> None:
    details = [
        rows.details("a", "unmeasured", None, NOON),
        rows.details("a", "old", 40, NOON - timedelta(days=2)),
    ]
    assert _history_after(engine, details, [rows.snapshot("other", TODAY, 5)]) == [
        ("other", TODAY, 5, "album")
    ]


def test_the_first_snapshot_takes_all_that_is_there(engine: Engine) -> None:
    details = [rows.details("a", "t", 0, NOON - timedelta(days=500)), rows.details("b", "u", 100, NOON)]
    assert _history_after(engine, details) == [
        ("t", TODAY - timedelta(days=500), 0, "a"),
        ("u", TODAY, 100, "b"),
    ]
