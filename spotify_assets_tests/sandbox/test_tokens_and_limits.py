from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.sandbox.server import SandboxOptions, SandboxServer
from spotify_assets.sandbox.traffic import RollingLimit
from spotify_assets_tests.sandbox.caller import Caller


def test_any_credentials_get_a_token_by_basic_or_by_form(extended: Caller) -> None:
    for answer in (
        extended.token(auth=("any", "thing")),
        extended.token(client_id="any", client_secret="thing"),
        extended.token(auth=("any", "with:colon")),
    ):
        assert answer.status_code == 200
        body = answer.json()
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)


@pytest.mark.parametrize(
    ("auth", "form", "body"),
    [
        (("invalid", "secret"), {}, {"error": "invalid_client", "error_description": "Invalid client"}),
        (("", "secret"), {}, {"error": "invalid_client", "error_description": "Invalid client"}),
        (("id", ""), {}, {"error": "invalid_client", "error_description": "Invalid client"}),
        (None, {"client_id": "id"}, {"error": "invalid_client", "error_description": "Invalid client"}),
        (None, {}, {"error": "invalid_client"}),
        (
            ("id", "secret"),
            {"grant_type": "password"},
            {
                "error": "unsupported_grant_type",
                "error_description": "grant_type must be client_credentials",
            },
        ),
    ],
    ids=["refused id", "no id", "no secret", "form without secret", "nothing", "grant type"],
)
def test_bad_credentials_are_400_in_the_shape_of_the_accounts_service(
    extended: Caller, auth: tuple[str, str] | None, form: dict[str, str], body: dict[str, str]
) -> None:
    answer = extended.token(auth=auth, **form)
    assert (answer.status_code, answer.json()) == (400, body)


def test_a_broken_basic_header_is_bad_credentials(extended: Caller) -> None:
    for header in ("Basic ???", "Basic gICA"):
        answer = requests.post(
            f"{extended.server.accounts_url}api/token", headers={"Authorization": header}, timeout=10
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


@pytest.mark.parametrize(
    ("header", "reason"), [({}, "missing_token"), ({"Authorization": "Bearer made-up"}, "invalid_token")]
)
def test_a_call_without_a_good_token_is_401_and_says_why(
    extended: Caller, header: dict[str, str], reason: str
) -> None:
    answer = requests.get(f"{extended.server.api_url}markets", headers=header, timeout=10)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, 401)
    assert f'error="{reason}"' in answer.headers["www-authenticate"]


def test_a_token_runs_out(serve: Callable[..., Caller]) -> None:
    ticks = [0.0]
    caller = serve(options=SandboxOptions(ticks=lambda: ticks[0]), token_seconds=30)
    ticks[0] = 29.0
    assert caller.get("markets").status_code == 200
    ticks[0] = 30.0
    answer = caller.get("markets")
    assert answer.json()["error"] == {"status": 401, "message": "The access token expired"}
    caller.authenticate()
    assert caller.get("markets").status_code == 200


def test_the_limit_counts_a_rolling_window() -> None:
    ticks = [0.0]
    limit = RollingLimit(2, lambda: ticks[0], 30.0)
    assert limit.retry_after() is None
    ticks[0] = 10.5
    assert limit.retry_after() is None
    assert limit.retry_after() == "20"
    ticks[0] = 30.0
    assert limit.retry_after() is None
    assert limit.retry_after() == "11"


@pytest.mark.parametrize(
    ("window", "passed", "expected"),
    [
        (30.0, 29.999, "1"),
        (10.0, 0.5, "10"),
        (9.99, 0.5, "9.49"),
        (3.0, 0.001, "3.00"),
        (0.3, 0.2999, "0.01"),
    ],
)
def test_the_wait_is_whole_seconds_in_a_window_of_ten_or_more_and_hundredths_below(
    window: float, passed: float, expected: str
) -> None:
    """A second of Retry-After in a window scaled down to 0.3 s would be three windows."""
    ticks = [0.0]
    limit = RollingLimit(1, lambda: ticks[0], window)
    limit.retry_after()
    ticks[0] = passed
    assert limit.retry_after() == expected


@given(st.floats(0.05, 60), st.lists(st.floats(0, 5), min_size=1, max_size=40), st.integers(1, 4))
def test_who_waits_as_long_as_told_finds_a_place(window: float, pauses: list[float], calls: int) -> None:
    now = 0.0
    limit = RollingLimit(calls, lambda: now, window)
    for pause in pauses:
        now += pause
        told = limit.retry_after()
        if told is not None:
            # A little more for what floating point loses.
            now += float(told) + 1e-9
            assert limit.retry_after() is None


def test_a_limit_of_no_calls_names_the_whole_window() -> None:
    assert RollingLimit(0, lambda: 0.0, 30.0).retry_after() == "30"


def test_calls_beyond_the_rate_limit_are_429_with_the_time_to_wait(serve: Callable[..., Caller]) -> None:
    ticks = [0.0]
    caller = serve(options=SandboxOptions(ticks=lambda: ticks[0]), rate_limit=3)
    assert [caller.get("markets").status_code for _ in range(3)] == [200] * 3
    answer = caller.get("markets")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert answer.json()["error"] == {"status": 429, "message": "API rate limit exceeded"}
    assert caller.server.report()["rate_limited"] == 1
    ticks[0] = 30.0
    assert caller.get("markets").status_code == 200


def test_a_scaled_down_window_is_over_after_the_fraction_of_a_second_it_names(
    serve: Callable[..., Caller],
) -> None:
    ticks = [0.0]
    caller = serve(options=SandboxOptions(ticks=lambda: ticks[0]), rate_limit=2, rate_window=0.4)
    for now in (0.0, 0.1):
        ticks[0] = now
        assert caller.get("markets").status_code == 200
    answer = caller.get("markets")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "0.30")
    ticks[0] = 0.4
    assert caller.get("markets").status_code == 200


def test_latency_is_added_to_each_answer_and_answers_do_not_wait_for_each_other(
    serve: Callable[..., Caller],
) -> None:
    """A sandbox that answers one by one would hide what threads gain."""
    caller = serve(latency=0.5)
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: caller.get("markets").status_code, range(8)))
    assert answers == [200] * 8
    assert 0.5 <= time.perf_counter() - started < 3


def test_an_answer_of_several_segments_does_not_wait_for_an_acknowledgement(extended: Caller) -> None:
    """With Nagle's algorithm on, each answer above some kilobytes took 40 ms longer."""
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        extended.get("browse/new-releases", limit=50)
        seconds.append(time.perf_counter() - started)
    # The best of many: a busy machine may slow any of them, the delay slowed all.
    assert min(seconds) < 0.035


def test_a_taken_port_is_an_error_at_once(extended: Caller) -> None:
    port = int(extended.server.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(OSError, match="in use"):
        SandboxServer(port=port).start()


def test_closing_ends_the_thread_and_closing_twice_is_fine() -> None:
    before = set(threading.enumerate())
    server = SandboxServer(albums=1)
    server.start()
    server.close()
    server.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)
