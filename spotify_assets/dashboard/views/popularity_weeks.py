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
    named = _peak([point for point in points if point["is_apart"] and point["value"] is not None], len(names))
    # Towards the middle of the chart, where the room is.
    is_late = bool(named) and list(short.values()).index(named[0]["week"]) >= len(weeks) / 2
    align = "right" if is_late else "left"
    x = {
        "field": "week",
        "type": "ordinal",
        "scale": {"domain": list(short.values())},
        "title": "Week from Monday",
        "axis": {"labelAngle": 0, "labelOverlap": "parity"},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "title": MEASURE_SCALES[measure],
        # Room for the name above the highest point.
        "scale": {"zero": False, "padding": 18},
        "axis": {"tickCount": 5, "tickMinStep": 1, "format": ",.0f"},
    }
    lines: dict[str, Any] = {"x": x, "y": y, "detail": {"field": "track_id"}}
    # A layer without data has no extent, of which Vega warns.
    layers: list[dict[str, Any]] = []
    if set(names) - {apart}:
        mark = {"type": "line", "style": "context", "point": {"style": "context", "size": 16}}
        layers.append({"transform": [{"filter": "!datum.is_apart"}], "mark": mark, "encoding": lines})
    if apart in names:
        mark = {"type": "line", "strokeWidth": 2.5, "point": {"size": 50}}
        layers.append({"transform": [{"filter": "datum.is_apart"}], "mark": mark, "encoding": lines})
    if named:
        mark = {"type": "text", "align": align, "dy": -14, "fontWeight": "bold", "limit": 190}
        layers.append(
            {
                "data": {"values": named},
                "mark": mark,
                "encoding": {"x": x, "y": y, "text": {"field": "track"}},
            }
        )
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": 280,
        "data": {"values": points},
        "layer": layers,
    }


def _peak(points: Sequence[dict[str, Any]], tracks: int) -> list[dict[str, Any]]:
    """Where the name of a track stands: at its highest point, above which is nothing else; alone it needs none."""
    return [max(points, key=lambda point: point["value"])] if points and tracks > 1 else []


def most_lines(weeks: Sequence[date]) -> int:
    """How many tracks one chart draws at most."""
    return _MOST_POINTS // max(len(weeks), 1)
