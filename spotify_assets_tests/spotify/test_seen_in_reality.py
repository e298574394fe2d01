"""Every refusal and every oddity of the real API that somebody has reported, through the client.

The rows are those of the project's survey of the API, sections 1.5 ("what a removed or refused call answers") and 3.3
("nulls and oddities seen"). Bodies are the recorded ones where there are any, beside them as they were quoted.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any, TypeVar

import polars as pl
import pytest

from spotify_assets.spotify import records
from spotify_assets.spotify.access import Access
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.endpoints import ALBUMS, ARTISTS, AUDIO_FEATURES, CLOSABLE, NEW_RELEASES, TRACKS
from spotify_assets.spotify.errors import (
    AuthenticationError,
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    PremiumRequiredError,
    QuotaExceededError,
    RateLimitedError,
    RefusedError,
)
from spotify_assets.spotify.moments import moment
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import NOW, FakeTime, MakeClient
from spotify_assets_tests.spotify.fake_api import (
    Answer,
    FakeApi,
    Seen,
    error_answer,
    page,
    paged,
    token_answer,
)
from spotify_assets_tests.spotify.recorded import RECORDED, body, ids_of, needs_recordings, recorded

REFUSALS = (
    "audio-features without access",
    "endpoints removed in Feb 2026",
    "recommendations, related artists",
    "owner without Premium",
    "user token not on allowlist",
    "limit too large",
    "missing/invalid/expired token",
    "removed endpoint with first-party/librespot tokens",
    "quota exhausted",
)
ODDITIES = (
    "audio_features list has null for ids without analysis, order kept",
    "single audio-features id without analysis: 404",
    "fresh releases lacked features even when the endpoint was open",
    "batch albums/tracks with unknown id: null slot; search items null, also for albums",
    'release_date "0000" (precision year)',
    "release_date and precision null, album_type null, id null",
    "release_date is the edition's date",
    'partial dates "1981", "1981-12" crash date parsers',
    "relinking: with market set, the returned track id differs from the requested one",
    "without market: available_markets instead of is_playable, and it can be an empty list",
    "single track 404/500 inside a good album",
    "key/mode may be dropped by serialisers when 0",
    "duplicates: same album id across pages, several ids for one release",
)

Body = Callable[[], Any]
_Test = TypeVar("_Test", bound=Callable[..., None])
_covered: set[str] = set()


def covers(row: str) -> Callable[[_Test], _Test]:
    """Notes that a test shows a row, which its docstring names."""

    def note(test: _Test) -> _Test:
        assert f"Row: {row}." in " ".join(str(test.__doc__).split()), f"{test} does not name its row"
        _covered.add(row)
        return test

    return note


def seen_as(quoted: object, *patterns: str) -> pytest.MarkDecorator:
    """Parameters for a test: a body as it was quoted, and the recorded ones."""
    as_recorded = [
        pytest.param(partial(body, *each.values), id=each.id, marks=needs_recordings)
        for each in recorded(*patterns)
    ]
    return pytest.mark.parametrize(
        "seen", [pytest.param(lambda: quoted, id="quoted"), *(as_recorded if patterns else ())]
    )


def test_every_row_has_a_test() -> None:
    assert len(REFUSALS) == 9
    assert len(ODDITIES) == 13
    assert sorted(_covered) == sorted(REFUSALS + ODDITIES)


# What the rows are taken from, where it lies beside the recordings.
SURVEY = RECORDED.parent.parent / "reference" / "spotify_api.md"


@pytest.mark.skipif(not SURVEY.is_file(), reason="the survey of the API is not here")
@pytest.mark.parametrize(
    ("section", "rows"), [("### 1.5", REFUSALS), ("### 3.3", ODDITIES)], ids=["refusals", "oddities"]
)
def test_the_rows_are_those_of_the_survey(section: str, rows: Sequence[str]) -> None:
    """A row that is added there is missed here."""
    table = SURVEY.read_text(encoding="utf-8").partition(section)[2].partition("\n#")[0]
    cells = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(cells) == len(rows)
    assert [cell for cell, row in zip(cells, rows, strict=True) if not cell.startswith(row)] == []


FORBIDDEN = error_answer(403, "Forbidden")
# Its beginning as it was quoted; of the rest only the sense is reported.
PREMIUM_TEXT = (
    "Active premium subscription required for the owner of the app. If premium was just activated, it can take a"
    " few hours until this is recognised."
)

CALLS: dict[str, Callable[[SpotifyClient], object]] = {
    NEW_RELEASES: lambda client: client.new_releases("US"),
    ALBUMS: lambda client: client.albums(["a"], "US"),
    TRACKS: lambda client: client.tracks(["a"], "US"),
    AUDIO_FEATURES: lambda client: client.audio_features(["a"]),
    ARTISTS: lambda client: client.artists(["a"]),
}


def serve_all(api: FakeApi) -> None:
    """An extended key's endpoints, the single calls, search and ReccoBeats, each for the ids asked for."""
    api.on(f"/v1/{NEW_RELEASES}", Answer({"albums": page([payloads.simplified_album("a")])}))
    api.on("/v1/search", Answer({"albums": page([payloads.simplified_album("found")])}))
    api.on("/v1/albums", lambda request: Answer({"albums": [payloads.album(key) for key in request.ids]}))
    api.on("/v1/tracks", lambda request: Answer({"tracks": [payloads.track(key) for key in request.ids]}))
    api.on("/v1/artists", lambda request: Answer({"artists": [payloads.artist(key) for key in request.ids]}))
    api.on(
        "/v1/audio-features",
        lambda request: Answer({"audio_features": [payloads.features(key) for key in request.ids]}),
    )
    api.on("/v1/albums/a", Answer(payloads.album("a")))
    api.on("/v1/tracks/a", Answer(payloads.track("a")))
    api.on(
        "/reccobeats/v1/audio-features",
        lambda request: Answer({"content": [payloads.reccobeats_features(key) for key in request.ids]}),
    )


