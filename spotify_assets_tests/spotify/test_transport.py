"""The wire, on a real socket: what spotipy 2.26.0 does wrong there, and the one retry policy."""

import base64
import contextlib
import gc
import logging
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from spotify_assets.spotify import wire
from spotify_assets.spotify.budget import MemoryBudget
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.endpoints import ARTISTS as ARTISTS_AT_SPOTIFY
from spotify_assets.spotify.endpoints import SPOTIFY
from spotify_assets.spotify.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ForbiddenError,
    MalformedAnswerError,
    QuotaExceededError,
    RateLimitedError,
    StoppedError,
    TransientError,
)
from spotify_assets.spotify.moments import moment
from spotify_assets.spotify.pacing import Pacing
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import NOW, SECRET, FakeTime, MakeClient
from spotify_assets_tests.spotify.fake_api import (
    Answer,
    FakeApi,
    Fault,
    Seen,
    error_answer,
    page,
    token_answer,
)

ARTISTS = "/v1/artists"
TOKEN = "/api/token"
ONE_ARTIST = Answer({"artists": [payloads.artist("artist1")]})


def echo_artists(request: Seen) -> Answer:
    return Answer({"artists": [payloads.artist(key) for key in request.ids]})


# --- Answers that spotipy turned into None, or into an error of another kind ---


@pytest.mark.parametrize("body", [b"<html>captive portal</html>", b""], ids=["html", "empty"])
def test_a_200_that_is_not_json_is_an_error_and_never_none(
    api: FakeApi, client: SpotifyClient, body: bytes
) -> None:
    api.on(ARTISTS, Answer(body))
    with pytest.raises(MalformedAnswerError):
        client.artists(["artist1"])
    assert len(api.seen(ARTISTS)) == 1


