"""How many calls a load will take, before one is made. Pure."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass

from spotify_assets.spotify.endpoints import (
    ALBUM,
    ALBUMS,
    ALBUMS_AT_ONCE,
    ARTISTS,
    ARTISTS_AT_ONCE,
    AUDIO_FEATURES,
    AUDIO_FEATURES_AT_ONCE,
    DEEZER_ALBUM_BY_UPC,
    DEEZER_TRACKS,
    RECCOBEATS_AT_ONCE,
    RECCOBEATS_FEATURES,
    TRACK,
    TRACKS,
    TRACKS_AT_ONCE,
    service_of,
)
from spotify_assets.spotify.pacing import Pacing


@dataclass(frozen=True)
class Workload:
    """What is to be loaded: albums, their tracks, and the artists credited on them that are not known yet."""

    albums: int
    tracks: int
    artists: int


@dataclass(frozen=True)
class Choices:
    """What the user has chosen, beside the key.

    Attributes:
        asks_single_tracks: whether tracks are asked for one by one where batches are closed.
        asks_reccobeats: whether ReccoBeats is asked where Spotify's features are closed.
        asks_deezer: whether Deezer is asked.
    """

    asks_single_tracks: bool
    asks_reccobeats: bool
    asks_deezer: bool


def expected_calls(work: Workload, closed: Set[str], choices: Choices) -> dict[str, int]:
    """Calls by endpoint that loading takes, without retries, and without the pages of albums of over 50 tracks.

    Args:
        work: what is to be loaded.
        closed: the endpoints that are closed to the key.
        choices: what the user has chosen.
    """
    albums = (ALBUM, work.albums) if ALBUMS in closed else (ALBUMS, _batches(work.albums, ALBUMS_AT_ONCE))
    calls = dict([albums, _features(work.tracks, closed, choices), _details(work.tracks, closed, choices)])
    if ARTISTS not in closed:
        calls[ARTISTS] = _batches(work.artists, ARTISTS_AT_ONCE)
    if choices.asks_deezer:
        # The first time; later days take one call an album whose tracks were all matched.
        calls |= {DEEZER_ALBUM_BY_UPC: work.albums, DEEZER_TRACKS: work.albums}
    return {endpoint: count for endpoint, count in calls.items() if count}


def least_seconds(calls: Mapping[str, int], pacings: Mapping[str, Pacing]) -> dict[str, float]:
    """Seconds that the known limits impose on calls, by service; services without a known limit are left out."""
    of_service: Counter[str] = Counter()
    for endpoint, count in calls.items():
        of_service[service_of(endpoint)] += count
    return {
        service: count / pacing.most * pacing.window
        for service, count in of_service.items()
        if (pacing := pacings.get(service)) is not None and pacing.most is not None
    }


def _features(tracks: int, closed: Set[str], choices: Choices) -> tuple[str, int]:
    if AUDIO_FEATURES not in closed:
        return AUDIO_FEATURES, _batches(tracks, AUDIO_FEATURES_AT_ONCE)
    return RECCOBEATS_FEATURES, _batches(tracks, RECCOBEATS_AT_ONCE) if choices.asks_reccobeats else 0


def _details(tracks: int, closed: Set[str], choices: Choices) -> tuple[str, int]:
    if TRACKS not in closed:
        return TRACKS, _batches(tracks, TRACKS_AT_ONCE)
    return TRACK, tracks if choices.asks_single_tracks else 0


def _batches(count: int, size: int) -> int:
    return -(-count // size)
