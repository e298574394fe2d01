"""The release calendar: on which days, and in which format, music comes out; for whoever chooses a date."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta
from statistics import median
from typing import Any

from spotify_assets.dashboard.charts import chart_spec
from spotify_assets.dashboard.filters import ALBUM_TYPES, Filters
from spotify_assets.dashboard.marts import Marts, Row
from spotify_assets.dashboard.pages import Chart, Facts, Page, Section
from spotify_assets.dashboard.tables import Cell, Column, Table
from spotify_assets.dashboard.views.choices import in_long

USES = frozenset({"week", "weeks", "type"})
WEEKS = 26
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ALL_DAYS = "any day"
ALL_FORMATS = "all formats"
_WEEK = timedelta(days=7)
_NO_RELEASE = "no release"
_NO_TRACK = "no track"


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The releases of the weeks that are asked for, or of the latest ones."""
    del path
    period = _Period(marts, filters)
    rows = period.rows
    days = _days_of(rows)
    table = _table(rows, days, period)
    sections: list[Section] = (
        [_formats(rows), _heat_map(days, period), _bars(rows, days, period)] if rows else []
    )
    return Page(
        title="Release calendar",
        lead=_lead(days, period),
        table=table,
        sections=[*sections, table, *([_weeks(days, period)] if rows else [])],
        uses=USES,
        steps=_steps(filters, period),
    )


