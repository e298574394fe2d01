"""Every check on a real warehouse: a good one passes all, and each kind of bad row is found by its own check."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent
from sqlalchemy import URL, Engine, text

from spotify_assets.assets.marts import MART_INPUTS
from spotify_assets.checks import (
    CHECKS,
    ERROR,
    EXPECTATIONS,
    FRESHNESS,
    WARN,
    AlbumRun,
    judge,
    loading_since,
    offending_rows,
)
from spotify_assets.load_planning import AlbumRange
from spotify_assets.resources import Clock, Warehouse
from spotify_assets.warehouse.marts import build_mart
from spotify_assets.warehouse.resource import WarehouseDatabase
from spotify_assets.warehouse.statements import record_set_aside
from spotify_assets.warehouse.tables import UNIT_INTERVAL_FEATURES
from spotify_assets_tests.marts import rows

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TODAY = NOW.date()
MONDAY = date(2026, 3, 2)
PARAMETERS: Mapping[str, object] = {
    "now": NOW,
    "markets": ["DE", "US"],
    "deezer_is_asked": True,
    "days": [1, 7, 30, 90],
    "popularity_is_given": True,
}
OTHER_RUN = "11111111-1111-1111-1111-111111111111"


def _spotify_id(name: str) -> str:
    return name.ljust(22, "0")


A, B, T1, T2, T3 = (_spotify_id(name) for name in ("albumA", "albumB", "track1", "track2", "track3"))
KNOWN, UNKNOWN = _spotify_id("known"), _spotify_id("unknown")
CREDIT = {"artist_ids": [KNOWN], "artist_names": ["Known"]}
LOADED_AT = NOW - timedelta(hours=1)

BY_NAME = {
    f"{expectation.asset.path[-1]}_{expectation.name}": expectation
    for expectation in (*EXPECTATIONS, *FRESHNESS)
}


@dataclass(frozen=True)
class _UnknownArtist:
    endpoint: str = "artists"
    item_id: str | None = UNKNOWN
    reason: str = "unknown to Spotify"


def _isrc(number: int) -> dict[str, str]:
    return {"isrc": f"USABC26{number:05}"}


def _attempt(track_id: str, asked: datetime) -> rows.Row:
    return {
        "track_id": track_id,
        "outcome": "absent",
        "attempts": 1,
        "first_asked_at": asked,
        "last_asked_at": asked,
        "last_tried_at": asked,
    }


def _coverage(as_of: datetime, albums: int) -> rows.Row:
    measured = ("with_features", "with_spotify_popularity", "with_deezer_rank")
    return {"as_of": as_of, "albums": albums, "albums_loaded": albums, "tracks": 1000} | dict.fromkeys(
        measured, 1000
    )


@pytest.fixture
def warehouse(engine: Engine) -> Engine:
    """Two albums that share a track; one track without features, one artist that Spotify does not know."""
    both = {"artist_ids": [KNOWN, UNKNOWN], "artist_names": ["Known", "Unknown"]}
    times = {"fetched_at": LOADED_AT}
    rows.load(
        engine,
        {
            "spotify.new_releases": [
                rows.sighting(A, NOW - timedelta(hours=24), "US"),
                rows.sighting(B, NOW - timedelta(hours=1), "DE"),
            ],
            "spotify.releases": [
                rows.release(A, date(2026, 3, 3), total_tracks=2, **CREDIT, **times),
                rows.release(B, date(2026, 3, 2), total_tracks=2, **CREDIT, **times),
            ],
            "spotify.tracks": [
                rows.track(A, T1, **CREDIT, **times),
                rows.track(A, T2, track_number=2, **both, **times),
                rows.track(B, T1, **CREDIT, **times),
                rows.track(B, T3, disc_number=2, **CREDIT, **times),
            ],
            "spotify.audio_features": [
                rows.features(A, T1, danceability=0.0, tempo=0.0, loudness=-60.0, time_signature=0),
                rows.features(A, T2, status="absent", source=None),
                rows.features(B, T1, energy=1.0, tempo=250.0, loudness=1.5, time_signature=7),
                rows.features(B, T3),
            ],
            "spotify.track_details": [
                rows.details(A, T1, 100) | _isrc(1),
                rows.details(A, T2, 0) | _isrc(2),
                rows.details(B, T1, 100) | _isrc(1),
                rows.details(B, T3, None) | {"isrc": None},
            ],
            "spotify.popularity_snapshots": [
                rows.snapshot(T1, TODAY, 100, A),
                rows.snapshot(T2, TODAY, 0, A),
                # A track and an album that Spotify took down: history outlives them.
                rows.snapshot(_spotify_id("gone"), TODAY - timedelta(days=400), 50, _spotify_id("gone")),
            ],
            "spotify.artists": [rows.artist(KNOWN, None)],
            "deezer.albums": [
                rows.deezer_album(A, checked_at=NOW - timedelta(days=1)),
                rows.deezer_album(B, checked_at=NOW - timedelta(hours=1)),
            ],
            "deezer.track_ranks": [rows.deezer_rank(A, T1, TODAY, 500_000)],
            "ops.feature_attempts": [_attempt(T2, asked=NOW - timedelta(days=2))],
            "ops.coverage_history": [
                _coverage(NOW - timedelta(days=1), albums=1),
                _coverage(NOW, albums=2),
            ],
        },
    )
    with engine.begin() as connection:
        record_set_aside(connection, "spotify/artists", [_UnknownArtist()], LOADED_AT - timedelta(days=90))
    for mart in MART_INPUTS:
        build_mart(engine, mart, NOW)
    return engine


def _run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            assert connection.execute(text(statement)).rowcount != 0, f"changes nothing: {statement}"


def _found(
    engine: Engine, name: str, parameters: Mapping[str, object] = PARAMETERS
) -> list[tuple[object, ...]]:
    count, shown = offending_rows(engine, BY_NAME[name], parameters)
    assert count == len(shown)
    return sorted((tuple(row.values()) for row in shown), key=str)


@dataclass(frozen=True)
class Fault:
    """Statements that spoil the good warehouse, and the rows that the check must find then (their first columns)."""

    check: str
    statements: Sequence[str]
    finds: Sequence[tuple[object, ...]]


def _features_fault(feature: str, value: float) -> Fault:
    """A constraint of the table forbids some of these: it is gone in this test's own database."""
    return Fault(
        "audio_features_are_in_range",
        [
            f"alter table spotify.audio_features drop constraint if exists audio_features_{feature}_check",
            f"update spotify.audio_features set {feature} = {value} where album_id = '{B}' and track_id = '{T3}'",
        ],
        [(B, T3)],
    )


