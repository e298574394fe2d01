"""What a catalogue holds, and what the server asks of one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

VARIOUS_ARTISTS = "Various Artists"


@dataclass(frozen=True, slots=True)
class ArtistCredit:
    """An artist as named on an album or a track."""

    artist_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Artist:
    """An artist of the catalogue.

    `fame` runs from 0 to 1 and steers popularity and followers in the synthetic catalogue; a given catalogue
    leaves it at 0 and states both numbers.
    """

    artist_id: str
    name: str
    genres: tuple[str, ...]
    image_url: str
    popularity: int
    followers: int
    fame: float = 0.0

    @property
    def credit(self) -> ArtistCredit:
        """This artist as named on an album or a track."""
        return ArtistCredit(self.artist_id, self.name)


@dataclass(frozen=True, slots=True)
class AudioFeatures:
    """Spotify's measures of one track: shares of 0 to 1, loudness in dB, tempo in beats a minute."""

    danceability: float
    energy: float
    key: int
    loudness: float
    mode: int
    speechiness: float
    acousticness: float
    instrumentalness: float
    liveness: float
    valence: float
    tempo: float
    time_signature: int


@dataclass(frozen=True, slots=True)
class Track:
    """One track of one album.

    `audio_features` is None where Spotify never measures the track; otherwise they are answered from
    `measured_after_days` after the release on. `reccobeats_after_days` is the same for ReccoBeats, None for
    never. `popularity` is the height a synthetic track peaks at, or the fixed number of a given catalogue.
    """

    track_id: str
    album_id: str
    name: str
    disc_number: int
    track_number: int
    duration_ms: int
    explicit: bool
    artists: tuple[ArtistCredit, ...]
    isrc: str
    markets: tuple[str, ...]
    released_on: date
    popularity: float
    audio_features: AudioFeatures | None
    measured_after_days: int
    reccobeats_after_days: int | None


@dataclass(frozen=True, slots=True)
class Album:
    """One album with its tracks in order of disc and number.

    `release_date` is the text Spotify shows ("2026-11-20", "1994-06", "1987"); `released_on` is the day on
    which the album appeared in the catalogue, which differs for reissues.
    """

    album_id: str
    name: str
    album_type: str
    release_date: str
    release_date_precision: str
    released_on: date
    artists: tuple[ArtistCredit, ...]
    label: str
    upc: str
    image_url: str
    markets: tuple[str, ...]
    popularity: int | None
    tracks: tuple[Track, ...]

    @property
    def total_tracks(self) -> int:
        """Number of tracks on all discs."""
        return len(self.tracks)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """An ordered list that is built page by page: 100,000 albums cost nothing until someone asks for them."""

    total: int
    item: Callable[[int], T]

    def page(self, offset: int, limit: int) -> list[T]:
        """The items from `offset` on, at most `limit`."""
        return [self.item(index) for index in range(offset, min(offset + limit, self.total))]

    def overlapping(self, limit: int) -> Listing[T]:
        """The same in pages of `limit` that each begin with the last item of the page before.

        The total counts the repeated items too, so that whoever reads to the end has seen everything.
        """
        if limit < 2 or self.total <= limit:
            return self
        pages = math.ceil((self.total - 1) / (limit - 1))
        return Listing(self.total + pages - 1, lambda index: self.item(index - index // limit))

    @classmethod
    def of(cls, items: list[T]) -> Listing[T]:
        """A listing of items that are there already."""
        return cls(len(items), items.__getitem__)


class Catalogue(Protocol):
    """What the server asks of a catalogue. `now` is the server's clock; what is not out yet is unknown."""

    def new_releases(self, now: datetime) -> Listing[Album]:
        """The list behind browse/new-releases, newest first."""

    def fresh(self, now: datetime) -> Listing[Album]:
        """The albums search calls `tag:new`, newest first."""

    def find_album(self, album_id: str, now: datetime) -> Album | None:
        """The album of this id, or None."""

    def find_track(self, track_id: str, now: datetime) -> Track | None:
        """The track of this id, or None."""

    def find_artist(self, artist_id: str, now: datetime) -> Artist | None:
        """The artist of this id, or None."""

    def find_upc(self, upc: str, now: datetime) -> Album | None:
        """The album with exactly this UPC, or None."""

    def find_isrc(self, isrc: str, now: datetime) -> Track | None:
        """The track with exactly this ISRC, or None."""

    def album_number(self, album: Album) -> int:
        """The number of an album of this catalogue; other services make their ids of it."""

    def numbered_album(self, number: int, now: datetime) -> Album | None:
        """The album of this number, or None."""

    def artist_albums(self, artist_id: str, now: datetime) -> Listing[Album]:
        """The albums whose first artist this is, newest first."""

    def track_popularity(self, track: Track, day: date) -> int:
        """0 to 100, as of the given UTC day."""

    def album_popularity(self, album: Album, day: date) -> int:
        """0 to 100, as of the given UTC day."""

    def artist_popularity(self, artist: Artist, day: date) -> int:
        """0 to 100, as of the given UTC day."""

    def artist_followers(self, artist: Artist, day: date) -> int:
        """Followers, as of the given UTC day."""


def measured_features(track: Track, day: date) -> AudioFeatures | None:
    """The audio features Spotify answers on the given day, or None while (or for ever) it has none."""
    waited = (day - track.released_on).days
    return track.audio_features if waited >= track.measured_after_days else None


def reccobeats_features(track: Track, day: date) -> AudioFeatures | None:
    """The audio features ReccoBeats answers on the given day: a copy of Spotify's that comes later."""
    if track.reccobeats_after_days is None:
        return None
    return track.audio_features if (day - track.released_on).days >= track.reccobeats_after_days else None
