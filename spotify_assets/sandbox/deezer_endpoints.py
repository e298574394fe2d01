"""Deezer's public API, as far as a pipeline needs it: an album by UPC or id, and its tracks.

It needs no key. Every error comes with HTTP 200. The tracks inside an album are at most 50, without ISRC and
position; these come with the pages of /album/{id}/tracks alone.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from spotify_assets.sandbox import deezer
from spotify_assets.sandbox.answers import Answer, RefusedError, deezer_no_data
from spotify_assets.sandbox.deezer import DeezerTrack
from spotify_assets.sandbox.draws import share
from spotify_assets.sandbox.endpoints import Call, Handler
from spotify_assets.sandbox.model import Album, ArtistCredit
from spotify_assets.sandbox.render import Json

_EMBEDDED_TRACKS = 50
_PAGE = 25
_LARGEST_PAGE = 100
_LONGEST_NUMBER = 18
_RECORD_TYPES = {"album": "album", "single": "single", "compilation": "compile"}


def _artist(artist: ArtistCredit) -> Json:
    return {
        "id": 1 + int(share("deezer artist", artist.artist_id) * 10**8),
        "name": artist.name,
        "type": "artist",
    }


def _short_track(found: DeezerTrack) -> Json:
    """A track as it is embedded in an album."""
    return {
        "id": found.deezer_id,
        "readable": True,
        "title": found.track.name,
        "link": f"https://www.deezer.com/track/{found.deezer_id}",
        "duration": found.duration,
        "rank": found.rank,
        "explicit_lyrics": found.track.explicit,
        "artist": _artist(found.track.artists[0] if found.track.artists else ArtistCredit("", "")),
        "type": "track",
    }


def _track(found: DeezerTrack) -> Json:
    """A track of the pages of an album's tracks."""
    return {
        **_short_track(found),
        "isrc": found.isrc,
        "track_position": found.track.track_number,
        "disk_number": found.track.disc_number,
    }


def _genres(call: Call, album: Album) -> list[Json]:
    artist = call.catalogue.find_artist(album.artists[0].artist_id, call.now) if album.artists else None
    known = deezer.genres(album, artist)
    return [{"id": genre.genre_id, "name": genre.name, "type": "genre"} for genre in known]


def _album(call: Call, album: Album) -> Json:
    deezer_id = deezer.album_id(call.catalogue, album)
    day = call.now.date()
    tracks = deezer.deezer_tracks(call.catalogue, album, day)
    genres = _genres(call, album)
    return {
        "id": deezer_id,
        "title": album.name,
        "upc": deezer.stored_upc(album),
        "link": f"https://www.deezer.com/album/{deezer_id}",
        "genre_id": genres[0]["id"],
        "genres": {"data": genres},
        "label": album.label,
        "nb_tracks": len(tracks),
        "duration": sum(track.duration for track in tracks),
        "fans": deezer.fans(album, day),
        "release_date": album.released_on.isoformat(),
        "record_type": _RECORD_TYPES.get(album.album_type, "album"),
        "available": True,
        "tracklist": f"{call.base_url}album/{deezer_id}/tracks",
        "explicit_lyrics": any(track.track.explicit for track in tracks),
        "artist": _artist(album.artists[0] if album.artists else ArtistCredit("", "")),
        "type": "album",
        "tracks": {"data": [_short_track(track) for track in tracks[:_EMBEDDED_TRACKS]]},
    }


def _number(text: str | None) -> int | None:
    """The whole number a text is, or None: Deezer takes what it cannot read for not given."""
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if text is not None and is_number else None


def _album_by_id(call: Call) -> Album:
    deezer_id = _number(call.path["id"])
    album = None if deezer_id is None else deezer.find_album(call.catalogue, deezer_id, call.now)
    if album is None:
        raise RefusedError(deezer_no_data())
    return album


def album_by_upc(call: Call) -> Answer:
    """GET /album/upc:{upc}: found by the UPC without its leading zeros, and now and then another album."""
    album = deezer.find_upc(call.catalogue, call.path["upc"], call.now)
    return deezer_no_data() if album is None else Answer(200, _album(call, album))


def one_album(call: Call) -> Answer:
    """GET /album/{id}."""
    return Answer(200, _album(call, _album_by_id(call)))


def album_tracks(call: Call) -> Answer:
    """GET /album/{id}/tracks: 25 by default; a limit above 100 is cut to it."""
    album = _album_by_id(call)
    limit = min(_number(call.query.get("limit")) or _PAGE, _LARGEST_PAGE)
    index = _number(call.query.get("index")) or 0
    tracks = deezer.deezer_tracks(call.catalogue, album, call.now.date())
    href = f"{call.base_url}album/{call.path['id']}/tracks"
    kept = {"limit": limit} if "limit" in call.query else {}
    body: dict[str, Any] = {
        "data": [_track(track) for track in tracks[index : index + limit]],
        "total": len(tracks),
    }
    if index > 0:
        body["prev"] = f"{href}?{urlencode({**kept, 'index': max(0, index - limit)})}"
    if index + limit < len(tracks):
        body["next"] = f"{href}?{urlencode({**kept, 'index': index + limit})}"
    return Answer(200, body)


# The path under /deezer/, the name under which calls are counted, and what answers; the first that fits is taken.
ENDPOINTS: tuple[tuple[str, str, Handler], ...] = (
    ("album/upc:{upc}", "deezer/album/upc:{upc}", album_by_upc),
    ("album/{id}", "deezer/album/{id}", one_album),
    ("album/{id}/tracks", "deezer/album/{id}/tracks", album_tracks),
)
