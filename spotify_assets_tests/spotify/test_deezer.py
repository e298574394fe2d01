"""Deezer: albums by UPC, ranks of their tracks, and every error under status 200."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import pytest

from spotify_assets.spotify import deezer as deezer_module
from spotify_assets.spotify.deezer import ALBUMS, TRACK_RANKS, Deezer, DeezerBatch, Wanted, is_upc
from spotify_assets.spotify.deezer_matching import DeezerTrack, Match, SpotifyTrack
from spotify_assets_tests.spotify.conftest import FakeTime, MakeWire
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, Seen
from spotify_assets_tests.spotify.payloads import Payload
from spotify_assets_tests.spotify.recorded import body, needs_recordings

UPC = "602475093060"
NO_DATA = Answer({"error": {"type": "DataException", "message": "no data", "code": 800}})
QUOTA = Answer({"error": {"type": "Exception", "message": "Quota limit exceeded", "code": 4}})
BUSY = Answer({"error": {"type": "Exception", "message": "Service busy", "code": 700}})

MakeDeezer = Callable[..., Deezer]


@pytest.fixture
def make_deezer(api: FakeApi, make_wire: MakeWire) -> MakeDeezer:
    def make(**changes: object) -> Deezer:
        return Deezer(make_wire(**changes), api.deezer_url)

    return make


@pytest.fixture
def deezer(make_deezer: MakeDeezer) -> Deezer:
    return make_deezer()


# --- What Deezer has ---


def track_at(number: int, **changes: object) -> Payload:
    """A track as the pages have it; with an album it comes without ISRC and place."""
    return {
        "id": 1000 + number,
        "title": f"Track {number}",
        "isrc": f"USRC126{number:05}",
        "duration": 200,
        "track_position": number,
        "disk_number": 1,
        "rank": 100_000 + number,
        "type": "track",
        **changes,
    }


def embedded(track: Payload) -> Payload:
    return {
        name: value for name, value in track.items() if name not in ("isrc", "track_position", "disk_number")
    }


def album_of(tracks: Sequence[Payload], deezer_id: int = 77, upc: str | None = UPC) -> Payload:
    return {
        "id": deezer_id,
        "title": "An Album",
        "upc": upc,
        "label": "A Label",
        "genres": {"data": [{"id": 132, "name": "Pop"}, {"id": 116, "name": "Rap/Hip Hop"}]},
        "nb_tracks": len(tracks),
        "fans": 15_022,
        "tracks": {"data": [embedded(track) for track in tracks]},
        "type": "album",
    }


def by_upc(upc: str = UPC) -> str:
    return f"/deezer/album/upc:{upc}"


def serve(
    api: FakeApi,
    upc: str = UPC,
    deezer_id: int = 77,
    count: int = 2,
    changes: Mapping[str, object] | None = None,
) -> None:
    """An album by its UPC and by its id, with its tracks in pages."""
    entries = [track_at(number) for number in range(1, count + 1)]

    def pages(request: Seen) -> Answer:
        index, limit = int(request.query["index"]), int(request.query["limit"])
        return Answer({"data": entries[index : index + limit], "total": len(entries)})

    album = album_of(entries, deezer_id, upc) | dict(changes or {})
    api.on(by_upc(upc), Answer(album))
    api.on(f"/deezer/album/{deezer_id}", Answer(album))
    api.on(f"/deezer/album/{deezer_id}/tracks", pages)


def ours(number: int, isrc: str | None = None) -> SpotifyTrack:
    return SpotifyTrack(f"t{number}", 1, number, 200_400, isrc)


def wanted(album_id: str = "a", upc: str = UPC, tracks: int = 2, **changes: Any) -> Wanted:
    return Wanted(album_id, upc, [ours(number) for number in range(1, tracks + 1)], **changes)


def known_matches(tracks: int = 2) -> list[Match]:
    return [
        Match(f"t{number}", DeezerTrack(1000 + number, None, 0, isrc=f"KEPT{number}"), "isrc")
        for number in range(1, tracks + 1)
    ]


def status(batch: DeezerBatch) -> dict[str, str]:
    return dict(batch.albums.select("album_id", "status").iter_rows())


def paths(api: FakeApi) -> list[str]:
    return [request.path for request in api.requests]


# --- What is sent, and what comes back ---


def test_an_album_is_found_by_its_upc_and_its_tracks_are_read_in_pages(api: FakeApi, deezer: Deezer) -> None:
    serve(api, count=2)
    batch = deezer.albums([wanted()])
    assert batch.albums.schema == pl.Schema(dict(ALBUMS))
    assert batch.albums.rows() == [
        ("a", "found", 77, UPC, "A Label", ["Pop", "Rap/Hip Hop"], 15_022),
    ]
    assert batch.track_ranks.schema == pl.Schema(dict(TRACK_RANKS))
    assert batch.track_ranks.rows() == [
        ("a", "t1", 1001, 100_001, "USRC12600001", "position"),
        ("a", "t2", 1002, 100_002, "USRC12600002", "position"),
    ]
    assert (batch.unmatched, batch.set_aside, batch.problem) == (0, (), None)
    assert [(request.method, request.path, request.query) for request in api.requests] == [
        ("GET", by_upc(), {}),
        ("GET", "/deezer/album/77/tracks", {"limit": "100", "index": "0"}),
    ]
    assert "Authorization" not in api.requests[0].headers


def test_no_albums_are_no_call(api: FakeApi, deezer: Deezer) -> None:
    batch = deezer.albums([])
    assert batch.albums.schema == pl.Schema(dict(ALBUMS))
    assert batch.track_ranks.schema == pl.Schema(dict(TRACK_RANKS))
    assert api.requests == []


@pytest.mark.parametrize(
    ("count", "indexes"), [(100, ["0"]), (101, ["0", "100"]), (250, ["0", "100", "200"])]
)
def test_all_tracks_of_a_long_album_are_read(
    api: FakeApi, deezer: Deezer, count: int, indexes: list[str]
) -> None:
    serve(api, count=count)
    batch = deezer.albums([wanted(tracks=count)])
    assert batch.track_ranks["track_id"].to_list() == [f"t{number}" for number in range(1, count + 1)]
    assert [request.query["index"] for request in api.seen("/deezer/album/77/tracks")] == indexes


def test_pages_that_are_shorter_than_asked_for_lose_nothing(api: FakeApi, deezer: Deezer) -> None:
    serve(api, count=60)
    entries = [track_at(number) for number in range(1, 61)]

    def fifty(request: Seen) -> Answer:
        index = int(request.query["index"])
        return Answer({"data": entries[index : index + 25], "total": 60})

    api.on("/deezer/album/77/tracks", fifty)
    assert deezer.albums([wanted(tracks=60)]).track_ranks.height == 60


@pytest.mark.parametrize("total", [None, 2, 500])
def test_an_empty_page_ends_the_tracks_whatever_their_total(
    api: FakeApi, deezer: Deezer, total: int | None
) -> None:
    serve(api)
    entries = [track_at(1), track_at(2)]
    api.on(
        "/deezer/album/77/tracks",
        Answer({"data": entries, "total": total}),
        Answer({"data": [], "total": total}),
    )
    batch = deezer.albums([wanted()])
    assert batch.track_ranks.height == 2
    assert batch.problem is None


def test_tracks_that_never_end_set_their_album_aside(
    api: FakeApi, deezer: Deezer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that gives the same page for every index kept the load for ever."""
    monkeypatch.setattr(deezer_module, "MOST_PAGES", 5)
    serve(api)
    serve(api, upc="1234", deezer_id=78)
    api.on("/deezer/album/77/tracks", Answer({"data": [track_at(1)], "total": 2**31 - 1}))
    batch = deezer.albums([wanted(), wanted("b", upc="1234")])
    assert status(batch) == {"a": "absent", "b": "found"}
    assert [item.reason for item in batch.set_aside] == ["more than 5 pages of tracks"]
    assert len(api.seen("/deezer/album/77/tracks")) == 5


