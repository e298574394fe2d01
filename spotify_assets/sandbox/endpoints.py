"""The endpoints of the Web API as functions of a call, without HTTP.

Limits, error texts and the difference between the kinds of access follow the recorded answers and the public
record of November 2026: a malformed id is 400 on its own and null in a batch, a removed endpoint is 403
"Forbidden", closed audio features are 403 without any message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from spotify_assets.sandbox.answers import Answer, RefusedError, api_error
from spotify_assets.sandbox.ids import is_well_formed
from spotify_assets.sandbox.markets import MARKETS
from spotify_assets.sandbox.model import Album, Catalogue, Listing, T, Track, measured_features
from spotify_assets.sandbox.render import Access, Json, View, page, twin
from spotify_assets.sandbox.search import Query, search_albums, search_tracks

_BATCH = {"albums": 20, "tracks": 50, "artists": 50, "audio-features": 100}
_SEARCH_TYPES = {"album", "artist", "playlist", "track", "show", "episode", "audiobook"}
_SEARCH_WINDOW = 1000
_FORBIDDEN = "Forbidden"


@dataclass(frozen=True)
class Call:
    """One request, taken apart, with what faults change of its answer."""

    catalogue: Catalogue
    access: Access
    now: datetime
    base_url: str
    query: Mapping[str, str]
    path: Mapping[str, str]
    new_releases_limit: int | None = None
    relinked: bool = False
    overlapping: bool = False
    border_status: int = 400

    @cached_property
    def view(self) -> View:
        """The catalogue as this caller sees it."""
        market = self.query.get("market")
        if market is not None and market not in MARKETS:
            raise RefusedError(api_error(400, "Invalid market code"))
        return View(self.catalogue, self.access, market, self.now.date(), self.base_url, self.relinked)

    def ids(self, endpoint: str) -> list[str]:
        """The ids of a batch call."""
        text = self.query.get("ids")
        if text is None:
            raise RefusedError(api_error(400, "Missing required field: ids"))
        ids = text.split(",")
        if ids == [""]:
            raise RefusedError(api_error(400, "invalid id"))
        if len(ids) > _BATCH[endpoint]:
            raise RefusedError(api_error(400, "Too many ids requested"))
        return ids

    def one_id(self, message: str = "invalid id") -> str:
        """The id in the path, refused where it has not the form of one."""
        item_id = self.path["id"]
        if not is_well_formed(item_id):
            raise RefusedError(api_error(400, message))
        return item_id

    def window(self, default: int, largest: int) -> Json:
        """Offset and limit of a page."""
        limit = self._number("limit", default)
        offset = self._number("offset", 0)
        if not 1 <= limit <= largest:
            raise RefusedError(api_error(400, "Invalid limit"))
        if offset < 0:
            raise RefusedError(api_error(400, "Invalid offset"))
        return {"offset": offset, "limit": limit}

    def _number(self, name: str, default: int) -> int:
        text = self.query.get(name)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError as error:
            raise RefusedError(api_error(400, f"Invalid {name}")) from error

    def refuse_without_extended_access(self, message: str | None = _FORBIDDEN) -> None:
        """403 for what development mode has lost."""
        if self.access == "development":
            raise RefusedError(api_error(403, message))

    def listed(self, listing: Listing[T], window: Json) -> Listing[T]:
        """The listing as the pages of this call show it."""
        return listing.overlapping(window["limit"]) if self.overlapping else listing

    def kept(self, *names: str) -> Json:
        """Parameters that the links of a page repeat."""
        return {name: self.query[name] for name in names if name in self.query}

    def track(self, track_id: str) -> Track | None:
        """A track by its id or by that of its twin."""
        found = self.catalogue.find_track(track_id, self.now)
        if found is None and self.relinked:
            return self.catalogue.find_track(twin(track_id), self.now)
        return found

    def album_of(self, track: Track) -> Album:
        """The album a known track is on."""
        album = self.catalogue.find_album(track.album_id, self.now)
        if album is None:
            raise RefusedError(api_error(404, "Resource not found"))
        return album


Handler = Callable[[Call], Answer]


def _found(item: Json | None, message: str = "Resource not found") -> Answer:
    return api_error(404, message) if item is None else Answer(200, item)


def new_releases(call: Call) -> Answer:
    """GET /browse/new-releases: every page of the list, 20 albums by default, at most 50."""
    call.refuse_without_extended_access()
    listing = call.catalogue.new_releases(call.now)
    if call.new_releases_limit is not None:
        listing = Listing(min(listing.total, call.new_releases_limit), listing.item)
    window = call.window(20, 50)
    listing = call.listed(listing, window)
    items = [call.view.simple_album(album) for album in listing.page(**window)]
    href = f"{call.base_url}browse/new-releases"
    return Answer(200, {"albums": page(href, {**call.kept("country"), **window}, listing, items)})


def _album(call: Call, album_id: str) -> Json | None:
    album = call.catalogue.find_album(album_id, call.now)
    return None if album is None else call.view.album(album)


def albums(call: Call) -> Answer:
    """GET /albums?ids=: at most 20, null for an unknown one."""
    call.refuse_without_extended_access()
    return Answer(200, {"albums": [_album(call, album_id) for album_id in call.ids("albums")]})


def one_album(call: Call) -> Answer:
    """GET /albums/{id}: with the first 50 tracks."""
    return _found(_album(call, call.one_id()))


def album_tracks(call: Call) -> Answer:
    """GET /albums/{id}/tracks: 20 by default, at most 50."""
    album = call.catalogue.find_album(call.one_id(), call.now)
    window = call.window(20, 50)
    return _found(None if album is None else call.view.album_tracks(album, window))


def _track(call: Call, track_id: str) -> Json | None:
    track = call.track(track_id)
    return None if track is None else call.view.track(track, call.album_of(track))


def tracks(call: Call) -> Answer:
    """GET /tracks?ids=: at most 50, null for an unknown one."""
    call.refuse_without_extended_access()
    return Answer(200, {"tracks": [_track(call, track_id) for track_id in call.ids("tracks")]})


def one_track(call: Call) -> Answer:
    """GET /tracks/{id}."""
    return _found(_track(call, call.one_id()))


def _features(call: Call, track_id: str) -> Json | None:
    track = call.track(track_id)
    features = None if track is None else measured_features(track, call.now.date())
    if track is None or features is None:
        return None
    # The answer names the id that was asked for, also where the track is known under another.
    return {**call.view.audio_features(track, features), "id": track_id, "uri": f"spotify:track:{track_id}"}


def audio_features(call: Call) -> Answer:
    """GET /audio-features?ids=: at most 100, null for an unknown or unmeasured track."""
    call.refuse_without_extended_access(message=None)
    ids = call.ids("audio-features")
    return Answer(200, {"audio_features": [_features(call, track_id) for track_id in ids]})


def one_audio_features(call: Call) -> Answer:
    """GET /audio-features/{id}."""
    call.refuse_without_extended_access(message=None)
    return _found(_features(call, call.one_id("invalid request")), "analysis not found")


def _artist(call: Call, artist_id: str) -> Json | None:
    artist = call.catalogue.find_artist(artist_id, call.now)
    return None if artist is None else call.view.artist(artist)


def artists(call: Call) -> Answer:
    """GET /artists?ids=: at most 50, null for an unknown one."""
    call.refuse_without_extended_access()
    return Answer(200, {"artists": [_artist(call, artist_id) for artist_id in call.ids("artists")]})


def one_artist(call: Call) -> Answer:
    """GET /artists/{id}."""
    return _found(_artist(call, call.one_id()))


def artist_albums(call: Call) -> Answer:
    """GET /artists/{id}/albums: development mode gets 5 by default and at most 10."""
    artist_id = call.one_id()
    window = call.window(5, 10) if call.access == "development" else call.window(20, 50)
    if call.catalogue.find_artist(artist_id, call.now) is None:
        return _found(None)
    listing = call.catalogue.artist_albums(artist_id, call.now)
    groups = call.query.get("include_groups")
    if groups is not None:
        every = listing.page(0, listing.total)
        listing = Listing.of([album for album in every if album.album_type in groups.split(",")])
    listing = call.listed(listing, window)
    items = [call.view.discography_album(album) for album in listing.page(**window)]
    kept = call.kept("include_groups", "market", "country")
    return Answer(200, page(f"{call.base_url}artists/{artist_id}/albums", {**window, **kept}, listing, items))


def markets(call: Call) -> Answer:
    """GET /markets."""
    call.refuse_without_extended_access()
    return Answer(200, {"markets": list(MARKETS)})


def search(call: Call) -> Answer:
    """GET /search: a page for each type; nothing is answered beyond the first 1000 results."""
    # The links of a page call the parameter `query`, as Spotify's own do.
    text = call.query.get("q") or call.query.get("query")
    if not text:
        raise RefusedError(api_error(400, "No search query"))
    types = call.query.get("type", "").split(",")
    if not set(types) <= _SEARCH_TYPES:
        raise RefusedError(api_error(400, "Bad search type field"))
    window = call.window(5, 10) if call.access == "development" else call.window(20, 50)
    if window["offset"] + window["limit"] > _SEARCH_WINDOW:
        # Both have been seen.
        message = "Not found." if call.border_status == 404 else "Bad request"
        raise RefusedError(api_error(call.border_status, message))
    return Answer(200, {f"{kind}s": _search_page(call, kind, text, window) for kind in types})


def _search_page(call: Call, kind: str, text: str, window: Json) -> Json:
    query = Query.parse(text)
    shown = {"query": text, "type": call.query["type"], **call.kept("market"), **window}
    items: list[Any] = []
    listing: Listing[Any] = Listing.of([])
    if kind == "album":
        listing = call.listed(search_albums(call.catalogue, query, call.now), window)
        items = [call.view.simple_album(album) for album in listing.page(**window)]
    elif kind == "track":
        listing = call.listed(search_tracks(call.catalogue, query, call.now), window)
        items = [call.view.track(track, call.album_of(track)) for track in listing.page(**window)]
    return page(f"{call.base_url}search", shown, listing, items)


def gone(call: Call) -> Answer:
    """Endpoints closed for everyone who asks anew: recommendations and related artists."""
    del call
    return api_error(404, "Not Found")


# The path under /v1/, the name under which calls are counted, and what answers.
ENDPOINTS: tuple[tuple[str, str, Handler], ...] = (
    ("browse/new-releases", "browse/new-releases", new_releases),
    ("albums", "albums", albums),
    ("albums/{id}", "albums/{id}", one_album),
    ("albums/{id}/tracks", "albums/{id}/tracks", album_tracks),
    ("tracks", "tracks", tracks),
    ("tracks/{id}", "tracks/{id}", one_track),
    ("audio-features", "audio-features", audio_features),
    ("audio-features/{id}", "audio-features/{id}", one_audio_features),
    ("artists", "artists", artists),
    ("artists/{id}", "artists/{id}", one_artist),
    ("artists/{id}/albums", "artists/{id}/albums", artist_albums),
    ("artists/{id}/related-artists", "artists/{id}/related-artists", gone),
    ("recommendations", "recommendations", gone),
    ("search", "search", search),
    ("markets", "markets", markets),
)