def test_a_retry_after_with_a_fraction_is_waited_for(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    api.on(ARTISTS, error_answer(429, Retry_After="1.5"), ONE_ARTIST)
    assert client.artists(["artist1"]).frame.height == 1
    assert fake_time.slept == [1.5]


@pytest.mark.parametrize("body", [{"error": "a text"}, ["a list"], {"error": ["a list"]}])
def test_an_error_body_of_an_unknown_form_is_a_typed_error(
    api: FakeApi, client: SpotifyClient, body: object
) -> None:
    api.on(ARTISTS, Answer(body, 400))
    with pytest.raises(BadRequestError):
        client.artists(["artist1"])


def test_a_503_that_stays_is_reported_as_a_503(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    """spotipy reports every status whose retries run out as a blank 429 "Max Retries"."""
    api.on(ARTISTS, error_answer(503, "Service unavailable"))
    with pytest.raises(TransientError, match=r"Service unavailable \(given up after 5 attempts") as caught:
        client.artists(["artist1"])
    assert caught.value.status == 503
    assert len(api.seen(ARTISTS)) == 5
    assert fake_time.slept == [0.375, 0.75, 1.5, 3.0]


# --- Faults of the wire ---


@pytest.mark.parametrize("fault", ["drop", "short", "broken chunks", "no length"])
def test_a_broken_answer_is_asked_for_again(api: FakeApi, client: SpotifyClient, fault: Fault) -> None:
    """spotipy gives up on the first one, with a raw exception of requests."""
    broken = Answer({"artists": [payloads.artist("artist1")]}, fault=fault)
    api.on(ARTISTS, broken, broken, ONE_ARTIST)
    assert client.artists(["artist1"]).frame["artist_id"].to_list() == ["artist1"]
    assert client.calls.retried == 2


@pytest.mark.parametrize("fault", ["drop", "short", "broken chunks", "no length"])
def test_an_answer_that_stays_broken_is_a_transient_error(
    api: FakeApi, client: SpotifyClient, fault: Fault
) -> None:
    api.on(ARTISTS, Answer({"artists": []}, fault=fault))
    with pytest.raises(TransientError):
        client.artists(["artist1"])
    assert len(api.seen(ARTISTS)) == 5


def test_an_answer_with_broken_compression_is_asked_for_again(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, Answer(b"not gzip", headers={"Content-Encoding": "gzip"}), ONE_ARTIST)
    assert client.artists(["artist1"]).frame.height == 1


def test_an_answer_that_never_comes_is_asked_for_again(
    api: FakeApi, client: SpotifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "TIMEOUT", (5.0, 0.05))
    api.on(ARTISTS, Answer(fault="hang"), ONE_ARTIST)
    assert client.artists(["artist1"]).frame.height == 1


def test_an_address_where_nobody_listens_is_a_transient_error(make_client: MakeClient) -> None:
    with FakeApi() as gone:
        address = gone.api_url
    client = make_client(api_url=address)
    with pytest.raises(TransientError) as caught:
        client.artists(["artist1"])
    assert caught.value.status is None
    assert client.calls.by_endpoint() == {"token": 1, "artists": 5}


def test_the_backoff_is_bounded_and_spread() -> None:
    policy = wire.RetryPolicy()
    assert [policy.backoff(n, None, chance=1.0) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert [policy.backoff(n, None, chance=0.0) for n in range(1, 4)] == [0.25, 0.5, 1]


@pytest.mark.parametrize(("retry_after", "slept"), [("7", [7.0]), ("0", [0.375]), ("86400", [0.375])])
def test_a_503_is_repeated_when_it_asks_for_unless_that_is_too_late(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime, retry_after: str, slept: list[float]
) -> None:
    api.on(ARTISTS, error_answer(503, Retry_After=retry_after), ONE_ARTIST)
    client.artists(["artist1"])
    assert fake_time.slept == slept


# --- Limits ---


def test_a_day_of_retry_after_is_never_slept(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    """spotipy sleeps it in the process, three times."""
    api.on(ARTISTS, error_answer(429, "API rate limit exceeded", Retry_After="86400"))
    with pytest.raises(RateLimitedError) as caught:
        client.artists(["artist1"])
    assert type(caught.value) is RateLimitedError
    assert caught.value.resume_at.timestamp() == NOW + 86_400
    assert fake_time.slept == []
    assert client.calls.rate_limited == 1


def test_a_used_up_quota_is_not_waited_for_even_when_short(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    api.on(ARTISTS, error_answer(429, "Too many requests", "QUOTA_EXCEEDED", Retry_After="5"))
    with pytest.raises(QuotaExceededError):
        client.artists(["artist1"])
    assert fake_time.slept == []


def test_an_endpoint_under_a_long_limit_is_not_called_again_before_its_time(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    """Calling again while limited lengthens the penalty; other endpoints have their own."""
    api.on(ARTISTS, error_answer(429, Retry_After="3600"), ONE_ARTIST)
    api.on("/v1/tracks", Answer({"tracks": [payloads.track("track1")]}))
    for _ in range(2):
        with pytest.raises(RateLimitedError) as caught:
            client.artists(["artist1"])
        assert caught.value.resume_at.timestamp() == NOW + 3600
    assert len(api.seen(ARTISTS)) == 1
    assert client.tracks(["track1"], "US").frame.height == 1
    fake_time.now += 3600
    assert client.artists(["artist1"]).frame.height == 1


@pytest.mark.parametrize(("allowed", "is_waited_for"), [(30.0, True), (29.0, False), (0.0, False)])
def test_the_longest_wait_is_a_setting(
    api: FakeApi, make_client: MakeClient, fake_time: FakeTime, allowed: float, is_waited_for: bool
) -> None:
    api.on(ARTISTS, error_answer(429, Retry_After="30"), ONE_ARTIST)
    client = make_client(max_retry_after=allowed)
    if is_waited_for:
        client.artists(["artist1"])
    else:
        with pytest.raises(RateLimitedError):
            client.artists(["artist1"])
    assert fake_time.slept == ([30.0] if is_waited_for else [])


def test_a_wait_that_another_process_was_told_is_an_error_where_it_is_longer_than_this_one_waits(
    api: FakeApi, make_client: MakeClient, fake_time: FakeTime
) -> None:
    """One that may wait for hours has noted a pause in the shared budget; a run that may not would hang in silence."""
    api.on(ARTISTS, ONE_ARTIST)
    budget = MemoryBudget({}, fake_time.time)
    grant = budget.take(ARTISTS_AT_SPOTIFY, moment(NOW))
    budget.refused(ARTISTS_AT_SPOTIFY, grant.at, 900.0)
    with pytest.raises(RateLimitedError) as caught:
        make_client(budget=budget).artists(["artist1"])
    assert caught.value.resume_at.timestamp() == NOW + 900
    assert api.seen(ARTISTS) == []
    assert fake_time.slept == []
    patient = make_client(budget=budget, max_retry_after=900.0)
    assert patient.artists(["artist1"]).frame.height == 1


def test_the_wait_that_a_slow_pace_imposes_is_no_limit_however_little_a_429_may_ask_for(
    api: FakeApi, make_client: MakeClient, fake_time: FakeTime
) -> None:
    api.on(ARTISTS, ONE_ARTIST)
    budget = MemoryBudget({SPOTIFY: Pacing(most=2)}, fake_time.time)
    client = make_client(budget=budget, max_retry_after=1.0)
    for _ in range(3):
        assert client.artists(["artist1"]).frame.height == 1
    assert fake_time.now - NOW > 20


def test_a_limit_that_never_ends_is_given_up(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    api.on(ARTISTS, error_answer(429, Retry_After="2"))
    with pytest.raises(RateLimitedError):
        client.artists(["artist1"])
    assert fake_time.slept == [2.0] * 5
    assert client.calls.seconds_waited == 10.0
    assert client.calls.rate_limited == 6
    assert client.calls.retried == 5


def test_one_threads_429_pauses_all_threads(
    api: FakeApi, make_client: MakeClient, fake_time: FakeTime
) -> None:
    both_wait, release = threading.Barrier(3), threading.Event()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        both_wait.wait(10)
        release.wait(10)
        fake_time.now = NOW + 7

    api.on(ARTISTS, error_answer(429, Retry_After="7"), ONE_ARTIST)
    client = make_client(sleep=sleep, random=lambda: 0.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.artists, ["artist1"])
        while not client.calls.rate_limited:
            time.sleep(0.001)
        while not slept:
            time.sleep(0.001)
        second = pool.submit(client.artists, ["artist1"])
        both_wait.wait(10)
        assert len(api.seen(ARTISTS)) == 1
        release.set()
        assert first.result().frame.height == second.result().frame.height == 1
    assert slept == [7.0, 7.0]


# --- The token ---


@pytest.mark.parametrize(("client_id", "client_secret"), [("", "secret"), ("id", ""), ("id", "  ")])
def test_empty_credentials_are_refused_before_any_call(client_id: str, client_secret: str) -> None:
    """spotipy takes an empty environment variable, and fails at the token service."""
    with pytest.raises(AuthenticationError, match="is empty"):
        Credentials(client_id, client_secret)


def test_the_token_request_is_the_documented_one(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, ONE_ARTIST)
    client.artists(["artist1"])
    request = api.seen(TOKEN)[0]
    basic = base64.b64encode(f"a-client-id:{SECRET}".encode()).decode()
    assert request.method == "POST"
    assert request.body == b"grant_type=client_credentials"
    assert request.headers["Authorization"] == f"Basic {basic}"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


def together(threads: int, call: Callable[[], object]) -> list[BaseException | None]:
    barrier = threading.Barrier(threads)

    def run(_: int) -> BaseException | None:
        barrier.wait(10)
        try:
            call()
        except ApiError as error:
            return error
        return None

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def test_sixteen_threads_ask_for_one_token(api: FakeApi, make_client: MakeClient) -> None:
    """spotipy has no lock, and asked sixteen times."""
    api.on(ARTISTS, ONE_ARTIST)
    client = make_client(threads=16)
    assert together(16, lambda: client.artists(["artist1"])) == [None] * 16
    assert len(api.seen(TOKEN)) == 1
    assert len(api.seen(ARTISTS)) == 16


def test_sixteen_threads_with_a_wrong_secret_are_one_refused_request(
    api: FakeApi, make_client: MakeClient
) -> None:
    api.on(TOKEN, Answer({"error": "invalid_client", "error_description": "Invalid client secret"}, 400))
    client = make_client(threads=16)
    outcomes = together(16, lambda: client.artists(["artist1"]))
    assert {type(outcome) for outcome in outcomes} == {AuthenticationError}
    assert "invalid_client: Invalid client secret" in str(outcomes[0])
    assert client.calls.by_endpoint() == {"token": 1}


def test_sixteen_threads_renew_a_refused_token_once(api: FakeApi, make_client: MakeClient) -> None:
    api.on(TOKEN, token_answer("old"), token_answer("new"))
    api.on(ARTISTS, accept_only("new", ONE_ARTIST))
    client = make_client(threads=16)
    assert together(16, lambda: client.artists(["artist1"])) == [None] * 16
    assert len(api.seen(TOKEN)) == 2


def accept_only(token: str, answer: Answer) -> Callable[[Seen], Answer]:
    def reply(request: Seen) -> Answer:
        if request.headers["Authorization"] == f"Bearer {token}":
            return answer
        return error_answer(401, "The access token expired")

    return reply


def test_a_token_is_renewed_before_it_expires(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    api.on(TOKEN, token_answer("first"), token_answer("second"))
    api.on(ARTISTS, ONE_ARTIST)
    for later in (0, 3539, 1):
        fake_time.now += later
        client.artists(["artist1"])
    used = [request.headers["Authorization"] for request in api.seen(ARTISTS)]
    assert used == ["Bearer first", "Bearer first", "Bearer second"]


def test_a_refused_token_is_renewed_once(api: FakeApi, client: SpotifyClient, fake_time: FakeTime) -> None:
    """spotipy neither retries a 401 nor drops the token."""
    api.on(TOKEN, token_answer("old"), token_answer("new"))
    api.on(ARTISTS, accept_only("new", ONE_ARTIST))
    assert client.artists(["artist1"]).frame.height == 1
    assert fake_time.slept == []


def test_a_fresh_token_that_is_refused_as_well_is_an_error(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, error_answer(401, "Invalid access token"))
    with pytest.raises(AuthenticationError):
        client.artists(["artist1"])
    assert client.calls.by_endpoint() == {"token": 2, "artists": 2}


@pytest.mark.parametrize("expires_in", [None, "soon", 0, -5, True, float("nan")])
def test_a_token_without_a_usable_lifetime_is_used(
    api: FakeApi, client: SpotifyClient, expires_in: object
) -> None:
    """A missing expires_in was a KeyError in spotipy."""
    api.on(TOKEN, token_answer("token-1", expires_in))
    api.on(ARTISTS, ONE_ARTIST)
    for _ in range(3):
        client.artists(["artist1"])
    assert len(api.seen(TOKEN)) == 1


def test_a_token_of_less_than_a_minute_is_not_asked_for_before_every_call(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    api.on(TOKEN, token_answer("token-1", 40))
    api.on(ARTISTS, ONE_ARTIST)
    for _ in range(3):
        client.artists(["artist1"])
        fake_time.now += 9
    assert len(api.seen(TOKEN)) == 1


def test_the_token_service_is_asked_again_after_5xx_and_timeouts(
    api: FakeApi, client: SpotifyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """spotipy has no timeout and no retry there."""
    monkeypatch.setattr(wire, "TIMEOUT", (5.0, 0.05))
    api.on(TOKEN, error_answer(503), Answer(fault="hang"), Answer(fault="drop"), token_answer())
    api.on(ARTISTS, ONE_ARTIST)
    client.artists(["artist1"])
    assert client.calls.by_endpoint() == {"token": 4, "artists": 1}


def test_a_token_service_that_stays_down_is_asked_five_times_and_not_twenty_five(
    api: FakeApi, client: SpotifyClient
) -> None:
    api.on(TOKEN, error_answer(502))
    with pytest.raises(TransientError) as caught:
        client.artists(["artist1"])
    assert caught.value.endpoint == "token"
    assert client.calls.by_endpoint() == {"token": 5}


def test_the_token_service_has_the_same_limits(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    api.on(TOKEN, error_answer(429, Retry_After="3"), error_answer(429, Retry_After="3600"))
    with pytest.raises(RateLimitedError) as caught:
        client.artists(["artist1"])
    assert caught.value.endpoint == "token"
    assert fake_time.slept == [3.0]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>"),
        Answer({"token_type": "Bearer"}),
        Answer({"access_token": ""}),
        Answer({"access_token": 7}),
        Answer(["access_token"]),
        # requests names such a token in the text of its own error.
        Answer({"access_token": "leaked\nX-Header: yes"}),
    ],
)
def test_a_token_answer_that_holds_no_usable_token_is_an_error(
    api: FakeApi, client: SpotifyClient, answer: Answer
) -> None:
    api.on(TOKEN, answer)
    with pytest.raises(MalformedAnswerError) as caught:
        client.artists(["artist1"])
    assert caught.value.endpoint == "token"
    assert "leaked" not in str(caught.value)


def test_the_source_is_told_by_the_token_service(api: FakeApi, make_client: MakeClient) -> None:
    assert make_client().source == "live"
    api.on(TOKEN, token_answer(headers={"X-Spotify-Assets-Sandbox": "1"}))
    assert make_client().source == "sandbox"
    assert len(api.seen(TOKEN)) == 2


# --- Leaks ---


def test_nothing_is_written_to_the_working_folder(
    api: FakeApi, client: SpotifyClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """spotipy leaves `.cache` with the live token, and reuses one left by another application."""
    monkeypatch.chdir(tmp_path)
    Path(".cache").write_text(
        '{"access_token": "of-another", "expires_in": 3600, "expires_at": 9999999999}', encoding="utf-8"
    )
    api.on(ARTISTS, ONE_ARTIST)
    client.artists(["artist1"])
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]
    assert api.seen(ARTISTS)[0].headers["Authorization"] == "Bearer token-1"


def test_no_token_or_secret_reaches_a_log_or_an_error_at_any_level(
    api: FakeApi, client: SpotifyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG spotipy prints the Bearer token, and the Basic header with id and secret."""
    caplog.set_level(logging.DEBUG)
    for name in ("spotipy", "spotipy.client", "spotipy.oauth2", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    api.on(TOKEN, error_answer(503), token_answer("very-secret-token"))
    api.on(ARTISTS, error_answer(429, Retry_After="1"), Answer(fault="drop"), error_answer(400, "invalid id"))
    with pytest.raises(BadRequestError) as caught:
        client.artists(["artist1"])
    api.on(ARTISTS, Answer(fault="drop"))
    with pytest.raises(TransientError) as dropped:
        client.artists(["artist1"])
    error: BaseException | None = dropped.value
    text = caplog.text + str(caught.value) + repr(caught.value) + repr(client) + repr(vars(client))
    while error is not None:
        text += str(error) + repr(error) + repr(vars(error)) + repr(getattr(error, "request", None))
        error = error.__cause__
    basic = base64.b64encode(f"a-client-id:{SECRET}".encode()).decode()
    assert "artists" in caplog.text
    for secret in ("very-secret-token", SECRET, basic):
        assert secret not in text


def test_the_request_with_its_token_does_not_travel_in_an_error(api: FakeApi, client: SpotifyClient) -> None:
    """Error reporters print the attributes of exceptions."""
    api.on(ARTISTS, Answer(fault="drop"))
    with pytest.raises(TransientError) as caught:
        client.artists(["artist1"])
    assert isinstance(caught.value.__cause__, requests.exceptions.ConnectionError)
    assert caught.value.__cause__.request is None


def test_credentials_and_tokens_do_not_print() -> None:
    assert SECRET not in repr(Credentials("a-client-id", SECRET))


def test_a_next_link_to_another_host_is_not_followed(api: FakeApi, client: SpotifyClient) -> None:
    """spotipy sends the token to whatever host the page names."""
    with FakeApi() as stranger:
        first = page([payloads.simplified_album("a")], total=51) | {"next": f"{stranger.api_url}steal"}
        second = page([payloads.simplified_album("b")], total=51, offset=50)
        api.on("/v1/browse/new-releases", Answer({"albums": first}), Answer({"albums": second}))
        assert client.new_releases("US").frame["album_id"].to_list() == ["a", "b"]
        assert stranger.requests == []
    offsets = [request.query["offset"] for request in api.seen("/v1/browse/new-releases")]
    assert offsets == ["0", "50"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(api: FakeApi, client: SpotifyClient, status: int) -> None:
    with FakeApi() as stranger:
        api.on(ARTISTS, Answer(b"", status, {"Location": stranger.api_url}))
        with pytest.raises(MalformedAnswerError):
            client.artists(["artist1"])
        assert stranger.requests == []


def test_a_netrc_does_not_replace_the_token(
    api: FakeApi, client: SpotifyClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests overwrites a plain Authorization header by what ~/.netrc says of the host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    api.on(ARTISTS, ONE_ARTIST)
    client.artists(["artist1"])
    assert api.seen(ARTISTS)[0].headers["Authorization"] == "Bearer token-1"


def test_cookies_are_not_kept(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, Answer({"artists": [None]}, headers={"Set-Cookie": "sp_t=1; Path=/"}))
    client.artists(["artist1"])
    client.artists(["artist1"])
    assert "Cookie" not in api.seen(ARTISTS)[1].headers


# --- The session and the threads ---


def test_every_request_says_who_is_asking(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, ONE_ARTIST)
    client.artists(["artist1"])
    assert all(request.headers["User-Agent"].startswith("spotify-assets/") for request in api.requests)


def test_spotipys_warnings_do_not_come_out_and_nobody_elses_are_silenced(
    api: FakeApi, client: SpotifyClient
) -> None:
    api.on("/v1/audio-features", Answer({"audio_features": [None]}))
    api.on("/v1/browse/new-releases", Answer({"albums": page([])}))
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.audio_features(["track1"])
        client.new_releases("US")
        assert [str(warning.message) for warning in caught] == []
    assert warnings.filters == filters


def test_the_session_outlives_the_calls_made_on_it(api: FakeApi, client: SpotifyClient) -> None:
    """spotipy's objects close the session when they are collected, also one that was given to them."""
    api.on(ARTISTS, ONE_ARTIST)
    client.artists(["artist1"])
    connections = api.connections
    gc.collect()
    client.artists(["artist1"])
    assert api.connections == connections


def test_no_more_connections_are_opened_than_there_are_threads(
    api: FakeApi, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The pool of requests holds ten, opens more when asked to, and drops them with a warning."""
    api.on(ARTISTS, echo_artists)
    client = make_client(threads=3)
    assert together(8, lambda: client.artists([f"a{n}" for n in range(500)])) == [None] * 8
    assert api.connections <= 3
    assert "pool is full" not in caplog.text


def test_results_come_in_the_order_of_the_ids(api: FakeApi, client: SpotifyClient) -> None:
    ids = [f"artist{n:04}" for n in range(1000)]
    api.on(ARTISTS, echo_artists)
    assert client.artists(ids).frame["artist_id"].to_list() == ids


def test_the_first_error_cancels_what_has_not_started(api: FakeApi, make_client: MakeClient) -> None:
    api.on(ARTISTS, echo_artists, error_answer(403))
    client = make_client(threads=1)
    with pytest.raises(ForbiddenError):
        client.artists([f"artist{n}" for n in range(2000)])
    # A second worker's batch may have begun before the error was seen, and no more.
    assert len(api.seen(ARTISTS)) <= 3


def test_the_first_error_ends_the_waits_of_the_others(api: FakeApi, make_client: MakeClient) -> None:
    """A batch that has failed must not sit out another thread's 429."""

    both_sent = threading.Barrier(2)

    def reply(request: Seen) -> Answer:
        # A batch that is sent after the 429 would wait as well, and fail only then.
        both_sent.wait(10)
        if "artist0" in request.ids:
            return error_answer(429, Retry_After="59")
        while not client.calls.rate_limited:
            time.sleep(0.001)
        return error_answer(400, "invalid id")

    api.on(ARTISTS, reply)
    client = make_client(sleep=None, time=time.time, threads=2)
    with pytest.raises(BadRequestError):
        client.artists([f"artist{n}" for n in range(100)])
    assert len(api.seen(ARTISTS)) == 2


def test_a_client_can_be_used_again_after_an_error(api: FakeApi, client: SpotifyClient) -> None:
    api.on(ARTISTS, error_answer(400), ONE_ARTIST)
    with pytest.raises(BadRequestError):
        client.artists(["artist1"])
    assert client.artists(["artist1"]).frame.height == 1


def test_a_closed_client_sends_nothing(api: FakeApi, client: SpotifyClient) -> None:
    client.close()
    with pytest.raises(StoppedError):
        client.artists(["artist1"])
    assert api.requests == []


_WAITING_PROGRAM = """
import sys
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.wire import Wire
url = sys.argv[1]
with SpotifyClient(Credentials("id", "secret"), Wire(), api_url=url + "v1/", accounts_url=url) as client:
    try:
        client.artists([f"artist{n}" for n in range(1000)])
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_ctrl_c_ends_a_wait(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that sleep out a Retry-After would keep the process alive for a minute."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    waiting = threading.Event()

    def reply(_: Seen) -> Answer:
        waiting.set()
        return error_answer(429, Retry_After="59")

    api.on(ARTISTS, reply)
    program = subprocess.Popen(
        [sys.executable, "-c", _WAITING_PROGRAM, api.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert waiting.wait(30)
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=30)
    finally:
        program.kill()
        program.communicate()
    assert output == b"interrupted\n", errors
    assert program.returncode == 0


# Condition.__enter__ is Python: a signal handler runs between the taking of its lock and its return.
_INTERRUPTED_WITHIN_A_LOCK = """
import threading
enter, main, left = threading.Condition.__enter__, threading.get_ident(), int(sys.argv[2])
def interrupted(self):
    global left
    taken = enter(self)
    if threading.get_ident() == main:
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
    return taken
threading.Condition.__enter__ = interrupted
"""


@pytest.mark.parametrize("entry", range(1, 9))
def test_ctrl_c_at_the_taking_of_a_lock_leaves_nobody_waiting_for_it(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, entry: int
) -> None:
    """The process hung at its end: a thread waited for a lock that nobody would ever give back."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    api.on(ARTISTS, error_answer(429, Retry_After="59"))
    program = _WAITING_PROGRAM.replace("url = sys", f"{_INTERRUPTED_WITHIN_A_LOCK}\nurl = sys")
    with subprocess.Popen(
        [sys.executable, "-c", program, api.url, str(entry)], stdout=subprocess.PIPE
    ) as run:
        try:
            # Where the main thread takes fewer locks, Ctrl-C comes later.
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(3)
            run.send_signal(signal.SIGINT)
            run.wait(20)
        finally:
            run.kill()


@pytest.mark.parametrize("url", ["", "api.spotify.com/v1", "ftp://api.spotify.com/", "http://"])
def test_an_address_that_is_none_is_refused_at_once(make_client: MakeClient, url: str) -> None:
    """A prefix without scheme made spotipy answer None to every call."""
    with pytest.raises(ValueError, match="must start with http"):
        make_client(api_url=url)


def test_a_base_without_its_last_slash_is_the_same_base(api: FakeApi, make_client: MakeClient) -> None:
    api.on(ARTISTS, ONE_ARTIST)
    client = make_client(api_url=api.api_url.rstrip("/"), accounts_url=api.url.rstrip("/"))
    assert client.artists(["artist1"]).frame.height == 1