def test_tracks_that_deezer_does_not_have_are_counted(api: FakeApi, deezer: Deezer) -> None:
    serve(api, count=2)
    batch = deezer.albums([wanted(tracks=5)])
    assert batch.track_ranks["track_id"].to_list() == ["t1", "t2"]
    assert batch.unmatched == 3


def test_a_track_without_a_rank_has_no_row_and_is_matched_all_the_same(api: FakeApi, deezer: Deezer) -> None:
    serve(api)
    api.on(
        "/deezer/album/77/tracks",
        Answer({"data": [track_at(1, rank=None), track_at(2)], "total": 2}),
    )
    batch = deezer.albums([wanted()])
    assert batch.track_ranks["track_id"].to_list() == ["t2"]
    assert batch.unmatched == 0


def test_an_isrc_that_is_known_goes_before_the_place(api: FakeApi, deezer: Deezer) -> None:
    serve(api)
    album = Wanted("a", UPC, [ours(1, "USRC12600002"), ours(2, "USRC12600001")])
    rows = deezer.albums([album]).track_ranks.select("track_id", "deezer_track_id", "matched_by").rows()
    assert rows == [("t1", 1002, "isrc"), ("t2", 1001, "isrc")]


def test_fields_that_deezer_does_not_fill_are_null(api: FakeApi, deezer: Deezer) -> None:
    serve(api, changes={"label": None, "genres": None, "fans": None})
    assert deezer.albums([wanted()]).albums.rows() == [("a", "found", 77, UPC, None, [], None)]


