"""The statistics of a real catalogue against computations in Polars, NumPy and SciPy, row by row."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats
from sqlalchemy import Engine, text

from spotify_assets.warehouse.marts import build_mart
from spotify_assets_tests.marts.conftest import AS_OF, FEATURES

MEASURES = {"spotify_popularity": "popularity", "deezer_rank": "deezer_rank"}


@pytest.fixture
def merged(loaded: Engine) -> pl.DataFrame:
    """The merged table; its own test holds it against the catalogue."""
    columns = "album_id, track_id, album_type, release_date, release_date_precision, genres, artist_ids"
    wanted = (
        f"{columns}, {', '.join(FEATURES)}, duration_ms, explicit, popularity, deezer_rank, features_status"
    )
    tracks = _read(loaded, f"select {wanted} from marts.track_catalog")
    return tracks.with_columns(pl.when(pl.col("tempo") > 0).then("tempo"))


def _read(engine: Engine, query: str) -> pl.DataFrame:
    with engine.connect() as connection:
        rows = connection.execute(text(query)).mappings()
        return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)


def _built(engine: Engine, name: str) -> pl.DataFrame:
    build_mart(engine, name, AS_OF)
    return _read(engine, f"select * from marts.{name}")


def _assert_equal(found: pl.DataFrame, expected: pl.DataFrame, key: list[str]) -> None:
    assert_frame_equal(found.sort(key), expected.sort(key), check_dtypes=False, rel_tol=0, abs_tol=1e-9)


def _scopes(tracks: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    yield "all", "all", tracks
    for (kind,), members in tracks.group_by("album_type"):
        yield "album_type", str(kind), members
    exact = tracks.filter(release_date_precision="day")
    for (week,), members in exact.group_by(pl.col("release_date").dt.truncate("1w")):
        yield "release_week", str(week), members
    for (genre,), members in tracks.explode("genres").drop_nulls("genres").group_by("genres"):
        yield "genre", str(genre), members


def _correlations(tracks: pl.DataFrame) -> Iterator[Mapping[str, Any]]:
    for scope, scope_value, members in _scopes(tracks):
        for measure, column in MEASURES.items():
            for feature in FEATURES:
                pairs = members.select(feature, column).drop_nulls()
                x, y = (pairs[name].to_numpy().astype(float) for name in (feature, column))
                for method, r in _coefficients(x, y).items():
                    yield {
                        "measure": measure,
                        "scope": scope,
                        "scope_value": scope_value,
                        "feature": feature,
                        "method": method,
                        "r": r,
                        **_interval(r, len(x)),
                        "n": len(x),
                    }


def _coefficients(x: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"pearson": None, "spearman": None}
    ranks = (stats.rankdata(x), stats.rankdata(y))
    return {
        "pearson": float(np.corrcoef(x, y)[0, 1]),
        "spearman": float(np.corrcoef(*ranks)[0, 1]),
    }


def _interval(r: float | None, n: int) -> dict[str, float | None]:
    if r is None:
        return {"ci_low": None, "ci_high": None}
    with np.errstate(divide="ignore"):
        ends = np.tanh(np.arctanh(r) + np.array([-1, 1]) * stats.norm.ppf(0.975) / np.sqrt(n - 3))
    return {"ci_low": float(ends[0]), "ci_high": float(ends[1])}


def test_every_correlation_equals_that_of_numpy(loaded: Engine, merged: pl.DataFrame) -> None:
    found = _built(loaded, "feature_popularity_correlation").drop("as_of")
    expected = pl.DataFrame(list(_correlations(merged)), infer_schema_length=None)
    key = ["measure", "scope", "scope_value", "feature", "method"]
    assert expected.filter(pl.col("r").is_not_null()).height > 10_000
    _assert_equal(found, expected.select(found.columns), key)


def test_the_correlations_over_all_tracks_equal_those_of_scipy(loaded: Engine, merged: pl.DataFrame) -> None:
    found = _built(loaded, "feature_popularity_correlation").filter(scope="all", measure="spotify_popularity")
    for row in found.iter_rows(named=True):
        pairs = merged.select(row["feature"], "popularity").drop_nulls()
        correlate = stats.pearsonr if row["method"] == "pearson" else stats.spearmanr
        result = correlate(pairs[row["feature"]].to_numpy(), pairs["popularity"].to_numpy())
        assert row["r"] == pytest.approx(result.statistic, abs=1e-9)
        if row["method"] == "pearson":
            interval = result.confidence_interval(0.95)
            assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(interval), abs=1e-9)


def _long(tracks: pl.DataFrame, *index: str) -> pl.DataFrame:
    return tracks.unpivot(FEATURES, index=list(index), variable_name="feature", value_name="value")


VALUE = pl.col("value")
DISTRIBUTION = (
    VALUE.len().alias("tracks"),
    VALUE.count().alias("n"),
    VALUE.mean().alias("mean"),
    VALUE.median().alias("median"),
    VALUE.quantile(0.25, "linear").alias("p25"),
    VALUE.quantile(0.75, "linear").alias("p75"),
)


def test_every_artist_profile_equals_a_computation_in_polars(loaded: Engine, merged: pl.DataFrame) -> None:
    found = _built(loaded, "artist_feature_profile").drop("as_of", "artist_name")
    values = _long(merged.explode("artist_ids").rename({"artist_ids": "artist_id"}), "artist_id")
    everything = (
        _long(merged).group_by("feature").agg(VALUE.mean().alias("all_mean"), VALUE.std().alias("all_stddev"))
    )
    expected = (
        values.group_by("artist_id", "feature")
        .agg(*DISTRIBUTION, VALUE.std().alias("stddev"))
        .join(everything, on="feature")
        .with_columns(((pl.col("mean") - pl.col("all_mean")) / pl.col("all_stddev")).alias("z_vs_all"))
        .select(found.columns)
    )
    key = ["artist_id", "feature"]
    assert expected.height > 2_500
    _assert_equal(found, expected, key)


def test_every_week_of_features_equals_a_computation_in_polars(loaded: Engine, merged: pl.DataFrame) -> None:
    found = _built(loaded, "feature_week")
    exact = merged.filter(release_date_precision="day")
    week = pl.col("release_date").dt.truncate("1w").alias("week_start")
    expected = (
        _long(exact.with_columns(week), "week_start")
        .group_by("week_start", "feature")
        .agg(*DISTRIBUTION)
        .select(found.columns)
    )
    key = ["week_start", "feature"]
    assert expected.height > 2_000
    _assert_equal(found, expected, key)


def test_the_cadence_of_releases_equals_a_computation_in_polars(loaded: Engine, merged: pl.DataFrame) -> None:
    found = _built(loaded, "release_cadence")
    albums = _read(
        loaded, "select album_id, album_type, release_date, release_date_precision from spotify.releases"
    )
    tracks = merged.select("album_id", "track_id", "explicit", "duration_ms")
    expected = (
        albums.filter(release_date_precision="day")
        .join(tracks, on="album_id", how="left")
        .group_by("release_date", "album_type")
        .agg(
            pl.col("album_id").n_unique().alias("releases"),
            pl.col("track_id").count().alias("tracks"),
            pl.col("explicit").mean().alias("explicit_share"),
            pl.col("duration_ms").median().alias("median_duration_ms"),
        )
        .select(found.columns)
    )
    key = ["release_date", "album_type"]
    assert found.filter(tracks=0).height > 5
    _assert_equal(found, expected, key)


def test_every_week_of_a_track_equals_a_computation_in_polars(loaded: Engine) -> None:
    found = _built(loaded, "track_week")
    measurements = pl.concat(
        [
            _read(
                loaded,
                "select 'spotify_popularity' as measure, track_id, measured_on,"
                " cast(popularity as integer) as value from spotify.popularity_snapshots",
            ),
            _read(
                loaded,
                "select 'deezer_rank' as measure, track_id, measured_on, rank as value from deezer.track_ranks",
            ),
        ]
    )
    weeks = (
        measurements.with_columns(pl.col("measured_on").dt.truncate("1w").alias("week_start"))
        .sort("measured_on", "value")
        .group_by("measure", "track_id", "week_start")
        .last()
    )
    before = weeks.select(
        "measure",
        "track_id",
        pl.col("week_start").dt.offset_by("1w"),
        pl.col("value").alias("previous"),
    )
    among = ["measure", "week_start"]
    expected = (
        weeks.join(before, on=["measure", "track_id", "week_start"], how="left")
        .with_columns(
            (pl.col("value") - pl.col("previous")).alias("delta"),
            ((pl.col("value").rank("average") - 0.5) / pl.len()).over(among).alias("percentile"),
            pl.len().over(among).alias("tracks_measured"),
        )
        .select(found.columns)
    )
    key = ["measure", "track_id", "week_start"]
    assert expected["delta"].count() > 1_000
    _assert_equal(found, expected, key)


def test_the_coverage_of_the_catalogue_is_what_it_holds(loaded: Engine, merged: pl.DataFrame) -> None:
    [row] = _built(loaded, "coverage").iter_rows(named=True)
    assert row["albums"] == row["albums_loaded"] == 1_603
    assert row["tracks"] == merged.height
    assert row["features_spotify"] == merged.filter(features_status="measured").height
    assert row["features_pending"] == merged.filter(features_status="pending").height == 1
    assert row["features_reccobeats"] == row["features_absent"] == 0
    assert row["with_spotify_popularity"] == merged["popularity"].count()
    assert row["with_deezer_rank"] == merged["deezer_rank"].count()
