"""An artist: what was released when, how it sounds, and with whom."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spotify_assets.dashboard.filters import FEATURES, Filters
from spotify_assets.dashboard.marts import Marts, Order, Row
from spotify_assets.dashboard.pages import Chart, Facts, NotFoundError, Page, Section
from spotify_assets.dashboard.tables import NOT_MEASURED, UNKNOWN, Cell, Column, Table, number
from spotify_assets.dashboard.views.addresses import artist_address
from spotify_assets.dashboard.views.choices import MEASURE_NAMES, MEASURE_SCALES, chosen_measure, sorted_by
from spotify_assets.dashboard.views.feature_dots import (
    UNIT_FEATURES,
    Quartiles,
    feature_dots,
    feature_name,
    in_unit,
    quartiles,
)
from spotify_assets.dashboard.views.links import id_in, on_spotify
from spotify_assets.dashboard.views.releases import album, album_name, counted, release_date

ROWS = 50
# One query serves the chart, which has all, and the table, which has a page of them.
_MOST_RELEASES = 2_000
_MOST_COLLABORATORS = 30


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The artist of an id.

    Raises:
        NotFoundError: no loaded track or album names the artist.
    """
    artist_id = id_in(path, "artist_id")
    measure = chosen_measure(marts, filters)
    columns = _columns(measure)
    order = sorted_by(filters, columns, default="release_date", then=["album_id"])
    if filters.sort is None:
        order = Order("release_date", True, ["album_id"])
    releases, total = marts.page(
        "artist_releases", order=order, first=0, most=_MOST_RELEASES, artist_id=artist_id, measure=measure
    )
    if not releases:
        raise NotFoundError(f"No loaded track names an artist {artist_id[:60]!r}: there is none, or not yet.")
    profile = marts.rows("artist_profile", artist_id=artist_id)
    collaborators = marts.rows("artist_collaborators", artist_id=artist_id, most=_MOST_COLLABORATORS)
    name = profile[0]["artist_name"] if profile else _credited_name(marts, artist_id)
    table = _releases(filters, order, columns, releases, total, measure)
    return Page(
        title=name or "(no name)",
        lead=f"Artist on {counted(total, 'release')}, on which every credit counts, first or not.",
        table=table,
        sections=[
            _facts(releases, total, profile, collaborators),
            *_in_time(releases, measure),
            table,
            *_sound(profile, quartiles(marts)),
            _collaborators(collaborators),
        ],
        uses=frozenset({"measure", "sort", "descending", "page"}),
        links=[
            ("Compare with other artists", f"/compare?{Filters(artist=(artist_id,)).query()}"),
            *on_spotify(marts, "artist", artist_id),
        ],
    )


def _credited_name(marts: Marts, artist_id: str) -> str | None:
    row = marts.row("artist_name", artist_id=artist_id)
    return row["artist_name"] if row else None


def _facts(
    releases: Sequence[Row], total: int, profile: Sequence[Row], collaborators: Sequence[Row]
) -> Facts:
    own = sum(row["is_own"] for row in releases)
    tracks = profile[0]["tracks"] if profile else 0
    with_features = max((row["n"] for row in profile), default=0)
    together = collaborators[0]["collaborators"] if collaborators else 0
    return Facts(
        "The artist",
        [
            ("Releases", f"{total:,}"),
            ("The artist's own", f"{own:,}"),
            ("Tracks credited", f"{tracks:,}"),
            ("With audio features", f"{with_features:,}"),
            ("Collaborators", f"{together:,}"),
        ],
    )


def _releases(
    filters: Filters,
    order: Order,
    columns: Sequence[Column],
    releases: Sequence[Row],
    total: int,
    measure: str,
) -> Table:
    first = (filters.page - 1) * ROWS
    shown = releases[first : first + ROWS]
    measured = sum(row["tracks_measured"] > 0 for row in releases)
    cut = f", of which the first {len(releases):,} in this order can be seen" if len(releases) < total else ""
    return Table(
        caption="Releases",
        columns=columns,
        rows=shown,
        note=f"{len(shown):,} of {counted(total, 'release')}{cut}; {measured:,} with a {MEASURE_NAMES[measure]}. Mean"
        " and highest: of the latest values of the tracks that count: all of them on a release of the artist's own,"
        " and those on which the artist is credited on others'.",
        empty="This page of the table is past its end: go back to the first.",
        total=len(releases),
        sort=order.column,
        descending=order.descending,
    )


