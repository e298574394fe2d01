"""Rows of the warehouse's tables, written down by what matters to a test; the rest is filled in."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from spotify_assets.warehouse.marts import build_mart
from spotify_assets.warehouse.tables import metadata

Row = dict[str, Any]
FETCHED = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def sighting(album_id: str, seen: datetime, market: str = "US") -> Row:
    return {
        "market": market,
        "album_id": album_id,
        "album_name": album_id.title(),
        "album_type": "album",
        "release_date_precision": "unknown",
        "position": 1,
        "first_seen_at": seen,
        "last_seen_at": seen,
    }


def release(album_id: str, release_date: date | None, **given: object) -> Row:
    return {
        "album_id": album_id,
        "name": album_id.title(),
        "album_type": "album",
        "release_date": release_date,
        "release_date_precision": "day" if release_date else None,
        "total_tracks": 1,
        "artist_ids": ["artist"],
        "artist_names": ["Artist"],
        "fetched_at": FETCHED,
    } | given


def track(album_id: str, track_id: str, **given: object) -> Row:
    return {
        "album_id": album_id,
        "track_id": track_id,
        "name": track_id.title(),
        "disc_number": 1,
        "track_number": 1,
        "duration_ms": 200_000,
        "explicit": False,
        "artist_ids": ["artist"],
        "artist_names": ["Artist"],
        "fetched_at": FETCHED,
    } | given


def features(album_id: str, track_id: str, **given: object) -> Row:
    measured = {"status": "measured", "source": "spotify", "checked_at": FETCHED}
    return {"album_id": album_id, "track_id": track_id} | measured | given


def details(album_id: str, track_id: str, popularity: int | None, fetched_at: datetime = FETCHED) -> Row:
    return {
        "album_id": album_id,
        "track_id": track_id,
        "popularity": popularity,
        "isrc": f"US{track_id}",
        "fetched_at": fetched_at,
    }


def snapshot(track_id: str, measured_on: date, popularity: int, album_id: str = "album") -> Row:
    return {
        "track_id": track_id,
        "album_id": album_id,
        "measured_on": measured_on,
        "popularity": popularity,
    }


def artist(artist_id: str, genres: list[str] | None) -> Row:
    return {"artist_id": artist_id, "name": artist_id.title(), "genres": genres, "fetched_at": FETCHED}


def deezer_album(album_id: str, **given: object) -> Row:
    return {"album_id": album_id, "status": "found", "checked_at": FETCHED} | given


def deezer_rank(album_id: str, track_id: str, measured_on: date, rank: int) -> Row:
    return {
        "album_id": album_id,
        "track_id": track_id,
        "measured_on": measured_on,
        "deezer_track_id": 1,
        "rank": rank,
        "matched_by": "isrc",
    }


def load(engine: Engine, tables: Mapping[str, Iterable[Row]]) -> None:
    """Replace the whole content of the warehouse by these rows."""
    with engine.begin() as connection:
        _empty(connection)
        for table, rows in tables.items():
            # One statement a row: rows of one table may name different columns.
            for row in rows:
                connection.execute(metadata.tables[table].insert(), row)


def load_in_bulk(engine: Engine, tables: Mapping[str, list[Row]]) -> None:
    """Add many rows, all of one table naming the same columns."""
    with engine.begin() as connection:
        for table, rows in tables.items():
            connection.execute(metadata.tables[table].insert(), rows)


def _empty(connection: Connection) -> None:
    filled = [table.fullname for table in metadata.sorted_tables if table.schema in {"spotify", "deezer"}]
    connection.execute(text(f"truncate {', '.join(filled)}"))


def build(engine: Engine, name: str, as_of: datetime, key: Callable[[Row], Any]) -> dict[Any, Row]:
    """Build the mart and return its rows by key; two rows of one key are an error."""
    if name == "track_catalog":
        # What its percentiles refer to.
        build_mart(engine, "feature_distribution", as_of)
    built = build_mart(engine, name, as_of)
    table = metadata.tables[f"marts.{name}"]
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(table.select()).mappings()]
    assert built.rows == len(rows)
    by_key = {key(row): row for row in rows}
    assert len(by_key) == len(rows)
    return by_key
