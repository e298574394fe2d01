"""Counts of what went over the wire: by endpoint, by what batching saved, and by difference of two moments."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from spotify_assets.spotify.access import Access
from spotify_assets.spotify.call_log import CallCounts, CallLog
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import MakeClient
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, error_answer, page

IDS = [f"id{n:03}" for n in range(100)]


def test_a_log_begins_empty() -> None:
    log = CallLog()
    assert (log.counts(), log.by_endpoint()) == ({}, {})
    assert (log.total, log.rate_limited, log.retried, log.seconds_waited) == (0, 0, 0, 0.0)


def test_each_endpoint_is_counted_by_itself_and_all_together() -> None:
    log = CallLog()
    for endpoint, times in (("albums", 3), ("token", 1)):
        for _ in range(times):
            log.count_request(endpoint)
    log.count_answer("albums", 20)
    log.count_answer("albums", 5)
    log.count_rate_limited("albums")
    log.count_wait("albums", 1.5)
    log.count_wait("token", 0.5)
    log.count_retry()
    assert log.counts() == {
        "albums": CallCounts(requests=3, answered=2, ids=25, rate_limited=1, seconds_waited=1.5),
        "token": CallCounts(requests=1, seconds_waited=0.5),
    }
    assert log.by_endpoint() == {"albums": 3, "token": 1}
    assert (log.total, log.rate_limited, log.retried, log.seconds_waited) == (4, 1, 1, 2.0)


def test_an_endpoint_that_was_only_waited_for_was_not_called() -> None:
    log = CallLog()
    log.count_wait("albums", 3.0)
    assert log.by_endpoint() == {}
    assert log.seconds_waited == 3


def test_counts_are_of_the_moment_and_do_not_change_afterwards() -> None:
    log = CallLog()
    log.count_request("albums")
    before = log.counts()
    log.count_request("albums")
    assert before == {"albums": CallCounts(requests=1)}


@pytest.mark.parametrize(
    ("counts", "saved"),
    [
        (CallCounts(), 0),
        (CallCounts(requests=5, answered=5, ids=100), 95),
        (CallCounts(requests=100, answered=100, ids=100), 0),
        # A request that failed would have failed singly as well.
        (CallCounts(requests=9, answered=5, ids=100), 95),
        # Lists are asked for without ids.
        (CallCounts(requests=2, answered=2), 0),
    ],
    ids=["nothing", "batches", "single calls", "retries", "lists"],
)
def test_batching_saves_the_calls_that_single_ids_would_have_taken(counts: CallCounts, saved: int) -> None:
    assert counts.saved_by_batching == saved


def test_counts_are_added_and_subtracted_field_by_field() -> None:
    first, second = CallCounts(5, 4, 80, 1, 2.5), CallCounts(2, 1, 20, 1, 0.5)
    assert first + second == CallCounts(7, 5, 100, 2, 3.0)
    assert first - second == CallCounts(3, 3, 60, 0, 2.0)
    assert (first - second).saved_by_batching == 57
    assert first - CallCounts() == first


def test_threads_lose_no_count() -> None:
    log, start = CallLog(), threading.Barrier(8)

    def count(_: int) -> None:
        start.wait(10)
        for _ in range(500):
            log.count_request("albums")
            log.count_retry()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert (log.total, log.retried) == (4000, 4000)


# --- Through the client ---


def test_batches_save_95_of_100_calls_and_single_calls_none(api: FakeApi, make_client: MakeClient) -> None:
    api.on("/v1/albums", lambda request: Answer({"albums": [payloads.album(key) for key in request.ids]}))
    for key in IDS:
        api.on(f"/v1/albums/{key}", Answer(payloads.album(key)))
    extended, development = make_client(), make_client(access=Access("development"))
    for client in (extended, development):
        client.albums(IDS, "US")
    assert extended.calls.counts()["albums"] == CallCounts(requests=5, answered=5, ids=100)
    assert development.calls.counts()["albums/{id}"] == CallCounts(requests=100, answered=100, ids=100)


def test_requests_that_fail_are_counted_and_answer_nothing(api: FakeApi, make_client: MakeClient) -> None:
    good = Answer({"artists": [payloads.artist(key) for key in IDS[:3]]})
    api.on("/v1/artists", error_answer(429, Retry_After="2"), error_answer(502), Answer(fault="drop"), good)
    client = make_client()
    client.artists(IDS[:3])
    counts = client.calls.counts()["artists"]
    assert (counts.requests, counts.answered, counts.ids, counts.rate_limited) == (4, 1, 3, 1)
    assert counts.saved_by_batching == 2
    assert counts.seconds_waited == pytest.approx(2 + 0.375 + 0.75)
    assert client.calls.retried == 3


def test_the_pages_of_a_list_are_requests_about_no_ids(api: FakeApi, make_client: MakeClient) -> None:
    first = page([payloads.simplified_album(key) for key in IDS[:50]], total=100)
    second = page([payloads.simplified_album(key) for key in IDS[50:]], total=100, offset=50)
    api.on("/v1/browse/new-releases", Answer({"albums": first}), Answer({"albums": second}))
    client = make_client()
    client.new_releases("US")
    assert client.calls.counts()["browse/new-releases"] == CallCounts(requests=2, answered=2)


def test_what_a_step_cost_is_the_difference_of_two_moments(api: FakeApi, make_client: MakeClient) -> None:
    api.on("/v1/artists", lambda request: Answer({"artists": [payloads.artist(key) for key in request.ids]}))
    client = make_client()
    client.artists(IDS)
    before = client.calls.counts()["artists"]
    client.artists(IDS[:50])
    cost = client.calls.counts()["artists"] - before
    assert cost == CallCounts(requests=1, answered=1, ids=50)
    assert cost.saved_by_batching == 49