def _columns(measure: str) -> list[Column]:
    digits = 1 if measure == "spotify_popularity" else 0
    scale = MEASURE_SCALES[measure]
    return [
        Column("release_date", "Released", release_date),
        Column("album_name", "Album", album, is_text=True),
        Column("album_type", "Type"),
        Column("is_own", "Credit", lambda row: Cell(_credit(row))),
        Column(
            "value_mean",
            "Mean",
            number("value_mean", digits),
            NOT_MEASURED,
            is_number=True,
            explanation=scale,
        ),
        Column(
            "value_max", "Highest", number("value_max", 0), NOT_MEASURED, is_number=True, explanation=scale
        ),
        Column("tracks_measured", "Measured", _measured, is_number=True),
        Column("tracks_with_features", "With features", _with_features, is_number=True),
        Column("label", "Label", is_text=True),
        Column("tracks", "Tracks", is_shown=False),
        Column("tracks_credited", "Tracks credited", is_shown=False),
        Column("release_date_precision", "Precision", is_shown=False, is_sortable=False),
        Column("album_id", "Album id", is_shown=False, is_sortable=False),
        Column("measure", "Measure", is_shown=False, is_sortable=False),
    ]


def _credit(row: Row) -> str:
    return "own" if row["is_own"] else "guest"


def _measured(row: Row) -> Cell:
    return Cell(f"{row['tracks_measured']} of {row['tracks']}")


def _with_features(row: Row) -> Cell:
    return Cell(f"{row['tracks_with_features']} of {row['tracks']}")


def _in_time(releases: Sequence[Row], measure: str) -> list[Section]:
    drawn = [row for row in releases if row["value_mean"] is not None and row["release_date"] is not None]
    if not drawn:
        return []
    highest = max(drawn, key=lambda row: (row["value_mean"], row["album_id"]))
    digits = 1 if measure == "spotify_popularity" else 0
    of = f"over {counted(highest['tracks_measured'], 'track')}"
    finding = (
        f"“{album_name(highest)}” is the most popular of {counted(len(drawn), 'measured release')}, with a mean"
        f" {MEASURE_NAMES[measure]} of {highest['value_mean']:,.{digits}f} {of}."
    )
    left_out = len(releases) - len(drawn)
    inexact = sum(row["release_date_precision"] != "day" for row in drawn)
    return [
        Chart(
            title="Releases in time, with their popularity",
            finding=finding,
            spec=release_dots(drawn, measure),
            note=" ".join([finding, *_not_exact(left_out, len(releases), inexact)]),
            height=330,
        )
    ]


def _not_exact(left_out: int, releases: int, inexact: int) -> list[str]:
    sentences = []
    if left_out:
        sentences.append(
            f"Not drawn, as not measured or without a date: {left_out:,} of {releases:,} releases."
        )
    if inexact:
        sentences.append(f"Drawn at the first day of their month or year, as no more is known: {inexact:,}.")
    return sentences


def release_dots(releases: Sequence[Row], measure: str) -> dict[str, Any]:
    """A point for each release, by its date and the mean popularity of its tracks."""
    points = [
        {
            "released": row["release_date"].isoformat(),
            "value": row["value_mean"],
            "album": album_name(row),
            "album_id": row["album_id"],
            "credit": _credit(row),
        }
        for row in releases
    ]
    by_credit = {
        "field": "credit",
        "type": "nominal",
        "scale": {"domain": ["own", "guest"]},
        "title": "Release",
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": 260,
        "data": {"values": points},
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 0.8},
        "encoding": {
            "x": {
                "field": "released",
                "type": "temporal",
                "scale": {"type": "utc"},
                "title": "Released",
                "axis": {"tickCount": 5, "labelOverlap": True, "format": _day_format(releases)},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": f"{MEASURE_SCALES[measure]}, mean",
                "scale": {"zero": False, "padding": 8},
                "axis": {"tickCount": 5},
            },
            "color": by_credit,
            "shape": by_credit,
        },
    }


def _day_format(releases: Sequence[Row]) -> str:
    """As exact as the ticks of the axis can be: they are months or years apart, where the releases are."""
    days = [row["release_date"] for row in releases]
    span = (max(days) - min(days)).days
    return "%-d %b" if span < 150 else "%b %Y" if span < 3_000 else "%Y"


