"""The real catalogue, served: every number must be the one of the source files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from spotify_assets.sandbox.server import SandboxServer
from spotify_assets_tests.sandbox.caller import Caller, chunks
from spotify_assets_tests.sandbox.real_catalogue import read_table, write_catalogue


@pytest.fixture(scope="module")
def caller(real_catalogue_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    target = tmp_path_factory.mktemp("catalogue") / "real.json.gz"
    write_catalogue(real_catalogue_folder, target)
    with SandboxServer(catalogue=target) as server:
        served = Caller(server)
        yield served
        served.close()


def _listed(caller: Caller) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while True:
        page = caller.json("browse/new-releases", limit=50, offset=len(items))["albums"]
        items += page["items"]
        if page["next"] is None:
            return items


def test_new_releases_list_every_album_newest_first(caller: Caller, real_catalogue_folder: Path) -> None:
    items = _listed(caller)
    source = read_table(real_catalogue_folder, "album")
    assert {(item["id"], item["name"], item["release_date"]) for item in items} == set(
        source.select("album_id", "album_name", "album_release_date").iter_rows()
    )
    years = [item["release_date"][:4] for item in items]
    assert years == sorted(years, reverse=True)
    assert sum(item["release_date_precision"] == "year" for item in items) == 13


def test_every_album_has_the_tracks_of_the_source_each_at_a_place_of_its_own(
    caller: Caller, real_catalogue_folder: Path
) -> None:
    source = read_table(real_catalogue_folder, "track").group_by("track_album_id").agg(pl.col("track_id"))
    expected = dict(source.iter_rows())
    for ids in chunks(read_table(real_catalogue_folder, "album")["album_id"].to_list(), 20):
        for album in caller.json("albums", ids=",".join(ids), market="US")["albums"]:
            tracks = album["tracks"]["items"]
            assert {track["id"] for track in tracks} == set(expected.get(album["id"], ()))
            assert album["total_tracks"] == len(tracks)
            places = [(track["disc_number"], track["track_number"]) for track in tracks]
            assert places == sorted(set(places))


def test_popularity_and_features_are_those_of_the_source(caller: Caller, real_catalogue_folder: Path) -> None:
    tracks = read_table(real_catalogue_folder, "track")
    popularity = dict(tracks.select("track_id", "track_popularity").iter_rows())
    energy = dict(read_table(real_catalogue_folder, "audio").select("track_id", "energy").iter_rows())
    for ids in chunks(tracks["track_id"].to_list()[:3000], 50):
        for track in caller.json("tracks", ids=",".join(ids))["tracks"]:
            assert track["popularity"] == popularity[track["id"]]
    for ids in chunks([*tracks["track_id"][:3000], "42R9EPdSn1ba7C0pY8pkxH"], 100):
        rows = caller.json("audio-features", ids=",".join(ids))["audio_features"]
        assert [row and row["energy"] for row in rows] == [energy.get(track_id) for track_id in ids]


def test_the_one_track_without_features_is_null(caller: Caller) -> None:
    assert caller.json("audio-features", ids="42R9EPdSn1ba7C0pY8pkxH") == {"audio_features": [None]}


def test_an_artist_the_tables_do_not_describe_is_null(caller: Caller, real_catalogue_folder: Path) -> None:
    described = set(read_table(real_catalogue_folder, "artist")["artist_id"])
    credited = set(read_table(real_catalogue_folder, "track")["track_artist_id"])
    unknown, known = min(credited - described), min(described)
    items = caller.json("artists", ids=f"{unknown},{known}")["artists"]
    assert items[0] is None
    assert items[1]["followers"]["total"] > 0
