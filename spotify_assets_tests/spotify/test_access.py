"""What a key may do: how it is learned, what is believed of it, and what a closed endpoint costs."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from spotify_assets.spotify.access import Access, Declared, title
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.endpoints import (
    ALBUMS,
    ARTISTS,
    AUDIO_FEATURES,
    CLOSABLE,
    NEW_RELEASES,
    TRACKS,
)
from spotify_assets.spotify.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ForbiddenError,
    MalformedAnswerError,
    NotFoundError,
    PremiumRequiredError,
    RateLimitedError,
    RefusedError,
    TransientError,
)
from spotify_assets.spotify.moments import moment
from spotify_assets.spotify.records import AlbumBatch, Batch
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import NOW, MakeClient
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, Reply, Seen, error_answer, page

CLOSED = error_answer(403, "Forbidden")
IDS = [f"id{n:04}" for n in range(1000)]


class Notebook:
    """An `AccessMemory` in a dictionary, which counts how often it is read and written."""

    def __init__(self, known: Mapping[str, bool] | None = None) -> None:
        self.known = dict(known or {})
        self.recalls = 0
        self.written: list[tuple[str, bool]] = []

    def recall(self) -> Mapping[str, bool]:
        self.recalls += 1
        return dict(self.known)

    def remember(self, endpoint: str, *, is_open: bool) -> None:
        self.written.append((endpoint, is_open))
        self.known[endpoint] = is_open


class Asking:
    """Makes the calls that an `Access` asks for: 403 for the closed endpoints, other faults as told."""

    def __init__(self, closed: Collection[str] = (), faults: Mapping[str, ApiError] | None = None) -> None:
        self.closed = closed
        self.faults = dict(faults or {})
        self.asked: list[str] = []

    def __call__(self, endpoint: str) -> None:
        self.asked.append(endpoint)
        # A call takes a while, in which other threads come by.
        time.sleep(0.001)
        if endpoint in self.faults:
            raise self.faults[endpoint]
        if endpoint in self.closed:
            raise ForbiddenError("closed", endpoint=endpoint, status=403)


def all_are(is_open: bool) -> dict[str, bool]:
    return dict.fromkeys(CLOSABLE, is_open)


# --- What is believed ---


@pytest.mark.parametrize("endpoint", CLOSABLE)
def test_an_endpoint_that_nobody_has_asked_counts_as_open_and_is_not_known(endpoint: str) -> None:
    access = Access()
    assert access.allows(endpoint)
    assert not access.is_known(endpoint)
    assert access.closed == frozenset()


@pytest.mark.parametrize(("declared", "is_open"), [("extended", True), ("development", False)])
def test_what_is_declared_is_believed_without_asking(declared: Declared, is_open: bool) -> None:
    access = Access(declared)
    assert [access.allows(endpoint) for endpoint in CLOSABLE] == [is_open] * len(CLOSABLE)
    assert all(access.is_known(endpoint) for endpoint in CLOSABLE)
    assert str(access) == declared


@pytest.mark.parametrize("declared", ["extended", "development"])
def test_what_is_declared_neither_reads_nor_writes_the_memory(declared: Declared) -> None:
    """A day's memory of another setting would overrule the user; a declared guess would mislead the next run."""
    memory = Notebook(all_are(declared == "development"))
    access = Access(declared, memory)
    assert access.allows(ALBUMS) is (declared == "extended")
    access.learn(ALBUMS, is_open=declared == "development")
    access.ask_all(Asking())
    assert (memory.recalls, memory.written) == (0, [])


def test_with_auto_what_is_remembered_is_believed_and_read_once() -> None:
    memory = Notebook({ALBUMS: False, TRACKS: True})
    access = Access("auto", memory)
    assert not access.allows(ALBUMS)
    assert access.allows(TRACKS)
    assert [access.is_known(endpoint) for endpoint in (ALBUMS, TRACKS, ARTISTS)] == [True, True, False]
    assert access.closed == {ALBUMS}
    assert memory.recalls == 1


def test_what_is_learned_is_remembered_and_the_same_again_is_not_written_again() -> None:
    memory = Notebook()
    access = Access("auto", memory)
    for _ in range(3):
        access.learn(TRACKS, is_open=True)
        access.learn(ALBUMS, is_open=False)
    assert memory.written == [(TRACKS, True), (ALBUMS, False)]


