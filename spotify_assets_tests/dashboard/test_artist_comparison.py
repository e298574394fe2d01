"""Artists compared, held against their profiles in the mart."""

import csv
import io
import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from spotify_assets_tests.dashboard.conftest import Site, tables_of

MOST_MEASURED = (
    "select artist_id, artist_name from marts.artist_feature_profile"
    " where feature = 'energy' order by n desc, artist_id limit 7"
)


def address_of(artists: list[str], kind: str = "", more: str = "") -> str:
    return f"/compare{kind}?{'&'.join(f'artist={artist}' for artist in artists)}{more}"


def artists_of(site: Site, most: int) -> list[str]:
    return [row["artist_id"] for row in site.rows(MOST_MEASURED)][:most]


def specs_of(page: str) -> list[dict[str, Any]]:
    return [
        json.loads(text)
        for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)
    ]


def test_the_table_and_the_files_are_the_profiles_of_the_mart(site: Site) -> None:
    artists = artists_of(site, 3)
    expected = {
        (row["artist_id"], row["feature"]): row
        for row in site.rows(
            "select * from marts.artist_feature_profile where artist_id = any(cast(:artists as text[]))",
            artists=artists,
        )
    }
    in_json = site.get(address_of(artists, ".json")).json()["rows"]
    assert len(in_json) == len(expected) == 27
    for row in in_json:
        of_mart = expected[row["artist_id"], row["feature"]]
        for column in ("artist_name", "tracks", "n", "mean", "median", "p25", "p75", "stddev", "z_vs_all"):
            assert row[column] == of_mart[column]
    in_csv = list(csv.DictReader(io.StringIO(site.get(address_of(artists, ".csv")).content.decode())))
    shown = tables_of(site.page(address_of(artists)))[-1][1:]
    assert [row["median"] for row in in_csv] == [str(row["median"]) for row in in_json]
    assert [row[2] for row in shown] == [row["artist_name"] for row in in_json]
    assert [row[7] for row in shown] == [f"{row['n']} of {row['tracks']}" for row in in_json]


def test_the_charts_draw_each_artist_s_median_and_quartiles_in_the_unit_of_the_feature(site: Site) -> None:
    artists = artists_of(site, 2)
    rows = site.get(address_of(artists, ".json")).json()["rows"]
    unit, loudness, tempo, distance = specs_of(site.page(address_of(artists)))
    drawn = [each for spec in (unit, loudness, tempo) for each in spec["data"]["values"]]
    assert {
        (each["letter"], each["feature"], each["median"], each["p25"], each["p75"]) for each in drawn
    } == {(row["letter"], row["feature"], row["median"], row["p25"], row["p75"]) for row in rows}
    assert {each["feature"] for each in loudness["data"]["values"]} == {"loudness"}
    assert sorted(each["z"] for each in distance["data"]["values"]) == sorted(row["z_vs_all"] for row in rows)


def test_artists_are_told_apart_by_shape_and_letter_and_not_by_colour_alone(site: Site) -> None:
    unit = specs_of(site.page(address_of(artists_of(site, 6))))[0]
    shapes = [
        layer["encoding"]["shape"]["scale"]["range"]
        for layer in unit["layer"]
        if "shape" in layer["encoding"]
    ]
    assert [len(set(each)) for each in shapes] == [6]
    assert {each["letter"] for each in unit["data"]["values"]} == set("ABCDEF")


def test_a_search_offers_links_that_add_an_artist_to_those_compared(site: Site) -> None:
    first, second, *_ = site.rows(MOST_MEASURED)
    part = second["artist_name"][1:-1].swapcase()
    page = site.page(address_of([first["artist_id"]], more=f"&q={part}"))
    links = [unescape(link) for link in re.findall(r'href="(\?[^"]*artist=[^"]*)">Add ', page)]
    added = [[value for name, value in parse_qsl(urlsplit(link).query) if name == "artist"] for link in links]
    assert [first["artist_id"], second["artist_id"]] in added
    assert "q=" not in links[0]


def test_a_name_is_searched_for_as_it_is_written(site: Site) -> None:
    # A per cent sign would find everybody, if it were taken for a pattern.
    assert "No artist of a track in the warehouse has such a name" in site.page("/compare?q=%25")


def test_a_new_search_keeps_the_artists_that_are_compared(site: Site) -> None:
    artists = artists_of(site, 2)
    page = site.page(address_of(artists))
    for artist in artists:
        assert page.count(f'<input type="hidden" name="artist" value="{artist}">') == 1


def test_an_artist_can_be_taken_away_again(site: Site) -> None:
    first, second = artists_of(site, 2)
    page = site.page(address_of([first, second]))
    assert f'href="?artist={second}">Remove ' in page
    assert f'href="?artist={first}">Remove ' in page


def test_where_nobody_is_chosen_the_leaders_of_the_week_are_offered(site: Site) -> None:
    page = site.page("/compare")
    assert "No artist is chosen" in page
    assert "Artists of the week" in page
    assert ">Add " in page


def test_one_artist_alone_is_shown_and_another_asked_for(site: Site) -> None:
    assert "add another artist" in site.page(address_of(artists_of(site, 1)))


def test_an_artist_that_nobody_knows_is_not_found_and_a_seventh_refused(site: Site) -> None:
    answer = site.get("/compare?artist=nobody")
    assert answer.status_code == 404
    assert "No artist in the marts has the id" in answer.text
    assert site.get(address_of(artists_of(site, 7))).status_code == 400
    assert site.get("/compare?artist=%00").status_code == 400


def test_the_page_says_who_measured_the_features_and_why_there_is_no_radar(site: Site) -> None:
    page = site.page("/compare")
    measured = site.value("select sum(features_spotify) from marts.coverage")
    assert f"Spotify measured the features of {measured:,}, ReccoBeats those of" in page
    assert "radar" in page
