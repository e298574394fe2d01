"""A track: how it sounds against all that was measured, how popular it is, and what sounds like it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spotify_assets.dashboard.filters import FEATURES, Filters
from spotify_assets.dashboard.marts import Marts, Row
from spotify_assets.dashboard.pages import Chart, Facts, NotFoundError, Page, Section
from spotify_assets.dashboard.tables import NOT_MEASURED, UNKNOWN, Cell, Column, Table, number
from spotify_assets.dashboard.views.choices import MEASURE_NAMES, MEASURE_SCALES, chosen_measure, in_long
from spotify_assets.dashboard.views.feature_dots import (
    UNIT_FEATURES,
    Quartiles,
    feature_dots,
    feature_name,
    in_unit,
    quartiles,
)
from spotify_assets.dashboard.views.links import artists, id_in, on_spotify
from spotify_assets.dashboard.views.popularity_weeks import all_weeks, popularity_lines
from spotify_assets.dashboard.views.releases import (
    FEATURES_NOTE,
    SOURCE_NAMES,
    album,
    features_by,
    length,
    ranking_of_week,
    release_date,
    released,
    tempo,
    track,
    why_no_feature,
    why_no_key,
)

# A day of new releases or two: all of them are looked at for each page.
CANDIDATES = 3_000
NEAREST = 12
_WHY_NOT = {
    "absent": "Its audio features were asked for, and there are none",
    "pending": "Nobody could be asked for its audio features yet",
}


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The track of an id.

    Raises:
        NotFoundError: it is not loaded.
    """
    track_id = id_in(path, "track_id")
    measure = chosen_measure(marts, filters)
    albums = marts.rows("track_albums", track_id=track_id, measure=measure)
    if not albums:
        raise NotFoundError(f"No track {track_id[:60]!r} is loaded: there is none, or not yet.")
    first = albums[0]
    table = _features(first, quartiles(marts))
    return Page(
        title=first["track_name"] or "(no name)",
        lead=_lead(first),
        table=table,
        sections=[
            _sound(first),
            _about(first, measure),
            *_dots(first, table.rows),
            table,
            *_popularity(marts, first, measure),
            _albums(albums),
            _nearest(marts, first),
        ],
        uses=frozenset({"measure"}),
        image=first["image_url"],
        links=on_spotify(marts, "track", track_id),
    )


def _lead(row: Row) -> str:
    when = released(row)
    out = f", released {'on ' if row['release_date_precision'] == 'day' else 'in '}{when}"
    return f"Track by {', '.join(row['artist_names'])}{out if row['release_date'] else ''}."


def _sound(row: Row) -> Facts:
    is_measured = row["features_status"] == "measured"
    measured: list[tuple[str, str | Cell | None]] = [
        ("Key", row["key_name"]),
        ("Camelot", row["camelot"]),
        ("BPM", tempo(row).text),
        ("Loudness", f"{row['loudness']:.1f} dB" if row["loudness"] is not None else None),
    ]
    features = measured if is_measured else [("Audio features", features_by(row))]
    return Facts(
        "The sound",
        [
            *((name, shown or Cell(why_no_key(row), is_missing=True)) for name, shown in features),
            ("Length", length(row).text),
            ("Explicit", "yes" if row["explicit"] else "no"),
        ],
    )


def _about(row: Row, measure: str) -> Facts:
    value = row["value"]
    entries = [
        ("Artists", artists(row["artist_ids"], row["artist_names"])),
        ("Album", album(row)),
        # Where there are none, that is said above.
        *([("Features by", features_by(row))] if row["features_source"] else []),
        (
            MEASURE_NAMES[measure],
            Cell(NOT_MEASURED, is_missing=True)
            if value is None
            else f"{value:,} on {in_long(row['measured_on'])}",
        ),
        ("Genres", ", ".join(row["genres"] or []) or Cell(UNKNOWN, is_missing=True)),
        ("Label", row["label"] or Cell(UNKNOWN, is_missing=True)),
        ("ISRC", row["isrc"] or Cell(UNKNOWN, is_missing=True)),
    ]
    return Facts("The track", entries, are_words=True)