# --- What one answer says of the other endpoints ---


def test_while_nothing_has_turned_out_closed_nobody_asks() -> None:
    access, asking = Access("auto"), Asking()
    access.learn(ALBUMS, is_open=True)
    access.resolve_doubt(asking)
    assert asking.asked == []


def test_once_one_endpoint_is_closed_the_others_are_asked_once_each() -> None:
    access, asking = Access("auto", memory := Notebook()), Asking(closed=[TRACKS])
    access.learn(NEW_RELEASES, is_open=False)
    for _ in range(3):
        access.resolve_doubt(asking)
    assert asking.asked == [endpoint for endpoint in CLOSABLE if endpoint != NEW_RELEASES]
    assert access.closed == {NEW_RELEASES, TRACKS}
    assert memory.known == {**all_are(True), NEW_RELEASES: False, TRACKS: False}


def test_a_contradiction_drops_what_was_known_open_and_has_the_others_asked_anew() -> None:
    """A key that loses one endpoint has seldom lost one alone: it has become another kind of key."""
    access = Access("auto", Notebook(all_are(True)))
    asking = Asking(closed=[TRACKS, AUDIO_FEATURES])
    assert access.allows(TRACKS)
    access.learn(ALBUMS, is_open=False)
    assert [access.is_known(endpoint) for endpoint in CLOSABLE] == [
        endpoint == ALBUMS for endpoint in CLOSABLE
    ]
    access.resolve_doubt(asking)
    assert sorted(asking.asked) == sorted(set(CLOSABLE) - {ALBUMS})
    assert access.closed == {ALBUMS, TRACKS, AUDIO_FEATURES}


def test_a_contradiction_keeps_what_was_known_closed() -> None:
    access = Access("auto", Notebook({**all_are(True), AUDIO_FEATURES: False}))
    asking = Asking(closed=CLOSABLE)
    access.learn(ALBUMS, is_open=False)
    access.resolve_doubt(asking)
    assert AUDIO_FEATURES not in asking.asked
    assert access.closed == set(CLOSABLE)


def test_a_declared_key_that_is_contradicted_loses_that_endpoint_alone() -> None:
    """The user has said what kind of key it is: nobody asks behind his back."""
    access, asking = Access("extended"), Asking(closed=CLOSABLE)
    access.learn(AUDIO_FEATURES, is_open=False)
    access.resolve_doubt(asking)
    assert asking.asked == []
    assert str(access) == "extended without audio features"


def test_an_open_answer_in_between_does_not_end_the_doubt() -> None:
    """It did: another thread's good answer, between a 403 and the asking, left the others to cost a 403 each."""
    access, asking = Access("auto"), Asking(closed=[TRACKS])
    access.learn(ALBUMS, is_open=False)
    access.learn(ARTISTS, is_open=True)
    access.resolve_doubt(asking)
    assert asking.asked == [NEW_RELEASES, TRACKS, AUDIO_FEATURES]
    assert access.closed == {ALBUMS, TRACKS}


@pytest.mark.parametrize(
    "fault",
    [
        TransientError("503", endpoint=TRACKS),
        RateLimitedError("429", endpoint=TRACKS, resume_at=moment(NOW)),
        MalformedAnswerError("html", endpoint=TRACKS),
    ],
    ids=["503", "429", "html"],
)
def test_an_answer_that_does_not_say_leaves_its_endpoint_unknown_and_is_not_asked_for_again(
    fault: ApiError,
) -> None:
    access, asking = Access("auto"), Asking(closed=[ALBUMS], faults={TRACKS: fault})
    access.learn(NEW_RELEASES, is_open=False)
    for _ in range(3):
        access.resolve_doubt(asking)
    assert Counter(asking.asked)[TRACKS] == 1
    assert not access.is_known(TRACKS)
    assert access.allows(TRACKS)


