"""The summary of a pass says what was measured, and ranks by what there is in the latest week."""

from datetime import UTC, date, datetime

from sqlalchemy import Engine

from spotify_assets.launch.first_pass import Outcome
from spotify_assets.launch.summary import summary
from spotify_assets.warehouse.marts import build_mart
from spotify_assets_tests.marts import rows

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LONG_AGO = date(2026, 5, 27)


def test_the_top_five_are_of_the_latest_week_by_whatever_measure_it_has(engine: Engine) -> None:
    """A key that had lost its popularity went on showing the last week in which it had some."""
    rows.load(
        engine,
        {
            "spotify.releases": [rows.release("old", LONG_AGO), rows.release("new", date(2026, 11, 20))],
            "spotify.tracks": [rows.track("old", "track-old"), rows.track("new", "track-new")],
            "spotify.popularity_snapshots": [rows.snapshot("track-old", LONG_AGO, 90, "old")],
            "deezer.albums": [rows.deezer_album("new")],
            "deezer.track_ranks": [rows.deezer_rank("new", "track-new", NOW.date(), 400_000)],
        },
    )
    for mart in ("track_catalog", "weekly_popular_releases"):
        build_mart(engine, mart, NOW)
    said = "\n".join(summary(engine, Outcome()))
    assert "week of 23 November 2026 (mean Deezer rank" in said
    assert "1. New by" in said
    assert "400,000 (1 of 1 tracks)" in said


def test_tracks_that_were_not_asked_about_yet_are_told_apart_from_absent_ones(engine: Engine) -> None:
    """After a quota 300 tracks were in none of the figures."""
    rows.load(
        engine,
        {
            "spotify.releases": [rows.release("album", LONG_AGO)],
            "spotify.tracks": [rows.track("album", name) for name in ("measured", "absent", "not asked")],
            "spotify.audio_features": [
                rows.features("album", "measured"),
                rows.features("album", "absent", status="absent", source=None),
            ],
        },
    )
    said = "\n".join(summary(engine, Outcome()))
    assert "33.3% of tracks; 1 are recorded as absent, 1 were not asked for yet" in said
