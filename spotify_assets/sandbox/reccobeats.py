"""ReccoBeats: audio features by Spotify id, for tracks that it has come to know.

Unlike Spotify it leaves unknown ids out instead of answering null, promises no order, and has ids of its own, so
that only the end of `href` tells which track a row is about.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from spotify_assets.sandbox.answers import Answer, RefusedError
from spotify_assets.sandbox.draws import share
from spotify_assets.sandbox.endpoints import Call
from spotify_assets.sandbox.model import ArtistCredit, AudioFeatures, Track, reccobeats_features
from spotify_assets.sandbox.render import Json, feature_values

_BATCH = 40
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "reccobeats")


def _own_id(spotify_id: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, spotify_id))


def _ids(call: Call, path: str) -> list[str]:
    ids = [item_id for item_id in call.query.get("ids", "").split(",") if item_id]
    if not 1 <= len(ids) <= _BATCH:
        errors = [{"path": path, "message": f"size must be between 1 and {_BATCH}"}]
        raise RefusedError(Answer(400, {"status": 4004, "errors": errors}))
    return ids


def _known(call: Call, ids: Sequence[str]) -> list[tuple[Track, AudioFeatures]]:
    """What ReccoBeats knows of these tracks, in an order of its own."""
    known = []
    for track_id in dict.fromkeys(ids):
        track = call.catalogue.find_track(track_id, call.now)
        features = None if track is None else reccobeats_features(track, call.now.date())
        if track is not None and features is not None:
            known.append((track, features))
    return sorted(known, key=lambda row: _own_id(row[0].track_id))


def _features_row(track: Track, features: AudioFeatures) -> Json:
    return {
        "id": _own_id(track.track_id),
        "href": f"https://open.spotify.com/track/{track.track_id}",
        "isrc": track.isrc or None,
        **feature_values(features),
    }


def _artist(artist: ArtistCredit) -> Json:
    return {
        "id": _own_id(artist.artist_id),
        "name": artist.name,
        "href": f"https://open.spotify.com/artist/{artist.artist_id}",
    }


def _track_row(track: Track) -> Json:
    return {
        "id": _own_id(track.track_id),
        "trackTitle": track.name,
        "artists": [_artist(artist) for artist in track.artists],
        "durationMs": track.duration_ms,
        "isrc": track.isrc or None,
        "ean": None,
        "upc": None,
        "href": f"https://open.spotify.com/track/{track.track_id}",
        "availableCountries": ",".join(track.markets),
        # A number of its own, unrelated to Spotify's of today.
        "popularity": round(80 * share("reccobeats popularity", track.track_id)),
    }


def audio_features(call: Call) -> Answer:
    """GET /audio-features?ids=: 1 to 40 ids."""
    known = _known(call, _ids(call, "getAudioFeatures.ids"))
    return Answer(200, {"content": [_features_row(track, features) for track, features in known]})


def tracks(call: Call) -> Answer:
    """GET /track?ids=: 1 to 40 ids."""
    known = _known(call, _ids(call, "getTracks.ids"))
    return Answer(200, {"content": [_track_row(track) for track, _ in known]})


# The path under /reccobeats/v1/, the name under which calls are counted, and what answers.
ENDPOINTS = (
    ("audio-features", "reccobeats/audio-features", audio_features),
    ("track", "reccobeats/track", tracks),
)
