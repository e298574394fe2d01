"""Ids that look like Spotify's and carry what they stand for.

A Spotify id is a 128-bit number written in 22 characters of base 62. Ours encrypts (kind, number, zeros) with a
small Feistel network: without a table of ids the server tells its own from unknown ones, because any other id
decrypts to something whose last 64 bits are not zero.
"""

from __future__ import annotations

import hashlib
import re
from enum import IntEnum

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_FORM = re.compile(r"[0-9A-Za-z]{22}")
_LENGTH = 22
_HALF = 2**64
_NUMBERS = 2**56
_ROUNDS = (0, 1, 2, 3)


class Kind(IntEnum):
    """What an id stands for."""

    ALBUM = 1
    TRACK = 2
    ARTIST = 3


def is_well_formed(text: str) -> bool:
    """Whether the text has the form of a Spotify id; it may still be unknown."""
    return _FORM.fullmatch(text) is not None


def _to_base62(value: int) -> str:
    digits = []
    for _ in range(_LENGTH):
        value, digit = divmod(value, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _from_base62(text: str) -> int:
    value = 0
    for character in text:
        value = value * 62 + _VALUES[character]
    return value


class IdCodec:
    """Turns (kind, number) into an id and back, under a key: another key knows none of these ids."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.blake2b(key.encode(), digest_size=32).digest()

    def _mix(self, turn: int, half: int) -> int:
        data = bytes([turn]) + half.to_bytes(8, "big")
        return int.from_bytes(hashlib.blake2b(data, key=self._key, digest_size=8).digest(), "big")

    def encode(self, kind: Kind, number: int) -> str:
        """The id of the `number`-th thing of this kind."""
        left, right = kind * _NUMBERS + number, 0
        for turn in _ROUNDS:
            left, right = right, left ^ self._mix(turn, right)
        return _to_base62(left * _HALF + right)

    def decode(self, text: str, kind: Kind) -> int | None:
        """The number behind an id of this kind, or None for an id that is not one of ours."""
        if not is_well_formed(text):
            return None
        left, right = divmod(_from_base62(text), _HALF)
        if left >= _HALF:
            return None
        for turn in reversed(_ROUNDS):
            left, right = right ^ self._mix(turn, left), left
        found, number = divmod(left, _NUMBERS)
        return number if right == 0 and found == kind else None
