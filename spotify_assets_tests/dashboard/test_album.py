"""The page of an album, held against the marts."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date

import pytest

from spotify_assets.dashboard.views.album import carrier
from spotify_assets.dashboard.views.popularity_weeks import popularity_lines
from spotify_assets_tests.dashboard.conftest import Row, Site, tables_of


@pytest.fixture(scope="module")
def tracks(site: Site) -> list[Row]:
    """Those of the album with the most tracks of which some lack features, in their order."""
    album_id = site.value(
        "select album_id from marts.track_catalog where album_id in (select album_id from"
        " marts.weekly_popular_releases group by album_id having count(distinct week_start) > 2) group by album_id"
        " having count(*) filter (where features_status = 'absent') > 0 and count(deezer_rank) > 0"
        " order by count(*) desc, album_id limit 1"
    )
    return list(
        site.rows(
            "select * from marts.track_catalog where album_id = :album_id order by disc_number, track_number",
            album_id=album_id,
        )
    )


def _table(page: str, first_heading: str) -> list[list[str]]:
    return next(table for table in tables_of(page) if table[0][0] == first_heading)


def test_the_tracks_are_those_of_the_mart_in_the_order_of_the_album(site: Site, tracks: list[Row]) -> None:
    table = _table(site.page(f"/albums/{tracks[0]['album_id']}"), "No.")
    assert [(row[1], row[2], row[4], row[5]) for row in table[1:]] == [
        (
            row["track_name"],
            str(row["popularity"]),
            row["key_name"] or row["features_status"],
            row["camelot"] or row["features_status"],
        )
        for row in tracks
    ]


def test_a_track_without_features_says_why_and_shows_no_number(site: Site, tracks: list[Row]) -> None:
    table = _table(site.page(f"/albums/{tracks[0]['album_id']}"), "No.")
    absent = [
        row for row, track in zip(table[1:], tracks, strict=True) if track["features_status"] == "absent"
    ]
    assert absent
    assert all(set(row[4:16]) == {"absent"} for row in absent)
    by = {
        row[15] for row, track in zip(table[1:], tracks, strict=True) if track["features_source"] == "spotify"
    }
    assert by == {"Spotify"}


def test_the_files_hold_the_tracks_in_the_order_that_is_asked_for(site: Site, tracks: list[Row]) -> None:
    address = f"/albums/{tracks[0]['album_id']}" + "{}?measure=deezer_rank&sort=value&descending=yes"
    table = _table(site.page(address.format("")), "No.")
    in_json = site.get(address.format(".json")).json()
    in_csv = list(csv.DictReader(io.StringIO(site.get(address.format(".csv")).content.decode())))
    assert len(table) - 1 == len(in_json["rows"]) == len(in_csv) == in_json["total"] == len(tracks)
    for shown, of_json, of_csv in zip(table[1:], in_json["rows"], in_csv, strict=True):
        assert shown[1] == of_json["track_name"]
        assert of_csv["track_id"] == of_json["track_id"]
        assert of_csv["value"] == ("" if of_json["value"] is None else str(of_json["value"]))
        assert of_json["measure"] == "deezer_rank"
    values = [row["value"] for row in in_json["rows"] if row["value"] is not None]
    assert values == sorted(
        (row["deezer_rank"] for row in tracks if row["deezer_rank"] is not None), reverse=True
    )


def test_the_weeks_of_its_tracks_are_those_of_the_mart(site: Site, tracks: list[Row]) -> None:
    expected = {
        (row["track_id"], row["week_start"]): row["value"]
        for row in site.rows(
            "select * from marts.track_week where measure = 'spotify_popularity' and track_id = any(:ids)",
            ids=[row["track_id"] for row in tracks],
        )
    }
    weeks = sorted({week for _, week in expected})
    page = site.page(f"/albums/{tracks[0]['album_id']}")
    table = _table(page, "Track")
    assert len(weeks) > 2
    assert table[0][1:] == [f"{week.day} {week:%b}" for week in weeks]
    assert [row[1:] for row in table[1:]] == [
        [str(expected.get((row["track_id"], week), "not measured")) for week in weeks] for row in tracks
    ]
    [spec] = re.findall(r'<script type="application/json" id="spec-\d+">(.*?)</script>', page)
    drawn = {
        (point["track_id"], point["week"]): point["value"] for point in json.loads(spec)["data"]["values"]
    }
    assert {key: value for key, value in drawn.items() if value is not None} == {
        (track_id, f"{week.day} {week:%b}"): value for (track_id, week), value in expected.items()
    }


def test_its_places_are_those_of_the_ranking_and_lead_to_it(site: Site, tracks: list[Row]) -> None:
    album_id = tracks[0]["album_id"]
    page = site.page(f"/albums/{album_id}")
    places = site.rows(
        "select * from marts.weekly_popular_releases"
        " where measure = 'spotify_popularity' and album_id = :album_id order by week_start desc",
        album_id=album_id,
    )
    table = _table(page, "Week from Monday")
    assert [(row[0], row[1], row[3]) for row in table[1:]] == [
        (row["week_start"].isoformat(), str(row["rank"]), f"{row['value_mean']:.1f}") for row in places
    ]
    assert f'href="/ranking?week={places[0]["week_start"]}&amp;measure=spotify_popularity"' in page


def test_the_track_that_carries_it_is_the_one_with_the_highest_value(site: Site, tracks: list[Row]) -> None:
    highest = max(tracks, key=lambda row: row["popularity"])
    page = site.page(f"/albums/{tracks[0]['album_id']}")
    assert (
        f"“{highest['track_name']}” carries it, with a Spotify popularity of {highest['popularity']}" in page
    )
    assert f"({len(tracks)} of {len(tracks)} tracks measured)" in page


def test_an_album_that_was_not_measured_says_so_and_draws_nothing(site: Site) -> None:
    album_id = site.value(
        "select album_id from marts.weekly_popular_releases where measure = 'deezer_rank' group by album_id"
        " having count(rank) = 0 order by album_id limit 1"
    )
    page = site.page(f"/albums/{album_id}?measure=deezer_rank")
    assert "none was measured by it" in page
    assert "No week has a Deezer rank of any of its tracks" in page
    assert 'class="chart"' not in page


def test_names_lead_to_their_pages_and_invented_music_not_to_spotify(site: Site, tracks: list[Row]) -> None:
    page = site.page(f"/albums/{tracks[0]['album_id']}")
    assert f'href="/tracks/{tracks[0]["track_id"]}"' in page
    assert f'href="/artists/{tracks[0]["album_artist_ids"][0]}"' in page
    assert "open.spotify.com" not in page


@pytest.mark.parametrize("path", ["/albums/none", "/albums/none.json", "/albums/none.csv", "/albums/%00"])
def test_an_album_that_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert site.get(path).status_code == 404


@pytest.mark.parametrize("query", ["measure=plays", "sort=isrc", "colour=red"])
def test_what_is_no_filter_of_it_is_refused(site: Site, tracks: list[Row], query: str) -> None:
    assert site.get(f"/albums/{tracks[0]['album_id']}?{query}").status_code == 400


def _rows(*values: int | None) -> Iterator[Row]:
    for number, value in enumerate(values):
        yield {"track_id": str(number), "track_name": f"Track {number}", "value": value}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((5, 9, None), "“Track 1” carries it, with a Deezer rank of 9; the median of the album is 7 (2 of 3"),
        ((9, 9, 1), "No track alone: 2 share the highest Deezer rank, 9 (3 of 3"),
        ((None, 4), "Only “Track 1” was measured: Deezer rank 4 (1 of 2"),
        ((4,), "Its one track has a Deezer rank of 4."),
        ((None, None), "none was measured by it"),
        ((0, 0), "No track alone: 2 share the highest Deezer rank, 0"),
    ],
)
def test_the_sentence_about_the_carrier_claims_no_more_than_is_known(
    values: tuple[int | None], said: str
) -> None:
    assert said in carrier(list(_rows(*values)), "deezer_rank")


def test_a_week_without_a_measurement_breaks_the_line_and_is_not_bridged() -> None:
    rows = [
        {"track_id": "a", "week_start": date(2026, 11, 2), "value": 10},
        {"track_id": "a", "week_start": date(2026, 11, 16), "value": 12},
    ]
    spec = popularity_lines(rows, {"a": "A"}, "a", "spotify_popularity")
    assert [(point["week"], point["value"]) for point in spec["data"]["values"]] == [
        ("2 Nov", 10),
        ("9 Nov", None),
        ("16 Nov", 12),
    ]
