"""Reads single fields of an API object. What does not fit its column is refused by name and value."""

import math
import reprlib
from collections.abc import Sequence
from datetime import date
from typing import TypeVar

# Several Spotify dates are shorter than a day: "1981", "1981-12".
_PRECISIONS = ("unknown", "year", "month", "day")

# repr escapes what does not print, NUL and half characters among it; reprlib bounds length and depth.
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60

_T = TypeVar("_T")


class MalformedItemError(ValueError):
    """An item cannot be loaded; the text is the reason it is set aside with."""


class Item:
    """One object of an answer, read field by field.

    A field that is missing or null gives None from the `optional_` methods and is refused by the others.
    A field of the wrong type, out of its range, or with text that Postgres cannot hold, is refused always.

    Raises:
        MalformedItemError: from the constructor, when the value is not a JSON object.
    """

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise MalformedItemError(f"{show(value)} is not an object")
        self._fields = value

    def raw(self, name: str) -> object:
        """The field as it came; None when it is missing."""
        return self._fields.get(name)

    def optional_text(self, name: str) -> str | None:
        """Text of the field; may be empty."""
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._misfit(name, "text")
        check_text(name, value)
        return value

    def text(self, name: str) -> str:
        """Text of the field, which must be there; may be empty, as the name of a withdrawn album is."""
        value = self.optional_text(name)
        return self._must_be(name, value)

    def identifier(self, name: str = "id") -> str:
        """Text of the field, which must not be empty."""
        value = self.text(name)
        if not value:
            raise MalformedItemError(f"{name} is empty")
        return value

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number of the field, both ends allowed; 4.0 counts as whole, true does not."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._misfit(name, "a whole number")
        if not low <= value <= high:
            raise self._misfit(name, f"from {low} to {high}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number of the field, which must be there."""
        return self._must_be(name, self.optional_integer(name, low, high))

    def optional_number(self, name: str, low: float, high: float) -> float | None:
        """A number of the field, both ends allowed. NaN is refused."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._misfit(name, "a number")
        if not low <= value <= high:
            limits = f"{low} or more" if math.isinf(high) else f"from {low} to {high}"
            raise self._misfit(name, limits)
        return float(value)

    def optional_flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.raw(name)
        if value is not None and not isinstance(value, bool):
            raise self._misfit(name, "true or false")
        return value

    def flag(self, name: str) -> bool:
        """True or false, which must be there."""
        return self._must_be(name, self.optional_flag(name))

    def optional_object(self, name: str) -> "Item":
        """The object in the field; an empty one when it is missing or null."""
        value = self.raw(name)
        if value is not None and not isinstance(value, dict):
            raise self._misfit(name, "an object")
        return Item(value or {})

    def optional_list(self, name: str) -> Sequence[object] | None:
        """The list in the field."""
        value = self.raw(name)
        if value is not None and not isinstance(value, list):
            raise self._misfit(name, "a list")
        return value

    def objects(self, name: str) -> list["Item"]:
        """The objects of the list in the field; none when it is missing; null entries are passed over."""
        entries = [entry for entry in self.optional_list(name) or () if entry is not None]
        if not all(isinstance(entry, dict) for entry in entries):
            raise self._misfit(name, "a list of objects")
        return [Item(entry) for entry in entries]

    def texts(self, name: str) -> list[str] | None:
        """The texts of the list in the field."""
        entries = self.optional_list(name)
        if entries is None:
            return None
        texts = [entry for entry in entries if isinstance(entry, str)]
        if len(texts) < len(entries):
            raise self._misfit(name, "a list of texts")
        for text in texts:
            check_text(name, text)
        return texts

    def release_date(self) -> tuple[date | None, str]:
        """First day of the period of `release_date`, and how long that period is.

        Returns:
            The day and 'day', 'month' or 'year'; None and 'unknown' when Spotify does not know the date
            (missing, null, empty, "0000").
        """
        value = self.raw("release_date")
        if isinstance(value, str):
            parts = value.split("-") if value else []
        elif isinstance(value, dict):
            # The form of 2014: {"year": 2014, "month": 2, "day": 25}.
            parts = [str(value[unit]) for unit in ("year", "month", "day") if value.get(unit) is not None]
        elif value is None:
            parts = []
        else:
            raise self._misfit("release_date", "a date")
        try:
            return _first_day(parts)
        except (ValueError, OverflowError) as error:
            raise self._misfit("release_date", "a date") from error

    def _must_be(self, name: str, value: _T | None) -> _T:
        if value is None:
            raise MalformedItemError(f"{name} is {'null' if name in self._fields else 'missing'}")
        return value

    def _misfit(self, name: str, wanted: str) -> MalformedItemError:
        return MalformedItemError(f"{name} is {show(self.raw(name))}, not {wanted}")


def _first_day(parts: Sequence[str]) -> tuple[date | None, str]:
    if len(parts) > len(_PRECISIONS) - 1 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError("not year, month and day")
    numbers = [int(part) for part in parts]
    # "0000" is a year that nobody knows; "1997-00-00" has been written for a year alone.
    known = numbers[: numbers.index(0)] if 0 in numbers else numbers
    if not known:
        return None, _PRECISIONS[0]
    return date(*[*known, 1, 1][:3]), _PRECISIONS[len(known)]


def check_text(name: str, text: str) -> None:
    """Refuse text that Postgres cannot hold.

    Raises:
        MalformedItemError: it holds a NUL character, or half of a surrogate pair, which is no character.
    """
    if "\x00" in text:
        raise MalformedItemError(f"{name} is {show(text)}, which holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedItemError(f"{name} is {show(text)}, which holds half a character")


def show(value: object) -> str:
    """The value as a reason names it: shortened, and printable whatever it is."""
    return _SHORT.repr(value)