FAULTS = [
    Fault(
        "new_releases_are_fresh",
        [
            "update spotify.new_releases set first_seen_at = first_seen_at - interval '1 second',"
            " last_seen_at = last_seen_at - interval '1 second' where market = 'US'"
        ],
        [("US", NOW - timedelta(hours=24, seconds=1))],
    ),
    Fault("new_releases_are_fresh", ["delete from spotify.new_releases where market = 'DE'"], [("DE", None)]),
    Fault(
        "releases_keys_are_whole",
        [f"update spotify.releases set album_id = 'short' where album_id = '{A}'"],
        [("short",)],
    ),
    Fault(
        "releases_keys_are_whole",
        [f"update spotify.releases set album_id = '{A[:-1]}-' where album_id = '{A}'"],
        [(A[:-1] + "-",)],
    ),
    Fault(
        "releases_keys_are_whole",
        [f"update spotify.releases set artist_names = array['a', 'b'] where album_id = '{A}'"],
        [(A,)],
    ),
    Fault(
        "releases_keys_are_whole",
        [f"update spotify.releases set artist_ids = '{{}}', artist_names = '{{}}' where album_id = '{B}'"],
        [(B,)],
    ),
    Fault(
        "tracks_keys_are_whole",
        [f"update spotify.tracks set track_id = 'short' where track_id = '{T2}'"],
        [(A, "short")],
    ),
    Fault(
        "tracks_keys_are_whole",
        [f"update spotify.tracks set artist_names = array['a'] where track_id = '{T2}'"],
        [(A, T2)],
    ),
    Fault(
        "tracks_keys_are_whole",
        [f"update spotify.tracks set artist_ids = '{{}}', artist_names = '{{}}' where track_id = '{T3}'"],
        [(B, T3)],
    ),
    Fault(
        "tracks_keys_are_whole",
        [f"update spotify.tracks set track_number = 1 where track_id = '{T2}'"],
        [(A, T1), (A, T2)],
    ),
    Fault(
        "tracks_album_is_known", [f"delete from spotify.releases where album_id = '{B}'"], [(B, T1), (B, T3)]
    ),
    Fault("tracks_are_complete", [f"delete from spotify.tracks where track_id = '{T2}'"], [(A, 2, 1)]),
    Fault("tracks_are_complete", [f"delete from spotify.tracks where album_id = '{B}'"], [(B, 2, 0)]),
    Fault(
        "tracks_are_complete",
        [f"update spotify.releases set total_tracks = 1 where album_id = '{B}'"],
        [(B, 1, 2)],
    ),
    Fault(
        "audio_features_cover_every_track",
        [f"delete from spotify.audio_features where track_id = '{T2}'"],
        [(A, T2)],
    ),
    Fault(
        "audio_features_cover_every_track", [f"delete from spotify.tracks where track_id = '{T3}'"], [(B, T3)]
    ),
    Fault("audio_features_absence_is_followed_up", ["delete from ops.feature_attempts"], [(A, T2)]),
    Fault(
        "audio_features_absence_is_followed_up",
        ["update ops.feature_attempts set outcome = 'measured'"],
        [(A, T2)],
    ),
    *(_features_fault(feature, value) for feature in UNIT_INTERVAL_FEATURES for value in (-0.01, 1.01)),
    *(_features_fault("tempo", value) for value in (-1, 301)),
    *(_features_fault("loudness", value) for value in (-101, 21)),
    *(_features_fault("time_signature", value) for value in (-1, 8)),
    Fault(
        "track_details_cover_every_track",
        [f"delete from spotify.track_details where track_id = '{T2}'"],
        [(A, T2)],
    ),
    *(
        Fault(
            "track_details_are_in_range",
            [
                "alter table spotify.track_details drop constraint track_details_popularity_check",
                f"update spotify.track_details set popularity = {value} where track_id = '{T3}'",
            ],
            [(B, T3, value, None)],
        )
        for value in (-1, 101)
    ),
    *(
        Fault(
            "track_details_are_in_range",
            [f"update spotify.track_details set isrc = '{isrc}' where track_id = '{T3}'"],
            [(B, T3, None, isrc)],
        )
        for isrc in ("", "US-ABC-26-00", "USABC26000012")
    ),
    Fault(
        "popularity_snapshots_are_not_of_the_future",
        [f"update spotify.popularity_snapshots set measured_on = measured_on + 1 where track_id = '{T1}'"],
        [(T1, TODAY + timedelta(days=1))],
    ),
    Fault(
        "popularity_snapshots_are_taken_daily",
        [
            "update spotify.new_releases set first_seen_at = first_seen_at - interval '2 days'",
            f"update spotify.releases set release_date = '2026-03-02' where album_id in ('{A}', '{B}')",
            "update spotify.popularity_snapshots set measured_on = measured_on - 3",
        ],
        [(A, TODAY - timedelta(days=3)), (B, TODAY - timedelta(days=3))],
    ),
    Fault(
        "popularity_snapshots_are_taken_daily",
        [
            "update spotify.new_releases set first_seen_at = first_seen_at - interval '2 days'",
            f"update spotify.releases set release_date = '2026-03-02' where album_id = '{A}'",
            f"delete from spotify.popularity_snapshots where album_id = '{A}'",
            f"update spotify.track_details set popularity = null where album_id = '{B}'",
        ],
        [(A, None)],
    ),
    Fault(
        "artists_cover_every_credit", [f"delete from spotify.artists where artist_id = '{KNOWN}'"], [(KNOWN,)]
    ),
    Fault(
        "artists_cover_every_credit",
        [f"update spotify.releases set artist_ids = array['new'] where album_id = '{A}'"],
        [("new",)],
    ),
    Fault(
        "artists_cover_every_credit",
        [f"update spotify.tracks set artist_ids = array['new'] where track_id = '{T3}'"],
        [("new",)],
    ),
    Fault("artists_cover_every_credit", ["update ops.set_aside set asset = 'spotify/tracks'"], [(UNKNOWN,)]),
    Fault(
        "albums_are_fresh",
        [
            f"update deezer.albums set checked_at = checked_at - interval '1 day 1 second' where album_id = '{A}'",
            f"update spotify.releases set fetched_at = fetched_at - interval '3 days' where album_id = '{A}'",
        ],
        [(A, NOW - timedelta(days=2, seconds=1))],
    ),
    Fault(
        "albums_are_fresh",
        [
            f"delete from deezer.albums where album_id = '{A}'",
            f"update spotify.releases set fetched_at = fetched_at - interval '3 days' where album_id = '{A}'",
        ],
        [(A, None)],
    ),
    Fault(
        "track_ranks_are_not_of_the_future",
        ["update deezer.track_ranks set measured_on = measured_on + 1"],
        [(A, T1, TODAY + timedelta(days=1))],
    ),
    Fault(
        "feature_attempts_are_made_in_time",
        [
            "update ops.feature_attempts set first_asked_at = first_asked_at - interval '1 day 1 second',"
            " last_asked_at = last_asked_at - interval '1 day 1 second'"
        ],
        [(T2, 1, NOW - timedelta(days=3, seconds=1))],
    ),
    Fault(
        "track_catalog_holds_every_track",
        [f"delete from marts.track_catalog where track_id = '{T1}'"],
        [(A, T1), (B, T1)],
    ),
    Fault(
        "track_catalog_holds_every_track",
        ["delete from marts.track_catalog"],
        [(A, T1), (A, T2), (B, T1), (B, T3)],
    ),
    Fault(
        "track_catalog_holds_every_track", [f"delete from spotify.tracks where track_id = '{T3}'"], [(B, T3)]
    ),
    Fault(
        "weekly_popular_releases_ranks_are_whole",
        [
            "update marts.weekly_popular_releases set rank = rank + 1"
            " where rank is not null and measure = 'spotify_popularity'"
        ],
        [(date(2026, 3, 2), "spotify_popularity")],
    ),
    Fault(
        "weekly_popular_releases_ranks_are_whole",
        ["update marts.weekly_popular_releases set rank = 1 where rank = 2"],
        [(date(2026, 3, 2), "spotify_popularity")],
    ),
    Fault(
        "weekly_popular_releases_ranks_are_whole",
        ["update marts.weekly_popular_releases set rank = 3 where rank = 2"],
        [(date(2026, 3, 2), "spotify_popularity")],
    ),
    Fault(
        "track_week_holds_every_measurement",
        ["delete from marts.track_week where measure = 'deezer_rank'"],
        [(MONDAY, "deezer_rank", T1)],
    ),
    Fault(
        "track_week_holds_every_measurement",
        [f"delete from spotify.popularity_snapshots where track_id = '{T2}'"],
        [(MONDAY, "spotify_popularity", T2)],
    ),
    Fault(
        "feature_popularity_correlation_parts_fit_the_whole",
        [
            "update marts.feature_popularity_correlation set n = 2 where measure = 'deezer_rank'"
            " and scope = 'all' and feature = 'tempo' and method = 'pearson'"
        ],
        [("deezer_rank", "all", "all", "tempo", "pearson", 2)],
    ),
    Fault(
        "feature_popularity_correlation_parts_fit_the_whole",
        [
            "update marts.feature_popularity_correlation set n = 3 where measure = 'spotify_popularity'"
            " and scope = 'album_type' and feature = 'energy' and method = 'spearman'"
        ],
        [("spotify_popularity", "album_type", "album", "energy", "spearman", 3)],
    ),
    Fault(
        "artist_feature_profile_covers_every_credit",
        [f"delete from marts.artist_feature_profile where artist_id = '{UNKNOWN}' and feature = 'tempo'"],
        [(UNKNOWN, 8)],
    ),
    Fault(
        "artist_feature_profile_covers_every_credit",
        [f"delete from marts.track_catalog where track_id = '{T2}'"],
        [(UNKNOWN, 9)],
    ),
    Fault("feature_week_counts_every_track", ["delete from marts.feature_week"], [(MONDAY, 3, None)]),
    Fault(
        "feature_week_counts_every_track",
        ["update marts.feature_week set tracks = 4 where feature = 'tempo'"],
        [(MONDAY, 3, 3)],
    ),
    Fault(
        "release_cadence_counts_every_release",
        ["update marts.release_cadence set releases = 2 where release_date = '2026-03-03'"],
        [(date(2026, 3, 3), "album", 1, 2)],
    ),
    Fault(
        "release_cadence_counts_every_release",
        [f"delete from spotify.releases where album_id = '{A}'"],
        [(date(2026, 3, 3), "album", None, 1)],
    ),
    Fault("coverage_counts_every_track", ["delete from marts.coverage"], [(0, 4)]),
    Fault(
        "feature_distribution_adds_up",
        ["update marts.feature_distribution set n = n + 1 where feature = 'popularity' and value = 100"],
        [("popularity", 100.0)],
    ),
    Fault(
        "feature_distribution_adds_up",
        ["update marts.feature_distribution set tracks_below = 0 where feature = 'popularity'"],
        [("popularity", 100.0, 0)],
    ),
    Fault(
        "coverage_is_fresh",
        [f"update marts.builds set as_of = '{NOW - timedelta(hours=27)}' where mart = 'coverage'"],
        [("coverage", NOW - timedelta(hours=27))],
    ),
    Fault(
        "track_week_is_fresh", ["delete from marts.builds where mart = 'track_week'"], [("track_week", None)]
    ),
    Fault(
        "coverage_does_not_fall",
        ["update ops.coverage_history set with_features = 949, with_deezer_rank = 950 where albums = 2"],
        [("audio features", 1.0, 0.949)],
    ),
    Fault(
        "coverage_does_not_fall",
        ["update ops.coverage_history set tracks = 0 where albums = 2"],
        [("Deezer rank", 1.0, 0.0), ("Spotify popularity", 1.0, 0.0), ("audio features", 1.0, 0.0)],
    ),
]


