from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.sandbox import faults
from spotify_assets.sandbox.command import sandbox
from spotify_assets.sandbox.faults import NAMES, Fault, FaultError
from spotify_assets.sandbox.model import Listing
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets_tests.sandbox.caller import NOW, Caller


@pytest.fixture
def ids(catalogue: SyntheticCatalogue) -> str:
    return ",".join(album.album_id for album in catalogue.new_releases(NOW).page(0, 3))


def test_every_fault_is_documented_in_the_help_and_in_the_table() -> None:
    for name in NAMES:
        assert f"| `{name}` |" in str(faults.__doc__)
        assert f"\n  {name}" in str(sandbox.epilog)


@pytest.mark.parametrize(
    "text",
    [
        "dropped",
        "rate-limit=7:every=10",
        "status=503/html:times=2:on=albums",
        "slow=0.5:after=3",
        "rate-limit=date",
    ],
)
def test_a_fault_reads_back_as_it_was_written(text: str) -> None:
    fault = Fault.parse(text)
    assert Fault.parse(str(fault)) == fault


def test_a_value_may_hold_colons() -> None:
    date = "Sun, 22 Nov 2026 12:00:00 GMT"
    assert Fault.parse(f"rate-limit={date}:times=1").value == date


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sunspots", "unknown fault 'sunspots'; there are: rate-limit"),
        ("status=200", "does not take the value '200'"),
        ("status=503/xml", "does not take"),
        ("slow=long", "does not take"),
        ("access=full", "does not take"),
        ("null-page=all", "does not take"),
        ("html:every=0", "at least 1"),
        ("html:every=often", "whole number"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        Fault.parse(text)


def test_every_times_after_and_on_choose_the_calls() -> None:
    fault = Fault.parse("html:every=2:times=2:after=1:on=albums")
    assert [fault.strikes("albums") for _ in range(8)] == [
        False,
        False,
        True,
        False,
        True,
        False,
        False,
        False,
    ]
    assert not fault.strikes("tracks")
    assert fault.struck == 2


def test_a_fault_leaves_the_token_service_and_reccobeats_alone_unless_named() -> None:
    assert not Fault.parse("status=500").strikes("token")
    assert not Fault.parse("status=500").strikes("reccobeats/track")
    assert Fault.parse("status=500:on=token").strikes("token")


def test_a_fault_can_be_put_on_every_endpoint_of_a_family() -> None:
    fault = Fault.parse("html:on=reccobeats/*:times=2")
    endpoints = ("reccobeats/track", "tracks", "token", "reccobeats/audio-features", "reccobeats/track")
    assert [fault.strikes(endpoint) for endpoint in endpoints] == [True, False, False, True, False]


@pytest.mark.parametrize("name", ["null-page", "duplicate-items", "drifting-total", "search-border-404"])
def test_an_oddity_of_search_concerns_search_alone_unless_told(name: str) -> None:
    assert Fault.parse(name).concerns("search")
    assert not Fault.parse(name).concerns("browse/new-releases")
    assert Fault.parse(f"{name}:on=browse/new-releases").concerns("browse/new-releases")


@pytest.mark.parametrize("value", ["7", "1.5", "86400", "soon"])
def test_rate_limit_sends_retry_after_as_told(serve: Callable[..., Caller], value: str) -> None:
    answer = serve(faults=[f"rate-limit={value}"]).get("markets")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, value)


def test_rate_limit_can_send_a_date_or_no_header(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["rate-limit=date"])
    moment = parsedate_to_datetime(caller.get("markets").headers["retry-after"])
    assert (moment - NOW).total_seconds() == 2
    caller.server.set_faults("rate-limit=none")
    assert "retry-after" not in caller.get("markets").headers
    assert caller.server.report()["rate_limited"] == 2


def test_quota_names_its_reason(serve: Callable[..., Caller]) -> None:
    answer = serve(faults=["quota"]).get("markets")
    assert answer.headers["retry-after"] == "52531"
    assert answer.json()["error"] == {
        "status": 429,
        "message": "Too many requests",
        "reason": "QUOTA_EXCEEDED",
    }


@pytest.mark.parametrize(
    ("fault", "status", "kind", "start"),
    [
        ("status", 500, "application/json", '{"error":{"status":500'),
        ("status=502/html", 502, "text/html", "<html>"),
        ("status=503/empty", 503, "text/plain", ""),
        ("status=504", 504, "application/json", '{"error":'),
        ("html", 200, "text/html", "<html>"),
        (
            "premium-required",
            403,
            "application/json",
            '{"error":{"status":403,"message":"Active premium subscr',
        ),
        ("premium-required=text", 403, "text/plain", "Active premium subscription required"),
    ],
)
def test_failures_come_with_the_body_told(
    serve: Callable[..., Caller], fault: str, status: int, kind: str, start: str
) -> None:
    answer = serve(faults=[fault]).get("markets")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(kind)
    assert answer.text.startswith(start)
    assert answer.text or not start


