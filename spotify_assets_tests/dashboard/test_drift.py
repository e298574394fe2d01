"""The drift of the sound, held against its mart."""

import csv
import io
import json
import re
from datetime import date, timedelta
from statistics import fmean
from typing import Any

import pytest
from sqlalchemy import text

from spotify_assets.dashboard.scales import SCALES
from spotify_assets.dashboard.views.drift import finding, spec
from spotify_assets_tests.dashboard.conftest import Site, tables_of

MONDAY = date(2026, 11, 9)


def week(number: int, **changes: object) -> dict[str, Any]:
    """A week, so many before the latest, as the statement gives it."""
    return {
        "week_start": MONDAY - timedelta(weeks=number),
        "tracks": 60,
        "n": 50,
        "p25": 0.4,
        "median": 0.5,
        "p75": 0.6,
        "mean": 0.5,
        "moving_mean": None,
        **changes,
    }


@pytest.mark.parametrize(("feature", "digits"), [("energy", 2), ("loudness", 1), ("tempo", 1)])
def test_each_week_has_its_median_and_quartiles_the_latest_first(
    site: Site, feature: str, digits: int
) -> None:
    [_, table] = tables_of(site.page(f"/drift?feature={feature}"))
    expected = site.rows(
        "select * from marts.feature_week where feature = :feature order by week_start desc", feature=feature
    )
    assert [(row[0], row[1].removeprefix("few: "), *row[2:6]) for row in table[1:]] == [
        (
            f"{row['week_start']}",
            f"{row['n']} of {row['tracks']}",
            *(f"{row[name]:.{digits}f}" for name in ("p25", "median", "p75", "mean")),
        )
        for row in expected
    ]


def test_the_moving_mean_is_of_eight_medians_each_counting_the_same(site: Site) -> None:
    rows = site.get("/drift.json?feature=valence").json()["rows"]
    medians = [row["median"] for row in rows]
    for number, row in enumerate(rows):
        eight = medians[number : number + 8]
        assert row["moving_mean"] == (pytest.approx(fmean(eight)) if len(eight) == 8 else None)
    assert rows[0]["moving_mean"] is not None


def test_the_mean_of_a_week_does_not_depend_on_where_the_page_begins(site: Site) -> None:
    rows = site.get("/drift.json").json()["rows"]
    earlier = site.get(f"/drift.json?week={rows[2]['week_start']}").json()["rows"]
    assert earlier == rows[2:]


def test_all_features_are_in_one_table_for_the_latest_week(site: Site) -> None:
    [table, _] = tables_of(site.page("/drift"))
    medians = {
        row["feature"]: row["median"]
        for row in site.rows(
            "select feature, median from marts.feature_week"
            " where week_start = (select max(week_start) from marts.feature_week)"
        )
    }
    assert {row[0].split()[0].lower(): float(row[4]) for row in table[1:]} == {
        feature: pytest.approx(median, abs=0.051) for feature, median in medians.items()
    }


def test_the_charts_draw_what_the_mart_has(site: Site) -> None:
    page = site.page("/drift?feature=energy")
    specs = re.findall(r'<script type="application/json" id="spec-[\d-]+">(.*?)</script>', page)
    assert len(specs) == 9
    values = json.loads(specs[0])["data"]["values"]
    expected = site.rows("select * from marts.feature_week where feature = 'energy' order by week_start")
    assert [(each["week"], each["median"], each["p25"], each["p75"], each["n"]) for each in values] == [
        (f"{row['week_start']}", row["median"], row["p25"], row["p75"], row["n"]) for row in expected
    ]


def test_the_files_hold_what_the_page_shows(site: Site) -> None:
    address = "/drift{}?feature=liveness&sort=median"
    [_, table] = tables_of(site.page(address.format("")))
    in_json = site.get(address.format(".json")).json()["rows"]
    in_csv = list(csv.DictReader(io.StringIO(site.get(address.format(".csv")).text)))
    assert (
        [row[0] for row in table[1:]]
        == [row["week_start"] for row in in_json]
        == [row["week_start"] for row in in_csv]
    )
    assert [float(row["median"]) for row in in_csv] == sorted(row["median"] for row in in_json)


