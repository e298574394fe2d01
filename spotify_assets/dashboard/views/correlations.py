"""What goes with popularity: each audio feature's correlation with it, with its interval and in words."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from spotify_assets.dashboard.filters import FilterError, Filters
from spotify_assets.dashboard.marts import Marts, Row
from spotify_assets.dashboard.pages import Chart, Facts, NotFoundError, Page, Prose, Tab, Tabs
from spotify_assets.dashboard.scales import FEATURE_SCALES, MEASURE_SCALES
from spotify_assets.dashboard.tables import Cell, Column, Table, in_words, number
from spotify_assets.dashboard.views.choices import (
    ENOUGH,
    chosen_measure,
    feature_sources,
    in_long,
    sorted_by,
)

USES = frozenset({"measure", "method", "scope", "scope_value", "sort", "descending"})
_LEAST = 4
_METHODS = {"spearman": "Spearman's r", "pearson": "Pearson's r"}
_SCOPES = {
    "all": "All tracks",
    "release_week": "A week of release",
    "album_type": "A type",
    "genre": "A genre",
}
_APART, _NOT_APART = "apart from 0", "not apart from 0"


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The correlations of the scope that is asked for, or of all tracks."""
    del path
    measure = chosen_measure(marts, filters)
    method = filters.method or "spearman"
    scope = filters.scope or "all"
    values = [
        row["scope_value"]
        for row in marts.rows("correlation_scopes", measure=measure, scope=scope, method=method)
    ]
    value = _chosen_value(filters, scope, values)
    columns = _columns(measure, method)
    order = sorted_by(filters, columns, default="place", then=["feature"])
    rows, _ = marts.page(
        "correlations",
        order=order,
        first=0,
        most=len(FEATURE_SCALES),
        measure=measure,
        method=method,
        scope=scope,
        scope_value=value,
    )
    told = [{**row, "reading": in_plain_words(row, measure)} for row in rows]
    table = Table(
        caption="Features, the closest to popularity first" if order.column == "place" else "Features",
        columns=columns,
        rows=told,
        note="In words: |r| below 0.1 is next to nothing, below 0.3 faint, below 0.5 moderate, and from 0.5 on strong."
        f" n: tracks with both numbers, each once. {feature_sources(marts)}",
        empty="No correlation was built yet: they follow the first load of tracks.",
        sort=order.column,
        descending=order.descending,
    )
    return Page(
        title="What goes with popularity",
        lead=f"{_METHODS[method]} of each audio feature with {MEASURE_SCALES[measure].label},"
        f" {_of_tracks(scope, value)}, with its 95 % interval."
        if rows
        else "There are no correlations of such tracks yet.",
        table=table,
        sections=[*_facts(told), *_chart(told, measure, method, scope, value), table, _HOW_TO_READ],
        uses=USES,
        tabs=_tabs(filters, scope),
        choices={"scope_value": _in_order(scope, values)} if scope != "all" else {},
    )


_HOW_TO_READ = Prose(
    "How to read it",
    [
        "r is -1 to 1: 0 says that the two have nothing to do with each other. Pearson's r is about straight lines;"
        " Spearman's is about ranks, and heeds no single track's height. The interval is by Fisher's z.",
        "Of 20 features that have nothing to do with popularity, one would come out apart from 0 by chance. Tracks of"
        " one album sound alike and are popular together, so that the intervals are narrower than they should be. And"
        " what goes together need not make the other: a label that is heard more may choose louder music.",
    ],
)


def _chosen_value(filters: Filters, scope: str, values: Sequence[str]) -> str:
    """The value of the scope: the one that is asked for; else the latest week, or what has the most tracks.

    Raises:
        FilterError: a value without its scope.
        NotFoundError: the mart has no such value.
    """
    if filters.scope_value is None:
        return max(values, default="") if scope == "release_week" else next(iter(values), "all")
    if filters.scope is None:
        raise FilterError("scope_value says nothing without scope: release_week, album_type or genre.")
    if filters.scope_value not in values:
        what = {"release_week": "week of release", "album_type": "type", "genre": "genre"}.get(scope, "scope")
        raise NotFoundError(f"There are no correlations of the {what} {filters.scope_value[:60]!r}.")
    return filters.scope_value