# --- What a removed or refused call answers ---


@covers("audio-features without access")
@seen_as({"error": {"status": 403}}, "error_403_audio-features_deprecated__issue.json")
def test_audio_features_without_access(api: FakeApi, make_client: MakeClient, seen: Body) -> None:
    """Row: audio-features without access.

    A 403 with a status and no message: the features come from elsewhere, and the rest of the key is as before.
    """
    serve_all(api)
    api.on("/v1/audio-features", Answer(seen(), 403))
    client = make_client(access=Access("auto"), asks_reccobeats=True)
    batch = client.audio_features(["a"])
    assert batch.frame.select("status", "source").rows() == [("measured", "reccobeats")]
    assert batch.problem is None
    assert str(client.access) == "extended without audio features"


@covers("endpoints removed in Feb 2026")
def test_endpoints_removed_in_february_2026(api: FakeApi, make_client: MakeClient) -> None:
    """Row: endpoints removed in Feb 2026.

    403 "Forbidden": each has another way to the same rows, or none and says so.
    """
    serve_all(api)
    for endpoint in CLOSABLE:
        api.on(f"/v1/{endpoint}", FORBIDDEN)
    client = make_client(access=Access("auto"), asks_reccobeats=True, asks_single_tracks=True)
    assert client.new_releases("US").frame["album_id"].to_list() == ["found"]
    assert client.albums(["a"], "US").releases["album_id"].to_list() == ["a"]
    assert client.tracks(["a"], "US").frame["isrc"].to_list() == ["USRC12600001"]
    assert client.audio_features(["a"]).frame["source"].to_list() == ["reccobeats"]
    with pytest.raises(ForbiddenError):
        client.artists(["a"])
    assert str(client.access) == "development"
    assert [len(api.seen(f"/v1/{endpoint}")) for endpoint in CLOSABLE] == [1] * 5


