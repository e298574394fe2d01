"""What a page shows, as its address says it: parsed in one place, and written back in one place.

The address is the whole state of a page: it can be mailed, bookmarked and reloaded. A parameter that is not known, or
has a value that is not allowed, is refused with a sentence, and never ignored: a filter that does nothing would pass
for one that found everything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Self
from urllib.parse import urlencode

MEASURES = ("spotify_popularity", "deezer_rank")
ALBUM_TYPES = ("album", "single", "compilation")
SOURCES = ("spotify", "reccobeats")
FEATURES = (
    "danceability",
    "energy",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)
MOST_CHARACTERS = 200
MOST_ARTISTS = 6
MOST_PAGES = 10_000


class FilterError(ValueError):
    """The address cannot be understood; the message names the parameter and what it may be."""


@dataclass(frozen=True)
class Filters:
    """What is shown.

    Attributes:
        week: Monday of the week; None: the latest that there is.
        measure: Scale of popularity; None: Spotify's where it is given, else Deezer's.
        type: Of albums; none: all.
        artist: Id of an artist, several where artists are compared.
        genre: Exactly as the marts spell it.
        label: Likewise.
        explicit: True or False; None: both.
        min_tracks: Albums with at least so many tracks.
        min_value: Albums or tracks whose popularity, on the scale of the measure, is at least this.
        source: Who measured the audio features.
        q: Part of a name.
        sort: Column to sort by; None: the view's own order.
        descending: Order of `sort`.
        page: Of the table, from 1.
    """

    week: date | None = None
    measure: str | None = None
    type: tuple[str, ...] = ()
    artist: tuple[str, ...] = ()
    genre: str | None = None
    label: str | None = None
    explicit: bool | None = None
    min_tracks: int | None = None
    min_value: int | None = None
    source: str | None = None
    q: str | None = None
    sort: str | None = None
    descending: bool = False
    page: int = 1

    @classmethod
    def parse(cls, parameters: Iterable[tuple[str, str]]) -> Self:
        """What the parameters of an address ask for.

        Raises:
            FilterError: one is not known, given twice where it has one value, or has a value that is not allowed.
        """
        given: dict[str, list[str]] = {}
        for name, value in parameters:
            if name not in _PARSERS:
                raise FilterError(
                    f"There is no filter {_shown(name)}: there are {', '.join(sorted(_PARSERS))}."
                )
            if value:
                given.setdefault(name, []).append(value)
        read = {}
        for name, values in given.items():
            if len(values) > 1 and name not in _REPEATED:
                raise FilterError(f"{name} is given {len(values)} times: give it once.")
            read[name] = _PARSERS[name](name, values)
        return cls(**read)

    def query(self, **changes: object) -> str:
        """The parameters as a query string, without those that are as if not given."""
        # mypy cannot tell the fields of what is changed.
        changed = replace(self, **changes) if changes else self  # type: ignore[arg-type]
        pairs = []
        for field in fields(changed):
            value = getattr(changed, field.name)
            if value != field.default:
                pairs += [(field.name, text) for text in _texts(value)]
        return urlencode(pairs)


def _texts(value: object) -> Sequence[str]:
    if isinstance(value, tuple):
        return value
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [value.isoformat() if isinstance(value, date) else str(value)]


def _shown(text: str) -> str:
    """What somebody wrote, cut to a length that fits into a sentence."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _week(name: str, values: Sequence[str]) -> date:
    [text] = values
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise FilterError(f"{name} {_shown(text)} is no date: write it as 2026-11-23.") from error
    if day.isoformat() != text or day.weekday():
        raise FilterError(f"{name} {_shown(text)} is no Monday, written as 2026-11-23.")
    return day


def _one_of(allowed: Sequence[str]) -> Callable[[str, Sequence[str]], str]:
    def parse(name: str, values: Sequence[str]) -> str:
        [text] = values
        if text not in allowed:
            raise FilterError(f"{name} cannot be {_shown(text)}: it is one of {', '.join(allowed)}.")
        return text

    return parse


def _some_of(allowed: Sequence[str]) -> Callable[[str, Sequence[str]], tuple[str, ...]]:
    parse_one = _one_of(allowed)

    def parse(name: str, values: Sequence[str]) -> tuple[str, ...]:
        found = {parse_one(name, [text]) for text in values}
        return tuple(each for each in allowed if each in found)

    return parse


def _text(name: str, values: Sequence[str]) -> str:
    [text] = values
    if len(text) > MOST_CHARACTERS:
        raise FilterError(f"{name} is longer than {MOST_CHARACTERS} characters.")
    if "\0" in text:
        raise FilterError(f"{name} holds a character that no name has.")
    return text


def _artists(name: str, values: Sequence[str]) -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(_text(name, [text]) for text in values))
    if len(ids) > MOST_ARTISTS:
        raise FilterError(f"{name} is given {len(ids)} times: {MOST_ARTISTS} can be compared at most.")
    return ids


def _number(least: int, most: int) -> Callable[[str, Sequence[str]], int]:
    def parse(name: str, values: Sequence[str]) -> int:
        [text] = values
        # ASCII digits alone: int() also takes signs, spaces, underscores and the digits of other scripts.
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise FilterError(
                f"{name} cannot be {_shown(text)}: it is a whole number from {least} to {most}."
            )
        return int(text)

    return parse


def _yes_or_no(name: str, values: Sequence[str]) -> bool:
    return _one_of(("yes", "no"))(name, values) == "yes"


def _sort(name: str, values: Sequence[str]) -> str:
    # Each view says which of its columns there are.
    return _text(name, values)


_REPEATED = {"type", "artist"}
_PARSERS: Mapping[str, Callable[[str, Sequence[str]], Any]] = {
    "week": _week,
    "measure": _one_of(MEASURES),
    "type": _some_of(ALBUM_TYPES),
    "artist": _artists,
    "genre": _text,
    "label": _text,
    "explicit": _yes_or_no,
    "min_tracks": _number(1, 1_000),
    "min_value": _number(0, 1_000_000),
    "source": _one_of(SOURCES),
    "q": _text,
    "sort": _sort,
    "descending": _yes_or_no,
    "page": _number(1, MOST_PAGES),
}
