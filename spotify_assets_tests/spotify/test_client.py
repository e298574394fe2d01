"""The calls: what is sent, what comes back as frames, and how batches and pages are put together."""

from collections.abc import Callable

import polars as pl
import pytest

from spotify_assets.spotify import batches, records
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import (
    ApiError,
    BadRequestError,
    MalformedAnswerError,
    PremiumRequiredError,
    TransientError,
)
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import MakeClient
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, Seen, error_answer, page, paged

NEW_RELEASES = "/v1/browse/new-releases"
ALBUMS = "/v1/albums"
Call = Callable[[SpotifyClient], object]

CALLS: dict[str, Call] = {
    "/v1/browse/new-releases": lambda client: client.new_releases("US"),
    "/v1/albums": lambda client: client.albums(["a"], "US"),
    "/v1/audio-features": lambda client: client.audio_features(["a"]),
    "/v1/tracks": lambda client: client.tracks(["a"], "US"),
    "/v1/artists": lambda client: client.artists(["a"]),
}
ENDPOINTS = pytest.mark.parametrize("path", CALLS)


def serve_albums(api: FakeApi, tracks: dict[str, int]) -> None:
    """Albums of so many tracks, with the first fifty in them, as the API does."""
    entries: dict[str, list[object]] = {
        key: [payloads.simplified_track(f"{key}t{n}", track_number=n) for n in range(1, count + 1)]
        for key, count in tracks.items()
    }

    def embedded(key: str) -> payloads.Payload | None:
        if key not in entries:
            return None
        all_tracks = entries[key]
        return payloads.album(
            key, tracks=page(all_tracks[:50], total=len(all_tracks)), total_tracks=len(all_tracks)
        )

    api.on(ALBUMS, lambda request: Answer({"albums": [embedded(key) for key in request.ids]}))
    for key, all_tracks in entries.items():
        cut = paged(all_tracks)
        api.on(f"{ALBUMS}/{key}/tracks", lambda request, cut=cut: Answer(cut(request)))  # type: ignore[misc]


# --- What is sent ---


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/browse/new-releases", {"country": "US", "limit": "50", "offset": "0"}),
        ("/v1/albums", {"ids": "a", "market": "US"}),
        ("/v1/audio-features", {"ids": "a"}),
        ("/v1/tracks", {"ids": "a", "market": "US"}),
        ("/v1/artists", {"ids": "a"}),
    ],
)
def test_a_call_is_sent_as_documented(
    api: FakeApi, client: SpotifyClient, path: str, query: dict[str, str]
) -> None:
    """spotipy sends "albums/?ids=", with a slash that is documented nowhere."""
    api.on(path, Answer(b""))
    with pytest.raises(MalformedAnswerError):
        CALLS[path](client)
    request = api.requests[-1]
    assert (request.method, request.path, request.query) == ("GET", path, query)
    assert request.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    ("path", "call", "at_once"),
    [
        ("/v1/albums", lambda client, ids: client.albums(ids, "US"), 20),
        ("/v1/audio-features", lambda client, ids: client.audio_features(ids), 100),
        ("/v1/tracks", lambda client, ids: client.tracks(ids, "US"), 50),
        ("/v1/artists", lambda client, ids: client.artists(ids), 50),
    ],
)
def test_ids_are_asked_for_once_each_in_batches(
    api: FakeApi,
    make_client: MakeClient,
    path: str,
    call: Callable[[SpotifyClient, list[str]], object],
    at_once: int,
) -> None:
    name = path.removeprefix("/v1/").replace("-", "_")
    api.on(path, lambda request: Answer({name: [None] * len(request.ids)}))
    ids = [f"id{n}" for n in range(2 * at_once + 1)]
    call(make_client(threads=1), [*ids, *ids[:5]])
    asked = [request.ids for request in api.seen(path)]
    assert [len(batch) for batch in asked] == [at_once, at_once, 1]
    assert [key for batch in asked for key in batch] == ids


def test_no_ids_are_no_call(api: FakeApi, client: SpotifyClient) -> None:
    """spotipy sends a call with an empty list."""
    assert client.albums([], "US").releases.schema == pl.Schema(dict(records.RELEASES))
    assert client.albums([], "US").tracks.schema == pl.Schema(dict(records.TRACKS))
    assert client.audio_features([]).frame.schema == pl.Schema(dict(records.AUDIO_FEATURES))
    assert client.tracks([], "US").frame.schema == pl.Schema(dict(records.TRACK_DETAILS))
    assert client.artists([]).frame.schema == pl.Schema(dict(records.ARTISTS))
    assert api.requests == []


