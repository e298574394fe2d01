"""The whole graph over a real catalogue of 2021: every row of the warehouse equals the row it came from."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spotify_assets.checks import EXPECTATIONS, offending_rows
from spotify_assets_tests.graph.conftest import Graph, StartGraph
from spotify_assets_tests.sandbox.real_catalogue import write_catalogue

CATALOGUE = Path(__file__).parents[3] / "shared" / "realdata" / "catalogue"
FEATURES = [
    *("danceability", "energy", "loudness", "speechiness", "acousticness", "instrumentalness", "liveness"),
    *("valence", "tempo", "key", "mode", "time_signature"),
]

pytestmark = pytest.mark.skipif(
    not CATALOGUE.exists(),
    reason="the real catalogue falls under Spotify's terms and is not part of the project",
)


@pytest.fixture
def loaded(start_graph: StartGraph, tmp_path: Path) -> Graph:
    catalogue = tmp_path / "catalogue.json"
    write_catalogue(CATALOGUE, catalogue)
    graph = start_graph(catalogue=catalogue)
    outcome = graph.load_everything()
    assert outcome.failures == []
    return graph


def source(name: str) -> pl.DataFrame:
    return pl.read_parquet(CATALOGUE / f"divss98_{name}.parquet")


def test_every_row_of_the_warehouse_equals_the_real_catalogue(loaded: Graph) -> None:
    """One load, compared table by table: loading 20,082 tracks once for each table would take minutes."""
    tracks = source("track").sort("track_id")
    _assert_releases_equal(loaded)
    _assert_tracks_equal(loaded, tracks)
    _assert_features_equal(loaded, tracks)
    _assert_popularity_equals(loaded, tracks)
    _assert_no_check_fails(loaded)


def _assert_releases_equal(loaded: Graph) -> None:
    albums = source("album").sort("album_id")
    releases = loaded.table("spotify.releases", 'album_id collate "C"')
    assert releases["album_id"].to_list() == albums["album_id"].to_list()
    assert releases["name"].to_list() == albums["album_name"].to_list()
    precise = albums["album_release_date"].str.len_chars() == 10
    assert (releases["release_date_precision"] == "day").to_list() == precise.to_list()
    first_days = pl.select(
        pl.when(precise).then(albums["album_release_date"]).otherwise(albums["album_release_date"] + "-01-01")
    ).to_series()
    assert releases["release_date"].to_list() == first_days.str.to_date().to_list()
    assert releases["artist_ids"].list.first().to_list() == albums["album_artist_id"].to_list()


def _assert_tracks_equal(loaded: Graph, tracks: pl.DataFrame) -> None:
    rows = loaded.table("spotify.tracks", 'track_id collate "C"')
    assert rows.height == 20_082
    expected = tracks.select(
        "track_id",
        pl.col("track_album_id").alias("album_id"),
        pl.col("track_name").alias("name"),
        pl.col("track_explicit").alias("explicit"),
        pl.col("track_number"),
    )
    assert_frame_equal(rows.select(expected.columns), expected, check_dtypes=False)
    lengths = source("audio").select("track_id", "track_duration")
    compared = rows.join(lengths, on="track_id")
    assert compared.height == 20_081
    assert compared["duration_ms"].to_list() == compared["track_duration"].to_list()


def _assert_features_equal(loaded: Graph, tracks: pl.DataFrame) -> None:
    rows = loaded.table("spotify.audio_features", 'track_id collate "C"')
    assert rows["track_id"].to_list() == tracks["track_id"].to_list()
    absent = rows.filter(pl.col("status") == "absent")["track_id"].to_list()
    assert absent == ["42R9EPdSn1ba7C0pY8pkxH"]
    measured = rows.filter(pl.col("status") == "measured").select("track_id", *FEATURES)
    expected = source("audio").sort("track_id").select("track_id", *FEATURES)
    assert_frame_equal(measured, expected, check_dtypes=False, check_exact=True)


def _assert_popularity_equals(loaded: Graph, tracks: pl.DataFrame) -> None:
    rows = loaded.table("spotify.track_details", 'track_id collate "C"')
    expected = tracks.select("track_id", pl.col("track_popularity").alias("popularity"))
    assert_frame_equal(rows.select("track_id", "popularity"), expected, check_dtypes=False)


def _assert_no_check_fails(loaded: Graph) -> None:
    counts = {
        f"{check.asset.to_user_string()} {check.name}": offending_rows(loaded.engine, check, {})[0]
        for check in EXPECTATIONS
        if ":now" not in check.sql and check.severity.value == "ERROR"
    }
    assert {name: count for name, count in counts.items() if count} == {}
