"""The movers of a week: the tracks whose popularity changed most against the calendar week before."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from spotify_assets.dashboard.charts import chart_spec
from spotify_assets.dashboard.feeds import Entry, Feed, end_of, is_over
from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.marts import Marts, Order, Row
from spotify_assets.dashboard.pages import Chart, Facts, Page, Prose
from spotify_assets.dashboard.tables import Cell, Column, Table
from spotify_assets.dashboard.views.addresses import album_address, track_address
from spotify_assets.dashboard.views.choices import (
    MEASURE_NAMES,
    MEASURE_SCALES,
    chosen_measure,
    in_long,
    sorted_by,
)

ROWS = 50
USES = frozenset({"week", "measure", "min_change", "direction", "all_tracks", "sort", "descending", "page"})
FEED_WEEKS = 4
FEED_TRACKS = 20
# Of each direction: more are no movers any more, and need not be looked up.
MOST_EACH = 500
DRAWN = 20
_WEEK = timedelta(days=7)
_NO_WEEK_BEFORE = "no earlier week"
_LARGEST_FIRST = Order("moved", descending=True, then=["track_id"])
_FORMULA = (
    "Change = the track's last measurement in this week - its last measurement in the calendar week before. A track"
    " that was not measured in the week before is not compared: a gap is not bridged, and is no change of 0.",
    "Own pace = the mean of its changes in the up to four calendar weeks before this one, with the number of weeks that"
    " have one. Beyond it = change - own pace.",
)


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The movers of the week that is asked for, or of the latest one."""
    del path
    measure = chosen_measure(marts, filters)
    weeks = [row["week_start"] for row in marts.rows("weeks_measured", measure=measure)]
    week = filters.week or next(iter(weeks), None)
    counts = {} if week is None else marts.row("movers_count", **_asked(filters, measure, week)) or {}
    table = _table(marts, filters, measure, week, counts)
    return Page(
        title="Movers",
        lead=_lead(measure, week),
        table=table,
        sections=[
            *_facts(filters, counts),
            *_charts(marts, filters, measure, week, counts),
            table,
            Prose("How a change is measured", _FORMULA),
        ],
        uses=USES,
        steps=_steps(filters, week, weeks),
    )


