"""An album: what it is, how it ranked, and which of its tracks carries it."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.marts import Marts, Row
from spotify_assets.dashboard.pages import Chart, Facts, NotFoundError, Page, Prose, Section
from spotify_assets.dashboard.tables import NOT_MEASURED, UNKNOWN, Cell, Column, Table, number
from spotify_assets.dashboard.views.choices import (
    MEASURE_NAMES,
    MEASURE_SCALES,
    chosen_measure,
    in_long,
    sorted_by,
)
from spotify_assets.dashboard.views.links import artists, id_in, on_spotify
from spotify_assets.dashboard.views.popularity_weeks import (
    all_weeks,
    most_lines,
    popularity_lines,
    week_names,
)
from spotify_assets.dashboard.views.releases import (
    FEATURES_NOTE,
    album_name,
    counted,
    features_by,
    length,
    ranking_of_week,
    released,
    tempo,
    track,
    why_no_feature,
    why_no_key,
)
from spotify_assets.dashboard.views.weekly_ranking import change, measured

_MOST_TRACKS = 2_000


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The album of an id.

    Raises:
        NotFoundError: none of its tracks is loaded.
    """
    album_id = id_in(path, "album_id")
    measure = chosen_measure(marts, filters)
    columns = _columns(measure)
    order = sorted_by(
        filters, columns, default="disc_number", then=["disc_number", "track_number", "track_id"]
    )
    tracks, in_all = marts.page(
        "album_tracks", order=order, first=0, most=_MOST_TRACKS, album_id=album_id, measure=measure
    )
    if not tracks:
        raise NotFoundError(f"No track of an album {album_id[:60]!r} is loaded: there is none, or not yet.")
    table = Table(
        caption="Tracks",
        columns=columns,
        rows=tracks,
        note=f"{_coverage(tracks, in_all)} {FEATURES_NOTE}",
        empty="",
        sort=order.column,
        descending=order.descending,
    )
    album = tracks[0]
    *lines, by_week = _popularity(marts, tracks, measure)
    return Page(
        title=album_name(album),
        lead=_lead(album, tracks),
        table=table,
        sections=[
            _about(album),
            Prose("Which track carries it", [carrier(tracks, measure)]),
            *lines,
            table,
            by_week,
            _ranking(marts, album_id, measure),
        ],
        uses=frozenset({"measure", "sort", "descending"}),
        image=album["image_url"],
        links=on_spotify(marts, "album", album_id),
    )


def _lead(album: Row, tracks: Sequence[Row]) -> str:
    kind = (album["album_type"] or "release").capitalize()
    names = ", ".join(album["album_artist_names"] or [])
    by = f" by {names}" if names else ""
    when = released(album)
    out = f", released {'on ' if album['release_date_precision'] == 'day' else 'in '}{when}"
    return f"{kind}{by}{out if album['release_date'] else ''}: {counted(len(tracks), 'track')}."


def _about(album: Row) -> Facts:
    ids = album["album_artist_ids"]
    seen = album["first_seen_on"]
    entries = [
        ("Artists", artists(ids, album["album_artist_names"]) if ids else None),
        ("Label", album["label"]),
        ("Genres", ", ".join(album["genres"] or [])),
        ("Released", released(album)),
        ("First seen on a list", in_long(seen) if seen else None),
        ("UPC", album["upc"]),
    ]
    return Facts(
        "The album",
        [(name, value or Cell(UNKNOWN, is_missing=True)) for name, value in entries],
        are_words=True,
    )


def carrier(tracks: Sequence[Row], measure: str) -> str:
    """Which track has the highest popularity, in a sentence with its n."""
    values = [row["value"] for row in tracks if row["value"] is not None]
    name = MEASURE_NAMES[measure]
    if not values:
        return f"By {name} none is known to: of {counted(len(tracks), 'track')}, none was measured by it."
    leading = [row for row in tracks if row["value"] == max(values)]
    of = f"{len(values):,} of {len(tracks):,} tracks measured"
    if len(tracks) == 1:
        return f"Its one track has a {name} of {values[0]:,}."
    if len(values) == 1:
        return f"Only “{leading[0]['track_name']}” was measured: {name} {values[0]:,} ({of})."
    if len(leading) > 1:
        return f"No track alone: {len(leading)} share the highest {name}, {max(values):,} ({of})."
    return (
        f"“{leading[0]['track_name']}” carries it, with a {name} of {max(values):,};"
        f" the median of the album is {median(values):,.0f} ({of})."
    )


def _coverage(tracks: Sequence[Row], in_all: int) -> str:
    with_features = sum(row["features_status"] == "measured" for row in tracks)
    with_value = sum(row["value"] is not None for row in tracks)
    first = f"The first {len(tracks):,} of " if len(tracks) < in_all else ""
    return (
        f"{first}{counted(in_all, 'track')}, {with_features:,} with audio features, {with_value:,} with a popularity."
        " Each popularity is the latest one measured."
    )