@pytest.mark.parametrize("key", ["", "no id", "id\n", "spotify:artist:5", "a,b", "../me", "é", "a\x00"])
def test_an_id_that_is_none_is_set_aside_and_never_sent(
    api: FakeApi, client: SpotifyClient, key: str
) -> None:
    """One such id makes Spotify refuse the whole batch; spotipy lets one through that ends in a newline."""
    api.on("/v1/artists", Answer({"artists": [payloads.artist("good")]}))
    batch = client.artists(["good", key])
    assert batch.frame["artist_id"].to_list() == ["good"]
    assert [item.reason for item in batch.set_aside] == [f"{key!r} is not a Spotify id"]
    assert [request.ids for request in api.seen("/v1/artists")] == [["good"]]


def test_an_id_that_is_none_is_absent_from_audio_features(client: SpotifyClient) -> None:
    batch = client.audio_features(["no id"])
    assert batch.frame.select("track_id", "status").rows() == [("no id", "absent")]


@pytest.mark.parametrize("market", ["", "us", "USA", "U&", "US&x=1"])
def test_a_market_that_is_none_is_refused_before_any_call(
    api: FakeApi, client: SpotifyClient, market: str
) -> None:
    """spotipy puts it into the address as it is."""
    for call in (
        client.new_releases,
        lambda it: client.albums(["a"], it),
        lambda it: client.tracks(["a"], it),
    ):
        with pytest.raises(BadRequestError):
            call(market)
    assert api.requests == []


# --- What comes back ---


def test_calls_are_counted_by_endpoint(api: FakeApi, client: SpotifyClient) -> None:
    serve_albums(api, {"a": 51})
    api.on(NEW_RELEASES, Answer({"albums": page([])}))
    api.on("/v1/audio-features", Answer({"audio_features": [None]}))
    api.on("/v1/tracks", Answer({"tracks": [None]}))
    api.on("/v1/artists", Answer({"artists": [None]}))
    for call in CALLS.values():
        call(client)
    assert client.calls.by_endpoint() == {
        "token": 1,
        "browse/new-releases": 1,
        "albums": 1,
        "albums/{id}/tracks": 1,
        "audio-features": 1,
        "tracks": 1,
        "artists": 1,
    }
    assert client.calls.total == len(api.requests) == 7


def test_an_unknown_id_is_set_aside(api: FakeApi, client: SpotifyClient) -> None:
    serve_albums(api, {"a": 1})
    batch = client.albums(["a", "b"], "US")
    assert batch.releases["album_id"].to_list() == ["a"]
    assert [(item.endpoint, item.item_id, item.reason) for item in batch.set_aside] == [
        ("albums", "b", "unknown to Spotify")
    ]


@ENDPOINTS
@pytest.mark.parametrize("body", [None, [], "text", {}, {"other": []}, {"albums": None}, {"artists": {}}])
def test_an_answer_without_its_list_is_malformed_and_not_empty(
    api: FakeApi, client: SpotifyClient, path: str, body: object
) -> None:
    api.on(path, Answer(body))
    with pytest.raises(MalformedAnswerError) as caught:
        CALLS[path](client)
    assert caught.value.endpoint == path.removeprefix("/v1/")


@ENDPOINTS
def test_lost_premium_is_told_from_a_closed_endpoint(api: FakeApi, client: SpotifyClient, path: str) -> None:
    text = b"Active premium subscription required for the owner of the app."
    api.on(path, Answer(text, 403, {"Content-Type": "text/plain"}))
    with pytest.raises(PremiumRequiredError):
        CALLS[path](client)


@ENDPOINTS
def test_every_call_survives_a_bad_gateway(api: FakeApi, client: SpotifyClient, path: str) -> None:
    api.on(path, Answer(b"<html>Bad Gateway</html>", 502), error_answer(400))
    with pytest.raises(BadRequestError):
        CALLS[path](client)
    assert client.calls.retried == 1


def test_audio_features_of_several_batches_are_one_frame(api: FakeApi, client: SpotifyClient) -> None:
    def reply(request: Seen) -> Answer:
        odd = [payloads.features(key) if int(key[1:]) % 2 else None for key in request.ids]
        return Answer({"audio_features": odd})

    api.on("/v1/audio-features", reply)
    ids = [f"t{n}" for n in range(250)]
    frame = client.audio_features(ids).frame
    assert frame["track_id"].to_list() == ids
    assert frame["status"].value_counts(sort=True, name="n").sort("status").rows() == [
        ("absent", 125),
        ("measured", 125),
    ]


# --- New releases ---