def feed(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Feed:
    """The tracks that moved most, of the latest weeks that are over: an entry for each track and week."""
    del path
    measure = chosen_measure(marts, filters)
    built = marts.builds().get("track_week")
    weeks = [row["week_start"] for row in marts.rows("weeks_measured", measure=measure)]
    over = [week for week in weeks if is_over(week, built)][:FEED_WEEKS]
    entries = [
        _entry(row, measure, week)
        for week in over
        for row in _movers(marts, filters, measure, week, _LARGEST_FIRST, 0, FEED_TRACKS)[0]
    ]
    return Feed(
        title=f"Movers by {MEASURE_NAMES[measure]}",
        subtitle=f"The up to {FEED_TRACKS} tracks of each week whose popularity changed most against the week before. A"
        " week is added when it is over.",
        entries=entries,
        uses=USES,
    )


def _entry(row: Row, measure: str, week: date) -> Entry:
    artists = ", ".join(row["artist_names"])
    pace = (
        f" In its {row['earlier_weeks']} weeks before with a change it changed by {row['earlier_mean']:+,.1f} on"
        " average."
        if row["earlier_weeks"]
        else " No earlier week of it can be compared."
    )
    return Entry(
        name=f"movers/{measure}/{week}/{row['track_id']}",
        title=f"{row['delta']:+,}: {row['track_name']} by {artists}",
        address=track_address(row["track_id"]),
        updated=end_of(week),
        text=f"{MEASURE_NAMES[measure]} {row['previous']:,} in the week of {in_long(week - _WEEK)},"
        f" {row['value']:,} in that of {in_long(week)}. On {row['album_name'] or 'an album without a name yet'}."
        f"{pace}",
    )


def _asked(filters: Filters, measure: str, week: date) -> dict[str, object]:
    return {"measure": measure, "week_start": week, "min_change": filters.min_change or 1}


def _movers(
    marts: Marts, filters: Filters, measure: str, week: date, order: Order, first: int, most: int
) -> tuple[Sequence[Row], int]:
    return marts.page(
        "movers",
        order=order,
        first=first,
        most=most,
        **_asked(filters, measure, week),
        with_rising=filters.direction != "falling",
        with_falling=filters.direction != "rising",
        all_tracks=filters.all_tracks,
        most_each=MOST_EACH,
    )


def _lead(measure: str, week: date | None) -> str:
    if week is None:
        return "No track was measured yet."
    return (
        f"Tracks whose popularity changed most from the week of {in_long(week - _WEEK)} to that of {in_long(week)}, by"
        f" {MEASURE_SCALES[measure]}."
    )


def _steps(filters: Filters, week: date | None, weeks: Sequence[date]) -> list[tuple[str, str]]:
    if week is None:
        return []
    around = [("Previous week", week - _WEEK), ("Next week", week + _WEEK)]
    return [(label, f"?{filters.query(week=to, page=1)}") for label, to in around if to in weeks]


def _facts(filters: Filters, counts: Row) -> list[Facts]:
    if not counts:
        return []
    least = filters.min_change or 1
    entries = [
        ("Tracks measured", f"{counts['measured']:,}"),
        ("Compared", f"{counts['compared']:,}"),
        ("Not measured the week before", f"{counts['measured'] - counts['compared']:,}"),
        (f"Rising by {least:,} or more", f"{counts['rising']:,}"),
        (f"Falling by {least:,} or more", f"{counts['falling']:,}"),
        ("Unchanged", f"{counts['unchanged']:,}"),
    ]
    return [Facts("The week", entries)]


def _charts(marts: Marts, filters: Filters, measure: str, week: date | None, counts: Row) -> list[Chart]:
    if week is None or not counts["compared"]:
        return []
    rows, _ = _movers(marts, filters, measure, week, _LARGEST_FIRST, 0, DRAWN)
    if not rows:
        return []
    most = rows[0]
    return [
        Chart(
            title=f"The {len(rows)} that moved most",
            finding=f"{most['track_name']} by {', '.join(most['artist_names'])} moved most:"
            f" {most['delta']:+,}, from {most['previous']:,} to {most['value']:,}. n = {counts['compared']:,} tracks"
            f" compared, of {counts['measured']:,} measured.",
            spec=movers_spec(rows, MEASURE_SCALES[measure]),
            note=f"Hollow: the week before. Filled: this week. n = {counts['compared']:,} tracks compared, of"
            f" {counts['measured']:,} measured.",
            height=24 * len(rows) + 60,
        )
    ]


def movers_spec(rows: Sequence[Row], scale: str) -> dict[str, Any]:
    """Each track's way from the week before to this one."""
    drawn = [
        {
            "place": place,
            "track": f"{place}. {row['track_name']} · {', '.join(row['artist_names'])}",
            "previous": row["previous"],
            "value": row["value"],
            "delta": f"{row['delta']:+,}",
        }
        for place, row in enumerate(rows, 1)
    ]
    track = {
        "field": "track",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"ticks": False, "domain": False, "grid": True, "labelLimit": 190},
    }
    value = {
        "field": "value",
        "type": "quantitative",
        "title": scale,
        "scale": {"zero": False},
        "axis": {"tickCount": 7},
    }
    return chart_spec(
        drawn,
        24 * len(rows),
        encoding={"y": track},
        layer=[
            {
                "mark": {"type": "rule", "style": "context", "strokeWidth": 3},
                "encoding": {"x": value, "x2": {"field": "previous"}},
            },
            {
                "mark": {"type": "point", "style": "before", "filled": False, "size": 60, "strokeWidth": 1.5},
                "encoding": {"x": {"field": "previous", "type": "quantitative"}},
            },
            {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}, "encoding": {"x": value}},
        ],
    )


