"""Find a sound: the tracks of new releases whose features, key, length and popularity are within what is asked."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, timedelta
from typing import Any

from spotify_assets.dashboard.filters import FEATURES, Filters
from spotify_assets.dashboard.marts import Marts, Order, Row
from spotify_assets.dashboard.pages import Facts, Page, Prose
from spotify_assets.dashboard.tables import NOT_MEASURED, Cell, Column, Table
from spotify_assets.dashboard.views.addresses import album_address, track_address
from spotify_assets.dashboard.views.choices import (
    MEASURE_NAMES,
    MEASURE_SCALES,
    chosen_measure,
    feature_sources,
    in_long,
    sorted_by,
)

ROWS = 50
WEEKS = 8
RANGES = tuple(f"{end}_{feature}" for feature in FEATURES for end in ("min", "max"))
USES = frozenset(
    {
        *RANGES,
        "week",
        "weeks",
        "measure",
        "type",
        "genre",
        "label",
        "explicit",
        "source",
        "camelot",
        "min_seconds",
        "max_seconds",
        "min_value",
        "max_value",
        "sort",
        "descending",
        "page",
    }
)
_LABELS = {"loudness": "Loudness, dB", "tempo": "BPM"}
_DIGITS = {"loudness": 1, "tempo": 0}
_ALWAYS_SHOWN = ("tempo", "energy")
_NOT_DETECTED = "not detected"


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The tracks that sound as the address asks, of the weeks that it asks for or the latest ones."""
    del path
    measure = chosen_measure(marts, filters)
    first, last = _period(marts, filters)
    released = marts.row("released_in_weeks", first_day=first, last_day=last) or {}
    asked = _asked(filters, measure, first, last)
    table = _table(marts, filters, measure, released, asked)
    return Page(
        title="Find a sound",
        lead=f"Tracks released from {in_long(first)} to {in_long(last)}, by how they sound; popularity is the latest"
        f" {MEASURE_SCALES[measure]}.",
        table=table,
        sections=[
            _facts(released, table),
            table,
            Prose(
                "Which tracks match",
                [
                    "A track matches where each of its measured features is within the range that is asked for, both"
                    " ends included. A track without measured features matches nothing; neither does one without a"
                    " detected key or tempo, where that is asked for. A track that stands on several albums is listed"
                    " once. The CSV has the tracks of this page with their Spotify URIs, which a playlist takes.",
                    feature_sources(marts),
                ],
            ),
        ],
        uses=USES,
    )


def _period(marts: Marts, filters: Filters) -> tuple[date, date]:
    """The first Monday, and the last day: of the weeks that are asked for, no later than the catalog knows."""
    built = marts.builds().get("track_catalog")
    today = built.as_of.astimezone(UTC).date() if built else date(1970, 1, 5)
    week = filters.week or today - timedelta(days=today.weekday())
    first = week - timedelta(weeks=(filters.weeks or WEEKS) - 1)
    return first, max(first, min(week + timedelta(days=6), today))


def _asked(filters: Filters, measure: str, first: date, last: date) -> dict[str, object]:
    return {
        **{name: getattr(filters, name) for name in RANGES},
        "first_day": first,
        "last_day": last,
        "measure": measure,
        "types": list(filters.type),
        "camelot": list(filters.camelot),
        "explicit": filters.explicit,
        "source": filters.source,
        "genre": filters.genre,
        "label": filters.label,
        "min_seconds": filters.min_seconds,
        "max_seconds": filters.max_seconds,
        "min_value": filters.min_value,
        "max_value": filters.max_value,
    }


def _facts(released: Row, table: Table) -> Facts:
    return Facts(
        "The tracks",
        [
            ("Matching", f"{table.total or 0:,}"),
            ("With measured features", f"{released['measured']:,}"),
            ("Without, so that they cannot match", f"{released['tracks'] - released['measured']:,}"),
            ("Released in these weeks", f"{released['tracks']:,}"),
        ],
    )