# --- The UPC ---


def test_a_upc_is_asked_for_as_given_and_then_without_its_leading_zeros(api: FakeApi, deezer: Deezer) -> None:
    """Spotify writes the zeros that Deezer leaves out."""
    serve(api, upc=UPC)
    api.on(by_upc(f"00{UPC}"), NO_DATA)
    batch = deezer.albums([wanted(upc=f"00{UPC}")])
    assert status(batch) == {"a": "found"}
    assert paths(api)[:2] == [by_upc(f"00{UPC}"), by_upc(UPC)]


def test_a_upc_that_is_found_as_given_is_not_asked_for_again(api: FakeApi, deezer: Deezer) -> None:
    serve(api, upc=f"00{UPC}")
    assert status(deezer.albums([wanted(upc=f"00{UPC}")])) == {"a": "found"}
    assert paths(api) == [by_upc(f"00{UPC}"), "/deezer/album/77/tracks"]


def test_a_upc_without_leading_zeros_that_is_not_there_costs_one_call(api: FakeApi, deezer: Deezer) -> None:
    api.on(by_upc(), NO_DATA)
    batch = deezer.albums([wanted()])
    assert batch.albums.rows() == [("a", "absent", None, None, None, None, None)]
    assert (batch.track_ranks.height, batch.set_aside, batch.problem) == (0, (), None)
    assert paths(api) == [by_upc()]


@pytest.mark.parametrize("answered", ["111111111111", "", None])
def test_another_release_than_asked_for_is_refused(
    api: FakeApi, deezer: Deezer, answered: str | None
) -> None:
    """Deezer has been seen to answer with another album; its genres and ranks would be stored as this one's."""
    serve(api)
    api.on(by_upc(), Answer(album_of([track_at(1)], upc=answered)))
    batch = deezer.albums([wanted()])
    assert status(batch) == {"a": "absent"}
    assert batch.track_ranks.height == 0
    assert [(item.endpoint, item.item_id, item.reason) for item in batch.set_aside] == [
        (
            "deezer/album/upc:{upc}",
            "a",
            f"another release was answered: UPC {answered or ''}, not {UPC}",
        )
    ]
    assert paths(api) == [by_upc()]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (UPC, True),
        ("0", False),
        ("000", False),
        ("", False),
        (None, False),
        ("12a", False),
        ("٣٤٥", False),
        ("1/2", False),
        (" 12", False),
    ],
)
def test_only_digits_that_are_not_all_zero_are_a_upc(text: str | None, is_one: bool) -> None:
    assert is_upc(text) is is_one


