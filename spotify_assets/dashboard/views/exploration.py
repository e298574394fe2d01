"""Two numbers of each track against each other: a scatter plot of the latest releases, with those that stand out."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from spotify_assets.dashboard.filters import FilterError, Filters
from spotify_assets.dashboard.marts import Marts, Order, Row
from spotify_assets.dashboard.pages import Chart, Facts, Page
from spotify_assets.dashboard.scales import MEASURE_SCALES, SCALES, Scale
from spotify_assets.dashboard.tables import Cell, Column, Table
from spotify_assets.dashboard.views.choices import ENOUGH, chosen_measure, in_long, sorted_by

ROWS = 50
MOST_POINTS = 5_000
WEEKS = 8
USES = frozenset(
    {
        "x",
        "y",
        "x_from",
        "x_to",
        "y_from",
        "y_to",
        "week",
        "weeks",
        "type",
        "genre",
        "explicit",
        "source",
        "sort",
        "descending",
        "page",
    }
)
_MEAN, _TRACK, _ABOVE, _BELOW = "mean", "track", "far above", "far below"
_SHOWN_AS = {"above": _ABOVE, "below": _BELOW, "within": _TRACK, None: _TRACK}


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The tracks of the weeks that are asked for, or of the latest ones."""
    del path
    across, upwards = _axes(marts, filters)
    _refuse_empty_ranges(filters)
    weeks = filters.weeks or WEEKS
    week = filters.week or (marts.row("latest_release_week") or {}).get("week_start")
    asked = _asked(marts, filters, across, upwards, week, weeks)
    steps = marts.rows("released_steps", **asked) if asked else []
    table = _table(marts, filters, across, upwards, asked, steps)
    return Page(
        title=f"{across.label} and {upwards.label}",
        lead=_lead(across, upwards, week, weeks),
        table=table,
        sections=[
            _facts(steps, len(table.rows)),
            *_charts(across, upwards, steps, table.rows),
            *_steps_table(across, upwards, steps),
            table,
        ],
        uses=USES,
        defaults={"x": across.name, "y": upwards.name, "weeks": str(WEEKS)},
    )


def _axes(marts: Marts, filters: Filters) -> tuple[Scale, Scale]:
    y = filters.y or MEASURE_SCALES[chosen_measure(marts, filters)].name
    x = filters.x or ("danceability" if y == "energy" else "energy")
    if x == y:
        raise FilterError(f"x and y are both {x}: choose two that differ.")
    return SCALES[x], SCALES[y]


def _refuse_empty_ranges(filters: Filters) -> None:
    for axis, least, most in (
        ("x", filters.x_from, filters.x_to),
        ("y", filters.y_from, filters.y_to),
    ):
        if least is not None and most is not None and least > most:
            raise FilterError(f"{axis}_from is above {axis}_to: nothing lies between.")


def _asked(
    marts: Marts, filters: Filters, across: Scale, upwards: Scale, week: date | None, weeks: int
) -> dict[str, object]:
    """What both statements are asked; nothing where there is no week."""
    if week is None:
        return {}
    built = marts.builds().get("track_catalog")
    last_day = week + timedelta(days=6)
    return {
        "x": across.name,
        "y": upwards.name,
        "first_day": week - timedelta(weeks=weeks - 1),
        # What is announced for later is no release yet.
        "last_day": min(last_day, built.as_of.date()) if built else last_day,
        "types": list(filters.type),
        "genre": filters.genre,
        "explicit": filters.explicit,
        "source": filters.source,
        "x_from": filters.x_from,
        "x_to": filters.x_to,
        "y_from": filters.y_from,
        "y_to": filters.y_to,
        "steps_per_unit": 1 / across.step,
        "last_step": across.last_step,
    }


def _lead(across: Scale, upwards: Scale, week: date | None, weeks: int) -> str:
    if week is None:
        return "No track with an exact day of release is known yet."
    when = (
        f"the week of {in_long(week)}" if weeks == 1 else f"the {weeks} weeks up to that of {in_long(week)}"
    )
    return f"{across.title} against {upwards.title} of the tracks released in {when}, each once."


