"""The sound of the week: how the audio features of new releases drift from week to week."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from spotify_assets.dashboard.filters import FEATURES, Filters
from spotify_assets.dashboard.marts import Marts, Row
from spotify_assets.dashboard.pages import Chart, Facts, Multiples, Page, Prose
from spotify_assets.dashboard.scales import FEATURE_SCALES, Scale
from spotify_assets.dashboard.tables import NOT_MEASURED, Cell, Column, Table
from spotify_assets.dashboard.views.choices import ENOUGH, feature_sources, in_long, sorted_by

WEEKS = 52
USES = frozenset({"feature", "week", "sort", "descending"})
_FEW = "fewer than 8 weeks"


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """A feature over the year up to the week that is asked for, or to the latest; the others in small."""
    del path
    scale = FEATURE_SCALES[filters.feature or "energy"]
    latest = (marts.row("latest_release_week") or {}).get("week_start")
    last = min(filters.week, latest) if filters.week and latest else latest
    weeks = _weeks(marts, last)
    rows = weeks[scale.name]
    table = _table(filters, scale, rows)
    return Page(
        title=f"{scale.label} of new releases",
        lead=_lead(scale, rows),
        table=table,
        sections=[
            *_facts(scale, rows),
            *_charts(scale, rows, feature_sources(marts)),
            *_others(filters, scale, weeks),
            table,
            _HOW_TO_READ,
        ],
        uses=USES,
        steps=_steps(filters, last, latest, rows),
        defaults={"feature": scale.name},
    )


_HOW_TO_READ = Prose(
    "How to read it",
    [
        "A drift is a band that moves, not a line that wavers within it. n counts tracks and not albums: one long"
        " album can be most of a week.",
        "The eight-week mean is that of the medians of a week and of the seven before it, each week counting the same"
        " however many tracks it has; where one of the eight has no median, there is none. Releases of which only the"
        " month or the year is known have no week.",
    ],
)


def _weeks(marts: Marts, last: date | None) -> Mapping[str, list[Row]]:
    """The weeks of each feature, the latest first."""
    found: dict[str, list[Row]] = {feature: [] for feature in FEATURES}
    if last is not None:
        for row in marts.rows("drift", first_week=last - timedelta(weeks=WEEKS - 1), last_week=last):
            found[row["feature"]].append(row)
    return found


def _lead(scale: Scale, rows: Sequence[Row]) -> str:
    if not rows:
        return "No week of release is known here."
    return (
        f"{scale.title} of the tracks released in each week, from that of {in_long(rows[-1]['week_start'])} to that of"
        f" {in_long(rows[0]['week_start'])}."
    )


def _steps(
    filters: Filters, last: date | None, latest: date | None, rows: Sequence[Row]
) -> list[tuple[str, str]]:
    """The year before, where this one is full, and the year after."""
    steps = []
    if last and len(rows) == WEEKS:
        steps.append(("Previous 52 weeks", f"?{filters.query(week=last - timedelta(weeks=WEEKS))}"))
    if last and latest and last < latest:
        to = min(last + timedelta(weeks=WEEKS), latest)
        steps.append(("Next 52 weeks", f"?{filters.query(week=to)}"))
    return steps


def _measured(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["median"] is not None]


def _facts(scale: Scale, rows: Sequence[Row]) -> list[Facts]:
    measured = _measured(rows)
    if not measured:
        return []
    latest = measured[0]
    mean = latest["moving_mean"]
    entries = [
        (f"Median, week of {latest['week_start']}", scale.mean_written(latest["median"])),
        ("Eight-week mean", scale.mean_written(mean) if mean is not None else _FEW),
        ("Tracks measured", f"{sum(row['n'] for row in rows):,} of {sum(row['tracks'] for row in rows):,}"),
        (f"Weeks with fewer than {ENOUGH}", f"{sum(row['n'] < ENOUGH for row in rows)} of {len(rows)}"),
    ]
    return [Facts("In short", entries)]


def _charts(scale: Scale, rows: Sequence[Row], sources: str) -> list[Chart]:
    if not _measured(rows):
        return []
    return [
        Chart(
            title=f"{scale.label} by week of release",
            finding=finding(scale, rows),
            spec=spec(scale, rows),
            note=f"{finding(scale, rows)} Line: median. Band: the middle half of the tracks. Dashed: mean of eight"
            f" weeks' medians, each week counting the same. Open diamonds: weeks with fewer than {ENOUGH} measured"
            f" tracks. {sources}",
            height=335,
        )
    ]


def finding(scale: Scale, rows: Sequence[Row]) -> str:
    """The main finding, in a sentence."""
    measured = _measured(rows)
    if not measured:
        return f"No track of these weeks has {scale.label.lower()}."
    latest = measured[0]
    low, high = (end(row["median"] for row in measured) for end in (min, max))
    wanders = (
        "every week's median lies within that half"
        if latest["p25"] <= low and high <= latest["p75"]
        else f"the weeks' medians lie between {scale.mean_written(low)} and {scale.mean_written(high)}"
    )
    return (
        f"The median of {scale.label.lower()} is {scale.mean_written(latest['median'])} in the week of"
        f" {in_long(latest['week_start'])}, the middle half {scale.mean_written(latest['p25'])} to"
        f" {scale.mean_written(latest['p75'])} (n = {latest['n']:,}); {wanders} ({len(measured)} weeks,"
        f" n = {sum(row['n'] for row in measured):,})."
    )


def _others(filters: Filters, scale: Scale, weeks: Mapping[str, Sequence[Row]]) -> list[Multiples | Table]:
    others = [
        FEATURE_SCALES[feature] for feature in FEATURES if feature != scale.name and _measured(weeks[feature])
    ]
    if not others:
        return []
    charts = [
        Chart(
            other.title,
            finding(other, weeks[other.name]),
            spec(other, weeks[other.name], is_small=True),
            "",
            110,
        )
        for other in others
    ]
    addresses = [f"?{filters.query(feature=other.name, sort=None, descending=False)}" for other in others]
    return [
        Multiples(
            "The other features",
            charts,
            addresses,
            "Drawn like the one above; each on its own scale. Its name leads to its numbers.",
        ),
        _latest(filters, [each for each in (scale, *others) if _measured(weeks[each.name])], weeks),
    ]


def _latest(filters: Filters, scales: Sequence[Scale], weeks: Mapping[str, Sequence[Row]]) -> Table:
    """Every feature in its latest measured week."""
    rows = [{**_measured(weeks[scale.name])[0], "scale": scale} for scale in scales]

    def value(name: str, label: str, missing: str = NOT_MEASURED) -> Column:
        return Column(
            name,
            label,
            lambda row: Cell(row["scale"].mean_written(row[name])),
            missing,
            is_number=True,
            is_sortable=False,
        )

    return Table(
        caption="All features in the latest week",
        columns=[
            Column(
                "feature",
                "Feature",
                lambda row: Cell(
                    row["scale"].title,
                    href=f"?{filters.query(feature=row['feature'], sort=None, descending=False)}",
                ),
                is_sortable=False,
            ),
            Column("week_start", "Week", is_sortable=False),
            Column("n", "n", _counted, is_number=True, is_sortable=False),
            value("p25", "Lower quartile"),
            value("median", "Median"),
            value("p75", "Upper quartile"),
            value("moving_mean", "Eight-week mean", _FEW),
        ],
        rows=rows,
        note="n: tracks on which the feature was measured, of those released.",
        empty="",
    )


def spec(scale: Scale, rows: Sequence[Row], *, is_small: bool = False) -> dict[str, Any]:
    """Median and middle half by week, the mean of eight weeks, and weeks of few tracks in another form."""
    values = [
        {
            "week": row["week_start"].isoformat(),
            "median": row["median"],
            "p25": row["p25"],
            "p75": row["p75"],
            "moving_mean": row["moving_mean"],
            "n": row["n"],
            "tracks": row["tracks"],
            "is_enough": row["n"] >= ENOUGH,
        }
        for row in reversed(rows)
    ]
    x = {
        "field": "week",
        "type": "temporal",
        "title": None,
        # A date of its own, wherever it is looked at.
        "scale": {"type": "utc"},
        "axis": {
            "format": "%-d %b" if len(rows) < WEEKS else "%b %Y",
            "values": _marked(values, 3 if is_small else 6),
            "grid": False,
            "labelFlush": True,
        },
    }

    def y(field: str) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "title": None if is_small else scale.title,
            "scale": _extent(scale, rows),
            "axis": {"tickCount": 3 if is_small else 6},
        }

    tooltip = [
        {"field": "week", "type": "nominal", "title": "Week of release"},
        *(
            {"field": field, "title": title, "format": f",.{scale.mean_digits}f"}
            for field, title in (
                ("median", "Median"),
                ("p25", "Lower quartile"),
                ("p75", "Upper quartile"),
                ("moving_mean", "Eight-week mean"),
            )
        ),
        {"field": "n", "title": "n", "format": ","},
        {"field": "tracks", "title": "Tracks", "format": ","},
    ]
    points = [
        {
            "transform": [
                {"filter": {"field": "is_enough", "equal": is_enough}},
                {"filter": {"field": "median", "valid": True}},
            ],
            "mark": {
                "type": "point",
                "filled": is_enough,
                "shape": "circle" if is_enough else "diamond",
                "size": (16 if is_enough else 44) if is_small else (40 if is_enough else 80),
                "opacity": 1,
                "strokeWidth": 1 if is_small else 2,
            },
            "encoding": {"x": x, "y": y("median"), "tooltip": tooltip},
        }
        for is_enough in sorted({row["n"] >= ENOUGH for row in _measured(rows)})
    ]
    return {
        "width": "container",
        "height": 90 if is_small else 300,
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.15},
                "encoding": {"x": x, "y": y("p25"), "y2": {"field": "p75"}},
            },
            {
                "mark": {"type": "line", "style": "quiet", "strokeDash": [5, 4], "strokeWidth": 1.5},
                "encoding": {"x": x, "y": y("moving_mean")},
            },
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"x": x, "y": y("median")}},
            *points,
        ],
    }


def _marked(values: Sequence[Row], most: int) -> list[dict[str, Any]]:
    """Some of the weeks, evenly apart, back from the latest: an axis would mark Sundays by itself."""
    apart = max(1, -(-len(values) // most))
    days = [date.fromisoformat(value["week"]) for value in values[::-1][::apart]]
    return [{"year": day.year, "month": day.month, "date": day.day, "utc": True} for day in reversed(days)]


def _extent(scale: Scale, rows: Sequence[Row]) -> dict[str, Any]:
    """From where to where the vertical axis goes: chosen for what has no extent of its own."""
    ends = {row[end] for row in _measured(rows) for end in ("p25", "p75")}
    if len(ends) > 1:
        return {"zero": False}
    [value] = ends
    return {"domain": [0, 1] if scale.step < 1 else [value - scale.step, value + scale.step]}


def _table(filters: Filters, scale: Scale, rows: Sequence[Row]) -> Table:
    columns = _columns(scale)
    order = sorted_by(filters, columns, default="week_start", then=[])
    descending = order.descending if filters.sort else True
    return Table(
        caption=f"{scale.label} week by week",
        columns=columns,
        rows=_sorted(rows, order.column, descending=descending),
        note="A week leads to its ranking, where it has one; n leads to its tracks.",
        empty="No track with an exact day of release is known in these weeks: take the week away to see the latest.",
        sort=order.column,
        descending=descending,
    )


def _sorted(rows: Sequence[Row], column: str, *, descending: bool) -> list[Row]:
    """The rows in the order of a column, those without a value last."""
    known = [row for row in rows if row[column] is not None]
    return [
        *sorted(known, key=lambda row: row[column], reverse=descending),
        *(row for row in rows if row[column] is None),
    ]


def _columns(scale: Scale) -> list[Column]:
    def value(name: str, label: str, missing: str = NOT_MEASURED) -> Column:
        return Column(name, label, lambda row: Cell(scale.mean_written(row[name])), missing, is_number=True)

    return [
        Column("week_start", "Week of release", _week),
        Column("n", "n", _explored, is_number=True, explanation="Measured tracks, of those released."),
        value("p25", "Lower quartile"),
        value("median", "Median"),
        value("p75", "Upper quartile"),
        value("mean", "Mean"),
        value("moving_mean", "Eight-week mean", _FEW),
        Column("tracks", "Tracks", is_number=True, is_shown=False),
        Column("feature", "Feature", is_shown=False, is_sortable=False),
    ]


def _counted(row: Row) -> Cell:
    few = "few: " if row["n"] < ENOUGH else ""
    return Cell(f"{few}{row['n']:,} of {row['tracks']:,}")


def _explored(row: Row) -> Cell:
    if not row["tracks"]:
        return Cell("no release", is_missing=True)
    asked = urlencode({"x": row["feature"], "week": row["week_start"], "weeks": 1})
    return Cell(_counted(row).text, href=f"/explore?{asked}")


def _week(row: Row) -> Cell:
    week = row["week_start"].isoformat()
    return Cell(week, href=f"/ranking?week={week}" if row["has_ranking"] else None)
