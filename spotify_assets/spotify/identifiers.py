"""The forms of Spotify's ids and market codes, and of the links that people have in their place."""

import re

_SPOTIFY_ID = re.compile(r"[0-9A-Za-z]+")
_WHOLE_ID = re.compile(r"[0-9A-Za-z]{22}")
_MARKET = re.compile(r"[A-Z]{2}")
_ALBUM_LINK = re.compile(
    r"(?:spotify:album:|https?://open\.spotify\.com/(?:intl-\w+/)?album/)(?P<id>[0-9A-Za-z]{22})(?:[?#].*)?"
)


def is_id(key: object) -> bool:
    """Whether a call may carry it as an id: letters and digits alone."""
    return isinstance(key, str) and _SPOTIFY_ID.fullmatch(key) is not None


def is_market(code: str) -> bool:
    """Whether it has the form of an ISO 3166-1 alpha-2 code."""
    return _MARKET.fullmatch(code) is not None


def album_id_in(text: str) -> str | None:
    """The album id in an id of 22 letters and digits, a `spotify:album:` URI or an open.spotify.com link."""
    if _WHOLE_ID.fullmatch(text):
        return text
    link = _ALBUM_LINK.fullmatch(text)
    return link["id"] if link else None
