"""The marts of a real catalogue against a computation in Polars that shares no code with the SQL."""

import ast
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import Engine, text

from spotify_assets.assets.marts import MART_INPUTS
from spotify_assets.warehouse.marts import build_mart
from spotify_assets_tests.marts.conftest import AS_OF, COLLECTED, FEATURES

# Semitones above C, along the wheel from 8B on, one fifth up at each step.
FIFTHS = {(7 * step) % 12: (7 + step) % 12 + 1 for step in range(12)}
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def test_the_catalog_of_real_tracks_equals_a_computation_in_polars(
    loaded: Engine, catalogue: dict[str, pl.DataFrame]
) -> None:
    assert build_mart(loaded, "track_catalog", AS_OF).rows == catalogue["track"].height
    expected = _expected(catalogue)
    query = f"select {', '.join(expected.columns)} from marts.track_catalog"
    with loaded.connect() as connection:
        result = connection.execute(text(query)).mappings().all()
    found = pl.DataFrame([dict(row) for row in result], schema=expected.schema)
    key = ["album_id", "track_id"]
    # Polars multiplies by the reciprocal where it divides by a scalar, which is off by the last bit.
    assert_frame_equal(found.sort(key), expected.sort(key), rel_tol=1e-15, abs_tol=2e-16)


def _expected(catalogue: dict[str, pl.DataFrame]) -> pl.DataFrame:
    tracks = catalogue["track"].rename({"track_album_id": "album_id", "track_popularity": "popularity"})
    genres = catalogue["artist"].select(
        pl.col("artist_id").alias("track_artist_id"),
        pl.col("artist_genre")
        .map_elements(lambda spelled: sorted(set(ast.literal_eval(spelled))), return_dtype=pl.List(pl.String))
        .alias("genres"),
    )
    merged = (
        tracks.join(catalogue["audio"], on="track_id", how="left")
        .join(genres, on="track_artist_id", how="left")
        .join(_album_columns(catalogue["album"]), on="album_id", how="left")
    )
    measured = pl.col("danceability").is_not_null()
    return merged.select(
        "album_id",
        "track_id",
        "track_name",
        "album_name",
        "release_date",
        "release_date_precision",
        pl.when(pl.col("genres").list.len() > 0).then("genres").alias("genres"),
        pl.when(measured).then(pl.lit("measured")).otherwise(pl.lit("pending")).alias("features_status"),
        *FEATURES,
        "key",
        "mode",
        "time_signature",
        _spelled_key(lambda key, mode: f"{PITCHES[key]} {'major' if mode else 'minor'}").alias("key_name"),
        _spelled_key(_camelot).alias("camelot"),
        "popularity",
        pl.lit(COLLECTED.date()).alias("popularity_on"),
        *(_percentile(feature) for feature in FEATURES),
        _percentile("popularity"),
    )


def _album_columns(albums: pl.DataFrame) -> pl.DataFrame:
    spelled = pl.col("album_release_date")
    return albums.select(
        "album_id",
        "album_name",
        (spelled + "-01-01").str.slice(0, 10).str.to_date().alias("release_date"),
        spelled.str.len_chars()
        .replace_strict({4: "year", 7: "month", 10: "day"}, return_dtype=pl.String)
        .alias("release_date_precision"),
    )


def _spelled_key(spell: Callable[[int, int], str]) -> pl.Expr:
    return pl.struct("key", "mode").map_elements(
        lambda row: None if row["key"] is None or row["key"] < 0 else spell(row["key"], row["mode"]),
        return_dtype=pl.String,
    )


def _camelot(key: int, mode: int) -> str:
    # A minor key stands beside its relative major, three semitones up.
    return f"{FIFTHS[key]}B" if mode else f"{FIFTHS[(key + 3) % 12]}A"


def _percentile(column: str) -> pl.Expr:
    value = pl.col(column)
    if column == "tempo":
        value = pl.when(value > 0).then(value)
    return ((value.rank("average") - 0.5) / value.count()).alias(f"{column}_percentile")


