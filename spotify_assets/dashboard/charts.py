"""What charts have in common. Colours are named styles, which `static/charts.js` sets for light and dark."""

from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


def chart_spec(
    rows: Sequence[Mapping[str, Any]], height: int | Mapping[str, int], **parts: object
) -> dict[str, Any]:
    """A specification over some rows, as wide as its place."""
    return {
        "$schema": SCHEMA,
        "data": {"values": list(rows)},
        "width": "container",
        "height": height,
        **parts,
    }
