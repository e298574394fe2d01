from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests

from spotify_assets.sandbox.markets import MARKETS
from spotify_assets.sandbox.model import Album, measured_features
from spotify_assets.sandbox.server import SandboxOptions
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets.sandbox.traffic import AnsweredCall, CallCounter
from spotify_assets_tests.sandbox.caller import NOW, Caller

UNKNOWN = "0" * 22
TODAY = NOW.date()


@pytest.fixture(scope="module")
def albums(catalogue: SyntheticCatalogue) -> list[Album]:
    return catalogue.new_releases(NOW).page(0, 300)


@pytest.fixture(scope="module")
def long_album(albums: list[Album]) -> Album:
    return next(album for album in albums if album.total_tracks > 50)


def all_pages(caller: Caller, page: dict[str, Any], key: str | None = None) -> list[Any]:
    items = list(page["items"])
    while page["next"]:
        answer = caller.session.get(page["next"], timeout=10).json()
        page = answer[key] if key else answer
        items += page["items"]
    return items


def error(answer: requests.Response) -> tuple[int, str | None]:
    body = answer.json()["error"]
    assert body["status"] == answer.status_code
    return answer.status_code, body.get("message")


def test_every_answer_says_that_it_comes_from_a_sandbox(extended: Caller) -> None:
    paths = ("v1/albums", "nowhere", "sandbox/health", "reccobeats/v1/track", "v1/albums/x/y/z")
    for path in paths:
        answer = requests.get(f"{extended.server.url}{path}", timeout=10)
        assert answer.headers["X-Spotify-Assets-Sandbox"] == "1", path
    assert extended.token(auth=("id", "secret")).headers["X-Spotify-Assets-Sandbox"] == "1"


def test_new_releases_go_through_all_pages_on_our_own_host(extended: Caller, albums: list[Album]) -> None:
    first = extended.json("browse/new-releases", limit=50, country="US")["albums"]
    assert first["total"] == 300
    assert first["next"].startswith(extended.server.api_url)
    assert "country=US" in first["next"]
    items = all_pages(extended, first, "albums")
    assert [item["id"] for item in items] == [album.album_id for album in albums]


def test_pages_link_back_and_end(extended: Caller) -> None:
    page = extended.json("browse/new-releases", limit=50, offset=30)["albums"]
    assert "offset=0" in page["previous"]
    last = extended.json("browse/new-releases", limit=50, offset=250)["albums"]
    assert last["next"] is None
    beyond = extended.json("browse/new-releases", limit=50, offset=1000)["albums"]
    assert beyond["items"] == []


def test_the_list_can_be_capped_as_spotifys_own_is(serve: Callable[..., Caller]) -> None:
    page = serve(new_releases_limit=100).json("browse/new-releases", limit=50, offset=50)["albums"]
    assert (page["total"], page["next"], len(page["items"])) == (100, None, 50)


def test_new_albums_appear_as_the_clock_goes_on(serve: Callable[..., Caller]) -> None:
    clock = [NOW]
    caller = serve(now=lambda: clock[0])
    before = caller.json("browse/new-releases", limit=50)["albums"]["items"]
    clock[0] += timedelta(days=2)
    after = caller.json("browse/new-releases", limit=50)["albums"]["items"]
    ids = [item["id"] for item in after]
    assert 2 <= ids.index(before[0]["id"]) <= 20


def test_an_album_says_what_the_catalogue_says(
    extended: Caller, catalogue: SyntheticCatalogue, albums: list[Album]
) -> None:
    asked = albums[:20]
    answered = extended.json("albums", ids=",".join(album.album_id for album in asked))["albums"]
    for album, item in zip(asked, answered, strict=True):
        assert item["id"] == album.album_id
        assert item["name"] == album.name
        assert item["release_date"] == album.release_date
        assert item["total_tracks"] == album.total_tracks == item["tracks"]["total"]
        assert item["external_ids"] == {"upc": album.upc}
        assert item["genres"] == []
        assert item["popularity"] == catalogue.album_popularity(album, TODAY)
        assert [track["id"] for track in item["tracks"]["items"]] == [t.track_id for t in album.tracks[:50]]


