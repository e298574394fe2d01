"""The views: each turns the marts and what an address asks for into a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.marts import Marts
from spotify_assets.dashboard.pages import Page
from spotify_assets.dashboard.views import album, artist, data_status, track, weekly_ranking

Build = Callable[[Marts, Filters, Mapping[str, Any]], Page]


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        name: In file names and links.
        path: Its address.
        label: In the navigation; None: reached from other views alone.
        marts: The marts that it reads: how old it is.
        build: Makes the page.
        is_home: Whether it is the page at `/`.
    """

    name: str
    path: str
    label: str | None
    marts: Sequence[str]
    build: Build
    is_home: bool = False


VIEWS = (
    View(
        "ranking",
        "/ranking",
        "Ranking",
        ["weekly_popular_releases", "track_catalog"],
        weekly_ranking.build,
        is_home=True,
    ),
    View(
        "album",
        "/albums/{album_id}",
        None,
        ["track_catalog", "track_week", "weekly_popular_releases"],
        album.build,
    ),
    View(
        "track",
        "/tracks/{track_id}",
        None,
        ["track_catalog", "track_week", "feature_distribution"],
        track.build,
    ),
    View(
        "artist",
        "/artists/{artist_id}",
        None,
        ["track_catalog", "artist_feature_profile", "feature_distribution"],
        artist.build,
    ),
    View("status", "/status", "Data status", ["coverage"], data_status.build),
)
