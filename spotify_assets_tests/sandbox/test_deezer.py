from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.sandbox import codes, deezer
from spotify_assets.sandbox.catalogue_file import FileCatalogue, load_catalogue
from spotify_assets.sandbox.model import Album, Artist, Track
from spotify_assets.sandbox.names import GENRES
from spotify_assets.sandbox.server import SandboxOptions, SandboxServer
from spotify_assets.sandbox.synthetic import SyntheticCatalogue
from spotify_assets_tests.sandbox.caller import NOW, Caller

TODAY = NOW.date()
NO_DATA = {"error": {"type": "DataException", "message": "no data", "code": 800}}
QUOTA = {"error": {"type": "Exception", "message": "Quota limit exceeded", "code": 4}}
# What a client needs of each object.
ALBUM_KEYS = {
    "id",
    "title",
    "upc",
    "label",
    "genres",
    "nb_tracks",
    "fans",
    "release_date",
    "record_type",
    "available",
    "artist",
    "tracks",
}
EMBEDDED_KEYS = {"id", "title", "duration", "rank", "explicit_lyrics", "artist", "type"}
PAGED_KEYS = EMBEDDED_KEYS | {"isrc", "track_position", "disk_number"}


@pytest.fixture(scope="module")
def large() -> SyntheticCatalogue:
    return SyntheticCatalogue(albums=1500, seed=11)


@pytest.fixture(scope="module")
def albums(large: SyntheticCatalogue) -> list[Album]:
    return large.new_releases(NOW).page(0, 1500)


@pytest.fixture(scope="module")
def there(albums: list[Album]) -> list[Album]:
    return [album for album in albums if deezer.is_on_deezer(album)]


@pytest.fixture(scope="module")
def server(large: SyntheticCatalogue) -> Iterator[SandboxServer]:
    with SandboxServer(catalogue=large, now=lambda: NOW) as running:
        yield running


def get(server: SandboxServer, path: str, **params: Any) -> Any:
    answer = requests.get(f"{server.deezer_url}{path}", params=params, timeout=10)
    assert answer.status_code == 200
    return answer.json()


def paired(catalogue: SyntheticCatalogue, albums: list[Album]) -> list[tuple[Track, deezer.DeezerTrack]]:
    return [(t.track, t) for album in albums for t in deezer.deezer_tracks(catalogue, album, TODAY)]


def test_an_eighth_of_the_albums_is_not_there(albums: list[Album], there: list[Album]) -> None:
    assert 0.09 < 1 - len(there) / len(albums) < 0.15


def test_a_few_lookups_by_upc_answer_another_album_that_is_there(
    large: SyntheticCatalogue, there: list[Album]
) -> None:
    """Who does not compare the answer's UPC with the one asked for stores another album's figures."""
    answered = [deezer.answered_for(large, album, NOW) for album in there]
    others = [(album, other) for album, other in zip(there, answered, strict=True) if other != album]
    assert 0.01 < len(others) / len(there) < 0.04
    for album, other in others:
        assert other is not None
        assert deezer.is_on_deezer(other)
        assert deezer.stored_upc(other) != deezer.stored_upc(album)


def test_a_upc_is_found_without_its_leading_zeros_alone(
    large: SyntheticCatalogue, albums: list[Album]
) -> None:
    for album in albums[:400]:
        stored = deezer.stored_upc(album)
        assert deezer.find_upc(large, stored, NOW) == deezer.answered_for(large, album, NOW)
        if stored != album.upc:
            assert deezer.find_upc(large, album.upc, NOW) is None
    assert sum(album.upc.startswith("0") for album in albums[:400]) > 20


@pytest.mark.parametrize("upc", ["", "0", "602475093060x", "12345", "9" * 40, "٣٤٥"])
def test_a_upc_that_is_none_is_not_found(large: SyntheticCatalogue, upc: str) -> None:
    assert deezer.find_upc(large, upc, NOW) is None


def test_an_id_leads_back_to_its_album_where_that_is_there(
    large: SyntheticCatalogue, albums: list[Album]
) -> None:
    ids = [deezer.album_id(large, album) for album in albums]
    assert len(set(ids)) == len(albums)
    for album, deezer_id in zip(albums, ids, strict=True):
        expected = album if deezer.is_on_deezer(album) else None
        assert deezer.find_album(large, deezer_id, NOW) == expected


def test_an_album_is_not_there_before_it_is_out(large: SyntheticCatalogue) -> None:
    newest = large.calendar.newest(NOW)
    coming = next(
        album for k in range(newest + 1, newest + 50) if deezer.is_on_deezer(album := large.album(k))
    )
    assert deezer.find_album(large, deezer.album_id(large, coming), NOW) is None
    assert deezer.find_upc(large, deezer.stored_upc(coming), NOW) is None


