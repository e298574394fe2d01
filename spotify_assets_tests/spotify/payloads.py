"""Objects of the Web API, whole and well-formed; a test changes the field it is about."""

from typing import Any

Payload = dict[str, Any]


def artist_link(artist_id: str = "artist1", name: str = "An Artist") -> Payload:
    return {"id": artist_id, "name": name, "type": "artist", "uri": f"spotify:artist:{artist_id}"}


def simplified_album(album_id: str = "album1", **changes: object) -> Payload:
    return {
        "id": album_id,
        "name": "An Album",
        "album_type": "album",
        "release_date": "2026-11-20",
        "release_date_precision": "day",
        "total_tracks": 1,
        "artists": [artist_link()],
        "images": [
            {"url": "https://images.example/640", "height": 640, "width": 640},
            {"url": "https://images.example/64", "height": 64, "width": 64},
        ],
        "type": "album",
        **changes,
    }


def simplified_track(track_id: str = "track1", **changes: object) -> Payload:
    return {
        "id": track_id,
        "name": "A Track",
        "disc_number": 1,
        "track_number": 1,
        "duration_ms": 200_000,
        "explicit": False,
        "is_playable": True,
        "artists": [artist_link()],
        "type": "track",
        **changes,
    }


def album(album_id: str = "album1", tracks: object = None, **changes: object) -> Payload:
    page = {"items": [simplified_track()], "limit": 50, "offset": 0, "total": 1, "next": None}
    return simplified_album(
        album_id,
        **{
            "label": "A Label",
            "popularity": 41,
            "external_ids": {"upc": "00602475093060"},
            "genres": [],
            "tracks": page if tracks is None else tracks,
            **changes,
        },
    )


def track(track_id: str = "track1", **changes: object) -> Payload:
    return simplified_track(
        track_id, **{"popularity": 33, "external_ids": {"isrc": "USRC12600001"}, "album": {}, **changes}
    )


def features(track_id: str = "track1", **changes: object) -> Payload:
    return {
        "id": track_id,
        "danceability": 0.7,
        "energy": 0.5,
        "key": 4,
        "loudness": -7.25,
        "mode": 1,
        "speechiness": 0.05,
        "acousticness": 0.01,
        "instrumentalness": 0,
        "liveness": 0.12,
        "valence": 0.9,
        "tempo": 119.97,
        "time_signature": 4,
        "duration_ms": 200_000,
        "type": "audio_features",
        **changes,
    }


def artist(artist_id: str = "artist1", **changes: object) -> Payload:
    return {
        "id": artist_id,
        "name": "An Artist",
        "genres": ["dream pop"],
        "followers": {"href": None, "total": 1234},
        "popularity": 50,
        "type": "artist",
        **changes,
    }


def reccobeats_features(track_id: str = "track1", **changes: object) -> Payload:
    """A row of ReccoBeats: its own id, and Spotify's at the end of `href`; no time_signature and no duration."""
    return {
        "id": f"uuid-of-{track_id}",
        "href": f"https://open.spotify.com/track/{track_id}",
        "isrc": "USRC12600001",
        "acousticness": 0.01,
        "danceability": 0.7,
        "energy": 0.5,
        "instrumentalness": 0.0,
        "key": 4,
        "liveness": 0.12,
        "loudness": -7.25,
        "mode": 1,
        "speechiness": 0.05,
        "tempo": 119.97,
        "valence": 0.9,
        **changes,
    }
