"""The part of Spotify's search that a pipeline uses: tag:new, upc:, isrc:, year: and words of the name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from spotify_assets.sandbox.model import Album, Catalogue, Listing, Track

# Words are looked for in this many of the newest albums only: the real search ranks, this one does not.
SEARCHED_ALBUMS = 1000
_TERM = re.compile(r'(?:(\w+):)?(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True)
class Query:
    """A search text taken apart: `filters` by name, and the words that stand alone."""

    filters: dict[str, str]
    words: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Query:
        """Take `tag:new year:2026 moon*` apart."""
        filters: dict[str, str] = {}
        words: list[str] = []
        for name, quoted, plain in _TERM.findall(text):
            value = quoted or plain
            if name:
                filters[name.lower()] = value
            else:
                words.extend(value.lower().rstrip("*").split())
        return cls(filters, tuple(words))

    def matches(self, name: str, credited: str, release_date: str) -> bool:
        """Whether every word begins a word of the names, and the year fits."""
        known = f"{name} {credited}".lower().split()
        year = self.filters.get("year")
        if year is not None:
            first, _, last = year.partition("-")
            if not first <= release_date[:4] <= (last or first):
                return False
        return all(any(word.startswith(wanted) for word in known) for wanted in self.words)


def _names(item: Album | Track) -> str:
    return " ".join(artist.name for artist in item.artists)


def search_albums(catalogue: Catalogue, query: Query, now: datetime) -> Listing[Album]:
    """Albums by UPC (exact, leading zeros count), by tag:new, or by words."""
    if "upc" in query.filters:
        found = catalogue.find_upc(query.filters["upc"], now)
        return Listing.of([] if found is None else [found])
    is_fresh = query.filters.get("tag") == "new"
    listing = catalogue.fresh(now) if is_fresh else catalogue.new_releases(now)
    if is_fresh and not query.words and "year" not in query.filters:
        return listing
    albums = listing.page(0, SEARCHED_ALBUMS)
    return Listing.of(
        [album for album in albums if query.matches(album.name, _names(album), album.release_date)]
    )


def search_tracks(catalogue: Catalogue, query: Query, now: datetime) -> Listing[Track]:
    """Tracks by ISRC or by words; tag:new and upc are for albums only and find nothing."""
    if "isrc" in query.filters:
        found = catalogue.find_isrc(query.filters["isrc"], now)
        return Listing.of([] if found is None else [found])
    if "upc" in query.filters or "tag" in query.filters:
        return Listing.of([])
    albums = catalogue.new_releases(now).page(0, SEARCHED_ALBUMS)
    return Listing.of(
        [
            track
            for album in albums
            for track in album.tracks
            if query.matches(track.name, _names(track), album.release_date)
        ]
    )