def test_a_dropped_connection_gives_no_answer_and_the_next_call_works(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["dropped:times=1"])
    with pytest.raises(requests.ConnectionError):
        caller.get("markets")
    assert caller.get("markets").status_code == 200
    assert caller.server.report()["statuses"] == {"0": 1, "200": 2}


def test_a_truncated_body_is_noticed_and_the_next_call_works(serve: Callable[..., Caller], ids: str) -> None:
    caller = serve(faults=["truncated:times=1"])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        caller.get("albums", ids=ids)
    assert caller.get("albums", ids=ids).status_code == 200


def test_a_slow_answer_is_the_right_one(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["slow=0.3"])
    started = time.perf_counter()
    assert caller.get("markets").status_code == 200
    assert time.perf_counter() - started >= 0.3


def test_the_token_service_can_be_down_alone(serve: Callable[..., Caller]) -> None:
    caller = serve()
    caller.server.set_faults("token-down=502")
    assert caller.token(auth=("id", "secret")).status_code == 502
    assert caller.get("markets").status_code == 200


def test_tokens_can_run_out_in_the_middle(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["token-expiry:after=1:times=1"])
    assert [caller.get("markets").status_code for _ in range(2)] == [200, 401]
    assert caller.get("markets").status_code == 401
    caller.authenticate()
    assert caller.get("markets").status_code == 200


def test_audio_features_can_be_closed_alone(serve: Callable[..., Caller], ids: str) -> None:
    caller = serve(faults=["audio-features-closed"])
    assert caller.get("audio-features", ids=ids).json() == {"error": {"status": 403}}
    assert caller.get(f"audio-features/{'0' * 22}").status_code == 403
    assert caller.get("albums", ids=ids).status_code == 200


def test_an_album_can_vanish(serve: Callable[..., Caller], ids: str) -> None:
    caller = serve(faults=["vanished"])
    assert [album is None for album in caller.json("albums", ids=ids)["albums"]] == [True, False, False]
    second = ids.split(",")[1]
    caller.server.set_faults(f"vanished={second}")
    assert [album is None for album in caller.json("albums", ids=ids)["albums"]] == [False, True, False]
    assert caller.get(f"albums/{second}").status_code == 404
    assert caller.get(f"albums/{ids.split(',')[0]}").status_code == 200


@pytest.mark.parametrize("endpoint", ["search", "markets", "tracks", "artists/{id}/albums"])
def test_no_album_vanishes_where_none_was_asked_for(
    serve: Callable[..., Caller], ids: str, catalogue: SyntheticCatalogue, endpoint: str
) -> None:
    """The fault may be put on any endpoint, and must not be an error of the sandbox itself."""
    caller = serve(faults=[f"vanished={ids.split(',')[0]}:on={endpoint}"])
    artist = catalogue.new_releases(NOW).item(0).artists[0].artist_id
    answer = caller.get(endpoint.format(id=artist), q="tag:new", type="album", ids=ids)
    assert answer.status_code == 200


def test_items_can_be_null(serve: Callable[..., Caller], ids: str) -> None:
    caller = serve(faults=["null-items"])
    assert caller.json("browse/new-releases")["albums"]["items"][0] is None
    assert caller.json("albums", ids=ids)["albums"][0] is None
    first = ids.split(",")[0]
    assert caller.json(f"albums/{first}/tracks")["items"][0] is None
    assert caller.json(f"albums/{first}")["tracks"]["items"][0] is None
    assert caller.json("search", q="tag:new", type="album")["albums"]["items"][0] is None


def test_the_first_item_of_every_page_of_a_search_is_null(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["null-items"])
    answer = caller.json("search", q="the", type="album,track,show")
    assert [answer[key]["items"][0] for key in ("albums", "tracks")] == [None, None]
    assert answer["albums"]["items"][1] is not None
    assert answer["shows"]["items"] == []


def test_the_items_of_a_page_can_be_null_and_the_whole_page_too(
    serve: Callable[..., Caller], ids: str
) -> None:
    caller = serve(faults=["null-page"])
    page = caller.json("search", q="tag:new", type="album")["albums"]
    assert page["items"] is None
    assert page["total"] > 0
    assert caller.json("browse/new-releases")["albums"]["items"]
    album = ids.split(",")[0]
    caller.server.set_faults("null-page:on=albums/{id}/tracks")
    assert caller.json(f"albums/{album}/tracks")["items"] is None
    caller.server.set_faults("null-page=page", "null-page=page:on=albums/{id}/tracks")
    assert caller.json("search", q="tag:new", type="album") == {"albums": None}
    assert caller.json(f"albums/{album}/tracks") is None


def _pages(caller: Caller, path: str, **params: Any) -> list[dict[str, Any]]:
    """The album pages from the first to the one without a next."""
    pages = [caller.json(path, **params)["albums"]]
    while pages[-1]["next"]:
        pages.append(caller.session.get(pages[-1]["next"], timeout=10).json()["albums"])
    return pages