def test_albums_without_a_upc_have_a_row_that_says_so(api: FakeApi, deezer: Deezer) -> None:
    serve(api)
    frame = deezer.albums([wanted()]).with_albums_without_upc(["b", "c"])
    assert frame.select("album_id", "status").rows() == [("a", "found"), ("b", "no_upc"), ("c", "no_upc")]
    assert frame.schema == pl.Schema(dict(ALBUMS))


# --- Known from before ---


def test_an_album_all_of_whose_tracks_were_matched_before_costs_one_call(
    api: FakeApi, deezer: Deezer
) -> None:
    serve(api)
    batch = deezer.albums([wanted(deezer_album_id=77, known=known_matches())])
    assert batch.track_ranks.rows() == [
        ("a", "t1", 1001, 100_001, "KEPT1", "isrc"),
        ("a", "t2", 1002, 100_002, "KEPT2", "isrc"),
    ]
    assert (status(batch), batch.unmatched) == ({"a": "found"}, 0)
    assert paths(api) == ["/deezer/album/77"]


@pytest.mark.parametrize(
    ("of_spotify", "known"), [(3, 2), (2, 0), (2, 1)], ids=["a new track", "none known", "one unmatched"]
)
def test_an_album_of_which_a_track_was_not_matched_before_costs_two_calls(
    api: FakeApi, deezer: Deezer, of_spotify: int, known: int
) -> None:
    serve(api, count=3)
    batch = deezer.albums([wanted(tracks=of_spotify, deezer_album_id=77, known=known_matches(known))])
    assert batch.track_ranks.height == of_spotify
    assert set(batch.track_ranks["matched_by"]) == {"position"}
    assert paths(api) == ["/deezer/album/77", "/deezer/album/77/tracks"]


def test_a_match_that_deezer_has_no_more_is_made_anew(api: FakeApi, deezer: Deezer) -> None:
    """It deleted a track and put it in again under another id."""
    serve(api)
    gone = [known_matches()[0], Match("t2", DeezerTrack(4444, None, 0), "isrc")]
    batch = deezer.albums([wanted(deezer_album_id=77, known=gone)])
    assert batch.track_ranks["deezer_track_id"].to_list() == [1001, 1002]
    assert len(api.requests) == 2


def test_a_known_album_that_is_gone_is_asked_for_by_upc_again(api: FakeApi, deezer: Deezer) -> None:
    serve(api, deezer_id=78)
    api.on("/deezer/album/77", NO_DATA)
    batch = deezer.albums([wanted(deezer_album_id=77, known=known_matches())])
    assert batch.albums["deezer_album_id"].to_list() == [78]
    assert paths(api) == ["/deezer/album/77", by_upc()]


def test_a_known_album_that_has_become_another_release_is_asked_for_by_upc_again(
    api: FakeApi, deezer: Deezer
) -> None:
    serve(api, deezer_id=78)
    api.on("/deezer/album/77", Answer(album_of([track_at(1)], upc="999")))
    batch = deezer.albums([wanted(deezer_album_id=77)])
    assert batch.albums["deezer_album_id"].to_list() == [78]
    assert batch.set_aside == ()


def test_ranks_of_known_matches_are_todays(api: FakeApi, deezer: Deezer) -> None:
    serve(api)
    album = album_of([track_at(1, rank=7), track_at(2, rank=None)])
    api.on("/deezer/album/77", Answer(album))
    batch = deezer.albums([wanted(deezer_album_id=77, known=known_matches())])
    assert batch.track_ranks.select("track_id", "rank").rows() == [("t1", 7)]


# --- Errors under status 200 ---


