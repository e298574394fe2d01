"""Which track of Deezer's is which of Spotify's: by ISRC, else by place and length, and never by guessing."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.spotify.deezer_matching import (
    MOST_DIFFERENCE_MS,
    DeezerTrack,
    SpotifyTrack,
    matches,
)


def here(
    track_id: str = "a", place: tuple[int, int] = (1, 1), length: int = 200_000, isrc: str | None = None
) -> SpotifyTrack:
    return SpotifyTrack(track_id, *place, length, isrc)


def there(
    deezer_id: int = 1,
    place: tuple[int | None, int | None] = (1, 1),
    length: int = 200,
    isrc: str | None = None,
) -> DeezerTrack:
    return DeezerTrack(deezer_id, 500_000, length, *place, isrc)


def pairs(spotify: list[SpotifyTrack], deezer: list[DeezerTrack]) -> dict[str, tuple[int, str]]:
    return {
        match.track_id: (match.deezer_track.deezer_track_id, match.matched_by)
        for match in matches(spotify, deezer)
    }


# --- By ISRC ---


def test_one_isrc_is_one_recording_wherever_it_stands_and_however_long_it_is() -> None:
    assert pairs([here(isrc="US1")], [there(place=(2, 7), length=9, isrc="US1")]) == {"a": (1, "isrc")}


@pytest.mark.parametrize("spelling", ["USRC12600001", "usrc12600001", "US-RC1-26-00001"])
def test_an_isrc_is_the_same_in_any_spelling(spelling: str) -> None:
    assert pairs([here(isrc="USRC12600001")], [there(place=(3, 3), isrc=spelling)]) == {"a": (1, "isrc")}


def test_two_isrcs_that_differ_are_two_recordings_at_one_place() -> None:
    """A radio edit stands where the album version stands on the other service, and is about as long."""
    assert pairs([here(isrc="US1")], [there(isrc="US2")]) == {}


def test_a_recording_that_stands_twice_on_an_album_is_matched_place_by_place() -> None:
    """The first of both would take the second's rank."""
    spotify = [here("a", (1, 1), isrc="US1"), here("b", (2, 1), isrc="US1")]
    deezer = [there(2, (2, 1), isrc="US1"), there(1, (1, 1), isrc="US1")]
    assert pairs(spotify, deezer) == {"a": (1, "isrc"), "b": (2, "isrc")}


def test_a_recording_that_stands_twice_here_and_once_there_is_matched_once() -> None:
    spotify = [here("a", (1, 1), isrc="US1"), here("b", (1, 2), isrc="US1")]
    assert pairs(spotify, [there(7, (1, 2), isrc="US1")]) == {"b": (7, "isrc")}
    assert pairs(spotify, [there(7, (9, 9), isrc="US1")]) == {"a": (7, "isrc")}


def test_an_isrc_goes_before_a_place() -> None:
    """Deezer has the tracks in another order; the one without ISRC must not take another's place."""
    spotify = [here("a", (1, 1)), here("b", (1, 2), isrc="US2")]
    deezer = [there(2, (1, 1), isrc="US2"), there(1, (1, 2))]
    assert pairs(spotify, deezer) == {"b": (2, "isrc")}


# --- By place and length ---


@pytest.mark.parametrize(("isrc", "other"), [(None, None), ("US1", None), (None, "US1")])
def test_where_an_isrc_is_not_known_place_and_length_tell(isrc: str | None, other: str | None) -> None:
    assert pairs([here(isrc=isrc)], [there(isrc=other)]) == {"a": (1, "position")}


@pytest.mark.parametrize(
    ("length", "is_matched"),
    [(200_000, True), (203_000, True), (197_000, True), (203_001, False), (196_999, False), (0, False)],
)
def test_lengths_may_differ_by_three_seconds(length: int, is_matched: bool) -> None:
    assert bool(pairs([here(length=length)], [there(length=200)])) is is_matched


@pytest.mark.parametrize("place", [(1, 2), (2, 1), (None, 1), (1, None), (None, None)])
def test_another_place_is_another_track(place: tuple[int | None, int | None]) -> None:
    """Tracks that come with an album state no place at all."""
    assert pairs([here(place=(1, 1))], [there(place=place)]) == {}


