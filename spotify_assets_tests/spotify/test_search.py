"""New releases by search, for keys without the list of them: ten a page, a total that drifts, an end at 1000."""

from collections.abc import Callable, Sequence

import pytest

from spotify_assets.spotify.access import Access
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.errors import (
    ApiError,
    BadRequestError,
    MalformedAnswerError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    TransientError,
)
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import MakeClient
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, Seen, error_answer, page

SEARCH = "/v1/search"


@pytest.fixture
def searcher(make_client: MakeClient) -> SpotifyClient:
    """A client whose key has no list of new releases."""
    return make_client(access=Access("development"))


def found(client: SpotifyClient) -> list[str]:
    return client.new_releases("US").frame["album_id"].to_list()


def albums(first: int, last: int) -> list[object]:
    return [payloads.simplified_album(f"a{n}") for n in range(first, last)]


def result(items: Sequence[object], **changes: object) -> Answer:
    return Answer({"albums": {**page(items, limit=10), **changes}})


def offsets(api: FakeApi) -> list[int]:
    return [int(request.query["offset"]) for request in api.seen(SEARCH)]


def server_of(entries: Sequence[object], total: Callable[[int], int | None]) -> Callable[[Seen], Answer]:
    """Pages of a list as asked for; `total` says for each offset what the page states."""

    def reply(request: Seen) -> Answer:
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        return result(entries[offset : offset + limit], offset=offset, total=total(offset))

    return reply


# --- What is sent ---


def test_the_search_is_the_documented_one_and_its_page_the_largest_that_every_key_gets(
    api: FakeApi, searcher: SpotifyClient
) -> None:
    """A limit of 11 is answered 400 to keys made since 2026-02-11; the default is 5 there and 20 elsewhere."""
    api.on(SEARCH, server_of(albums(0, 15), lambda _: 15))
    assert len(found(searcher)) == 15
    assert [(request.method, request.path, request.query) for request in api.requests[1:]] == [
        (
            "GET",
            SEARCH,
            {"q": "tag:new", "limit": "10", "offset": str(offset), "type": "album", "market": "US"},
        )
        for offset in (0, 10)
    ]
    assert searcher.calls.by_endpoint() == {"token": 1, "search": 2}


def test_rows_say_market_position_and_album(api: FakeApi, searcher: SpotifyClient) -> None:
    api.on(SEARCH, server_of(albums(0, 23), lambda _: 23))
    batch = searcher.new_releases("DE")
    assert batch.set_aside == ()
    assert batch.frame["album_id"].to_list() == [f"a{n}" for n in range(23)]
    assert batch.frame["position"].to_list() == list(range(1, 24))
    assert set(batch.frame["market"]) == {"DE"}


# --- Where it ends ---


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (10, 1), (11, 2), (20, 2), (101, 11)])
def test_a_steady_total_costs_no_call_beyond_its_last_page(
    api: FakeApi, searcher: SpotifyClient, count: int, calls: int
) -> None:
    api.on(SEARCH, server_of(albums(0, count), lambda _: count))
    assert len(found(searcher)) == count
    assert len(api.seen(SEARCH)) == calls


def test_a_total_that_sinks_meanwhile_does_not_end_the_search_early(
    api: FakeApi, searcher: SpotifyClient
) -> None:
    """Totals drift from page to page; one low page in between cut the rest off."""
    api.on(SEARCH, server_of(albums(0, 45), lambda offset: {0: 45, 10: 15, 20: 28}.get(offset, 40)))
    assert len(found(searcher)) == 45
    assert offsets(api) == [0, 10, 20, 30, 40]


def test_a_total_that_grows_meanwhile_is_followed(api: FakeApi, searcher: SpotifyClient) -> None:
    api.on(SEARCH, server_of(albums(0, 45), lambda offset: 12 + offset))
    # 12 and 22 lie beyond their pages; each page promises another.
    assert len(found(searcher)) == 45
    assert offsets(api) == [0, 10, 20, 30, 40, 50]


@pytest.mark.parametrize("total", [None, "many", 100_000])
def test_an_empty_page_ends_the_search_whatever_its_total(
    api: FakeApi, searcher: SpotifyClient, total: object
) -> None:
    api.on(SEARCH, result(albums(0, 10), total=total), result([], total=total))
    assert len(found(searcher)) == 10
    assert offsets(api) == [0, 10]


def test_a_search_that_finds_nothing_is_an_empty_list_and_no_error(
    api: FakeApi, searcher: SpotifyClient
) -> None:
    api.on(SEARCH, result([], total=0))
    batch = searcher.new_releases("US")
    assert (batch.frame.height, batch.set_aside) == (0, ())


def test_no_offset_beyond_990_is_ever_asked_for(api: FakeApi, searcher: SpotifyClient) -> None:
    """Offset and limit may reach 1000 together; `next` links and totals go on beyond it, into an error."""
    api.on(SEARCH, server_of(albums(0, 5000), lambda _: 5000))
    assert found(searcher) == [f"a{n}" for n in range(1000)]
    assert offsets(api) == list(range(0, 1000, 10))


def test_pages_that_are_shorter_than_they_state_still_end_at_the_border(
    api: FakeApi, searcher: SpotifyClient
) -> None:
    """Seven of ten entries: the next page begins ten further on, or three would be read twice."""

    def reply(request: Seen) -> Answer:
        offset = int(request.query["offset"])
        return result(albums(offset, offset + 7), offset=offset, total=5000)

    api.on(SEARCH, reply)
    assert len(found(searcher)) == 700
    assert max(offsets(api)) == 990


