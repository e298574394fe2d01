"""The release calendar, held against its mart."""

import csv
import io
import json
import re
from collections import Counter
from datetime import date, timedelta
from statistics import median
from typing import Any

import pytest

from spotify_assets.dashboard.views.release_calendar import DAYS, finding, summaries
from spotify_assets_tests.dashboard.conftest import Site, tables_of


def specs_of(page: str) -> list[dict[str, Any]]:
    return [
        json.loads(text) for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)
    ]


def releases_by_day(site: Site) -> Counter[date]:
    found: Counter[date] = Counter()
    for row in site.rows("select release_date, releases from marts.release_cadence"):
        found[row["release_date"]] += row["releases"]
    return found


def test_the_heat_map_has_a_cell_for_each_day_that_has_come_and_none_for_those_to_come(site: Site) -> None:
    expected = releases_by_day(site)
    as_of = site.value("select as_of from marts.builds where mart = 'release_cadence'").date()
    heat_map = specs_of(site.page("/calendar"))[0]["data"]["values"]
    drawn = {
        date.fromisoformat(each["week"])
        + timedelta(days=[name[:3] for name in DAYS].index(each["weekday"])): each["releases"]
        for each in heat_map
    }
    assert len(drawn) == len(heat_map)
    assert max(drawn) == as_of
    assert {day: count for day, count in drawn.items() if count} == expected
    assert 0 in drawn.values()


def test_the_table_adds_the_mart_up_by_weekday_and_format(site: Site) -> None:
    rows = site.rows("select * from marts.release_cadence")
    total = sum(row["releases"] for row in rows)
    in_json = site.get("/calendar.json").json()["rows"]
    fridays = [row for row in rows if row["release_date"].weekday() == 4 and row["album_type"] == "single"]
    [of_page] = [row for row in in_json if (row["weekday"], row["album_type"]) == ("Friday", "single")]
    assert of_page["releases"] == sum(row["releases"] for row in fridays) > 0
    assert of_page["releases_share"] == pytest.approx(of_page["releases"] / total)
    assert of_page["tracks"] == sum(row["tracks"] for row in fridays)
    assert of_page["median_duration_ms"] == median(row["median_duration_ms"] for row in fridays)
    assert of_page["explicit_share"] == pytest.approx(
        sum(row["explicit_share"] * row["tracks"] for row in fridays) / of_page["tracks"]
    )
    [everything] = [
        row for row in in_json if (row["weekday"], row["album_type"]) == ("any day", "all formats")
    ]
    explicit = site.value(
        "select cast(avg(cast(explicit as integer)) as double precision) from marts.track_catalog"
        " where release_date_precision = 'day'"
    )
    assert everything["releases"] == total
    assert everything["explicit_share"] == pytest.approx(explicit)


def test_the_files_hold_what_the_page_shows(site: Site) -> None:
    table = tables_of(site.page("/calendar?type=album&type=single"))[0]
    in_json = site.get("/calendar.json?type=album&type=single").json()["rows"]
    text = site.get("/calendar.csv?type=album&type=single").content.decode()
    in_csv = list(csv.DictReader(io.StringIO(text)))
    assert [row[:3] for row in table[1:]] == [
        [row["weekday"], row["album_type"], str(row["releases"])] for row in in_json
    ]
    assert [row["releases"] for row in in_csv] == [str(row["releases"]) for row in in_json]
    assert {row["album_type"] for row in in_json} == {"all formats", "album", "single"}


def test_the_page_names_the_busiest_and_the_quietest_weekday_with_n(site: Site) -> None:
    days = releases_by_day(site)
    total = sum(days.values())
    fridays = sum(count for day, count in days.items() if day.weekday() == 4)
    assert f"Most releases come out on Fridays, {fridays:,} of {total:,}" in site.page("/calendar")


def test_a_weekday_that_has_not_come_yet_is_not_the_quietest() -> None:
    # From a Monday to a Wednesday there was no Friday on which nothing came out.
    monday = date(2026, 11, 9)
    days = [monday + timedelta(days=number) for number in range(3)]
    said = finding({days[0]: 4, days[1]: 1, days[2]: 2}, days)
    assert said.startswith("Most releases come out on Mondays, 4 of 7 (57%)")
    assert "the fewest on Tuesdays, 1 of 7" in said


def test_weekdays_that_are_alike_are_not_set_above_each_other() -> None:
    monday = date(2026, 11, 9)
    days = [monday + timedelta(days=number) for number in range(7)]
    assert "No weekday stands out" in finding(dict.fromkeys(days, 2), days)
    assert "on Mondays and Tuesdays, 6 of 11" in finding(
        {day: 3 if day <= days[1] else 1 for day in days}, days
    )


def test_a_format_without_a_track_has_no_length_and_no_share_of_explicit_ones() -> None:
    row = {
        "release_date": date(2026, 11, 13),
        "album_type": "single",
        "releases": 1,
        "tracks": 0,
        "explicit_share": None,
        "median_duration_ms": None,
    }
    [friday] = [each for each in summaries([row], [1] * 7) if each["weekday"] == "Friday"][1:]
    assert friday["releases"] == 1
    assert friday["explicit_share"] is friday["median_duration_ms"] is None


def test_releases_whose_day_is_not_known_are_counted_and_not_dropped_silently(site: Site) -> None:
    albums = site.rows(
        "select distinct album_id, release_date from marts.track_catalog where release_date_precision = 'year'"
    )
    day = albums[0]["release_date"]
    of_that_year = sum(row["release_date"].year == day.year for row in albums)
    monday = date(day.year, 6, 1)
    monday -= timedelta(days=monday.weekday())
    page = site.page(f"/calendar?week={monday}&weeks=2")
    assert f"Left out: {of_that_year} of which only the month or the year is known." in page
    assert "No release of that time lacks its exact day" in site.page("/calendar")


def test_an_album_that_came_out_on_a_first_of_month_is_not_taken_for_one_without_a_day(site: Site) -> None:
    first = site.value("select count(*) from marts.release_cadence where extract(day from release_date) = 1")
    assert first > 0, "the sandbox has a release on the first of a month"
    assert "Left out" not in site.page("/calendar")


def test_fewer_weeks_can_be_asked_for_and_are_stepped_through(site: Site) -> None:
    page = site.page("/calendar?weeks=2&week=2026-10-12")
    weeks = {each["week"] for each in specs_of(page)[0]["data"]["values"]}
    assert weeks == {"2026-10-05", "2026-10-12"}
    assert 'href="?week=2026-09-28&amp;weeks=2"' in page
    assert 'href="?week=2026-10-26&amp;weeks=2"' in page


def test_what_is_no_number_of_weeks_is_refused(site: Site) -> None:
    for query in ("weeks=0", "weeks=105", "weeks=all", "type=ep"):
        assert site.get(f"/calendar?{query}").status_code == 400, query
