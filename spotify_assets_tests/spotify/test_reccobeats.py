"""ReccoBeats: features by the id at the end of `href`, in any order, with gaps; and no fault of it fails anything."""

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from spotify_assets.spotify import records
from spotify_assets.spotify.access import Access
from spotify_assets.spotify.client import NO_SOURCE_OF_FEATURES, SpotifyClient
from spotify_assets.spotify.records import FeatureBatch, SetAside
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.conftest import FakeTime, MakeClient
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, Seen, error_answer
from spotify_assets_tests.spotify.recorded import body, needs_recordings, recorded

FEATURES = "/reccobeats/v1/audio-features"
IDS = [f"id{n:03}" for n in range(100)]


@pytest.fixture
def client(make_client: MakeClient) -> SpotifyClient:
    """A client whose key gets no audio features from Spotify."""
    return make_client(access=Access("development"), asks_reccobeats=True)


def content(*rows: object) -> Answer:
    return Answer({"content": list(rows)})


def all_known(request: Seen) -> Answer:
    return content(*(payloads.reccobeats_features(key) for key in request.ids))


def statuses(batch: FeatureBatch) -> dict[str, str]:
    return dict(batch.frame.select("track_id", "status").iter_rows())


def sizes(api: FakeApi) -> list[int]:
    return [len(request.ids) for request in api.seen(FEATURES)]


# --- What is sent ---


def test_tracks_are_asked_for_forty_a_call(api: FakeApi, make_client: MakeClient) -> None:
    """41 are answered 400."""
    api.on(FEATURES, all_known)
    client = make_client(access=Access("development"), asks_reccobeats=True, threads=1)
    batch = client.audio_features([*IDS, *IDS[:5]])
    assert sizes(api) == [40, 40, 20]
    assert [key for request in api.seen(FEATURES) for key in request.ids] == IDS
    assert [set(request.query) for request in api.seen(FEATURES)] == [{"ids"}] * 3
    assert batch.frame["track_id"].to_list() == IDS
    assert client.calls.by_endpoint() == {"reccobeats/audio-features": 3}


