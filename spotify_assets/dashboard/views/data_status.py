"""What is loaded and measured, how old each mart is, and whose data it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.marts import Marts, Row
from spotify_assets.dashboard.pages import Facts, Page
from spotify_assets.dashboard.tables import Column, Table, in_words

_COVERAGE = [
    Column("week_start", "First seen in the week of", is_sortable=False),
    Column("albums", "Albums", is_number=True, is_sortable=False),
    Column("albums_loaded", "Loaded", is_number=True, is_sortable=False),
    Column("tracks", "Tracks", is_number=True, is_sortable=False),
    Column("features_spotify", "Features by Spotify", is_number=True, is_sortable=False),
    Column("features_reccobeats", "Features by ReccoBeats", is_number=True, is_sortable=False),
    Column("features_absent", "Features absent", is_number=True, is_sortable=False),
    Column("features_pending", "Features pending", is_number=True, is_sortable=False),
    Column("with_spotify_popularity", "With Spotify popularity", is_number=True, is_sortable=False),
    Column("with_deezer_rank", "With Deezer rank", is_number=True, is_sortable=False),
]
_BUILDS = [
    Column("mart", "Mart", is_sortable=False),
    Column("as_of", "As of", is_sortable=False),
    Column("rows", "Rows", is_number=True, is_sortable=False),
    Column("extent", "Last build", is_sortable=False),
]


def build(marts: Marts, filters: Filters, path: Mapping[str, Any]) -> Page:
    """The state of the data."""
    del filters, path
    coverage = marts.rows("coverage")
    builds = [vars(each) for _, each in sorted(marts.builds().items())]
    table = Table(
        caption="Coverage, by the week in which albums were first seen",
        columns=_COVERAGE,
        rows=coverage,
        note="Absent: asked for, and there were none. Pending: nobody could be asked yet.",
        empty="Nothing was seen yet: the first poll of new releases has not come.",
    )
    freshness = Table(
        caption="When each mart was last built",
        columns=_BUILDS,
        rows=builds,
        note="Every mart is built whole once a day, and in part after each load.",
        empty="No mart was built yet.",
    )
    return Page(
        title="Data status",
        lead="What was seen, what of it is loaded, and what of that is measured.",
        table=table,
        sections=[_totals(coverage), table, freshness],
        uses=frozenset(),
    )


def _totals(coverage: Sequence[Row]) -> Facts:
    def total(column: str) -> int:
        return sum(row[column] for row in coverage)

    tracks = total("tracks")

    def share(count: int) -> str:
        return f"{count:,} ({count / tracks:.1%})" if tracks else in_words(count)

    return Facts(
        "In all",
        [
            ("Albums seen", in_words(total("albums"))),
            ("Albums loaded", in_words(total("albums_loaded"))),
            ("Tracks", in_words(tracks)),
            ("With audio features", share(total("features_spotify") + total("features_reccobeats"))),
            ("With Spotify popularity", share(total("with_spotify_popularity"))),
            ("With Deezer rank", share(total("with_deezer_rank"))),
        ],
    )
