"""What Deezer knows of a catalogue's albums: the truth behind its answers, for a test to compute from.

Everything is a pure function of the catalogue and the day. Deezer is another shop with its own gaps:

- 12 of 100 albums are not there, and for 2 of 100 a lookup by UPC answers another album, whose `upc` differs;
- a UPC is stored without its leading zeros, and found in that form alone;
- 3 of 100 tracks are missing (never the first one), which leaves a gap in the positions;
- 3 of 100 are another recording in the same place: another ISRC, and a length more than 3 seconds off. All other
  lengths are Spotify's in whole seconds, give or take one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime

from spotify_assets.sandbox import codes
from spotify_assets.sandbox.draws import draws, share
from spotify_assets.sandbox.model import Album, Artist, Catalogue, Track

_ABSENT = 0.12
_MISTAKEN = 0.02
_MISSING = 0.03
_OTHER_RECORDING = 0.03
_LONGEST_UPC = 14
# How far from an album to look for the one that is answered in its place.
_NEIGHBOURS = 50
_RANK_FLOOR = 100_000
_HIGHEST_RANK = 1_000_000
_RANK_PER_POINT = 8_800
_RANK_NOISE = 12_000


@dataclass(frozen=True, slots=True)
class Genre:
    """One of Deezer's genres."""

    genre_id: int
    name: str


_GENRES = {
    name: Genre(genre_id, name)
    for genre_id, name in (
        (2, "African Music"),
        (16, "Asian Music"),
        (75, "Brazilian Music"),
        (84, "Country"),
        (85, "Alternative"),
        (98, "Classical"),
        (106, "Electro"),
        (113, "Dance"),
        (116, "Rap/Hip Hop"),
        (129, "Jazz"),
        (132, "Pop"),
        (152, "Rock"),
        (165, "R&B"),
        (197, "Latin Music"),
        (464, "Metal"),
        (466, "Folk"),
    )
}
# The first that is found in a genre of Spotify's decides, so "latin pop" is Latin and "art pop" is Pop.
_GENRE_WORDS = (
    ("afro", "African Music"),
    ("k-pop", "Asian Music"),
    ("j-pop", "Asian Music"),
    ("city pop", "Asian Music"),
    ("bossa", "Brazilian Music"),
    ("latin", "Latin Music"),
    ("reggaeton", "Latin Music"),
    ("country", "Country"),
    ("classical", "Classical"),
    ("jazz", "Jazz"),
    ("metal", "Metal"),
    ("hip hop", "Rap/Hip Hop"),
    ("rap", "Rap/Hip Hop"),
    ("drill", "Rap/Hip Hop"),
    ("r&b", "R&B"),
    ("soul", "R&B"),
    ("house", "Dance"),
    ("dance", "Dance"),
    ("techno", "Electro"),
    ("drum and bass", "Electro"),
    ("ambient", "Electro"),
    ("lo-fi", "Electro"),
    ("hyperpop", "Electro"),
    ("folk", "Folk"),
    ("songwriter", "Folk"),
    ("indie", "Alternative"),
    ("alt ", "Alternative"),
    ("bedroom", "Alternative"),
    ("dream", "Alternative"),
    ("punk", "Rock"),
    ("shoegaze", "Rock"),
    ("rock", "Rock"),
    ("pop", "Pop"),
)


@dataclass(frozen=True, slots=True)
class DeezerTrack:
    """One track of an album as Deezer has it on one day.

    `track` is the one of the catalogue in whose place it stands, with its name, disc and number. Where
    `is_same_recording` is false, `duration` (whole seconds) and `isrc` are those of another recording.
    """

    deezer_id: int
    track: Track
    duration: int
    isrc: str
    rank: int
    is_same_recording: bool


def is_on_deezer(album: Album) -> bool:
    """Whether Deezer has the album at all, by its own id and in a lookup by UPC (see `answered_for`)."""
    return share("deezer album", album.album_id) >= _ABSENT


def stored_upc(album: Album) -> str:
    """The album's UPC as Deezer writes it; empty where the catalogue knows none."""
    return album.upc.lstrip("0")


def answered_for(catalogue: Catalogue, album: Album, now: datetime) -> Album | None:
    """The album that a lookup of this album's stored UPC answers: itself, none, or for a few another one."""
    if not is_on_deezer(album):
        return None
    is_mistaken = share("deezer album", album.album_id) < _ABSENT + _MISTAKEN
    return (_neighbour(catalogue, album, now) if is_mistaken else None) or album