def test_a_place_on_another_disc_is_another_place() -> None:
    spotify = [here("a", (1, 1)), here("b", (2, 1))]
    deezer = [there(2, (2, 1)), there(1, (1, 1))]
    assert pairs(spotify, deezer) == {"a": (1, "position"), "b": (2, "position")}


def test_nothing_is_matched_with_nothing() -> None:
    assert matches([], []) == matches([here()], []) == matches([], [there()]) == []


# --- Whatever the tracks ---

ISRCS = st.sampled_from([None, None, "US1", "us-1", "US2", "US3"])
PLACES = st.tuples(st.integers(1, 2), st.integers(1, 4))
SPOTIFY = st.lists(
    st.builds(here, st.text("abcdef", min_size=1), PLACES, st.integers(195_000, 205_000), ISRCS),
    max_size=8,
    unique_by=lambda track: track.track_id,
)
DEEZER = st.lists(
    st.builds(
        there,
        st.integers(1, 99),
        st.tuples(*[st.none() | st.integers(1, 2), st.none() | st.integers(1, 4)]),
        st.integers(195, 205),
        ISRCS,
    ),
    max_size=8,
    unique_by=lambda track: track.deezer_track_id,
)


def bare(isrc: str) -> str:
    return isrc.replace("-", "").upper()


@given(SPOTIFY, DEEZER)
def test_each_track_is_in_one_pair_at_most(spotify: list[SpotifyTrack], deezer: list[DeezerTrack]) -> None:
    found = matches(spotify, deezer)
    assert max(Counter(match.track_id for match in found).values(), default=1) == 1
    assert max(Counter(match.deezer_track.deezer_track_id for match in found).values(), default=1) == 1
    assert {match.track_id for match in found} <= {track.track_id for track in spotify}
    assert all(match.deezer_track in deezer for match in found)


@given(SPOTIFY, DEEZER)
def test_two_tracks_whose_isrcs_differ_are_never_matched(
    spotify: list[SpotifyTrack], deezer: list[DeezerTrack]
) -> None:
    own = {track.track_id: track.isrc for track in spotify}
    for match in matches(spotify, deezer):
        isrc, other = own[match.track_id], match.deezer_track.isrc
        if isrc is not None and other is not None:
            assert match.matched_by == "isrc"
            assert bare(isrc) == bare(other)
        else:
            assert match.matched_by == "position"


@given(SPOTIFY, DEEZER)
def test_a_match_by_place_has_the_place_and_the_length(
    spotify: list[SpotifyTrack], deezer: list[DeezerTrack]
) -> None:
    own = {track.track_id: track for track in spotify}
    for match in matches(spotify, deezer):
        if match.matched_by == "position":
            track, other = own[match.track_id], match.deezer_track
            assert (track.disc_number, track.track_number) == (other.disc_number, other.track_number)
            assert abs(track.duration_ms - 1000 * other.duration) <= MOST_DIFFERENCE_MS


@given(SPOTIFY, DEEZER)
def test_no_isrc_that_both_have_left_is_passed_over(
    spotify: list[SpotifyTrack], deezer: list[DeezerTrack]
) -> None:
    found = matches(spotify, deezer)
    taken, taken_there = {match.track_id for match in found}, {match.deezer_track for match in found}
    left = {bare(track.isrc) for track in spotify if track.isrc and track.track_id not in taken}
    left_there = {bare(track.isrc) for track in deezer if track.isrc and track not in taken_there}
    assert not left & left_there


@given(SPOTIFY)
def test_an_album_that_is_the_same_there_is_matched_whole(spotify: list[SpotifyTrack]) -> None:
    places = {(track.disc_number, track.track_number): track for track in spotify}
    album = list(places.values())
    deezer = [
        DeezerTrack(
            number, None, track.duration_ms // 1000, track.disc_number, track.track_number, track.isrc
        )
        for number, track in enumerate(album, start=1)
    ]
    own = {track.track_id: number for number, track in enumerate(album, start=1)}
    assert {match.track_id: match.deezer_track.deezer_track_id for match in matches(album, deezer)} == own
