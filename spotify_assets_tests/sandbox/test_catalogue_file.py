from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from spotify_assets.sandbox.catalogue_file import CatalogueFileError, load_catalogue
from spotify_assets.sandbox.markets import MARKETS
from spotify_assets_tests.sandbox.caller import NOW

ALBUM = {"id": "A" * 22, "name": "First", "release_date": "2026-11"}
TRACKS = [{"id": f"{n}" * 22, "album_id": "A" * 22, "name": f"Song {n}"} for n in range(1, 6)]
FEATURES = {
    "id": "1" * 22,
    **dict.fromkeys(
        ("danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness", "valence"),
        0.5,
    ),
    "key": -1,
    "loudness": -7,
    "mode": 1,
    "tempo": 0,
}


def write(folder: Path, **lists: Any) -> Path:
    path = folder / "catalogue.json"
    path.write_text(json.dumps({"albums": [ALBUM], "tracks": TRACKS, **lists}), encoding="utf-8")
    return path


def test_what_is_missing_is_filled_in(tmp_path: Path) -> None:
    catalogue = load_catalogue(write(tmp_path, audio_features=[FEATURES]))
    album = catalogue.find_album("A" * 22, NOW)
    assert album is not None
    assert (album.album_type, album.release_date_precision, album.markets) == ("album", "month", MARKETS)
    assert [(track.disc_number, track.track_number) for track in album.tracks] == [
        (1, n) for n in range(1, 6)
    ]
    first, second = album.tracks[:2]
    assert first.audio_features is not None
    assert first.audio_features.time_signature == 4
    assert second.audio_features is None


def test_a_track_number_that_comes_again_begins_the_next_disc(tmp_path: Path) -> None:
    """Exports often lack the disc; two tracks at one place would collide in the warehouse."""
    numbers = (1, 2, 1, 2, 1)
    tracks = [{**track, "track_number": number} for track, number in zip(TRACKS, numbers, strict=True)]
    album = load_catalogue(write(tmp_path, tracks=tracks)).find_album("A" * 22, NOW)
    assert album is not None
    assert [(t.disc_number, t.track_number) for t in album.tracks] == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]


def test_artists_go_from_album_to_track_and_back(tmp_path: Path) -> None:
    artists = [{"id": "B" * 22, "name": "Band"}]
    from_album = load_catalogue(
        write(tmp_path, albums=[{**ALBUM, "artist_ids": ["B" * 22]}], artists=artists)
    )
    assert from_album.tracks["1" * 22].artists[0].name == "Band"
    from_track = load_catalogue(write(tmp_path, tracks=[{**TRACKS[0], "artist_ids": ["B" * 22, "C" * 22]}]))
    assert [credit.name for credit in from_track.albums["A" * 22].artists] == ["B" * 22, "C" * 22]


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json.gz"
    path.write_bytes(gzip.compress(write(tmp_path).read_bytes()))
    assert load_catalogue(path).new_releases(NOW).total == 1


def test_an_album_without_tracks_is_served(tmp_path: Path) -> None:
    catalogue = load_catalogue(write(tmp_path, tracks=[]))
    assert catalogue.albums["A" * 22].total_tracks == 0


@pytest.mark.parametrize(
    ("lists", "complaint"),
    [
        ({"albums": [{"id": "A" * 22, "name": "x"}]}, r"albums\[0\] \(id A+\): release_date is missing"),
        ({"albums": [{**ALBUM, "name": 5}]}, r"albums\[0\] \(id A+\): name must be text, is 5"),
        ({"albums": [{**ALBUM, "release_date": "soon"}]}, r"albums \(id A+\): release_date must be YYYY"),
        ({"albums": [{**ALBUM, "release_date": "2026-13"}]}, r"release_date must be YYYY.* is '2026-13'"),
        (
            {"albums": [{**ALBUM, "id": "short"}]},
            r"albums\[0\] \(id short\): id must be 22 letters and digits",
        ),
        ({"albums": [ALBUM, ALBUM]}, r"albums: id A+ is there 2 times"),
        ({"albums": ["x"]}, r"albums\[0\] must be an object"),
        ({"albums": {}}, "albums must be a list"),
        ({"albums": [{**ALBUM, "markets": [1]}]}, "markets must be a list of texts"),
        (
            {"tracks": [{**TRACKS[0], "popularity": True}]},
            r"tracks\[0\].*popularity must be a whole number, is True",
        ),
        (
            {"tracks": [{**TRACKS[0], "explict": True}]},
            r"tracks\[0\].*unknown field explict; there are id, album_id",
        ),
        (
            {"tracks": [{**TRACKS[0], "album_id": "Z" * 22}]},
            r"tracks \(id 1+\): album_id Z+ is not among the albums",
        ),
        ({"audio_features": [{"id": "1" * 22}]}, r"audio_features\[0\] \(id 1+\): danceability is missing"),
        (
            {"audio_features": [{**FEATURES, "id": "9" * 22}]},
            r"audio_features \(id 9+\): no track has this id",
        ),
        ({"songs": []}, "unknown list 'songs'"),
    ],
)
def test_a_complaint_names_file_item_and_field(tmp_path: Path, lists: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path, **lists)
    with pytest.raises(CatalogueFileError, match=complaint) as raised:
        load_catalogue(path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must be an object"),
        (b"{}", "has no albums"),
        (b"\xff\xfe", "is not JSON"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(CatalogueFileError, match=complaint):
        load_catalogue(path)


def test_a_broken_or_missing_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    with pytest.raises(CatalogueFileError, match="cannot be read"):
        load_catalogue(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(CatalogueFileError, match=r"cannot be read|is not JSON"):
        load_catalogue(path)
    path.write_bytes(gzip.compress(b"{}" * 1000)[:-12])
    with pytest.raises(CatalogueFileError, match="is not JSON"):
        load_catalogue(path)