def _measured(steps: Sequence[Row]) -> list[Row]:
    return [step for step in steps if step["step"] is not None]


def _sum(steps: Sequence[Row], column: str) -> int:
    return sum(step[column] for step in steps)


def _facts(steps: Sequence[Row], shown: int) -> Facts:
    measured, selected = _sum(_measured(steps), "n"), _sum(steps, "selected")
    entries = [
        ("Tracks released", f"{_sum(steps, 'n'):,}"),
        ("Shown", f"{shown:,} of {selected:,}"),
        ("Outside the ranges", f"{measured - selected:,}"),
        ("Not measured", f"{_sum(steps, 'n') - measured:,}"),
    ]
    return Facts("The tracks", entries)


def _charts(across: Scale, upwards: Scale, steps: Sequence[Row], tracks: Sequence[Row]) -> list[Chart]:
    if not tracks:
        return []
    selected = _sum(steps, "selected")
    sample = (
        f" Drawn are {len(tracks):,} of {selected:,}, taken by lot and always the same ones; the means are of all."
        if len(tracks) < selected
        else ""
    )
    return [
        Chart(
            title=f"{upwards.label} by {across.label.lower()}",
            finding=finding(across, upwards, steps),
            spec=spec(across, upwards, steps, tracks),
            note=f"{finding(across, upwards, steps)}{sample} {_not_measured(across, upwards, steps)} Open diamonds:"
            f" means of fewer than {ENOUGH} tracks. Drag over the chart to fill the ranges above.",
            height=440,
        )
    ]


def finding(across: Scale, upwards: Scale, steps: Sequence[Row]) -> str:
    """The main finding, in a sentence."""
    n = _sum(_measured(steps), "n")
    told = [step for step in _measured(steps) if step["n"] >= ENOUGH]
    if len(told) < 2:
        return f"{n:,} tracks: too few to compare means, which takes two steps of {ENOUGH} tracks."
    first, last = told[0], told[-1]

    def of(step: Row) -> str:
        return (
            f"{upwards.mean_written(step['mean'])} where {across.label.lower()} is"
            f" {across.step_written(step['step'])} (n = {step['n']:,})"
        )

    return f"Of {n:,} tracks, the mean of {upwards.label} is {of(first)}, and {of(last)}."


def _not_measured(across: Scale, upwards: Scale, steps: Sequence[Row]) -> str:
    missing = _sum(steps, "n") - _sum(_measured(steps), "n")
    if not missing:
        return "All tracks of these weeks have both numbers."
    without = ", ".join(
        f"{scale.label} of {_sum(steps, column):,}"
        for scale, column in ((across, "without_x"), (upwards, "without_y"))
    )
    return f"Not drawn are {missing:,} tracks without both numbers; not measured: {without}."


