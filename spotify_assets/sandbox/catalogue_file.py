"""A catalogue given as a JSON file (`.json` or `.json.gz`), such as an export of one's own.

The file is one object of four lists; `albums` and `tracks` must be there. Fields marked * must be there too, all
others are filled in. Unknown fields are refused, for they are misspelt ones.

- `albums`: id*, name*, release_date* ("2026-11-20", "2026-11" or "2026"), album_type ("single" up to 3 tracks,
  else "album"), artist_ids (those of the first track), label (""), upc (""), image_url (""), popularity (mean
  of its tracks), markets (all)
- `tracks`: id*, album_id*, name*, disc_number (the same track number again begins the next disc), track_number
  (order in the file), duration_ms (180000), explicit (false), artist_ids (those of the album), popularity (0),
  isrc (""), markets (those of the album)
- `artists`: id*, name*, genres ([]), followers (0), popularity (0), image_url ("")
- `audio_features`: id* (of the track), danceability*, energy*, key*, loudness*, mode*, speechiness*,
  acousticness*, instrumentalness*, liveness*, valence*, tempo*, time_signature (4). A track without a row has
  none.

An artist who is credited but not in `artists` is named by its id, and unknown when asked for. All albums stand
in new releases, the newest release date first, whatever the clock says; popularity stays as given.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from spotify_assets.sandbox.draws import draws
from spotify_assets.sandbox.ids import is_well_formed
from spotify_assets.sandbox.markets import MARKETS
from spotify_assets.sandbox.model import Album, Artist, ArtistCredit, AudioFeatures, Listing, Track
from spotify_assets.sandbox.synthetic import reccobeats_delay

_Item = Mapping[str, Any]
_NUMBER = (int, float)
_SHARES = (
    "danceability",
    "energy",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
)
_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "albums": {
        "id": str,
        "name": str,
        "release_date": str,
        "album_type": str,
        "artist_ids": list,
        "label": str,
        "upc": str,
        "image_url": str,
        "popularity": int,
        "markets": list,
    },
    "tracks": {
        "id": str,
        "album_id": str,
        "name": str,
        "disc_number": int,
        "track_number": int,
        "duration_ms": int,
        "explicit": bool,
        "artist_ids": list,
        "popularity": int,
        "isrc": str,
        "markets": list,
    },
    "artists": {
        "id": str,
        "name": str,
        "genres": list,
        "followers": int,
        "popularity": int,
        "image_url": str,
    },
    "audio_features": {
        "id": str,
        **dict.fromkeys(_SHARES, _NUMBER),
        "key": int,
        "loudness": _NUMBER,
        "mode": int,
        "tempo": _NUMBER,
        "time_signature": int,
    },
}
_REQUIRED = {
    "albums": ("id", "name", "release_date"),
    "tracks": ("id", "album_id", "name"),
    "artists": ("id", "name"),
    "audio_features": tuple(name for name in _FIELDS["audio_features"] if name != "time_signature"),
}
_PRECISIONS = {4: "year", 7: "month", 10: "day"}
_TYPE_NAMES: dict[type | tuple[type, ...], str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list of texts",
    _NUMBER: "a number",
}


class CatalogueFileError(ValueError):
    """A catalogue file that cannot be used; the text names file, item and field."""


class _Reader:
    """Reads and checks one file; every complaint names where it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def complaint(self, text: str) -> CatalogueFileError:
        return CatalogueFileError(f"{self.path}: {text}")

    def read(self) -> dict[str, list[_Item]]:
        """The four lists, checked."""
        try:
            raw = self.path.read_bytes()
            text = gzip.decompress(raw) if self.path.suffix == ".gz" else raw
            content = json.loads(text)
        except OSError as error:
            raise self.complaint(f"cannot be read: {error}") from error
        except (ValueError, EOFError, zlib.error) as error:
            raise self.complaint(f"is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise self.complaint("must be an object with albums, tracks, artists and audio_features")
        for name in sorted(content.keys() - _FIELDS.keys()):
            raise self.complaint(f"unknown list {name!r}; there are {', '.join(_FIELDS)}")
        for name in ("albums", "tracks"):
            if name not in content:
                raise self.complaint(f"has no {name}")
        return {name: self._list(name, content.get(name, [])) for name in _FIELDS}

    def _list(self, name: str, items: object) -> list[_Item]:
        if not isinstance(items, list):
            raise self.complaint(f"{name} must be a list")
        checked = [self._item(name, place, item) for place, item in enumerate(items)]
        for item_id, count in Counter(item["id"] for item in checked).items():
            if count > 1:
                raise self.complaint(f"{name}: id {item_id} is there {count} times")
        return checked

    def _item(self, name: str, place: int, item: object) -> _Item:
        where = f"{name}[{place}]"
        if not isinstance(item, dict):
            raise self.complaint(f"{where} must be an object")
        where += f" (id {item.get('id')})"
        for field_name in _REQUIRED[name]:
            if field_name not in item:
                raise self.complaint(f"{where}: {field_name} is missing")
        for field_name, value in item.items():
            self._field(where, name, field_name, value)
        if not is_well_formed(item["id"]):
            raise self.complaint(f"{where}: id must be 22 letters and digits")
        return item

    def _field(self, where: str, name: str, field_name: str, value: object) -> None:
        wanted = _FIELDS[name].get(field_name)
        if wanted is None:
            raise self.complaint(f"{where}: unknown field {field_name}; there are {', '.join(_FIELDS[name])}")
        # bool is an int to Python, and never meant as one here.
        is_right = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        if isinstance(value, list):
            is_right = is_right and all(isinstance(entry, str) for entry in value)
        if not is_right:
            raise self.complaint(f"{where}: {field_name} must be {_TYPE_NAMES[wanted]}, is {value!r}")

    def release_day(self, album: _Item) -> date:
        """The first day of the album's release date."""
        text = album["release_date"]
        missing = {4: "-01-01", 7: "-01", 10: ""}.get(len(text), " of another form")
        try:
            return date.fromisoformat(text + missing)
        except ValueError as error:
            where = f"albums (id {album['id']})"
            raise self.complaint(
                f"{where}: release_date must be YYYY, YYYY-MM or YYYY-MM-DD, is {text!r}"
            ) from error


def _numbered(tracks: Iterable[_Item]) -> list[tuple[int, int, _Item]]:
    """Disc, number and item of an album's tracks in order, with what is missing filled in."""
    seen: Counter[int] = Counter()
    placed = []
    for place, track in enumerate(tracks, start=1):
        number = track.get("track_number", place)
        seen[number] += 1
        placed.append((track.get("disc_number", seen[number]), number, track))
    return sorted(placed, key=lambda entry: entry[:2])


class FileCatalogue:
    """A catalogue held in memory, as read from a file."""

    def __init__(self, lists: dict[str, list[_Item]], reader: _Reader) -> None:
        self.artists = {item["id"]: _artist(item) for item in lists["artists"]}
        self._features = {item["id"]: _features(item) for item in lists["audio_features"]}
        self.albums: dict[str, Album] = {}
        self.tracks: dict[str, Track] = {}
        by_album: dict[str, list[_Item]] = defaultdict(list)
        for track in lists["tracks"]:
            by_album[track["album_id"]].append(track)
        known = {album["id"] for album in lists["albums"]}
        for album_id in sorted(by_album.keys() - known):
            track_id = by_album[album_id][0]["id"]
            raise reader.complaint(f"tracks (id {track_id}): album_id {album_id} is not among the albums")
        for item in lists["albums"]:
            self._add(item, by_album[item["id"]], reader.release_day(item))
        for track_id in sorted(self._features.keys() - self.tracks.keys()):
            raise reader.complaint(f"audio_features (id {track_id}): no track has this id")
        self._newest_first = sorted(self.albums.values(), key=lambda album: album.released_on, reverse=True)
        self._numbered = list(self.albums.values())
        self._numbers = {album.album_id: number for number, album in enumerate(self._numbered)}
        self._upcs = {album.upc: album for album in self.albums.values() if album.upc}
        self._isrcs = {track.isrc: track for track in self.tracks.values() if track.isrc}

    def _credits(self, *choices: list[str] | None) -> tuple[ArtistCredit, ...]:
        """The first of the lists of artists that says something."""
        ids: list[str] = next((choice for choice in choices if choice), [])
        return tuple(
            self.artists[artist_id].credit
            if artist_id in self.artists
            else ArtistCredit(artist_id, artist_id)
            for artist_id in ids
        )

    def _add(self, item: _Item, track_items: list[_Item], released_on: date) -> None:
        placed = _numbered(track_items)
        first = placed[0][2].get("artist_ids") if placed else None
        markets = tuple(item.get("markets", MARKETS))
        tracks = tuple(
            self._track(track, disc, number, item, released_on, markets) for disc, number, track in placed
        )
        popularity = round(sum(track.popularity for track in tracks) / len(tracks)) if tracks else 0
        album = Album(
            album_id=item["id"],
            name=item["name"],
            album_type=item.get("album_type", "single" if len(tracks) <= 3 else "album"),
            release_date=item["release_date"],
            release_date_precision=_PRECISIONS[len(item["release_date"])],
            released_on=released_on,
            artists=self._credits(item.get("artist_ids"), first),
            label=item.get("label", ""),
            upc=item.get("upc", ""),
            image_url=item.get("image_url", ""),
            markets=markets,
            popularity=item.get("popularity", popularity),
            tracks=tracks,
        )
        self.albums[album.album_id] = album
        self.tracks.update((track.track_id, track) for track in tracks)

    def _track(
        self, item: _Item, disc: int, number: int, album: _Item, released_on: date, markets: tuple[str, ...]
    ) -> Track:
        return Track(
            track_id=item["id"],
            album_id=album["id"],
            name=item["name"],
            disc_number=disc,
            track_number=number,
            duration_ms=item.get("duration_ms", 180_000),
            explicit=item.get("explicit", False),
            artists=self._credits(item.get("artist_ids"), album.get("artist_ids")),
            isrc=item.get("isrc", ""),
            markets=tuple(item.get("markets", markets)),
            released_on=released_on,
            popularity=item.get("popularity", 0),
            audio_features=self._features.get(item["id"]),
            measured_after_days=0,
            reccobeats_after_days=reccobeats_delay(draws("reccobeats", item["id"])),
        )

    def new_releases(self, now: datetime) -> Listing[Album]:
        """All albums, the newest release date first."""
        del now
        return Listing.of(self._newest_first)

    def fresh(self, now: datetime) -> Listing[Album]:
        """The same as new_releases: a given catalogue has no clock."""
        return self.new_releases(now)

    def find_album(self, album_id: str, now: datetime) -> Album | None:
        """The album of this id."""
        del now
        return self.albums.get(album_id)

    def find_track(self, track_id: str, now: datetime) -> Track | None:
        """The track of this id."""
        del now
        return self.tracks.get(track_id)

    def find_artist(self, artist_id: str, now: datetime) -> Artist | None:
        """The artist of this id, if the file describes it."""
        del now
        return self.artists.get(artist_id)

    def find_upc(self, upc: str, now: datetime) -> Album | None:
        """The album with exactly this UPC."""
        del now
        return self._upcs.get(upc)

    def find_isrc(self, isrc: str, now: datetime) -> Track | None:
        """The track with exactly this ISRC."""
        del now
        return self._isrcs.get(isrc)

    def album_number(self, album: Album) -> int:
        """Its place in the file, from 0."""
        return self._numbers[album.album_id]

    def numbered_album(self, number: int, now: datetime) -> Album | None:
        """The album at this place of the file."""
        del now
        return self._numbered[number] if 0 <= number < len(self._numbered) else None

    def artist_albums(self, artist_id: str, now: datetime) -> Listing[Album]:
        """The albums whose first artist this is, newest first."""
        del now
        return Listing.of(
            [
                album
                for album in self._newest_first
                if album.artists and album.artists[0].artist_id == artist_id
            ]
        )

    def track_popularity(self, track: Track, day: date) -> int:
        """As given, on any day."""
        del day
        return round(track.popularity)

    def album_popularity(self, album: Album, day: date) -> int:
        """As given, on any day."""
        del day
        return album.popularity or 0

    def artist_popularity(self, artist: Artist, day: date) -> int:
        """As given, on any day."""
        del day
        return artist.popularity

    def artist_followers(self, artist: Artist, day: date) -> int:
        """As given, on any day."""
        del day
        return artist.followers


def _artist(item: _Item) -> Artist:
    return Artist(
        artist_id=item["id"],
        name=item["name"],
        genres=tuple(item.get("genres", ())),
        image_url=item.get("image_url", ""),
        popularity=item.get("popularity", 0),
        followers=item.get("followers", 0),
    )


def _features(item: _Item) -> AudioFeatures:
    return AudioFeatures(
        **{"time_signature": 4, **{name: value for name, value in item.items() if name != "id"}}
    )


def load_catalogue(path: Path) -> FileCatalogue:
    """Read a catalogue file of the format above.

    Raises:
        CatalogueFileError: names the file, the item and the field that is wrong.
    """
    reader = _Reader(path)
    return FileCatalogue(reader.read(), reader)