def test_weeks_of_few_tracks_have_another_form_and_are_said_to_be_few(site: Site) -> None:
    drawn = spec(SCALES["energy"], [week(0), week(1, n=29)])
    marks = [layer["mark"] for layer in drawn["layer"] if layer["mark"]["type"] == "point"]
    assert {(mark["shape"], mark["filled"]) for mark in marks} == {("circle", True), ("diamond", False)}
    few = site.rows("select week_start, n from marts.feature_week where feature = 'energy' and n < 30")
    [_, table] = tables_of(site.page("/drift"))
    assert few
    assert {row[0] for row in table[1:] if row[1].startswith("few: ")} == {
        f"{row['week_start']}" for row in few
    }


def test_a_week_leads_to_its_ranking_where_there_is_one_and_n_to_its_tracks(site: Site) -> None:
    page = site.page("/drift?feature=tempo")
    ranked = {
        f"{row['week_start']}"
        for row in site.rows("select distinct week_start from marts.weekly_popular_releases")
    }
    assert set(re.findall(r'href="/ranking\?week=([\d-]+)"', page)) == ranked
    assert 'href="/explore?x=tempo&amp;week=2026-09-14&amp;weeks=1"' in page
    assert site.get("/explore?x=tempo&week=2026-09-14&weeks=1").status_code == 200


def test_a_week_without_any_release_breaks_the_line_and_is_said_to_be_so(empty_site: Site) -> None:
    with empty_site.owner.begin() as connection:
        connection.execute(
            text(
                "insert into marts.feature_week (week_start, feature, tracks, n, mean, median, p25, p75) values"
                " ('2026-11-09', 'energy', 4, 4, 0.5, 0.5, 0.4, 0.6),"
                " ('2026-10-26', 'energy', 3, 0, null, null, null, null),"
                " ('2026-10-19', 'energy', 1, 1, 0.5, 0.5, 0.5, 0.5)"
            )
        )
    [table] = tables_of(empty_site.page("/drift"))
    assert [(row[0], row[1], row[3]) for row in table[1:]] == [
        ("2026-11-09", "few: 4 of 4", "0.50"),
        ("2026-11-02", "no release", "not measured"),
        ("2026-10-26", "few: 0 of 3", "not measured"),
        ("2026-10-19", "few: 1 of 1", "0.50"),
    ]
    # Others have no number at all, and a chart without one would look like a failure.
    assert "The other features" not in empty_site.page("/drift")
    assert "No week of release is known here." not in empty_site.page("/drift?feature=tempo")


def test_there_is_a_way_back_a_year_only_where_the_year_is_full(empty_site: Site) -> None:
    with empty_site.owner.begin() as connection:
        connection.execute(
            text(
                "insert into marts.feature_week (week_start, feature, tracks, n, mean, median, p25, p75)"
                " select monday::date, 'energy', 40, 40, 0.5, 0.5, 0.5, 0.5"
                " from generate_series(timestamp '2025-08-04', '2026-11-09', '7 days') as monday"
            )
        )
    page = empty_site.page("/drift")
    assert 'href="?week=2025-11-10" rel="prev"' in page
    assert "Next 52 weeks" not in page
    earlier = empty_site.page("/drift?week=2025-11-10")
    assert 'href="?week=2026-11-09" rel="next"' in earlier
    assert "Previous 52 weeks" not in earlier
    # Medians that are all alike have no extent, and must be drawn all the same.
    assert '"domain":[0,1]' in page


def test_the_finding_tells_a_band_that_moves_from_a_line_that_wavers() -> None:
    wavers = finding(SCALES["energy"], [week(0), week(1, median=0.45)])
    assert "every week's median lies within that half (2 weeks, n = 100)" in wavers
    moves = finding(SCALES["energy"], [week(0), week(1, median=0.2)])
    assert "the weeks' medians lie between 0.20 and 0.50" in moves


def test_a_warehouse_without_weeks_says_so(empty_site: Site) -> None:
    assert "No week of release is known here." in empty_site.page("/drift")


def test_a_week_before_all_releases_says_what_to_do(site: Site) -> None:
    assert "take the week away to see the latest" in site.page("/drift?week=1999-11-01")


@pytest.mark.parametrize("query", ["feature=key", "week=2026-11-10", "sort=feature"])
def test_what_makes_no_sense_is_refused(site: Site, query: str) -> None:
    assert site.get(f"/drift?{query}").status_code == 400