@given(st.integers(0, 10**10 - 1), st.integers(0, 9999))
def test_the_ids_of_albums_and_tracks_can_be_read_back(album: int, place: int) -> None:
    assert codes.album_of_deezer_id(codes.deezer_album_id(album)) == album
    track_id = codes.deezer_track_id(album, place)
    assert codes.track_of_deezer_id(track_id) == (album, place)
    # Larger ones lose digits in a client that reads JSON numbers as floats.
    assert 0 < track_id < 2**53


@given(st.integers())
def test_any_number_as_an_id_never_raises(number: int) -> None:
    codes.album_of_deezer_id(number)
    codes.track_of_deezer_id(number)


def test_a_few_tracks_are_missing_and_the_others_keep_their_places(
    large: SyntheticCatalogue, there: list[Album]
) -> None:
    missing = 0
    for album in there:
        found = [item.track for item in deezer.deezer_tracks(large, album, TODAY)]
        assert found[0] == album.tracks[0]
        assert [track for track in album.tracks if track in found] == found
        missing += album.total_tracks - len(found)
    assert 0.015 < missing / sum(album.total_tracks for album in there) < 0.04


def test_a_few_tracks_are_another_recording_of_another_length_and_isrc(
    large: SyntheticCatalogue, there: list[Album]
) -> None:
    pairs = paired(large, there)
    others = [(track, item) for track, item in pairs if not item.is_same_recording]
    assert 0.02 < len(others) / len(pairs) < 0.04
    for track, item in others:
        assert abs(item.duration - track.duration_ms / 1000) > 3
        assert item.isrc != track.isrc
        assert len(item.isrc) == 12
        assert large.find_isrc(item.isrc, NOW) is None
        assert item.duration > 0


def test_the_same_recording_has_its_isrc_and_its_length_in_seconds_give_or_take_one(
    large: SyntheticCatalogue, there: list[Album]
) -> None:
    differences = set()
    for track, item in paired(large, there):
        if item.is_same_recording:
            assert item.isrc == track.isrc
            differences.add(item.duration - round(track.duration_ms / 1000))
    assert differences == {-1, 0, 1}


def test_rank_grows_with_popularity_and_moves_from_day_to_day(
    large: SyntheticCatalogue, there: list[Album]
) -> None:
    tracks = [album.tracks[0] for album in there[:300]]
    by_popularity = sorted(tracks, key=lambda track: large.popularity(track, TODAY))
    ranks = [deezer.rank(large, track, TODAY) for track in by_popularity]
    third = len(ranks) // 3
    assert max(ranks[:third]) < min(ranks[-third:])
    assert all(0 <= rank <= 1_000_000 for rank in ranks)
    moved = [deezer.rank(large, track, TODAY + timedelta(days=1)) for track in by_popularity]
    assert sum(before != after for before, after in zip(ranks, moved, strict=True)) > 0.95 * len(ranks)
    assert [deezer.rank(large, track, TODAY) for track in by_popularity] == ranks


@pytest.mark.parametrize(("popularity", "low", "high"), [(0, 90_000, 110_000), (100, 950_000, 1_000_000)])
def test_the_hardly_played_rank_about_a_hundred_thousand(
    tmp_path: Path, popularity: int, low: int, high: int
) -> None:
    catalogue = given_catalogue(tmp_path, popularity=popularity)
    track = catalogue.tracks["1" * 22]
    ranks = [deezer.rank(catalogue, track, date(2026, 1, 1) + timedelta(days=day)) for day in range(200)]
    assert low < min(ranks) < max(ranks) <= high
    assert len(set(ranks)) > 50


def test_fans_never_fall_and_gain_with_time(there: list[Album]) -> None:
    days = [TODAY + timedelta(days=days) for days in (0, 1, 7, 30, 365)]
    for album in there[:200]:
        fans = [deezer.fans(album, day) for day in days]
        assert fans == sorted(fans)
        assert fans[-1] > fans[0]


def test_every_album_has_one_to_three_genres_from_those_of_its_artist_where_there_are_any(
    large: SyntheticCatalogue, there: list[Album]
) -> None:
    for album in there[:300]:
        artist = large.find_artist(album.artists[0].artist_id, NOW)
        found = deezer.genres(album, artist)
        assert 1 <= len(found) <= 3
        assert len(set(found)) == len(found)
    band = Artist("B" * 22, "Band", ("k-pop", "latin pop", "synthpop", "j-pop"), "", 0, 0)
    names = [genre.name for genre in deezer.genres(there[0], band)]
    assert names == ["Asian Music", "Latin Music", "Pop"]
    for genre in GENRES:
        artist = Artist("B" * 22, "Band", (genre,), "", 0, 0)
        # Every genre of the synthetic catalogue is known: the album, which a draw depends on, does not matter.
        assert len({deezer.genres(album, artist) for album in there[:20]}) == 1, genre


