"""Audio features against those of all measured tracks: a dot on the middle half of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spotify_assets.dashboard.filters import FEATURES
from spotify_assets.dashboard.marts import Marts

UNIT_FEATURES = tuple(feature for feature in FEATURES if feature not in ("loudness", "tempo"))
"""Those from 0 to 1, which one axis can hold."""


@dataclass(frozen=True)
class Quartiles:
    """How a feature is distributed over all measured tracks, in its unit.

    Attributes:
        p25: Lower quartile.
        median: Half of the tracks are at most this.
        p75: Upper quartile.
        n: Tracks with any value of the feature.
    """

    p25: float
    median: float
    p75: float
    n: int


def feature_name(feature: str) -> str:
    """A feature with its unit, where it has one."""
    return {"loudness": "Loudness, dB", "tempo": "Tempo, BPM"}.get(feature, feature.capitalize())


def in_unit(feature: str, value: float) -> str:
    """A value with as many digits as the feature deserves."""
    return f"{value:.{ {'loudness': 1, 'tempo': 0}.get(feature, 2) }f}"


def quartiles(marts: Marts) -> dict[str, Quartiles]:
    """Those of each feature that was measured on any track."""
    found: dict[str, dict[str, float]] = {}
    for row in marts.rows("feature_quartiles", features=list(FEATURES)):
        found.setdefault(row["name"], {"n": row["n"]})[f"p{row['part'] * 100:.0f}"] = row["value"]
    return {
        name: Quartiles(values["p25"], values["p50"], values["p75"], int(values["n"]))
        for name, values in found.items()
    }


def feature_dots(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A dot for each feature, before the middle half and the median of all.

    Args:
        rows: feature, value, all_p25, all_median, all_p75, and low and high, the ends of a line through the dot; null
            where there is none.
    """
    points = [{**row, "name": feature_name(row["feature"])} for row in rows]
    names = [feature_name(feature) for feature in UNIT_FEATURES]
    y = {
        "field": "name",
        "type": "nominal",
        "scale": {"domain": names},
        "title": None,
        "axis": {"ticks": False, "domain": False, "grid": False, "labelPadding": 8},
    }
    axis = {"values": [0, 0.25, 0.5, 0.75, 1], "format": ".2~f"}

    def x(field: str) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "scale": {"domain": [0, 1]},
            "title": "0 to 1",
            "axis": axis,
        }

    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": 30 * len(UNIT_FEATURES),
        "data": {"values": points},
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "style": "band", "height": 12, "cornerRadius": 2},
                "encoding": {"x": x("all_p25"), "x2": {"field": "all_p75"}},
            },
            {
                "mark": {"type": "tick", "style": "median", "thickness": 2, "size": 20},
                "encoding": {"x": x("all_median")},
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "style": "span", "strokeWidth": 2.5},
                "encoding": {"x": x("low"), "x2": {"field": "high"}},
            },
            {
                "transform": [{"filter": "isValid(datum.value)"}],
                "mark": {"type": "circle", "size": 110, "opacity": 1},
                "encoding": {"x": x("value")},
            },
        ],
    }
