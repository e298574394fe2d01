from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import requests

from spotify_assets.sandbox.model import reccobeats_features
from spotify_assets.sandbox.server import SandboxServer
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets_tests.sandbox.caller import NOW, Caller

LATER = NOW + timedelta(days=200)


@pytest.fixture
def track_ids(catalogue: SyntheticCatalogue) -> list[str]:
    albums = catalogue.new_releases(NOW).page(0, 60)
    return [track.track_id for album in albums for track in album.tracks][:40]


def _asked_of(row: dict[str, str]) -> str:
    return row["href"].rsplit("/", 1)[1]


def test_unknown_ids_are_left_out_and_rows_are_told_apart_by_href(
    catalogue: SyntheticCatalogue, track_ids: list[str]
) -> None:
    with SandboxServer(catalogue=catalogue, now=lambda: LATER) as server:
        caller = Caller(server)
        rows = caller.reccobeats("audio-features", ids=",".join([*track_ids[:39], "0" * 22])).json()[
            "content"
        ]
        caller.close()
    known = {}
    for track_id in track_ids[:39]:
        track = catalogue.find_track(track_id, LATER)
        assert track is not None
        features = reccobeats_features(track, LATER.date())
        if features is not None:
            known[track_id] = features
    assert 3 < len(known) < 35
    assert {_asked_of(row): row["energy"] for row in rows} == {
        key: value.energy for key, value in known.items()
    }
    assert all(row["id"] != _asked_of(row) for row in rows)
    # Someone who joins by position must be found out.
    assert [_asked_of(row) for row in rows] != list(known)


def test_a_row_lacks_what_reccobeats_lacks(catalogue: SyntheticCatalogue, track_ids: list[str]) -> None:
    with SandboxServer(catalogue=catalogue, now=lambda: LATER) as server:
        caller = Caller(server)
        rows = caller.reccobeats("audio-features", ids=track_ids).json()["content"]
        caller.close()
    assert rows
    assert not {"time_signature", "duration_ms", "uri"} & rows[0].keys()


@pytest.mark.parametrize(
    ("path", "where"), [("audio-features", "getAudioFeatures.ids"), ("track", "getTracks.ids")]
)
def test_more_than_forty_ids_or_none_are_refused(extended: Caller, path: str, where: str) -> None:
    body = {"status": 4004, "errors": [{"path": where, "message": "size must be between 1 and 40"}]}
    for ids in (",".join(["0" * 22] * 41), ""):
        answer = extended.reccobeats(path, ids=ids)
        assert (answer.status_code, answer.json()) == (400, body)
    assert extended.reccobeats(path, ids=",".join(["0" * 22] * 40)).json() == {"content": []}


def test_coverage_grows_with_age(catalogue: SyntheticCatalogue, track_ids: list[str]) -> None:
    def known(days: int) -> int:
        with SandboxServer(catalogue=catalogue, now=lambda: NOW + timedelta(days=days)) as server:
            caller = Caller(server)
            rows = caller.reccobeats("audio-features", ids=track_ids).json()["content"]
            caller.close()
        return len(rows)

    assert known(0) < known(200) < known(2000) <= 40


FEATURES = "reccobeats/audio-features"


@pytest.mark.parametrize("on", [FEATURES, "reccobeats/*"])
def test_it_misbehaves_when_named(serve: Callable[..., Caller], track_ids: list[str], on: str) -> None:
    caller = serve(now=lambda: LATER)
    server, ids = caller.server, ",".join(track_ids)
    right = caller.reccobeats("audio-features", ids=ids).json()
    server.set_faults(f"rate-limit=2.5:on={on}:times=1", f"status=503/html:on={on}:after=1:times=1")
    limited, down = (caller.reccobeats("audio-features", ids=ids) for _ in range(2))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2.5")
    assert (down.status_code, down.text[:6]) == (503, "<html>")
    server.set_faults(f"html:on={on}")
    assert caller.reccobeats("audio-features", ids=ids).text.startswith("<html>")
    server.set_faults(f"truncated:on={on}")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        caller.reccobeats("audio-features", ids=ids)
    server.set_faults(f"dropped:on={on}")
    with pytest.raises(requests.ConnectionError):
        caller.reccobeats("audio-features", ids=ids)
    server.set_faults(f"null-items:on={on}")
    rows = caller.reccobeats("audio-features", ids=ids).json()["content"]
    assert rows == [None, *right["content"][1:]]
    server.set_faults()
    assert caller.reccobeats("audio-features", ids=ids).json() == right
    assert server.report()["rate_limited_endpoints"] == {FEATURES: 1}


def test_it_needs_no_token_and_fails_when_told(catalogue: SyntheticCatalogue) -> None:
    with SandboxServer(catalogue=catalogue, faults=["rate-limit=3:on=reccobeats/audio-features"]) as server:
        caller = Caller(server)
        answer = caller.reccobeats("audio-features", ids="0" * 22)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
        assert caller.reccobeats("track", ids="0" * 22).status_code == 200
        caller.close()