def given_catalogue(folder: Path, **track: Any) -> FileCatalogue:
    """Two albums given as a file, as an export would be."""
    path = folder / "catalogue.json"
    albums = [
        {"id": "A" * 22, "name": "First", "release_date": "2020-11-06", "upc": "00602475093060"},
        {"id": "C" * 22, "name": "Second", "release_date": "2021"},
    ]
    tracks = [
        {"id": "1" * 22, "album_id": "A" * 22, "name": "One", "duration_ms": 1200, **track},
        {"id": "2" * 22, "album_id": "A" * 22, "name": "Two", "isrc": "USUM72409273", **track},
    ]
    path.write_text(json.dumps({"albums": albums, "tracks": tracks}), encoding="utf-8")
    return load_catalogue(path)


def test_a_given_catalogue_is_on_deezer_too(tmp_path: Path) -> None:
    catalogue = given_catalogue(tmp_path)
    first, second = catalogue.albums["A" * 22], catalogue.albums["C" * 22]
    assert deezer.is_on_deezer(first)
    assert deezer.find_upc(catalogue, "602475093060", NOW) == first
    assert deezer.find_album(catalogue, deezer.album_id(catalogue, first), NOW) == first
    assert catalogue.numbered_album(2, NOW) is None
    assert catalogue.numbered_album(-1, NOW) is None
    found = deezer.deezer_tracks(catalogue, first, TODAY)
    assert all(item.isrc and item.duration >= 0 for item in found)
    assert deezer.stored_upc(second) == ""
    assert deezer.deezer_tracks(catalogue, second, TODAY) == []
    assert deezer.fans(second, TODAY) == 0


def test_an_album_without_artist_or_track_is_answered(tmp_path: Path) -> None:
    catalogue = given_catalogue(tmp_path)
    with SandboxServer(catalogue=catalogue) as server:
        for album in catalogue.albums.values():
            body = get(server, f"album/{deezer.album_id(catalogue, album)}")
            assert body == NO_DATA or body["title"] == album.name
        assert get(server, "album/upc:602475093060")["upc"] == "602475093060"


def test_an_album_is_answered_by_upc_and_by_id_alike(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album]
) -> None:
    for album in [album for album in there if deezer.answered_for(large, album, NOW) == album][:40]:
        body = get(server, f"album/upc:{deezer.stored_upc(album)}")
        assert get(server, f"album/{body['id']}") == body
        assert body["id"] == deezer.album_id(large, album)
        assert (body["title"], body["label"]) == (album.name, album.label)
        assert body["upc"] == album.upc.lstrip("0")
        assert body["release_date"] == album.released_on.isoformat()
        assert body["record_type"] in {"album", "single", "compile"}
        assert body["fans"] == deezer.fans(album, TODAY)
        assert body["artist"]["name"] == album.artists[0].name
        assert body["nb_tracks"] == len(deezer.deezer_tracks(large, album, TODAY))
        assert all(genre.keys() == {"id", "name", "type"} for genre in body["genres"]["data"])


def test_the_embedded_tracks_have_neither_isrc_nor_position(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album]
) -> None:
    for album in there[:40]:
        tracks = get(server, f"album/{deezer.album_id(large, album)}")["tracks"]["data"]
        assert all(track.keys() >= EMBEDDED_KEYS for track in tracks)
        assert not any(track.keys() & {"isrc", "track_position", "disk_number"} for track in tracks)


def test_a_long_album_embeds_fifty_tracks_and_has_all_of_them_on_its_pages(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album]
) -> None:
    album = next(album for album in there if album.total_tracks > 60)
    expected = deezer.deezer_tracks(large, album, TODAY)
    path = f"album/{deezer.album_id(large, album)}"
    body = get(server, path)
    assert (len(body["tracks"]["data"]), body["nb_tracks"]) == (50, len(expected))
    pages = [get(server, f"{path}/tracks")]
    while "next" in pages[-1]:
        pages.append(requests.get(pages[-1]["next"], timeout=10).json())
    assert [len(page["data"]) for page in pages[:-1]] == [25] * (len(pages) - 1)
    assert {page["total"] for page in pages} == {len(expected)}
    assert ["prev" in page for page in pages] == [False] + [True] * (len(pages) - 1)
    items = [item for page in pages for item in page["data"]]
    assert all(item.keys() >= PAGED_KEYS for item in items)
    answered = [
        (
            item["id"],
            item["isrc"],
            item["disk_number"],
            item["track_position"],
            item["duration"],
            item["rank"],
        )
        for item in items
    ]
    assert answered == [
        (t.deezer_id, t.isrc, t.track.disc_number, t.track.track_number, t.duration, t.rank) for t in expected
    ]