def test_a_used_up_quota_is_waited_for_five_seconds(
    api: FakeApi, deezer: Deezer, fake_time: FakeTime
) -> None:
    """50 calls in 5 s are allowed: after 5 s there is room."""
    serve(api)
    answer = Answer(album_of([track_at(1), track_at(2)]))
    api.on(by_upc(), QUOTA, QUOTA, answer)
    batch = deezer.albums([wanted()])
    assert (status(batch), batch.problem) == ({"a": "found"}, None)
    assert fake_time.slept == [5.0, 5.0]


def test_a_quota_that_never_ends_is_a_problem_and_no_error(
    api: FakeApi, deezer: Deezer, fake_time: FakeTime
) -> None:
    api.on(by_upc(), QUOTA)
    batch = deezer.albums([wanted()])
    assert batch.problem is not None
    assert "too many requests" in batch.problem.sentence
    assert (batch.albums.height, batch.set_aside) == (0, ())
    assert fake_time.slept == [5.0] * 5


def test_a_busy_service_is_asked_again(api: FakeApi, deezer: Deezer, fake_time: FakeTime) -> None:
    serve(api)
    api.on(by_upc(), BUSY, BUSY, Answer(album_of([track_at(1), track_at(2)])))
    batch = deezer.albums([wanted()])
    assert (status(batch), batch.problem) == ({"a": "found"}, None)
    assert fake_time.slept == [0.375, 0.75]


def error(code: object, message: object = "what it says") -> Answer:
    return Answer({"error": {"type": "Exception", "message": message, "code": code}})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error(500, "Invalid parameters"), "code 500: Invalid parameters"),
        (error(600), "code 600: what it says"),
        (error(None), "code None: what it says"),
        (error("4"), "code 4: what it says"),
        (Answer({"error": "a text"}), "code None: a text"),
        (Answer({"error": ["a list"]}), "code None: ['a list']"),
        (Answer({"error": {}}), "id is missing"),
        (Answer([]), "[] is not an object"),
        (Answer(True), "True is not an object"),
        (Answer(None), "None is not an object"),
        (Answer({"id": 77}), "another release was answered"),
    ],
    ids=[
        "500",
        "600",
        "no code",
        "text code",
        "text",
        "list",
        "empty",
        "no object",
        "true",
        "null",
        "no upc",
    ],
)
@pytest.mark.parametrize("place", ["album", "tracks"])
def test_any_other_answer_sets_that_album_aside_and_the_others_are_asked_for(
    api: FakeApi, deezer: Deezer, place: str, answer: Answer, reason: str
) -> None:
    for number in (1, 2, 3):
        serve(api, upc=f"1{number}", deezer_id=70 + number)
    api.on(by_upc("12") if place == "album" else "/deezer/album/72/tracks", answer)
    batch = deezer.albums([wanted(key, upc=f"1{number}") for number, key in enumerate("abc", start=1)])
    if place == "tracks" and isinstance(answer.body, dict) and not answer.body.get("error"):
        # An object without tracks is an album without tracks.
        assert (batch.unmatched, batch.set_aside) == (2, ())
        return
    assert status(batch) == {"a": "found", "b": "absent", "c": "found"}
    assert [item.item_id for item in batch.set_aside] == ["b"]
    assert reason in batch.set_aside[0].reason
    assert batch.problem is None