def test_every_check_has_its_fault_here_and_every_query_its_check() -> None:
    """A check that selects nothing whatever happens would pass for ever."""
    queries = {Path(str(query)).stem for query in (files("spotify_assets") / "check_queries").iterdir()}
    assert {each.query or name for name, each in BY_NAME.items()} == queries
    found = {BY_NAME[fault.check].query or fault.check for fault in FAULTS}
    assert found == queries


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_good_warehouse_passes(warehouse: Engine, name: str) -> None:
    assert _found(warehouse, name) == []


@pytest.mark.parametrize(
    "name", sorted({name for name in BY_NAME if not name.endswith("_fresh")} | {"albums_are_fresh"})
)
def test_an_empty_warehouse_passes(engine: Engine, name: str) -> None:
    assert _found(engine, name) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.check}: {fault.statements[-1]}"[:120])
def test_a_bad_row_is_found(warehouse: Engine, fault: Fault) -> None:
    _run(warehouse, *fault.statements)
    columns = len(fault.finds[0])
    assert [row[:columns] for row in _found(warehouse, fault.check)] == fault.finds


def test_the_share_of_a_few_tracks_may_fall(warehouse: Engine) -> None:
    """The first hundred tracks of a warehouse moved it by more than 5 points at each load."""
    _run(warehouse, "update ops.coverage_history set tracks = 999, with_features = 500")
    _run(warehouse, "update ops.coverage_history set with_features = 0 where albums = 2")
    assert _found(warehouse, "coverage_does_not_fall") == []