def _popularity(marts: Marts, tracks: Sequence[Row], measure: str) -> list[Section]:
    rows = marts.rows("album_track_weeks", album_id=tracks[0]["album_id"], measure=measure)
    weeks = all_weeks(rows)
    by_track: dict[str, dict[str, int]] = {}
    for row in rows:
        by_track.setdefault(row["track_id"], {})[row["week_start"].isoformat()] = row["value"]
    # In the order of the album, whatever the table is sorted by.
    in_order = sorted(tracks, key=lambda row: (row["disc_number"], row["track_number"], row["track_id"]))
    short = week_names(weeks)
    table = Table(
        caption="Popularity by track and week",
        columns=[
            Column("track_name", "Track", track, is_text=True, is_sortable=False),
            *(
                Column(week.isoformat(), short[week], missing=NOT_MEASURED, is_number=True, is_sortable=False)
                for week in weeks
            ),
        ],
        rows=[
            {
                "track_id": row["track_id"],
                "track_name": row["track_name"],
                **{
                    week.isoformat(): by_track.get(row["track_id"], {}).get(week.isoformat())
                    for week in weeks
                },
            }
            for row in in_order
        ]
        if weeks
        else [],
        note=f"{MEASURE_SCALES[measure]}: the last value of each week. {len(by_track):,} of"
        f" {counted(len(tracks), 'track')} measured in any of these weeks.",
        empty=f"No week has a {MEASURE_NAMES[measure]} of any of its tracks: they were not measured."
        " Choose the other measure above.",
    )
    return [*_lines(rows, in_order, measure), table]


def _lines(rows: Sequence[Row], tracks: Sequence[Row], measure: str) -> list[Chart]:
    weeks = all_weeks(rows)
    if len(weeks) < 2:
        # One week is no line: the table has it.
        return []
    last = {row["track_id"]: row["value"] for row in rows}
    drawn = sorted(last, key=lambda track_id: (-last[track_id], track_id))[: most_lines(weeks)]
    names = {row["track_id"]: row["track_name"] for row in tracks if row["track_id"] in set(drawn)}
    values = [row["value"] for row in tracks if row["value"] is not None]
    leading = [row["track_id"] for row in tracks if values and row["value"] == max(values)]
    left_out = len(last) - len(names)
    apart = leading[0] if len(leading) == 1 else None
    colour = "; in colour and with its name: the one with the highest latest value" if apart else ""
    rest = f" The {left_out:,} least popular tracks are not drawn." if left_out else ""
    return [
        Chart(
            title="Popularity of its tracks, week by week",
            finding=f"{carrier(tracks, measure)} {len(weeks):,} weeks, from {in_long(weeks[0])}.",
            spec=popularity_lines(rows, names, apart, measure),
            note=f"One line a track, {len(names):,} of {len(tracks):,}{colour}. A week without a measurement breaks the"
            f" line.{rest}",
            height=330,
        )
    ]


def _ranking(marts: Marts, album_id: str, measure: str) -> Table:
    digits = 1 if measure == "spotify_popularity" else 0
    return Table(
        caption="Its places in the weekly ranking",
        columns=[
            Column("week_start", "Week from Monday", ranking_of_week, is_sortable=False),
            Column("rank", "Rank", missing=NOT_MEASURED, is_number=True, is_sortable=False),
            Column("status", "Change", change, is_sortable=False),
            Column(
                "value_mean",
                "Mean",
                number("value_mean", digits),
                NOT_MEASURED,
                is_number=True,
                is_sortable=False,
            ),
            Column(
                "value_max",
                "Highest",
                number("value_max", 0),
                NOT_MEASURED,
                is_number=True,
                is_sortable=False,
            ),
            Column("tracks_measured", "Measured", measured, is_number=True, is_sortable=False),
            Column("peak_rank", "Peak so far", missing=NOT_MEASURED, is_number=True, is_sortable=False),
            Column("weeks_on_list", "Weeks measured", is_number=True, is_sortable=False),
        ],
        rows=marts.rows("album_weeks", album_id=album_id, measure=measure),
        note=f"By {MEASURE_SCALES[measure]}: the mean of the tracks measured in the week. An album is eligible in the"
        " week it was released or first seen, and in the seven after.",
        empty="It is in no weekly ranking: an album is ranked in the week it was released or first seen, and in the"
        " seven after.",
    )


def _feature(name: str, label: str, digits: int = 2) -> Column:
    return Column(name, label, number(name, digits), why_no_feature, is_number=True)


def _columns(measure: str) -> list[Column]:
    return [
        Column("disc_number", "Disc", is_number=True, is_shown=False),
        Column("track_number", "No.", is_number=True),
        Column("track_name", "Track", track, is_text=True),
        Column(
            "value",
            MEASURE_NAMES[measure],
            missing=NOT_MEASURED,
            is_number=True,
            explanation=f"{MEASURE_SCALES[measure]}, the latest measured.",
        ),
        Column("duration_ms", "Length", length, is_number=True),
        Column("key_name", "Key", missing=why_no_key),
        Column("camelot", "Camelot", missing=why_no_key),
        Column("tempo", "BPM", tempo, why_no_feature, is_number=True),
        _feature("danceability", "Danceability"),
        _feature("energy", "Energy"),
        _feature("valence", "Valence"),
        _feature("acousticness", "Acousticness"),
        _feature("instrumentalness", "Instrumentalness"),
        _feature("liveness", "Liveness"),
        _feature("speechiness", "Speechiness"),
        _feature("loudness", "Loudness, dB", 1),
        Column("features_status", "Features by", features_by),
        Column("explicit", "Explicit"),
        Column(
            "artist_names",
            "Artists",
            lambda row: artists(row["artist_ids"], row["artist_names"]),
            is_text=True,
            is_sortable=False,
        ),
        *(
            Column(name, name, is_shown=False, is_sortable=False)
            for name in (
                "features_source",
                "key",
                "mode",
                "measured_on",
                "measure",
                "isrc",
                "track_id",
                "artist_ids",
                "album_id",
            )
        ),
    ]
