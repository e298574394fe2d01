"""The ranking of a week, held against its mart."""

import csv
import io

from spotify_assets_tests.dashboard.conftest import Site, tables_of

LATEST = "(select max(week_start) from marts.weekly_popular_releases where measure = 'spotify_popularity')"


def test_the_home_page_ranks_the_latest_week_as_the_mart_does(site: Site) -> None:
    [table] = tables_of(site.page("/"))
    expected = site.rows(
        "select rank, name, value_mean from marts.weekly_popular_releases"
        f" where measure = 'spotify_popularity' and week_start = {LATEST} order by rank limit 50"
    )
    assert [(row[0], row[2], row[6]) for row in table[1:]] == [
        (str(row["rank"]), row["name"], f"{row['value_mean']:.1f}") for row in expected
    ]


def test_the_files_hold_what_the_page_shows(site: Site) -> None:
    address = "ranking{}?measure=deezer_rank&type=single&sort=value_max&descending=yes"
    [table] = tables_of(site.page("/" + address.format("")))
    in_json = site.get("/" + address.format(".json")).json()
    text = site.get("/" + address.format(".csv")).content.decode()
    in_csv = list(csv.DictReader(io.StringIO(text)))
    assert len(table) - 1 == len(in_json["rows"]) == len(in_csv) > 3
    for shown, of_json, of_csv in zip(table[1:], in_json["rows"], in_csv, strict=True):
        assert shown[2] == of_json["name"] == of_csv["name"]
        assert of_csv["value_max"] == ("" if of_json["value_max"] is None else str(of_json["value_max"]))
        assert of_json["album_type"] == "single"
    assert in_json["source"] == "sandbox"
    highest = [row["value_max"] for row in in_json["rows"] if row["value_max"] is not None]
    assert highest == sorted(highest, reverse=True)


def test_a_change_is_told_in_words_and_not_by_colour_alone(site: Site) -> None:
    [table] = tables_of(site.page("/"))
    changes = {row[1][:1] for row in table[1:]}
    assert {"▲", "▼"} <= changes


def test_a_page_past_the_end_is_empty_and_says_what_to_do(site: Site) -> None:
    page = site.page("/ranking?page=99")
    assert "No album of this week fits" in page


def test_a_column_that_is_none_is_refused_by_name(site: Site) -> None:
    answer = site.get("/ranking?sort=1;drop table")
    assert answer.status_code == 400
    assert "cannot be sorted by" in answer.text