def spec(across: Scale, upwards: Scale, steps: Sequence[Row], tracks: Sequence[Row]) -> dict[str, Any]:
    """The tracks as points, those that stand out in other forms, and the mean of each step."""
    points = [
        {
            "x": track[across.name],
            "y": track[upwards.name],
            "track": track["track_name"],
            "artists": ", ".join(track["artist_names"]),
            "kind": _SHOWN_AS[track["stands_out"]],
        }
        for track in tracks
    ]
    means = [
        {
            "x": step["x_mean"],
            "y": step["mean"],
            "n": step["n"],
            "from_to": across.step_written(step["step"]),
            "is_enough": step["n"] >= ENOUGH,
        }
        for step in _measured(steps)
        if step["selected"]
    ]
    kinds = {"domain": [_MEAN, _TRACK, _ABOVE, _BELOW]}
    kind = {"field": "kind", "type": "nominal", "title": None}
    x = {
        "field": "x",
        "type": "quantitative",
        "title": across.title,
        "scale": {"zero": False},
        "axis": {"grid": False},
    }
    y = {"field": "y", "type": "quantitative", "title": upwards.title, "scale": {"zero": False}}
    of_mean = {
        "x": x,
        "y": y,
        "color": {"datum": _MEAN, "type": "nominal", "scale": kinds},
        "tooltip": [
            {"field": "from_to", "title": across.label},
            {"field": "y", "title": f"Mean of {upwards.label}", "format": f",.{upwards.mean_digits}f"},
            {"field": "n", "title": "n", "format": ","},
        ],
    }

    def means_where(is_enough: bool) -> dict[str, Any]:
        return {
            "transform": [{"filter": {"field": "is_enough", "equal": is_enough}}],
            "mark": {
                "type": "point",
                "filled": is_enough,
                "shape": "circle" if is_enough else "diamond",
                "size": 70,
                "opacity": 1,
                "strokeWidth": 2,
            },
            "encoding": of_mean,
        }

    brush = {"params": [{"name": "brush", "select": {"type": "interval", "zoom": False}}]}
    of_point = {
        "x": x,
        "y": y,
        "color": {**kind, "scale": kinds},
        "shape": {**kind, "scale": {**kinds, "range": ["circle", "circle", "triangle-up", "triangle-down"]}},
        "opacity": {"condition": {"param": "brush", "value": 0.6}, "value": 0.1},
        "tooltip": [
            {"field": "track", "title": "Track"},
            {"field": "artists", "title": "Artists"},
            {"field": "x", "title": across.label, "format": f",.{across.digits}f"},
            {"field": "y", "title": upwards.label, "format": f",.{upwards.digits}f"},
            {"field": "kind", "title": "Among its step"},
        ],
    }
    crowd = [point for point in points if point["kind"] == _TRACK]
    apart = [point for point in points if point["kind"] != _TRACK]
    drawn = [(values, size) for values, size in ((crowd, 32), (apart, 90)) if values]
    return {
        "width": "container",
        "height": 380,
        "layer": [
            *(
                {
                    "data": {"values": values},
                    # One of the layers holds the brush, and all heed it.
                    **(brush if number == 0 else {}),
                    "mark": {"type": "point", "filled": True, "size": size},
                    "encoding": of_point,
                }
                for number, (values, size) in enumerate(drawn)
            ),
            {
                "data": {"values": means},
                "layer": [
                    {"mark": {"type": "line", "strokeWidth": 2}, "encoding": of_mean},
                    *(means_where(is_enough) for is_enough in sorted({mean["is_enough"] for mean in means})),
                ],
            },
        ],
    }


def _steps_table(across: Scale, upwards: Scale, steps: Sequence[Row]) -> list[Table]:
    def of(name: str) -> Column:
        label = {"mean": "Mean", "p25": "Lower quartile", "median": "Median", "p75": "Upper quartile"}[name]
        return Column(
            name, label, lambda row: Cell(upwards.mean_written(row[name])), is_number=True, is_sortable=False
        )

    columns = [
        Column(
            "step",
            across.title,
            lambda row: Cell(across.step_written(row["step"])),
            is_sortable=False,
        ),
        Column("n", "n", _enough, is_number=True, is_sortable=False),
        Column("selected", "Within the ranges", is_number=True, is_sortable=False),
        *map(of, ("mean", "p25", "median", "p75")),
    ]
    measured = _measured(steps)
    if not measured:
        return []
    return [
        Table(
            caption=f"{upwards.label} by steps of {across.label.lower()}",
            columns=columns,
            rows=measured,
            note=f"Over all {_sum(measured, 'n'):,} tracks with both numbers, within the ranges or not. A step does not"
            " hold its upper end, but the last of a closed scale does.",
            empty="",
        )
    ]


def _enough(row: Row) -> Cell:
    return Cell(f"{row['n']:,}" if row["n"] >= ENOUGH else f"few: {row['n']:,}")