def _sound(profile: Sequence[Row], of_all: Mapping[str, Quartiles]) -> list[Section]:
    by_feature = {row["feature"]: row for row in profile}
    rows = [_with_all(by_feature[each], of_all.get(each)) for each in FEATURES if each in by_feature]
    table = Table(
        caption="Audio features of the artist's tracks",
        columns=_PROFILE_COLUMNS,
        rows=rows,
        note="Over the tracks on which the artist is credited, first or not, each once; n of them were measured. z: how"
        " far the mean is from that of all measured tracks, in their standard deviations. A tempo of 0, which says"
        " that none was detected, is left out. Each track's page says whether Spotify or ReccoBeats measured it.",
        empty="The artist is credited on no loaded track, only on albums: there is no profile.",
    )
    drawn = [row for row in rows if row["feature"] in UNIT_FEATURES and row["n"] and row["all_n"]]
    if not drawn:
        return [table]
    finding = _finding(drawn)
    chart = Chart(
        title="How the artist sounds",
        finding=finding,
        spec=feature_dots(
            [{**row, "value": row["median"], "low": row["p25"], "high": row["p75"]} for row in drawn]
        ),
        note=f"{finding} Dot and line: the median and the middle half of the artist's tracks. Bar and the line in it:"
        " the same of all measured tracks.",
        height=270,
    )
    return [chart, table]


def _with_all(row: Row, of_all: Quartiles | None) -> Row:
    return {
        **row,
        "all_p25": of_all and of_all.p25,
        "all_median": of_all and of_all.median,
        "all_p75": of_all and of_all.p75,
        "all_n": of_all and of_all.n,
    }


def _finding(rows: Sequence[Row]) -> str:
    compared = [row for row in rows if row["z_vs_all"] is not None]
    if not compared:
        return f"Nothing tells the artist from all measured tracks (n = {rows[0]['n']:,})."
    apart = max(compared, key=lambda row: abs(row["z_vs_all"]))
    than = "above" if apart["z_vs_all"] > 0 else "below"
    return (
        f"Most apart in {apart['feature']}: the mean is {abs(apart['z_vs_all']):.2f} standard deviations {than} that of"
        f" all measured tracks (n = {apart['n']:,} of {apart['tracks']:,} tracks)."
    )


def _value(column: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(in_unit(row["feature"], row[column]))


_PROFILE_COLUMNS = [
    Column("feature", "Feature", lambda row: Cell(feature_name(row["feature"])), is_sortable=False),
    *(
        Column(name, label, _value(name), NOT_MEASURED, is_number=True, is_sortable=False)
        for name, label in (
            ("mean", "Mean"),
            ("median", "Median"),
            ("p25", "Lower quartile"),
            ("p75", "Upper quartile"),
            ("stddev", "Standard deviation"),
        )
    ),
    Column(
        "z_vs_all", "z", lambda row: Cell(f"{row['z_vs_all']:+.2f}"), "-", is_number=True, is_sortable=False
    ),
    Column("all_median", "Median of all", _value("all_median"), is_number=True, is_sortable=False),
    Column(
        "n", "n", lambda row: Cell(f"{row['n']:,} of {row['tracks']:,}"), is_number=True, is_sortable=False
    ),
]


def _collaborators(rows: Sequence[Row]) -> Table:
    tracks = rows[0]["tracks_in_all"] if rows else 0
    return Table(
        caption="Collaborators",
        columns=[
            Column("artist_name", "Artist", _artist, is_text=True, is_sortable=False),
            Column("tracks", "Tracks together", _together, is_number=True, is_sortable=False),
            Column("last_released_on", "Last one released", missing=UNKNOWN, is_sortable=False),
        ],
        rows=rows,
        note=f"{len(rows):,} of {rows[0]['collaborators'] if rows else 0:,} artists who are credited on the same track,"
        f" first or not, of {tracks:,} tracks; those with the most before the others.",
        empty="No loaded track credits the artist with anybody else.",
    )


def _artist(row: Row) -> Cell:
    return Cell(row["artist_name"] or "(no name)", href=artist_address(row["artist_id"]))


def _together(row: Row) -> Cell:
    return Cell(f"{row['tracks']:,} of {row['tracks_in_all']:,}")
