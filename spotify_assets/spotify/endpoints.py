"""The endpoints by the names under which calls are counted, and what one call of each may carry."""

from typing import Final

TOKEN: Final = "token"  # noqa: S105 -- the endpoint's name
NEW_RELEASES: Final = "browse/new-releases"
SEARCH: Final = "search"
ALBUMS: Final = "albums"
ALBUM: Final = "albums/{id}"
ALBUM_TRACKS: Final = "albums/{id}/tracks"
TRACKS: Final = "tracks"
TRACK: Final = "tracks/{id}"
AUDIO_FEATURES: Final = "audio-features"
ARTISTS: Final = "artists"
RECCOBEATS_FEATURES: Final = "reccobeats/audio-features"
DEEZER_ALBUM_BY_UPC: Final = "deezer/album/upc:{upc}"
DEEZER_ALBUM: Final = "deezer/album/{id}"
DEEZER_TRACKS: Final = "deezer/album/{id}/tracks"

CLOSABLE: Final = (NEW_RELEASES, ALBUMS, TRACKS, AUDIO_FEATURES, ARTISTS)
"""What Spotify has closed to whole classes of applications (2024-11-27 and 2026-02-11)."""

# Ids that one call may carry, and entries of one page.
ALBUMS_AT_ONCE: Final = 20
TRACKS_AT_ONCE: Final = 50
ARTISTS_AT_ONCE: Final = 50
AUDIO_FEATURES_AT_ONCE: Final = 100
RECCOBEATS_AT_ONCE: Final = 40
PAGE_SIZE: Final = 50
# 50 for older applications, 10 for those made since 2026-02-11, which get a 400 for more.
SEARCH_PAGE_SIZE: Final = 10
# Results of a search that can be reached: offset + limit beyond it is answered 400 or 404.
SEARCH_WINDOW: Final = 1000

SPOTIFY: Final = "spotify"
ACCOUNTS: Final = "accounts"
RECCOBEATS: Final = "reccobeats"
DEEZER: Final = "deezer"
_NAMES: Final = {RECCOBEATS: "ReccoBeats", DEEZER: "Deezer"}


def group_of(endpoint: str) -> str:
    """The group whose quota a call counts towards: all endpoints of one kind of object.

    Spotify says that endpoints share quotas in groups, and not which; "albums" and "albums/{id}" lie near each other,
    and search was seen to go on while albums of artists were locked for a day.
    """
    return endpoint.partition("/")[0]


def service_of(endpoint: str) -> str:
    """The service that answers an endpoint, and counts its calls in one rolling window."""
    if endpoint == TOKEN:
        return ACCOUNTS
    group = group_of(endpoint)
    return group if group in _NAMES else SPOTIFY


def title_of(endpoint: str) -> str:
    """Service and endpoint as an error names them, such as "Spotify albums"."""
    service, _, rest = endpoint.partition("/")
    return f"{_NAMES[service]} {rest}" if service in _NAMES else f"Spotify {endpoint}"