def test_a_page_of_tracks_has_at_most_a_hundred_and_its_links_keep_the_limit() -> None:
    """A limit above it is cut, not refused: who counts on 500 gets 100 and must follow next."""
    catalogue = SyntheticCatalogue(albums=10, tracks_per_album=127)
    album = next(album for album in catalogue.new_releases(NOW).page(0, 10) if deezer.is_on_deezer(album))
    path = f"album/{deezer.album_id(catalogue, album)}/tracks"
    with SandboxServer(catalogue=catalogue, now=lambda: NOW) as server:
        first = get(server, path, limit=500)
        assert (len(first["data"]), first["total"] > 110) == (100, True)
        assert first["next"] == f"{server.deezer_url}{path}?limit=100&index=100"
        rest = requests.get(first["next"], timeout=10).json()
        assert len(rest["data"]) == first["total"] - 100
        assert rest["prev"] == f"{server.deezer_url}{path}?limit=100&index=0"
        assert get(server, path, limit=2, index=4)["data"] == first["data"][4:6]


def test_the_upc_in_the_answer_tells_another_album_than_the_one_asked_for(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album]
) -> None:
    mistaken = [album for album in there if deezer.answered_for(large, album, NOW) != album]
    for album in mistaken[:10]:
        asked = deezer.stored_upc(album)
        assert get(server, f"album/upc:{asked}")["upc"] != asked
        assert get(server, f"album/{deezer.album_id(large, album)}")["upc"] == asked


@pytest.mark.parametrize(
    ("params", "count"),
    [({"limit": "many"}, 25), ({"limit": "0"}, 25), ({"index": "-1"}, 25), ({"index": "9" * 30}, 25)],
)
def test_a_window_that_makes_no_sense_is_as_if_it_was_not_given(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album], params: dict[str, str], count: int
) -> None:
    album = next(album for album in there if album.total_tracks > 30)
    body = get(server, f"album/{deezer.album_id(large, album)}/tracks", **params)
    assert len(body["data"]) == count


def test_beyond_the_last_track_a_page_is_empty(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album]
) -> None:
    body = get(server, f"album/{deezer.album_id(large, there[0])}/tracks", index=500)
    assert (body["data"], "next" in body) == ([], False)


@pytest.mark.parametrize(
    "path",
    [
        "album/upc:12345",
        "album/upc:asdf",
        "album/upc:",
        "album/asdf",
        "album/1",
        "album/1/tracks",
        "album/x/tracks",
        "album/-5",
        f"album/{'9' * 30}",
    ],
)
def test_what_is_unknown_or_malformed_is_no_data_with_status_200(server: SandboxServer, path: str) -> None:
    assert get(server, path) == NO_DATA


def test_an_album_that_is_not_there_is_no_data_by_upc_and_by_id(
    server: SandboxServer, large: SyntheticCatalogue, albums: list[Album]
) -> None:
    album = next(album for album in albums if not deezer.is_on_deezer(album))
    assert get(server, f"album/upc:{deezer.stored_upc(album)}") == NO_DATA
    assert get(server, f"album/{deezer.album_id(large, album)}") == NO_DATA
    assert get(server, f"album/{deezer.album_id(large, album)}/tracks") == NO_DATA


def test_ranks_are_those_of_the_day_of_the_servers_clock(
    large: SyntheticCatalogue, there: list[Album]
) -> None:
    clock = [NOW]
    path = f"album/{deezer.album_id(large, there[0])}"
    with SandboxServer(catalogue=large, now=lambda: clock[0]) as server:
        for days in (0, 1, 2):
            clock[0] = NOW + timedelta(days=days)
            ranks = [track["rank"] for track in get(server, path)["tracks"]["data"]]
            expected = deezer.deezer_tracks(large, there[0], clock[0].date())
            assert ranks == [track.rank for track in expected][:50]


def _types(body: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in body.items()}


