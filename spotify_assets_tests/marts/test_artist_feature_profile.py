"""Profiles of hand-made artists."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from spotify_assets_tests.marts import rows
from spotify_assets_tests.marts.rows import Row

AS_OF = datetime(2026, 3, 4, 9, tzinfo=UTC)


def _profiles(engine: Engine) -> dict[tuple[str, str], Row]:
    rows.build(engine, "track_catalog", AS_OF, lambda row: (row["album_id"], row["track_id"]))
    return rows.build(engine, "artist_feature_profile", AS_OF, lambda row: (row["artist_id"], row["feature"]))


def _tables(credited: dict[str, tuple[list[str], float | None]]) -> dict[str, list[Row]]:
    """One album; by track its artists and energy."""
    return {
        "spotify.releases": [rows.release("album", date(2026, 3, 2))],
        "spotify.tracks": [
            rows.track("album", track, artist_ids=artists, artist_names=[name.title() for name in artists])
            for track, (artists, _) in credited.items()
        ],
        "spotify.audio_features": [
            rows.features("album", track, energy=energy) for track, (_, energy) in credited.items()
        ],
    }


def test_every_credited_artist_counts_and_not_only_the_first(engine: Engine) -> None:
    rows.load(engine, _tables({"t1": (["ann", "bo"], 0.2), "t2": (["bo"], 0.6), "t3": (["cy", "ann"], 0.4)}))
    profiles = _profiles(engine)
    means = {artist: profiles[artist, "energy"]["mean"] for artist in ("ann", "bo", "cy")}
    assert means == pytest.approx({"ann": 0.3, "bo": 0.4, "cy": 0.4})
    assert [profiles[artist, "energy"]["n"] for artist in ("ann", "bo", "cy")] == [2, 2, 1]


def test_an_artist_named_twice_in_one_credit_counts_the_track_once(engine: Engine) -> None:
    rows.load(engine, _tables({"t1": (["ann", "ann"], 0.2), "t2": (["ann"], 0.6)}))
    row = _profiles(engine)["ann", "energy"]
    assert (row["n"], row["tracks"], row["mean"]) == (2, 2, pytest.approx(0.4))


def test_what_was_not_measured_is_null_and_counted(engine: Engine) -> None:
    rows.load(engine, _tables({"t1": (["ann"], None), "t2": (["ann", "bo"], 0.6)}))
    profiles = _profiles(engine)
    assert (profiles["ann", "energy"]["tracks"], profiles["ann", "energy"]["n"]) == (2, 1)
    row = profiles["ann", "valence"]
    values = ("mean", "median", "stddev", "p25", "p75", "z_vs_all")
    assert (row["tracks"], row["n"], [row[name] for name in values]) == (2, 0, [None] * 6)
    # One number has no spread that could be estimated.
    assert profiles["bo", "energy"]["stddev"] is None


def test_equal_values_have_no_spread_and_no_distance(engine: Engine) -> None:
    """Summed as doubles, three times 0.1 leaves a standard deviation, and a distance of thousands of it."""
    rows.load(engine, _tables({f"t{number}": (["ann"], 0.1) for number in range(3)}))
    row = _profiles(engine)["ann", "energy"]
    assert (row["stddev"], row["z_vs_all"]) == (0, None)


def test_the_distance_is_in_standard_deviations_of_all_tracks(engine: Engine) -> None:
    rows.load(engine, _tables({"t1": (["ann"], 0.2), "t2": (["bo"], 0.4), "t3": (["cy"], 0.6)}))
    profiles = _profiles(engine)
    assert [profiles[artist, "energy"]["z_vs_all"] for artist in ("ann", "bo", "cy")] == pytest.approx(
        [-1, 0, 1]
    )


def test_an_artist_that_is_not_loaded_yet_has_the_name_of_the_credit(engine: Engine) -> None:
    tables = _tables({"t1": (["ann", "bo"], 0.2)})
    loaded = rows.artist("bo", None) | {"name": "The Real Bo"}
    rows.load(engine, tables | {"spotify.artists": [loaded]})
    profiles = _profiles(engine)
    assert {artist: profiles[artist, "energy"]["artist_name"] for artist in ("ann", "bo")} == {
        "ann": "Ann",
        "bo": "The Real Bo",
    }
