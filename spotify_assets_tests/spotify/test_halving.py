"""Ids that Spotify answers with 5xx steadily (spotipy#805), told from an outage.

A call that ends in a 5xx has been sent five times; the counts below are requests on the wire.
"""

import threading
from collections.abc import Callable, Collection, Sequence

import pytest

from spotify_assets.spotify import wire
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import BadRequestError, RateLimitedError, TransientError
from spotify_assets.spotify.records import SetAside
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import FakeTime, MakeClient
from spotify_assets_tests.spotify.fake_api import (
    Answer,
    FakeApi,
    Fault,
    Reply,
    Seen,
    error_answer,
    page,
    token_answer,
)

ALBUMS = "/v1/albums"
ARTISTS = "/v1/artists"
FEATURES = "/v1/audio-features"
TRACKS = "/v1/tracks"
ATTEMPTS = 5

IDS = [f"id{n:03}" for n in range(100)]
OUTAGE = error_answer(503, "Service unavailable")

Make = Callable[[str], payloads.Payload]
Call = Callable[[SpotifyClient, Sequence[str]], tuple[list[str], Sequence[SetAside]]]


def _albums(client: SpotifyClient, ids: Sequence[str]) -> tuple[list[str], Sequence[SetAside]]:
    batch = client.albums(ids, "US")
    assert batch.tracks["album_id"].to_list() == batch.releases["album_id"].to_list()
    return batch.releases["album_id"].to_list(), batch.set_aside


def _tracks(client: SpotifyClient, ids: Sequence[str]) -> tuple[list[str], Sequence[SetAside]]:
    batch = client.tracks(ids, "US")
    return batch.frame["track_id"].to_list(), batch.set_aside


def _artists(client: SpotifyClient, ids: Sequence[str]) -> tuple[list[str], Sequence[SetAside]]:
    batch = client.artists(ids)
    return batch.frame["artist_id"].to_list(), batch.set_aside


def _measured(client: SpotifyClient, ids: Sequence[str]) -> tuple[list[str], Sequence[SetAside]]:
    batch = client.audio_features(ids)
    assert sorted(batch.frame["track_id"]) == sorted(ids)
    return [key for key, status in batch.frame.select("track_id", "status").rows() if status == "measured"], (
        batch.set_aside
    )


CALLS: dict[str, tuple[Make, Call]] = {
    ALBUMS: (payloads.album, _albums),
    ARTISTS: (payloads.artist, _artists),
    FEATURES: (payloads.features, _measured),
    TRACKS: (payloads.track, _tracks),
}
ENDPOINTS = pytest.mark.parametrize("path", CALLS)


def poisoned(path: str, poison: Collection[str], fault: Answer = OUTAGE) -> Reply:
    """Answer every batch but those that hold one of these ids."""
    name, make = path.removeprefix("/v1/").replace("-", "_"), CALLS[path][0]

    def reply(request: Seen) -> Answer:
        return fault if set(poison) & set(request.ids) else Answer({name: [make(key) for key in request.ids]})

    return reply


def sizes(api: FakeApi, path: str) -> list[int]:
    """Ids in each call, retries counted once."""
    asked = [request.ids for request in api.seen(path)]
    return [len(ids) for n, ids in enumerate(asked) if n == 0 or ids != asked[n - 1]]


@ENDPOINTS
@pytest.mark.parametrize("place", [0, 37, 99])
def test_one_id_that_fails_steadily_is_set_aside_and_the_other_99_load(
    api: FakeApi, client: SpotifyClient, path: str, place: int
) -> None:
    """Such an id failed its batch for ever, and with it all albums of the run."""
    poison = IDS[place]
    api.on(path, poisoned(path, [poison]))
    loaded, set_aside = CALLS[path][1](client, IDS)
    assert loaded == [key for key in IDS if key != poison]
    assert set_aside == (SetAside(path.removeprefix("/v1/"), poison, "answers 503 steadily"),)


def test_one_steady_fault_in_a_hundred_costs_42_requests(api: FakeApi, client: SpotifyClient) -> None:
    api.on(FEATURES, poisoned(FEATURES, ["id037"]))
    client.audio_features(IDS)
    # Seven calls that fail, six halves that load, and one id that was answered before.
    failed = [request.ids for request in api.seen(FEATURES) if "id037" in request.ids]
    assert [len(ids) for ids in failed[::ATTEMPTS]] == [100, 50, 25, 13, 6, 3, 1]
    assert len(api.seen(FEATURES)) == 7 * ATTEMPTS + 6 + 1


def test_a_track_that_fails_steadily_is_absent_from_audio_features(
    api: FakeApi, client: SpotifyClient
) -> None:
    """Another source fills what is absent; a track without a row would be lost to it."""
    api.on(FEATURES, poisoned(FEATURES, ["b"], error_answer(500)))
    batch = client.audio_features(["a", "b", "no id"])
    assert batch.frame.select("track_id", "status", "source").rows() == [
        ("a", "measured", "spotify"),
        ("b", "absent", None),
        ("no id", "absent", None),
    ]
    assert [(item.item_id, item.reason) for item in batch.set_aside] == [
        (None, "'no id' is not a Spotify id"),
        ("b", "answers 500 steadily"),
    ]