def test_new_releases_are_read_to_the_last_page(api: FakeApi, client: SpotifyClient) -> None:
    cut = paged([payloads.simplified_album(f"a{n}") for n in range(100)])
    api.on(NEW_RELEASES, lambda request: Answer({"albums": cut(request)}))
    frame = client.new_releases("US").frame
    assert frame["album_id"].to_list() == [f"a{n}" for n in range(100)]
    assert frame["position"].to_list() == list(range(1, 101))
    assert len(api.seen(NEW_RELEASES)) == 2


def test_a_list_that_moves_between_two_pages_gives_each_album_once(
    api: FakeApi, client: SpotifyClient
) -> None:
    first = page([payloads.simplified_album(f"a{n}") for n in range(50)], total=60)
    second = page([payloads.simplified_album(f"a{n}") for n in range(45, 55)], total=60, offset=50)
    api.on(NEW_RELEASES, Answer({"albums": first}), Answer({"albums": second}))
    frame = client.new_releases("US").frame
    assert frame["album_id"].to_list() == [f"a{n}" for n in range(55)]
    assert frame["position"].to_list() == [*range(1, 51), *range(56, 61)]


@pytest.mark.parametrize("total", [None, "many", 100_000])
def test_an_empty_page_ends_a_list_whatever_its_total(
    api: FakeApi, client: SpotifyClient, total: object
) -> None:
    first = {**page([payloads.simplified_album("a")]), "total": total}
    api.on(NEW_RELEASES, Answer({"albums": first}), Answer({"albums": {"items": [], "total": total}}))
    assert client.new_releases("US").frame["album_id"].to_list() == ["a"]


def test_a_server_with_shorter_pages_than_asked_for_loses_nothing(
    api: FakeApi, client: SpotifyClient
) -> None:
    entries: list[object] = [payloads.simplified_album(f"a{n}") for n in range(45)]

    def reply(request: Seen) -> Answer:
        offset = int(request.query["offset"])
        return Answer({"albums": page(entries[offset : offset + 20], offset=offset, limit=20, total=45)})

    api.on(NEW_RELEASES, reply)
    assert client.new_releases("US").frame.height == 45


def test_entries_left_out_of_a_page_do_not_shift_the_next(api: FakeApi, client: SpotifyClient) -> None:
    first = page([payloads.simplified_album("a")], total=51)
    second = page([payloads.simplified_album("b")], total=51, offset=50)
    api.on(NEW_RELEASES, Answer({"albums": first}), Answer({"albums": second}))
    assert client.new_releases("US").frame["position"].to_list() == [1, 51]


@pytest.mark.parametrize("limit", [0, -1, 1, 2, 51, None, "2", True])
def test_a_page_that_misstates_its_limit_neither_repeats_nor_skips(limit: object) -> None:
    page_read = batches.read_page({"items": [{}, {}], "limit": limit, "total": 9}, 4, "albums")
    assert page_read.next_offset == 6