def test_the_recorded_album_has_the_keys_and_types_that_ours_has(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album], recorded: Path
) -> None:
    theirs = json.loads((recorded / "deezer_album_id__2024__harmony.json").read_text(encoding="utf-8"))
    ours = get(server, f"album/{deezer.album_id(large, there[0])}")
    assert ours.keys() >= ALBUM_KEYS
    assert _types(ours).items() <= _types(theirs).items()
    pairs = [
        (ours["artist"], theirs["artist"]),
        (ours["genres"]["data"][0], theirs["genres"]["data"][0]),
        (ours["tracks"]["data"][0], theirs["tracks"]["data"][0]),
    ]
    for our_part, their_part in pairs:
        assert _types(our_part).items() <= _types(their_part).items()
    assert not theirs["tracks"]["data"][0].keys() & {"isrc", "track_position", "disk_number"}


def test_the_recorded_track_has_the_keys_and_types_that_ours_has(
    server: SandboxServer, large: SyntheticCatalogue, there: list[Album], recorded: Path
) -> None:
    theirs = json.loads((recorded / "deezer_track_id__2024__harmony.json").read_text(encoding="utf-8"))
    ours = get(server, f"album/{deezer.album_id(large, there[0])}/tracks")["data"][0]
    assert _types(ours).items() <= _types(theirs).items()


def test_calls_are_counted_under_deezers_names(serve: Callable[..., Caller]) -> None:
    server = serve().server
    server.reset_calls()
    for path in ("album/upc:012", "album/5", "album/5/tracks"):
        get(server, path)
    assert [(call.endpoint, call.status, call.asked) for call in server.requests] == [
        ("deezer/album/upc:{upc}", 200, "012"),
        ("deezer/album/{id}", 200, "5"),
        ("deezer/album/{id}/tracks", 200, "5"),
    ]


def test_more_calls_in_five_seconds_than_allowed_are_the_quota_error(serve: Callable[..., Caller]) -> None:
    ticks = [0.0]
    caller = serve(options=SandboxOptions(ticks=lambda: ticks[0]), deezer_limit=2)
    server = caller.server
    assert [get(server, path) for path in ("album/1", "album/upc:1", "album/1/tracks")] == [
        NO_DATA,
        NO_DATA,
        QUOTA,
    ]
    assert caller.get("markets").status_code == 200
    ticks[0] = 4.9
    assert get(server, "album/1") == QUOTA
    ticks[0] = 5.0
    assert get(server, "album/1") == NO_DATA
    assert (server.report()["deezer_quota"], server.report()["rate_limited"]) == (2, 0)


def test_it_needs_no_token_and_no_fault_without_a_name_reaches_it(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["status=503", "rate-limit"])
    assert caller.get("markets").status_code == 429
    assert get(caller.server, "album/1") == NO_DATA


def test_the_quota_error_can_be_had_on_all_of_deezer_or_on_one_endpoint(serve: Callable[..., Caller]) -> None:
    caller = serve(faults=["deezer-quota:times=2"])
    paths = ("album/1", "album/1/tracks", "album/1")
    assert [get(caller.server, path) for path in paths] == [QUOTA, QUOTA, NO_DATA]
    assert caller.get("markets").status_code == 200
    caller.server.set_faults("deezer-quota:on=deezer/album/upc:{upc}")
    assert [get(caller.server, path) for path in ("album/1", "album/upc:1")] == [NO_DATA, QUOTA]


@pytest.mark.parametrize("on", ["deezer/*", "deezer/album/upc:{upc}"])
def test_deezer_misbehaves_when_named(serve: Callable[..., Caller], on: str) -> None:
    server = serve(catalogue=SyntheticCatalogue(50)).server
    url = f"{server.deezer_url}album/upc:12345"
    server.set_faults(f"status=503/html:on={on}:times=1", f"rate-limit=7:on={on}:after=1")
    down, limited = requests.get(url, timeout=10), requests.get(url, timeout=10)
    assert (down.status_code, down.text[:6]) == (503, "<html>")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    server.set_faults(f"html:on={on}")
    assert requests.get(url, timeout=10).text.startswith("<html>")
    server.set_faults(f"dropped:on={on}")
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)
    server.set_faults(f"truncated:on={on}")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)
    server.set_faults()
    assert get(server, "album/upc:12345") == NO_DATA


def test_the_first_track_of_an_answer_can_be_null(large: SyntheticCatalogue, there: list[Album]) -> None:
    path = f"album/{deezer.album_id(large, there[0])}"
    with SandboxServer(catalogue=large, now=lambda: NOW, faults=["null-items:on=deezer/*"]) as server:
        assert get(server, path)["tracks"]["data"][0] is None
        assert get(server, f"{path}/tracks")["data"][0] is None
