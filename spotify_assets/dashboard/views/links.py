"""Links of a page to others, and the id that its own address names."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from spotify_assets.dashboard.marts import Marts
from spotify_assets.dashboard.pages import NotFoundError
from spotify_assets.dashboard.tables import Cell
from spotify_assets.dashboard.views.addresses import artist_address


def artists(ids: Sequence[str], names: Sequence[str]) -> Cell:
    """The artists of a credit, each with its page."""
    parts = [
        Cell(name or "(no name)", href=artist_address(each)) for each, name in zip(ids, names, strict=True)
    ]
    return Cell(", ".join(part.text for part in parts), parts=parts)


def on_spotify(marts: Marts, kind: str, of: str) -> list[tuple[str, str]]:
    """A link to Spotify's own page; none of what is invented, and has no page there."""
    if any(build.source == "sandbox" for build in marts.builds().values()):
        return []
    return [("Open in Spotify", f"https://open.spotify.com/{kind}/{quote(of, safe='')}")]


def id_in(path: Mapping[str, Any], name: str) -> str:
    """The id that an address names.

    Raises:
        NotFoundError: no id looks like this.
    """
    text: str = path[name]
    # Postgres refuses a text that holds it.
    if "\0" in text:
        raise NotFoundError("No id looks like this.")
    return text
