from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spotify_assets_tests.marts import rows
from spotify_assets_tests.marts.rows import Row

AS_OF = datetime(2026, 3, 4, 9, tzinfo=UTC)
TODAY = AS_OF.date()


def _catalog(engine: Engine, as_of: datetime = AS_OF) -> dict[tuple[str, str], Row]:
    return rows.build(engine, "track_catalog", as_of, lambda row: (row["album_id"], row["track_id"]))


def _one(engine: Engine, tables: Mapping[str, list[Row]], as_of: datetime = AS_OF) -> Row:
    rows.load(engine, _with_one_track(tables))
    return _catalog(engine, as_of)["album", "track"]


def _with_one_track(tables: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    given = {
        "spotify.releases": [rows.release("album", date(2026, 3, 1))],
        "spotify.tracks": [rows.track("album", "track")],
    }
    return given | dict(tables)


def test_a_track_on_two_albums_stands_once_for_each(engine: Engine) -> None:
    rows.load(
        engine,
        {
            "spotify.releases": [rows.release("a", date(2026, 3, 1)), rows.release("b", date(2026, 3, 2))],
            "spotify.tracks": [rows.track("a", "t"), rows.track("b", "t"), rows.track("b", "u")],
            "spotify.new_releases": [
                rows.sighting("a", datetime(2026, 3, 3, 1, tzinfo=UTC), "US"),
                rows.sighting("a", datetime(2026, 3, 2, 23, tzinfo=UTC), "DE"),
            ],
            "spotify.popularity_snapshots": [rows.snapshot("t", TODAY, 40, "a")],
        },
    )
    catalog = _catalog(engine)
    assert sorted(catalog) == [("a", "t"), ("b", "t"), ("b", "u")]
    assert catalog["a", "t"]["first_seen_on"] == date(2026, 3, 2)
    assert catalog["b", "t"]["first_seen_on"] is None
    assert [catalog[key]["popularity"] for key in sorted(catalog)] == [40, 40, None]


def test_a_track_whose_album_is_not_loaded_yet_keeps_its_row(engine: Engine) -> None:
    # An inner join would drop the track without a word.
    row = _one(engine, {"spotify.releases": []})
    assert (row["album_name"], row["album_artist_ids"], row["release_date"]) == (None, None, None)
    assert row["track_name"] == "Track"


def test_times_are_taken_to_days_in_utc_whatever_zone_the_session_has(engine: Engine) -> None:
    late = datetime(2026, 3, 3, 23, 30, tzinfo=UTC)
    row = _one(
        engine,
        {
            "spotify.new_releases": [rows.sighting("album", late)],
            "spotify.track_details": [rows.details("album", "track", 50, late)],
        },
    )
    assert (row["first_seen_on"], row["popularity_on"]) == (date(2026, 3, 3), date(2026, 3, 3))


def test_features_are_measured_absent_or_pending(engine: Engine) -> None:
    rows.load(
        engine,
        _with_one_track(
            {
                "spotify.tracks": [rows.track("album", name) for name in ("absent", "measured", "pending")],
                "spotify.audio_features": [
                    rows.features("album", "measured", energy=0.5),
                    rows.features("album", "absent", status="absent", source=None),
                ],
            }
        ),
    )
    catalog = _catalog(engine)
    for status, source, energy in (
        ("measured", "spotify", 0.5),
        ("absent", None, None),
        ("pending", None, None),
    ):
        row = catalog["album", status]
        assert (row["features_status"], row["features_source"], row["energy"]) == (status, source, energy)


# Written down from the Camelot wheel, not computed: one step clockwise is a fifth up, the inner ring is minor.
WHEEL = {
    "1A": "G# minor", "1B": "B major", "2A": "D# minor", "2B": "F# major",
    "3A": "A# minor", "3B": "C# major", "4A": "F minor", "4B": "G# major",
    "5A": "C minor", "5B": "D# major", "6A": "G minor", "6B": "A# major",
    "7A": "D minor", "7B": "F major", "8A": "A minor", "8B": "C major",
    "9A": "E minor", "9B": "G major", "10A": "B minor", "10B": "D major",
    "11A": "F# minor", "11B": "A major", "12A": "C# minor", "12B": "E major",
}  # fmt: skip
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def test_every_key_has_its_place_on_the_camelot_wheel(engine: Engine) -> None:
    keys = [(key, mode) for key in range(12) for mode in (0, 1)]
    rows.load(
        engine,
        _with_one_track(
            {
                "spotify.tracks": [rows.track("album", f"{key} {mode}") for key, mode in keys],
                "spotify.audio_features": [
                    rows.features("album", f"{key} {mode}", key=key, mode=mode) for key, mode in keys
                ],
            }
        ),
    )
    catalog = _catalog(engine)
    for key, mode in keys:
        row = catalog["album", f"{key} {mode}"]
        assert row["key_name"] == f"{PITCHES[key]} {'major' if mode else 'minor'}"
        assert WHEEL[row["camelot"]] == row["key_name"]


@pytest.mark.parametrize(("key", "mode"), [(-1, 1), (9, None), (None, 0), (None, None)])
def test_a_key_that_was_not_detected_has_no_name(engine: Engine, key: int | None, mode: int | None) -> None:
    row = _one(engine, {"spotify.audio_features": [rows.features("album", "track", key=key, mode=mode)]})
    assert (row["key"], row["key_name"], row["camelot"]) == (key, None, None)


YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("fetched", "snapshots", "expected"),
    [
        pytest.param(None, [], (None, None), id="never measured"),
        pytest.param((30, YESTERDAY), [], (30, YESTERDAY), id="fetched"),
        pytest.param(None, [(20, YESTERDAY), (25, TODAY)], (25, TODAY), id="the last snapshot"),
        pytest.param((30, YESTERDAY), [(25, TODAY)], (25, TODAY), id="the snapshot is later"),
        pytest.param((30, TODAY), [(25, YESTERDAY)], (30, TODAY), id="the fetch is later"),
        pytest.param((30, TODAY), [(25, TODAY)], (30, TODAY), id="same day"),
        pytest.param((None, TODAY), [(25, YESTERDAY)], (25, YESTERDAY), id="fetched without popularity"),
        pytest.param((30, TOMORROW), [(25, YESTERDAY)], (25, YESTERDAY), id="fetched after as_of"),
        pytest.param(None, [(25, TOMORROW)], (None, None), id="snapshot after as_of"),
        pytest.param((0, TODAY), [], (0, TODAY), id="0 is a measurement"),
    ],
)
def test_popularity_is_the_latest_known_at_as_of(
    engine: Engine,
    fetched: tuple[int | None, date] | None,
    snapshots: list[tuple[int, date]],
    expected: tuple[int | None, date | None],
) -> None:
    tables = {
        "spotify.popularity_snapshots": [rows.snapshot("track", day, value) for value, day in snapshots]
    }
    if fetched:
        popularity, day = fetched
        tables["spotify.track_details"] = [rows.details("album", "track", popularity, rows.at_noon(day))]
    row = _one(engine, tables)
    assert (row["popularity"], row["popularity_on"]) == expected
    assert row["isrc"] == ("UStrack" if fetched else None)


