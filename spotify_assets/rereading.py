"""Whose popularity to read again now: every album in its first eight weeks, once a UTC day."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from sqlalchemy import Engine

from spotify_assets.assets.enrich import TRACK_DETAILS
from spotify_assets.assets.extract import RELEASES, TRACKS
from spotify_assets.client_state import last_answers
from spotify_assets.load_planning import (
    WORKING_STATUSES,
    AlbumRange,
    Albums,
    FailedLoads,
    albums_in_flight,
    failed_loads,
    loaded_by_asset,
    ranges_to_load,
    registered_albums,
    waiting_assets,
)
from spotify_assets.resources import credentials_of
from spotify_assets.settings import load_settings
from spotify_assets.spotify.budget import Closure
from spotify_assets.spotify.endpoints import TRACKS as TRACKS_ENDPOINT
from spotify_assets.warehouse.statements import albums_due_for_popularity

_READ_AGAIN = frozenset({TRACK_DETAILS})
_NEEDED = (RELEASES, TRACKS, TRACK_DETAILS)
# An album fails every day anew while it cannot be read: an older failure would only keep the ranges beside it short.
_LOOK_BACK = timedelta(days=1)
# The client believes an answer for a day, and asks when it next has something to ask. A run that has nothing else to
# ask would be made each day for the 403 alone.
_ANSWER_KEPT = timedelta(days=7)


def popularity_is_given(engine: Engine, now: datetime) -> bool | None:
    """Whether this environment's key gets popularity, as declared or last answered; None where that is not known."""
    settings = load_settings()
    if settings.access != "auto":
        return settings.access == "extended"
    if not settings.has_credentials and not settings.uses_sandbox:
        return None
    with engine.connect() as connection:
        answers = last_answers(connection, credentials_of(settings).fingerprint, now - _ANSWER_KEPT)
    return answers.get(TRACKS_ENDPOINT)


def wanted_again(
    due: Collection[str], loaded: Mapping[dg.AssetKey, AbstractSet[str]], waiting: AbstractSet[dg.AssetKey]
) -> dict[str, frozenset[dg.AssetKey]]:
    """What is to be read again, by album; nothing of one that is yet to be loaded, nor while Spotify must not be asked.

    Args:
        due: the albums whose time it is.
        loaded: for each partitioned asset the albums it was materialized for.
        waiting: the assets that must not be asked for before a time that Spotify named.
    """
    if TRACK_DETAILS in waiting:
        return {}
    return {album: _READ_AGAIN for album in due if all(album in loaded[asset] for asset in _NEEDED)}


def ranges_to_reread(
    instance: dg.DagsterInstance, engine: Engine, now: datetime, closed: Mapping[str, Closure]
) -> list[AlbumRange]:
    """What the sensor asks for: all that is due and neither queued, under way, nor waiting after a failure.

    Where it is not known whether the key gets popularity, one range is to find out for all.

    Args:
        instance: where partitions and runs are recorded.
        engine: the warehouse.
        now: the time.
        closed: the groups of endpoints that must not be called now, see `load_planning.closed_groups`.
    """
    is_given = popularity_is_given(engine, now)
    if is_given is False or not (due := _due(engine, now)):
        return []
    albums = registered_albums(instance)
    failed = failed_loads(instance, albums, now - _LOOK_BACK, of_rereads=True)
    ranges = _ranges(instance, albums, due, NOT_FINISHED_STATUSES, failed, now, closed)
    return ranges if is_given else ranges[:1]


def ranges_to_reread_at_once(
    instance: dg.DagsterInstance, engine: Engine, now: datetime, closed: Mapping[str, Closure]
) -> list[AlbumRange]:
    """What a person asks for: failed albums do not wait, and queued runs, which need a daemon, do not count."""
    if popularity_is_given(engine, now) is False or not (due := _due(engine, now)):
        return []
    return _ranges(instance, registered_albums(instance), due, WORKING_STATUSES, {}, now, closed)


def _due(engine: Engine, now: datetime) -> list[str]:
    with engine.connect() as connection:
        return albums_due_for_popularity(connection, now)


def _ranges(
    instance: dg.DagsterInstance,
    albums: Albums,
    due: Collection[str],
    under_way: Sequence[dg.DagsterRunStatus],
    failed: Mapping[str, FailedLoads],
    now: datetime,
    closed: Mapping[str, Closure],
) -> list[AlbumRange]:
    wanted = wanted_again(due, loaded_by_asset(instance), waiting_assets(closed))
    in_flight = albums_in_flight(instance, albums, under_way)
    return ranges_to_load(albums, wanted, in_flight, failed, now, load_settings().albums_per_run)
