"""What a page shows, as its address says it: parsed in one place, and written back in one place.

The address is the whole state of a page: it can be mailed, bookmarked and reloaded. A parameter that is not known, or
has a value that is not allowed, is refused with a sentence, and never ignored: a filter that does nothing would pass
for one that found everything.
"""

import re
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
UNIT_FEATURES = tuple(feature for feature in FEATURES if feature not in ("loudness", "tempo"))
"""Those from 0 to 1."""
CAMELOT = tuple(f"{hour}{mode}" for mode in "AB" for hour in range(1, 13))
DIRECTIONS = ("rising", "falling")
METHODS = ("spearman", "pearson")
SCOPES = ("all", "release_week", "album_type", "genre")
AXES = (*FEATURES, "popularity", "deezer_rank")
MOST_WEEKS = 104
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
        max_value: Likewise, at most this.
        source: Who measured the audio features.
        min_change: Tracks whose popularity changed by at least this, up or down, on the scale of the measure.
        direction: rising or falling; None: both.
        all_tracks: Every track of an album, and not only the one that counts most.
        weeks: How many weeks, the last of which is `week`.
        camelot: Camelot codes of keys; none: all.
        min_danceability: Features from this to `max_danceability`; the other features likewise, each in its own unit.
        min_seconds: Tracks at least so long.
        max_seconds: Tracks at most so long.
        method: Of correlation; None: Spearman's.
        scope: What correlated tracks have in common; None: nothing, all count.
        scope_value: Which week, album type or genre; None: the one with the most tracks, or the latest week.
        feature: Audio feature; None: energy.
        x: Feature or popularity on the horizontal axis.
        y: Likewise, on the vertical one.
        x_from: Least value of `x`.
        x_to: Highest value of `x`.
        y_from: Least value of `y`.
        y_to: Highest value of `y`.
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
    max_value: int | None = None
    source: str | None = None
    min_change: int | None = None
    direction: str | None = None
    all_tracks: bool = False
    weeks: int | None = None
    camelot: tuple[str, ...] = ()
    min_danceability: float | None = None
    max_danceability: float | None = None
    min_energy: float | None = None
    max_energy: float | None = None
    min_loudness: float | None = None
    max_loudness: float | None = None
    min_speechiness: float | None = None
    max_speechiness: float | None = None
    min_acousticness: float | None = None
    max_acousticness: float | None = None
    min_instrumentalness: float | None = None
    max_instrumentalness: float | None = None
    min_liveness: float | None = None
    max_liveness: float | None = None
    min_valence: float | None = None
    max_valence: float | None = None
    min_tempo: float | None = None
    max_tempo: float | None = None
    min_seconds: int | None = None
    max_seconds: int | None = None
    method: str | None = None
    scope: str | None = None
    scope_value: str | None = None
    feature: str | None = None
    x: str | None = None
    y: str | None = None
    x_from: float | None = None
    x_to: float | None = None
    y_from: float | None = None
    y_to: float | None = None
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
        _refuse_empty_ranges(read)
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


def _refuse_empty_ranges(read: Mapping[str, Any]) -> None:
    for name, least in read.items():
        most = read.get(f"max_{name.removeprefix('min_')}") if name.startswith("min_") else None
        if most is not None and least > most:
            raise FilterError(
                f"{name} is above max_{name.removeprefix('min_')}: nothing is in between; turn them round."
            )


def _texts(value: object) -> Sequence[str]:
    if isinstance(value, tuple):
        return value
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, float):
        return [in_digits(value)]
    return [value.isoformat() if isinstance(value, date) else str(value)]


def in_digits(value: float) -> str:
    """A number as an address has it: 0.5, 120."""
    return repr(value).removesuffix(".0")


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


def _decimal(least: float, most: float) -> Callable[[str, Sequence[str]], float]:
    def parse(name: str, values: Sequence[str]) -> float:
        [text] = values
        # Written plainly: float() also takes nan, inf, exponents, underscores and the digits of other scripts.
        if not (_DECIMAL.fullmatch(text) and least <= float(text) <= most):
            raise FilterError(
                f"{name} cannot be {_shown(text)}: it is a number from {least:g} to {most:g}, such as {most:g} or"
                f" {(least + most) / 2:g}, with at most four digits after the point."
            )
        return float(text)

    return parse


def _yes_or_no(name: str, values: Sequence[str]) -> bool:
    return _one_of(("yes", "no"))(name, values) == "yes"


def _sort(name: str, values: Sequence[str]) -> str:
    # Each view says which of its columns there are.
    return _text(name, values)


_DECIMAL = re.compile(r"-?[0-9]{1,7}(\.[0-9]{1,4})?")
FEATURE_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(UNIT_FEATURES, (0, 1)),
    "loudness": (-100, 20),
    "tempo": (0, 1_000),
}
"""The least and the most that an address may ask of a feature, in its unit: dB of loudness, BPM of tempo."""
_REPEATED = {"type", "artist", "camelot"}
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
    "max_value": _number(0, 1_000_000),
    "source": _one_of(SOURCES),
    "min_change": _number(1, 1_000_000),
    "direction": _one_of(DIRECTIONS),
    "all_tracks": _yes_or_no,
    "weeks": _number(1, MOST_WEEKS),
    "camelot": _some_of(CAMELOT),
    **{
        f"{end}_{feature}": _decimal(least, most)
        for feature, (least, most) in FEATURE_RANGES.items()
        for end in ("min", "max")
    },
    "min_seconds": _number(0, 36_000),
    "max_seconds": _number(0, 36_000),
    "method": _one_of(METHODS),
    "scope": _one_of(SCOPES),
    "scope_value": _text,
    "feature": _one_of(FEATURES),
    "x": _one_of(AXES),
    "y": _one_of(AXES),
    "x_from": _decimal(-1_000_000, 1_000_000),
    "x_to": _decimal(-1_000_000, 1_000_000),
    "y_from": _decimal(-1_000_000, 1_000_000),
    "y_to": _decimal(-1_000_000, 1_000_000),
    "q": _text,
    "sort": _sort,
    "descending": _yes_or_no,
    "page": _number(1, MOST_PAGES),
}