def test_no_credentials_of_spotifys_go_to_reccobeats(
    api: FakeApi, client: SpotifyClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor those that a ~/.netrc has for the host, which requests would add by itself."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    api.on("/v1/albums/a", Answer(payloads.album("a")))
    api.on(FEATURES, all_known)
    client.albums(["a"], "US")
    client.audio_features(["a"])
    assert "Authorization" in api.seen("/v1/albums/a")[0].headers
    headers = api.seen(FEATURES)[0].headers
    assert "Authorization" not in headers
    assert "Cookie" not in headers
    # Its firewall refuses the agents of some libraries.
    assert headers["User-Agent"].startswith("spotify-assets/")
    assert headers["Accept"] == "application/json"


def test_what_spotify_has_measured_is_not_asked_for_again(api: FakeApi, make_client: MakeClient) -> None:
    api.on("/v1/audio-features", Answer({"audio_features": [payloads.features("a"), None]}))
    batch = make_client(asks_reccobeats=True).audio_features(["a", "b"])
    assert statuses(batch) == {"a": "measured", "b": "absent"}
    assert api.seen(FEATURES) == []


# --- What comes back ---


def test_a_row_is_read_under_the_columns_of_spotifys(api: FakeApi, client: SpotifyClient) -> None:
    api.on(FEATURES, all_known)
    batch = client.audio_features(["track1"])
    assert batch.frame.schema == pl.Schema(dict(records.AUDIO_FEATURES))
    assert batch.frame.rows() == [
        ("track1", "measured", "reccobeats", 0.7, 0.5, 4, -7.25, 1, 0.05, 0.01, 0.0, 0.12, 0.9, 119.97, None)
    ]
    assert (batch.unanswered, batch.problem, batch.set_aside) == ((), None, ())


def test_rows_are_told_apart_by_href_whatever_their_order(api: FakeApi, client: SpotifyClient) -> None:
    """Joined by position, a track got its neighbour's features as soon as one was left out."""
    rows = [payloads.reccobeats_features(key, energy=number / 100) for number, key in enumerate(IDS[:40])]
    api.on(FEATURES, content(*reversed(rows[1::2])))
    frame = client.audio_features(IDS[:40]).frame
    assert frame["track_id"].to_list() == IDS[:40]
    assert frame["energy"].to_list() == [number / 100 if number % 2 else None for number in range(40)]
    assert frame["source"].to_list() == [None, "reccobeats"] * 20


def test_a_row_is_not_told_by_its_own_id(api: FakeApi, client: SpotifyClient) -> None:
    """`id` is a UUID of theirs; here it looks like the other track's."""
    rows = [payloads.reccobeats_features("a", id="b"), payloads.reccobeats_features("b", id="a", energy=0.1)]
    api.on(FEATURES, content(*rows))
    frame = client.audio_features(["a", "b"]).frame
    assert dict(frame.select("track_id", "energy").iter_rows()) == {"a": 0.5, "b": 0.1}


def test_tracks_that_are_left_out_are_absent(api: FakeApi, client: SpotifyClient) -> None:
    api.on(FEATURES, content(payloads.reccobeats_features("b")))
    batch = client.audio_features(["a", "b", "c"])
    assert statuses(batch) == {"a": "absent", "b": "measured", "c": "absent"}
    assert (batch.unanswered, batch.problem, batch.set_aside) == ((), None, ())


@pytest.mark.parametrize(
    ("row", "item_id"),
    [
        (payloads.reccobeats_features("stranger"), "stranger"),
        ({**payloads.reccobeats_features("a"), "href": None}, None),
        ({**payloads.reccobeats_features("a"), "href": 5}, None),
        ({**payloads.reccobeats_features("a"), "href": ""}, ""),
        ({**payloads.reccobeats_features("a"), "href": "https://open.spotify.com/track/a\x00"}, None),
        (None, None),
        ("a", None),
    ],
    ids=["stranger", "null href", "number", "empty", "NUL", "null", "text"],
)
def test_a_row_of_no_track_that_was_asked_for_is_set_aside(
    api: FakeApi, client: SpotifyClient, row: object, item_id: str | None
) -> None:
    api.on(FEATURES, content(row, payloads.reccobeats_features("b")))
    batch = client.audio_features(["a", "b"])
    assert statuses(batch) == {"a": "absent", "b": "measured"}
    assert batch.set_aside == (SetAside("reccobeats/audio-features", item_id, "was not asked for"),)


@pytest.mark.parametrize(
    "href", ["https://open.spotify.com/track/a/", "spotify/track/a", "a"], ids=["slash", "relative", "bare"]
)
def test_the_id_is_the_end_of_any_href(api: FakeApi, client: SpotifyClient, href: str) -> None:
    api.on(FEATURES, content(payloads.reccobeats_features("a", href=href)))
    assert statuses(client.audio_features(["a"])) == {"a": "measured"}


def test_a_track_that_stands_there_twice_is_one_row(api: FakeApi, client: SpotifyClient) -> None:
    rows = [payloads.reccobeats_features("a", energy=0.1), payloads.reccobeats_features("a", energy=0.2)]
    api.on(FEATURES, content(*rows))
    assert client.audio_features(["a"]).frame["energy"].to_list() == [0.1]


@pytest.mark.parametrize("left_out", ["danceability", "acousticness", "key", "mode", "loudness", "tempo"])
def test_a_field_that_is_left_out_is_null_and_the_others_are_kept(
    api: FakeApi, client: SpotifyClient, left_out: str
) -> None:
    row = payloads.reccobeats_features("a")
    del row[left_out]
    api.on(FEATURES, content(row))
    features = client.audio_features(["a"]).frame.row(0, named=True)
    assert features["status"] == "measured"
    assert features[left_out] is None
    assert features["valence"] == 0.9


def test_a_row_without_any_feature_is_absent(api: FakeApi, client: SpotifyClient) -> None:
    api.on(FEATURES, content({"id": "x", "href": "https://open.spotify.com/track/a", "isrc": None}))
    batch = client.audio_features(["a"])
    assert batch.frame.select("status", "source").rows() == [("absent", None)]


@pytest.mark.parametrize(("name", "value"), [("energy", 1.2), ("key", 12), ("tempo", "fast"), ("mode", True)])
def test_a_value_that_no_column_holds_sets_its_row_aside_and_leaves_the_track_absent(
    api: FakeApi, client: SpotifyClient, name: str, value: object
) -> None:
    api.on(
        FEATURES,
        content(payloads.reccobeats_features("a", **{name: value}), payloads.reccobeats_features("b")),
    )
    batch = client.audio_features(["a", "b"])
    assert statuses(batch) == {"a": "absent", "b": "measured"}
    assert [(item.endpoint, item.item_id) for item in batch.set_aside] == [("reccobeats/audio-features", "a")]
    assert batch.set_aside[0].reason.startswith(f"{name} is ")


# --- Faults ---


def test_a_429_is_waited_for(api: FakeApi, client: SpotifyClient, fake_time: FakeTime) -> None:
    api.on(FEATURES, error_answer(429, Retry_After="9"), all_known)
    batch = client.audio_features(["a"])
    assert statuses(batch) == {"a": "measured"}
    assert batch.problem is None
    assert fake_time.slept == [9.0]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_that_passes_is_no_problem(api: FakeApi, client: SpotifyClient, status: int) -> None:
    api.on(FEATURES, Answer(b"<html>Bad Gateway</html>", status), Answer(fault="drop"), all_known)
    batch = client.audio_features(["a"])
    assert (statuses(batch), batch.problem) == ({"a": "measured"}, None)


TOO_MANY_IDS = {
    "timestamp": "2026-09-26T10:00:00Z",
    "status": 4004,
    "errors": [{"path": "getAudioFeatures.ids", "message": "size must be between 1 and 40"}],
}
FAULTS = pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error_answer(503, "Service unavailable"), "answered 503"),
        (Answer(fault="drop"), "the connection failed"),
        (error_answer(429, Retry_After="86400"), "call again after"),
        (Answer(TOO_MANY_IDS, 400), "answered 400"),
        (error_answer(401), "answered 401"),
        (Answer(b"error code: 1010", 403), "refused: error code: 1010"),
        (error_answer(404), "answered 404"),
        (Answer(b"<html>maintenance</html>"), "not JSON: '<html>maintenance</html>'"),
        (Answer(b""), "the answer is empty"),
        (Answer({"content": None}), "holds no list 'content'"),
        (Answer({"content": {}}), "holds no list 'content'"),
        (Answer({}), "holds no list 'content'"),
        (Answer([]), "holds no list 'content'"),
        (Answer(None), "holds no list 'content'"),
    ],
    ids=[
        "outage",
        "no connection",
        "a day's limit",
        "too many ids",
        "401",
        "cloudflare",
        "404",
        "html",
        "empty",
        "null content",
        "content is an object",
        "no content",
        "a list",
        "null",
    ],
)