def _neighbour(catalogue: Catalogue, album: Album, now: datetime) -> Album | None:
    number = catalogue.album_number(album)
    for other in range(number - 1, number - 1 - _NEIGHBOURS, -1):
        found = catalogue.numbered_album(other, now)
        if found is not None and is_on_deezer(found) and stored_upc(found) not in ("", stored_upc(album)):
            return found
    return None


def find_upc(catalogue: Catalogue, upc: str, now: datetime) -> Album | None:
    """The album that a lookup of this UPC answers, exactly as it is written."""
    if not upc.isascii() or not upc.isdigit() or upc.startswith("0"):
        return None
    written = (upc.zfill(length) for length in range(len(upc), _LONGEST_UPC + 1))
    found = next(filter(None, (catalogue.find_upc(text, now) for text in written)), None)
    return None if found is None else answered_for(catalogue, found, now)


def album_id(catalogue: Catalogue, album: Album) -> int:
    """The album's id on Deezer."""
    return codes.deezer_album_id(catalogue.album_number(album))


def find_album(catalogue: Catalogue, deezer_id: int, now: datetime) -> Album | None:
    """The album with this id on Deezer, or None."""
    number = codes.album_of_deezer_id(deezer_id)
    album = None if number is None else catalogue.numbered_album(number, now)
    return album if album is not None and is_on_deezer(album) else None


def deezer_tracks(catalogue: Catalogue, album: Album, day: date) -> list[DeezerTrack]:
    """The tracks Deezer has of an album that is there, in order of disc and position."""
    number = catalogue.album_number(album)
    return [
        _deezer_track(catalogue, track, codes.deezer_track_id(number, place), day)
        for place, track in enumerate(album.tracks)
        if place == 0 or share("deezer missing", track.track_id) >= _MISSING
    ]


def _deezer_track(catalogue: Catalogue, track: Track, deezer_id: int, day: date) -> DeezerTrack:
    is_same = share("deezer recording", track.track_id) >= _OTHER_RECORDING
    return DeezerTrack(
        deezer_id=deezer_id,
        track=track,
        duration=_duration(track, is_same=is_same),
        isrc=track.isrc if is_same and track.isrc else _other_isrc(track),
        rank=rank(catalogue, track, day),
        is_same_recording=is_same,
    )


def _duration(track: Track, *, is_same: bool) -> int:
    rng = draws("deezer duration", track.track_id)
    seconds = round(track.duration_ms / 1000)
    if is_same:
        return max(0, seconds + rng.choice((-1, 0, 0, 0, 1)))
    change = rng.randrange(4, 40)
    return seconds - change if seconds > change and rng.random() < 0.5 else seconds + change


def _other_isrc(track: Track) -> str:
    """An ISRC that no track of a synthetic catalogue has: none of theirs begins with QM."""
    rng = draws("deezer isrc", track.track_id)
    return f"QMDZ{rng.randrange(10)}{track.released_on.year % 100:02d}{rng.randrange(10**5):05d}"


def rank(catalogue: Catalogue, track: Track, day: date) -> int:
    """0 to 1,000,000: from about 100,000 up with the track's popularity of that day, with noise of the day."""
    noise = _RANK_NOISE * (share("deezer rank", track.track_id, day.toordinal()) - 0.5)
    height = _RANK_FLOOR + _RANK_PER_POINT * catalogue.track_popularity(track, day) + noise
    return round(max(0, min(height, _HIGHEST_RANK)))


def fans(album: Album, day: date) -> int:
    """Users who marked the album: it never falls, and grows ever more slowly."""
    if not album.tracks:
        return 0
    height = sum(track.popularity for track in album.tracks) / album.total_tracks
    age = max(0, (day - album.released_on).days)
    return round(4 * math.exp(height / 11) * (0.2 + 0.12 * math.log1p(age)))


def genres(album: Album, artist: Artist | None) -> tuple[Genre, ...]:
    """One to three genres of Deezer's: those of the main artist, or a drawn one where Spotify knows none."""
    named = [_genre_name(genre) for genre in (artist.genres if artist is not None else ())]
    names = list(dict.fromkeys(name for name in named if name is not None))[:3]
    drawn = draws("deezer genre", album.album_id).choice(list(_GENRES))
    return tuple(_GENRES[name] for name in names or [drawn])


def _genre_name(genre: str) -> str | None:
    """Deezer's genre for one of Spotify's, which are many thousand."""
    return next((name for word, name in _GENRE_WORDS if word in genre.lower()), None)