@pytest.mark.parametrize("path", ["search", "browse/new-releases"])
def test_a_page_can_begin_with_the_last_item_of_the_page_before_and_nothing_is_lost(
    serve: Callable[..., Caller], path: str
) -> None:
    """As when an album comes in at the top between two pages: whoever does not look counts it twice."""
    caller = serve()
    params = {"q": "tag:new", "type": "album"} if path == "search" else {}
    right = [item["id"] for page in _pages(caller, path, limit=10, **params) for item in page["items"]]
    caller.server.set_faults(f"duplicate-items:on={path}")
    pages = _pages(caller, path, limit=10, **params)
    assert len(right) == len(set(right)) > 20
    for before, after in pairwise(pages):
        assert after["items"][0]["id"] == before["items"][-1]["id"]
    shown = [item["id"] for page in pages for item in page["items"]]
    assert list(dict.fromkeys(shown)) == right
    assert {page["total"] for page in pages} == {len(shown)}


@given(st.integers(0, 300), st.integers(1, 50))
def test_overlapping_pages_show_every_item_and_only_their_borders_twice(total: int, limit: int) -> None:
    listing = Listing.of(list(range(total))).overlapping(limit)
    pages = [listing.page(offset, limit) for offset in range(0, listing.total, limit)]
    assert all(before[-1] == after[0] for before, after in pairwise(pages) if limit > 1)
    assert list(dict.fromkeys(item for page in pages for item in page)) == list(range(total))
    assert all(len(page) > 1 for page in pages[1:] if limit > 1)


def test_the_total_can_drift_from_page_to_page_while_next_stays_right(
    serve: Callable[..., Caller], catalogue: SyntheticCatalogue
) -> None:
    fresh = catalogue.fresh(NOW).total
    caller = serve(faults=["drifting-total"])
    pages = _pages(caller, "search", q="tag:new", type="album", limit=10)
    totals = [page["total"] for page in pages]
    assert sum(len(page["items"]) for page in pages) == fresh
    assert all(before != after for before, after in pairwise(totals))
    assert min(totals) < fresh < max(totals)
    assert all(abs(total - fresh) <= fresh / 4 + 0.5 for total in totals)
    caller.server.set_faults("drifting-total")
    again = _pages(caller, "search", q="tag:new", type="album", limit=10)
    assert [page["total"] for page in again] == totals


def test_beyond_the_first_thousand_results_it_can_also_be_404(serve: Callable[..., Caller]) -> None:
    caller = serve()
    window = {"q": "tag:new", "type": "album", "limit": 10, "offset": 991}
    assert caller.get("search", **window).status_code == 400
    caller.server.set_faults("search-border-404")
    answer = caller.get("search", **window)
    assert (answer.status_code, answer.json()["error"]) == (404, {"status": 404, "message": "Not found."})
    assert caller.get("search", **{**window, "offset": 990}).status_code == 200


def test_access_can_change_in_the_middle(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["access=development:after=2"])
    assert [caller.get("browse/new-releases").status_code for _ in range(4)] == [200, 200, 403, 403]


def test_a_relinked_track_names_the_id_that_was_asked_for(
    serve: Callable[..., Caller], catalogue: SyntheticCatalogue
) -> None:
    """A join on the id that was sent must go through linked_from."""
    track = catalogue.new_releases(NOW).item(0).tracks[0]
    caller = serve(faults=["relinked"])
    (item,) = caller.json("tracks", ids=track.track_id, market="US")["tracks"]
    assert item["id"] != track.track_id
    assert item["linked_from"]["id"] == track.track_id
    (again,) = caller.json("tracks", ids=item["id"], market="US")["tracks"]
    assert again["external_ids"] == {"isrc": track.isrc}
    without_market = caller.json("tracks", ids=track.track_id)["tracks"][0]
    assert without_market["id"] == track.track_id


def test_faults_are_set_and_cleared_while_it_runs(serve: Callable[..., Caller]) -> None:
    caller = serve()
    caller.server.set_faults("status=503:times=5")
    caller.get("markets")
    url = f"{caller.server.url}sandbox/faults"
    assert requests.get(url, timeout=10).json() == {"faults": [{"fault": "status=503:times=5", "struck": 1}]}
    caller.server.set_faults()
    assert caller.get("markets").status_code == 200


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"faults": "html"}', '{"faults": ["sunspots"]}'])
def test_a_bad_list_of_faults_is_refused_and_changes_nothing(serve: Callable[..., Caller], body: str) -> None:
    caller = serve(faults=["status=503"])
    answer = requests.post(f"{caller.server.url}sandbox/faults", data=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert caller.get("markets").status_code == 503
    with pytest.raises(FaultError):
        caller.server.set_faults("sunspots")