def test_an_album_whose_tracks_are_not_there_is_set_aside_alone(api: FakeApi, deezer: Deezer) -> None:
    """It ended the load: of all the albums after it nobody asked, on that day and on every other."""
    serve(api, upc="11", deezer_id=71)
    serve(api, upc="12", deezer_id=72)
    api.on("/deezer/album/71/tracks", NO_DATA)
    batch = deezer.albums([wanted("a", upc="11"), wanted("b", upc="12")])
    assert (status(batch), batch.problem) == ({"a": "absent", "b": "found"}, None)
    assert [(item.endpoint, item.item_id) for item in batch.set_aside] == [("deezer/album/{id}", "a")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "77"}, "id is '77', not a whole number"),
        ({"id": 0}, "id is 0, not from 1 to 9223372036854775807"),
        ({"id": None}, "id is null"),
        ({"label": 5}, "label is 5, not text"),
        ({"label": "a\x00"}, "label is 'a\\x00', which holds a NUL character"),
        ({"genres": []}, "genres is [], not an object"),
        ({"genres": {"data": ["Pop"]}}, "data is ['Pop'], not a list of objects"),
        ({"fans": -1}, "fans is -1, not from 0 to 9223372036854775807"),
        ({"upc": 602475093060}, "upc is 602475093060, not text"),
    ],
)
def test_a_field_that_no_column_can_hold_sets_the_album_aside(
    api: FakeApi, deezer: Deezer, changes: Payload, reason: str
) -> None:
    serve(api, changes=changes)
    batch = deezer.albums([wanted()])
    assert status(batch) == {"a": "absent"}
    assert [item.reason for item in batch.set_aside] == [reason]
    assert (batch.track_ranks.height, batch.problem) == (0, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"duration": None}, "track 1002: duration is null"),
        ({"rank": "high"}, "track 1002: rank is 'high', not a whole number"),
        ({"rank": 1_000_001}, "track 1002: rank is 1000001, not from 0 to 1000000"),
        ({"id": None}, "track None: id is null"),
    ],
)
def test_a_track_that_no_column_can_hold_is_set_aside_alone(
    api: FakeApi, deezer: Deezer, changes: Payload, reason: str
) -> None:
    """It cost the whole album, and what was known of its label and genres."""
    tracks = [track_at(1), track_at(2, **changes), track_at(3)]
    api.on(by_upc(), Answer(album_of(tracks)))
    api.on("/deezer/album/77/tracks", Answer({"data": tracks, "total": 3}))
    batch = deezer.albums([wanted(tracks=3)])
    assert status(batch) == {"a": "found"}
    assert batch.track_ranks["track_id"].to_list() == ["t1", "t3"]
    assert batch.unmatched == 1
    assert [(item.endpoint, item.item_id, item.reason) for item in batch.set_aside] == [
        ("deezer/album/{id}/tracks", "a", reason)
    ]


def test_a_track_that_was_matched_before_and_cannot_be_read_today_is_looked_up_among_the_pages(
    api: FakeApi, deezer: Deezer
) -> None:
    serve(api)
    api.on("/deezer/album/77", Answer(album_of([track_at(1), track_at(2, rank="high")])))
    batch = deezer.albums([wanted(deezer_album_id=77, known=known_matches())])
    assert (status(batch), batch.track_ranks.height, batch.set_aside) == ({"a": "found"}, 2, ())


# --- Faults of the service ---


FAULTS = pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>maintenance</html>"), "not JSON"),
        (Answer(b"<html>Bad Gateway</html>", 502), "answered 502"),
        (Answer(fault="drop"), "the connection failed"),
        (BUSY, "code 700: Service busy"),
        (Answer(b"Forbidden", 403), "refused: Forbidden"),
    ],
    ids=["html", "502", "dropped", "busy", "403"],
)


@FAULTS
def test_an_album_that_is_answered_badly_does_not_keep_those_behind_it_from_being_asked_about(
    api: FakeApi, make_deezer: MakeDeezer, caplog: pytest.LogCaptureFixture, answer: Answer, words: str
) -> None:
    for number in range(1, 6):
        serve(api, upc=f"1{number}", deezer_id=70 + number)
    api.on(by_upc("13"), answer)
    albums = [wanted(f"a{number}", upc=f"1{number}") for number in range(1, 6)]
    with caplog.at_level(logging.WARNING):
        batch = make_deezer(threads=1).albums(albums)
    assert status(batch) == {"a1": "found", "a2": "found", "a4": "found", "a5": "found"}
    assert batch.track_ranks.height == 8
    assert batch.problem is not None
    assert not batch.problem.gave_up
    assert batch.problem.sentence.startswith("Deezer album/upc:{upc}")
    assert words in batch.problem.sentence
    assert "1 were not answered" in caplog.text


