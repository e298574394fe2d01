"""One call an album, and one a track: the plan of keys that Spotify refuses batches."""

from collections.abc import Collection

import pytest

from spotify_assets.spotify import records
from spotify_assets.spotify.access import Access
from spotify_assets.spotify.batches import Part
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import (
    ApiError,
    BadRequestError,
    ForbiddenError,
    QuotaExceededError,
    RefusedError,
    TransientError,
)
from spotify_assets.spotify.records import AlbumBatch, SetAside
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import MakeClient
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, Reply, error_answer, page, paged

IDS = [f"id{n:03}" for n in range(200)]
INVALID_ID = error_answer(400, "invalid id")
UNKNOWN = error_answer(404, "Resource not found")
ATTEMPTS = 5


@pytest.fixture
def client(make_client: MakeClient) -> SpotifyClient:
    """A development key that asks for tracks as well."""
    return make_client(access=Access("development"), asks_single_tracks=True)


def serve_albums(api: FakeApi, ids: Collection[str] = IDS) -> None:
    """As such a key gets them: without popularity and label."""
    for key in ids:
        album = payloads.album(key)
        del album["popularity"], album["label"]
        api.on(f"/v1/albums/{key}", Answer(album))


def serve_tracks(api: FakeApi, ids: Collection[str] = IDS) -> None:
    for key in ids:
        track = payloads.track(key)
        del track["popularity"]
        api.on(f"/v1/tracks/{key}", Answer(track))


def loaded(batch: AlbumBatch) -> list[str]:
    return batch.releases["album_id"].to_list()


# --- Albums ---


def test_an_album_is_asked_for_by_its_own_path_in_the_market(api: FakeApi, client: SpotifyClient) -> None:
    serve_albums(api)
    batch = client.albums(IDS[:3], "DE")
    assert loaded(batch) == batch.tracks["album_id"].to_list() == IDS[:3]
    assert {request.path: request.query for request in api.requests[1:]} == {
        f"/v1/albums/{key}": {"market": "DE"} for key in IDS[:3]
    }
    assert client.calls.by_endpoint() == {"token": 1, "albums/{id}": 3}


def test_what_such_a_key_does_not_get_is_null(api: FakeApi, client: SpotifyClient) -> None:
    serve_albums(api)
    batch = client.albums(IDS[:1], "US")
    assert batch.releases.select("label", "popularity", "upc").rows() == [(None, None, "00602475093060")]
    assert batch.set_aside == ()


def test_an_album_of_sixty_tracks_is_read_over_its_pages(api: FakeApi, client: SpotifyClient) -> None:
    entries: list[object] = [payloads.simplified_track(f"t{n}", track_number=n) for n in range(1, 61)]
    cut = paged(entries)
    api.on("/v1/albums/a", Answer(payloads.album("a", tracks=page(entries[:50], total=60), total_tracks=60)))
    api.on("/v1/albums/a/tracks", lambda request: Answer(cut(request)))
    batch = client.albums(["a"], "US")
    assert batch.tracks["track_id"].to_list() == [f"t{n}" for n in range(1, 61)]
    assert batch.set_aside == ()
    assert [request.query for request in api.seen("/v1/albums/a/tracks")] == [
        {"limit": "50", "offset": "50", "market": "US"}
    ]


@pytest.mark.parametrize("answer", [UNKNOWN, INVALID_ID, error_answer(400, "Invalid album id.")])
def test_an_album_that_spotify_does_not_know_is_set_aside_and_the_others_load(
    api: FakeApi, client: SpotifyClient, answer: Answer
) -> None:
    """In a batch it is a null in its place; alone it is a 404, or a 400 that speaks of the id."""
    serve_albums(api)
    api.on(f"/v1/albums/{IDS[1]}", answer)
    batch = client.albums(IDS[:5], "US")
    assert loaded(batch) == [IDS[0], *IDS[2:5]]
    assert batch.set_aside == (SetAside("albums", IDS[1], records.UNKNOWN_TO_SPOTIFY),)