@FAULTS
def test_a_fault_is_told_in_a_sentence_and_fails_nothing(
    api: FakeApi, client: SpotifyClient, caplog: pytest.LogCaptureFixture, answer: Answer, words: str
) -> None:
    """It is a courtesy of somebody else's that may vanish any day."""
    api.on(FEATURES, answer)
    with caplog.at_level(logging.WARNING):
        batch = client.audio_features(IDS[:3])
    assert batch.problem is not None
    assert batch.problem.startswith("ReccoBeats audio-features")
    assert words in batch.problem
    assert batch.unanswered == tuple(IDS[:3])
    assert statuses(batch) == dict.fromkeys(IDS[:3], "absent")
    assert "3 were not answered" in caplog.text


@FAULTS
def test_what_was_answered_before_a_fault_is_kept(
    api: FakeApi, make_client: MakeClient, answer: Answer, words: str
) -> None:
    api.on(FEATURES, all_known, answer)
    told: list[str] = []
    client = make_client(access=Access("development"), asks_reccobeats=True, threads=1)
    batch = client.audio_features(IDS, on_part=lambda part: told.extend(part.ids))
    assert words in str(batch.problem)
    assert told == IDS[:40]
    assert batch.unanswered == tuple(IDS[40:])
    assert [status for _, status in sorted(statuses(batch).items())] == ["measured"] * 40 + ["absent"] * 60