def test_tracks_carry_the_popularity_of_the_day(
    serve: Callable[..., Caller], catalogue: SyntheticCatalogue, albums: list[Album]
) -> None:
    tracks = albums[100].tracks
    for days in (0, 1, 30):
        day = NOW + timedelta(days=days)
        answered = serve(now=lambda day=day: day).json("tracks", ids=",".join(t.track_id for t in tracks))
        expected = [catalogue.popularity(track, day.date()) for track in tracks]
        assert [track["popularity"] for track in answered["tracks"]] == expected


def test_an_album_of_more_than_fifty_tracks_is_complete_through_the_pages(
    extended: Caller, long_album: Album
) -> None:
    for market in ({}, {"market": "US"}):
        item = extended.json(f"albums/{long_album.album_id}", **market)
        assert len(item["tracks"]["items"]) == 50
        tracks = all_pages(extended, item["tracks"])
        assert [track["id"] for track in tracks] == [track.track_id for track in long_album.tracks]
        # The links keep the market, or the second page would come with other fields than the first.
        assert all(("is_playable" in track) == bool(market) for track in tracks)


def test_a_market_takes_the_list_of_markets_away_and_says_what_can_be_played(
    extended: Caller, albums: list[Album]
) -> None:
    album = next(album for album in albums if 0 < len(album.markets) < len(MARKETS))
    closed = next(market for market in MARKETS if market not in album.markets)
    tracks = extended.json(f"albums/{album.album_id}", market=closed)["tracks"]["items"]
    assert tracks[0]["is_playable"] is False
    assert tracks[0]["restrictions"] == {"reason": "market"}
    assert "available_markets" not in tracks[0]
    assert extended.json(f"albums/{album.album_id}")["available_markets"] == list(album.markets)


def test_audio_features_are_null_for_unknown_and_for_unmeasured_tracks(
    extended: Caller, albums: list[Album]
) -> None:
    tracks = [track for album in albums[:30] for track in album.tracks][:98]
    ids = [UNKNOWN, "x", *(track.track_id for track in tracks)]
    rows = extended.json("audio-features", ids=",".join(ids))["audio_features"]
    assert rows[:2] == [None, None]
    expected = [measured_features(track, TODAY) for track in tracks]
    assert None in expected
    assert [row is None for row in rows[2:]] == [features is None for features in expected]
    for row, features in zip(rows[2:], expected, strict=True):
        if features is not None:
            assert (row["energy"], row["tempo"], row["key"]) == (
                features.energy,
                features.tempo,
                features.key,
            )


@pytest.mark.parametrize("path", ["albums", "tracks", "artists"])
def test_unknown_and_malformed_ids_of_a_batch_are_null_in_their_slot(
    extended: Caller, albums: list[Album], path: str
) -> None:
    album = albums[0]
    known = {
        "albums": album.album_id,
        "tracks": album.tracks[0].track_id,
        "artists": album.artists[0].artist_id,
    }[path]
    items = extended.json(path, ids=f"{UNKNOWN},{known},malformed")[path]
    assert [item and item["id"] for item in items] == [None, known, None]


@pytest.mark.parametrize(
    ("path", "largest"), [("albums", 20), ("tracks", 50), ("artists", 50), ("audio-features", 100)]
)
def test_too_many_ids_are_refused(extended: Caller, path: str, largest: int) -> None:
    assert extended.get(path, ids=",".join([UNKNOWN] * largest)).status_code == 200
    assert error(extended.get(path, ids=",".join([UNKNOWN] * (largest + 1)))) == (
        400,
        "Too many ids requested",
    )
    assert extended.get(path).status_code == 400
    assert extended.get(path, ids="").status_code == 400