def test_a_market_taken_out_of_the_settings_may_grow_old(warehouse: Engine) -> None:
    """It warned for ever; and a market that was never seen did not warn at all."""
    later = {"now": NOW + timedelta(days=2), "markets": ["FR"]}
    assert _found(warehouse, "new_releases_are_fresh", later) == [("FR", None)]


def test_nobody_waits_for_deezer_where_it_is_switched_off(warehouse: Engine) -> None:
    _run(warehouse, "update deezer.albums set checked_at = checked_at - interval '9 days'")
    _run(warehouse, "update spotify.releases set fetched_at = fetched_at - interval '9 days'")
    assert len(_found(warehouse, "albums_are_fresh")) == 2
    assert _found(warehouse, "albums_are_fresh", {**PARAMETERS, "deezer_is_asked": False}) == []


def _not_read_for(engine: Engine, days: int) -> None:
    """Albums new long enough, with details and snapshots of that many days ago."""
    _run(
        engine,
        "update spotify.new_releases set first_seen_at = first_seen_at - interval '9 days'",
        "update spotify.releases set release_date = release_date - 9",
        f"update spotify.track_details set fetched_at = timestamptz '{NOW}' - interval '{days} days'",
        f"update spotify.popularity_snapshots set measured_on = date '{TODAY}' - {days}",
    )


