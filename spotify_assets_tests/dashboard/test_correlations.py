"""What goes with popularity, held against its mart."""

import csv
import io
import json
import re
from typing import Any

import pytest

from spotify_assets.dashboard.views.correlations import finding, in_plain_words, is_apart, spec
from spotify_assets_tests.dashboard.conftest import Site, tables_of

OF_ALL = (
    "select feature, r, ci_low, ci_high, n from marts.feature_popularity_correlation"
    " where measure = :measure and scope = 'all' and method = :method order by abs(r) desc nulls last, feature"
)


def row(**changes: object) -> dict[str, Any]:
    """A row of the mart."""
    return {"feature": "energy", "r": 0.4, "ci_low": 0.2, "ci_high": 0.6, "n": 100, **changes}


@pytest.mark.parametrize(
    ("address", "measure", "method"),
    [
        ("", "spotify_popularity", "spearman"),
        ("?method=pearson", "spotify_popularity", "pearson"),
        ("?measure=deezer_rank", "deezer_rank", "spearman"),
    ],
)
def test_each_feature_has_its_coefficient_of_the_measure_and_the_method(
    site: Site, address: str, measure: str, method: str
) -> None:
    [table] = tables_of(site.page(f"/correlations{address}"))
    expected = site.rows(OF_ALL, measure=measure, method=method)
    assert [cells[:5] for cells in table[1:]] == [
        [
            each["feature"].capitalize(),
            *(f"{each[name]:.2f}" for name in ("r", "ci_low", "ci_high")),
            f"{each['n']}",
        ]
        for each in expected
    ]


def test_the_chart_draws_what_the_mart_has(site: Site) -> None:
    page = site.page("/correlations")
    [drawn] = re.findall(r'<script type="application/json" id="spec-\d+">(.*?)</script>', page)
    values = json.loads(drawn)["data"]["values"]
    expected = site.rows(OF_ALL, measure="spotify_popularity", method="spearman")
    assert [(each["r"], each["ci_low"], each["ci_high"], each["n"]) for each in values] == [
        (each["r"], each["ci_low"], each["ci_high"], each["n"]) for each in expected
    ]


def test_the_files_hold_what_the_page_shows(site: Site) -> None:
    address = "/correlations{}?scope=genre&scope_value=Jazz&sort=r"
    [table] = tables_of(site.page(address.format("")))
    in_json = site.get(address.format(".json")).json()["rows"]
    in_csv = list(csv.DictReader(io.StringIO(site.get(address.format(".csv")).text)))
    assert len(table) - 1 == len(in_json) == len(in_csv) == 9
    for shown, of_json, of_csv in zip(table[1:], in_json, in_csv, strict=True):
        assert shown[1] == f"{of_json['r']:.2f}"
        assert shown[5] == of_json["reading"] == of_csv["reading"]
        assert of_json["scope_value"] == of_csv["scope_value"] == "Jazz"
    assert [each["r"] for each in in_json] == sorted(each["r"] for each in in_json)


def test_a_scope_without_a_value_takes_the_latest_week_or_what_has_the_most_tracks(site: Site) -> None:
    latest = site.value(
        "select max(scope_value) from marts.feature_popularity_correlation"
        " where scope = 'release_week' and measure = 'spotify_popularity'"
    )
    assert {
        row["scope_value"] for row in site.get("/correlations.json?scope=release_week").json()["rows"]
    } == {latest}
    most = site.value(
        "select scope_value from marts.feature_popularity_correlation where scope = 'genre'"
        " and measure = 'spotify_popularity' group by scope_value order by max(n) desc, scope_value limit 1"
    )
    assert {row["scope_value"] for row in site.get("/correlations.json?scope=genre").json()["rows"]} == {most}


def test_every_scope_of_the_mart_has_its_page(site: Site) -> None:
    for scope in ("release_week", "album_type", "genre"):
        page = site.page(f"/correlations?scope={scope}")
        values = site.rows(
            "select distinct scope_value from marts.feature_popularity_correlation"
            " where scope = :scope and measure = 'spotify_popularity'",
            scope=scope,
        )
        options = set(
            re.findall(
                r'<option value="([^"]+)"', page.partition('name="scope_value"')[2].partition("</select>")[0]
            )
        )
        assert options == {each["scope_value"].replace("&", "&amp;") for each in values}


