"""The page of a track, held against the marts."""

import csv
import io
import json
import math
import re
import statistics
from typing import Any

import pytest

from spotify_assets.dashboard.filters import FEATURES
from spotify_assets_tests.dashboard.conftest import Row, Site, tables_of

WITHOUT_FEATURES = "features_status = 'absent'"


def _track(site: Site, condition: str) -> Row:
    [row] = site.rows(f"select * from marts.track_catalog where {condition} order by track_id limit 1")
    return row


@pytest.fixture(scope="module")
def measured(site: Site) -> Row:
    """A track with features, a key and a tempo, and with a history."""
    return _track(
        site,
        "features_status = 'measured' and tempo > 0 and key >= 0 and track_id in (select track_id from"
        " marts.track_week where measure = 'spotify_popularity' group by track_id having count(*) = 4)",
    )


def _tables(site: Site, path: str) -> dict[str, list[list[str]]]:
    """The tables of a page by their first heading."""
    return {table[0][0]: table for table in tables_of(site.page(path))}


def test_each_feature_has_its_value_percentile_and_the_quartiles_of_all(site: Site, measured: Row) -> None:
    rows = site.get(f"/tracks/{measured['track_id']}.json").json()["rows"]
    assert [row["feature"] for row in rows] == list(FEATURES)
    for row in rows:
        spread = site.rows(
            "select * from marts.feature_distribution where feature = :feature order by value",
            feature=row["feature"],
        )
        each = [found["value"] for found in spread for _ in range(found["tracks"])]
        assert row["value"] == measured[row["feature"]]
        assert row["percentile"] == measured[f"{row['feature']}_percentile"]
        assert row["n"] == len(each)
        quartiles = [each[math.ceil(len(each) * part) - 1] for part in (0.25, 0.5, 0.75)]
        assert [row["all_p25"], row["all_median"], row["all_p75"]] == quartiles
        assert row["features_source"] == measured["features_source"]


def test_the_files_hold_what_the_page_shows(site: Site, measured: Row) -> None:
    path = f"/tracks/{measured['track_id']}"
    table = _tables(site, path)["Feature"]
    in_csv = list(csv.DictReader(io.StringIO(site.get(f"{path}.csv").content.decode())))
    digits = {"loudness": 1, "tempo": 0}
    assert [row[1] for row in table[1:]] == [
        f"{float(row['value']):.{digits.get(row['feature'], 2)}f}" for row in in_csv
    ]


def test_the_chart_has_the_seven_features_of_one_scale_as_the_mart_has_them(
    site: Site, measured: Row
) -> None:
    [spec, _] = _specs(site.page(f"/tracks/{measured['track_id']}"))
    points = {point["feature"]: point["value"] for point in spec["data"]["values"]}
    assert points == {name: measured[name] for name in FEATURES if name not in ("loudness", "tempo")}


def _specs(page: str) -> list[dict[str, Any]]:
    found = re.findall(r'<script type="application/json" id="spec-\d+">(.*?)</script>', page)
    return [json.loads(each) for each in found]


def test_its_weeks_are_those_of_the_mart(site: Site) -> None:
    expected = site.rows(
        "select * from marts.track_week where track_id = :track_id and measure = 'deezer_rank'"
        " order by week_start desc",
        track_id=(track_id := _track(site, "deezer_rank is not null")["track_id"]),
    )
    table = _tables(site, f"/tracks/{track_id}?measure=deezer_rank")["Week from Monday"]
    assert [(row[0], row[1], row[4]) for row in table[1:]] == [
        (row["week_start"].isoformat(), f"{row['value']:,}", str(row["tracks_measured"])) for row in expected
    ]


def test_a_track_that_this_measure_lacks_says_so_and_shows_no_0(site: Site) -> None:
    track_id = _track(site, "deezer_rank is null")["track_id"]
    page = site.page(f"/tracks/{track_id}?measure=deezer_rank")
    assert "No week has a Deezer rank of this track: it was not measured" in page
    assert '<dd class="missing">not measured</dd>' in page


def test_a_track_without_features_says_why_and_is_compared_with_nothing(site: Site) -> None:
    path = f"/tracks/{_track(site, WITHOUT_FEATURES)['track_id']}"
    page = site.page(path)
    assert "Its audio features were asked for, and there are none: nothing can be compared with it." in page
    assert {row[1] for row in _tables(site, path)["Feature"][1:]} == {"absent"}
    assert "How it sounds" not in page
    assert all(row["value"] is None for row in site.get(f"{path}.json").json()["rows"])


def test_a_tempo_that_was_not_detected_is_no_tempo_of_0(site: Site) -> None:
    path = f"/tracks/{_track(site, 'tempo = 0')['track_id']}"
    [tempo] = [row for row in site.get(f"{path}.json").json()["rows"] if row["feature"] == "tempo"]
    assert tempo["value"] is None
    assert _tables(site, path)["Feature"][-1][1] == "not detected"


def test_the_albums_are_those_that_the_track_stands_on(site: Site, measured: Row) -> None:
    expected = site.rows(
        "select album_name from marts.track_catalog where track_id = :track_id", track_id=measured["track_id"]
    )
    table = _tables(site, f"/tracks/{measured['track_id']}")["Album"]
    assert [row[0] for row in table[1:]] == [row["album_name"] for row in expected]


@pytest.mark.parametrize("condition", ["tempo > 0", "tempo = 0"])
def test_the_nearest_tracks_are_those_at_the_least_distance(site: Site, condition: str) -> None:
    track = _track(site, f"features_status = 'measured' and {condition}")
    # Without those that were not detected.
    catalog: dict[str, dict[str, float]] = {
        row["track_id"]: {name: row[name] for name in FEATURES if row[name] or name != "tempo"}
        for row in site.rows("select * from marts.track_catalog where features_status = 'measured'")
    }
    spread = {
        name: statistics.stdev(row[name] for row in catalog.values() if name in row) for name in FEATURES
    }

    def distance(track_id: str) -> float:
        one, other = catalog[track_id], catalog[track["track_id"]]
        known = [(one[name] - other[name]) / spread[name] for name in one if name in other]
        return math.sqrt(sum(each**2 for each in known) / len(known))

    distances = sorted(distance(track_id) for track_id in catalog if track_id != track["track_id"])
    page = site.page(f"/tracks/{track['track_id']}")
    [table] = [table for table in tables_of(page) if table[0][0] == "Track"]
    assert [row[2] for row in table[1:]] == [f"{each:.2f}" for each in distances[: len(table) - 1]]
    assert len(table) == 13
    assert f"among the {len(catalog):,} measured tracks" in page


@pytest.mark.parametrize("path", ["/tracks/none", "/tracks/none.json", "/tracks/none.csv", "/tracks/%00"])
def test_a_track_that_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert site.get(path).status_code == 404


def test_what_is_no_measure_is_refused(site: Site, measured: Row) -> None:
    assert site.get(f"/tracks/{measured['track_id']}?measure=plays").status_code == 400


def test_invented_music_has_no_link_to_spotify(site: Site, measured: Row) -> None:
    assert "open.spotify.com" not in site.page(f"/tracks/{measured['track_id']}")