@pytest.mark.parametrize(("days", "albums"), [(2, 0), (3, 2)])
def test_an_album_may_miss_a_day_of_popularity(warehouse: Engine, days: int, albums: int) -> None:
    """At midnight nothing is measured on the day, and at noon it may be that of yesterday."""
    _not_read_for(warehouse, days)
    assert len(_found(warehouse, "popularity_snapshots_are_taken_daily")) == albums


def test_no_popularity_is_missed_of_a_key_that_gets_none_nor_of_tracks_answered_null(
    warehouse: Engine,
) -> None:
    """A key that lost its access would warn about every album until the last one is eight weeks old."""
    _not_read_for(warehouse, 5)
    closed = {**PARAMETERS, "popularity_is_given": False}
    assert _found(warehouse, "popularity_snapshots_are_taken_daily", closed) == []
    _run(warehouse, "update spotify.track_details set popularity = null")
    assert _found(warehouse, "popularity_snapshots_are_taken_daily") == []


def test_no_popularity_is_missed_before_an_album_is_new_nor_after_its_eighth_week(warehouse: Engine) -> None:
    """Albums that are listed before they are out are read when they are listed, and again when they are out."""
    _not_read_for(warehouse, 5)
    _run(warehouse, f"update spotify.releases set release_date = date '{TODAY}' + 1")
    assert _found(warehouse, "popularity_snapshots_are_taken_daily") == []
    _run(
        warehouse,
        f"update spotify.releases set release_date = date '{TODAY}' - 70",
        "update spotify.new_releases set first_seen_at = first_seen_at - interval '70 days'",
    )
    assert _found(warehouse, "popularity_snapshots_are_taken_daily") == []


