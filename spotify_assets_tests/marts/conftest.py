"""A warehouse filled with the real catalogue, for tests that hold the marts against an independent computation."""

import ast
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import URL, Engine

from spotify_assets.warehouse.database import create_engine
from spotify_assets.warehouse.marts import build_mart
from spotify_assets_tests.conftest import own_database
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


@pytest.fixture(scope="session")
def catalogue() -> dict[str, pl.DataFrame]:
    """The real tables album, track, artist and audio."""
    if not CATALOGUE.is_dir():
        pytest.skip("the real catalogue is not ours to publish; it is tested where it is at hand")
    return {
        name: pl.read_parquet(CATALOGUE / f"divss98_{name}.parquet")
        for name in ("album", "track", "artist", "audio")
    }


@pytest.fixture(scope="session")
def filled_template(
    postgres_server: URL, migrated_template: str, catalogue: dict[str, pl.DataFrame]
) -> Iterator[str]:
    """Name of a database that holds the catalogue, with three weeks of snapshots made from it, and its merged table."""
    with own_database(postgres_server, migrated_template) as url:
        engine = create_engine(url)
        _fill(engine, catalogue)
        build_mart(engine, "feature_distribution", AS_OF)
        build_mart(engine, "track_catalog", AS_OF)
        engine.dispose()
        yield str(url.database)


@pytest.fixture
def loaded(postgres_server: URL, filled_template: str) -> Iterator[Engine]:
    """An engine on a copy of `filled_template` of this test's own."""
    with own_database(postgres_server, filled_template) as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


def _fill(engine: Engine, catalogue: dict[str, pl.DataFrame]) -> None:
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
            "deezer.albums": [
                rows.deezer_album(album_id, status="absent") for album_id in catalogue["album"]["album_id"]
            ],
            "deezer.track_ranks": _ranks(catalogue["track"]),
        },
    )


def _releases(albums: pl.DataFrame, names: dict[str, str]) -> list[rows.Row]:
    return [
        rows.release(
            album["album_id"],
            _first_day(album["album_release_date"]),
            name=album["album_name"],
            release_date_precision=_precision(album["album_release_date"]),
            # The catalogue does not say which are singles: by their length.
            album_type="single" if album["album_total_tracks"] <= 3 else "album",
            total_tracks=album["album_total_tracks"],
            image_url=album["album_image"],
            fetched_at=COLLECTED,
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


def _ranks(tracks: pl.DataFrame) -> list[rows.Row]:
    """Deezer's rank is not in the catalogue: one in another order, for most of the tracks."""
    return [
        rows.deezer_rank(album_id, track_id, COLLECTED.date() - timedelta(days=days), rank % 1_000_001)
        for number, (album_id, track_id, popularity) in enumerate(
            tracks.select("track_album_id", "track_id", "track_popularity").iter_rows()
        )
        for days, rank in ((0, popularity * 7_919 + number * 31), (9, popularity * 104_729 + number))
        if number % 5
    ]