@pytest.mark.parametrize(
    "message", ["Invalid market code", "Bad request.", "Invalid limit", "invalid request"]
)
def test_a_400_that_does_not_speak_of_an_id_is_an_error_and_sets_no_album_aside(
    api: FakeApi, client: SpotifyClient, message: str
) -> None:
    """A market that Spotify refuses would quietly set 200 albums aside as unknown."""
    for key in IDS:
        api.on(f"/v1/albums/{key}", error_answer(400, message))
    told: list[Part[AlbumBatch]] = []
    with pytest.raises(BadRequestError, match=message):
        client.albums(IDS, "ZZ", on_part=told.append)
    assert told == []
    # At most one call a thread.
    assert client.calls.by_endpoint()["albums/{id}"] <= 4


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_an_answer_that_is_no_album_is_set_aside(api: FakeApi, client: SpotifyClient, body: object) -> None:
    serve_albums(api)
    api.on(f"/v1/albums/{IDS[1]}", Answer(body))
    batch = client.albums(IDS[:3], "US")
    assert loaded(batch) == [IDS[0], IDS[2]]
    assert [item.item_id for item in batch.set_aside] == [IDS[1]]


def test_a_relinked_album_is_keyed_by_the_id_asked_for(api: FakeApi, client: SpotifyClient) -> None:
    api.on("/v1/albums/asked", Answer(payloads.album("other")))
    assert loaded(client.albums(["asked"], "US")) == ["asked"]


def test_ids_are_asked_for_once_each_and_come_back_in_their_order(
    api: FakeApi, client: SpotifyClient
) -> None:
    serve_albums(api)
    assert loaded(client.albums([*IDS[:50], *IDS[:20], "no id"], "US")) == IDS[:50]
    assert client.calls.by_endpoint()["albums/{id}"] == 50


@pytest.mark.parametrize("place", [0, 7, 19])
@pytest.mark.parametrize("threads", [1, 4])
def test_one_album_that_fails_steadily_is_set_aside_and_the_others_load(
    api: FakeApi, make_client: MakeClient, threads: int, place: int
) -> None:
    """As the first of all, with one thread, it failed the load for ever: nothing had been answered before it."""
    serve_albums(api)
    bad = IDS[place]
    api.on(f"/v1/albums/{bad}", error_answer(500))
    batch = make_client(access=Access("development"), threads=threads).albums(IDS[:20], "US")
    assert loaded(batch) == [key for key in IDS[:20] if key != bad]
    assert batch.set_aside == (SetAside("albums/{id}", bad, "answers 500 steadily"),)
    assert len(api.seen(f"/v1/albums/{bad}")) == ATTEMPTS


@pytest.mark.parametrize("threads", [1, 4])
def test_an_outage_is_an_error_and_sets_no_album_aside(
    api: FakeApi, make_client: MakeClient, threads: int
) -> None:
    for key in IDS:
        api.on(f"/v1/albums/{key}", error_answer(503))
    client = make_client(access=Access("development"), threads=threads)
    with pytest.raises(TransientError) as caught:
        client.albums(IDS, "US")
    assert caught.value.status == 503
    # The album, and one more of which each thread tries to learn that it is no outage.
    assert client.calls.by_endpoint()["albums/{id}"] <= 2 * ATTEMPTS * threads


def test_an_outage_of_the_pages_alone_sets_no_large_album_aside(
    api: FakeApi, make_client: MakeClient
) -> None:
    """That a small album loads says nothing of the endpoint that has failed."""
    serve_albums(api)
    large = payloads.album("large", tracks=page([payloads.simplified_track()], total=60, limit=1))
    api.on("/v1/albums/large", Answer(large))
    api.on("/v1/albums/large/tracks", error_answer(503))
    client = make_client(access=Access("development"), threads=1)
    with pytest.raises(TransientError) as caught:
        client.albums(["large", *IDS[:3]], "US")
    assert caught.value.endpoint == "albums/{id}/tracks"


def test_what_was_answered_before_a_used_up_quota_is_handed_over(
    api: FakeApi, make_client: MakeClient
) -> None:
    """An album a call is what uses a quota up; what it bought must not be bought again tomorrow."""
    serve_albums(api)
    api.on(f"/v1/albums/{IDS[30]}", error_answer(429, None, "QUOTA_EXCEEDED", Retry_After="52531"))
    client = make_client(access=Access("development"), threads=1)
    told: list[str] = []
    with pytest.raises(QuotaExceededError):
        client.albums(IDS, "US", on_part=lambda part: told.extend(part.ids))
    assert sorted(told) == IDS[:30]
    before = len(api.requests)
    with pytest.raises(QuotaExceededError):
        client.albums(IDS, "US")
    assert len(api.requests) == before


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(error_answer(403, "Forbidden"), RefusedError), (error_answer(405), BadRequestError)],
    ids=["403", "405"],
)
def test_any_other_refusal_of_an_album_is_an_error(
    api: FakeApi, client: SpotifyClient, answer: Answer, kind: type[ApiError]
) -> None:
    """The single calls are open to every key: a 403 there is no closed endpoint, and no unknown album."""
    serve_albums(api)
    api.on(f"/v1/albums/{IDS[1]}", answer)
    with pytest.raises(kind):
        client.albums(IDS[:3], "US")