def test_albums_past_their_eighth_week_are_not_missed(warehouse: Engine) -> None:
    """Nobody asks about them any more."""
    _run(
        warehouse,
        "update deezer.albums set checked_at = checked_at - interval '70 days'",
        "update spotify.releases set fetched_at = fetched_at - interval '70 days',"
        " release_date = release_date - 70",
        "update spotify.new_releases set first_seen_at = first_seen_at - interval '70 days'",
    )
    assert _found(warehouse, "albums_are_fresh") == []


def test_albums_loaded_since_the_catalog_was_built_are_not_missed(warehouse: Engine) -> None:
    _run(warehouse, f"delete from marts.track_catalog where album_id = '{A}'")
    _run(
        warehouse,
        f"update spotify.tracks set fetched_at = '{NOW + timedelta(seconds=1)}' where album_id = '{A}'",
    )
    assert _found(warehouse, "track_catalog_holds_every_track") == []


@pytest.mark.parametrize("name", ["audio_features_cover_every_track", "track_details_cover_every_track"])
def test_albums_whose_enrichment_is_not_loaded_yet_are_not_missed(warehouse: Engine, name: str) -> None:
    table = name.removesuffix("_cover_every_track")
    _run(warehouse, f"delete from spotify.{table} where album_id = '{A}'")
    assert _found(warehouse, name) == []


