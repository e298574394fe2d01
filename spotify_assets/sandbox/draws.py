"""Randomness that is a pure function of its key, so that nothing has to be stored."""

from __future__ import annotations

import hashlib
import random


def _digest(key: tuple[object, ...]) -> int:
    text = "/".join(map(str, key))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def draws(*key: object) -> random.Random:
    """A generator that gives the same numbers for the same key, in every process."""
    return random.Random(_digest(key))  # noqa: S311 -- sample data, nothing secret


def share(*key: object) -> float:
    """One number in [0, 1) for the key: much cheaper than a generator."""
    return _digest(key) / 2**64
