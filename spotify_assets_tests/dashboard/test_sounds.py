"""Tracks found by their sound, held against the catalog and a plain filter over it."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from spotify_assets_tests.dashboard.conftest import Site, tables_of

Track = Mapping[str, Any]


def released(site: Site, weeks: int = 8) -> list[Track]:
    """The tracks of the latest weeks, each once."""
    as_of = site.value("select as_of from marts.builds where mart = 'track_catalog'").date()
    first = as_of - timedelta(days=as_of.weekday(), weeks=weeks - 1)
    rows = site.rows(
        "select distinct on (track_id) * from marts.track_catalog"
        " where release_date >= :first and release_date_precision = 'day' order by track_id, release_date",
        first=first,
    )
    assert all(row["release_date"] <= as_of for row in rows)
    return list(rows)


def found(site: Site, query: str) -> list[Track]:
    """All pages of what is found."""
    rows: list[Track] = []
    while True:
        answer = site.get(f"/sounds.json?{query}&page={len(rows) // 50 + 1}").json()
        rows += answer["rows"]
        if len(rows) >= answer["total"]:
            return rows


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("min_energy=0.6&max_energy=0.9", lambda track: 0.6 <= track["energy"] <= 0.9),
        ("min_tempo=120", lambda track: track["tempo"] >= 120),
        # A tempo of 0 says that none was detected: such a track is not slow.
        ("max_tempo=90", lambda track: 0 < track["tempo"] <= 90),
        (
            "max_loudness=-8.5&min_acousticness=0.25",
            lambda t: t["loudness"] <= -8.5 and t["acousticness"] >= 0.25,
        ),
        ("camelot=8A&camelot=8B", lambda track: track["camelot"] in ("8A", "8B")),
        ("min_seconds=180&max_seconds=200", lambda track: 180_000 <= track["duration_ms"] <= 200_000),
        ("explicit=yes&type=single", lambda track: track["explicit"] and track["album_type"] == "single"),
        ("min_value=30&max_value=40", lambda t: t["popularity"] is not None and 30 <= t["popularity"] <= 40),
        (
            "measure=deezer_rank&max_value=400000",
            lambda track: track["deezer_rank"] is not None and track["deezer_rank"] <= 400_000,
        ),
    ],
)
def test_what_is_found_is_what_the_ranges_say(
    site: Site, query: str, matches: Callable[[Track], bool]
) -> None:
    measured = [track for track in released(site) if track["features_status"] == "measured"]
    expected = {track["track_id"] for track in measured if matches(track)}
    rows = found(site, query)
    assert {row["track_id"] for row in rows} == expected
    assert len(rows) == len(expected) > 0


def test_tracks_without_features_match_nothing_and_their_number_is_said(site: Site) -> None:
    tracks = released(site)
    measured = [track for track in tracks if track["features_status"] == "measured"]
    assert 0 < len(measured) < len(tracks)
    page = site.page("/sounds")
    assert f"of {len(measured):,} with measured features, of {len(tracks):,} released" in page
    assert f"The {len(tracks) - len(measured):,} without features are no matches" in page
    assert site.get("/sounds.json").json()["total"] == len(measured)


def test_a_range_of_popularity_says_how_many_were_not_measured(site: Site) -> None:
    unmeasured = sum(
        track["features_status"] == "measured" and track["deezer_rank"] is None for track in released(site)
    )
    assert unmeasured > 0
    page = site.page("/sounds?measure=deezer_rank&min_value=1")
    assert f"{unmeasured:,} that sound like it are left out, as their Deezer rank is not measured" in page


def test_the_csv_has_a_uri_that_a_playlist_takes_and_each_track_once(site: Site) -> None:
    rows = list(csv.DictReader(io.StringIO(site.get("/sounds.csv?min_energy=0.8").content.decode())))
    uris = [row["spotify_uri"] for row in rows]
    assert uris == [f"spotify:track:{row['track_id']}" for row in rows]
    assert len(uris) == len(set(uris)) > 10


def test_the_files_hold_what_the_page_shows(site: Site) -> None:
    address = "/sounds{}?min_danceability=0.5&sort=danceability&page=2"
    [table] = tables_of(site.page(address.format("")))
    in_json = site.get(address.format(".json")).json()["rows"]
    in_csv = list(csv.DictReader(io.StringIO(site.get(address.format(".csv")).content.decode())))
    column = table[0].index("Danceability")
    assert [row[column] for row in table[1:]] == [f"{row['danceability']:.2f}" for row in in_json]
    assert [row["danceability"] for row in in_csv] == [str(row["danceability"]) for row in in_json]
    values = [row["danceability"] for row in in_json]
    assert values == sorted(values)
    assert {row["features_source"] for row in in_json} == {"spotify"}


def test_fewer_weeks_and_an_earlier_one_can_be_asked_for(site: Site) -> None:
    rows = found(site, "weeks=2&week=2026-10-12")
    days = {date.fromisoformat(row["release_date"]) for row in rows}
    assert date(2026, 10, 5) <= min(days) <= max(days) <= date(2026, 10, 18)


def test_the_form_holds_what_was_asked_and_asks_it_again(site: Site) -> None:
    page = site.page("/sounds?min_tempo=120&max_energy=0.75&camelot=12B")
    assert 'name="min_tempo" aria-label="Tempo, BPM, at least"' in page
    assert 'value="120"' in page
    assert 'value="0.75"' in page
    assert 'name="camelot" value="12B" checked' in page


def test_a_sound_that_nothing_has_says_what_to_widen(site: Site) -> None:
    assert "widen a range" in site.page("/sounds?min_energy=1&max_acousticness=0&min_valence=1")


@pytest.mark.parametrize(
    "query",
    [
        "min_energy=1.5",
        "min_energy=-0.1",
        "min_energy=nan",
        "min_energy=1e-1",
        "min_energy=0,5",
        "min_energy=.5",
        "min_energy=0.6&min_energy=0.7",
        "min_energy=0.9&max_energy=0.6",
        "min_seconds=3&max_seconds=2",
        "camelot=13A",
        "camelot=8a",
        "max_tempo=fast",
        "sort=artist_names",
    ],
)
def test_a_range_that_is_none_is_refused_with_a_sentence(site: Site, query: str) -> None:
    answer = site.get(f"/sounds?{query}")
    assert answer.status_code == 400
    assert "cannot" in answer.text or "is above" in answer.text or "times" in answer.text
