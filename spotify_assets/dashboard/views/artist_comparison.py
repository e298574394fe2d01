"""Artists side by side: the audio features of their tracks, against each other and against all releases."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spotify_assets.dashboard.charts import chart_spec
from spotify_assets.dashboard.filters import FEATURES, MOST_ARTISTS, UNIT_FEATURES, Filters
from spotify_assets.dashboard.marts import Marts, Row
from spotify_assets.dashboard.pages import Chart, NotFoundError, Page, Prose, Section
from spotify_assets.dashboard.tables import NOT_MEASURED, Cell, Column, Table
from spotify_assets.dashboard.views.addresses import artist_address
from spotify_assets.dashboard.views.choices import (
    chosen_measure,
    chosen_week,
    feature_sources,
    part_of_name,
)

USES = frozenset({"artist", "q"})
FOUND = 20
SUGGESTED = 10
LETTERS = "ABCDEF"
# Told apart without their colours, too.
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
UNITS = {"loudness": "dB", "tempo": "BPM"}
_DIGITS = {"loudness": 1, "tempo": 0}
_WHY_DOTS = (
    "Dots on one line can be compared exactly, and have room for the spread and for n. A radar chart has neither: it"
    " makes areas out of medians, which grow with the square of a value, and its shape depends on the order of its"
    " axes.",
    "z is the distance of the artist's mean from the mean of all measured tracks, in the standard deviations of those"
    " tracks: 0 is like all releases, and an artist beyond 1 or -1 is far from them. Every credited artist counts, not"
    " only the first; a track of two of them is in both.",
)


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The artists that are asked for, and a search for others.

    Raises:
        NotFoundError: there is no such artist.
    """
    del path
    rows = _profiles(marts, filters.artist)
    chosen = [row for row in rows if row["feature"] == FEATURES[0]]
    table = _table(rows, chosen)
    return Page(
        title="Compare artists",
        lead=_lead(chosen),
        table=table,
        sections=[
            *(_chosen(filters, chosen) if chosen else [table]),
            *_others(marts, filters, chosen),
            *_charts(rows, chosen),
            *([table] if chosen else []),
            Prose(
                "How to read it",
                [*_WHY_DOTS, f"{feature_sources(marts)} A profile does not tell them apart."],
            ),
        ],
        uses=USES,
    )


def _profiles(marts: Marts, artists: Sequence[str]) -> list[Row]:
    """The profiles in the order of the features, and within each of the artists as the address has them."""
    if not artists:
        return []
    found = {
        (row["artist_id"], row["feature"]): row
        for row in marts.rows("artist_profiles", artists=list(artists))
    }
    known = {artist for artist, _ in found}
    for artist in artists:
        if artist not in known:
            raise NotFoundError(f"No artist in the marts has the id {artist[:60]!r}.")
    letters = dict(zip(artists, LETTERS, strict=False))
    return [
        {**found[artist, feature], "letter": letters[artist]}
        for feature in FEATURES
        for artist in artists
        if (artist, feature) in found
    ]


def _lead(chosen: Sequence[Row]) -> str:
    if not chosen:
        return f"How the tracks of 2 to {MOST_ARTISTS} artists sound, feature by feature."
    names = [row["artist_name"] for row in chosen]
    if len(names) == 1:
        return f"How the tracks of {names[0]} sound; add another artist to compare with."
    return f"How the tracks of {', '.join(names[:-1])} and {names[-1]} sound, feature by feature."


def _chosen(filters: Filters, chosen: Sequence[Row]) -> list[Table]:
    def remove(row: Row) -> Cell:
        left = tuple(artist for artist in filters.artist if artist != row["artist_id"])
        return Cell(f"Remove {row['artist_name']}", href=f"?{filters.query(artist=left)}")

    table = Table(
        caption="Compared",
        columns=[
            Column("letter", "Letter"),
            Column("artist_name", "Artist", _artist, is_text=True),
            Column("tracks", "Tracks", is_number=True),
            Column("n", "Measured", is_number=True),
            Column("artist_id", "Remove", remove),
        ],
        rows=chosen,
        note="Tracks on which the artist is credited, each once, and those of them with audio features.",
        empty="",
    )
    return [table]


