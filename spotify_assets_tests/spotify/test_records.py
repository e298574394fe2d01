"""Payloads to frames: every odd value seen, and every value that could be."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_assets.spotify import records
from spotify_assets.spotify.fields import Item
from spotify_assets.spotify.records import Batch, Rows, Schema
from spotify_assets_tests.spotify import payloads
from spotify_assets_tests.spotify.payloads import Payload


def release(value: object, album_id: str = "album1") -> Batch:
    rows = Rows("albums")
    rows.add(album_id, value, lambda item: records.release_row(album_id, item))
    return rows.batch(records.RELEASES)


def tracks(*values: object) -> Batch:
    return records.album_tracks("album1", values).batch(records.TRACKS)


def sighting(value: object) -> Batch:
    return records.sightings("US", [(1, value)])


def features(value: object) -> Batch:
    return records.audio_features(["track1"], [value])


def details(value: object) -> Batch:
    return records.track_details(["track1"], [value])


def artist(value: object) -> Batch:
    return records.artists(["artist1"], [value])


READERS: dict[str, tuple[Callable[[object], Batch], Payload, Schema]] = {
    "sighting": (sighting, payloads.simplified_album(), records.SIGHTINGS),
    "release": (release, payloads.album(), records.RELEASES),
    "track": (tracks, payloads.simplified_track(), records.TRACKS),
    "features": (features, payloads.features(), records.AUDIO_FEATURES),
    "details": (details, payloads.track(), records.TRACK_DETAILS),
    "artist": (artist, payloads.artist(), records.ARTISTS),
}
ABSENT = records.audio_features(["track1"], [None]).frame.rows(named=True)
FIELDS = [(reader, name) for reader, (_, payload, _) in READERS.items() for name in payload]


# --- Whole objects ---


def test_a_sighting_is_read() -> None:
    assert sighting(payloads.simplified_album()).frame.rows() == [
        ("US", "album1", "An Album", "album", date(2026, 11, 20), "day", 1)
    ]


def test_a_release_is_read() -> None:
    assert release(payloads.album()).frame.rows(named=True) == [
        {
            "album_id": "album1",
            "name": "An Album",
            "album_type": "album",
            "release_date": date(2026, 11, 20),
            "release_date_precision": "day",
            "total_tracks": 1,
            "label": "A Label",
            "popularity": 41,
            "upc": "00602475093060",
            "image_url": "https://images.example/640",
            "artist_ids": ["artist1"],
            "artist_names": ["An Artist"],
        }
    ]


def test_a_track_is_read() -> None:
    assert tracks(payloads.simplified_track()).frame.rows() == [
        ("album1", "track1", "A Track", 1, 1, 200_000, False, True, ["artist1"], ["An Artist"])
    ]


def test_audio_features_are_read_as_the_api_gives_them() -> None:
    odd = payloads.features(key=-1, tempo=0, time_signature=0, loudness=0.9)
    assert features(odd).frame.rows() == [
        ("track1", "measured", "spotify", 0.7, 0.5, -1, 0.9, 1, 0.05, 0.01, 0.0, 0.12, 0.9, 0.0, 0)
    ]


def test_track_details_are_read() -> None:
    assert details(payloads.track()).frame.rows() == [("track1", 33, "USRC12600001")]


def test_an_artist_is_read() -> None:
    assert artist(payloads.artist()).frame.rows() == [("artist1", "An Artist", ["dream pop"], 1234, 50)]


# --- What newer applications do not get, and what is missing now and then ---


@pytest.mark.parametrize("reader", READERS)
def test_no_item_is_lost_for_a_field_that_spotify_withholds(reader: str) -> None:
    """The key is absent, not null; code that indexes it dies."""
    read, payload, _ = READERS[reader]
    withheld = (
        "popularity",
        "label",
        "followers",
        "genres",
        "external_ids",
        "is_playable",
        "images",
        "artists",
    )
    reduced = {name: value for name, value in payload.items() if name not in withheld}
    batch = read(reduced)
    assert batch.frame.height == 1
    assert batch.set_aside == ()


@pytest.mark.parametrize(("reader", "name"), FIELDS)
@pytest.mark.parametrize("change", ["null", "missing"])
def test_a_null_or_missing_field_is_a_null_or_a_reason(reader: str, name: str, change: str) -> None:
    read, payload, schema = READERS[reader]
    changed = {**payload, name: None}
    if change == "missing":
        del changed[name]
    batch = read(changed)
    assert batch.frame.schema == pl.Schema(dict(schema))
    if batch.set_aside:
        assert batch.set_aside[0].reason in (f"{name} is {change}", "total is missing")
    else:
        assert batch.frame.height == 1


@pytest.mark.parametrize(("reader", "name"), [(reader, name) for reader, name in FIELDS if name == "name"])
def test_an_empty_name_is_kept(reader: str, name: str) -> None:
    """A withdrawn album has an empty name."""
    read, payload, _ = READERS[reader]
    assert read({**payload, name: ""}).set_aside == ()


@pytest.mark.parametrize(
    ("value", "day", "precision"),
    [
        ("2026-11-20", date(2026, 11, 20), "day"),
        ("1981-12", date(1981, 12, 1), "month"),
        ("1981", date(1981, 1, 1), "year"),
        ("0000", None, "unknown"),
        ("0000-00-00", None, "unknown"),
        ("1997-00-00", date(1997, 1, 1), "year"),
        ("1997-05-00", date(1997, 5, 1), "month"),
        ("", None, "unknown"),
        (None, None, "unknown"),
        ({"year": 2014, "month": 2, "day": 25}, date(2014, 2, 25), "day"),
        ({"year": 2014}, date(2014, 1, 1), "year"),
        ({}, None, "unknown"),
    ],
)
def test_a_release_date_of_any_form_is_read(value: object, day: date | None, precision: str) -> None:
    row = sighting(payloads.simplified_album(release_date=value)).frame.row(0, named=True)
    assert (row["release_date"], row["release_date_precision"]) == (day, precision)
    row = release(payloads.album(release_date=value)).frame.row(0, named=True)
    assert row["release_date"] == day
    assert row["release_date_precision"] == (precision if day else None)


@pytest.mark.parametrize(
    "value",
    [
        "2026-13-01",
        "2026-02-30",
        "tomorrow",
        "2026-11-20-5",
        "-5",
        "²026",
        2026,
        ["2026"],
        "99999",
        {"year": "x"},
        {"year": 2147483648},
    ],
)
def test_a_release_date_that_is_none_sets_the_album_aside(value: object) -> None:
    batch = sighting(payloads.simplified_album(release_date=value))
    assert batch.frame.height == 0
    assert batch.set_aside[0].item_id == "album1"
    assert batch.set_aside[0].reason.startswith("release_date is ")


def test_an_album_type_in_upper_case_is_the_same_type() -> None:
    """Answered for months in 2021 and 2022."""
    assert sighting(payloads.simplified_album(album_type="SINGLE")).frame["album_type"].to_list() == [
        "single"
    ]


def test_total_tracks_of_old_answers_is_taken_from_the_page_of_tracks() -> None:
    value = payloads.album(tracks={"items": [], "total": 14})
    del value["total_tracks"]
    assert release(value).frame["total_tracks"].to_list() == [14]


@pytest.mark.parametrize(
    ("images", "url"), [([], None), (None, None), ([None], None), ([{}], None), ([{"url": "u"}], "u")]
)
def test_an_album_without_a_cover_has_no_image_url(images: object, url: str | None) -> None:
    assert release(payloads.album(images=images)).frame["image_url"].to_list() == [url]


def test_genres_that_are_empty_are_told_from_genres_that_are_withheld() -> None:
    assert artist(payloads.artist(genres=[])).frame["genres"].to_list() == [[]]
    assert artist(payloads.artist(genres=None)).frame["genres"].to_list() == [None]


# --- Malformed items ---


@pytest.mark.parametrize(
    ("reader", "changes", "reason"),
    [
        ("features", {"danceability": 1.5}, "danceability is 1.5, not from 0 to 1"),
        ("features", {"energy": float("nan")}, "energy is nan, not from 0 to 1"),
        ("features", {"loudness": -101}, "loudness is -101, not from -100 to 20"),
        ("features", {"tempo": -1}, "tempo is -1, not from 0 to 1000"),
        ("features", {"key": 12}, "key is 12, not from -1 to 11"),
        ("features", {"mode": True}, "mode is True, not a whole number"),
        ("features", {"valence": "0.5"}, "valence is '0.5', not a number"),
        ("details", {"popularity": 101}, "popularity is 101, not from 0 to 100"),
        ("details", {"popularity": -1}, "popularity is -1, not from 0 to 100"),
        ("details", {"external_ids": {"isrc": 5}}, "isrc is 5, not text"),
        ("details", {"external_ids": "US"}, "external_ids is 'US', not an object"),
        ("track", {"duration_ms": -1}, "duration_ms is -1, not from 0 to 2147483647"),
        ("track", {"duration_ms": 2**31}, "duration_ms is 2147483648, not from 0 to 2147483647"),
        ("track", {"disc_number": 2**15}, "disc_number is 32768, not from 0 to 32767"),
        ("track", {"track_number": 1.5}, "track_number is 1.5, not a whole number"),
        ("track", {"explicit": "no"}, "explicit is 'no', not true or false"),
        ("track", {"id": ""}, "id is empty"),
        ("track", {"artists": [5]}, "artists is [5], not a list of objects"),
        ("track", {"artists": [{"name": "x"}]}, "id is missing"),
        ("track", {"name": "a\x00b"}, "name is 'a\\x00b', which holds a NUL character"),
        ("release", {"name": "\ud83d"}, "name is '\\ud83d', which holds half a character"),
        ("release", {"label": "l\x00"}, "label is 'l\\x00', which holds a NUL character"),
        ("release", {"images": "none"}, "images is 'none', not a list"),
        ("artist", {"genres": ["a", 5]}, "genres is ['a', 5], not a list of texts"),
        ("artist", {"genres": ["a\x00"]}, "genres is 'a\\x00', which holds a NUL character"),
        ("artist", {"followers": {"total": 2**63}}, f"total is {2**63}, not from 0 to {2**63 - 1}"),
    ],
)
def test_a_value_that_no_column_can_hold_sets_its_item_aside(
    reader: str, changes: Payload, reason: str
) -> None:
    read, payload, _ = READERS[reader]
    batch = read({**payload, **changes})
    assert [item.reason for item in batch.set_aside] == [reason]
    assert batch.frame.rows(named=True) == ([] if reader != "features" else ABSENT)


def test_a_whole_number_written_with_a_point_is_one() -> None:
    assert tracks(payloads.simplified_track(duration_ms=200_000.0)).frame["duration_ms"].to_list() == [
        200_000
    ]


def test_a_reason_is_short_whatever_the_value() -> None:
    batch = sighting(payloads.simplified_album(album_type=["x" * 10_000] * 10_000))
    assert len(batch.set_aside[0].reason) < 500


@pytest.mark.parametrize("value", [None, 5, "text", [], True])
def test_an_item_that_is_no_object_is_set_aside(value: object) -> None:
    batch = tracks(payloads.simplified_track("a"), value, payloads.simplified_track("b"))
    assert batch.frame["track_id"].to_list() == ["a", "b"]
    assert [item.item_id for item in batch.set_aside] == ["album1"]
    assert batch.set_aside[0].reason.endswith("is not an object")


# --- Lists ---


def test_the_position_counts_entries_that_were_not_loaded() -> None:
    entries = [
        (1, None),
        (2, payloads.simplified_album("a")),
        (3, {"id": "b"}),
        (4, payloads.simplified_album("c")),
    ]
    batch = records.sightings("US", entries)
    assert batch.frame.select("album_id", "position").rows() == [("a", 2), ("c", 4)]
    assert len(batch.set_aside) == 2


def test_an_album_on_two_pages_keeps_its_first_position() -> None:
    entries = [
        (1, payloads.simplified_album("a")),
        (2, payloads.simplified_album("b")),
        (3, payloads.simplified_album("a")),
    ]
    batch = records.sightings("US", entries)
    assert batch.frame.select("album_id", "position").rows() == [("a", 1), ("b", 2)]
    assert batch.set_aside == ()


def test_a_track_on_two_pages_is_one_track() -> None:
    first, second = payloads.simplified_track("a"), payloads.simplified_track("b", track_number=2)
    batch = tracks(first, second, second)
    assert batch.frame["track_id"].to_list() == ["a", "b"]
    assert batch.set_aside == ()


def test_two_places_relinked_to_one_track_are_not_lost_silently() -> None:
    batch = tracks(payloads.simplified_track("a"), payloads.simplified_track("a", track_number=2))
    assert batch.frame.height == 1
    assert [item.reason for item in batch.set_aside] == [
        "the same id stands on disc and track (1, 1) and (1, 2)"
    ]


def test_every_id_asked_for_has_one_row_of_audio_features() -> None:
    values = [
        None,
        payloads.features("b"),
        payloads.features("c", energy=7),
        {"id": "d"},
        payloads.features("e", key=None),
    ]
    batch = records.audio_features(["a", "b", "c", "d", "e"], values)
    assert batch.frame.select("track_id", "status", "source", "energy").rows() == [
        ("a", "absent", None, None),
        ("b", "measured", "spotify", 0.5),
        ("c", "absent", None, None),
        ("d", "absent", None, None),
        ("e", "measured", "spotify", 0.5),
    ]
    assert batch.frame["key"].to_list() == [None, 4, None, None, None]
    assert [item.item_id for item in batch.set_aside] == ["c"]


def test_a_relinked_track_is_keyed_by_the_id_asked_for() -> None:
    values = [
        payloads.track("other", linked_from={"id": "a"}, popularity=1),
        # Newer applications get no linked_from, so that only the position tells.
        payloads.track("another", popularity=2),
    ]
    assert records.track_details(["a", "b"], values).frame.select("track_id", "popularity").rows() == [
        ("a", 1),
        ("b", 2),
    ]


def test_a_track_relinked_to_another_that_was_asked_for_as_well_keeps_its_place() -> None:
    values = [payloads.track("b", popularity=1), payloads.track("b", popularity=2)]
    assert records.track_details(["a", "b"], values).frame["popularity"].to_list() == [1, 2]


def test_an_answer_in_another_order_is_read_by_id() -> None:
    values = [payloads.track("b", popularity=2), payloads.track("a", popularity=1)]
    assert records.track_details(["a", "b"], values).frame["popularity"].to_list() == [1, 2]


def test_an_answer_of_another_length_is_read_by_id() -> None:
    values = [
        payloads.track("other", linked_from={"id": "c"}),
        payloads.track("b"),
        payloads.track("stranger"),
        None,
    ]
    batch = records.track_details(["a", "b", "c"], values)
    assert batch.frame["track_id"].to_list() == ["b", "c"]
    assert [(item.item_id, item.reason) for item in batch.set_aside] == [
        ("stranger", "was not asked for"),
        ("a", "unknown to Spotify"),
    ]


@pytest.mark.parametrize("schema", [schema for _, _, schema in READERS.values()], ids=list(READERS))
def test_a_frame_without_rows_has_its_columns(schema: Schema) -> None:
    assert records.frame(schema).schema == pl.Schema(dict(schema))


# --- Anything at all ---

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["\ud800", "a\x00b", "0000", "2024-02", 2**31, 2**63, -1, 0.5, 100, {}, []]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "url", "total", "items", "isrc", "upc", "year"]), inner
        )
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(("reader", "name"), FIELDS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=ANY_JSON)
def test_any_json_in_any_field_gives_the_declared_frame(reader: str, name: str, value: Any) -> None:
    read, payload, schema = READERS[reader]
    batch = read({**payload, name: value})
    assert batch.frame.schema == pl.Schema(dict(schema))
    assert batch.frame.height + len(batch.set_aside) in (1, 2)
    check_that_it_can_be_stored(batch)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=ANY_JSON)
def test_any_json_instead_of_an_item_gives_the_declared_frame(reader: str, value: Any) -> None:
    read, _, schema = READERS[reader]
    batch = read(value)
    assert batch.frame.schema == pl.Schema(dict(schema))
    check_that_it_can_be_stored(batch)


@settings(max_examples=200, deadline=None)
@given(
    ids=st.lists(st.sampled_from("abcdef"), unique=True),
    values=st.lists(ANY_JSON | st.builds(payloads.track, st.sampled_from("abcdefxyz")), max_size=8),
)
def test_any_answer_to_any_question_gives_at_most_one_row_for_an_id(
    ids: list[str], values: list[object]
) -> None:
    known = records.track_details(ids, values).frame["track_id"].to_list()
    assert len(set(known)) == len(known)
    assert set(known) <= set(ids)
    assert records.audio_features(ids, values).frame["track_id"].to_list() == ids


def check_that_it_can_be_stored(batch: Batch) -> None:
    """Neither a row nor a reason may hold text that Postgres refuses."""
    for text in texts_in([batch.frame.rows(), [(item.item_id, item.reason) for item in batch.set_aside]]):
        assert "\x00" not in text
        text.encode()


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from texts_in(entry)


def test_a_field_reader_says_what_an_item_is_not() -> None:
    with pytest.raises(ValueError, match="5 is not an object"):
        Item(5)
