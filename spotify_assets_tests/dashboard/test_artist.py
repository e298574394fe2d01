"""The page of an artist, held against the marts."""

import csv
import io
from collections import Counter
from datetime import date

import pytest

from spotify_assets.dashboard.filters import FEATURES
from spotify_assets.dashboard.views.artist import release_dots
from spotify_assets_tests.dashboard.conftest import Row, Site, tables_of


@pytest.fixture(scope="module")
def artist_id(site: Site) -> str:
    """The artist with the most tracks, on some of which others are named first."""
    return str(
        site.value(
            "select artist_id from marts.artist_feature_profile where feature = 'energy'"
            " order by tracks desc, artist_id limit 1"
        )
    )


@pytest.fixture(scope="module")
def catalog(site: Site) -> list[Row]:
    """All tracks of all albums."""
    return list(site.rows("select * from marts.track_catalog order by album_id, track_id"))


def _table(page: str, first_heading: str) -> list[list[str]]:
    return next(table for table in tables_of(page) if table[0][0] == first_heading)


def test_the_releases_are_all_that_credit_the_artist_with_the_mean_of_those_tracks(
    site: Site, artist_id: str, catalog: list[Row]
) -> None:
    tracks: dict[str, list[Row]] = {}
    for row in catalog:
        if artist_id in row["artist_ids"] or artist_id in (row["album_artist_ids"] or []):
            tracks.setdefault(row["album_id"], []).append(row)
    found = site.get(f"/artists/{artist_id}.json?measure=deezer_rank").json()["rows"]
    assert {row["album_id"] for row in found} == set(tracks)
    assert {True, False} == {row["is_own"] for row in found}
    for row in found:
        values = [each["deezer_rank"] for each in tracks[row["album_id"]] if each["deezer_rank"] is not None]
        assert row["tracks"] == len(tracks[row["album_id"]])
        assert row["tracks_measured"] == len(values)
        assert row["value_mean"] == (pytest.approx(sum(values) / len(values)) if values else None)
        assert row["value_max"] == max(values, default=None)
    dates = [row["release_date"] for row in found]
    assert dates == sorted(dates, reverse=True)


def test_the_files_hold_what_the_page_shows(site: Site, artist_id: str) -> None:
    address = f"/artists/{artist_id}" + "{}?sort=value_max&descending=yes"
    table = _table(site.page(address.format("")), "Released")
    in_csv = list(csv.DictReader(io.StringIO(site.get(address.format(".csv")).content.decode())))
    assert [row[1] for row in table[1:]] == [row["album_name"] for row in in_csv]
    highest = [int(row["value_max"]) for row in in_csv if row["value_max"]]
    assert len(highest) > 5
    assert highest == sorted(highest, reverse=True)


def test_the_profile_is_that_of_the_mart(site: Site, artist_id: str) -> None:
    profile = {
        row["feature"]: row
        for row in site.rows("select * from marts.artist_feature_profile where artist_id = :id", id=artist_id)
    }
    table = _table(site.page(f"/artists/{artist_id}"), "Feature")
    digits = {"loudness": 1, "tempo": 0}
    assert [(row[1], row[2], row[6], row[8]) for row in table[1:]] == [
        (
            f"{profile[name]['mean']:.{digits.get(name, 2)}f}",
            f"{profile[name]['median']:.{digits.get(name, 2)}f}",
            f"{profile[name]['z_vs_all']:+.2f}",
            f"{profile[name]['n']} of {profile[name]['tracks']}",
        )
        for name in FEATURES
    ]


def test_collaborators_are_all_who_are_credited_and_not_only_the_first(
    site: Site, artist_id: str, catalog: list[Row]
) -> None:
    credits = {row["track_id"]: set(row["artist_ids"]) for row in catalog if artist_id in row["artist_ids"]}
    together = Counter(other for each in credits.values() for other in each if other != artist_id)
    page = site.page(f"/artists/{artist_id}")
    table = _table(page, "Artist")
    assert [row[1] for row in table[1:]] == [
        f"{count} of {len(credits)}" for count in sorted(together.values(), reverse=True)[:30]
    ]
    assert any(row["artist_ids"][0] != artist_id for row in catalog if row["track_id"] in credits)
    assert all(f'href="/artists/{other}"' in page for other, _ in together.most_common(1))


def test_an_artist_of_albums_alone_has_a_page_without_a_profile(site: Site) -> None:
    [row] = site.rows(
        "select album_artist_ids[1] as id, album_artist_names[1] as name from marts.track_catalog where"
        " not exists (select from marts.artist_feature_profile where artist_id = album_artist_ids[1]) limit 1"
    )
    page = site.page(f"/artists/{row['id']}")
    assert f"<h1>{row['name']}</h1>" in page
    assert "there is no profile" in page


def test_the_page_leads_to_the_comparison_and_to_the_albums(site: Site, artist_id: str) -> None:
    page = site.page(f"/artists/{artist_id}")
    assert f'href="/compare?artist={artist_id}"' in page
    assert f'href="/albums/{site.get(f"/artists/{artist_id}.json").json()["rows"][0]["album_id"]}"' in page
    assert "open.spotify.com" not in page


def test_a_release_is_drawn_at_its_date_with_its_mean() -> None:
    release = {
        "release_date": date(2026, 11, 6),
        "value_mean": 45.5,
        "album_name": "Station",
        "album_id": "1",
        "is_own": False,
    }
    [point] = release_dots([release], "spotify_popularity")["data"]["values"]
    assert (point["released"], point["value"], point["credit"]) == ("2026-11-06", 45.5, "guest")


@pytest.mark.parametrize("path", ["/artists/none", "/artists/none.json", "/artists/none.csv", "/artists/%00"])
def test_an_artist_that_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert site.get(path).status_code == 404


@pytest.mark.parametrize("query", ["measure=plays", "sort=artist_names"])
def test_what_is_no_filter_of_it_is_refused(site: Site, artist_id: str, query: str) -> None:
    assert site.get(f"/artists/{artist_id}?{query}").status_code == 400
