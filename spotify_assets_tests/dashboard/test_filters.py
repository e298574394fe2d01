"""An address is read as it is written, and what cannot be meant is refused by name."""

from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.dashboard.filters import (
    ALBUM_TYPES,
    AXES,
    CAMELOT,
    DIRECTIONS,
    FEATURE_RANGES,
    FEATURES,
    MEASURES,
    METHODS,
    MOST_ARTISTS,
    MOST_CHARACTERS,
    MOST_WEEKS,
    SCOPES,
    SOURCES,
    FilterError,
    Filters,
)

MONDAYS = st.integers(0, 10_000).map(lambda weeks: date(1900, 1, 1) + timedelta(weeks=weeks))
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=MOST_CHARACTERS
)


def _numbers(least: float, most: float) -> st.SearchStrategy[float]:
    """With four digits after the point, as an address may have them."""
    return st.integers(round(least * 10_000), round(most * 10_000)).map(lambda number: number / 10_000)


# By name, the values that a filter may have.
VALUES = {
    "week": MONDAYS,
    "measure": st.sampled_from(MEASURES),
    "type": st.sets(st.sampled_from(ALBUM_TYPES)).map(
        lambda chosen: tuple(t for t in ALBUM_TYPES if t in chosen)
    ),
    "artist": st.lists(TEXTS, unique=True, max_size=MOST_ARTISTS).map(tuple),
    "genre": TEXTS,
    "label": TEXTS,
    "explicit": st.booleans(),
    "min_tracks": st.integers(1, 1_000),
    "min_value": st.integers(0, 1_000_000),
    "source": st.sampled_from(SOURCES),
    "max_value": st.integers(0, 1_000_000),
    "min_change": st.integers(1, 1_000_000),
    "direction": st.sampled_from(DIRECTIONS),
    "all_tracks": st.booleans(),
    "weeks": st.integers(1, MOST_WEEKS),
    "camelot": st.sets(st.sampled_from(CAMELOT)).map(
        lambda chosen: tuple(code for code in CAMELOT if code in chosen)
    ),
    **{
        f"{end}_{feature}": _numbers(least, most)
        for feature, (least, most) in FEATURE_RANGES.items()
        for end in ("min", "max")
    },
    "min_seconds": st.integers(0, 36_000),
    "max_seconds": st.integers(0, 36_000),
    "method": st.sampled_from(METHODS),
    "scope": st.sampled_from(SCOPES),
    "scope_value": TEXTS,
    "feature": st.sampled_from(FEATURES),
    "x": st.sampled_from(AXES),
    "y": st.sampled_from(AXES),
    **{f"{axis}_{end}": _numbers(-1_000_000, 1_000_000) for axis in "xy" for end in ("from", "to")},
    "q": TEXTS,
    "sort": TEXTS,
    "descending": st.booleans(),
    "page": st.integers(1, 10_000),
}
RANGES = [
    *((f"min_{name}", f"max_{name}") for name in (*FEATURE_RANGES, "seconds", "value")),
    ("x_from", "x_to"),
    ("y_from", "y_to"),
]


def test_every_filter_is_among_the_drawn_ones() -> None:
    """One that is not drawn would never be tested."""
    assert VALUES.keys() == {field.name for field in fields(Filters)}


def _with_ranges_in_order(values: dict[str, Any]) -> dict[str, Any]:
    """An empty range, whose least value is above its highest, is refused."""
    ordered = dict(values)
    for least, most in RANGES:
        if least in values and most in values:
            ordered[least], ordered[most] = sorted((values[least], values[most]))
    return ordered


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_written_is_read_back(given_values: dict[str, Any]) -> None:
    filters = replace(Filters(), **_with_ranges_in_order(given_values))
    assert Filters.parse(parse_qsl(filters.query(), keep_blank_values=True)) == filters


@given(st.lists(st.tuples(st.sampled_from([*VALUES, "another"]), st.text(max_size=30))))
def test_any_address_is_read_or_refused_with_a_sentence(pairs: list[tuple[str, str]]) -> None:
    try:
        said = Filters.parse(pairs).query()
    except FilterError as error:
        said = str(error)
    assert isinstance(said, str)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weak", "2026-11-23", "There is no filter 'weak'"),
        ("week", "2026-11-24", "is no Monday"),
        ("week", "20261123", "is no Monday"),
        ("week", "yesterday", "is no date"),
        ("measure", "popularity", "one of spotify_popularity, deezer_rank"),
        ("type", "ep", "one of album, single, compilation"),
        ("min_tracks", "-1", "a whole number from 1 to 1000"),
        ("min_tracks", "\N{FULLWIDTH DIGIT ONE}", "a whole number"),
        ("page", "1e3", "a whole number"),
        ("explicit", "true", "one of yes, no"),
        ("q", "x" * 201, "longer than 200"),
        ("label", "a\0b", "a character that no name has"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: str, message: str) -> None:
    """A filter that was passed over would pass for one that found everything."""
    with pytest.raises(FilterError, match=message):
        Filters.parse([(name, value)])


def test_one_value_given_twice_is_refused() -> None:
    with pytest.raises(FilterError, match="week is given 2 times"):
        Filters.parse([("week", "2026-11-23"), ("week", "2026-11-16")])


def test_an_empty_value_is_as_if_not_given() -> None:
    """A form sends the fields that were left empty, too."""
    assert Filters.parse([("week", ""), ("q", "")]) == Filters()