@covers("recommendations, related artists")
@pytest.mark.parametrize("endpoint", CLOSABLE)
def test_removed_endpoints_that_answer_404(api: FakeApi, make_client: MakeClient, endpoint: str) -> None:
    """Row: recommendations, related artists.

    These two answer 404 "Not Found", and nobody asks for them here. An endpoint that is asked for and answers so is an
    error: it has not been closed to the key, and its ids are not unknown.
    """
    serve_all(api)
    api.on(f"/v1/{endpoint}", error_answer(404, "Not Found"))
    client = make_client(access=Access("auto"), asks_reccobeats=True)
    with pytest.raises(NotFoundError):
        CALLS[endpoint](client)
    assert client.access.closed == frozenset()
    assert client.calls.by_endpoint() == {"token": 1, endpoint: 1}


@covers("owner without Premium")
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("endpoint", CLOSABLE)
def test_owner_without_premium(api: FakeApi, make_client: MakeClient, endpoint: str, form: str) -> None:
    """Row: owner without Premium.

    403 on every data call, as plain text and as JSON, while the token service answers 200: the run stops, and the key
    is not taken for a development key.
    """
    text = Answer(PREMIUM_TEXT.encode(), 403, {"Content-Type": "text/plain; charset=utf-8"})
    refusal = text if form == "text" else error_answer(403, PREMIUM_TEXT)
    for path in ("search", "albums/a", "tracks/a", *CLOSABLE):
        api.on(f"/v1/{path}", refusal)
    client = make_client(access=Access("auto"), asks_reccobeats=True)
    with pytest.raises(PremiumRequiredError, match="Active premium subscription required"):
        CALLS[endpoint](client)
    with pytest.raises(PremiumRequiredError):
        client.probe()
    assert client.access.closed == frozenset()
    assert api.seen("/reccobeats/v1/audio-features") == []


@covers("user token not on allowlist")
@pytest.mark.parametrize("endpoint", CLOSABLE)
def test_user_token_not_on_allowlist(api: FakeApi, make_client: MakeClient, endpoint: str) -> None:
    """Row: user token not on allowlist.

    403 with a text that names neither: an error, and nothing is learned of the endpoint.
    """
    serve_all(api)
    api.on(f"/v1/{endpoint}", error_answer(403, "User not registered in the Developer Dashboard"))
    client = make_client(access=Access("auto"), asks_reccobeats=True)
    with pytest.raises(RefusedError, match="User not registered in the Developer Dashboard"):
        CALLS[endpoint](client)
    assert not client.access.is_known(endpoint)


@covers("limit too large")
def test_limit_too_large(api: FakeApi, make_client: MakeClient) -> None:
    """Row: limit too large.

    400 "Invalid limit" for more than 10 results of a search, from keys made since 2026-02-11: no more are asked for.
    """
    cut = paged([payloads.simplified_album(f"a{n}") for n in range(35)])

    def search(request: Seen) -> Answer:
        if int(request.query["limit"]) > 10:
            return error_answer(400, "Invalid limit")
        return Answer({"albums": cut(request)})

    api.on("/v1/search", search)
    client = make_client(access=Access("development"))
    assert client.new_releases("US").frame.height == 35


@covers("limit too large")
def test_a_limit_that_is_refused_is_an_error_and_no_empty_list(api: FakeApi, make_client: MakeClient) -> None:
    """Row: limit too large.

    Were it lowered once more, the list would not look empty, and no album unknown.
    """
    refusal = error_answer(400, "Invalid limit")
    api.on("/v1/search", refusal)
    api.on("/v1/albums/a", refusal)
    client = make_client(access=Access("development"))
    for call in (CALLS[NEW_RELEASES], CALLS[ALBUMS]):
        with pytest.raises(BadRequestError, match="Invalid limit"):
            call(client)


INVALID_TOKEN = 'Bearer realm="spotify", error="invalid_token", error_description="The access token expired"'


