"""The arithmetic of a load: how many calls it takes by kind of key, and how long a limit makes it."""

from collections.abc import Set

import pytest

from spotify_assets.spotify.endpoints import (
    ACCOUNTS,
    ALBUM,
    ALBUMS,
    ARTISTS,
    AUDIO_FEATURES,
    CLOSABLE,
    DEEZER,
    DEEZER_ALBUM_BY_UPC,
    DEEZER_TRACKS,
    NEW_RELEASES,
    RECCOBEATS,
    RECCOBEATS_FEATURES,
    SPOTIFY,
    TOKEN,
    TRACK,
    TRACKS,
)
from spotify_assets.spotify.forecast import Choices, Workload, expected_calls, least_seconds
from spotify_assets.spotify.pacing import Pacing

HUNDRED = Workload(albums=100, tracks=1000, artists=120)
NOTHING = Choices(asks_single_tracks=False, asks_reccobeats=False, asks_deezer=False)
ALL = Choices(asks_single_tracks=True, asks_reccobeats=True, asks_deezer=True)
OPEN: Set[str] = frozenset()
DEVELOPMENT = frozenset(CLOSABLE)


def with_choice(**chosen: bool) -> Choices:
    return Choices(**{**vars(NOTHING), **chosen})


def test_an_extended_key_takes_38_calls_for_100_albums() -> None:
    assert expected_calls(HUNDRED, OPEN, NOTHING) == {ALBUMS: 5, AUDIO_FEATURES: 10, TRACKS: 20, ARTISTS: 3}


def test_an_extended_key_makes_no_use_of_single_calls_and_reccobeats() -> None:
    choices = with_choice(asks_single_tracks=True, asks_reccobeats=True)
    assert expected_calls(HUNDRED, OPEN, choices) == expected_calls(HUNDRED, OPEN, NOTHING)


@pytest.mark.parametrize(
    ("choices", "of_features"),
    [(NOTHING, {}), (with_choice(asks_reccobeats=True), {RECCOBEATS_FEATURES: 25})],
    ids=["nobody", "reccobeats"],
)
def test_an_extended_key_without_features_asks_reccobeats_or_nobody(
    choices: Choices, of_features: dict[str, int]
) -> None:
    assert expected_calls(HUNDRED, {AUDIO_FEATURES}, choices) == {
        ALBUMS: 5,
        TRACKS: 20,
        ARTISTS: 3,
        **of_features,
    }


@pytest.mark.parametrize(
    ("choices", "beside"),
    [
        (NOTHING, {}),
        (with_choice(asks_single_tracks=True), {TRACK: 1000}),
        (with_choice(asks_reccobeats=True), {RECCOBEATS_FEATURES: 25}),
        (with_choice(asks_deezer=True), {DEEZER_ALBUM_BY_UPC: 100, DEEZER_TRACKS: 100}),
        (
            ALL,
            {TRACK: 1000, RECCOBEATS_FEATURES: 25, DEEZER_ALBUM_BY_UPC: 100, DEEZER_TRACKS: 100},
        ),
    ],
    ids=["nothing", "single tracks", "reccobeats", "deezer", "all"],
)
def test_a_development_key_takes_a_call_an_album_and_what_is_chosen(
    choices: Choices, beside: dict[str, int]
) -> None:
    assert expected_calls(HUNDRED, DEVELOPMENT, choices) == {ALBUM: 100, **beside}


def test_deezer_is_asked_whatever_the_key() -> None:
    calls = expected_calls(HUNDRED, OPEN, with_choice(asks_deezer=True))
    assert calls[DEEZER_ALBUM_BY_UPC] == calls[DEEZER_TRACKS] == 100


def test_the_list_of_new_releases_is_no_part_of_a_load() -> None:
    assert expected_calls(HUNDRED, {NEW_RELEASES}, NOTHING) == expected_calls(HUNDRED, OPEN, NOTHING)


@pytest.mark.parametrize(
    ("work", "calls"),
    [
        (Workload(0, 0, 0), {}),
        (Workload(1, 1, 1), {ALBUMS: 1, TRACKS: 1, AUDIO_FEATURES: 1, ARTISTS: 1}),
        (Workload(20, 50, 50), {ALBUMS: 1, TRACKS: 1, AUDIO_FEATURES: 1, ARTISTS: 1}),
        (Workload(21, 101, 51), {ALBUMS: 2, TRACKS: 3, AUDIO_FEATURES: 2, ARTISTS: 2}),
        (Workload(5, 0, 0), {ALBUMS: 1}),
    ],
    ids=["nothing", "one", "full batches", "one more", "albums alone"],
)
def test_a_batch_that_is_not_full_is_a_call_and_none_is_none(work: Workload, calls: dict[str, int]) -> None:
    assert expected_calls(work, OPEN, NOTHING) == calls


def test_the_longest_batches_of_reccobeats_are_forty() -> None:
    calls = expected_calls(Workload(1, 41, 1), DEVELOPMENT, with_choice(asks_reccobeats=True))
    assert calls[RECCOBEATS_FEATURES] == 2


def test_a_known_limit_imposes_a_time_and_an_unknown_one_none() -> None:
    calls = expected_calls(HUNDRED, DEVELOPMENT, ALL)
    pacings = {SPOTIFY: Pacing(most=100), DEEZER: Pacing(most=300), RECCOBEATS: Pacing()}
    # 1100 calls to Spotify at 100 in 30 s; 200 to Deezer at 300.
    assert least_seconds(calls, pacings) == {SPOTIFY: 330, DEEZER: 20}
    assert least_seconds(calls, {}) == {}


def test_calls_to_one_service_are_added_up_and_the_token_services_are_its_own() -> None:
    pacings = {SPOTIFY: Pacing(most=10, window=5), ACCOUNTS: Pacing(most=1)}
    assert least_seconds({ALBUMS: 3, TRACKS: 7, TOKEN: 1}, pacings) == {SPOTIFY: 5, ACCOUNTS: 30}
    assert least_seconds({}, pacings) == {}