@pytest.mark.parametrize(
    ("mart", "key"),
    [
        ("track_catalog", "album_id, track_id"),
        ("weekly_popular_releases", "week_start, measure, album_id"),
        ("track_week", "week_start, measure, track_id"),
        ("feature_popularity_correlation", "measure, scope, scope_value, feature, method"),
        ("artist_feature_profile", "artist_id, feature"),
        ("feature_week", "week_start, feature"),
        ("release_cadence", "release_date, album_type"),
        ("coverage", "week_start"),
    ],
)
def test_two_builds_from_the_same_inputs_agree_to_the_bit(loaded: Engine, mart: str, key: str) -> None:
    digests = []
    for _ in range(2):
        build_mart(loaded, mart, AS_OF)
        with loaded.begin() as connection:
            digest = f"select count(*), md5(string_agg(cast(m as text), '|' order by {key})) from marts.{mart} as m"
            digests.append(tuple(connection.execute(text(digest)).one()))
            # The rows come in another order, and the planner now knows the tables.
            connection.execute(
                text("create table shuffled as select * from spotify.tracks order by md5(track_id)")
            )
            connection.execute(text("truncate spotify.tracks"))
            connection.execute(text("insert into spotify.tracks select * from shuffled"))
            connection.execute(text("drop table shuffled"))
            connection.execute(text("analyze"))
    assert digests[0] == digests[1]
    assert digests[0][0] > 0


def test_eight_readers_never_see_a_mart_empty_half_or_missing_while_all_are_rebuilt(loaded: Engine) -> None:
    rows = {mart: build_mart(loaded, mart, AS_OF).rows for mart in MART_INPUTS}
    rebuilt = threading.Event()

    def poll(number: int) -> int:
        polls = 0
        with loaded.connect() as connection:
            while not rebuilt.is_set() or polls < len(rows):
                mart = list(rows)[(number + polls) % len(rows)]
                assert connection.scalar(text(f"select count(*) from marts.{mart}")) == rows[mart], mart
                # Its lock on the old mart would keep the new one waiting.
                connection.rollback()
                polls += 1
                rebuilt.wait(0.02)
        return polls

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(poll, number) for number in range(8)]
        try:
            for mart in rows:
                build_mart(loaded, mart, AS_OF)
        finally:
            rebuilt.set()
        assert all(reader.result() >= len(rows) for reader in readers)


def test_the_weekly_ranking_of_real_albums_equals_a_computation_in_polars(loaded: Engine) -> None:
    build_mart(loaded, "weekly_popular_releases", AS_OF)
    with loaded.connect() as connection:
        tables = {
            name: pl.DataFrame([dict(row) for row in connection.execute(text(query)).mappings()])
            for name, query in {
                "releases": "select album_id, release_date from spotify.releases",
                "tracks": "select album_id, track_id from spotify.tracks",
                "snapshots": "select 'spotify_popularity' as measure, album_id, track_id, measured_on,"
                " cast(popularity as integer) as value from spotify.popularity_snapshots",
                "ranks": "select 'deezer_rank' as measure, album_id, track_id, measured_on, rank as value"
                " from deezer.track_ranks",
                "found": "select week_start, measure, album_id, tracks_measured, value_mean, rank "
                "from marts.weekly_popular_releases where rank is not null",
            }.items()
        }
    expected = _expected_ranks(tables)
    assert expected.height > 100
    key = ["measure", "week_start", "rank"]
    assert_frame_equal(tables["found"].sort(key), expected.sort(key), check_dtypes=False, check_exact=True)


def _expected_ranks(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    week = pl.col("measured_on").dt.truncate("1w").alias("week_start")
    last = (
        pl.concat([tables["snapshots"], tables["ranks"]])
        .sort("measured_on")
        .group_by("measure", "track_id", week)
        .last()
        .drop("album_id")
    )
    return (
        tables["tracks"]
        .join(last, on="track_id")
        .group_by("week_start", "measure", "album_id")
        .agg(
            pl.len().alias("tracks_measured"),
            (pl.col("value").sum() / pl.len()).alias("value_mean"),
            pl.col("value").max().alias("value_max"),
        )
        .join(tables["releases"], on="album_id")
        .with_columns(pl.col("release_date").dt.truncate("1w").alias("first_week"))
        .filter((pl.col("week_start") - pl.col("first_week")).is_between(timedelta(0), timedelta(weeks=7)))
        .sort("value_mean", "value_max", "album_id", descending=[True, True, False])
        .with_columns(pl.int_range(1, pl.len() + 1).over("measure", "week_start").alias("rank"))
        .select("week_start", "measure", "album_id", "tracks_measured", "value_mean", "rank")
    )