@covers("missing/invalid/expired token")
@seen_as({"error": {"status": 401, "message": "Missing/invalid/expired access token"}}, "error_401_*.json")
def test_missing_invalid_or_expired_token(api: FakeApi, make_client: MakeClient, seen: Body) -> None:
    """Row: missing/invalid/expired token.

    401: the token is renewed once, also in the middle of its hour; a fresh one that is refused as well is an error.
    """
    refusal = Answer(seen(), 401, {"WWW-Authenticate": INVALID_TOKEN})
    serve_all(api)
    good = api.reply_of("/v1/artists")
    api.on("/api/token", token_answer("old"), token_answer("new"))
    api.on(
        "/v1/artists",
        lambda request: good(request) if request.headers["Authorization"] == "Bearer new" else refusal,
    )
    assert make_client().artists(["a"]).frame.height == 1
    api.on("/v1/artists", refusal)
    client = make_client()
    with pytest.raises(AuthenticationError, match="access token"):
        client.artists(["a"])
    assert client.calls.by_endpoint() == {"token": 2, "artists": 2}


@covers("removed endpoint with first-party/librespot tokens")
def test_removed_endpoint_with_first_party_tokens(
    api: FakeApi, make_client: MakeClient, fake_time: FakeTime
) -> None:
    """Row: removed endpoint with first-party/librespot tokens.

    429 from the first request on, with 11 s to wait: the waits end, and neither a limit nor a closed endpoint is
    learned from it.
    """
    serve_all(api)
    api.on(f"/v1/{NEW_RELEASES}", error_answer(429, "Too many requests", Retry_After="11"))
    client = make_client(access=Access("auto"))
    with pytest.raises(RateLimitedError) as caught:
        client.new_releases("US")
    assert not isinstance(caught.value, QuotaExceededError)
    assert fake_time.slept == [11.0] * 5
    assert client.access.allows(NEW_RELEASES)
    fake_time.sleep(11)
    for _ in range(20):
        client.artists(["a"])
    # Nothing was slept but what the service asked for, and what the test did.
    assert fake_time.slept == [11.0] * 6


@covers("quota exhausted")
@seen_as({"error": {"status": 429, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}})
def test_quota_exhausted(api: FakeApi, make_client: MakeClient, fake_time: FakeTime, seen: Body) -> None:
    """Row: quota exhausted.

    429 with the reason QUOTA_EXCEEDED: nothing is slept, the error says from when on, and what shares the quota is not
    asked before, while the rest is.
    """
    serve_all(api)
    api.on("/v1/albums/a", Answer(seen(), 429, {"Retry-After": "52531"}), Answer(payloads.album("a")))
    client = make_client(access=Access("development"), asks_single_tracks=True)
    for _ in range(2):
        with pytest.raises(QuotaExceededError) as caught:
            client.albums(["a"], "US")
        assert caught.value.resume_at == moment(NOW + 52_531)
    assert len(api.seen("/v1/albums/a")) == 1
    assert client.tracks(["a"], "US").frame["isrc"].to_list() == ["USRC12600001"]
    assert fake_time.slept == []
    fake_time.now += 52_531
    assert client.albums(["a"], "US").releases.height == 1


# --- Nulls and oddities ---


def ids_asked(values: Sequence[Any]) -> list[str]:
    """The ids that such an answer was given for: those it states, and unknown ones in place of nulls."""
    return ids_of(values)


