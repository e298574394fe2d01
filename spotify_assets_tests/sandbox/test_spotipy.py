"""spotipy as a client: what most users will point at the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials

from spotify_assets_tests.sandbox.caller import Caller

# spotipy marks its own methods as deprecated where Spotify does.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:spotipy")


@pytest.fixture
def connect() -> Iterator[Callable[[Caller], spotipy.Spotify]]:
    sessions: list[requests.Session] = []

    def build(caller: Caller) -> spotipy.Spotify:
        session = requests.Session()
        sessions.append(session)
        credentials = SpotifyClientCredentials(
            "id", "secret", cache_handler=MemoryCacheHandler(), requests_session=session
        )
        credentials.OAUTH_TOKEN_URL = f"{caller.server.accounts_url}api/token"
        client = spotipy.Spotify(auth_manager=credentials, requests_session=session)
        client.prefix = caller.server.api_url
        return client

    yield build
    for session in sessions:
        session.close()


def test_spotipy_walks_from_new_releases_to_features(
    extended: Caller, connect: Callable[[Caller], spotipy.Spotify]
) -> None:
    client = connect(extended)
    page = client.new_releases(country="US", limit=50)["albums"]
    following = client.next(page)["albums"]
    assert following["offset"] == 50
    albums = client.albums([item["id"] for item in page["items"][:20]], market="US")["albums"]
    ids = [track["id"] for album in albums for track in album["tracks"]["items"]]
    assert [track["id"] for track in client.tracks(ids[:50], market="US")["tracks"]] == ids[:50]
    features = client.audio_features(ids[:100])
    assert len(features) == len(ids[:100])
    artist = albums[0]["artists"][0]
    assert client.artists([artist["id"]])["artists"][0]["name"] == artist["name"]
    assert client.artist_albums(artist["id"])["total"] >= 1
    assert client.album_tracks(albums[0]["id"])["total"] == albums[0]["total_tracks"]
    assert client.search("tag:new", type="album", market="US")["albums"]["limit"] == 10
    assert "US" in client.available_markets()["markets"]


def test_spotipy_sees_refusals_as_errors(
    development: Caller, connect: Callable[[Caller], spotipy.Spotify]
) -> None:
    client = connect(development)
    with pytest.raises(spotipy.SpotifyException) as removed:
        client.new_releases()
    assert removed.value.http_status == 403
    with pytest.raises(spotipy.SpotifyException) as too_many:
        client.search("tag:new", type="album", limit=11)
    assert (too_many.value.http_status, "Invalid limit" in str(too_many.value)) == (400, True)


def test_spotipy_gets_the_reason_of_a_quota(
    serve: Callable[..., Caller], connect: Callable[[Caller], spotipy.Spotify]
) -> None:
    client = connect(serve(faults=["quota=3600"]))
    with pytest.raises(spotipy.SpotifyException) as error:
        client.album("0" * 22)
    assert (error.value.http_status, error.value.reason) == (429, "QUOTA_EXCEEDED")
    assert error.value.headers["Retry-After"] == "3600"