def test_features_and_ranks_measured_after_as_of_are_not_used(engine: Engine) -> None:
    row = _one(
        engine,
        {
            "spotify.audio_features": [rows.features("album", "track", checked_at=rows.at_noon(TOMORROW))],
            "deezer.track_ranks": [
                rows.deezer_rank("album", "track", YESTERDAY, 7),
                rows.deezer_rank("album", "track", TODAY, 8),
                rows.deezer_rank("album", "track", TOMORROW, 9),
            ],
        },
    )
    assert row["features_status"] == "pending"
    assert (row["deezer_rank"], row["deezer_rank_on"]) == (8, TODAY)


@pytest.mark.parametrize(
    ("deezer", "artists", "expected"),
    [
        pytest.param({"genres": ["Rap", "Pop"]}, {"one": ["x"]}, ["Rap", "Pop"], id="Deezer's, in its order"),
        pytest.param({"genres": []}, {"one": ["x"]}, ["x"], id="Deezer has none"),
        pytest.param({"genres": None}, {"one": ["x"]}, ["x"], id="Deezer does not say"),
        pytest.param({"status": "absent", "genres": ["Old"]}, {"one": ["x"]}, ["x"], id="absent on Deezer"),
        pytest.param(None, {"one": ["b", "B", "a"], "two": ["c", "a"]}, ["B", "a", "b", "c"], id="union"),
        pytest.param(None, {"one": None, "two": ["c"]}, ["c"], id="one unknown"),
        pytest.param(None, {"one": [], "two": None}, None, id="no genre at all"),
        pytest.param(None, {}, None, id="artists not loaded"),
    ],
)
def test_genres_are_deezers_else_those_of_the_tracks_artists(
    engine: Engine, deezer: Row | None, artists: dict[str, list[str] | None], expected: list[str] | None
) -> None:
    row = _one(
        engine,
        {
            "spotify.releases": [rows.release("album", None, artist_ids=["other"])],
            "spotify.tracks": [rows.track("album", "track", artist_ids=["one", "two"])],
            "spotify.artists": [rows.artist("other", ["never"])]
            + [rows.artist(name, genres) for name, genres in artists.items()],
            "deezer.albums": [rows.deezer_album("album", **deezer)] if deezer else [],
        },
    )
    assert row["genres"] == expected


