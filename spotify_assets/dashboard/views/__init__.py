"""The views: each turns the marts and what an address asks for into a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from spotify_assets.dashboard.feeds import Feed
from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.marts import Marts
from spotify_assets.dashboard.pages import Page
from spotify_assets.dashboard.views import (
    album,
    artist,
    artist_comparison,
    correlations,
    data_status,
    drift,
    exploration,
    movers,
    release_calendar,
    sounds,
    track,
    weekly_ranking,
)

Made = TypeVar("Made", covariant=True)


class BuildOf(Protocol[Made]):
    """Makes a page or a feed of the marts, for an address."""

    def __call__(self, marts: Marts, filters: Filters, path: Mapping[str, Any], /) -> Made:
        """Args: the marts, what the address asks for, and the parts of its path."""


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
        feed: Makes its Atom feed, as old as the first of `marts`; None: it has none.
    """

    name: str
    path: str
    label: str | None
    marts: Sequence[str]
    build: BuildOf[Page]
    is_home: bool = False
    feed: BuildOf[Feed] | None = None


VIEWS = (
    View(
        "ranking",
        "/ranking",
        "Ranking",
        ["weekly_popular_releases", "track_catalog"],
        weekly_ranking.build,
        is_home=True,
        feed=weekly_ranking.feed,
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
    View(
        "correlations",
        "/correlations",
        "Correlations",
        ["feature_popularity_correlation", "coverage"],
        correlations.build,
    ),
    View("explore", "/explore", "Explore", ["track_catalog", "feature_week"], exploration.build),
    View("drift", "/drift", "Drift", ["feature_week", "coverage"], drift.build),
    View("movers", "/movers", "Movers", ["track_week", "track_catalog"], movers.build, feed=movers.feed),
    View(
        "compare",
        "/compare",
        "Compare",
        ["artist_feature_profile"],
        artist_comparison.build,
    ),
    View("calendar", "/calendar", "Calendar", ["release_cadence", "track_catalog"], release_calendar.build),
    View("sounds", "/sounds", "Sounds", ["track_catalog", "feature_week"], sounds.build),
    View("status", "/status", "Data status", ["coverage"], data_status.build),
)
