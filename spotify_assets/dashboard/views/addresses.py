"""The addresses of the pages of one album, track or artist."""

from urllib.parse import quote


def album_address(album_id: str) -> str:
    """The page of an album."""
    return f"/albums/{quote(album_id, safe='')}"


def track_address(track_id: str) -> str:
    """The page of a track."""
    return f"/tracks/{quote(track_id, safe='')}"


def artist_address(artist_id: str) -> str:
    """The page of an artist."""
    return f"/artists/{quote(artist_id, safe='')}"
