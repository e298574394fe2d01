"""The JSON objects of the Web API, with the fields each kind of access gets.

Development access has some keys missing, not null: see `_HIDDEN`. With a market, albums and tracks lose
`available_markets` and tracks gain `is_playable`, for either kind of access.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from urllib.parse import urlencode

from spotify_assets.sandbox.model import (
    Album,
    Artist,
    ArtistCredit,
    AudioFeatures,
    Catalogue,
    Listing,
    T,
    Track,
)

Access = Literal["extended", "development"]
Json = dict[str, Any]

# Keys that applications of development mode do not get since February 2026, by object.
_HIDDEN = {
    "album": frozenset({"popularity", "label", "available_markets", "album_group"}),
    "track": frozenset({"popularity", "available_markets", "linked_from"}),
    "artist": frozenset({"popularity", "followers", "genres"}),
}
_IMAGE_SIZES = ((640, "b273"), (300, "1e02"), (64, "4851"))
_EMBEDDED_TRACKS = 50


def _image_list(url: str) -> list[Json]:
    """Three sizes of a cover; a URL of another form is given as it is, size unknown."""
    if "0000b273" not in url:
        return [{"url": url, "height": 640, "width": 640}] if url else []
    return [
        {"url": url.replace("0000b273", f"0000{code}"), "height": size, "width": size}
        for size, code in _IMAGE_SIZES
    ]


def page(href: str, query: dict[str, Any], listing: Listing[T], items: Iterable[Any]) -> Json:
    """A paging object. `query` holds at least offset and limit; the links keep every other parameter."""
    offset, limit = query["offset"], query["limit"]

    def link(start: int) -> str:
        return f"{href}?{urlencode({**query, 'offset': start}, safe=',:*')}"

    return {
        "href": link(offset),
        "limit": limit,
        "next": link(offset + limit) if offset + limit < listing.total else None,
        "offset": offset,
        "previous": link(max(0, offset - limit)) if offset > 0 else None,
        "total": listing.total,
        "items": list(items),
    }


@dataclass(frozen=True)
class View:
    """How one caller sees the catalogue: kind of access, market, day, and the address it asked under."""

    catalogue: Catalogue
    access: Access
    market: str | None
    day: date
    base_url: str
    relinked: bool = False

    def _seen(self, kind: str, item: Json) -> Json:
        if self.access == "extended":
            return item
        return {key: value for key, value in item.items() if key not in _HIDDEN[kind]}

    def _reference(self, kind: str, item_id: str) -> Json:
        return {
            "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{item_id}"},
            "href": f"{self.base_url}{kind}s/{item_id}",
            "id": item_id,
            "type": kind,
            "uri": f"spotify:{kind}:{item_id}",
        }

    def _markets(self, markets: tuple[str, ...]) -> Json:
        return {"available_markets": list(markets)} if self.market is None else {}

    def credit(self, artist: ArtistCredit) -> Json:
        """SimplifiedArtistObject."""
        return {**self._reference("artist", artist.artist_id), "name": artist.name}

    def artist(self, artist: Artist) -> Json:
        """ArtistObject."""
        followers = self.catalogue.artist_followers(artist, self.day)
        item = {
            **self.credit(artist.credit),
            "followers": {"href": None, "total": followers},
            "genres": list(artist.genres),
            "images": _image_list(artist.image_url),
            "popularity": self.catalogue.artist_popularity(artist, self.day),
        }
        return self._seen("artist", item)

    def simple_album(self, album: Album) -> Json:
        """SimplifiedAlbumObject."""
        item = {
            **self._reference("album", album.album_id),
            "album_type": album.album_type,
            "artists": [self.credit(artist) for artist in album.artists],
            **self._markets(album.markets),
            "images": _image_list(album.image_url),
            "name": album.name,
            "release_date": album.release_date,
            "release_date_precision": album.release_date_precision,
            "total_tracks": album.total_tracks,
        }
        return self._seen("album", item)

    def discography_album(self, album: Album) -> Json:
        """ArtistDiscographyAlbumObject."""
        return self._seen("album", {**self.simple_album(album), "album_group": album.album_type})

    def album(self, album: Album) -> Json:
        """AlbumObject. `genres` is always empty, whatever the documentation says."""
        query = {"offset": 0, "limit": _EMBEDDED_TRACKS}
        item = {
            **self.simple_album(album),
            "copyrights": [
                {"text": f"{album.release_date[:4]} {album.label}", "type": "C"},
                {"text": f"{album.release_date[:4]} {album.label}", "type": "P"},
            ],
            "external_ids": {"upc": album.upc} if album.upc else {},
            "genres": [],
            "label": album.label,
            "popularity": self.catalogue.album_popularity(album, self.day),
            "tracks": self.album_tracks(album, query),
        }
        return self._seen("album", item)

    def album_tracks(self, album: Album, query: Json) -> Json:
        """PagingSimplifiedTrackObject."""
        if self.market is not None:
            query = {**query, "market": self.market}
        tracks = album.tracks[query["offset"] : query["offset"] + query["limit"]]
        listing = Listing(album.total_tracks, album.tracks.__getitem__)
        href = f"{self.base_url}albums/{album.album_id}/tracks"
        return page(href, query, listing, [self.simple_track(track) for track in tracks])

    def _playability(self, track: Track) -> Json:
        if self.market is None:
            return {}
        if self.market in track.markets:
            return {"is_playable": True}
        return {"is_playable": False, "restrictions": {"reason": "market"}}

    def _track_reference(self, track: Track) -> Json:
        """The track's own ids, or those of its twin, with `linked_from`, where the market relinks it."""
        if not self.relinked or self.market is None:
            return self._reference("track", track.track_id)
        origin = self._reference("track", track.track_id)
        return {**self._reference("track", twin(track.track_id)), "linked_from": origin}

    def simple_track(self, track: Track) -> Json:
        """SimplifiedTrackObject: no popularity, no ISRC, no album."""
        item = {
            **self._track_reference(track),
            "artists": [self.credit(artist) for artist in track.artists],
            **self._markets(track.markets),
            "disc_number": track.disc_number,
            "duration_ms": track.duration_ms,
            "explicit": track.explicit,
            "is_local": False,
            **self._playability(track),
            "name": track.name,
            "preview_url": None,
            "track_number": track.track_number,
        }
        return self._seen("track", item)

    def track(self, track: Track, album: Album) -> Json:
        """TrackObject."""
        item = {
            **self.simple_track(track),
            "album": self.simple_album(album),
            "external_ids": {"isrc": track.isrc} if track.isrc else {},
            "popularity": self.catalogue.track_popularity(track, self.day),
        }
        return self._seen("track", item)

    def audio_features(self, track: Track, features: AudioFeatures) -> Json:
        """AudioFeaturesObject."""
        return {
            **feature_values(features),
            "type": "audio_features",
            "id": track.track_id,
            "uri": f"spotify:track:{track.track_id}",
            "track_href": f"{self.base_url}tracks/{track.track_id}",
            "analysis_url": f"{self.base_url}audio-analysis/{track.track_id}",
            "duration_ms": track.duration_ms,
            "time_signature": features.time_signature,
        }


def feature_values(features: AudioFeatures) -> Json:
    """The measures that Spotify and ReccoBeats have in common."""
    return {
        "danceability": features.danceability,
        "energy": features.energy,
        "key": features.key,
        "loudness": features.loudness,
        "mode": features.mode,
        "speechiness": features.speechiness,
        "acousticness": features.acousticness,
        "instrumentalness": features.instrumentalness,
        "liveness": features.liveness,
        "valence": features.valence,
        "tempo": features.tempo,
    }


def twin(track_id: str) -> str:
    """The id under which a relinked track is played: its own, backwards."""
    return track_id[::-1]