def test_an_account_that_is_refused_altogether_is_an_error_and_stays_in_doubt() -> None:
    premium = PremiumRequiredError("no Premium", endpoint=TRACKS, status=403)
    access, asking = Access("auto"), Asking(faults={TRACKS: premium})
    access.learn(NEW_RELEASES, is_open=False)
    with pytest.raises(PremiumRequiredError):
        access.resolve_doubt(asking)
    asking.faults.clear()
    access.resolve_doubt(asking)
    # Those that had answered were not asked again.
    assert asking.asked == [ALBUMS, TRACKS, TRACKS, AUDIO_FEATURES, ARTISTS]


# --- Asking all ---


@pytest.mark.parametrize("declared", ["auto", "extended", "development"])
def test_ask_all_asks_every_endpoint_whatever_is_known(declared: Declared) -> None:
    access, asking = Access(declared, Notebook(all_are(False))), Asking(closed=[AUDIO_FEATURES])
    assert access.ask_all(asking) == {**all_are(True), AUDIO_FEATURES: False}
    assert tuple(asking.asked) == CLOSABLE
    assert str(access) == "extended without audio features"


@pytest.mark.parametrize(
    ("fault", "is_open"),
    [
        (ForbiddenError("403", endpoint=TRACKS), False),
        (NotFoundError("404", endpoint=TRACKS), True),
        (BadRequestError("400", endpoint=TRACKS), True),
        (TransientError("503", endpoint=TRACKS), None),
        (RateLimitedError("429", endpoint=TRACKS, resume_at=moment(NOW)), None),
        (MalformedAnswerError("html", endpoint=TRACKS), None),
    ],
    ids=["403", "404", "400", "503", "429", "html"],
)
def test_each_answer_says_whether_its_endpoint_is_open_or_does_not_say(
    fault: ApiError, is_open: bool | None
) -> None:
    memory = Notebook()
    answers = Access("auto", memory).ask_all(Asking(faults={TRACKS: fault}))
    assert answers == {**all_are(True), TRACKS: is_open}
    assert memory.known.get(TRACKS) is is_open


@pytest.mark.parametrize("kind", [PremiumRequiredError, RefusedError, AuthenticationError])
def test_a_key_that_is_refused_altogether_says_nothing_of_an_endpoint(kind: type[ApiError]) -> None:
    memory = Notebook()
    with pytest.raises(kind):
        Access("auto", memory).ask_all(Asking(faults={TRACKS: kind("no", endpoint=TRACKS, status=403)}))
    assert TRACKS not in memory.known


# --- Threads ---


