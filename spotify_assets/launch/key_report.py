"""What `spotify-assets probe` and `plan` print: what the key may do, and how many calls a load will take with it."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from sqlalchemy import Engine, text

from spotify_assets.client_state import WarehouseAccessMemory, WarehouseBudget, state_engine
from spotify_assets.resources import credentials_of, make_client, make_wire, pacings
from spotify_assets.settings import Settings
from spotify_assets.spotify.access import title
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.endpoints import (
    ALBUM,
    ALBUMS,
    ARTISTS,
    AUDIO_FEATURES,
    CLOSABLE,
    NEW_RELEASES,
    PAGE_SIZE,
    SEARCH_PAGE_SIZE,
    SEARCH_WINDOW,
    SPOTIFY,
    TRACKS,
    service_of,
)
from spotify_assets.spotify.forecast import Choices, Workload, expected_calls, least_seconds
from spotify_assets.warehouse.database import warehouse_url

# Where the warehouse is still empty; a third of new releases are albums of a dozen tracks, the others singles.
_TRACKS_OF_AN_ALBUM = 8.0
_ARTISTS_OF_AN_ALBUM = 1.2

_GIVES = {
    NEW_RELEASES: "the list of new releases",
    ALBUMS: "20 albums a call",
    TRACKS: "popularity and ISRC, 50 tracks a call",
    AUDIO_FEATURES: "audio features, 100 tracks a call",
    ARTISTS: "genres, followers and popularity, 50 artists a call",
}


@contextlib.contextmanager
def opened_client(settings: Settings) -> Iterator[SpotifyClient]:
    """The Spotify client with the warehouse's budget and memory.

    Raises:
        SettingsError: there are no credentials.
        ApiError: no token could be had.
    """
    state = state_engine(warehouse_url(settings.database, settings.home))
    fingerprint = credentials_of(settings).fingerprint
    try:
        wire = make_wire(settings, WarehouseBudget(state, fingerprint, pacings(settings)))
        memory = WarehouseAccessMemory(state, fingerprint, lambda: datetime.now(UTC))
        with make_client(settings, wire, memory) as client:
            yield client
    finally:
        state.dispose()


def probe_report(answers: Mapping[str, bool | None], settings: Settings) -> Iterator[str]:
    """What each endpoint answered, and what is done without the closed ones."""
    closed = {endpoint for endpoint, is_open in answers.items() if is_open is False}
    if all_answered(answers):
        yield f"This key has {title(closed)} access."
    else:
        yield "What this key may do is not known: not every endpoint answered. Try again later."
    yield ""
    width = max(len(endpoint) for endpoint in CLOSABLE)
    for endpoint in CLOSABLE:
        words = {True: "open", False: "closed", None: "did not say"}[answers[endpoint]]
        what = _instead(endpoint, settings) if endpoint in closed else _GIVES[endpoint]
        yield f"  {endpoint:<{width}}  {words:<11}  {what}"
    yield ""
    if TRACKS in closed:
        yield "Spotify gives this key no popularity: spotify_popularity stays null, and deezer_rank is the measure."
    if settings.access == "auto":
        yield "Remembered for a day; an answer that says otherwise is believed at once."
    else:
        yield f"Runs go by SPOTIFY_ACCESS={settings.access}; unset it to have them go by these answers."


def all_answered(answers: Mapping[str, bool | None]) -> bool:
    """Whether every endpoint said if it is open."""
    return None not in answers.values()


def _instead(endpoint: str, settings: Settings) -> str:
    features = (
        "ReccoBeats, 40 tracks a call" if settings.reccobeats_url(in_sandbox=True) else "nobody is asked"
    )
    isrc = (
        "the ISRC, one call a track"
        if settings.asks_single_tracks
        else "no call; SPOTIFY_ISRC=1 asks for ISRCs"
    )
    return {
        NEW_RELEASES: f"search for tag:new, {SEARCH_PAGE_SIZE} albums a page",
        ALBUMS: f"{ALBUM}, one album a call",
        TRACKS: isrc,
        AUDIO_FEATURES: features,
        ARTISTS: "names from the credits, no call",
    }[endpoint]


@dataclass(frozen=True)
class TypicalAlbum:
    """What an album comes with on average, and where that is known from."""

    tracks: float
    artists: float
    source: str


def typical_album(engine: Engine) -> TypicalAlbum:
    """The average over the warehouse; assumed where it is empty."""
    sql = (files(__package__) / "queries" / "typical_album.sql").read_text(encoding="utf-8")
    with engine.connect() as connection:
        row = connection.execute(text(sql)).one()
    if not row.albums:
        return TypicalAlbum(_TRACKS_OF_AN_ALBUM, _ARTISTS_OF_AN_ALBUM, "assumed")
    source = f"the mean of the {row.albums:,} albums in the warehouse"
    return TypicalAlbum(row.tracks / row.albums, row.artists / row.albums, source)


def plan_report(albums: int, typical: TypicalAlbum, closed: Set[str], settings: Settings) -> Iterator[str]:
    """The calls that loading so many albums takes with this kind of access."""
    work = Workload(albums, round(albums * typical.tracks), round(albums * typical.artists))
    choices = Choices(
        settings.asks_single_tracks,
        asks_reccobeats=settings.reccobeats_url(in_sandbox=settings.uses_sandbox) is not None,
        asks_deezer=settings.deezer_url(in_sandbox=settings.uses_sandbox) is not None,
    )
    calls = expected_calls(work, closed, choices)
    yield f"{albums:,} albums, about {work.tracks:,} tracks, with {title(closed)} access:"
    yield ""
    width = max(len(endpoint) for endpoint in calls)
    for endpoint, count in calls.items():
        yield f"  {endpoint:<{width}}  {count:>9,}"
    yield f"  {'to Spotify':<{width}}  {_to_spotify(calls):>9,}"
    yield ""
    seconds = least_seconds(calls, pacings(settings))
    for service, least in seconds.items():
        yield f"The limit of {service} makes that {_duration(least)} at least."
    if SPOTIFY not in seconds:
        yield "Spotify publishes no limit: SPOTIFY_CALLS_PER_30_SECONDS sets one, else it is learned."
    yield _discovery(closed, settings)


def _to_spotify(calls: Mapping[str, int]) -> int:
    return sum(count for endpoint, count in calls.items() if service_of(endpoint) == SPOTIFY)


def _discovery(closed: Set[str], settings: Settings) -> str:
    if settings.album_ids:
        return f"Discovery takes no call: SPOTIFY_ALBUM_IDS={settings.album_ids}."
    if NEW_RELEASES in closed:
        pages, size = SEARCH_WINDOW // SEARCH_PAGE_SIZE, SEARCH_PAGE_SIZE
    else:
        pages, size = 2, PAGE_SIZE
    return (
        f"Beside that each poll takes up to {pages} calls a market ({size} albums a page;"
        f" {len(settings.markets)} market{'s' if len(settings.markets) > 1 else ''})."
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def closed_to(access: str | None, settings: Settings, engine: Engine) -> Sequence[Set[str]]:
    """The endpoints that are closed to the key; those of both kinds of access where nothing is known of it.

    Args:
        access: extended or development, where the user says so.
        settings: the environment.
        engine: the warehouse, which keeps what was learned.
    """
    declared = access or settings.access
    kinds: Mapping[str, Set[str]] = {"extended": frozenset(), "development": frozenset(CLOSABLE)}
    if declared in kinds:
        return [kinds[declared]]
    known: Mapping[str, bool] = {}
    if settings.has_credentials or settings.uses_sandbox:
        fingerprint = credentials_of(settings).fingerprint
        known = WarehouseAccessMemory(engine, fingerprint, lambda: datetime.now(UTC)).recall()
    closed = frozenset(endpoint for endpoint, is_open in known.items() if not is_open)
    # One that turned out closed had all others asked; as long as none has, the rest may be either.
    return [closed] if closed or len(known) == len(CLOSABLE) else list(kinds.values())