def test_pages_that_never_end_are_an_error(
    api: FakeApi, client: SpotifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_PAGES", 5)
    api.on(NEW_RELEASES, Answer({"albums": page([payloads.simplified_album()], total=10**9)}))
    with pytest.raises(MalformedAnswerError, match="more than 5 pages"):
        client.new_releases("US")


def test_a_page_without_items_is_an_error_and_not_the_end(api: FakeApi, client: SpotifyClient) -> None:
    """Seen once: items that are null. A list cut there would look complete."""
    first = page([payloads.simplified_album("a")], total=51)
    api.on(NEW_RELEASES, Answer({"albums": first}), Answer({"albums": {"items": None}}))
    with pytest.raises(MalformedAnswerError):
        client.new_releases("US")


# --- Albums ---


@pytest.mark.parametrize(("count", "pages"), [(0, 0), (1, 0), (50, 0), (51, 1), (100, 1), (101, 2), (212, 4)])
def test_all_tracks_of_an_album_are_read(api: FakeApi, client: SpotifyClient, count: int, pages: int) -> None:
    serve_albums(api, {"small": 3, "a": count})
    batch = client.albums(["small", "a"], "US")
    tracks = batch.tracks.filter(pl.col("album_id") == "a")
    assert tracks["track_number"].to_list() == list(range(1, count + 1))
    assert batch.releases["total_tracks"].to_list() == [3, count]
    assert batch.set_aside == ()
    further = api.seen(f"{ALBUMS}/a/tracks")
    assert [request.query for request in further] == [
        {"limit": "50", "offset": str(50 * n), "market": "US"} for n in range(1, pages + 1)
    ]


def test_an_album_without_its_page_of_tracks_is_read_by_pages(api: FakeApi, client: SpotifyClient) -> None:
    serve_albums(api, {"a": 60})
    api.on(ALBUMS, Answer({"albums": [{**payloads.album("a", total_tracks=60), "tracks": None}]}))
    batch = client.albums(["a"], "US")
    assert batch.tracks.height == 60
    assert len(api.seen(f"{ALBUMS}/a/tracks")) == 2


def test_tracks_that_stand_on_two_pages_are_one(api: FakeApi, client: SpotifyClient) -> None:
    entries: list[object] = [payloads.simplified_track(f"t{n}", track_number=n) for n in range(60)]
    api.on(ALBUMS, Answer({"albums": [payloads.album("a", tracks=page(entries[:50], total=60))]}))
    api.on(f"{ALBUMS}/a/tracks", Answer(page(entries[45:60], offset=50, total=60)))
    assert client.albums(["a"], "US").tracks["track_id"].to_list() == [f"t{n}" for n in range(60)]


def test_a_malformed_track_leaves_the_rest_of_its_album(api: FakeApi, client: SpotifyClient) -> None:
    entries = [payloads.simplified_track("a"), payloads.simplified_track("b", duration_ms="long"), None]
    api.on(ALBUMS, Answer({"albums": [payloads.album("album1", tracks=page(entries))]}))
    batch = client.albums(["album1"], "US")
    assert batch.releases.height == 1
    assert batch.tracks["track_id"].to_list() == ["a"]
    assert [(item.endpoint, item.item_id, item.reason) for item in batch.set_aside] == [
        ("albums/{id}/tracks", "b", "duration_ms is 'long', not a whole number"),
        ("albums/{id}/tracks", "album1", "None is not an object"),
    ]


def test_a_malformed_album_leaves_the_others_and_takes_its_tracks_with_it(
    api: FakeApi, client: SpotifyClient
) -> None:
    values = [payloads.album("a", popularity=500), payloads.album("b"), "nonsense"]
    api.on(ALBUMS, Answer({"albums": values}))
    batch = client.albums(["a", "b", "c"], "US")
    assert batch.releases["album_id"].to_list() == ["b"]
    assert batch.tracks["album_id"].to_list() == ["b"]
    assert [item.item_id for item in batch.set_aside] == ["a", "c"]


@pytest.mark.parametrize(
    "answer", [error_answer(404, "Not found"), Answer({"items": None}), Answer(b"<html>")]
)
def test_an_album_whose_tracks_cannot_be_read_whole_is_set_aside(
    api: FakeApi, client: SpotifyClient, answer: Answer
) -> None:
    serve_albums(api, {"a": 60, "b": 1})
    api.on(f"{ALBUMS}/a/tracks", answer)
    batch = client.albums(["a", "b"], "US")
    assert batch.releases["album_id"].to_list() == ["b"]
    assert batch.tracks["album_id"].to_list() == ["b"]
    assert [(item.item_id, item.reason[:26]) for item in batch.set_aside] == [
        ("a", "its tracks cannot be read:")
    ]


@pytest.mark.parametrize(("status", "kind"), [(500, TransientError), (403, ApiError)])
def test_a_fault_while_reading_tracks_is_a_fault_of_the_call(
    api: FakeApi, client: SpotifyClient, status: int, kind: type[ApiError]
) -> None:
    """An outage must not set good albums aside."""
    serve_albums(api, {"a": 60})
    api.on(f"{ALBUMS}/a/tracks", error_answer(status))
    with pytest.raises(kind):
        client.albums(["a"], "US")


def test_tracks_that_are_promised_and_not_given_are_told(api: FakeApi, client: SpotifyClient) -> None:
    entries: list[object] = [payloads.simplified_track(f"t{n}") for n in range(50)]
    api.on(ALBUMS, Answer({"albums": [payloads.album("a", tracks=page(entries, total=60))]}))
    api.on(f"{ALBUMS}/a/tracks", Answer(page([], offset=50, total=60)))
    batch = client.albums(["a"], "US")
    assert batch.tracks.height == 50
    assert [item.reason for item in batch.set_aside] == ["its pages promise 60 tracks and give 50"]


def test_a_relinked_album_is_keyed_by_the_id_asked_for(api: FakeApi, client: SpotifyClient) -> None:
    """The rows of a partition must carry its key."""
    api.on(ALBUMS, Answer({"albums": [payloads.album("other")]}))
    batch = client.albums(["asked"], "US")
    assert batch.releases["album_id"].to_list() == ["asked"]
    assert batch.tracks["album_id"].to_list() == ["asked"]