def test_a_coefficient_that_is_not_there_is_said_to_be_so_and_why(site: Site) -> None:
    few = site.rows(
        "select scope_value, max(n) as n from marts.feature_popularity_correlation where scope = 'genre'"
        " and measure = 'spotify_popularity' and r is null group by scope_value having max(n) < 4 order by 1 limit 1"
    )[0]
    page = site.page(f"/correlations?scope=genre&scope_value={few['scope_value']}")
    [table] = tables_of(page)
    assert {cells[1] for cells in table[1:]} == {"no coefficient"}
    assert f"only {few['n']} of these tracks have both numbers" in table[1][5]
    # A chart without a dot would look like one that failed.
    assert 'class="chart"' not in page


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (row(n=3, r=None, ci_low=None, ci_high=None), "only 3 of these tracks"),
        (row(n=40, r=None, ci_low=None, ci_high=None), "is the same on all 40 tracks"),
        (row(n=29), "Too few tracks to tell: 29."),
        (row(ci_low=-0.1), "the interval holds 0"),
        (row(r=-0.4, ci_low=-0.6, ci_high=-0.2), "goes with lower Spotify popularity, moderately"),
        (row(r=0.2, ci_low=0.1, ci_high=0.3), "goes with higher Spotify popularity, faintly"),
        (row(r=0.9, ci_low=0.8, ci_high=0.95, n=30), "strongly"),
    ],
)
def test_each_row_is_said_in_words(given: dict[str, Any], words: str) -> None:
    assert words in in_plain_words(given, "spotify_popularity")


def test_what_cannot_be_told_has_another_form_and_not_only_another_colour() -> None:
    rows = [{**each, "reading": ""} for each in (row(), row(ci_low=-0.1), row(n=29))]
    drawn = spec(rows, "spearman")
    assert [each["told"] for each in drawn["data"]["values"]] == [
        "apart from 0",
        "not apart from 0",
        "not apart from 0",
    ]
    shape = drawn["layer"][2]["encoding"]["shape"]
    assert len(set(shape["scale"]["range"])) == 2


def test_the_finding_names_the_closest_feature_whatever_the_order_of_the_table() -> None:
    rows = [
        row(feature="tempo", r=0.1, ci_low=0.05, ci_high=0.15),
        row(feature="energy", r=-0.4, ci_low=-0.6, ci_high=-0.2),
    ]
    assert "closest energy: Spearman's r -0.40" in finding(rows, "spotify_popularity", "spearman")
    assert "No feature can be told" in finding([row(n=10)], "spotify_popularity", "spearman")


def test_the_end_of_an_interval_at_0_holds_it() -> None:
    assert not is_apart(row(ci_low=0.0))


def test_each_feature_leads_to_its_tracks_in_the_same_scope(site: Site) -> None:
    assert 'href="/explore?x=loudness&amp;y=popularity"' in site.page("/correlations")
    assert 'href="/explore?x=loudness&amp;y=deezer_rank&amp;genre=Rap%2FHip+Hop"' in site.page(
        "/correlations?measure=deezer_rank&scope=genre&scope_value=Rap/Hip%20Hop"
    )


def test_it_says_as_of_when_the_correlations_are(site: Site) -> None:
    as_of = site.value("select max(as_of) from marts.feature_popularity_correlation")
    assert f"<dt>Correlations as of</dt><dd>{as_of:%Y-%m-%d %H:%M} UTC</dd>" in site.page("/correlations")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("scope=genre&scope_value=no+such+genre", 404),
        ("scope=release_week&scope_value=2026", 404),
        ("scope_value=Jazz", 400),
        ("scope=everything", 400),
        ("method=kendall", 400),
        ("sort=reading", 400),
    ],
)
def test_what_is_not_there_is_not_found_and_what_makes_no_sense_is_refused(
    site: Site, query: str, status: int
) -> None:
    assert site.get(f"/correlations?{query}").status_code == status


@pytest.mark.parametrize("query", ["", "?scope=release_week", "?scope=genre"])
def test_a_warehouse_without_correlations_says_so(empty_site: Site, query: str) -> None:
    assert "There are no correlations of such tracks yet." in empty_site.page(f"/correlations{query}")