def _others(marts: Marts, filters: Filters, chosen: Sequence[Row]) -> list[Table]:
    if len(chosen) >= MOST_ARTISTS and not filters.q:
        return []
    if filters.q:
        caption = f"Artists whose name holds “{filters.q}”"
        rows = marts.rows("artists_found", part_of_name=part_of_name(filters.q), most=FOUND)
        note = f"The first {FOUND} at most, those with the most measured tracks first."
    elif len(chosen) < 2:
        caption = "Artists of the week's most popular releases"
        rows = _of_the_week(marts, filters)
        note = "Of the latest ranking; the search finds all others."
    else:
        return []
    return [
        Table(
            caption=caption,
            columns=[
                Column("artist_id", "Add", _adding(filters), is_text=True),
                Column("tracks", "Tracks", is_number=True),
                Column("n", "Measured", is_number=True),
            ],
            rows=[row for row in rows if filters.q or row["artist_id"] not in filters.artist],
            note=note,
            empty="No artist of a track in the warehouse has such a name: try a part of it.",
        )
    ]


def _of_the_week(marts: Marts, filters: Filters) -> Sequence[Row]:
    measure = chosen_measure(marts, filters)
    week = chosen_week(marts, filters, measure, [])
    if week is None:
        return []
    return marts.rows("artists_of_the_week", week_start=week, measure=measure, most=SUGGESTED)


def _adding(filters: Filters) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        if row["artist_id"] in filters.artist:
            return Cell(f"{row['artist_name']} (compared)")
        if len(filters.artist) >= MOST_ARTISTS:
            return Cell(f"{row['artist_name']} ({MOST_ARTISTS} at most: remove one first)")
        added = (*filters.artist, row["artist_id"])
        return Cell(f"Add {row['artist_name']}", href=f"?{filters.query(artist=added, q=None)}")

    return cell


def _charts(rows: Sequence[Row], chosen: Sequence[Row]) -> list[Section]:
    measured = [row for row in rows if row["n"]]
    if not measured:
        return []
    unit = [row for row in measured if row["feature"] in UNIT_FEATURES]
    sections: list[Section] = []
    if unit:
        sections.append(_profile_chart("Features from 0 to 1", unit, chosen, is_first=True))
    for feature, title in (("loudness", "Loudness"), ("tempo", "Tempo")):
        own = [row for row in measured if row["feature"] == feature]
        if own:
            sections.append(_profile_chart(f"{title}, {UNITS[feature]}", own, chosen, is_first=not sections))
    placed = [row for row in measured if row["z_vs_all"] is not None]
    if placed:
        sections.append(_distance_chart(placed, chosen))
    return sections


def _profile_chart(title: str, rows: Sequence[Row], chosen: Sequence[Row], *, is_first: bool) -> Chart:
    return Chart(
        title=title,
        finding=_finding(rows),
        spec=profile_spec(rows, chosen, has_legend=is_first),
        note=f"Mark: median. Bar: the middle half of the tracks. {_counts(rows, chosen)}"
        if is_first
        else f"Letters and shapes as above. {_counts(rows, chosen)}",
        height=_height(rows, chosen) + 80,
    )


def _distance_chart(rows: Sequence[Row], chosen: Sequence[Row]) -> Chart:
    furthest = max(rows, key=lambda row: abs(row["z_vs_all"]))
    return Chart(
        title="Against all releases",
        finding=f"Furthest from all releases is {furthest['artist_name']} in {furthest['feature']}: z"
        f" {furthest['z_vs_all']:+.2f}, n = {furthest['n']:,}.",
        spec=distance_spec(rows, chosen),
        note=f"z of the mean; the line at 0 is the mean of all measured tracks. {_counts(rows, chosen)}",
        height=_height(rows, chosen) + 80,
    )