@pytest.mark.parametrize(
    ("spotify", "deezer", "expected"), [("S", "D", "S"), (None, "D", "D"), (None, None, None)]
)
def test_the_label_is_spotifys_else_deezers(
    engine: Engine, spotify: str | None, deezer: str | None, expected: str | None
) -> None:
    row = _one(
        engine,
        {
            "spotify.releases": [rows.release("album", None, label=spotify)],
            "deezer.albums": [rows.deezer_album("album", label=deezer)],
        },
    )
    assert row["label"] == expected


def percentiles(values: list[float | None]) -> list[float | None]:
    """Mid-rank percentiles by counting, one value at a time."""
    known = [value for value in values if value is not None]
    return [
        None
        if value is None
        else (sum(other < value for other in known) + known.count(value) / 2) / len(known)
        for value in values
    ]


def test_percentiles_count_half_of_the_ties(engine: Engine) -> None:
    energies: list[float | None] = [0.1, 0.5, 0.5, 0.9, None]
    rows.load(engine, _feature_tables([{"energy": energy} for energy in energies]))
    found = [row["energy_percentile"] for _, row in sorted(_catalog(engine).items())]
    assert found == [0.125, 0.5, 0.5, 0.875, None]


def test_a_tempo_of_zero_is_kept_but_has_no_percentile(engine: Engine) -> None:
    rows.load(engine, _feature_tables([{"tempo": tempo} for tempo in (0, 100, 120)]))
    found = [(row["tempo"], row["tempo_percentile"]) for _, row in sorted(_catalog(engine).items())]
    assert found == [(0, None), (100, 0.25), (120, 0.75)]


def _feature_tables(measured: list[Row]) -> dict[str, list[Row]]:
    ids = [f"{number:02}" for number in range(len(measured))]
    return {
        "spotify.tracks": [rows.track("album", track_id) for track_id in ids],
        "spotify.audio_features": [
            rows.features("album", track_id, **given) for track_id, given in zip(ids, measured, strict=True)
        ],
    }


_unit = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
_measured = st.fixed_dictionaries(
    {
        "valence": _unit,
        "loudness": st.none() | st.floats(-60, 0),
        "tempo": st.none() | st.sampled_from([0.0, 90.0, 120.0]),
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_measured, max_size=12))
def test_percentiles_of_any_features_agree_with_counting(engine: Engine, measured: list[Row]) -> None:
    rows.load(engine, _feature_tables(measured))
    catalog = [row for _, row in sorted(_catalog(engine).items())]
    for feature in ("valence", "loudness", "tempo"):
        values: list[Any] = [given[feature] for given in measured]
        if feature == "tempo":
            values = [value or None for value in values]
        assert [row[f"{feature}_percentile"] for row in catalog] == percentiles(values)