def _in_order(scope: str, values: Sequence[str]) -> list[str]:
    return sorted(values, key=str.casefold, reverse=scope == "release_week")


def _of_tracks(scope: str, value: str) -> str:
    if scope == "release_week":
        return f"over the tracks released in the week of {in_long(date.fromisoformat(value))}"
    if scope == "all":
        return "over all tracks"
    return (
        f"over the tracks of {value}s" if scope == "album_type" else f"over the tracks of the genre {value}"
    )


def _tabs(filters: Filters, current: str) -> Tabs:
    return Tabs(
        "Over which tracks",
        [
            Tab(
                label,
                f"?{filters.query(scope=None if scope == 'all' else scope, scope_value=None)}",
                scope == current,
            )
            for scope, label in _SCOPES.items()
        ],
    )


def is_apart(row: Row) -> bool:
    """Whether there are tracks enough, and an interval that leaves 0 out."""
    return row["r"] is not None and row["n"] >= ENOUGH and (row["ci_low"] > 0 or row["ci_high"] < 0)


def in_plain_words(row: Row, measure: str) -> str:
    """What a row says, and what it does not say."""
    feature, popularity = FEATURE_SCALES[row["feature"]].label.lower(), MEASURE_SCALES[measure].label
    if row["n"] < _LEAST:
        return f"No coefficient: only {row['n']} of these tracks have both numbers, and it takes {_LEAST}."
    if row["r"] is None:
        return f"No coefficient: {feature} or {popularity} is the same on all {row['n']} tracks."
    if row["n"] < ENOUGH:
        return f"Too few tracks to tell: {row['n']}."
    if not is_apart(row):
        return "Cannot be told from no relation: the interval holds 0."
    return f"Higher {feature} goes with {'higher' if row['r'] > 0 else 'lower'} {popularity}, {_strength(row['r'])}."


def _strength(r: float) -> str:
    for limit, words in ((0.1, "next to nothing"), (0.3, "faintly"), (0.5, "moderately")):
        if abs(r) < limit:
            return words
    return "strongly"


def _facts(rows: Sequence[Row]) -> list[Facts]:
    if not rows:
        return []
    least, most = min(row["n"] for row in rows), max(row["n"] for row in rows)
    entries = [
        ("Tracks with both numbers", f"{least:,} to {most:,}" if least < most else f"{most:,}"),
        ("Apart from 0", f"{sum(map(is_apart, rows))} of {len(rows)} features"),
        ("Without a coefficient", f"{sum(row['r'] is None for row in rows)}"),
        ("Correlations as of", in_words(min(row["as_of"] for row in rows))),
    ]
    return [Facts("In short", entries)]


def _chart(rows: Sequence[Row], measure: str, method: str, scope: str, value: str) -> list[Chart]:
    drawn = [row for row in rows if row["r"] is not None]
    if not drawn:
        return []
    without = len(rows) - len(drawn)
    return [
        Chart(
            title=f"{_METHODS[method]} with {MEASURE_SCALES[measure].label}",
            finding=finding(rows, measure, method),
            spec=spec(drawn, method),
            note=f"{finding(rows, measure, method)} The line is the 95 % interval; a diamond is"
            f" not apart from 0, or has fewer than {ENOUGH} tracks. Drawn {_of_tracks(scope, value)}."
            + (
                f" Not drawn: {without} of {len(rows)} features, which have no coefficient."
                if without
                else ""
            ),
            height=32 * len(drawn) + 80,
        )
    ]


