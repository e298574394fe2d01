"""The ranking of a week: the most popular new releases, with where they come from."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from spotify_assets.dashboard.feeds import Entry, Feed, Line, end_of, is_over, subscribed
from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.marts import Marts, Order, Row
from spotify_assets.dashboard.pages import Facts, Page
from spotify_assets.dashboard.tables import NOT_MEASURED, Cell, Column, Table, number
from spotify_assets.dashboard.views.addresses import album_address
from spotify_assets.dashboard.views.choices import (
    MEASURE_NAMES,
    MEASURE_SCALES,
    chosen_measure,
    chosen_week,
    in_long,
    part_of_name,
    sorted_by,
)

ROWS = 50
FEED_WEEKS = 8
FEED_ALBUMS = 10
USES = frozenset(
    {
        "week",
        "measure",
        "type",
        "artist",
        "genre",
        "label",
        "min_tracks",
        "min_value",
        "q",
        "sort",
        "descending",
        "page",
    }
)
_WEEK = timedelta(days=7)


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The ranking of the week that is asked for, or of the latest one."""
    del path
    measure = chosen_measure(marts, filters)
    weeks = [row["week_start"] for row in marts.rows("weeks", measure=measure)]
    week = chosen_week(marts, filters, measure, weeks)
    table = _table(marts, filters, measure, week)
    lead = (
        f"New releases of the week of {in_long(week)}, the most popular first by {MEASURE_SCALES[measure]}."
        if week
        else "There is no ranking yet."
    )
    return Page(
        title="Most popular new releases",
        lead=lead,
        table=table,
        sections=[*_facts(marts, measure, week), table],
        uses=USES,
        steps=_steps(filters, week, weeks),
    )