class _Period:
    """The weeks that are shown, and what came out in them.

    Attributes:
        first: Monday of the first week: that of the first release, where the weeks asked for begin before it.
        last: The last day that the mart can have: a Sunday, or the day of its build.
        rows: Releases by day and format.
        without_day: Albums of that time whose day is not known.
        extent: The first and the last day of release in the mart; null where there is none.
        weeks: How many were asked for.
        week: Monday of the last one.
    """

    def __init__(self, marts: Marts, filters: Filters) -> None:
        built = marts.builds().get("release_cadence")
        self.extent = marts.row("release_day_extent") or {}
        self.weeks = filters.weeks or WEEKS
        self.today = built.as_of.astimezone(UTC).date() if built else None
        self.week = filters.week or _monday(self.today or date(1970, 1, 5))
        self.last = min(self.week + timedelta(days=6), self.today or self.week)
        asked = self.week - (self.weeks - 1) * _WEEK
        types = list(filters.type)
        self.rows = marts.rows("release_days", first_day=asked, last_day=self.last, types=types)
        self.first = _monday(self.rows[0]["release_date"]) if self.rows else asked
        self.without_day = _without_day(marts, self.first, self.last, types)

    def days(self) -> Iterator[date]:
        """Its days, one after the other."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)

    def has(self, weekday: int) -> int:
        """How many days of it are of a weekday, from 0 for Monday."""
        return sum(day.weekday() == weekday for day in self.days())


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _without_day(marts: Marts, first: date, last: date, types: Sequence[str]) -> int:
    years = [date(year, 1, 1) for year in range(first.year, last.year + 1)]
    months = [
        date(year, month, 1)
        for year in range(first.year, last.year + 1)
        for month in range(1, 13)
        if (first.year, first.month) <= (year, month) <= (last.year, last.month)
    ]
    row = marts.row("releases_without_day", months=months, years=years, types=types) or {}
    albums: int = row["albums"]
    return albums


def _days_of(rows: Sequence[Row]) -> dict[date, int]:
    """Releases by day, of days that have any."""
    days: dict[date, int] = {}
    for row in rows:
        days[row["release_date"]] = days.get(row["release_date"], 0) + row["releases"]
    return days


def _lead(days: Mapping[date, int], period: _Period) -> str:
    return (
        finding(days, list(period.days())) if days else "On which days, and in which format, music comes out."
    )


def finding(days: Mapping[date, int], period_days: Sequence[date]) -> str:
    """The busiest and the quietest weekday, by releases a day: a week that has just begun has had no Friday yet."""
    total = sum(days.values())
    releases = [sum(count for day, count in days.items() if day.weekday() == weekday) for weekday in range(7)]
    had = [sum(day.weekday() == weekday for day in period_days) for weekday in range(7)]
    rates = {weekday: releases[weekday] / had[weekday] for weekday in range(7) if had[weekday]}

    def said(rate: float) -> str:
        found = [weekday for weekday, each in rates.items() if each == rate]
        names = " and ".join(f"{DAYS[weekday]}s" for weekday in found)
        count = sum(releases[weekday] for weekday in found)
        return (
            f"on {names}, {count:,} of {total:,} ({count / total:.0%}), {rate:.1f} a day over"
            f" {sum(had[weekday] for weekday in found):,} days"
        )

    most, least = max(rates.values()), min(rates.values())
    if most == least:
        return f"No weekday stands out: {most:.1f} releases a day on each. n = {total:,} releases."
    return f"Most releases come out {said(most)}; the fewest {said(least)}."


def _steps(filters: Filters, period: _Period) -> list[tuple[str, str]]:
    first_day, today = period.extent.get("first_day"), period.today
    if first_day is None or today is None:
        return []
    before, after = period.week - period.weeks * _WEEK, period.week + period.weeks * _WEEK
    steps = []
    if before + timedelta(days=6) >= first_day:
        steps.append((f"Previous {period.weeks} weeks", f"?{filters.query(week=before)}"))
    if period.week < _monday(today):
        steps.append((f"Next {period.weeks} weeks", f"?{filters.query(week=min(after, _monday(today)))}"))
    return steps


def _formats(rows: Sequence[Row]) -> Facts:
    total = sum(row["releases"] for row in rows)
    entries = [("Releases", f"{total:,}")]
    for album_type in ALBUM_TYPES:
        count = sum(row["releases"] for row in rows if row["album_type"] == album_type)
        if count:
            entries.append((f"{album_type.capitalize()}s", f"{count:,} ({count / total:.0%})"))
    tracks = sum(row["tracks"] for row in rows)
    entries.append(("Tracks a release", f"{tracks / total:.1f}"))
    explicit = _explicit_share(rows)
    entries.append(("Explicit tracks", _NO_TRACK if explicit is None else f"{explicit:.0%} of {tracks:,}"))
    return Facts("In all", entries)


def _left_out(period: _Period) -> str:
    return (
        f"Left out: {period.without_day:,} of which only the month or the year is known."
        if period.without_day
        else "No release of that time lacks its exact day."
    )


def _heat_map(days: Mapping[date, int], period: _Period) -> Chart:
    return Chart(
        title="Releases by week and weekday",
        finding=finding(days, list(period.days())),
        spec=heat_map_spec(days, list(period.days())),
        note=f"n = {sum(days.values()):,} releases that the warehouse knows, of {in_long(period.first)} to"
        f" {in_long(period.last)}. {_left_out(period)}",
        height=270,
    )


def heat_map_spec(days: Mapping[date, int], period_days: Sequence[date]) -> dict[str, Any]:
    """A cell for each day that has come: 0 where nothing came out."""
    drawn = [
        {
            "week": _monday(day).isoformat(),
            "weekday": DAYS[day.weekday()][:3],
            "releases": days.get(day, 0),
        }
        for day in period_days
    ]
    return chart_spec(
        drawn,
        190,
        mark={"type": "rect", "style": "cell"},
        encoding={
            "x": {
                "field": "week",
                "type": "ordinal",
                "title": "Week from",
                "axis": {
                    "labelAngle": 0,
                    "labelOverlap": True,
                    "ticks": False,
                    "domain": False,
                    "labelExpr": "utcFormat(utcParse(datum.value, '%Y-%m-%d'), '%-d %b')",
                },
            },
            "y": {
                "field": "weekday",
                "type": "ordinal",
                "sort": [name[:3] for name in DAYS],
                "title": None,
                "axis": {"ticks": False, "domain": False},
            },
            "color": {
                "field": "releases",
                "type": "quantitative",
                "title": "Releases",
                "scale": {"domainMin": 0},
                "legend": {"tickMinStep": 1, "gradientLength": 160},
            },
        },
    )


def _bars(rows: Sequence[Row], days: Mapping[date, int], period: _Period) -> Chart:
    present = [each for each in ALBUM_TYPES if any(row["album_type"] == each for row in rows)]
    return Chart(
        title="Releases by weekday and format",
        finding=finding(days, list(period.days())),
        spec=bars_spec(rows, present),
        note=f"From below: {', '.join(present)}. n = {sum(days.values()):,} releases. {_left_out(period)}",
        height=300,
    )


def bars_spec(rows: Sequence[Row], formats: Sequence[str]) -> dict[str, Any]:
    """Releases of each weekday, one format upon the other, with their sum."""
    drawn = []
    for weekday, name in enumerate(DAYS):
        counts = [
            sum(
                row["releases"]
                for row in rows
                if row["release_date"].weekday() == weekday and row["album_type"] == album_type
            )
            for album_type in formats
        ]
        drawn += [
            {
                "weekday": name[:3],
                "format": album_type,
                "place": place,
                "releases": count,
                # Once a bar.
                "total": sum(counts) if place == 0 else None,
            }
            for place, (album_type, count) in enumerate(zip(formats, counts, strict=True))
        ]
    x = {
        "field": "weekday",
        "type": "nominal",
        "sort": [name[:3] for name in DAYS],
        "title": None,
        "axis": {"labelAngle": 0, "ticks": False},
    }
    colour = {"field": "format", "type": "nominal", "title": None, "scale": {"domain": list(formats)}}
    y = {
        "field": "releases",
        "type": "quantitative",
        "title": "Releases",
        "axis": {"tickMinStep": 1, "tickCount": 5},
    }
    return chart_spec(
        drawn,
        220,
        encoding={"x": x},
        layer=[
            {
                "mark": {"type": "bar", "style": "cell"},
                "encoding": {"y": y, "color": colour, "order": {"field": "place"}},
            },
            {
                "transform": [{"filter": "isValid(datum.total)"}],
                "mark": {"type": "text", "dy": -8, "style": "label"},
                "encoding": {"y": {"field": "total", "type": "quantitative"}, "text": {"field": "total"}},
            },
        ],
    )


def _explicit_share(rows: Sequence[Row]) -> float | None:
    tracks = sum(row["tracks"] for row in rows)
    if not tracks:
        return None
    share: float = sum(row["explicit_share"] * row["tracks"] for row in rows if row["tracks"]) / tracks
    return share


def _summary(rows: Sequence[Row], weekday: str, album_type: str, days: int, total: int) -> dict[str, Any]:
    """A row of the table: what the days of a weekday have in one format."""
    releases = sum(row["releases"] for row in rows)
    tracks = sum(row["tracks"] for row in rows)
    lengths = [row["median_duration_ms"] for row in rows if row["median_duration_ms"] is not None]
    return {
        "weekday": weekday,
        "album_type": album_type,
        "days": days,
        "releases": releases,
        "releases_share": releases / total if total else None,
        "releases_per_day": releases / days if days else None,
        "tracks": tracks,
        "tracks_per_release": tracks / releases if releases else None,
        "median_duration_ms": median(lengths) if lengths else None,
        "medians": len(lengths),
        "explicit_share": _explicit_share(rows),
    }


def summaries(rows: Sequence[Row], had: Sequence[int]) -> list[dict[str, Any]]:
    """Weekday by weekday, and format by format within each; those of any day at the end.

    Args:
        rows: releases by day and format.
        had: how many days of each weekday there were.
    """
    total = sum(row["releases"] for row in rows)
    present = [each for each in ALBUM_TYPES if any(row["album_type"] == each for row in rows)]
    found = []
    for weekday, name in [*enumerate(DAYS), (None, ALL_DAYS)]:
        own = [row for row in rows if weekday is None or row["release_date"].weekday() == weekday]
        days = sum(had) if weekday is None else had[weekday]
        found.append(_summary(own, name, ALL_FORMATS, days, total))
        for album_type in present:
            of_type = [row for row in own if row["album_type"] == album_type]
            found.append(_summary(of_type, name, album_type, days, total))
    return found


def _table(rows: Sequence[Row], days: Mapping[date, int], period: _Period) -> Table:
    found = summaries(rows, [period.has(weekday) for weekday in range(7)]) if rows else []
    return Table(
        caption="By weekday and format",
        columns=[
            Column("weekday", "Weekday", is_sortable=False),
            Column("album_type", "Format", is_sortable=False),
            Column("releases", "Releases", is_number=True, is_sortable=False),
            Column("releases_share", "Share", _percent("releases_share"), is_number=True, is_sortable=False),
            Column(
                "releases_per_day",
                "A day",
                lambda row: Cell(f"{row['releases_per_day']:,.1f}"),
                "no such day",
                is_number=True,
                is_sortable=False,
                explanation="Releases, by the number of such days in the weeks shown.",
            ),
            Column("tracks", "Tracks", is_number=True, is_sortable=False),
            Column(
                "tracks_per_release",
                "Tracks a release",
                lambda row: Cell(f"{row['tracks_per_release']:,.1f}"),
                _NO_RELEASE,
                is_number=True,
                is_sortable=False,
            ),
            Column(
                "median_duration_ms",
                "Typical length",
                lambda row: Cell(f"{_in_minutes(row['median_duration_ms'])} (n = {row['medians']})"),
                _NO_TRACK,
                is_number=True,
                is_sortable=False,
                explanation="Of a track: the median of n medians, one for each day and format.",
            ),
            Column(
                "explicit_share",
                "Explicit tracks",
                _percent("explicit_share"),
                _NO_TRACK,
                is_number=True,
                is_sortable=False,
            ),
            Column("days", "Days", is_shown=False, is_sortable=False),
            Column("medians", "Medians", is_shown=False, is_sortable=False),
        ],
        rows=found,
        note=f"n = {sum(days.values()):,} releases. Share: of all of them. Typical length: the median of the medians of"
        f" n days, each of one format, and not of all tracks at once. {_left_out(period)}",
        empty=f"No release of these weeks has a day that is known. {_left_out(period)} Choose other weeks, or take the"
        " filter of the type away.",
    )


def _percent(column: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(f"{row[column]:.0%}")


def _in_minutes(milliseconds: float) -> str:
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes}:{seconds:02}"


def _weeks(days: Mapping[date, int], period: _Period) -> Table:
    mondays = [day for day in period.days() if day.weekday() == 0]
    rows = []
    for monday in reversed(mondays):
        week = [monday + timedelta(days=number) for number in range(7)]
        counts = [days.get(day, 0) if day <= period.last else None for day in week]
        rows.append(
            {
                "week_start": monday,
                **dict(zip(DAYS, counts, strict=True)),
                "releases": sum(count for count in counts if count is not None),
            }
        )
    return Table(
        caption="Week by week",
        columns=[
            Column(
                "week_start", "Week from", lambda row: Cell(row["week_start"].isoformat(), href=_ranking(row))
            ),
            *(Column(name, name[:3], missing="not yet", is_number=True) for name in DAYS),
            Column("releases", "Releases", is_number=True),
        ],
        rows=rows,
        note="Releases that the warehouse knows, by the day on which they came out. A week leads to its ranking.",
        empty="",
    )


def _ranking(row: Row) -> str:
    return f"/ranking?{Filters(week=row['week_start']).query()}"
