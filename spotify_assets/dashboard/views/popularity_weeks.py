"""Popularity over weeks as lines: one track apart, the others behind it."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from spotify_assets.dashboard.marts import Row
from spotify_assets.dashboard.views.choices import MEASURE_SCALES

_WEEK = timedelta(days=7)
# More than a reader can tell apart, and than a browser draws at once.
_MOST_POINTS = 5_000


def all_weeks(rows: Sequence[Row]) -> list[date]:
    """Every week from the first to the last of some rows, those between without a measurement as well."""
    weeks = [row["week_start"] for row in rows]
    if not weeks:
        return []
    count = (max(weeks) - min(weeks)) // _WEEK + 1
    return [min(weeks) + number * _WEEK for number in range(count)]


def week_names(weeks: Sequence[date]) -> dict[date, str]:
    """Short names of weeks, no two alike."""
    is_one_year = len({week.year for week in weeks}) < 2
    return {week: f"{week.day} {week:%b}" if is_one_year else f"{week.day} {week:%b %Y}" for week in weeks}


def popularity_lines(
    rows: Sequence[Row], names: Mapping[str, str], apart: str | None, measure: str
) -> dict[str, Any]:
    """A line for each track over all weeks; a week without a measurement breaks it.

    Args:
        rows: Weeks in which tracks were measured: week_start, track_id, value.
        names: Of the tracks to draw, by their ids.
        apart: Id of the track that is drawn before the others.
        measure: Scale of the values.
    """
    weeks = all_weeks(rows)
    short = week_names(weeks)
    value = {(row["track_id"], row["week_start"]): row["value"] for row in rows}
    points = [
        {
            "week": short[week],
            "value": value.get((track_id, week)),
            "track_id": track_id,
            "track": name,
            "is_apart": track_id == apart,
        }
        for track_id, name in names.items()
        for week in weeks
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": 280,
        "data": {"values": points},
        "encoding": _axes(list(short.values()), measure),
        # A layer without data has no extent, of which Vega warns.
        "layer": [
            *([_line(is_apart=False)] if set(names) - {apart} else []),
            *([_line(is_apart=True)] if apart in names else []),
            *_name(points, list(short.values())),
        ],
    }


def _axes(weeks: Sequence[str], measure: str) -> dict[str, Any]:
    return {
        "x": {
            "field": "week",
            "type": "ordinal",
            "scale": {"domain": weeks},
            "title": "Week from Monday",
            "axis": {"labelAngle": 0, "labelOverlap": "parity"},
        },
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": MEASURE_SCALES[measure],
            # Room for the name above the highest point.
            "scale": {"zero": False, "padding": 18},
            "axis": {"tickCount": 5, "tickMinStep": 1, "format": ",.0f"},
        },
    }


def _line(*, is_apart: bool) -> dict[str, Any]:
    quiet = {"type": "line", "style": "context", "point": {"style": "context", "size": 16}}
    strong = {"type": "line", "strokeWidth": 2.5, "point": {"size": 50}}
    return {
        "transform": [{"filter": "datum.is_apart" if is_apart else "!datum.is_apart"}],
        "mark": strong if is_apart else quiet,
        "encoding": {"detail": {"field": "track_id"}},
    }


def _name(points: Sequence[dict[str, Any]], weeks: Sequence[str]) -> list[dict[str, Any]]:
    """The name of the track that stands apart, at its highest point, above which is nothing else."""
    apart = [point for point in points if point["is_apart"] and point["value"] is not None]
    if not apart or len(apart) == len([point for point in points if point["value"] is not None]):
        # Alone it needs no name.
        return []
    highest = max(apart, key=lambda point: point["value"])
    # Towards the middle of the chart, where the room is.
    align = "right" if weeks.index(highest["week"]) >= len(weeks) / 2 else "left"
    mark = {"type": "text", "align": align, "dy": -14, "fontWeight": "bold", "limit": 190}
    return [{"data": {"values": [highest]}, "mark": mark, "encoding": {"text": {"field": "track"}}}]


def most_lines(weeks: Sequence[date]) -> int:
    """How many tracks one chart draws at most."""
    return _MOST_POINTS // max(len(weeks), 1)
