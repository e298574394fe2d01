"""What a page shows where its address leaves the choice open, in an order and in words that all views share."""

from collections.abc import Sequence
from datetime import date

from spotify_assets.dashboard.filters import FilterError, Filters
from spotify_assets.dashboard.marts import Marts, Order
from spotify_assets.dashboard.tables import Column

MEASURE_NAMES = {"spotify_popularity": "Spotify popularity", "deezer_rank": "Deezer rank"}
MEASURE_SCALES = {
    "spotify_popularity": "Spotify popularity, 0 to 100",
    "deezer_rank": "Deezer rank, 0 to 1,000,000",
}
"""The measures with their scales."""
ENOUGH = 30
"""Fewer tracks than this tell little; pages show them in another form, and say so."""


def chosen_measure(marts: Marts, filters: Filters) -> str:
    """The measure that is asked for; else Spotify's where anything was ranked by it lately, else Deezer's."""
    if filters.measure:
        return filters.measure
    latest = {row["measure"]: row["latest_week"] for row in marts.rows("measures")}
    return max(latest, key=lambda measure: (latest[measure], measure), default="spotify_popularity")


def chosen_week(marts: Marts, filters: Filters, measure: str, weeks: Sequence[date]) -> date | None:
    """The week that is asked for; else the latest that has a ranking, else the latest."""
    if filters.week:
        return filters.week
    latest = {row["measure"]: row["latest_week"] for row in marts.rows("measures")}
    return latest.get(measure) or next(iter(weeks), None)


def sorted_by(filters: Filters, columns: Sequence[Column], default: str, then: Sequence[str]) -> Order:
    """The order that is asked for.

    Raises:
        FilterError: there is no such column to sort by.
    """
    allowed = [column.name for column in columns if column.is_sortable]
    if filters.sort is not None and filters.sort not in allowed:
        raise FilterError(f"This table cannot be sorted by {filters.sort[:60]!r}: by {', '.join(allowed)}.")
    return Order(filters.sort or default, filters.descending, then)


def part_of_name(text: str | None) -> str | None:
    """A pattern for names that hold a text, whatever it holds."""
    if text is None:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def in_long(day: date) -> str:
    """A day as a sentence has it."""
    return f"{day.day} {day:%B %Y}"


def feature_sources(marts: Marts) -> str:
    """Who measured the audio features that the warehouse has, in a sentence."""
    weeks = marts.rows("coverage")
    by_spotify, by_reccobeats, absent, pending = (
        sum(row[column] for row in weeks)
        for column in ("features_spotify", "features_reccobeats", "features_absent", "features_pending")
    )
    return (
        f"Of the tracks in the warehouse Spotify measured the features of {by_spotify:,}, ReccoBeats those of"
        f" {by_reccobeats:,}; {absent + pending:,} have none (absent {absent:,}, pending {pending:,})."
    )