@ENDPOINTS
def test_two_steady_faults_in_different_halves_are_found_once_the_endpoint_has_answered(
    api: FakeApi, make_client: MakeClient, path: str
) -> None:
    poison = [IDS[1], IDS[18]]
    api.on(path, poisoned(path, poison))
    client, call = make_client(threads=1), CALLS[path][1]
    call(client, ["first"])
    loaded, set_aside = call(client, IDS[:20])
    assert loaded == [key for key in IDS[:20] if key not in poison]
    assert [(item.item_id, item.reason) for item in set_aside] == [
        (key, "answers 503 steadily") for key in poison
    ]


@ENDPOINTS
def test_two_steady_faults_in_different_halves_of_the_first_batch_are_found_by_the_last_id(
    api: FakeApi, make_client: MakeClient, path: str
) -> None:
    """Nothing was answered before, and neither half: an id of another batch shows that it is no outage."""
    poison = [IDS[1], IDS[99]]
    ids = [*IDS, "last"]
    api.on(path, poisoned(path, poison))
    loaded, _ = CALLS[path][1](make_client(threads=1), ids)
    assert loaded == [key for key in ids if key not in poison]


def test_two_steady_faults_in_one_half_are_found_by_a_client_that_is_new(
    api: FakeApi, client: SpotifyClient
) -> None:
    """The half that loads shows that it is no outage."""
    api.on(FEATURES, poisoned(FEATURES, ["id000", "id049"]))
    batch = client.audio_features(IDS)
    assert [item.item_id for item in batch.set_aside] == ["id000", "id049"]


def test_two_neighbours_that_fail_steadily_are_both_set_aside(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, poisoned(ARTISTS, ["c", "d"]))
    batch = client.artists(["a", "b", "c", "d"])
    assert batch.frame["artist_id"].to_list() == ["a", "b"]
    assert [item.item_id for item in batch.set_aside] == ["c", "d"]


@ENDPOINTS
def test_an_outage_is_raised_after_the_batch_and_its_halves(
    api: FakeApi, client: SpotifyClient, path: str
) -> None:
    """Splitting 20 ids to the last would be 39 calls of five attempts each."""
    api.on(path, OUTAGE)
    with pytest.raises(TransientError) as caught:
        CALLS[path][1](client, IDS[:20])
    assert sizes(api, path) == [20, 10, 10]
    assert len(api.seen(path)) == 3 * ATTEMPTS
    # The error is that of the batch, not of a half.
    assert (caught.value.status, caught.value.ids) == (503, tuple(IDS[:20]))


def test_an_outage_that_begins_later_is_raised_and_sets_no_good_id_aside(
    api: FakeApi, make_client: MakeClient
) -> None:
    """The endpoint has answered before; every further id would be called one that fails steadily."""
    client = make_client(threads=1)
    api.on(FEATURES, poisoned(FEATURES, []))
    client.audio_features(IDS)
    before = len(api.seen(FEATURES))
    api.on(FEATURES, OUTAGE)
    with pytest.raises(TransientError) as caught:
        client.audio_features([f"new{n:02}" for n in range(100)])
    later = api.seen(FEATURES)[before:]
    assert [len(request.ids) for request in later[::ATTEMPTS]] == [100, 50, 50, 1]
    assert len(later) == 4 * ATTEMPTS
    # The last call asked for an id that was answered before.
    assert later[-1].ids == ["id000"]
    assert len(caught.value.ids) == 100


def test_an_outage_that_begins_at_the_last_batch_of_one_id_does_not_set_it_aside(
    api: FakeApi, make_client: MakeClient
) -> None:
    api.on(ARTISTS, poisoned(ARTISTS, []), OUTAGE)
    with pytest.raises(TransientError):
        make_client(threads=1).artists(IDS[:51])
    assert sizes(api, ARTISTS) == [50, 1, 1]
    assert len(api.seen(ARTISTS)) == 1 + 2 * ATTEMPTS


def test_a_last_batch_of_one_id_that_fails_steadily_is_set_aside(
    api: FakeApi, make_client: MakeClient
) -> None:
    api.on(ARTISTS, poisoned(ARTISTS, [IDS[50]]))
    batch = make_client(threads=1).artists(IDS[:51])
    assert batch.frame.height == 50
    assert [item.item_id for item in batch.set_aside] == [IDS[50]]
    assert len(api.seen(ARTISTS)) == 1 + ATTEMPTS + 1


@ENDPOINTS
def test_a_call_for_one_id_in_an_outage_raises_after_its_own_attempts(
    api: FakeApi, client: SpotifyClient, path: str
) -> None:
    api.on(path, OUTAGE)
    with pytest.raises(TransientError):
        CALLS[path][1](client, ["a"])
    assert len(api.seen(path)) == ATTEMPTS