def _finding(rows: Sequence[Row]) -> str:
    """Where the artists are furthest apart, or the one stands."""

    def of(feature: str) -> list[Row]:
        return sorted((row for row in rows if row["feature"] == feature), key=lambda row: row["median"])

    features = list(dict.fromkeys(row["feature"] for row in rows))
    apart = {feature: of(feature)[-1]["median"] - of(feature)[0]["median"] for feature in features}
    feature = max(features, key=lambda each: apart[each])
    least, most = of(feature)[0], of(feature)[-1]
    if least is most:
        return f"{least['artist_name']}: median {feature} {_value(least, 'median')}, n = {least['n']:,}."
    where = f"Furthest apart in {feature}" if len(features) > 1 else f"Median {feature}"
    return (
        f"{where}: {_value(least, 'median')} ({least['artist_name']}, n = {least['n']:,}) to"
        f" {_value(most, 'median')} ({most['artist_name']}, n = {most['n']:,})."
    )


def _counts(rows: Sequence[Row], chosen: Sequence[Row]) -> str:
    """The n of each artist, and who is not there."""
    parts = []
    for artist in chosen:
        counts = {row["n"] for row in rows if row["artist_id"] == artist["artist_id"]}
        if not counts:
            parts.append(f"{artist['letter']} not measured")
        elif len(counts) == 1:
            parts.append(f"{artist['letter']} {min(counts):,}")
        else:
            parts.append(f"{artist['letter']} {min(counts):,} to {max(counts):,}")
    return f"Measured tracks, n: {', '.join(parts)}."


def _height(rows: Sequence[Row], chosen: Sequence[Row]) -> int:
    return len({row["feature"] for row in rows}) * (16 * len(chosen) + 20)


def profile_spec(rows: Sequence[Row], chosen: Sequence[Row], *, has_legend: bool) -> dict[str, Any]:
    """Median and middle half of each artist, feature by feature."""
    feature = rows[0]["feature"]
    unit = UNITS.get(feature)
    scale: dict[str, Any] = {"zero": False} if unit else {"domain": [0, 1]}
    x = {"type": "quantitative", "title": unit, "scale": scale, "axis": {"tickCount": 6}}
    return _spec(
        rows,
        chosen,
        [
            {
                "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.35, "strokeCap": "round"},
                "encoding": {"x": {**x, "field": "p25"}, "x2": {"field": "p75"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {"x": {**x, "field": "median"}, "shape": _shape(chosen, has_legend=has_legend)},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 11},
                "encoding": {"x": {**x, "field": "p75"}, "text": {"field": "letter"}},
            },
        ],
        has_legend=has_legend,
    )


def distance_spec(rows: Sequence[Row], chosen: Sequence[Row]) -> dict[str, Any]:
    """Distance of each artist's mean from that of all tracks, feature by feature."""
    x = {"field": "z", "type": "quantitative", "title": "z of the mean", "axis": {"tickCount": 6}}
    letter = {"type": "text", "fontSize": 11}
    return _spec(
        rows,
        chosen,
        [
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.35},
                "encoding": {"x": x, "x2": {"datum": 0}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {"x": x, "shape": _shape(chosen, has_legend=False)},
            },
            # On the side that the line does not come from.
            {
                "mark": {**letter, "align": "right", "dx": -7},
                "encoding": {"x": x, "text": {"field": "letter_below"}},
            },
            {
                "mark": {**letter, "align": "left", "dx": 7},
                "encoding": {"x": x, "text": {"field": "letter_above"}},
            },
        ],
        has_legend=False,
    )


