from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_assets.sandbox.release_calendar import PERIOD, ReleaseCalendar

MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- as hypothesis wants it


@given(MOMENTS, st.integers(1, 3000))
@settings(max_examples=200)
def test_any_eight_weeks_hold_exactly_the_albums_asked_for(now: datetime, albums: int) -> None:
    calendar = ReleaseCalendar("key", albums)
    newest = calendar.newest(now)
    assert calendar.moment(newest) <= now < calendar.moment(newest + 1)
    assert calendar.newest(now - PERIOD) == newest - albums


@pytest.mark.parametrize("albums", [1, 7, 100_000])
def test_no_two_albums_come_out_at_one_moment(albums: int) -> None:
    calendar = ReleaseCalendar("key", albums)
    moments = [calendar.moment(k) for k in range(-2, min(albums, 20_000) + 3)]
    assert all(earlier < later for earlier, later in pairwise(moments))


def test_half_of_a_weeks_albums_come_out_on_friday() -> None:
    calendar = ReleaseCalendar("key", 8000)
    fridays = sum(calendar.moment(k).strftime("%a") == "Fri" for k in range(8000))
    assert 3900 <= fridays <= 4100


@given(MOMENTS, st.integers(1, 500), st.integers(-3, 3))
def test_out_means_not_newer_than_the_newest(now: datetime, albums: int, distance: int) -> None:
    calendar = ReleaseCalendar("key", albums)
    k = calendar.newest(now) + distance
    assert calendar.is_out(k, now) == (distance <= 0)


def test_a_number_beyond_every_calendar_is_not_out() -> None:
    """A UPC that nobody gave out decodes to such a number: its moment would overflow a datetime."""
    assert not ReleaseCalendar("key", 3).is_out(10**10, datetime(2026, 1, 1, tzinfo=UTC))


def test_the_new_albums_of_a_day_come_one_by_one() -> None:
    calendar = ReleaseCalendar("key", 200)
    start = datetime(2026, 11, 20, tzinfo=UTC)
    by_hour = [calendar.newest(start + timedelta(hours=hour)) for hour in range(25)]
    assert by_hour == sorted(by_hour)
    assert by_hour[-1] - by_hour[0] == pytest.approx(200 / 8 / 2, abs=2)
