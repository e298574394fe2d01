"""The marts of a real catalogue against a computation in Polars that shares no code with the SQL."""

import ast
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import Engine, text

from spotify_assets.warehouse.marts import build_mart
from spotify_assets_tests.marts import rows

CATALOGUE = Path(__file__).parents[3] / "shared" / "realdata" / "catalogue"
COLLECTED = datetime(2021, 3, 18, 12, tzinfo=UTC)
AS_OF = datetime(2021, 3, 19, tzinfo=UTC)
FEATURES = (
    "danceability",
    "energy",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)
# Semitones above C, along the wheel from 8B on, one fifth up at each step.
FIFTHS = {(7 * step) % 12: (7 + step) % 12 + 1 for step in range(12)}
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

pytestmark = pytest.mark.skipif(
    not CATALOGUE.is_dir(),
    reason="the real catalogue is not ours to publish; it is tested where it is at hand",
)


@pytest.fixture
def catalogue() -> dict[str, pl.DataFrame]:
    return {
        name: pl.read_parquet(CATALOGUE / f"divss98_{name}.parquet")
        for name in ("album", "track", "artist", "audio")
    }


@pytest.fixture
def loaded(engine: Engine, catalogue: dict[str, pl.DataFrame]) -> Engine:
    """An engine on a warehouse that holds the catalogue, with three weeks of snapshots made from it."""
    names = dict(catalogue["artist"].select("artist_id", "artist_name").iter_rows())
    rows.load_in_bulk(
        engine,
        {
            "spotify.releases": _releases(catalogue["album"], names),
            "spotify.tracks": _tracks(catalogue, names),
            "spotify.audio_features": _audio_features(catalogue),
            "spotify.track_details": [
                rows.details(album_id, track_id, popularity, COLLECTED)
                for album_id, track_id, popularity in catalogue["track"]
                .select("track_album_id", "track_id", "track_popularity")
                .iter_rows()
            ],
            "spotify.artists": [
                rows.artist(artist_id, ast.literal_eval(genres))
                for artist_id, genres in catalogue["artist"].select("artist_id", "artist_genre").iter_rows()
            ],
            "spotify.popularity_snapshots": _snapshots(catalogue["track"]),
        },
    )
    return engine


def _releases(albums: pl.DataFrame, names: dict[str, str]) -> list[rows.Row]:
    return [
        rows.release(
            album["album_id"],
            _first_day(album["album_release_date"]),
            name=album["album_name"],
            release_date_precision=_precision(album["album_release_date"]),
            total_tracks=album["album_total_tracks"],
            image_url=album["album_image"],
            artist_ids=[album["album_artist_id"]],
            artist_names=[names.get(album["album_artist_id"], "")],
        )
        for album in albums.iter_rows(named=True)
    ]


def _first_day(spelled: str) -> date:
    return date.fromisoformat((spelled + "-01-01")[:10])


def _precision(spelled: str) -> str:
    return {4: "year", 7: "month", 10: "day"}[len(spelled)]


def _tracks(catalogue: dict[str, pl.DataFrame], names: dict[str, str]) -> list[rows.Row]:
    lengths = catalogue["audio"].select("track_id", "track_duration")
    return [
        rows.track(
            track["track_album_id"],
            track["track_id"],
            name=track["track_name"],
            track_number=track["track_number"],
            duration_ms=track["track_duration"] or 0,
            explicit=track["track_explicit"],
            artist_ids=[track["track_artist_id"]],
            artist_names=[names.get(track["track_artist_id"], "")],
        )
        for track in catalogue["track"].join(lengths, on="track_id", how="left").iter_rows(named=True)
    ]


def _audio_features(catalogue: dict[str, pl.DataFrame]) -> list[rows.Row]:
    columns = [*FEATURES, "key", "mode", "time_signature"]
    measured = (
        catalogue["track"]
        .join(catalogue["audio"], on="track_id")
        .select("track_album_id", "track_id", *columns)
    )
    return [
        rows.features(row.pop("track_album_id"), row.pop("track_id"), checked_at=COLLECTED, **row)
        for row in measured.to_dicts()
    ]


def _snapshots(tracks: pl.DataFrame) -> list[rows.Row]:
    """A value every third day, which drifts, for the tracks of every other album."""
    return [
        rows.snapshot(track_id, COLLECTED.date() - timedelta(days=day), max(0, popularity - day), album_id)
        for album_id, track_id, popularity in tracks.select(
            "track_album_id", "track_id", "track_popularity"
        ).iter_rows()
        for day in range(3, 24, 3)
        if ord(album_id[0]) % 2
    ]


def test_the_catalog_of_real_tracks_equals_a_computation_in_polars(
    loaded: Engine, catalogue: dict[str, pl.DataFrame]
) -> None:
    assert build_mart(loaded, "track_catalog", {"as_of": AS_OF}).rows == catalogue["track"].height
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
    ],
)
def test_two_builds_from_the_same_inputs_agree_to_the_bit(loaded: Engine, mart: str, key: str) -> None:
    digests = []
    for _ in range(2):
        build_mart(loaded, mart, {"as_of": AS_OF})
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


def test_the_weekly_ranking_of_real_albums_equals_a_computation_in_polars(loaded: Engine) -> None:
    build_mart(loaded, "weekly_popular_releases", {"as_of": AS_OF})
    with loaded.connect() as connection:
        tables = {
            name: pl.DataFrame([dict(row) for row in connection.execute(text(query)).mappings()])
            for name, query in {
                "releases": "select album_id, release_date from spotify.releases",
                "tracks": "select album_id, track_id from spotify.tracks",
                "snapshots": "select track_id, measured_on, popularity from spotify.popularity_snapshots",
                "found": "select week_start, album_id, tracks_measured, value_mean, rank "
                "from marts.weekly_popular_releases where rank is not null",
            }.items()
        }
    expected = _expected_ranks(tables)
    assert expected.height > 20
    key = ["week_start", "rank"]
    assert_frame_equal(tables["found"].sort(key), expected.sort(key), check_dtypes=False, check_exact=True)


def _expected_ranks(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    week = pl.col("measured_on").dt.truncate("1w").alias("week_start")
    last = tables["snapshots"].sort("measured_on").group_by("track_id", week).last()
    return (
        tables["tracks"]
        .join(last, on="track_id")
        .group_by("week_start", "album_id")
        .agg(
            pl.len().alias("tracks_measured"),
            (pl.col("popularity").sum() / pl.len()).alias("value_mean"),
            pl.col("popularity").max().alias("value_max"),
        )
        .join(tables["releases"], on="album_id")
        .with_columns(pl.col("release_date").dt.truncate("1w").alias("first_week"))
        .filter((pl.col("week_start") - pl.col("first_week")).is_between(timedelta(0), timedelta(weeks=7)))
        .sort("value_mean", "value_max", "album_id", descending=[True, True, False])
        .with_columns(pl.int_range(1, pl.len() + 1).over("week_start").alias("rank"))
        .select("week_start", "album_id", "tracks_measured", "value_mean", "rank")
    )