def _table(marts: Marts, filters: Filters, measure: str, week: date | None, counts: Row) -> Table:
    columns = _columns(measure)
    order = sorted_by(filters, columns, default="moved", then=["track_id"])
    if filters.sort is None:
        order = _LARGEST_FIRST
    rows, total = (
        ([], 0)
        if week is None
        else _movers(marts, filters, measure, week, order, (filters.page - 1) * ROWS, ROWS)
    )
    return Table(
        caption="Movers",
        columns=columns,
        rows=[{**row, "week_start": week, "measure": measure} for row in rows],
        note=_note(filters, counts, len(rows), total),
        empty=_empty(filters, week, counts),
        total=total,
        sort=order.column,
        descending=order.descending,
    )


def _note(filters: Filters, counts: Row, shown: int, total: int) -> str:
    if not counts:
        return ""
    what = "tracks" if filters.all_tracks else "tracks, of each album the one that moved most"
    cut = (
        f" Of each direction the {MOST_EACH} that moved most are looked at."
        if max(counts["rising"], counts["falling"]) > MOST_EACH
        else ""
    )
    return (
        f"{shown:,} of {total:,} {what}. {counts['compared']:,} of the {counts['measured']:,} tracks that were measured"
        f" this week could be compared; the others were not measured in the week before.{cut}"
    )


def _empty(filters: Filters, week: date | None, counts: Row) -> str:
    if week is None or not counts["measured"]:
        return (
            "No track was measured by this measure in this week: choose another week, or the other measure."
        )
    if not counts["compared"]:
        return (
            f"{counts['measured']:,} tracks were measured in this week, and none of them in the week before: there is"
            " nothing to compare with. Choose a later week."
        )
    if filters.page > 1:
        return "The table has fewer pages: go back to the first."
    return f"No track changed by {filters.min_change or 1:,} or more: ask for a smaller change, or both directions."


def _columns(measure: str) -> list[Column]:
    scale = MEASURE_SCALES[measure]
    digits = 1 if measure == "spotify_popularity" else 0
    return [
        Column("moved", "Change", _change, is_number=True, explanation=f"In points of {scale}."),
        Column("track_name", "Track", _track, is_text=True),
        Column("album_name", "Album", _album, "not loaded yet", is_text=True),
        Column("artist_names", "Artists", is_sortable=False, is_text=True),
        Column("release_date", "Released"),
        Column(
            "value", "From, to", _way, is_number=True, explanation=f"The week before, this week: {scale}."
        ),
        Column(
            "earlier_mean",
            "Own pace",
            lambda row: Cell(f"{row['earlier_mean']:+,.{digits}f} (n = {row['earlier_weeks']})"),
            _NO_WEEK_BEFORE,
            is_number=True,
            explanation="Mean change of the up to four weeks before; n of them have one.",
        ),
        Column(
            "above_earlier",
            "Beyond it",
            lambda row: Cell(f"{row['above_earlier']:+,.{digits}f}"),
            "unknown",
            is_number=True,
            explanation="Change minus own pace.",
        ),
        Column("album_type", "Type", is_shown=False),
        Column("previous", "Week before", is_shown=False),
        Column("delta", "Signed change", is_shown=False),
        Column("earlier_weeks", "Weeks of own pace", is_shown=False),
        Column("measured_on", "Measured on", is_shown=False),
        Column("artist_ids", "Artist ids", is_shown=False, is_sortable=False),
        Column("track_id", "Track id", is_shown=False, is_sortable=False),
        Column("album_id", "Album id", is_shown=False, is_sortable=False),
        Column("week_start", "Week", is_shown=False, is_sortable=False),
        Column("measure", "Measure", is_shown=False, is_sortable=False),
    ]


def _change(row: Row) -> Cell:
    if row["delta"] > 0:
        return Cell(f"▲ +{row['delta']:,}", tone="good")
    return Cell(f"▼ -{-row['delta']:,}", tone="bad")


def _way(row: Row) -> Cell:
    return Cell(f"{row['previous']:,} → {row['value']:,}")


def _track(row: Row) -> Cell:
    return Cell(row["track_name"] or "(no name)", href=track_address(row["track_id"]))


def _album(row: Row) -> Cell:
    return Cell(row["album_name"] or "(no name)", href=album_address(row["album_id"]))
