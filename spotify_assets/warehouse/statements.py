"""The warehouse's own statements: each a `.sql` file beside this module, its values bound."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Protocol

import polars as pl
from sqlalchemy import Connection, TextClause, text

# How long an artist that Spotify does not know is left alone before it is asked for again.
_ASK_AGAIN_AFTER = timedelta(days=7)


class SetAsideItem(Protocol):
    """An item of an API answer that was not loaded."""

    @property
    def endpoint(self) -> str:
        """Endpoint that answered it."""

    @property
    def item_id(self) -> str | None:
        """Its id, where it had one."""

    @property
    def reason(self) -> str:
        """Why it was not loaded."""


@cache
def statement(name: str) -> TextClause:
    """The statement in `sql/{name}.sql`."""
    return text((files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8"))


def upsert_sightings(connection: Connection, sightings: pl.DataFrame, seen_at: datetime) -> None:
    """Record the albums of one poll; those seen before keep their `first_seen_at`."""
    connection.execute(statement("upsert_sightings"), {"rows": sightings.write_json(), "seen_at": seen_at})


def upsert_artists(connection: Connection, artists: pl.DataFrame, fetched_at: datetime) -> None:
    """Add or renew artists."""
    connection.execute(statement("upsert_artists"), {"rows": artists.write_json(), "fetched_at": fetched_at})


def artists_to_fetch(connection: Connection, now: datetime) -> list[str]:
    """Ids of credited artists that the warehouse does not have yet."""
    asked_since = now - _ASK_AGAIN_AFTER
    return list(connection.execute(statement("artists_to_fetch"), {"asked_since": asked_since}).scalars())


def snapshot_popularity(connection: Connection, today: date) -> int:
    """Add the latest track popularity to the history, up to `today` (UTC); returns the rows added or changed."""
    return connection.execute(statement("snapshot_popularity"), {"today": today}).rowcount


def record_set_aside(
    connection: Connection, asset: str, items: Iterable[SetAsideItem], seen_at: datetime
) -> None:
    """Record items that were not loaded, with their reasons."""
    rows = [
        {"item_id": item.item_id or "", "endpoint": item.endpoint, "reason": item.reason} for item in items
    ]
    if rows:
        connection.execute(
            statement("record_set_aside"), {"asset": asset, "rows": json.dumps(rows), "seen_at": seen_at}
        )


def albums_by_market(
    connection: Connection, album_ids: Sequence[str], markets: Sequence[str]
) -> dict[str, list[str]]:
    """The albums grouped by the market to ask for them; those never seen in any go to the first market."""
    seen = connection.execute(
        statement("market_of_albums"), {"album_ids": list(album_ids), "markets": list(markets)}
    )
    market_of = {row.album_id: row.market for row in seen}
    grouped: dict[str, list[str]] = {}
    for album_id in album_ids:
        grouped.setdefault(market_of.get(album_id, markets[0]), []).append(album_id)
    return grouped