@covers("audio_features list has null for ids without analysis, order kept")
@seen_as(
    {"audio_features": [payloads.features("a", energy=0.1), None, payloads.features("c", energy=0.3)]},
    "audio-features_ids__null-first*.json",
)
def test_audio_features_with_nulls(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: audio_features list has null for ids without analysis, order kept.

    A null is a track without features; the others are not shifted by it.
    """
    values = seen()["audio_features"]
    ids = ids_asked(values)
    api.on("/v1/audio-features", Answer(seen()))
    batch = client.audio_features(ids)
    assert batch.set_aside == ()
    assert batch.frame.select("track_id", "status", "energy").rows() == [
        (key, "absent", None) if value is None else (value["id"], "measured", value["energy"])
        for key, value in zip(ids, values, strict=True)
    ]


@covers("single audio-features id without analysis: 404")
def test_a_single_id_of_audio_features(api: FakeApi, client: SpotifyClient) -> None:
    """Row: single audio-features id without analysis: 404.

    A single track is asked for as a list of one, which answers null where the path of one id answers 404.
    """
    api.on("/v1/audio-features/a", error_answer(404, "analysis not found"))
    api.on("/v1/audio-features", Answer({"audio_features": [None]}))
    batch = client.audio_features(["a"])
    assert batch.frame.select("track_id", "status").rows() == [("a", "absent")]
    assert batch.set_aside == ()
    assert api.seen("/v1/audio-features/a") == []


@covers("fresh releases lacked features even when the endpoint was open")
def test_fresh_releases_without_features(api: FakeApi, make_client: MakeClient) -> None:
    """Row: fresh releases lacked features even when the endpoint was open.

    All null: every track has a row that says so, to be asked for again, and the endpoint stays open.
    """
    ids = [f"t{n}" for n in range(12)]
    api.on("/v1/audio-features", lambda request: Answer({"audio_features": [None] * len(request.ids)}))
    client = make_client(access=Access("auto"))
    batch = client.audio_features(ids)
    assert batch.frame.select("track_id", "status").rows() == [(key, "absent") for key in ids]
    assert (batch.set_aside, batch.unanswered, batch.problem) == ((), (), None)
    assert client.access.is_known(AUDIO_FEATURES)
    assert client.access.allows(AUDIO_FEATURES)


NULLS = "batch albums/tracks with unknown id: null slot; search items null, also for albums"


def check_unknown_ids(api: FakeApi, client: SpotifyClient, kind: str, values: Sequence[Any]) -> None:
    """Ask for what such an answer was given for: the nulls are set aside by id, and the rest is loaded."""
    ids = ids_asked(values)
    api.on(f"/v1/{kind}", Answer({kind: values}))
    if kind == "albums":
        albums = client.albums(ids, "US")
        loaded, set_aside = albums.releases["album_id"].to_list(), albums.set_aside
    else:
        batch = client.tracks(ids, "US") if kind == "tracks" else client.artists(ids)
        loaded, set_aside = batch.frame[f"{kind[:-1]}_id"].to_list(), batch.set_aside
    assert loaded == [value["id"] for value in values if value is not None]
    assert [(item.item_id, item.reason) for item in set_aside] == [
        (key, records.UNKNOWN_TO_SPOTIFY) for key, value in zip(ids, values, strict=True) if value is None
    ]


@covers(NULLS)
@seen_as(
    {"albums": [payloads.album("a"), None, payloads.album("c")]},
    "albums_ids__one-good-one-bad*.json",
    "albums_ids__all-null__android.json",
)
def test_unknown_albums(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: batch albums/tracks with unknown id: null slot; search items null, also for albums."""
    check_unknown_ids(api, client, "albums", seen()["albums"])


@covers(NULLS)
@seen_as(
    {"tracks": [None, payloads.track("b")]},
    "tracks_ids__all-null*.json",
    "tracks_ids__one-good-one-null*.json",
    "tracks_ids__one-null*.json",
)
def test_unknown_tracks(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: batch albums/tracks with unknown id: null slot; search items null, also for albums."""
    check_unknown_ids(api, client, "tracks", seen()["tracks"])


@covers(NULLS)
@seen_as({"artists": [None, payloads.artist("b")]}, "artists_ids__one-bad*.json")
def test_unknown_artists(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: batch albums/tracks with unknown id: null slot; search items null, also for albums."""
    check_unknown_ids(api, client, "artists", seen()["artists"])


@covers(NULLS)
def test_null_albums_of_a_search(api: FakeApi, make_client: MakeClient) -> None:
    """Row: batch albums/tracks with unknown id: null slot; search items null, also for albums.

    `[null]` is no empty page: what follows it is read.
    """
    api.on(
        "/v1/search",
        Answer({"albums": page([None], total=11, limit=10)}),
        Answer({"albums": page([payloads.simplified_album("a")], offset=10, total=11, limit=10)}),
    )
    batch = make_client(access=Access("development")).new_releases("US")
    assert batch.frame.select("album_id", "position").rows() == [("a", 11)]
    assert [item.reason for item in batch.set_aside] == ["None is not an object"]


def dated(api: FakeApi, client: SpotifyClient, **changes: object) -> tuple[list[Any], list[Any]]:
    """The dates that an album has in the list of new releases and in its own row."""
    api.on(f"/v1/{NEW_RELEASES}", Answer({"albums": page([payloads.simplified_album("a", **changes)])}))
    api.on("/v1/albums", Answer({"albums": [payloads.album("a", **changes)]}))
    listed, albums = client.new_releases("US"), client.albums(["a"], "US")
    assert (listed.set_aside, albums.set_aside) == ((), ())
    columns = ("release_date", "release_date_precision")
    return list(listed.frame.select(columns).row(0)), list(albums.releases.select(columns).row(0))


@covers('release_date "0000" (precision year)')
def test_a_release_date_of_zeros(api: FakeApi, client: SpotifyClient) -> None:
    """Row: release_date "0000" (precision year).

    A year that nobody knows: the album is loaded without a date.
    """
    found = dated(api, client, release_date="0000", release_date_precision="year")
    assert found == ([None, "unknown"], [None, None])


@covers("release_date and precision null, album_type null, id null")
def test_null_dates_types_and_ids(api: FakeApi, client: SpotifyClient) -> None:
    """Row: release_date and precision null, album_type null, id null.

    As local files have it: no date is no reason to lose an album; without an id or a type there is nothing to load.
    """
    found = dated(api, client, release_date=None, release_date_precision=None)
    assert found == ([None, "unknown"], [None, None])
    entries = [
        payloads.simplified_album("a", album_type=None),
        payloads.simplified_album("b", id=None),
        payloads.simplified_album("c", id=None, album_type=None, release_date=None),
        payloads.simplified_album("d"),
    ]
    api.on(f"/v1/{NEW_RELEASES}", Answer({"albums": page(entries)}))
    batch = client.new_releases("US")
    assert batch.frame.select("album_id", "position").rows() == [("d", 4)]
    assert [(item.item_id, item.reason) for item in batch.set_aside] == [
        ("a", "album_type is null"),
        (None, "id is null"),
        (None, "id is null"),
    ]


@covers("release_date is the edition's date")
@seen_as(
    {
        "albums": page(
            [
                payloads.simplified_album("reissue", release_date="2024-04-05", name="Recorded in 1971"),
                payloads.simplified_album("again", release_date="2019-03-08"),
                payloads.simplified_album("new", release_date="2024-04-05"),
            ]
        )
    },
    "browse_new-releases__limit-20_2024-04__bimoguntur.json",
)
def test_an_old_date_in_the_list_of_new_releases(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: release_date is the edition's date.

    A reissue can be new and an album that was added again old: both are on the list, in its order and with the date
    that Spotify gives; what counts as new is decided where sightings are read.
    """
    items = seen()["albums"]["items"]
    api.on(
        f"/v1/{NEW_RELEASES}",
        lambda request: Answer({"albums": page(items if request.query["offset"] == "0" else [], total=100)}),
    )
    frame = client.new_releases("US").frame
    assert frame.select("album_id", "release_date", "position").rows() == [
        (item["id"], date.fromisoformat(item["release_date"]), position)
        for position, item in enumerate(items, start=1)
    ]
    assert frame["release_date"].max() != frame["release_date"].min()


@covers('partial dates "1981", "1981-12" crash date parsers')
@seen_as(
    {
        "albums": [
            payloads.album("a", release_date="1981", release_date_precision="year"),
            payloads.album("b", release_date="1981-12", release_date_precision="month"),
            payloads.album("c", release_date="1981-12-15", release_date_precision="day"),
        ]
    },
    "albums_ids__*year-precision*.json",
    "albums_ids__month-precision__go.json",
)
def test_partial_dates(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: partial dates "1981", "1981-12" crash date parsers.

    They stand for the first day of the period, and its length is kept beside it.
    """
    values = seen()["albums"]
    api.on("/v1/albums", Answer({"albums": values}))
    batch = client.albums(ids_asked(values), "US")
    assert {item.endpoint for item in batch.set_aside} <= {"albums/{id}/tracks"}
    assert batch.releases.select("album_id", "release_date", "release_date_precision").rows() == [
        (
            value["id"],
            date.fromisoformat(f"{value['release_date']}-01-01"[:10]),
            value["release_date_precision"],
        )
        for value in values
    ]
    assert batch.releases["release_date_precision"].is_in(["year", "month"]).any()


RELINKING = "relinking: with market set, the returned track id differs from the requested one"


@covers(RELINKING)
@seen_as(
    {"tracks": [payloads.track("other", linked_from={"id": "asked"})]},
    "tracks_ids__market-ES_relinked__rspotify-ruby.json",
    "tracks_id__market-ES_relinked__rspotify-ruby.json",
)
@pytest.mark.parametrize("is_linked", [True, False], ids=["with linked_from", "without"])
def test_a_relinked_track(api: FakeApi, make_client: MakeClient, seen: Body, is_linked: bool) -> None:
    """Row: relinking: with market set, the returned track id differs from the requested one.

    `linked_from` holds the one asked for, and newer keys do not get it: the place in the answer tells. Details are
    stored under the id asked for, whether a batch or a call of its own was made.
    """
    answer = seen()
    value = dict(answer["tracks"][0] if "tracks" in answer else answer)
    asked = value["linked_from"]["id"]
    assert value["id"] != asked
    if not is_linked:
        del value["linked_from"]
    api.on("/v1/tracks", Answer({"tracks": [value]}))
    api.on(f"/v1/tracks/{asked}", Answer(value))
    for access in ("extended", "development"):
        batch = make_client(access=Access(access), asks_single_tracks=True).tracks([asked], "ES")
        assert batch.set_aside == ()
        assert batch.frame.rows() == [(asked, value["popularity"], value["external_ids"]["isrc"])]


@covers(RELINKING)
@seen_as(
    {
        "albums": [
            payloads.album(
                "a",
                tracks=page(
                    [
                        payloads.simplified_track("new1", linked_from={"id": "old1"}),
                        payloads.simplified_track("t2", track_number=2, is_playable=False),
                    ]
                ),
                total_tracks=2,
            )
        ]
    },
    "albums_ids__market-ES_relinked_restricted__rspotify-ruby.json",
)
def test_an_album_with_relinked_tracks(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: relinking: with market set, the returned track id differs from the requested one.

    An album's tracks are stored under the ids that it states, which are the ones to ask for afterwards; those that the
    market may not play are kept, and say so.
    """
    values = seen()["albums"]
    items = values[0]["tracks"]["items"]
    assert any("linked_from" in item for item in items)
    api.on("/v1/albums", Answer({"albums": values}))
    batch = client.albums(ids_asked(values), "ES")
    assert batch.set_aside == ()
    assert batch.tracks.select("track_id", "is_playable").rows() == [
        (item["id"], item["is_playable"]) for item in items
    ]
    assert not batch.tracks["is_playable"].all()


@covers("without market: available_markets instead of is_playable, and it can be an empty list")
@seen_as(
    payloads.album(
        "a",
        available_markets=[],
        tracks=page([{**payloads.simplified_track("t"), "is_playable": None, "available_markets": []}]),
    ),
    "albums_id__no-market__kotlin.json",
    "albums_id__various-artists_no-markets__beets.json",
)
def test_an_answer_without_market(api: FakeApi, client: SpotifyClient, seen: Body) -> None:
    """Row: without market: available_markets instead of is_playable, and it can be an empty list.

    Whether such a track can be played is unknown, which is not the same as no. A market is always sent, so that it is
    known.
    """
    value = seen()
    api.on("/v1/albums", Answer({"albums": [value]}))
    batch = client.albums([value["id"]], "US")
    assert batch.set_aside == ()
    assert batch.tracks.height == len(value["tracks"]["items"])
    assert batch.tracks["is_playable"].null_count() == batch.tracks.height
    assert api.seen("/v1/albums")[0].query["market"] == "US"


@covers("single track 404/500 inside a good album")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error_answer(404, "Resource not found"), records.UNKNOWN_TO_SPOTIFY),
        (error_answer(500, "Server error."), "answers 500 steadily"),
    ],
    ids=["404", "500"],
)
def test_a_bad_track_of_a_good_album(
    api: FakeApi, make_client: MakeClient, answer: Answer, reason: str
) -> None:
    """Row: single track 404/500 inside a good album.

    It is set aside with its reason, and the other tracks of the album are loaded.
    """
    ids = [f"t{n}" for n in range(10)]
    for key in ids:
        api.on(f"/v1/tracks/{key}", Answer(payloads.track(key)))
    api.on("/v1/tracks/t4", answer)
    client = make_client(access=Access("development"), asks_single_tracks=True)
    batch = client.tracks(ids, "US")
    assert batch.frame["track_id"].to_list() == [key for key in ids if key != "t4"]
    assert [(item.item_id, item.reason) for item in batch.set_aside] == [("t4", reason)]


@covers("key/mode may be dropped by serialisers when 0")
@pytest.mark.parametrize("dropped", [("key",), ("mode",), ("key", "mode")], ids=" and ".join)
def test_a_key_or_mode_that_is_dropped(api: FakeApi, client: SpotifyClient, dropped: tuple[str, ...]) -> None:
    """Row: key/mode may be dropped by serialisers when 0.

    A field that is missing is unknown: the track is measured, and no 0 is made up, which would be C or minor.
    """
    value = {name: each for name, each in payloads.features("a").items() if name not in dropped}
    api.on("/v1/audio-features", Answer({"audio_features": [value, payloads.features("b", key=0, mode=0)]}))
    batch = client.audio_features(["a", "b"])
    assert batch.set_aside == ()
    assert batch.frame["status"].to_list() == ["measured"] * 2
    for name in ("key", "mode"):
        assert batch.frame[name].to_list() == [None if name in dropped else value[name], 0]


DUPLICATES = "duplicates: same album id across pages, several ids for one release"


@covers(DUPLICATES)
@pytest.mark.parametrize("kind", ["extended", "development"])
def test_an_album_on_two_pages(api: FakeApi, make_client: MakeClient, kind: Any) -> None:
    """Row: duplicates: same album id across pages, several ids for one release.

    The list moves on between two calls: an album on both pages is one, at its first place.
    """
    size = 50 if kind == "extended" else 10
    first = [payloads.simplified_album(f"a{n}") for n in range(size)]
    second = [payloads.simplified_album(f"a{n}") for n in range(size - 3, size + 7)]
    pages = [
        Answer({"albums": page(items, offset=offset, total=size + 10, limit=size)})
        for items, offset in ((first, 0), (second, size))
    ]
    api.on(f"/v1/{NEW_RELEASES}" if kind == "extended" else "/v1/search", *pages)
    batch = make_client(access=Access(kind)).new_releases("US")
    assert batch.set_aside == ()
    assert batch.frame["album_id"].to_list() == [f"a{n}" for n in range(size + 7)]
    assert batch.frame["position"].to_list() == [*range(1, size + 1), *range(size + 4, size + 11)]


@covers(DUPLICATES)
def test_two_ids_of_one_release(api: FakeApi, client: SpotifyClient) -> None:
    """Row: duplicates: same album id across pages, several ids for one release.

    Markets, and explicit and clean versions, have ids of their own: each is an album, also with the same name, date
    and UPC. Nobody can tell from here which of them is meant.
    """
    twins = [payloads.simplified_album(key, name="One Name") for key in ("clean", "explicit")]
    api.on(f"/v1/{NEW_RELEASES}", Answer({"albums": page(twins)}))
    api.on("/v1/albums", lambda request: Answer({"albums": [payloads.album(key) for key in request.ids]}))
    assert client.new_releases("US").frame["album_id"].to_list() == ["clean", "explicit"]
    releases = client.albums(["clean", "explicit"], "US").releases
    assert releases.select("album_id", "upc").rows() == [
        ("clean", "00602475093060"),
        ("explicit", "00602475093060"),
    ]
    assert releases.schema == pl.Schema(dict(records.RELEASES))