@pytest.mark.parametrize(
    ("path", "malformed", "unknown"),
    [
        ("albums/{}", "invalid id", "Resource not found"),
        ("albums/{}/tracks", "invalid id", "Resource not found"),
        ("tracks/{}", "invalid id", "Resource not found"),
        ("artists/{}", "invalid id", "Resource not found"),
        ("artists/{}/albums", "invalid id", "Resource not found"),
        ("audio-features/{}", "invalid request", "analysis not found"),
    ],
)
def test_one_bad_id_is_400_and_one_unknown_404(
    extended: Caller, path: str, malformed: str, unknown: str
) -> None:
    assert error(extended.get(path.format("asdf"))) == (400, malformed)
    assert error(extended.get(path.format(UNKNOWN))) == (404, unknown)


@pytest.mark.parametrize("limit", ["0", "-1", "51", "many", ""])
def test_a_limit_out_of_range_is_refused(extended: Caller, albums: list[Album], limit: str) -> None:
    for path in ("browse/new-releases", f"albums/{albums[0].album_id}/tracks", "search?q=tag:new&type=album"):
        separator = "&" if "?" in path else "?"
        assert error(extended.get(f"{path}{separator}limit={limit}")) == (400, "Invalid limit")


def test_other_bad_parameters_are_refused(extended: Caller, albums: list[Album]) -> None:
    assert error(extended.get("browse/new-releases", offset=-1)) == (400, "Invalid offset")
    assert error(extended.get(f"albums/{albums[0].album_id}", market="ZZ")) == (400, "Invalid market code")
    assert error(extended.get("search", type="album")) == (400, "No search query")
    assert error(extended.get("search", q="x", type="poem")) == (400, "Bad search type field")


def test_a_slash_behind_the_path_changes_nothing(extended: Caller, albums: list[Album]) -> None:
    """spotipy writes albums/?ids=; a redirect would cost a second call and be counted twice."""
    extended.server.reset_calls()
    answer = extended.get("albums/", ids=albums[0].album_id)
    assert answer.status_code == 200
    assert not answer.history
    assert extended.server.calls() == {"albums": 1}


def test_an_unknown_path_is_a_json_error(extended: Caller) -> None:
    assert error(extended.get("no/such/service")) == (404, "Service not found")
    assert error(extended.get("recommendations")) == (404, "Not Found")
    assert extended.session.post(f"{extended.server.api_url}albums", timeout=10).status_code == 405


def test_an_artists_albums_are_found_and_filtered_by_group(extended: Caller, albums: list[Album]) -> None:
    artist = albums[0].artists[0]
    path = f"artists/{artist.artist_id}/albums"
    expected = [album.album_id for album in albums if album.artists[0] == artist]
    page = extended.json(path, limit=50)
    assert [item["id"] for item in page["items"]] == expected
    assert page["items"][0]["album_group"] == albums[0].album_type
    assert extended.json(path, include_groups="appears_on")["items"] == []


def test_search_finds_an_album_by_its_exact_upc_only(extended: Caller, albums: list[Album]) -> None:
    """Spotify's own search tells a UPC with leading zeros from one without."""
    padded = next(album for album in albums if album.upc.startswith("0"))
    found = extended.json("search", q=f"upc:{padded.upc}", type="album")["albums"]["items"]
    assert [item["id"] for item in found] == [padded.album_id]
    assert extended.json("search", q=f"upc:{padded.upc[1:]}", type="album")["albums"]["total"] == 0
    assert extended.json("search", q="upc:123", type="album")["albums"]["total"] == 0


def test_search_finds_a_track_by_its_isrc(extended: Caller, albums: list[Album]) -> None:
    track = albums[5].tracks[0]
    answer = extended.json("search", q=f"isrc:{track.isrc}", type="track,album")
    assert [item["id"] for item in answer["tracks"]["items"]] == [track.track_id]
    assert set(answer) == {"tracks", "albums"}