def _features(row: Row, of_all: Mapping[str, Quartiles]) -> Table:
    rows = []
    for feature in FEATURES:
        # A tempo of 0 says that none was detected.
        value = None if feature == "tempo" and not row["tempo"] else row[feature]
        spread = of_all.get(feature)
        rows.append(
            {
                "track_id": row["track_id"],
                "feature": feature,
                "value": value,
                "percentile": row[f"{feature}_percentile"],
                "all_p25": spread and spread.p25,
                "all_median": spread and spread.median,
                "all_p75": spread and spread.p75,
                "n": spread and spread.n,
                "features_status": row["features_status"],
                "features_source": row["features_source"],
            }
        )
    return Table(
        caption="Audio features, against all measured tracks",
        columns=_FEATURE_COLUMNS,
        rows=rows,
        note=f"{_source(row)}. Percentile: the share of the n measured tracks with a lower value, ties half. Middle"
        f" half: from the lower to the upper quartile of them. {FEATURES_NOTE}",
        empty="",
    )


def _source(row: Row) -> str:
    if row["features_status"] == "measured":
        return f"Features by {SOURCE_NAMES[row['features_source']]}"
    return _WHY_NOT[row["features_status"]]


def _value(column: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(in_unit(row["feature"], row[column]))


_FEATURE_COLUMNS = [
    Column("feature", "Feature", lambda row: Cell(feature_name(row["feature"])), is_sortable=False),
    Column(
        "value",
        "This track",
        _value("value"),
        lambda row: why_no_key(row) if row["feature"] == "tempo" else why_no_feature(row),
        is_number=True,
        is_sortable=False,
    ),
    Column(
        "percentile",
        "Percentile",
        lambda row: Cell(f"{row['percentile']:.0%}"),
        "-",
        is_number=True,
        is_sortable=False,
    ),
    Column("all_median", "Median of all", _value("all_median"), is_number=True, is_sortable=False),
    Column("all_p25", "Lower quartile", _value("all_p25"), is_number=True, is_sortable=False),
    Column("all_p75", "Upper quartile", _value("all_p75"), is_number=True, is_sortable=False),
    Column("n", "n", missing="0", is_number=True, is_sortable=False),
    Column("features_status", "Measured by", features_by, is_sortable=False),
    Column("features_source", "Source", is_shown=False, is_sortable=False),
    Column("track_id", "Track id", is_shown=False, is_sortable=False),
]


def _dots(row: Row, features: Sequence[Row]) -> list[Section]:
    drawn = [
        {**each, "low": None, "high": None}
        for each in features
        if each["feature"] in UNIT_FEATURES and each["value"] is not None and each["n"]
    ]
    if not drawn:
        return []
    return [
        Chart(
            title="How it sounds",
            finding=_finding(drawn),
            spec=feature_dots(drawn),
            note=f"{_finding(drawn)} Dot: this track. Bar: the middle half of all measured tracks; line in it: their"
            f" median. {_source(row)}.",
            height=270,
        )
    ]


def _finding(rows: Sequence[Row]) -> str:
    ranked = [row for row in rows if row["percentile"] is not None]
    if not ranked:
        return f"{len(rows)} features, none of which has a percentile yet."
    apart = max(ranked, key=lambda row: abs(row["percentile"] - 0.5))
    part, than = apart["percentile"], "above"
    if part < 0.5:
        part, than = 1 - part, "below"
    return (
        f"It stands apart most in {apart['feature']}, {in_unit(apart['feature'], apart['value'])}:"
        f" {than} {part:.0%} of {apart['n']:,} measured tracks."
    )


def _popularity(marts: Marts, row: Row, measure: str) -> list[Section]:
    rows = marts.rows("track_weeks", track_id=row["track_id"], measure=measure)
    table = Table(
        caption="Popularity, week by week",
        columns=[
            Column("week_start", "Week from Monday", ranking_of_week, is_sortable=False),
            Column("value", MEASURE_NAMES[measure], is_number=True, is_sortable=False),
            Column("delta", "Change", _delta, "-", is_number=True, is_sortable=False),
            Column(
                "percentile",
                "Percentile",
                lambda each: Cell(f"{each['percentile']:.0%}"),
                is_number=True,
                is_sortable=False,
            ),
            Column("tracks_measured", "Of tracks", is_number=True, is_sortable=False),
            Column("measured_on", "Measured on", is_sortable=False),
        ],
        rows=rows,
        note=f"{MEASURE_SCALES[measure]}: the last value of each week. Change: against the calendar week before, where"
        " the track was measured in it. Percentile: the share of the tracks measured in the week that are below, ties"
        " half. A week without a measurement has no row.",
        empty=f"No week has a {MEASURE_NAMES[measure]} of this track: it was not measured. Choose the other measure"
        " above.",
    )
    if len(rows) < 2:
        return [table]
    latest, earliest = rows[0], rows[-1]
    finding = (
        f"{MEASURE_NAMES[measure]} {latest['value']:,} in the week of {in_long(latest['week_start'])}, and"
        f" {earliest['value']:,} in that of {in_long(earliest['week_start'])}: {len(rows)} of"
        f" {len(all_weeks(rows))} weeks measured."
    )
    names = {row["track_id"]: row["track_name"]}
    spec = popularity_lines(rows, names, row["track_id"], measure)
    chart = Chart(
        "Popularity over time", finding, spec, f"{finding} A week without one breaks the line.", 330
    )
    return [chart, table]


def _delta(row: Row) -> Cell:
    delta = row["delta"]
    if delta == 0:
        return Cell("=")
    return Cell(f"▲ {delta:,}", tone="good") if delta > 0 else Cell(f"▼ {-delta:,}", tone="bad")


def _albums(rows: Sequence[Row]) -> Table:
    return Table(
        caption="Albums it stands on",
        columns=[
            Column("album_id", "Album", album, is_text=True, is_sortable=False),
            Column("album_type", "Type", is_sortable=False),
            Column("release_date", "Released", release_date, is_sortable=False),
            Column("track_number", "Place", _place, is_number=True, is_sortable=False),
            Column("label", "Label", is_text=True, is_sortable=False),
        ],
        rows=rows,
        note="The one that came out first before the others: what this page says of the track is from there. Place: of"
        " the track, on its disc.",
        empty="",
    )


def _place(row: Row) -> Cell:
    disc = f" of disc {row['disc_number']}" if row["disc_number"] > 1 else ""
    return Cell(f"{row['track_number']}{disc}")


def _nearest(marts: Marts, row: Row) -> Table:
    is_measured = row["features_status"] == "measured"
    rows = (
        marts.rows("nearest_tracks", track_id=row["track_id"], most=CANDIDATES, shown=NEAREST)
        if is_measured
        else []
    )
    return Table(
        caption="Nearest new releases by sound",
        columns=[
            Column("track_name", "Track", track, is_text=True, is_sortable=False),
            Column(
                "artist_ids",
                "Artists",
                lambda each: artists(each["artist_ids"], each["artist_names"]),
                is_text=True,
                is_sortable=False,
            ),
            Column("distance", "Distance", number("distance", 2), is_number=True, is_sortable=False),
            Column("key_name", "Key", missing=why_no_key, is_sortable=False),
            Column("camelot", "Camelot", missing=why_no_key, is_sortable=False),
            Column("tempo", "BPM", tempo, is_number=True, is_sortable=False),
            Column("album_id", "Album", album, is_text=True, is_sortable=False),
            Column("release_date", "Released", release_date, is_sortable=False),
            Column("features_status", "Features by", features_by, is_sortable=False),
        ],
        rows=rows,
        note=_nearest_note(rows),
        empty="No other measured track can be compared with it."
        if is_measured
        else f"{_source(row)}: nothing can be compared with it.",
    )


def _nearest_note(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    extent = rows[0]
    return (
        f"Looked for among the {extent['candidates']:,} measured tracks that came out last, from"
        f" {extent['released_from']:%Y-%m-%d} to {extent['released_to']:%Y-%m-%d}. Distance: the root mean square of"
        " the differences of nine features, each in standard deviations among those tracks; 0 is alike, 1.4 is what"
        " two tracks taken at random are apart. A tempo that was not detected is left out, and so is the same"
        " recording (ISRC) under another id."
    )