def _spec(
    rows: Sequence[Row], chosen: Sequence[Row], layer: list[dict[str, Any]], *, has_legend: bool
) -> dict[str, Any]:
    drawn = [
        {
            "feature": row["feature"],
            "artist": _labelled(row),
            "letter": row["letter"],
            "letter_below": row["letter"] if (row["z_vs_all"] or 0) < 0 else "",
            "letter_above": row["letter"] if (row["z_vs_all"] or 0) >= 0 else "",
            "n": row["n"],
            "median": row["median"],
            "p25": row["p25"],
            "p75": row["p75"],
            "z": row["z_vs_all"],
        }
        for row in rows
    ]
    encoding = {
        "y": {
            "field": "feature",
            "type": "nominal",
            "sort": None,
            "title": None,
            "axis": {"ticks": False, "domain": False},
            "scale": {"paddingInner": 0.25},
        },
        "yOffset": {"field": "letter", "type": "nominal", "scale": {"domain": list(LETTERS[: len(chosen)])}},
        "color": _colour(chosen, has_legend=has_legend),
    }
    return chart_spec(drawn, _height(rows, chosen), encoding=encoding, layer=layer)


def _labelled(row: Row) -> str:
    return f"{row['letter']} · {row['artist_name']}"


def _colour(chosen: Sequence[Row], *, has_legend: bool) -> dict[str, Any]:
    return {
        "field": "artist",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [_labelled(row) for row in chosen]},
        "legend": {"symbolOpacity": 1, "labelLimit": 240, "direction": "vertical"} if has_legend else None,
    }


def _shape(chosen: Sequence[Row], *, has_legend: bool) -> dict[str, Any]:
    return {
        **_colour(chosen, has_legend=has_legend),
        "scale": {"domain": [_labelled(row) for row in chosen], "range": list(SHAPES[: len(chosen)])},
    }


def _table(rows: Sequence[Row], chosen: Sequence[Row]) -> Table:
    return Table(
        caption="The numbers",
        columns=[
            Column("feature", "Feature", _feature, is_sortable=False),
            Column("letter", "Letter", is_sortable=False),
            Column("artist_name", "Artist", _artist, is_text=True, is_sortable=False),
            Column("median", "Median", _number("median"), NOT_MEASURED, is_number=True, is_sortable=False),
            Column(
                "p25",
                "Middle half",
                lambda row: Cell(f"{_value(row, 'p25')} to {_value(row, 'p75')}"),
                NOT_MEASURED,
                is_number=True,
                is_sortable=False,
            ),
            Column("mean", "Mean", _number("mean"), NOT_MEASURED, is_number=True, is_sortable=False),
            Column(
                "z_vs_all",
                "z, all releases",
                lambda row: Cell(f"{row['z_vs_all']:+.2f}"),
                "not known",
                is_number=True,
                is_sortable=False,
            ),
            Column(
                "n",
                "n",
                lambda row: Cell(f"{row['n']:,} of {row['tracks']:,}"),
                is_number=True,
                is_sortable=False,
            ),
            Column("p75", "Upper quartile", is_shown=False, is_sortable=False),
            Column("stddev", "Standard deviation", is_shown=False, is_sortable=False),
            Column("tracks", "Tracks", is_shown=False, is_sortable=False),
            Column("artist_id", "Artist id", is_shown=False, is_sortable=False),
            Column("as_of", "As of", is_shown=False, is_sortable=False),
        ],
        rows=rows,
        note=f"n: measured tracks, of those on which the artist is credited. {len(chosen)} of at most {MOST_ARTISTS}"
        " artists.",
        empty="No artist is chosen: search for a name, or add one of those below.",
    )


def _feature(row: Row) -> Cell:
    unit = UNITS.get(row["feature"])
    return Cell(f"{row['feature']}, {unit}" if unit else row["feature"])


def _value(row: Row, column: str) -> str:
    return f"{row[column]:,.{_DIGITS.get(row['feature'], 2)}f}"


def _number(column: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(_value(row, column))


def _artist(row: Row) -> Cell:
    return Cell(row["artist_name"], href=artist_address(row["artist_id"]))
