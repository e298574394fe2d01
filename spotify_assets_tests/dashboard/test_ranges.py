"""Ranges in addresses: what is written back is what was read."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.dashboard.filters import CAMELOT, FEATURE_RANGES, FilterError, Filters


@st.composite
def filters(draw: st.DrawFn) -> Filters:
    ranges: dict[str, float] = {}
    for feature, (least, most) in FEATURE_RANGES.items():
        values = st.integers(int(least * 10_000), int(most * 10_000)).map(lambda number: number / 10_000)
        low, high = sorted((draw(values), draw(values)))
        ranges |= {f"min_{feature}": low, f"max_{feature}": high}
    kept = draw(st.sets(st.sampled_from(sorted(ranges))))
    return Filters(
        camelot=tuple(code for code in CAMELOT if code in draw(st.sets(st.sampled_from(CAMELOT)))),
        weeks=draw(st.none() | st.integers(1, 104)),
        min_change=draw(st.none() | st.integers(1, 1_000_000)),
        direction=draw(st.sampled_from([None, "rising", "falling"])),
        all_tracks=draw(st.booleans()),
        **{name: ranges[name] for name in sorted(kept)},  # type: ignore[arg-type]
    )


@given(filters())
def test_an_address_says_again_what_it_said(asked: Filters) -> None:
    assert Filters.parse(parse_qsl(asked.query())) == asked


@pytest.mark.parametrize("text", ["٣", "1_0", " 1", "+1", "inf", "0.00001", "--1", "1.", "99999999"])
def test_what_only_python_takes_for_a_number_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        Filters.parse([("max_tempo", text)])
