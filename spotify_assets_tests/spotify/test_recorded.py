"""Recorded answers of the real API through the same code. They are no part of the project: see `recorded`."""

from datetime import date
from typing import Any

import polars as pl
import pytest
import requests

from spotify_assets.spotify import records
from spotify_assets.spotify.answers import Question, read_answer
from spotify_assets.spotify.batches import read_page
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import read_token
from spotify_assets.spotify.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    TransientError,
)
from spotify_assets.spotify.records import Batch, Rows
from spotify_assets_tests.spotify.fake_api import Answer, FakeApi, Seen
from spotify_assets_tests.spotify.recorded import body, ids_of, needs_recordings, raw, recorded

pytestmark = needs_recordings


def release_batch(values: list[Any]) -> Batch:
    rows = Rows("albums")
    for album_id, value in records.pair(rows, ids_of(values), values).items():
        if value is not None:
            rows.add(album_id, value, lambda item, key=album_id: records.release_row(key, item))  # type: ignore[misc]
    return rows.batch(records.RELEASES)


@pytest.mark.parametrize("name", recorded("browse_new-releases*.json"))
def test_a_recorded_page_of_new_releases_is_read_whole(name: str) -> None:
    page = read_page(body(name)["albums"], 0, "browse/new-releases")
    batch = records.sightings("US", enumerate(page.items, start=1))
    assert batch.set_aside == ()
    assert batch.frame["album_id"].to_list() == ids_of(page.items)
    assert batch.frame["album_type"].is_in(["album", "single", "compilation", "ep"]).all()


def albums_in(payload: Any) -> list[Any]:
    """Albums of a batch answer; one that was kept without its wrapper; or a single album."""
    if isinstance(payload, list):
        return payload
    return list(payload["albums"]) if "albums" in payload else [payload]


@pytest.mark.parametrize("name", recorded("albums_ids__*.json", "albums_id__*.json"))
def test_a_recorded_album_is_read_whole(name: str) -> None:
    values = albums_in(body(name))
    batch = release_batch(values)
    known = [value for value in values if value is not None]
    assert batch.set_aside == ()
    assert batch.frame["album_id"].to_list() == ids_of(known)
    for value in known:
        page = read_page(value["tracks"], 0, "albums")
        tracks = records.album_tracks(value["id"], page.items).batch(records.TRACKS)
        assert tracks.set_aside == ()
        assert tracks.frame["track_id"].to_list() == ids_of(page.items)


@pytest.mark.parametrize("name", recorded("albums_id_tracks__*.json"))
def test_a_recorded_page_of_tracks_is_read_whole(name: str) -> None:
    page = read_page(body(name), 0, "albums/{id}/tracks")
    batch = records.album_tracks("album", page.items).batch(records.TRACKS)
    assert batch.set_aside == ()
    assert batch.frame["track_id"].to_list() == ids_of(page.items)


@pytest.mark.parametrize("name", recorded("audio-features_ids__*.json", "audio-features_id__*.json"))
def test_recorded_audio_features_are_read_whole(name: str) -> None:
    payload = body(name)
    values = payload.get("audio_features", [payload])
    batch = records.audio_features(ids_of(values), values)
    expected = ["absent" if value is None else "measured" for value in values]
    assert batch.set_aside == ()
    assert batch.frame["status"].to_list() == expected
    for feature in ("danceability", "key", "loudness", "mode", "tempo", "time_signature"):
        assert batch.frame[feature].to_list() == [value and value[feature] for value in values]


@pytest.mark.parametrize(
    "name", recorded("tracks_ids__*.json", "tracks_id__*.json", "recommendations__*.json")
)
def test_recorded_tracks_are_read_whole(name: str) -> None:
    payload = body(name)
    values = payload.get("tracks", [payload])
    # Asked for by the id that was sent, as `linked_from` keeps it.
    asked = [
        key if value is None else (value.get("linked_from") or value)["id"]
        for key, value in zip(ids_of(values), values, strict=True)
    ]
    batch = records.track_details(asked, values)
    assert {item.reason for item in batch.set_aside} <= {"unknown to Spotify"}
    expected = [key for key, value in zip(asked, values, strict=True) if value is not None]
    assert batch.frame["track_id"].to_list() == expected


@pytest.mark.parametrize("name", recorded("artists_ids__*.json", "artists_id__*.json"))
def test_recorded_artists_are_read_whole(name: str) -> None:
    payload = body(name)
    values = payload.get("artists", [payload])
    batch = records.artists(ids_of(values), values)
    assert {item.reason for item in batch.set_aside} <= {"unknown to Spotify"}
    assert batch.frame["artist_id"].to_list() == ids_of(value for value in values if value is not None)
    assert batch.frame["followers"].null_count() == 0


_BY_STATUS: dict[str, tuple[type[ApiError], ...]] = {
    "400": (BadRequestError,),
    "401": (AuthenticationError,),
    "403": (ForbiddenError, RefusedError),
    "404": (NotFoundError,),
    "429": (RateLimitedError,),
    "502": (TransientError,),
}


@pytest.mark.parametrize("name", recorded("error_*.json"))
def test_a_recorded_error_is_a_typed_error(name: str) -> None:
    status = name.split("_")[1]
    response = requests.Response()
    response.status_code = int(status)
    response._content = raw(name)
    with pytest.raises(_BY_STATUS[status]):
        read_answer(Question("albums"), response, 0.0)


def test_the_recorded_403_of_audio_features_is_a_closed_endpoint() -> None:
    response = requests.Response()
    response.status_code = 403
    response._content = raw("error_403_audio-features_deprecated__issue.json")
    with pytest.raises(ForbiddenError):
        read_answer(Question("audio-features"), response, 0.0)


@pytest.mark.parametrize("name", recorded("token_client-credentials*.json"))
def test_a_recorded_token_answer_is_read(name: str) -> None:
    token = read_token(body(name), 1000.0, is_sandbox=False)
    assert 1000.0 < token.renew_at <= 1000.0 + 3600


def test_a_recorded_album_of_69_tracks_is_read_over_its_pages(api: FakeApi, client: SpotifyClient) -> None:
    album = body("albums_id__69-tracks_next__rspotify-ruby.json")
    second = body("albums_id_tracks__69-tracks_page-2__rspotify-ruby.json")

    def further(request: Seen) -> Answer:
        assert request.query["offset"] == "50"
        return Answer(second)

    api.on("/v1/albums", Answer({"albums": [album]}))
    api.on(f"/v1/albums/{album['id']}/tracks", further)
    batch = client.albums([album["id"]], "ES")
    assert batch.set_aside == ()
    assert batch.tracks["track_id"].n_unique() == batch.tracks.height == 69
    assert batch.tracks["disc_number"].n_unique() > 1


def test_the_release_date_of_2014_is_read() -> None:
    frame = release_batch([body("albums_id__js.json")]).frame
    assert isinstance(frame["release_date"].to_list()[0], date)
    assert frame.schema == pl.Schema(dict(records.RELEASES))