def test_tag_new_is_the_last_two_weeks(extended: Caller, albums: list[Album]) -> None:
    page = extended.json("search", q="tag:new", type="album", limit=50, market="US")["albums"]
    items = all_pages(extended, page, "albums")
    since = NOW - timedelta(days=14)
    expected = [album.album_id for album in albums if album.released_on > since.date()]
    assert [item["id"] for item in items][: len(expected)] == expected
    assert len(expected) == pytest.approx(75, abs=6)
    assert all("available_markets" not in item for item in items)


def test_search_narrows_by_year_and_by_words(extended: Caller, albums: list[Album]) -> None:
    name = albums[0].name.split()[0]
    found = extended.json("search", q=f"tag:new {name[:3]}*", type="album", limit=50)["albums"]["items"]
    assert albums[0].album_id in [item["id"] for item in found]
    assert extended.json("search", q="tag:new year:1901-1902", type="album")["albums"]["total"] == 0
    track = albums[0].tracks[0]
    found = extended.json("search", q=f'"{track.name}"', type="track", limit=50)["tracks"]["items"]
    assert track.track_id in [item["id"] for item in found]


def test_search_ends_at_a_thousand_although_its_links_go_on(serve: Callable[..., Caller]) -> None:
    """Following next blindly ends in an error, with Spotify and here."""
    caller = serve(catalogue=SyntheticCatalogue(8000))
    page = caller.json("search", q="tag:new", type="album", limit=50, offset=950)["albums"]
    assert page["total"] > 1000
    assert error(caller.session.get(page["next"], timeout=10)) == (400, "Bad request")


@pytest.mark.parametrize("path", ["browse/new-releases", "albums", "tracks", "artists", "markets"])
def test_development_access_has_lost_the_list_and_the_batches(development: Caller, path: str) -> None:
    assert error(development.get(path, ids=UNKNOWN)) == (403, "Forbidden")


@pytest.mark.parametrize("path", ["audio-features?ids=x", f"audio-features/{UNKNOWN}"])
def test_closed_audio_features_are_403_without_a_message(development: Caller, path: str) -> None:
    """Clients that read error.message meet a missing key here."""
    assert development.get(path).json() == {"error": {"status": 403}}


def test_development_access_lacks_the_removed_fields(development: Caller, albums: list[Album]) -> None:
    """Missing keys, not nulls."""
    album = development.json(f"albums/{albums[0].album_id}")
    assert not {"popularity", "label", "available_markets", "album_group"} & album.keys()
    assert album["external_ids"] == {"upc": albums[0].upc}
    track = development.json(f"tracks/{albums[0].tracks[0].track_id}")
    assert not {"popularity", "available_markets", "linked_from"} & track.keys()
    assert not {"popularity", "available_markets"} & track["album"].keys()
    assert track["external_ids"] == {"isrc": albums[0].tracks[0].isrc}
    artist = development.json(f"artists/{albums[0].artists[0].artist_id}")
    assert artist.keys() == {"external_urls", "href", "id", "images", "name", "type", "uri"}


def test_development_access_gets_ten_a_page_and_five_by_default(
    development: Caller, albums: list[Album]
) -> None:
    paths = {
        "search": {"q": "tag:new", "type": "album"},
        f"artists/{albums[0].artists[0].artist_id}/albums": {},
    }
    for path, params in paths.items():
        answer = development.json(path, **params)
        assert answer.get("albums", answer)["limit"] == 5
        assert development.get(path, limit=10, **params).status_code == 200
        assert error(development.get(path, limit=11, **params)) == (400, "Invalid limit")


def test_development_access_still_pages_album_tracks_by_fifty(development: Caller, long_album: Album) -> None:
    assert len(development.json(f"albums/{long_album.album_id}/tracks", limit=50)["items"]) == 50