def test_all_rows_are_counted_and_the_first_few_shown(warehouse: Engine) -> None:
    _run(
        warehouse,
        "insert into spotify.tracks (album_id, track_id, name, disc_number, track_number, duration_ms, explicit,"
        " artist_ids, artist_names, fetched_at) select 'lost', 'track' || n, '', 1, n, 1, false, '{}', '{}', now()"
        " from generate_series(1, 25) as numbers (n)",
    )
    count, shown = offending_rows(warehouse, BY_NAME["tracks_album_is_known"], {})
    assert (count, len(shown)) == (25, 10)


# --- whether another run was loading ---

STARTED = NOW
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("started_at", "ended_at", "counts"),
    [
        (STARTED - 10 * MINUTE, None, True),
        (STARTED + MINUTE, None, True),
        (STARTED - 10 * MINUTE, STARTED + MINUTE, True),
        (STARTED - timedelta(days=2), STARTED + MINUTE, True),
        (STARTED - 10 * MINUTE, STARTED - MINUTE, False),
        # Killed, and never marked as ended.
        (STARTED - timedelta(days=1, minutes=1), None, False),
    ],
)
def test_a_run_was_loading_if_it_had_not_ended_when_this_one_began(
    started_at: datetime, ended_at: datetime | None, counts: bool
) -> None:
    other = AlbumRun(OTHER_RUN, started_at, ended_at)
    assert loading_since(STARTED, [other]) == ([other] if counts else [])


CATALOG = BY_NAME["track_catalog_holds_every_track"]
SHOWN = [{"album_id": A, "track_id": T1}, {"album_id": B, "track_id": T1}]


def test_rows_are_an_error_where_no_other_run_was_loading() -> None:
    result = judge(CATALOG, 2, SHOWN, [])
    assert (result.passed, result.severity) == (False, ERROR)
    assert result.description == f"2 rows, such as album_id {A}, track_id {T1}"
    assert result.metadata["offending_rows"].value == 2
    assert result.metadata["rows"].value == (
        f"| album_id | track_id |\n| --- | --- |\n| {A} | {T1} |\n| {B} | {T1} |"
    )


def test_rows_are_a_warning_that_says_so_where_another_run_was_loading() -> None:
    result = judge(CATALOG, 2, SHOWN, [AlbumRun(OTHER_RUN, STARTED, None)])
    assert (result.passed, result.severity) == (False, WARN)
    assert result.description is not None
    assert result.description.startswith(
        f"2 rows, such as album_id {A}, track_id {T1}; another run was loading"
    )
    assert OTHER_RUN in result.description


def test_no_rows_pass_whoever_is_loading() -> None:
    result = judge(CATALOG, 0, [], [AlbumRun(OTHER_RUN, STARTED, None)])
    assert (result.passed, result.severity, result.description) == (True, ERROR, None)


# --- the check as Dagster runs it ---