def _table(marts: Marts, filters: Filters, measure: str, released: Row, asked: Mapping[str, object]) -> Table:
    columns = _columns(filters, measure)
    order = sorted_by(filters, columns, default="value", then=["track_id"])
    if filters.sort is None:
        order = Order("value", descending=True, then=["track_id"])
    rows, total = marts.page(
        "sounds", order=order, first=(filters.page - 1) * ROWS, most=ROWS, value_is_missing=False, **asked
    )
    return Table(
        caption="Matching tracks",
        columns=columns,
        rows=[{**row, "spotify_uri": f"spotify:track:{row['track_id']}", "measure": measure} for row in rows],
        note=_note(marts, filters, measure, released, asked, len(rows), total),
        empty=_empty(filters, released, total),
        total=total,
        sort=order.column,
        descending=order.descending,
    )


def _note(
    marts: Marts,
    filters: Filters,
    measure: str,
    released: Row,
    asked: Mapping[str, object],
    shown: int,
    total: int,
) -> str:
    note = (
        f"{shown:,} of {total:,} matching tracks, of {released['measured']:,} with measured features, of"
        f" {released['tracks']:,} released on a day of these weeks (each once a week). The"
        f" {released['tracks'] - released['measured']:,} without features are no matches."
    )
    if filters.min_value is None and filters.max_value is None:
        return note
    unmeasured = marts.page(
        "sounds", order=Order("track_id", False, []), first=0, most=1, value_is_missing=True, **asked
    )[1]
    return f"{note} {unmeasured:,} that sound like it are left out, as their {MEASURE_NAMES[measure]} is not measured."


def _empty(filters: Filters, released: Row, total: int) -> str:
    if not released["tracks"]:
        return "No track of the warehouse was released in these weeks: choose more weeks, or others."
    if total or filters.page > 1:
        return "The table has fewer pages: go back to the first."
    return (
        f"None of the {released['measured']:,} tracks with measured features sounds like this: widen a range, or ask"
        " for more weeks."
    )


def _columns(filters: Filters, measure: str) -> list[Column]:
    return [
        Column("track_name", "Track", _track, is_text=True),
        Column("artist_names", "Artists", is_sortable=False, is_text=True),
        Column("album_name", "Album", _album, "not loaded yet", is_text=True),
        Column("release_date", "Released"),
        Column(
            "value",
            "Popularity" if measure == "spotify_popularity" else MEASURE_NAMES[measure],
            missing=NOT_MEASURED,
            is_number=True,
            explanation=f"The latest measurement, {MEASURE_SCALES[measure]}.",
        ),
        Column("camelot", "Key", lambda row: Cell(f"{row['camelot']} · {row['key_name']}"), _NOT_DETECTED),
        *(_feature(feature, filters) for feature in dict.fromkeys((*_ALWAYS_SHOWN, *FEATURES))),
        Column("duration_ms", "Length", lambda row: Cell(_in_minutes(row["duration_ms"])), is_number=True),
        Column("features_source", "Features by"),
        Column("explicit", "Explicit", is_shown=False),
        Column("album_type", "Type", is_shown=False),
        Column("key_name", "Key in words", is_shown=False),
        Column("genres", "Genres", is_shown=False, is_sortable=False),
        Column("label", "Label", is_shown=False),
        Column("isrc", "ISRC", is_shown=False),
        Column("measured_on", "Measured on", is_shown=False),
        Column("measure", "Measure", is_shown=False, is_sortable=False),
        Column("artist_ids", "Artist ids", is_shown=False, is_sortable=False),
        Column("track_id", "Track id", is_shown=False),
        Column("album_id", "Album id", is_shown=False),
        Column("spotify_uri", "Spotify URI", is_shown=False, is_sortable=False),
    ]


def _feature(feature: str, filters: Filters) -> Column:
    """A feature's column: shown where it is asked for, or is what most ask for; the files have all of them."""
    is_asked_for = any(getattr(filters, f"{end}_{feature}") is not None for end in ("min", "max"))
    return Column(
        feature,
        _LABELS.get(feature, feature.capitalize()),
        _number(feature),
        _NOT_DETECTED,
        is_number=True,
        is_shown=is_asked_for or feature in _ALWAYS_SHOWN,
    )


def _number(feature: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(f"{row[feature]:,.{_DIGITS.get(feature, 2)}f}")


def _in_minutes(milliseconds: int) -> str:
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes}:{seconds:02}"


def _track(row: Row) -> Cell:
    return Cell(row["track_name"] or "(no name)", href=track_address(row["track_id"]))


def _album(row: Row) -> Cell:
    return Cell(row["album_name"] or "(no name)", href=album_address(row["album_id"]))
