"""Two numbers of each track against each other, held against the catalog."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import pytest

from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.scales import SCALES
from spotify_assets.dashboard.views import exploration
from spotify_assets.dashboard.views.exploration import finding, spec
from spotify_assets_tests.dashboard.conftest import Site, tables_of

# The eight weeks up to the latest, each track once.
RELEASED = """
    select distinct on (track_id) track_id, album_type, features_source, energy, popularity, deezer_rank,
        nullif(tempo, 0) as tempo
    from marts.track_catalog
    where release_date_precision = 'day'
        and release_date between (select max(week_start) - 49 from marts.feature_week)
            and (select cast(as_of as date) from marts.builds where mart = 'track_catalog')
    order by track_id, deezer_rank desc nulls last
"""


def files(site: Site, query: str) -> Sequence[Mapping[str, Any]]:
    """The rows of the JSON."""
    rows: Sequence[Mapping[str, Any]] = site.get(f"/explore.json?{query}").json()["rows"]
    return rows


def charts(page: str) -> list[Any]:
    """The specs of a page."""
    return [
        json.loads(drawn)
        for drawn in re.findall(r'<script type="application/json" id="spec-\d+">(.*?)</script>', page)
    ]


@pytest.mark.parametrize(
    ("x", "y"), [("energy", "popularity"), ("tempo", "deezer_rank"), ("popularity", "deezer_rank")]
)
def test_the_tracks_are_those_of_the_latest_eight_weeks_that_have_both_numbers(
    site: Site, x: str, y: str
) -> None:
    expected = site.rows(
        f"select track_id, {x}, {y} from ({RELEASED}) as released where {x} is not null and {y} is not null"
    )
    shown = files(site, f"x={x}&y={y}")
    assert {(row["track_id"], row[x], row[y]) for row in shown} == {
        (row["track_id"], row[x], row[y]) for row in expected
    }
    assert len(shown) == len(expected) > 400


def test_what_is_not_measured_is_counted_and_never_drawn(site: Site) -> None:
    counted = site.rows(
        f"select count(*) as n, count(*) - count(energy) as without from ({RELEASED}) as released"
    )[0]
    assert counted["without"] > 0
    page = site.page("/explore")
    assert f"<dt>Tracks released</dt><dd>{counted['n']}</dd>" in page
    assert f"<dt>Not measured</dt><dd>{counted['without']}</dd>" in page
    assert f"not measured: Energy of {counted['without']}, Spotify popularity of 0." in page


def test_the_steps_have_the_means_and_quartiles_of_all_their_tracks(site: Site) -> None:
    [steps, _] = tables_of(site.page("/explore"))
    expected = site.rows(
        "select least(floor(energy * 10), 9) as step, count(*) as n, avg(popularity) as mean,"
        " percentile_cont(0.25) within group (order by popularity) as p25"
        f" from ({RELEASED}) as released where energy is not null and popularity is not null group by 1 order by 1"
    )
    assert [(row[0][:3], row[1].removeprefix("few: "), row[3], row[4]) for row in steps[1:]] == [
        (f"{row['step'] / 10:.1f}", f"{row['n']}", f"{row['mean']:.1f}", f"{row['p25']:.1f}")
        for row in expected
    ]


def test_a_value_on_the_border_of_a_step_belongs_to_the_upper_one(site: Site) -> None:
    # 0.3 / 0.1 is less than 3 in floating point, and 1.0 has no step above it.
    ends = site.rows(
        "select least(floor(x * 10.0), 9) as step from (values (0.3::float8), (0.7), (0.9), (1.0)) as v (x)"
    )
    assert [row["step"] for row in ends] == [3, 7, 9, 9]
    assert 1 / SCALES["energy"].step == 10
    [steps, _] = tables_of(site.page("/explore"))
    assert steps[-1][0] == "0.9 to 1.0"


def test_ranges_choose_the_table_the_chart_and_the_files_alike_but_not_the_means(site: Site) -> None:
    query = "x_from=0.4&x_to=0.6&y_from=30&y_to=45.5"
    page = site.page(f"/explore?{query}")
    shown = files(site, query)
    expected = site.value(
        f"select count(*) from ({RELEASED}) as released"
        " where energy between 0.4 and 0.6 and popularity between 30 and 45"
    )
    assert len(shown) == expected > 5
    assert all(0.4 <= row["energy"] <= 0.6 and 30 <= row["popularity"] <= 45.5 for row in shown)
    [drawn] = charts(page)
    points = [point for layer in drawn["layer"] for point in layer["data"]["values"] if "track" in point]
    assert sorted((point["x"], point["y"]) for point in points) == sorted(
        (row["energy"], row["popularity"]) for row in shown
    )
    # What stands out must not change with what is looked at.
    [steps, _], [all_steps, _] = tables_of(page), tables_of(site.page("/explore"))
    assert [row[3] for row in steps] == [row[3] for row in all_steps]
    assert sum(int(row[2]) for row in steps[1:]) == expected


def test_what_stands_out_lies_beyond_the_fences_of_its_step(site: Site) -> None:
    quartiles = {
        row["step"]: row
        for row in site.rows(
            "select least(floor(energy * 10), 9) as step, count(*) as n,"
            " percentile_cont(0.25) within group (order by popularity) as low,"
            " percentile_cont(0.75) within group (order by popularity) as high"
            f" from ({RELEASED}) as released where energy is not null group by 1"
        )
    }
    shown = files(site, "x=energy&y=popularity")
    assert {row["stands_out"] for row in shown} >= {"above", "within", None}
    for row in shown:
        step = quartiles[min(int(row["energy"] * 10), 9)]
        width = 1.5 * (step["high"] - step["low"])
        if step["n"] < 30:
            assert row["stands_out"] is None
        else:
            expected = {True: "above", False: "within"}[row["popularity"] > step["high"] + width]
            assert row["stands_out"] == ("below" if row["popularity"] < step["low"] - width else expected)
    # The page begins with them, and says so in words.
    [_, table] = tables_of(site.page("/explore"))
    assert table[1][7] == "▲ above"


def test_the_files_hold_all_pages_and_the_page_fifty_rows_in_the_same_order(site: Site) -> None:
    query = "sort=popularity&descending=yes&type=album"
    shown = files(site, query)
    text = site.get(f"/explore.csv?{query}").content.decode()
    in_csv = list(csv.DictReader(io.StringIO(text)))
    assert [row["track_id"] for row in in_csv] == [row["track_id"] for row in shown]
    [_, second] = tables_of(site.page(f"/explore?{query}&page=2"))
    assert [row[5] for row in second[1:]] == [f"{row['popularity']:.0f}" for row in shown[50:100]]
    assert {row["album_type"] for row in shown} == {"album"}
    values = [row["popularity"] for row in shown]
    assert values == sorted(values, reverse=True)


def test_filters_take_away_what_they_say(site: Site) -> None:
    everything = {row["track_id"] for row in files(site, "")}
    explicit = {row["track_id"] for row in files(site, "explicit=yes")}
    assert explicit | {row["track_id"] for row in files(site, "explicit=no")} == everything
    assert {row["features_source"] for row in files(site, "source=spotify")} == {"spotify"}
    assert "None of these tracks has both numbers" in site.page(
        "/explore?source=reccobeats"
    ) or "No track of these" in (site.page("/explore?source=reccobeats"))
    one_week = files(site, "week=2026-11-02&weeks=1")
    assert {
        row["release_date"] >= "2026-11-02" and row["release_date"] <= "2026-11-08" for row in one_week
    } == {True}
    of_genre = {row["track_id"] for row in files(site, "genre=Rock")}
    in_catalog = site.rows("select track_id from marts.track_catalog where 'Rock' = any(genres)")
    assert of_genre
    assert of_genre <= {row["track_id"] for row in in_catalog}


def test_more_points_than_can_be_seen_are_a_sample_that_is_the_same_each_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = files(site, "sort=track_name")
    monkeypatch.setattr(exploration, "MOST_POINTS", 100)
    # Another address: the tag of the first would have it that nothing changed.
    sample = files(site, "sort=track_name&weeks=8")
    assert len(sample) == 100
    assert sample == files(site, "sort=track_name&weeks=8")
    assert {row["track_id"] for row in sample} < {row["track_id"] for row in everything}
    page = site.page("/explore?weeks=8")
    assert f"100 of the {len(everything)} tracks, taken by lot and always the same ones" in page
    [steps, _] = tables_of(page)
    assert sum(int(row[1].removeprefix("few: ")) for row in steps[1:]) == len(everything)


@pytest.mark.parametrize(
    "query",
    [
        "x_from=0.0001&x_to=1000000",
        "y_from=-60.5&y_to=-0",
        "weeks=26",
        "scope=genre&scope_value=R%26B",
        "feature=tempo",
    ],
)
def test_what_an_address_asks_for_is_written_back_alike(query: str) -> None:
    asked = Filters.parse(parse_qsl(query))
    assert Filters.parse(parse_qsl(asked.query())) == asked


def test_deezer_rank_is_taken_where_the_measure_says_so(site: Site) -> None:
    assert "Energy and Deezer rank" in site.page("/explore?measure=deezer_rank")
    assert "deezer_rank" in files(site, "measure=deezer_rank")[0]


def test_a_brush_over_nothing_but_what_stands_out_draws_too() -> None:
    steps = [{"step": 4, "n": 50, "selected": 1, "x_mean": 0.45, "mean": 20.0}]
    track = {
        "energy": 0.45,
        "popularity": 90,
        "track_name": "a",
        "artist_names": ["b"],
        "stands_out": "above",
    }
    drawn = spec(SCALES["energy"], SCALES["popularity"], steps, [track])
    assert drawn["layer"][0]["params"][0]["name"] == "brush"
    assert sum("params" in layer for layer in drawn["layer"]) == 1


def test_the_finding_compares_steps_of_tracks_enough() -> None:
    steps = [
        {"step": number, "n": n, "mean": 10.0 * number} for number, n in ((1, 5), (2, 30), (7, 40), (9, 29))
    ]
    said = finding(SCALES["energy"], SCALES["popularity"], steps)
    assert said == (
        "Of 104 tracks, the mean of Spotify popularity is 20.0 where energy is 0.2 to 0.3 (n = 30),"
        " and 70.0 where energy is 0.7 to 0.8 (n = 40)."
    )


def test_empty_ranges_and_pages_past_the_end_say_what_to_do(site: Site) -> None:
    assert "No track lies within these ranges: widen them." in site.page("/explore?y_from=99.5")
    assert "The table has no such page: go back to the first." in site.page("/explore?page=99")
    assert "No track of these weeks fits" in site.page("/explore?week=1999-11-01")


def test_a_warehouse_without_tracks_says_so(empty_site: Site) -> None:
    assert "No track with an exact day of release is known yet." in empty_site.page("/explore")


@pytest.mark.parametrize(
    "query",
    [
        "x=energy&y=energy",
        "x=key",
        "x_from=low",
        "x_from=1e3",
        "x_from=0.9&x_to=0.1",
        "weeks=105",
        "weeks=0",
        "sort=x",
    ],
)
def test_what_makes_no_sense_is_refused(site: Site, query: str) -> None:
    assert site.get(f"/explore?{query}").status_code == 400
