"""Which albums' popularity is read again: the decision, what is due by the warehouse, and what is known of the key."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from spotify_assets.assets.enrich import AUDIO_FEATURES, TRACK_DETAILS
from spotify_assets.assets.extract import RELEASES, TRACKS
from spotify_assets.client_state import WarehouseAccessMemory, state_engine
from spotify_assets.load_planning import PARTITIONED_ASSETS, Albums, ranges_to_load
from spotify_assets.rereading import popularity_is_given, wanted_again
from spotify_assets.settings import Settings
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.endpoints import TRACKS as TRACKS_ENDPOINT
from spotify_assets.warehouse.statements import albums_due_for_popularity
from spotify_assets_tests.marts import rows

# A Wednesday; its week begins on the second.
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)


@given(keys=st.lists(st.integers(0, 60).map(str), unique=True), data=st.data(), most=st.integers(1, 10))
def test_ranges_hold_every_album_that_is_due_once_and_no_other(
    keys: list[str], data: st.DataObject, most: int
) -> None:
    """An album in between that is not due would be read twice a day, or after its eighth week."""
    some = st.lists(st.sampled_from(keys)).map(set) if keys else st.just(set[str]())
    due, loaded, in_flight = data.draw(some), data.draw(some), data.draw(some)
    wanted = wanted_again(due, dict.fromkeys(PARTITIONED_ASSETS, loaded), set())
    ranges = ranges_to_load(Albums(keys), wanted, in_flight, {}, NOW, most)
    asked = [key for found in ranges for key in Albums(keys).within(found)]
    assert asked == [key for key in keys if key in (due & loaded) - in_flight]
    assert all(found.assets == {TRACK_DETAILS} for found in ranges)
    assert all(len(Albums(keys).within(found)) <= most for found in ranges)


@pytest.mark.parametrize(
    ("missing", "waiting", "is_wanted"),
    [
        pytest.param((), (), True, id="all is loaded"),
        pytest.param(
            (AUDIO_FEATURES,), (AUDIO_FEATURES,), True, id="features that must wait hold up nothing"
        ),
        pytest.param((TRACK_DETAILS,), (), False, id="what was never read is for a load"),
        pytest.param((RELEASES, TRACKS), (), False, id="a load reads all of it"),
        pytest.param((), (TRACK_DETAILS,), False, id="Spotify asked to wait"),
    ],
)
def test_an_album_is_read_again_when_it_is_there_and_may_be_asked_for(
    missing: tuple[dg.AssetKey, ...], waiting: tuple[dg.AssetKey, ...], is_wanted: bool
) -> None:
    loaded = {asset: set() if asset in missing else {"album"} for asset in PARTITIONED_ASSETS}
    assert (wanted_again(["album"], loaded, set(waiting)) != {}) is is_wanted


def load_album(engine: Engine, new_since: date, details: Mapping[str, object] | None) -> None:
    """One album of one track, first seen on a day."""
    rows.load(
        engine,
        {
            "spotify.new_releases": [rows.sighting("album", rows.at_noon(new_since))],
            "spotify.releases": [rows.release("album", None)],
            "spotify.tracks": [rows.track("album", "track")],
            "spotify.track_details": []
            if details is None
            else [{**rows.details("album", "track", 50), **details}],
        },
    )


def due(engine: Engine, now: datetime = NOW) -> list[str]:
    with engine.connect() as connection:
        return albums_due_for_popularity(connection, now)


@pytest.mark.parametrize(
    ("new_since", "is_due"),
    [
        pytest.param(date(2026, 1, 12), True, id="the eighth week"),
        pytest.param(date(2026, 1, 11), False, id="the ninth"),
        pytest.param(date(2026, 3, 4), True, id="today"),
        pytest.param(date(2026, 3, 5), False, id="it is not out yet"),
    ],
)
def test_an_album_is_due_from_the_day_it_is_new_to_the_end_of_its_eighth_week(
    engine: Engine, new_since: date, is_due: bool
) -> None:
    """The marts would list it in a week in which nothing was measured, or leave out what was."""
    load_album(engine, new_since, {"fetched_at": YESTERDAY})
    assert due(engine) == (["album"] if is_due else [])


@pytest.mark.parametrize(
    ("read_at", "is_due"),
    [
        pytest.param(MIDNIGHT - timedelta(seconds=1), True, id="a second before midnight"),
        pytest.param(MIDNIGHT, False, id="at midnight"),
    ],
)
def test_an_album_is_due_once_a_utc_day(engine: Engine, read_at: datetime, is_due: bool) -> None:
    load_album(engine, date(2026, 3, 2), {"fetched_at": read_at})
    assert due(engine) == (["album"] if is_due else [])
    # The day is UTC's, whatever the zone in which the time is told.
    assert due(engine, NOW.astimezone(tz=None)) == due(engine)


def test_an_album_whose_tracks_are_answered_null_is_not_due_again_on_the_day(engine: Engine) -> None:
    load_album(engine, date(2026, 3, 2), {"fetched_at": NOW, "popularity": None, "isrc": None})
    assert due(engine) == []


@pytest.fixture
def of_sandbox(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that sets nothing else."""
    for setting in Settings.model_fields.values():
        monkeypatch.delenv(str(setting.validation_alias), raising=False)
    monkeypatch.setenv("SPOTIFY_SANDBOX", "1")
    return monkeypatch


@pytest.mark.parametrize(
    ("declared", "is_given"), [("extended", True), ("development", False)], ids=["extended", "development"]
)
def test_what_is_declared_of_a_key_is_believed(
    engine: Engine, of_sandbox: pytest.MonkeyPatch, declared: str, is_given: bool
) -> None:
    of_sandbox.setenv("SPOTIFY_ACCESS", declared)
    assert popularity_is_given(engine, NOW) is is_given


@pytest.mark.parametrize(
    ("age", "answered", "is_given"),
    [
        pytest.param(timedelta(0), True, True, id="open"),
        pytest.param(timedelta(0), False, False, id="closed"),
        pytest.param(timedelta(days=6), False, False, id="closed days ago, and not asked since"),
        pytest.param(timedelta(days=8), False, None, id="asked too long ago"),
        pytest.param(timedelta(0), None, None, id="never asked"),
    ],
)
@pytest.mark.usefixtures("of_sandbox")
def test_what_a_key_was_last_answered_stands_for_a_week(
    engine: Engine, age: timedelta, answered: bool | None, is_given: bool | None
) -> None:
    """Believed for a day, as by the client, a run would be made each day for the 403 alone."""
    state = state_engine(engine.url)
    memory = WarehouseAccessMemory(state, Credentials("sandbox", "sandbox").fingerprint, lambda: NOW - age)
    if answered is not None:
        memory.remember(TRACKS_ENDPOINT, is_open=answered)
    state.dispose()
    assert popularity_is_given(engine, NOW) is is_given


def test_without_credentials_nothing_is_known(engine: Engine, of_sandbox: pytest.MonkeyPatch) -> None:
    """The sensor must go on: the run says what is missing."""
    of_sandbox.delenv("SPOTIFY_SANDBOX")
    assert popularity_is_given(engine, NOW) is None