def test_a_limit_for_a_day_is_not_asked_again_before_its_time(
    api: FakeApi, client: SpotifyClient, fake_time: FakeTime
) -> None:
    api.on(FEATURES, error_answer(429, Retry_After="86400"), all_known)
    assert client.audio_features(["a"]).problem is not None
    assert client.audio_features(["a"]).problem is not None
    assert len(api.seen(FEATURES)) == 1
    fake_time.now += 86_400
    assert client.audio_features(["a"]).problem is None


def test_without_reccobeats_the_tracks_are_unanswered_and_the_reason_is_told(
    make_client: MakeClient,
) -> None:
    batch = make_client(access=Access("development")).audio_features(["a", "no id"])
    assert (batch.unanswered, batch.problem) == (("a",), NO_SOURCE_OF_FEATURES)
    assert statuses(batch) == {"a": "absent", "no id": "absent"}


def test_its_limit_is_not_spotifys(api: FakeApi, client: SpotifyClient, fake_time: FakeTime) -> None:
    """A pause for one service must not hold the other up."""
    api.on("/v1/albums/a", Answer(payloads.album("a")))
    api.on(FEATURES, error_answer(429, Retry_After="86400"))
    client.audio_features(["a"])
    assert client.albums(["a"], "US").releases.height == 1
    assert fake_time.slept == []


# --- Recorded answers ---


def tracks_in(name: str) -> list[str]:
    return [str(row["href"]).rpartition("/")[2] for row in body(name)["content"]]


def measured(api: FakeApi, client: SpotifyClient, name: str, ids: Sequence[str]) -> FeatureBatch:
    api.on(FEATURES, Answer(body(name)))
    return client.audio_features(ids)


@needs_recordings
@pytest.mark.parametrize("name", recorded("reccobeats_audio-features__*.json"))
def test_a_recorded_answer_is_read_whole(api: FakeApi, client: SpotifyClient, name: str) -> None:
    known = tracks_in(name)
    batch = measured(api, client, name, ["unknown1", *reversed(known), "unknown2"])
    assert (batch.problem, batch.set_aside) == (None, ())
    assert statuses(batch) == {
        "unknown1": "absent",
        **dict.fromkeys(known, "measured"),
        "unknown2": "absent",
    }
    rows = {str(row["track_id"]): row for row in batch.frame.iter_rows(named=True)}
    for row in body(name)["content"]:
        stored = rows[str(row["href"]).rpartition("/")[2]]
        for feature in set(records.AUDIO_FEATURES) - {"track_id", "status", "source"}:
            assert stored[feature] == row.get(feature)


@needs_recordings
def test_a_recorded_row_with_fields_left_out_is_measured(api: FakeApi, client: SpotifyClient) -> None:
    name = "reccobeats_audio-features__two_fields-left-out__quoted.json"
    frame = measured(api, client, name, tracks_in(name)).frame
    assert frame["status"].to_list() == ["measured"] * 2
    assert frame["danceability"].null_count() == 2
    assert frame["energy"].null_count() == 0
