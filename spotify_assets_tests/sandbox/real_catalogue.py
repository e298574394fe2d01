"""Turns the real catalogue (set 1: parquet tables of March 2021) into a catalogue file of the sandbox."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl

_FEATURES = (
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "time_signature",
)


def read_table(folder: Path, name: str) -> pl.DataFrame:
    """One of the four tables: album, track, artist, audio."""
    return pl.read_parquet(folder / f"divss98_{name}.parquet")


def write_catalogue(folder: Path, target: Path) -> None:
    """Write the four tables of `folder` as a catalogue file; compressed where `target` ends in .gz."""
    audio = read_table(folder, "audio")
    durations = dict(audio.select("track_id", "track_duration").iter_rows())
    content = {
        "albums": [_album(row) for row in read_table(folder, "album").to_dicts()],
        "tracks": [_track(row, durations) for row in read_table(folder, "track").to_dicts()],
        "artists": [_artist(row) for row in read_table(folder, "artist").to_dicts()],
        "audio_features": audio.select(pl.col("track_id").alias("id"), *_FEATURES).to_dicts(),
    }
    text = json.dumps(content, ensure_ascii=False).encode()
    target.write_bytes(gzip.compress(text, compresslevel=1) if target.suffix == ".gz" else text)


def _album(row: dict[str, Any]) -> dict[str, Any]:
    # The number of tracks is left to what is there: the collector kept only some of many albums.
    return {
        "id": row["album_id"],
        "name": row["album_name"],
        "release_date": row["album_release_date"],
        "artist_ids": [row["album_artist_id"]],
        "image_url": row["album_image"],
    }


def _track(row: dict[str, Any], durations: dict[str, int]) -> dict[str, Any]:
    duration = {"duration_ms": durations[row["track_id"]]} if row["track_id"] in durations else {}
    return {
        "id": row["track_id"],
        "album_id": row["track_album_id"],
        "name": row["track_name"],
        "artist_ids": [row["track_artist_id"]],
        "track_number": row["track_number"],
        "popularity": row["track_popularity"],
        "explicit": row["track_explicit"],
        **duration,
    }


def _artist(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["artist_id"],
        "name": row["artist_name"],
        "genres": ast.literal_eval(row["artist_genre"]),
        "popularity": row["artist_popularity"],
        "followers": row["artist_followers"],
        "image_url": row["artist_image"],
    }
