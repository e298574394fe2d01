"""The warehouse's own statements: each a `.sql` file beside this module, its values bound."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import polars as pl
from sqlalchemy import Connection, Row, TextClause, text

FEATURES_ASKED_AGAIN_AFTER_DAYS = (1, 7, 30, 90)
"""Days after the first answer: sources learn of a new track within days, or months, or never."""

# How long an artist that Spotify does not know is left alone before it is asked for again.
_ASK_AGAIN_AFTER = timedelta(days=7)


class CallCounts(Protocol):
    """What the calls of one endpoint came to."""

    @property
    def requests(self) -> int:
        """Requests sent."""

    @property
    def rate_limited(self) -> int:
        """Answers 429."""

    @property
    def seconds_waited(self) -> float:
        """Seconds spent waiting."""

    @property
    def saved_by_batching(self) -> int:
        """Requests that one call an id would have taken in addition."""


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


def artists_to_fetch(connection: Connection, now: datetime, *, details_are_given: bool) -> list[str]:
    """Ids of credited artists that the warehouse does not have yet; where details are given, or by name alone."""
    parameters = {"asked_since": now - _ASK_AGAIN_AFTER, "details_are_given": details_are_given}
    return list(connection.execute(statement("artists_to_fetch"), parameters).scalars())


def artists_credited_since(connection: Connection, since: datetime) -> int:
    """How many artists are credited on what was fetched since then."""
    count: int = connection.execute(statement("artists_credited_since"), {"since": since}).scalar_one()
    return count


def credited_names(connection: Connection, artist_ids: Sequence[str]) -> dict[str, str]:
    """The names of artists as they stand in credits."""
    rows = connection.execute(statement("credited_names"), {"artist_ids": list(artist_ids)})
    return {row.artist_id: row.name for row in rows}


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


def record_coverage(connection: Connection, as_of: datetime) -> None:
    """Keep the sums of marts.coverage as it was built, for the check that they do not fall."""
    connection.execute(statement("record_coverage"), {"as_of": as_of})


def record_api_calls(
    connection: Connection,
    *,
    run_id: str,
    asset: str,
    access: str,
    counts: Mapping[str, CallCounts],
    skipped: Mapping[str, int],
    first_at: datetime,
    last_at: datetime,
) -> None:
    """Record what a step cost, by endpoint; a retry of the step adds up.

    Args:
        connection: to the warehouse.
        run_id: of the Dagster run.
        asset: whose step it is.
        access: what the key could do, in words.
        counts: what the calls came to.
        skipped: calls that were not made.
        first_at: when the step began.
        last_at: when it ended.
    """
    rows = [
        {
            "endpoint": endpoint,
            "calls": counts[endpoint].requests if endpoint in counts else 0,
            "rate_limited": counts[endpoint].rate_limited if endpoint in counts else 0,
            "seconds_waited": counts[endpoint].seconds_waited if endpoint in counts else 0.0,
            "saved_by_batching": counts[endpoint].saved_by_batching if endpoint in counts else 0,
            "saved_by_skipping": skipped.get(endpoint, 0),
        }
        for endpoint in sorted({*counts, *skipped})
    ]
    parameters = {
        "run_id": run_id,
        "asset": asset,
        "access": access,
        "first_at": first_at,
        "last_at": last_at,
    }
    if rows:
        connection.execute(statement("record_api_calls"), {**parameters, "rows": json.dumps(rows)})


def record_feature_attempts(connection: Connection, outcomes: Mapping[str, str], asked_at: datetime) -> None:
    """Record how it went to ask for the audio features of tracks: absent, unanswered or measured, by track id."""
    rows = [{"track_id": track_id, "outcome": outcome} for track_id, outcome in outcomes.items()]
    if rows:
        parameters = {"rows": json.dumps(rows), "asked_at": asked_at}
        connection.execute(statement("record_feature_attempts"), parameters)


def features_due(connection: Connection, now: datetime) -> list[str]:
    """Ids of tracks without audio features that are to be asked for again."""
    parameters = {"now": now, "days": list(FEATURES_ASKED_AGAIN_AFTER_DAYS)}
    return list(connection.execute(statement("features_due"), parameters).scalars())


def fill_features(connection: Connection, features: pl.DataFrame, checked_at: datetime) -> list[str]:
    """Write what was learned of tracks that had no audio features; the ids of albums that have some now."""
    parameters = {"rows": features.write_json(), "checked_at": checked_at}
    return list(connection.execute(statement("fill_features"), parameters).scalars())


def albums_due_for_popularity(connection: Connection, now: datetime) -> list[str]:
    """Albums in their first eight weeks whose track details were not read on the UTC day of `now`."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    parameters = {"today": midnight.date(), "midnight": midnight}
    return list(connection.execute(statement("albums_due_for_popularity"), parameters).scalars())


@dataclass(frozen=True)
class AlbumDueAtDeezer:
    """An album that Deezer is to be asked about.

    Attributes:
        album_id: Spotify's id.
        upc: as Spotify writes it.
        deezer_album_id: where it was found before.
        albums_due: how many are due in all.
    """

    album_id: str
    upc: str | None
    deezer_album_id: int | None
    albums_due: int


def albums_due_at_deezer(
    connection: Connection, today: date, *, tried: Collection[str], most: int
) -> list[AlbumDueAtDeezer]:
    """Some of the albums in their first eight weeks that Deezer was not asked about today, without those tried."""
    parameters = {"today": today, "tried": list(tried), "most": most}
    rows = connection.execute(statement("albums_due_at_deezer"), parameters)
    return [AlbumDueAtDeezer(row.album_id, row.upc, row.deezer_album_id, row.albums_due) for row in rows]


def tracks_to_match(connection: Connection, album_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """By album, its tracks as Spotify has them, each with the match that was made before, if any."""
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(statement("tracks_to_match"), {"album_ids": list(album_ids)}):
        found.setdefault(row.album_id, []).append(row)
    return found


def write_deezer(
    connection: Connection, albums: pl.DataFrame, track_ranks: pl.DataFrame, checked_at: datetime
) -> None:
    """Write what Deezer said of albums, and the ranks of their tracks on the UTC day of `checked_at`."""
    day = {"measured_on": checked_at.astimezone(UTC).date()}
    connection.execute(
        statement("upsert_deezer_albums"), {"rows": albums.write_json(), "checked_at": checked_at}
    )
    connection.execute(statement("clear_deezer_ranks"), {"album_ids": albums["album_id"].to_list(), **day})
    connection.execute(statement("insert_deezer_ranks"), {"rows": track_ranks.write_json(), **day})


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