@ENDPOINTS
def test_a_call_whose_every_id_fails_raises_even_where_others_are_answered(
    api: FakeApi, make_client: MakeClient, path: str
) -> None:
    api.on(path, poisoned(path, ["a", "b"]))
    client, call = make_client(threads=1), CALLS[path][1]
    call(client, ["first"])
    with pytest.raises(TransientError):
        call(client, ["a", "b"])
    with pytest.raises(TransientError):
        call(client, ["a"])


@pytest.mark.parametrize(
    "answer",
    [Answer({"artists": []}, fault="drop"), Answer({"artists": []}, fault="no length"), error_answer(408)],
    ids=["dropped", "cut short", "408"],
)
def test_a_fault_that_is_no_5xx_is_not_split(api: FakeApi, client: SpotifyClient, answer: Answer) -> None:
    """It says nothing of the ids."""
    api.on(ARTISTS, answer)
    with pytest.raises(TransientError):
        client.artists(IDS[:50])
    assert sizes(api, ARTISTS) == [50]
    assert len(api.seen(ARTISTS)) == ATTEMPTS


@pytest.mark.parametrize("fault", ["drop", "no length"])
def test_a_fault_that_is_no_5xx_ends_the_splitting(api: FakeApi, client: SpotifyClient, fault: Fault) -> None:
    api.on(ARTISTS, *[OUTAGE] * ATTEMPTS, Answer({"artists": []}, fault=fault))
    with pytest.raises(TransientError) as caught:
        client.artists(IDS[:50])
    assert caught.value.status != 503
    assert sizes(api, ARTISTS) == [50, 25]


def test_a_limit_met_while_splitting_is_a_limit(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, *[OUTAGE] * ATTEMPTS, error_answer(429, Retry_After="86400"))
    with pytest.raises(RateLimitedError):
        client.artists(IDS[:50])
    assert len(api.seen(ARTISTS)) == ATTEMPTS + 1


def test_a_token_service_that_is_out_is_not_a_fault_of_the_ids(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    """Its errors come out of the same calls; the batch was not even sent."""
    api.on("/api/token", token_answer(), OUTAGE)
    api.on(ARTISTS, poisoned(ARTISTS, []))
    client.artists(IDS[:50])
    fake_time.sleep(4000)
    with pytest.raises(TransientError) as caught:
        client.artists(IDS[50:])
    assert caught.value.endpoint == "token"
    assert len(api.seen(ARTISTS)) == 1
    assert len(api.seen("/api/token")) == 1 + ATTEMPTS


def test_an_album_whose_pages_fail_steadily_is_set_aside_once_other_pages_were_read(
    api: FakeApi, make_client: MakeClient
) -> None:
    tracks: list[object] = [payloads.simplified_track(f"t{n}") for n in range(50)]
    further = [payloads.simplified_track("t50")]

    def large(key: str) -> payloads.Payload:
        return payloads.album(key, tracks=page(tracks, total=51), total_tracks=51)

    api.on(ALBUMS, lambda request: Answer({"albums": [large(key) for key in request.ids]}))
    api.on(f"{ALBUMS}/good/tracks", Answer(page(further, offset=50, total=51)))
    api.on(f"{ALBUMS}/bad/tracks", OUTAGE)
    batch = make_client(threads=1).albums(["good", "bad"], "US")
    assert batch.releases["album_id"].to_list() == ["good"]
    assert batch.tracks.height == 51
    assert batch.set_aside == (SetAside("albums/{id}/tracks", "bad", "answers 503 steadily"),)


def test_an_outage_of_the_pages_alone_sets_no_large_album_aside(api: FakeApi, client: SpotifyClient) -> None:
    """That a small album loads says nothing of the endpoint that has failed."""

    def of_size(key: str) -> payloads.Payload:
        total = 1 if key == "small" else 60
        return payloads.album(key, tracks=page([payloads.simplified_track(key)], total=total, limit=1))

    api.on(ALBUMS, lambda request: Answer({"albums": [of_size(key) for key in request.ids]}))
    api.on(f"{ALBUMS}/large/tracks", OUTAGE)
    with pytest.raises(TransientError) as caught:
        client.albums(["small", "large"], "US")
    assert caught.value.endpoint == "albums/{id}/tracks"


def test_two_batches_that_were_split_lose_nothing(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, poisoned(ARTISTS, ["id010", "id060"]))
    assert client.artists(IDS).frame.height == 98


def test_another_batchs_error_ends_a_split(
    api: FakeApi, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs the halves of a batch any more once another one has failed for good."""
    # Backoff passes at once; the half's long wait ends only when the batch is told to give up.
    monkeypatch.setattr(wire, "_sleep_unless", lambda stop, seconds: seconds > 30 and stop.wait(30))
    half_sent = threading.Event()

    def reply(request: Seen) -> Answer:
        if IDS[0] not in request.ids:
            half_sent.wait(30)
            return error_answer(400, "invalid id")
        if len(request.ids) == 50:
            return OUTAGE
        half_sent.set()
        return error_answer(503, Retry_After="59")

    api.on(ARTISTS, reply)
    with pytest.raises(BadRequestError):
        make_client(sleep=None, threads=2).artists(IDS)
    halves = [request for request in api.seen(ARTISTS) if len(request.ids) < 50]
    assert len(halves) == 1
