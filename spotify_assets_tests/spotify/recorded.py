"""Recorded answers of the real APIs. Their content is no part of the project: tests read them where they lie."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

# Spotify's data must not be redistributed; a checkout that has recordings beside it is tested with them.
RECORDED = Path(
    os.environ.get("SPOTIFY_RECORDED_ANSWERS")
    or Path(__file__).resolve().parents[3] / "shared" / "realdata" / "fixtures"
)
needs_recordings = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="no recorded answers here; SPOTIFY_RECORDED_ANSWERS names their folder"
)


def recorded(*patterns: str) -> list[Any]:
    """One parameter for each body; one that is skipped where there are none."""
    names = sorted({path.name for pattern in patterns for path in RECORDED.glob(pattern)})
    return [pytest.param(name, id=name.removesuffix(".json")) for name in names] or [
        pytest.param("", id="none")
    ]


def raw(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def body(name: str) -> Any:
    return json.loads(raw(name))


def ids_of(values: Iterable[Any]) -> list[str]:
    return [f"unknown{n}" if value is None else str(value["id"]) for n, value in enumerate(values)]
