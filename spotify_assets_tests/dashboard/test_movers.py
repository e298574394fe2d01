"""The movers of a week, held against the marts, and its formula against a plain computation."""

import csv
import io
import json
import re
from collections import defaultdict

from spotify_assets_tests.dashboard.conftest import Site, tables_of

WEEK = "2026-11-09"
CHANGES = """
    select track_week.track_id, track_week.delta, catalog.album_id
    from marts.track_week
    cross join lateral (
        select album_id from marts.track_catalog where track_catalog.track_id = track_week.track_id
        order by release_date asc nulls last, album_id collate "C" limit 1
    ) as catalog
    where measure = 'spotify_popularity' and week_start = :week and delta <> 0
    order by abs(delta) desc, track_id
"""


def test_the_latest_week_lists_of_each_album_the_track_that_moved_most(site: Site) -> None:
    expected: dict[str, tuple[str, int]] = {}
    for row in site.rows(CHANGES, week=WEEK):
        expected.setdefault(row["album_id"], (row["track_id"], row["delta"]))
    answer = site.get("/movers.json").json()
    assert answer["total"] == len(expected) > 50
    assert {row["week_start"] for row in answer["rows"]} == {WEEK}
    assert [(row["track_id"], row["delta"]) for row in answer["rows"]] == list(expected.values())[:50]


def test_all_tracks_are_listed_where_that_is_asked(site: Site) -> None:
    answer = site.get("/movers.json?all_tracks=yes&min_change=4").json()
    expected = [row["track_id"] for row in site.rows(CHANGES, week=WEEK) if abs(row["delta"]) >= 4]
    assert answer["total"] == len(expected) > 50
    assert [row["track_id"] for row in answer["rows"]] == expected[:50]


def test_a_direction_leaves_the_other_one_out(site: Site) -> None:
    rising = site.get("/movers.json?direction=rising&all_tracks=yes").json()
    falling = site.get("/movers.json?direction=falling&all_tracks=yes").json()
    assert all(row["delta"] > 0 for row in rising["rows"])
    assert all(row["delta"] < 0 for row in falling["rows"])
    assert rising["total"] + falling["total"] == len(site.rows(CHANGES, week=WEEK))


def test_the_own_pace_is_the_mean_change_of_the_four_weeks_before_with_its_n(site: Site) -> None:
    earlier = defaultdict(list)
    for row in site.rows(
        "select track_id, delta from marts.track_week where measure = 'spotify_popularity' and delta is not null"
        " and week_start < :week and week_start >= cast(:week as date) - 28",
        week=WEEK,
    ):
        earlier[row["track_id"]].append(row["delta"])
    rows = site.get("/movers.json").json()["rows"]
    assert {row["earlier_weeks"] for row in rows} >= {0, 2}
    for row in rows:
        deltas = earlier[row["track_id"]]
        assert row["earlier_weeks"] == len(deltas)
        if deltas:
            assert abs(row["earlier_mean"] - sum(deltas) / len(deltas)) < 1e-9
            assert abs(row["above_earlier"] - (row["delta"] - row["earlier_mean"])) < 1e-9
        else:
            assert row["earlier_mean"] is row["above_earlier"] is None


def test_a_track_without_earlier_weeks_is_said_to_have_none_and_not_to_have_stood_still(site: Site) -> None:
    [table] = tables_of(site.page("/movers?direction=rising"))
    pace = table[0].index("Own pace")
    assert "no earlier week" in {row[pace] for row in table[1:]}


def test_the_page_says_how_many_were_compared_of_how_many_measured(site: Site) -> None:
    measured, compared = (
        site.value(
            f"select count({column}) from marts.track_week where measure = 'deezer_rank' and week_start = :week",
            week=WEEK,
        )
        for column in ("value", "delta")
    )
    assert measured > compared > 0
    page = site.page("/movers?measure=deezer_rank")
    assert f"{compared:,} of the {measured:,} tracks that were measured" in page
    assert "How a change is measured" in page


def test_the_first_week_says_why_nothing_can_be_compared(site: Site) -> None:
    first = site.value("select min(week_start) from marts.track_week where measure = 'spotify_popularity'")
    page = site.page(f"/movers?week={first}")
    assert "none of them in the week before" in page
    assert "data-spec" not in page


def test_a_change_that_no_track_made_says_what_to_ask_instead(site: Site) -> None:
    assert "ask for a smaller change" in site.page("/movers?min_change=100")


def test_the_files_hold_what_the_page_shows(site: Site) -> None:
    address = "/movers{}?measure=deezer_rank&sort=track_name&min_change=10000"
    [table] = tables_of(site.page(address.format("")))
    in_json = site.get(address.format(".json")).json()["rows"]
    in_csv = list(csv.DictReader(io.StringIO(site.get(address.format(".csv")).content.decode())))
    assert len(table) - 1 == len(in_json) == len(in_csv) > 10
    for shown, of_json, of_csv in zip(table[1:], in_json, in_csv, strict=True):
        assert shown[1] == of_json["track_name"] == of_csv["track_name"]
        assert str(of_json["delta"]) == of_csv["delta"]


def test_the_chart_draws_the_twenty_that_moved_most(site: Site) -> None:
    page = site.page("/movers")
    [text] = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)
    drawn = json.loads(text)["data"]["values"]
    rows = site.get("/movers.json").json()["rows"][:20]
    assert [(each["previous"], each["value"]) for each in drawn] == [
        (row["previous"], row["value"]) for row in rows
    ]


def test_what_is_no_change_or_direction_is_refused(site: Site) -> None:
    for query in ("min_change=0", "min_change=-3", "direction=sideways", "all_tracks=1", "week=2026-11-10"):
        assert site.get(f"/movers?{query}").status_code == 400, query
