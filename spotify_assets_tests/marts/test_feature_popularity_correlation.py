"""Correlations of hand-made tracks: ties, small samples, no variance, scopes; and random ones against SciPy."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from sqlalchemy import Engine

from spotify_assets_tests.marts import rows
from spotify_assets_tests.marts.rows import Row

AS_OF = datetime(2026, 3, 4, 9, tzinfo=UTC)
MONDAY = date(2026, 3, 2)


def _tables(tracks: Sequence[tuple[dict[str, Any], int | None]], **release: object) -> dict[str, list[Row]]:
    """One album whose tracks have these features and popularities."""
    names = [f"track{number}" for number in range(len(tracks))]
    return {
        "spotify.releases": [rows.release("album", MONDAY) | release],
        "spotify.tracks": [rows.track("album", name) for name in names],
        "spotify.audio_features": [
            rows.features("album", name, **given) for name, (given, _) in zip(names, tracks, strict=True)
        ],
        "spotify.track_details": [
            rows.details("album", name, popularity, AS_OF)
            for name, (_, popularity) in zip(names, tracks, strict=True)
        ],
    }


def _correlations(engine: Engine) -> dict[tuple[str, ...], Row]:
    rows.build(engine, "track_catalog", AS_OF, lambda row: row["track_id"] + row["album_id"])
    key = ("measure", "scope", "scope_value", "feature", "method")
    return rows.build(
        engine, "feature_popularity_correlation", AS_OF, lambda row: tuple(row[name] for name in key)
    )


def _of_all(engine: Engine, feature: str, method: str, measure: str = "spotify_popularity") -> Row:
    return _correlations(engine)[measure, "all", "all", feature, method]


def test_ties_share_their_mean_rank(engine: Engine) -> None:
    tracks = [({"energy": x}, y) for x, y in ((0.1, 10), (0.1, 20), (0.4, 20), (0.9, 70), (0.9, 60))]
    rows.load(engine, _tables(tracks))
    row = _of_all(engine, "energy", "spearman")
    # Ranks 1.5, 1.5, 3, 4.5, 4.5 and 1, 2.5, 2.5, 5, 4, by hand: covariance 8.25 / sqrt(9 * 9.5).
    assert row["r"] == pytest.approx(8.25 / (9 * 9.5) ** 0.5, abs=1e-12)
    assert row["n"] == 5


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_three_tracks_are_too_few_for_an_interval_and_for_a_number(engine: Engine, method: str) -> None:
    rows.load(engine, _tables([({"energy": x / 10}, x * 9) for x in (1, 2, 4)]))
    row = _of_all(engine, "energy", method)
    assert (row["r"], row["ci_low"], row["ci_high"], row["n"]) == (None, None, None, 3)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("constant", ["feature", "popularity"])
def test_what_does_not_vary_correlates_with_nothing(engine: Engine, method: str, constant: str) -> None:
    """A sum of equal doubles leaves a rest, of which Postgres makes a correlation."""
    numbers = range(1, 8)
    rows.load(
        engine,
        _tables(
            [
                ({"energy": 0.1 if constant == "feature" else x / 10}, 33 if constant == "popularity" else x)
                for x in numbers
            ]
        ),
    )
    row = _of_all(engine, "energy", method)
    assert (row["r"], row["ci_low"], row["ci_high"], row["n"]) == (None, None, None, 7)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("direction", [1, -1])
def test_the_interval_of_a_perfect_correlation_is_a_point(
    engine: Engine, method: str, direction: int
) -> None:
    rows.load(engine, _tables([({"energy": 0.5 + direction * x / 16}, 10 * x) for x in range(1, 6)]))
    row = _of_all(engine, "energy", method)
    assert (row["r"], row["ci_low"], row["ci_high"]) == (direction, direction, direction)


def test_tracks_without_the_feature_or_the_measure_are_in_no_rank(engine: Engine) -> None:
    """Ranked before they were left out, they would have pushed the others apart."""
    whole = [({"energy": x}, y) for x, y in ((0.1, 30), (0.2, 10), (0.4, 50), (0.8, 20))]
    partial: list[tuple[dict[str, Any], int | None]] = [({"energy": 0.15}, None), ({"valence": 0.5}, 15)]
    rows.load(engine, _tables([*whole, *partial]))
    row = _of_all(engine, "energy", "spearman")
    assert row["n"] == 4
    assert row["r"] == pytest.approx(stats.spearmanr([0.1, 0.2, 0.4, 0.8], [30, 10, 50, 20]).statistic)


def test_a_tempo_of_0_says_that_none_was_detected(engine: Engine) -> None:
    rows.load(engine, _tables([({"tempo": tempo}, 10) for tempo in (0.0, 90.0, 100.0)]))
    assert _of_all(engine, "tempo", "pearson")["n"] == 2


def test_the_two_measures_are_never_mixed(engine: Engine) -> None:
    tables = _tables([({"energy": x / 10}, x) for x in range(1, 6)])
    ranks = [
        rows.deezer_rank("album", f"track{number}", MONDAY, 900_000 - number * 1_000) for number in range(5)
    ]
    rows.load(engine, tables | {"deezer.albums": [rows.deezer_album("album")], "deezer.track_ranks": ranks})
    found = _correlations(engine)
    assert found["spotify_popularity", "all", "all", "energy", "spearman"]["r"] == 1
    assert found["deezer_rank", "all", "all", "energy", "spearman"]["r"] == -1


def test_a_measure_that_nobody_was_asked_about_has_no_rows(engine: Engine) -> None:
    rows.load(engine, _tables([({"energy": 0.5}, 5)]))
    assert {key[0] for key in _correlations(engine)} == {"spotify_popularity"}


def test_a_track_on_two_albums_counts_once(engine: Engine) -> None:
    tables = _tables([({"energy": x / 10}, x) for x in range(1, 6)])
    twice = {
        "spotify.releases": [*tables["spotify.releases"], rows.release("other", date(2026, 2, 3))],
        "spotify.tracks": [*tables["spotify.tracks"], rows.track("other", "track0")],
        "spotify.audio_features": [
            *tables["spotify.audio_features"],
            rows.features("other", "track0", energy=0.1),
        ],
        "spotify.track_details": [
            *tables["spotify.track_details"],
            rows.details("other", "track0", 1, AS_OF),
        ],
    }
    rows.load(engine, twice)
    assert _of_all(engine, "energy", "pearson")["n"] == 5


def test_a_track_on_two_albums_has_the_higher_of_its_ranks(engine: Engine) -> None:
    """Of the album that came out first Deezer may know nothing: the track was left out of the measure."""
    names = [f"track{number}" for number in range(4)]
    rows.load(
        engine,
        {
            "spotify.releases": [rows.release("first", date(2026, 2, 3)), rows.release("second", MONDAY)],
            "spotify.tracks": [rows.track(album, name) for album in ("first", "second") for name in names],
            "spotify.audio_features": [
                rows.features(album, name, energy=(number + 1) / 8)
                for album in ("first", "second")
                for number, name in enumerate(names)
            ],
            "deezer.albums": [rows.deezer_album("second")],
            "deezer.track_ranks": [
                *(rows.deezer_rank("second", name, MONDAY, number) for number, name in enumerate(names)),
                rows.deezer_rank("first", "track0", MONDAY, 10),
            ],
        },
    )
    row = _of_all(engine, "energy", "spearman", "deezer_rank")
    assert row["n"] == 4
    assert row["r"] == pytest.approx(stats.spearmanr([1, 2, 3, 4], [10, 1, 2, 3]).statistic)


def test_scopes_are_the_weeks_types_and_genres_that_the_tracks_have(engine: Engine) -> None:
    tables = _tables([({"energy": 0.5}, 5)], album_type="single")
    rows.load(engine, tables | {"spotify.artists": [rows.artist("artist", ["techno", "house", "techno"])]})
    scopes = {key[1:3] for key in _correlations(engine)}
    assert scopes == {
        ("all", "all"),
        ("release_week", "2026-03-02"),
        ("album_type", "single"),
        ("genre", "house"),
        ("genre", "techno"),
    }


@pytest.mark.parametrize(
    ("release_date", "precision"), [(date(2026, 1, 1), "year"), (date(2026, 3, 9), "day"), (None, None)]
)
def test_a_date_that_names_no_day_or_is_to_come_is_in_no_week(
    engine: Engine, release_date: date | None, precision: str | None
) -> None:
    rows.load(
        engine, _tables([({"energy": 0.5}, 5)], release_date=release_date, release_date_precision=precision)
    )
    assert "release_week" not in {key[1] for key in _correlations(engine)}


_numbers = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 20).map(lambda x: x / 20), st.floats(0, 1, width=32)),
        st.one_of(st.none(), st.integers(0, 100)),
    ),
    max_size=40,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=_numbers)
def test_random_tracks_correlate_as_scipy_says(
    engine: Engine, numbers: list[tuple[float | None, int | None]]
) -> None:
    rows.load(engine, _tables([({"energy": x}, y) for x, y in numbers]))
    if not numbers:
        assert _correlations(engine) == {}
        return
    pairs = [(x, y) for x, y in numbers if x is not None and y is not None]
    found = _correlations(engine)
    for method, correlate in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        row = found["spotify_popularity", "all", "all", "energy", method]
        assert row["n"] == len(pairs)
        x, y = np.array(pairs, dtype=float).reshape(-1, 2).T
        if len(pairs) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
            assert row["r"] is None
            continue
        if method == "pearson" and np.ptp(x) < 1e-6:
            # SciPy warns that its own answer is not to be relied on.
            continue
        r = correlate(x, y).statistic
        assert row["r"] == pytest.approx(r, abs=1e-9)
        with np.errstate(divide="ignore"):
            half_width = stats.norm.ppf(0.975) / np.sqrt(len(pairs) - 3)
            low, high = np.tanh(np.arctanh(np.clip(r, -1, 1)) + np.array([-1, 1]) * half_width)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=1e-6)