def finding(rows: Sequence[Row], measure: str, method: str) -> str:
    """The main finding, in a sentence."""
    popularity = MEASURE_SCALES[measure].label
    apart = sorted(filter(is_apart, rows), key=lambda row: (-abs(row["r"]), row["feature"]))
    if not apart:
        most = max(row["n"] for row in rows)
        return f"No feature can be told to go with {popularity} among these tracks (n up to {most:,})."
    closest = apart[0]
    return (
        f"{len(apart)} of {len(rows)} features go with {popularity} by more than chance would give, closest"
        f" {FEATURE_SCALES[closest['feature']].label.lower()}: {_METHODS[method]} {closest['r']:.2f}, 95 % interval"
        f" {closest['ci_low']:.2f} to {closest['ci_high']:.2f}, n = {closest['n']:,}."
    )


def spec(rows: Sequence[Row], method: str) -> dict[str, Any]:
    """Dots with their intervals, one line per feature; told apart by form as well as by colour."""
    values = [
        {
            "feature": FEATURE_SCALES[row["feature"]].label,
            "r": row["r"],
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
            "n": row["n"],
            "reading": row["reading"],
            "told": _APART if is_apart(row) else _NOT_APART,
        }
        for row in rows
    ]
    told = {"field": "told", "type": "nominal", "title": None}
    domain = {"domain": [_APART, _NOT_APART]}
    of_feature = {
        "y": {
            "field": "feature",
            "type": "nominal",
            "sort": None,
            "title": None,
            "axis": {"ticks": False, "domain": False, "grid": True, "labelPadding": 8},
        },
        "color": {**told, "scale": domain},
        "tooltip": [
            {"field": "feature", "title": "Feature"},
            {"field": "r", "type": "quantitative", "format": ".3f"},
            {"field": "ci_low", "title": "from", "type": "quantitative", "format": ".3f"},
            {"field": "ci_high", "title": "to", "type": "quantitative", "format": ".3f"},
            {"field": "n", "type": "quantitative", "format": ","},
            {"field": "reading", "title": "In words"},
        ],
    }
    along = {
        "type": "quantitative",
        "title": f"{_METHODS[method]} with its 95 % interval",
        "axis": {"tickCount": 6, "grid": False},
    }
    return {
        "width": "container",
        "height": 32 * len(values),
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "rule", "style": "quiet"}, "encoding": {"x": {"datum": 0}}},
            {
                "mark": {"type": "rule", "strokeWidth": 2.5},
                "encoding": {**of_feature, "x": {"field": "ci_low", **along}, "x2": {"field": "ci_high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    **of_feature,
                    "x": {"field": "r", **along},
                    "shape": {**told, "scale": {**domain, "range": ["circle", "diamond"]}},
                },
            },
        ],
    }


def _columns(measure: str, method: str) -> list[Column]:
    return [
        Column("feature", "Feature", lambda row: _feature(row, measure)),
        Column("r", _METHODS[method], number("r", 2), "no coefficient", is_number=True),
        Column("ci_low", "95 % from", number("ci_low", 2), "none", is_number=True),
        Column("ci_high", "95 % to", number("ci_high", 2), "none", is_number=True),
        Column(
            "n", "n", is_number=True, explanation="Tracks with both the feature and the measure, each once."
        ),
        Column("reading", "In words", _reading, is_text=True, is_sortable=False),
        Column("place", "Place by |r|", is_number=True, is_shown=False),
        Column("measure", "Measure", is_shown=False, is_sortable=False),
        Column("method", "Method", is_shown=False, is_sortable=False),
        Column("scope", "Scope", is_shown=False, is_sortable=False),
        Column("scope_value", "Scope value", is_shown=False, is_sortable=False),
        Column("as_of", "As of", is_shown=False, is_sortable=False),
    ]


def _reading(row: Row) -> Cell:
    return Cell(row["reading"], is_missing=not is_apart(row))


def _feature(row: Row, measure: str) -> Cell:
    """A feature, which leads to its tracks: those of the scope, where the explorer can choose them."""
    asked = {"x": row["feature"], "y": MEASURE_SCALES[measure].name}
    value = row["scope_value"]
    asked |= {
        "all": {},
        "release_week": {"week": value, "weeks": "1"},
        "album_type": {"type": value},
        "genre": {"genre": value},
    }[row["scope"]]
    return Cell(FEATURE_SCALES[row["feature"]].label, href=f"/explore?{urlencode(asked)}")