def _table(
    marts: Marts,
    filters: Filters,
    across: Scale,
    upwards: Scale,
    asked: Mapping[str, object],
    steps: Sequence[Row],
) -> Table:
    columns = _columns(across, upwards)
    order = sorted_by(filters, columns, default="distance", then=["track_id"])
    tracks = _tracks(marts, across, upwards, asked, steps, order if filters.sort else _FARTHEST_FIRST)
    selected = _sum(steps, "selected")
    first = (filters.page - 1) * ROWS
    what = (
        f"{len(tracks):,} of the {selected:,} tracks, taken by lot and always the same ones: take fewer weeks, or"
        " narrow the ranges, to see all"
        if len(tracks) < selected
        else f"All {selected:,} tracks"
    )
    return Table(
        caption="Tracks",
        columns=columns,
        rows=tracks,
        page_rows=tracks[first : first + ROWS],
        total=len(tracks),
        note=f"{what}; the files hold them on one page. A track stands out where it lies more than one and a half times"
        f" the width of the middle half of its step of {across.label.lower()} beyond that half (Tukey's fences); steps"
        f" of fewer than {ENOUGH} tracks do not tell.",
        empty=_why_empty(steps),
        sort=order.column,
        descending=order.descending,
    )


_FARTHEST_FIRST = Order("distance", descending=True, then=["track_id"])


def _why_empty(steps: Sequence[Row]) -> str:
    if _sum(steps, "selected"):
        return "The table has no such page: go back to the first."
    if _measured(steps):
        return "No track lies within these ranges: widen them."
    if steps:
        return "None of these tracks has both numbers: choose other ones, or other weeks."
    return "No track of these weeks fits: take a filter away, or choose other weeks."


def _tracks(
    marts: Marts,
    across: Scale,
    upwards: Scale,
    asked: Mapping[str, object],
    steps: Sequence[Row],
    order: Order,
) -> list[Row]:
    if not _sum(steps, "selected"):
        return []
    told = [step for step in _measured(steps) if step["n"] >= ENOUGH]
    names = {across.name: "x", upwards.name: "y"}
    rows, _ = marts.page(
        "released_tracks",
        order=Order(names.get(order.column, order.column), order.descending, order.then),
        first=0,
        most=MOST_POINTS,
        sample=MOST_POINTS,
        **asked,
        steps=[step["step"] for step in told],
        means=[step["mean"] for step in told],
        lower_quartiles=[step["p25"] for step in told],
        upper_quartiles=[step["p75"] for step in told],
    )
    return [{**row, across.name: row["x"], upwards.name: row["y"]} for row in rows]


def _columns(across: Scale, upwards: Scale) -> list[Column]:
    def value(scale: Scale) -> Column:
        return Column(
            scale.name,
            scale.label,
            lambda row: Cell(scale.written(row[scale.name])),
            is_number=True,
            explanation=scale.unit,
        )

    return [
        Column("track_name", "Track", _track, is_text=True),
        Column("artist_names", "Artists", is_sortable=False, is_text=True),
        Column("album_name", "Album", _album, is_text=True),
        Column("release_date", "Released"),
        value(across),
        value(upwards),
        Column(
            "from_mean",
            "From the mean",
            lambda row: Cell(f"{row['from_mean']:+,.{upwards.mean_digits}f}"),
            "too few to tell",
            is_number=True,
            explanation=f"Of {upwards.label}, among the tracks of the same step of {across.label.lower()}.",
        ),
        Column("stands_out", "Stands out", _stands_out, "too few to tell"),
        Column("features_source", "Features by", missing="not measured"),
        Column("album_type", "Type", is_shown=False),
        Column("track_id", "Track id", is_shown=False, is_sortable=False),
        Column("album_id", "Album id", is_shown=False, is_sortable=False),
        Column("distance", "Distance", is_shown=False),
    ]


def _stands_out(row: Row) -> Cell:
    return Cell({"above": "▲ above", "below": "▼ below", "within": "no"}[row["stands_out"]])


def _track(row: Row) -> Cell:
    return Cell(row["track_name"] or "(no name)", href=f"/tracks/{quote(row['track_id'], safe='')}")


def _album(row: Row) -> Cell:
    return Cell(row["album_name"] or "(no name)", href=f"/albums/{quote(row['album_id'], safe='')}")