def together(threads: int, work: Callable[[int], object]) -> None:
    """Do it from several threads at once; the first error is raised."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> object:
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))


def test_sixteen_threads_that_are_in_doubt_together_ask_each_endpoint_once() -> None:
    access, memory = Access("auto", Notebook()), Notebook()
    asking = Asking(closed=CLOSABLE)

    def meet_a_403(number: int) -> None:
        access.learn(CLOSABLE[number % 2], is_open=False)
        access.resolve_doubt(asking)
        memory.remember(str(number), is_open=access.allows(TRACKS))

    together(16, meet_a_403)
    assert max(Counter(asking.asked).values()) == 1
    assert set(asking.asked) | {NEW_RELEASES, ALBUMS} == set(CLOSABLE)
    # Nobody went on before the doubt was resolved.
    assert set(memory.known.values()) == {False}


def test_sixteen_threads_read_the_memory_once() -> None:
    memory = Notebook(all_are(False))
    access = Access("auto", memory)
    together(16, lambda _: access.allows(ALBUMS))
    assert memory.recalls == 1


# --- In words ---


@pytest.mark.parametrize(
    ("closed", "words"),
    [
        ([], "extended"),
        ([AUDIO_FEATURES], "extended without audio features"),
        (CLOSABLE, "development"),
        ([TRACKS, ALBUMS], "without albums, tracks"),
        ([NEW_RELEASES, AUDIO_FEATURES], "without browse/new-releases, audio-features"),
        (["search"], "extended"),
    ],
    ids=["nothing", "features", "all", "two", "with features", "no closable one"],
)
def test_the_kind_of_access_has_a_name(closed: Collection[str], words: str) -> None:
    assert title(frozenset(closed)) == words


# --- Through the client: what a closed endpoint costs ---


def serve(api: FakeApi, closed: Collection[str] = ()) -> None:
    """Every endpoint, batches and single calls; the closed ones answer 403 Forbidden."""
    answers: dict[str, Reply] = {
        NEW_RELEASES: lambda _: Answer({"albums": page([payloads.simplified_album("a")])}),
        ALBUMS: lambda request: Answer({"albums": [payloads.album(key) for key in request.ids]}),
        TRACKS: lambda request: Answer({"tracks": [payloads.track(key) for key in request.ids]}),
        AUDIO_FEATURES: lambda request: Answer(
            {"audio_features": [payloads.features(key) for key in request.ids]}
        ),
        ARTISTS: lambda request: Answer({"artists": [payloads.artist(key) for key in request.ids]}),
    }
    for endpoint, reply in answers.items():
        api.on(f"/v1/{endpoint}", CLOSED if endpoint in closed else reply)
    api.on("/v1/search", Answer({"albums": page([payloads.simplified_album("b")])}))
    for key in IDS:
        api.on(f"/v1/albums/{key}", Answer(payloads.album(key)))
        api.on(f"/v1/tracks/{key}", Answer(payloads.track(key)))
    api.on(
        "/reccobeats/v1/audio-features",
        lambda request: Answer({"content": [payloads.reccobeats_features(key) for key in request.ids]}),
    )


def loaded_albums(client: SpotifyClient, ids: list[str]) -> list[str]:
    return client.albums(ids, "US").releases["album_id"].to_list()


def loaded_tracks(client: SpotifyClient, ids: list[str]) -> list[str]:
    return client.tracks(ids, "US").frame["track_id"].to_list()


def loaded_features(client: SpotifyClient, ids: list[str]) -> list[str]:
    frame = client.audio_features(ids).frame
    assert set(frame["status"]) == {"measured"}
    return frame["track_id"].to_list()


LOADS = pytest.mark.parametrize(
    ("endpoint", "load"),
    [(ALBUMS, loaded_albums), (TRACKS, loaded_tracks), (AUDIO_FEATURES, loaded_features)],
    ids=[ALBUMS, TRACKS, AUDIO_FEATURES],
)
Load = Callable[[SpotifyClient, list[str]], list[str]]


def alone_on(api: FakeApi, path: str, answer: Reply) -> threading.Event:
    """Hold the first request to a path back until a second one arrives; the event says that one did."""
    first, second, joined = threading.Event(), threading.Event(), threading.Event()

    def reply(request: Seen) -> Answer:
        if first.is_set():
            second.set()
        else:
            first.set()
            # Long enough for three more threads to send what they should not.
            if second.wait(0.3):
                joined.set()
        return answer(request)

    api.on(path, reply)
    return joined


@LOADS
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_the_first_call_of_an_endpoint_that_is_not_known_is_made_alone(
    api: FakeApi, make_client: MakeClient, endpoint: str, load: Load, is_open: bool
) -> None:
    """Four threads would cost a closed endpoint four refused calls."""
    serve(api)
    opened = api.reply_of(f"/v1/{endpoint}")
    joined = alone_on(api, f"/v1/{endpoint}", opened if is_open else lambda _: CLOSED)
    client = make_client(access=Access("auto"), threads=4, asks_reccobeats=True, asks_single_tracks=True)
    assert load(client, IDS[:210]) == IDS[:210]
    assert not joined.is_set()


@LOADS
def test_a_closed_endpoint_costs_four_threads_with_a_thousand_ids_one_refused_call(
    api: FakeApi, make_client: MakeClient, endpoint: str, load: Load
) -> None:
    serve(api, closed=CLOSABLE)
    client = make_client(access=Access("auto"), threads=4, asks_reccobeats=True, asks_single_tracks=True)
    assert load(client, IDS) == IDS
    assert load(client, IDS[:10]) == IDS[:10]
    assert len(api.seen(f"/v1/{endpoint}")) == 1
    # And one that asks each of the others.
    assert [len(api.seen(f"/v1/{each}")) for each in CLOSABLE] == [1] * len(CLOSABLE)
    assert str(client.access) == "development"


def test_all_that_a_development_key_is_asked_for_costs_one_refused_call_an_endpoint(
    api: FakeApi, make_client: MakeClient
) -> None:
    serve(api, closed=CLOSABLE)
    memory = Notebook()
    for _ in range(2):
        client = make_client(access=Access("auto", memory), asks_reccobeats=True)
        client.new_releases("US")
        client.albums(IDS[:30], "US")
        client.tracks(IDS, "US")
        client.audio_features(IDS)
        with pytest.raises(ForbiddenError):
            client.artists(IDS)
    # The second client knew from the first.
    assert [len(api.seen(f"/v1/{endpoint}")) for endpoint in CLOSABLE] == [1] * len(CLOSABLE)
    assert memory.known == all_are(False)


def test_an_endpoint_that_is_open_costs_no_call_to_find_out(api: FakeApi, make_client: MakeClient) -> None:
    serve(api)
    memory = Notebook()
    client = make_client(access=Access("auto", memory))
    client.new_releases("US")
    assert loaded_albums(client, IDS[:100]) == IDS[:100]
    assert loaded_tracks(client, IDS[:100]) == IDS[:100]
    assert loaded_features(client, IDS[:100]) == IDS[:100]
    client.artists(IDS[:100])
    assert client.calls.by_endpoint() == {
        "token": 1,
        "browse/new-releases": 1,
        "albums": 5,
        "tracks": 2,
        "audio-features": 1,
        "artists": 2,
    }
    assert memory.known == all_are(True)


def test_a_key_declared_as_development_makes_no_call_that_is_closed_to_it(
    api: FakeApi, make_client: MakeClient
) -> None:
    serve(api)
    client = make_client(access=Access("development"), asks_reccobeats=True)
    assert client.new_releases("US").frame["album_id"].to_list() == ["b"]
    assert loaded_albums(client, IDS[:30]) == IDS[:30]
    assert loaded_tracks(client, IDS) == IDS
    assert loaded_features(client, IDS[:80]) == IDS[:80]
    with pytest.raises(ForbiddenError):
        client.artists(IDS[:3])
    assert client.calls.by_endpoint() == {
        "token": 1,
        "search": 1,
        "albums/{id}": 30,
        "reccobeats/audio-features": 2,
    }


@LOADS
@pytest.mark.parametrize("declared", ["auto", "extended"])
def test_a_403_at_the_third_batch_keeps_what_was_answered_and_asks_for_the_rest_by_the_other_plan(
    api: FakeApi, make_client: MakeClient, endpoint: str, load: Load, declared: Declared
) -> None:
    """A key that loses access in the middle of a load has paid for what it was answered by then."""
    ids = IDS[:310]
    serve(api)
    api.on(f"/v1/{endpoint}", *[api.reply_of(f"/v1/{endpoint}")] * 2, CLOSED)
    client = make_client(
        access=Access(declared, Notebook(all_are(True))),
        threads=1,
        asks_reccobeats=True,
        asks_single_tracks=True,
    )
    assert load(client, ids) == ids
    batches = [request.ids for request in api.seen(f"/v1/{endpoint}")]
    assert len(batches) == 3
    answered = {key for batch in batches[:2] for key in batch}
    other_plan = [request.path.rpartition("/")[2] for request in api.requests if request.path.count("/") == 3]
    other_plan += [key for request in api.seen("/reccobeats/v1/audio-features") for key in request.ids]
    assert sorted(key for key in other_plan if key in set(ids)) == sorted(set(ids) - answered)
    assert not client.access.allows(endpoint)


def test_what_was_answered_before_a_403_is_told_of_once(api: FakeApi, make_client: MakeClient) -> None:
    serve(api)
    api.on("/v1/albums", *[api.reply_of("/v1/albums")] * 2, CLOSED)
    told: list[str] = []
    client = make_client(access=Access("extended"), threads=1)
    batch: AlbumBatch = client.albums(IDS[:100], "US", on_part=lambda part: told.extend(part.ids))
    assert sorted(told) == IDS[:100]
    assert batch.set_aside == ()
    assert len(api.seen("/v1/albums")) == 3


def test_tracks_that_are_withheld_after_a_403_keep_what_was_answered(
    api: FakeApi, make_client: MakeClient
) -> None:
    """Of the rest popularity and ISRC are null, and no call is made for them."""
    serve(api)
    api.on("/v1/tracks", api.reply_of("/v1/tracks"), CLOSED)
    told: list[str] = []
    client = make_client(access=Access("extended"), threads=1)
    batch: Batch = client.tracks(IDS[:150], "US", on_part=lambda part: told.extend(part.ids))
    assert batch.frame["track_id"].to_list() == told == IDS[:150]
    assert batch.frame["popularity"].to_list() == [33] * 50 + [None] * 100
    assert client.calls.by_endpoint() == {"token": 1, "tracks": 2}


def test_a_list_that_is_closed_after_its_first_page_is_searched_for(
    api: FakeApi, make_client: MakeClient
) -> None:
    serve(api)
    first = page([payloads.simplified_album(f"a{n}") for n in range(50)], total=100)
    api.on("/v1/browse/new-releases", Answer({"albums": first}), CLOSED)
    client = make_client(access=Access("extended"))
    assert client.new_releases("US").frame["album_id"].to_list() == ["b"]


PREMIUM = "Active premium subscription required for the owner of the app."


@pytest.mark.parametrize(
    "answer",
    [Answer(PREMIUM.encode(), 403, {"Content-Type": "text/plain"}), error_answer(403, PREMIUM)],
    ids=["text", "json"],
)
def test_lost_premium_stops_a_key_of_which_nothing_is_known(
    api: FakeApi, make_client: MakeClient, answer: Answer
) -> None:
    """Taken for a closed endpoint it would turn the key into a development key for a day."""
    serve(api)
    api.on("/v1/albums", answer)
    memory = Notebook()
    client = make_client(access=Access("auto", memory), threads=4)
    with pytest.raises(PremiumRequiredError):
        client.albums(IDS, "US")
    assert memory.known == {}
    assert client.calls.by_endpoint() == {"token": 1, "albums": 1}


@pytest.mark.parametrize(
    "answer",
    [
        error_answer(403, "User not registered in the Developer Dashboard"),
        Answer(b"<html>Forbidden</html>", 403),
        Answer(b"error code: 1010", 403),
    ],
    ids=["not registered", "firewall", "cloudflare"],
)
def test_any_other_403_fails_and_says_nothing_of_the_key(
    api: FakeApi, make_client: MakeClient, answer: Answer
) -> None:
    serve(api)
    api.on("/v1/albums", answer)
    memory = Notebook()
    client = make_client(access=Access("auto", memory))
    with pytest.raises(RefusedError):
        client.albums(IDS[:30], "US")
    assert memory.known == {}
    assert api.seen(f"/v1/albums/{IDS[0]}") == []


def test_lost_premium_that_shows_only_when_the_others_are_asked_stops_as_well(
    api: FakeApi, make_client: MakeClient
) -> None:
    serve(api, closed=[NEW_RELEASES])
    api.on("/v1/tracks", error_answer(403, PREMIUM))
    with pytest.raises(PremiumRequiredError):
        make_client(access=Access("auto")).new_releases("US")
    assert api.seen("/v1/search") == []


def test_probe_makes_one_call_an_endpoint_as_documented(api: FakeApi, make_client: MakeClient) -> None:
    serve(api, closed=[AUDIO_FEATURES])
    api.on("/v1/artists", error_answer(503))
    memory = Notebook()
    answers = make_client(access=Access("auto", memory)).probe()
    assert answers == {**all_are(True), AUDIO_FEATURES: False, ARTISTS: None}
    assert memory.known == {endpoint: is_open for endpoint, is_open in answers.items() if is_open is not None}
    asked = {request.path: request.query for request in api.requests if request.method == "GET"}
    assert asked == {
        "/v1/browse/new-releases": {"country": "US", "limit": "1", "offset": "0"},
        "/v1/albums": {"ids": "4aawyAB9vmqN3uQ7FjRGTy"},
        "/v1/tracks": {"ids": "11dFghVXANMlKmJXsNCbNl"},
        "/v1/audio-features": {"ids": "11dFghVXANMlKmJXsNCbNl"},
        "/v1/artists": {"ids": "0TnOYISbd1XYRBk9myaseg"},
    }