def feed(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Feed:
    """The head of the ranking of each of the latest weeks that are over."""
    del path
    measure = chosen_measure(marts, filters)
    built = marts.builds().get("weekly_popular_releases")
    weeks = [row["week_start"] for row in marts.rows("weeks", measure=measure)]
    over = [week for week in weeks if is_over(week, built)][:FEED_WEEKS]
    entries = [_entry(marts, filters, measure, week) for week in over]
    return Feed(
        title=f"Most popular new releases by {MEASURE_NAMES[measure]}",
        subtitle=f"The first {FEED_ALBUMS} albums of each week. A week is added when it is over.",
        entries=[entry for entry in entries if entry.lines],
        uses=USES,
    )


def _entry(marts: Marts, filters: Filters, measure: str, week: date) -> Entry:
    order = Order("rank", descending=False, then=["album_id"])
    rows, total = _found(marts, filters, measure, week, order, 0, FEED_ALBUMS)
    kept = subscribed(filters, USES).query(measure=measure)
    return Entry(
        name=f"ranking/{week}?{kept}",
        title=f"Most popular new releases, week of {in_long(week)}",
        address=f"/ranking?{subscribed(filters, USES).query(measure=measure, week=week)}",
        updated=end_of(week),
        text=f"By {MEASURE_SCALES[measure]}: the mean of each album's measured tracks. {total:,} albums in all, those"
        " that were not measured among them.",
        lines=[_line(row, measure) for row in rows if row["rank"] is not None],
    )


def _line(row: Row, measure: str) -> Line:
    digits = 1 if measure == "spotify_popularity" else 0
    return Line(
        before="",
        linked=row["name"] or "(no name)",
        address=album_address(row["album_id"]),
        after=f" by {', '.join(row['artist_names'])}: rank {row['rank']} ({change(row).text}), mean"
        f" {row['value_mean']:,.{digits}f} over {measured(row).text} tracks",
    )


def _steps(filters: Filters, week: date | None, weeks: Sequence[date]) -> list[tuple[str, str]]:
    if week is None:
        return []
    around = [("Previous week", week - _WEEK), ("Next week", week + _WEEK)]
    return [(label, f"?{filters.query(week=to, page=1)}") for label, to in around if to in weeks]


def _facts(marts: Marts, measure: str, week: date | None) -> list[Facts]:
    if week is None:
        return []
    row = marts.row("week_facts", week_start=week, measure=measure) or {}
    entries = [
        ("Albums in this week", f"{row['albums']:,}"),
        ("Measured", f"{row['ranked']:,}"),
        ("Not measured", f"{row['albums'] - row['ranked']:,}"),
        ("New on the list", f"{row['new_albums']:,}"),
        ("Re-entries", f"{row['re_entries']:,}"),
    ]
    return [Facts("The week", entries)]


def _table(marts: Marts, filters: Filters, measure: str, week: date | None) -> Table:
    columns = _columns(measure)
    order = sorted_by(filters, columns, default="rank", then=["album_id"])
    rows, total = ([], 0) if week is None else _rows(marts, filters, measure, week, order)
    return Table(
        caption="Ranking",
        columns=columns,
        rows=rows,
        note=f"{len(rows):,} of {total:,} albums. The mean is over each album's measured tracks, of their last value"
        " in the week; an album is eligible in the week it was released or first seen, and in the seven after.",
        empty="No album of this week fits: take a filter away, or choose another week.",
        total=total,
        sort=order.column,
        descending=order.descending,
    )


def _rows(
    marts: Marts, filters: Filters, measure: str, week: date, order: Order
) -> tuple[Sequence[Row], int]:
    found, total = _found(marts, filters, measure, week, order, (filters.page - 1) * ROWS, ROWS)
    covers = marts.rows("covers", albums=[row["album_id"] for row in found])
    images = {row["album_id"]: row["image_url"] for row in covers}
    return [{**row, "image_url": images.get(row["album_id"])} for row in found], total


def _found(
    marts: Marts, filters: Filters, measure: str, week: date, order: Order, first: int, most: int
) -> tuple[Sequence[Row], int]:
    return marts.page(
        "weekly_ranking",
        order=order,
        first=first,
        most=most,
        week_start=week,
        measure=measure,
        types=list(filters.type),
        of_artists=list(filters.artist),
        genre=filters.genre,
        label=filters.label,
        min_tracks=filters.min_tracks,
        min_value=filters.min_value,
        part_of_name=part_of_name(filters.q),
    )


def _columns(measure: str) -> list[Column]:
    digits = 1 if measure == "spotify_popularity" else 0
    scale = MEASURE_SCALES[measure]
    return [
        Column("rank", "Rank", missing=NOT_MEASURED, is_number=True),
        Column("status", "Change", change, explanation="Against the rank of the calendar week before."),
        Column("name", "Album", _album, is_text=True),
        Column("artist_names", "Artists", is_sortable=False, is_text=True),
        Column("album_type", "Type"),
        Column("release_date", "Released"),
        Column(
            "value_mean",
            "Mean",
            number("value_mean", digits),
            NOT_MEASURED,
            is_number=True,
            explanation=scale,
        ),
        Column("value_max", "Highest", number("value_max", 0), NOT_MEASURED, is_number=True),
        Column("tracks_measured", "Measured", measured, is_number=True),
        Column("previous_rank", "Last week", missing="-", is_number=True),
        Column("peak_rank", "Peak", missing=NOT_MEASURED, is_number=True),
        Column("weeks_on_list", "Weeks", is_number=True, explanation="Weeks in which it was measured."),
        Column("label", "Label", is_text=True),
        Column("genres", "Genres", is_sortable=False, is_text=True),
        Column("tracks", "Tracks", is_number=True, is_shown=False),
        Column("album_id", "Album id", is_shown=False, is_sortable=False),
        Column("week_start", "Week", is_shown=False, is_sortable=False),
        Column("measure", "Measure", is_shown=False, is_sortable=False),
    ]


def _album(row: Row) -> Cell:
    return Cell(row["name"] or "(no name)", href=album_address(row["album_id"]), image=row["image_url"])


def measured(row: Row) -> Cell:
    """How many of an album's tracks were measured in the week."""
    return Cell(f"{row['tracks_measured']} of {row['tracks']}")


def change(row: Row) -> Cell:
    """What became of an album's rank since the calendar week before."""
    status, rank, previous = row["status"], row["rank"], row["previous_rank"]
    if status == "up":
        return Cell(f"▲ {previous - rank}", tone="good")
    if status == "down":
        return Cell(f"▼ {rank - previous}", tone="bad")
    if status == "unmeasured":
        return Cell(NOT_MEASURED, is_missing=True)
    return Cell({"same": "=", "new": "new", "re-entry": "re-entry"}[status])
