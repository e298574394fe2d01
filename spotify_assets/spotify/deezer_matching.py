"""Which track of a Deezer album is which of Spotify's. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

# Lengths of one recording differ by rounding and by silence at its end.
MOST_DIFFERENCE_MS = 3000


@dataclass(frozen=True)
class SpotifyTrack:
    """A track as Spotify has it.

    Attributes:
        track_id: Spotify's id.
        disc_number: from 1.
        track_number: place on the disc, from 1.
        duration_ms: length in ms.
        isrc: None where the key does not get it.
    """

    track_id: str
    disc_number: int
    track_number: int
    duration_ms: int
    isrc: str | None


@dataclass(frozen=True)
class DeezerTrack:
    """A track as Deezer has it.

    Attributes:
        deezer_track_id: Deezer's id.
        rank: 0 to 1,000,000, higher is more played; None where a track has none.
        duration: length in whole seconds.
        disc_number: None in the tracks that come with an album.
        track_number: None in the tracks that come with an album.
        isrc: None in the tracks that come with an album.
    """

    deezer_track_id: int
    rank: int | None
    duration: int
    disc_number: int | None = None
    track_number: int | None = None
    isrc: str | None = None


@dataclass(frozen=True)
class Match:
    """Two tracks that are one recording, and how that was told."""

    track_id: str
    deezer_track: DeezerTrack
    matched_by: Literal["isrc", "position"]


def matches(spotify: Sequence[SpotifyTrack], deezer: Sequence[DeezerTrack]) -> list[Match]:
    """Pair the tracks of one album.

    By ISRC where both are known: at the same place first, since an album may hold a recording twice. Else by disc and
    place, with the lengths within 3 s. Two ISRCs that differ are two recordings, wherever they stand. Each track is in
    one pair at most.
    """
    left_here, left_there = list(spotify), list(deezer)
    found: list[Match] = []
    for is_match, matched_by in _RULES:
        for here, there in _pairs(left_here, left_there, is_match):
            found.append(Match(here.track_id, there, matched_by))
            left_here.remove(here)
            left_there.remove(there)
    return found


_Rule = Callable[[SpotifyTrack, DeezerTrack], bool]


def _pairs(
    here: Sequence[SpotifyTrack], there: Sequence[DeezerTrack], is_match: _Rule
) -> Iterator[tuple[SpotifyTrack, DeezerTrack]]:
    """Pairs that a rule allows, each track once, in order."""
    left = list(there)
    for track in list(here):
        found = next((other for other in left if is_match(track, other)), None)
        if found is not None:
            left.remove(found)
            yield track, found


def _is_same_place(here: SpotifyTrack, there: DeezerTrack) -> bool:
    return (here.disc_number, here.track_number) == (there.disc_number, there.track_number)


def _is_same_isrc(here: SpotifyTrack, there: DeezerTrack) -> bool:
    return here.isrc is not None and there.isrc is not None and _bare(here.isrc) == _bare(there.isrc)


def _is_same_isrc_and_place(here: SpotifyTrack, there: DeezerTrack) -> bool:
    return _is_same_isrc(here, there) and _is_same_place(here, there)


def _is_same_place_and_length(here: SpotifyTrack, there: DeezerTrack) -> bool:
    is_one_unknown = here.isrc is None or there.isrc is None
    difference = abs(here.duration_ms - 1000 * there.duration)
    return is_one_unknown and _is_same_place(here, there) and difference <= MOST_DIFFERENCE_MS


def _bare(isrc: str) -> str:
    """Without the hyphens and the case in which some write it."""
    return isrc.replace("-", "").upper()


_RULES: tuple[tuple[_Rule, Literal["isrc", "position"]], ...] = (
    (_is_same_isrc_and_place, "isrc"),
    (_is_same_isrc, "isrc"),
    (_is_same_place_and_length, "position"),
)