@pytest.fixture
def instance(
    empty_database_url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", empty_database_url.render_as_string(hide_password=False))
    monkeypatch.setenv("SPOTIFY_MARKETS", "US,DE")
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _evaluations(instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    """All checks, in one run."""
    every_check = dg.AssetSelection.all_asset_checks()
    defs = dg.Definitions(
        asset_checks=CHECKS,
        jobs=[dg.define_asset_job("checks", selection=every_check)],
        resources={
            "warehouse": Warehouse(database=WarehouseDatabase()),
            "clock": Clock(fixed=NOW.isoformat()),
        },
        executor=dg.in_process_executor,
    )
    result = defs.resolve_job_def("checks").execute_in_process(instance=instance)
    evaluations = result.get_asset_check_evaluations()
    return {f"{found.asset_key.path[-1]}_{found.check_name}": found for found in evaluations}


def _add_run(
    instance: dg.DagsterInstance,
    started_at: datetime | None,
    ended_at: datetime | None = None,
    tags: Mapping[str, str] = AlbumRange(A, B).tags,
) -> str:
    run = dg.DagsterRun(job_name="load_albums", run_id=str(uuid.uuid4()), tags=tags)
    instance.add_run(run)
    for event, at in (("PIPELINE_START", started_at), ("PIPELINE_SUCCESS", ended_at)):
        if at is not None:
            instance.run_storage.handle_run_event(
                run.run_id, DagsterEvent(event_type_value=event, job_name=run.job_name), at
            )
    return run.run_id


def test_a_good_warehouse_passes_every_check_of_a_run(
    warehouse: Engine, instance: dg.DagsterInstance
) -> None:
    del warehouse
    evaluations = _evaluations(instance)
    assert set(evaluations) == set(BY_NAME)
    assert [name for name, found in evaluations.items() if not found.passed] == []


def test_rows_are_as_severe_as_the_check_says_where_this_run_is_alone(
    warehouse: Engine, instance: dg.DagsterInstance
) -> None:
    """Runs that ended before, that wait in the queue, and that load no album do not count."""
    real_now = datetime.now(UTC)
    _add_run(instance, real_now - timedelta(hours=2), real_now - timedelta(hours=1))
    _add_run(instance, None)
    _add_run(instance, real_now - timedelta(hours=1), tags={})
    _run(warehouse, "delete from marts.track_catalog", f"delete from spotify.tracks where track_id = '{T2}'")
    evaluations = _evaluations(instance)
    assert evaluations["track_catalog_holds_every_track"].severity == ERROR
    assert evaluations["tracks_are_complete"].severity == WARN
    failed = [found for found in evaluations.values() if not found.passed]
    assert [found.description for found in failed if "another run" in (found.description or "")] == []


@pytest.mark.parametrize("ended_after", [None, timedelta(minutes=1)], ids=["under way", "just ended"])
def test_rows_are_a_warning_while_another_run_loads_albums(
    warehouse: Engine, instance: dg.DagsterInstance, ended_after: timedelta | None
) -> None:
    """Loads that overlapped failed each other's checks: fetched_at is stamped before the other's commit."""
    real_now = datetime.now(UTC)
    other = _add_run(
        instance, real_now - timedelta(minutes=5), None if ended_after is None else real_now + ended_after
    )
    _run(
        warehouse,
        "delete from marts.track_catalog",
        f"delete from spotify.audio_features where track_id = '{T2}'",
        f"delete from spotify.releases where album_id = '{B}'",
    )
    evaluations = _evaluations(instance)
    failed = {name: found for name, found in evaluations.items() if not found.passed}
    assert set(failed) >= {
        "track_catalog_holds_every_track",
        "audio_features_cover_every_track",
        "tracks_album_is_known",
    }
    assert {found.severity for found in failed.values()} == {WARN}
    assert all(other in (found.description or "") for found in failed.values())


def test_one_partition_alone_counts_as_a_load(warehouse: Engine, instance: dg.DagsterInstance) -> None:
    _add_run(instance, datetime.now(UTC), tags={"dagster/partition": A})
    _run(warehouse, "delete from marts.track_catalog")
    assert _evaluations(instance)["track_catalog_holds_every_track"].severity == WARN


def test_freshness_is_of_the_configured_markets(
    warehouse: Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    del warehouse
    monkeypatch.setenv("SPOTIFY_MARKETS", "US,FR")
    found = _evaluations(instance)["new_releases_are_fresh"]
    assert (found.passed, found.description) == (False, "1 rows, such as market FR, last_seen_at None")
