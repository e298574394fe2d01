"""Which albums a tick of the sensor asks for: the decision as a pure function."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets.assets.enrich import AUDIO_FEATURES, TRACK_DETAILS
from spotify_assets.assets.extract import RELEASES, TRACKS
from spotify_assets.load_planning import (
    ALL_OF_AN_ALBUM,
    PARTITIONED_ASSETS,
    RETRY_FAILED_AFTER,
    AlbumRange,
    Albums,
    FailedLoads,
    assets_to_load,
    ranges_to_load,
    waiting_assets,
)
from spotify_assets.spotify.budget import Closure

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = ["e", "a", "d", "b", "c", "f"]  # insertion order, which is not the order of the alphabet


def decide(
    keys: list[str],
    *,
    loaded: set[str] | None = None,
    in_flight: set[str] | None = None,
    failed: dict[str, FailedLoads] | None = None,
    most_per_run: int = 200,
) -> list[tuple[str, str]]:
    wanted = {key: ALL_OF_AN_ALBUM for key in keys if key not in (loaded or set())}
    ranges = ranges_to_load(Albums(keys), wanted, in_flight or set(), failed or {}, NOW, most_per_run)
    return [(found.start, found.end) for found in ranges]


def test_all_that_is_missing_in_a_row_is_one_range_in_insertion_order() -> None:
    """A range from the lexicographic first to last would resolve to other albums, or to none."""
    assert decide(KEYS) == [("e", "f")]


def test_nothing_new_asks_for_nothing() -> None:
    assert decide(KEYS, loaded=set(KEYS)) == []
    assert decide([]) == []


def test_an_album_loaded_in_the_middle_splits_the_range() -> None:
    """One range across it would fetch it again."""
    assert decide(KEYS, loaded={"d"}) == [("e", "a"), ("b", "f")]


def test_a_key_missing_in_the_middle_is_asked_for_alone() -> None:
    assert decide(KEYS, loaded={"e", "a", "b", "c", "f"}) == [("d", "d")]


def test_albums_of_a_run_in_flight_are_not_asked_for_twice() -> None:
    assert decide(KEYS, in_flight={"a", "d"}) == [("e", "e"), ("b", "f")]


def test_a_range_longer_than_the_cap_becomes_several() -> None:
    assert decide(KEYS, most_per_run=4) == [("e", "b"), ("c", "f")]


def test_a_failed_album_is_left_alone_for_an_hour_while_new_ones_are_loaded() -> None:
    just_failed = FailedLoads(of_albums=1, last_at=NOW - RETRY_FAILED_AFTER + timedelta(seconds=1))
    assert decide(KEYS, failed={"d": just_failed}) == [("e", "a"), ("b", "f")]


def test_after_the_hour_a_failed_range_is_asked_for_in_quarters() -> None:
    """One album that can never be loaded must not hold up the 199 beside it for ever."""
    keys = [f"album{number:03}" for number in range(16)]
    failed = {key: FailedLoads(of_albums=1, last_at=NOW - RETRY_FAILED_AFTER) for key in keys}
    starts = [start for start, _ in decide(keys, failed=failed, most_per_run=16)]
    assert starts == ["album000", "album004", "album008", "album012"]


def test_a_rate_limit_or_an_outage_does_not_make_ranges_shorter() -> None:
    """After four hours of either, every album was loaded alone, with a mart build and all checks for each."""
    failed = {key: FailedLoads(last_at=NOW - RETRY_FAILED_AFTER) for key in KEYS}
    assert decide(KEYS, failed=failed) == [("e", "f")]


def test_after_many_failures_an_album_stands_alone() -> None:
    failed = {key: FailedLoads(of_albums=9, last_at=NOW - timedelta(days=1)) for key in KEYS}
    assert decide(KEYS, failed=failed) == [(key, key) for key in KEYS]


@given(
    keys=st.lists(st.integers(0, 60).map(str), unique=True),
    data=st.data(),
    most_per_run=st.integers(1, 10),
)
def test_ranges_hold_every_missing_album_once_and_no_other(
    keys: list[str], data: st.DataObject, most_per_run: int
) -> None:
    loaded = set(data.draw(st.lists(st.sampled_from(keys)))) if keys else set()
    in_flight = set(data.draw(st.lists(st.sampled_from(keys)))) if keys else set()
    wanted = {key: ALL_OF_AN_ALBUM for key in keys if key not in loaded}
    ranges = ranges_to_load(Albums(keys), wanted, in_flight, {}, NOW, most_per_run)
    asked = [key for found in ranges for key in Albums(keys).within(found)]
    assert asked == [key for key in keys if key not in loaded | in_flight]
    assert all(len(Albums(keys).within(found)) <= most_per_run for found in ranges)


def test_albums_of_which_different_things_are_missing_are_not_loaded_in_one_range() -> None:
    """After a quota in the middle of a run, those that were kept need their features and no second call."""
    kept = frozenset({AUDIO_FEATURES, TRACK_DETAILS})
    wanted = {"e": ALL_OF_AN_ALBUM, "a": kept, "d": kept, "c": ALL_OF_AN_ALBUM}
    ranges = ranges_to_load(Albums(KEYS), wanted, set(), {}, NOW, 200)
    assert [(found.start, found.end, found.assets) for found in ranges] == [
        ("e", "e", ALL_OF_AN_ALBUM),
        ("a", "d", kept),
        ("c", "c", ALL_OF_AN_ALBUM),
    ]


@pytest.mark.parametrize(
    ("missing", "waiting", "wanted"),
    [
        pytest.param((), (), (), id="nothing is missing"),
        pytest.param((AUDIO_FEATURES,), (), (AUDIO_FEATURES,), id="only what is missing"),
        pytest.param(
            (TRACKS,), (), PARTITIONED_ASSETS, id="with its tracks an album comes anew, and all of it"
        ),
        pytest.param((RELEASES,), (), PARTITIONED_ASSETS, id="with the album its tracks"),
        pytest.param(PARTITIONED_ASSETS, (RELEASES, TRACKS), (), id="nothing without tracks"),
        pytest.param(
            (AUDIO_FEATURES,), (RELEASES, TRACKS), (AUDIO_FEATURES,), id="features of tracks that are there"
        ),
        pytest.param(
            PARTITIONED_ASSETS,
            (AUDIO_FEATURES,),
            (RELEASES, TRACKS, TRACK_DETAILS),
            id="all but what must wait",
        ),
        pytest.param((AUDIO_FEATURES,), (AUDIO_FEATURES,), (), id="what must wait"),
    ],
)
def test_of_an_album_what_is_missing_and_may_be_asked_for_is_loaded(
    missing: tuple[dg.AssetKey, ...], waiting: tuple[dg.AssetKey, ...], wanted: tuple[dg.AssetKey, ...]
) -> None:
    loaded = {asset: set() if asset in missing else {"album"} for asset in PARTITIONED_ASSETS}
    assert assets_to_load("album", loaded, set(waiting)) == set(wanted)


@pytest.mark.parametrize(
    ("groups", "waiting"),
    [
        ((), ()),
        (("albums",), (RELEASES, TRACKS)),
        (("audio-features", "tracks"), (AUDIO_FEATURES, TRACK_DETAILS)),
        (("search", "reccobeats", "deezer"), ()),
        (("token",), PARTITIONED_ASSETS),
    ],
)
def test_what_must_wait_is_what_asks_the_closed_endpoints(
    groups: tuple[str, ...], waiting: tuple[dg.AssetKey, ...]
) -> None:
    closed = {group: Closure(group, NOW, "quota") for group in groups}
    assert waiting_assets(closed) == set(waiting)


@pytest.mark.parametrize(
    ("tags", "albums"),
    [
        pytest.param({"dagster/partition": "d"}, ["d"], id="one partition"),
        pytest.param(
            {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"},
            ["a", "d", "b"],
            id="a range",
        ),
        pytest.param(
            {"dagster/asset_partition_range_start": "gone", "dagster/asset_partition_range_end": "b"},
            [],
            id="an end that was removed since",
        ),
    ],
)
def test_the_albums_of_a_run_are_read_off_its_tags(tags: dict[str, str], albums: list[str]) -> None:
    found = AlbumRange.of_tags(tags)
    assert found is not None
    assert list(Albums(KEYS).within(found)) == albums


def test_a_run_of_no_album_has_no_range() -> None:
    assert AlbumRange.of_tags({"dagster/job": "x"}) is None