def test_calls_are_counted_by_endpoint_and_status_and_can_be_reset(serve: Callable[..., Caller]) -> None:
    caller = serve()
    caller.get("albums", ids=UNKNOWN)
    caller.get(f"albums/{UNKNOWN}")
    caller.get(f"albums/{UNKNOWN}/tracks")
    caller.reccobeats("track", ids=UNKNOWN)
    assert caller.server.report() == {
        "endpoints": {
            "albums": 1,
            "albums/{id}": 1,
            "albums/{id}/tracks": 1,
            "reccobeats/track": 1,
            "token": 1,
        },
        "statuses": {"200": 3, "404": 2},
        "total": 5,
        "rate_limited": 0,
        "rate_limited_endpoints": {},
        "quota": 0,
        "deezer_quota": 0,
    }
    caller.server.reset_calls()
    assert caller.server.calls() == {}


def test_the_429s_are_told_by_endpoint_and_the_quota_apart(serve: Callable[..., Caller]) -> None:
    """Rate limited calls of ReccoBeats say nothing about Spotify's rate limit."""
    caller = serve(
        faults=["rate-limit:on=markets:times=2", "quota:on=search", "rate-limit:on=reccobeats/track"]
    )
    for _ in range(3):
        caller.get("markets")
    caller.get("search", q="tag:new", type="album")
    caller.reccobeats("track", ids=UNKNOWN)
    report = caller.server.report()
    assert report["rate_limited_endpoints"] == {"markets": 2, "reccobeats/track": 1, "search": 1}
    assert (report["rate_limited"], report["quota"]) == (4, 1)
    caller.server.reset_calls()
    report = caller.server.report()
    assert (report["rate_limited_endpoints"], report["quota"]) == ({}, 0)


def test_the_calls_are_told_one_by_one_with_what_was_asked_for(serve: Callable[..., Caller]) -> None:
    ticks = [5.0]
    caller = serve(options=SandboxOptions(ticks=lambda: ticks[0]), faults=["dropped:on=artists"])
    caller.server.reset_calls()
    caller.get("albums", ids=f"{UNKNOWN},x")
    ticks[0] = 7.5
    caller.get(f"albums/{UNKNOWN}/tracks", limit=50)
    caller.get("search", q="tag:new", type="album")
    caller.get("markets")
    caller.reccobeats("track", ids=[UNKNOWN, "x"])
    with pytest.raises(requests.ConnectionError):
        caller.get("artists", ids=UNKNOWN)
    assert caller.server.requests == [
        (0.0, "albums", 200, f"{UNKNOWN},x"),
        (2.5, "albums/{id}/tracks", 404, UNKNOWN),
        (2.5, "search", 200, "tag:new"),
        (2.5, "markets", 200, ""),
        (2.5, "reccobeats/track", 200, f"{UNKNOWN},x"),
        (2.5, "artists", 0, UNKNOWN),
    ]
    caller.server.reset_calls()
    assert caller.server.requests == []


def test_calls_are_told_in_the_order_in_which_they_came_in(serve: Callable[..., Caller]) -> None:
    """A slow answer is finished after calls that came later; the schedule of the caller is what counts."""
    caller = serve(faults=["slow=0.5:on=markets"])
    caller.server.reset_calls()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caller.get, "markets")
        faults_url = f"{caller.server.url}sandbox/faults"
        while not requests.get(faults_url, timeout=10).json()["faults"][0]["struck"]:
            time.sleep(0.01)
        caller.reccobeats("track", ids=UNKNOWN)
        slow.result()
    assert [call.endpoint for call in caller.server.requests] == ["markets", "reccobeats/track"]


def test_only_the_newest_calls_are_remembered_one_by_one() -> None:
    counter = CallCounter()
    for number in range(50_003):
        counter.answered(AnsweredCall(float(number), "markets", 200, ""), None)
    told = counter.requests()
    assert (len(told), told[0].seconds) == (50_000, 3.0)
    assert counter.report()["total"] == 50_003


def test_health_says_what_is_served(extended: Caller) -> None:
    answer = requests.get(f"{extended.server.url}sandbox/health", timeout=10).json()
    assert answer == {"status": "ok", "access": "extended", "new_releases": 300}