# --- Tracks ---


def test_tracks_are_not_asked_for_one_by_one_unless_that_is_chosen(
    api: FakeApi, make_client: MakeClient
) -> None:
    """1000 calls for nothing but ISRCs use up a quota."""
    serve_tracks(api)
    told: list[str] = []
    client = make_client(access=Access("development"))
    batch = client.tracks(IDS, "US", on_part=lambda part: told.extend(part.ids))
    assert batch.frame.rows() == [(key, None, None) for key in IDS]
    assert told == IDS
    assert api.requests == []


def test_a_track_asked_for_alone_gives_its_isrc_and_no_popularity(
    api: FakeApi, client: SpotifyClient
) -> None:
    serve_tracks(api)
    batch = client.tracks(IDS[:3], "DE")
    assert batch.frame.rows() == [(key, None, "USRC12600001") for key in IDS[:3]]
    assert batch.set_aside == ()
    assert {request.path: request.query for request in api.requests[1:]} == {
        f"/v1/tracks/{key}": {"market": "DE"} for key in IDS[:3]
    }


def test_a_null_popularity_is_null(api: FakeApi, client: SpotifyClient) -> None:
    api.on("/v1/tracks/a", Answer(payloads.track("a", popularity=None)))
    assert client.tracks(["a"], "US").frame.rows() == [("a", None, "USRC12600001")]


@pytest.mark.parametrize("answer", [UNKNOWN, INVALID_ID])
def test_a_track_that_spotify_does_not_know_is_set_aside(
    api: FakeApi, client: SpotifyClient, answer: Answer
) -> None:
    serve_tracks(api)
    api.on(f"/v1/tracks/{IDS[0]}", answer)
    batch = client.tracks(IDS[:3], "US")
    assert batch.frame["track_id"].to_list() == IDS[1:3]
    assert batch.set_aside == (SetAside("tracks", IDS[0], records.UNKNOWN_TO_SPOTIFY),)


@pytest.mark.parametrize("place", [0, 2])
def test_a_track_that_fails_steadily_is_set_aside(api: FakeApi, make_client: MakeClient, place: int) -> None:
    """Seen with single tracks of good albums (spotipy#805)."""
    serve_tracks(api)
    api.on(f"/v1/tracks/{IDS[place]}", error_answer(500))
    client = make_client(access=Access("development"), asks_single_tracks=True, threads=1)
    batch = client.tracks(IDS[:3], "US")
    assert batch.frame["track_id"].to_list() == [key for key in IDS[:3] if key != IDS[place]]
    assert batch.set_aside == (SetAside("tracks/{id}", IDS[place], "answers 500 steadily"),)


# --- Artists ---


def test_artists_are_not_asked_for_one_by_one(api: FakeApi, client: SpotifyClient) -> None:
    """One call an artist would give the name alone, which credits hold already."""
    with pytest.raises(ForbiddenError):
        client.artists(IDS)
    assert api.requests == []
    assert client.artists([]).frame.height == 0


def test_nothing_to_ask_for_is_no_call(api: FakeApi, client: SpotifyClient) -> None:
    assert loaded(client.albums([], "US")) == []
    assert client.tracks([], "US").frame.height == 0
    assert client.audio_features([]).problem is None
    assert api.requests == []


def unreliable(answers: list[Answer]) -> Reply:
    """Give these answers in turn, then go on with the last."""
    return lambda _: answers.pop(0) if len(answers) > 1 else answers[0]


def test_an_album_that_fails_twice_and_answers_then_is_loaded(api: FakeApi, client: SpotifyClient) -> None:
    serve_albums(api)
    good = Answer(payloads.album(IDS[1]))
    api.on(f"/v1/albums/{IDS[1]}", unreliable([error_answer(502), Answer(fault="drop"), good]))
    batch = client.albums(IDS[:3], "US")
    assert loaded(batch) == IDS[:3]
    assert batch.set_aside == ()