def test_a_server_of_smaller_pages_than_asked_for_is_read_without_gaps(
    api: FakeApi, searcher: SpotifyClient
) -> None:
    def reply(request: Seen) -> Answer:
        offset = int(request.query["offset"])
        return result(albums(offset, min(offset + 5, 23)), offset=offset, limit=5, total=23)

    api.on(SEARCH, reply)
    assert found(searcher) == [f"a{n}" for n in range(23)]


BORDER = pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error_answer(404, "Not found."), NotFoundError),
        (error_answer(400, "Bad request."), BadRequestError),
    ],
    ids=["404", "400"],
)


@BORDER
def test_an_error_at_the_border_after_the_first_page_is_the_end(
    api: FakeApi, searcher: SpotifyClient, answer: Answer, kind: type[ApiError]
) -> None:
    """Seen as 404 (spotipy#683) and as 400 (spotipy#868) where offset and limit cross 1000."""
    assert issubclass(kind, ApiError)
    api.on(SEARCH, result(albums(0, 10), total=5000), result(albums(10, 20), total=5000), answer)
    assert found(searcher) == [f"a{n}" for n in range(20)]
    assert offsets(api) == [0, 10, 20]


@BORDER
def test_an_error_on_the_first_page_is_an_error_and_no_empty_list(
    api: FakeApi, searcher: SpotifyClient, answer: Answer, kind: type[ApiError]
) -> None:
    api.on(SEARCH, answer)
    with pytest.raises(kind):
        searcher.new_releases("US")
    assert offsets(api) == [0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error_answer(403, "Forbidden"), RefusedError),
        (error_answer(429, "Too many requests", "QUOTA_EXCEEDED", Retry_After="52531"), RateLimitedError),
        (error_answer(500), TransientError),
        (Answer(b"<html>"), MalformedAnswerError),
    ],
    ids=["403", "quota", "500", "html"],
)
def test_any_other_error_on_a_later_page_is_an_error(
    api: FakeApi, searcher: SpotifyClient, answer: Answer, kind: type[ApiError]
) -> None:
    """A list cut there would look like a day with few releases."""
    api.on(SEARCH, result(albums(0, 10), total=50), answer)
    with pytest.raises(kind):
        searcher.new_releases("US")


# --- What a page holds ---


def test_an_album_on_two_pages_is_one_and_keeps_its_first_position(
    api: FakeApi, searcher: SpotifyClient
) -> None:
    api.on(SEARCH, result(albums(0, 10), total=20), result(albums(6, 16), total=20, offset=10))
    batch = searcher.new_releases("US")
    assert batch.frame["album_id"].to_list() == [f"a{n}" for n in range(16)]
    assert batch.frame["position"].to_list() == [*range(1, 11), *range(15, 21)]
    assert batch.set_aside == ()


def test_null_entries_are_set_aside_and_count_as_places(api: FakeApi, searcher: SpotifyClient) -> None:
    """Search answers null in place of albums (web-api#1547)."""
    api.on(SEARCH, result([None, payloads.simplified_album("a"), None], total=3))
    batch = searcher.new_releases("US")
    assert batch.frame.select("album_id", "position").rows() == [("a", 2)]
    assert [(item.endpoint, item.item_id, item.reason) for item in batch.set_aside] == [
        ("search", None, "None is not an object")
    ] * 2


def test_a_page_of_nulls_alone_does_not_end_the_search(api: FakeApi, searcher: SpotifyClient) -> None:
    """What is left of it without the nulls looks like an empty page."""
    api.on(SEARCH, result([None] * 10, total=20), result(albums(0, 10), total=20, offset=10))
    assert len(found(searcher)) == 10
    assert offsets(api) == [0, 10]


MALFORMED = pytest.mark.parametrize(
    "body",
    [
        {"albums": {"items": None, "total": 50}},
        {"albums": None},
        {"albums": []},
        {"albums": {"total": 50}},
        {"tracks": page([])},
        [],
        None,
    ],
    ids=["null items", "null page", "list", "no items", "another type", "a list", "null"],
)


@MALFORMED
def test_an_answer_without_a_page_of_albums_is_an_error_and_no_empty_list(
    api: FakeApi, searcher: SpotifyClient, body: object
) -> None:
    """Items that are null have been seen (spotcast#604)."""
    api.on(SEARCH, Answer(body))
    with pytest.raises(MalformedAnswerError) as caught:
        searcher.new_releases("US")
    assert caught.value.endpoint == "search"


@MALFORMED
def test_a_later_answer_without_a_page_of_albums_is_no_end(
    api: FakeApi, searcher: SpotifyClient, body: object
) -> None:
    api.on(SEARCH, result(albums(0, 10), total=50), Answer(body))
    with pytest.raises(MalformedAnswerError):
        searcher.new_releases("US")


def test_a_malformed_album_is_set_aside_under_search(api: FakeApi, searcher: SpotifyClient) -> None:
    api.on(SEARCH, result([payloads.simplified_album("a", name=None), payloads.simplified_album("b")]))
    batch = searcher.new_releases("US")
    assert batch.frame["album_id"].to_list() == ["b"]
    assert [(item.endpoint, item.item_id, item.reason) for item in batch.set_aside] == [
        ("search", "a", "name is null")
    ]


def test_a_key_with_the_list_of_new_releases_does_not_search(api: FakeApi, make_client: MakeClient) -> None:
    api.on("/v1/browse/new-releases", result(albums(0, 3)))
    assert len(found(make_client(access=Access("auto")))) == 3
    assert api.seen(SEARCH) == []