@FAULTS
def test_three_bad_answers_in_a_row_end_the_asking_and_keep_what_was_answered(
    api: FakeApi, make_deezer: MakeDeezer, caplog: pytest.LogCaptureFixture, answer: Answer, words: str
) -> None:
    for number in range(11, 18):
        serve(api, upc=f"{number}", deezer_id=70 + number)
    for upc in ("13", "14", "15"):
        api.on(by_upc(upc), answer)
    albums = [wanted(f"a{number}", upc=f"{number}") for number in range(11, 18)]
    with caplog.at_level(logging.WARNING):
        batch = make_deezer(threads=1).albums(albums)
    assert status(batch) == {"a11": "found", "a12": "found"}
    assert batch.problem is not None
    assert batch.problem.gave_up
    assert words in batch.problem.sentence
    assert "5 were not answered" in caplog.text
    assert {by_upc("16"), by_upc("17")}.isdisjoint(paths(api))


def test_albums_are_asked_for_by_several_threads_and_come_back_in_their_order(
    api: FakeApi, make_deezer: MakeDeezer
) -> None:
    both = threading.Barrier(2)

    def together(answer: Answer) -> Callable[[Seen], Answer]:
        def reply(_: Seen) -> Answer:
            both.wait(10)
            return answer

        return reply

    for number in (1, 2):
        serve(api, upc=f"1{number}", deezer_id=70 + number)
        api.on(by_upc(f"1{number}"), together(Answer(album_of([], 70 + number, f"1{number}"))))
    batch = make_deezer(threads=2).albums([wanted("b", upc="12"), wanted("a", upc="11")])
    assert batch.albums["album_id"].to_list() == ["b", "a"]


def test_an_album_that_is_wanted_twice_is_asked_for_once(api: FakeApi, deezer: Deezer) -> None:
    serve(api)
    assert deezer.albums([wanted(), wanted()]).albums.height == 1
    assert len(api.seen(by_upc())) == 1


# --- Recorded answers ---


@needs_recordings
def test_the_recorded_album_and_track_are_read_and_matched(api: FakeApi, deezer: Deezer) -> None:
    """Recorded: an album with its tracks embedded, and its one track with ISRC and place."""
    album, track = body("deezer_album_id__2024__harmony.json"), body("deezer_track_id__2024__harmony.json")
    api.on(by_upc(f"00{album['upc']}"), NO_DATA)
    api.on(by_upc(album["upc"]), Answer(album))
    api.on(f"/deezer/album/{album['id']}/tracks", Answer({"data": [track], "total": 1}))
    found = deezer.albums(
        [
            Wanted(
                "spotify-album",
                f"00{album['upc']}",
                [SpotifyTrack("spotify-track", 1, 1, 1000 * track["duration"] + 668, track["isrc"])],
            )
        ]
    )
    assert (found.set_aside, found.problem, found.unmatched) == ((), None, 0)
    assert found.albums.rows() == [
        (
            "spotify-album",
            "found",
            album["id"],
            album["upc"],
            album["label"],
            [genre["name"] for genre in album["genres"]["data"]],
            album["fans"],
        )
    ]
    assert found.track_ranks.rows() == [
        ("spotify-album", "spotify-track", track["id"], track["rank"], track["isrc"], "isrc")
    ]


@needs_recordings
def test_the_recorded_album_gives_the_ranks_of_matches_made_before(api: FakeApi, deezer: Deezer) -> None:
    """Its embedded tracks hold id and rank, which is all that is needed of them then."""
    album = body("deezer_album_id__2024__harmony.json")
    embedded_track = album["tracks"]["data"][0]
    api.on(f"/deezer/album/{album['id']}", Answer(album))
    known = [Match("spotify-track", DeezerTrack(embedded_track["id"], None, 0), "position")]
    found = deezer.albums(
        [
            Wanted(
                "spotify-album",
                album["upc"],
                [SpotifyTrack("spotify-track", 1, 1, 250_000, None)],
                album["id"],
                known,
            )
        ]
    )
    assert found.track_ranks["rank"].to_list() == [embedded_track["rank"]]
    assert len(api.requests) == 1
