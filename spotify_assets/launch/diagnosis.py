"""What `spotify-assets doctor` looks at: each finding says whether it is good, and if not, what to do."""

import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import OperationalError

from spotify_assets.client_state import WarehouseAccessMemory, closures
from spotify_assets.resources import credentials_of
from spotify_assets.settings import Settings, SettingsError, load_settings
from spotify_assets.spotify.access import title
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.endpoints import CLOSABLE
from spotify_assets.spotify.errors import ApiError
from spotify_assets.spotify.wire import Wire
from spotify_assets.warehouse.database import (
    DatabaseUrlError,
    MigrationError,
    create_engine,
    migration_status,
    unreachable,
    warehouse_url,
)
from spotify_assets.warehouse.embedded import EmbeddedPostgresError

_UI_PORT = 3000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    good: bool
    subject: str
    sentence: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'MEND'}  {self.subject}: {self.sentence}"


def diagnose(folder: Path) -> list[Finding]:
    """Look at Python, the environment, Spotify, the database and the port, in this order."""
    findings = [_python()]
    try:
        settings = load_settings(folder=folder)
    except SettingsError as error:
        return [*findings, Finding(False, "Environment", str(error))]
    findings.append(Finding(True, "Environment", "every variable can be used"))
    database = _database(settings)
    return [*findings, *_spotify(settings), database, *(_key(settings) if database.good else ()), _port()]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding((3, 11) <= sys.version_info[:2] < (3, 15), "Python", f"{version}; 3.11 to 3.14 is needed")


def _spotify(settings: Settings) -> Iterator[Finding]:
    if settings.uses_sandbox:
        yield Finding(True, "Spotify", "SPOTIFY_SANDBOX=1: the sandbox API is used, with invented data")
        return
    if settings.client_id is None or settings.client_secret is None:
        yield Finding(
            False,
            "Spotify",
            "no credentials; set SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET, or SPOTIFY_SANDBOX=1"
            " (`make run` writes that to .env)",
        )
        return
    yield _token(
        settings,
        Credentials(settings.client_id.get_secret_value(), settings.client_secret.get_secret_value()),
    )


def _token(settings: Settings, credentials: Credentials) -> Finding:
    try:
        with SpotifyClient(
            credentials, Wire(), api_url=settings.api_url, accounts_url=settings.accounts_url
        ) as client:
            return Finding(True, "Spotify", f"the token service gave a token; the API is {client.source}")
    except ApiError as error:
        return Finding(False, "Spotify", str(error))


def _database(settings: Settings) -> Finding:
    place = "DATABASE_URL" if settings.database else f"embedded Postgres in {settings.home}"
    try:
        state = migration_status(warehouse_url(settings.database, settings.home))
    except OperationalError as error:
        return Finding(False, "Database", unreachable(error))
    except (DatabaseUrlError, MigrationError, EmbeddedPostgresError) as error:
        return Finding(False, "Database", str(error))
    if state.pending:
        return Finding(False, "Database", f"{place} is behind: run `spotify-assets database migrate`")
    return Finding(True, "Database", f"{place} is reachable and up to date (revision {state.head})")


def _key(settings: Settings) -> Iterator[Finding]:
    """What was learned of the key, and what it must not ask for now."""
    if not settings.has_credentials and not settings.uses_sandbox:
        return
    fingerprint, now = credentials_of(settings).fingerprint, datetime.now(UTC)
    engine = create_engine(warehouse_url(settings.database, settings.home))
    try:
        known = WarehouseAccessMemory(engine, fingerprint, lambda: now).recall()
        with engine.connect() as connection:
            closed = closures(connection, fingerprint, now)
    finally:
        engine.dispose()
    yield Finding(True, "Key", _access(settings, known))
    for closure in closed.values():
        yield Finding(True, "Budget", f"{closure.group}: {closure}")


def _access(settings: Settings, known: Mapping[str, bool]) -> str:
    if settings.access != "auto":
        return f"{settings.access} access, as SPOTIFY_ACCESS says"
    if not known:
        return "what it may do is not known yet; `spotify-assets probe` asks"
    closed = {endpoint for endpoint, is_open in known.items() if not is_open}
    if not closed and len(known) < len(CLOSABLE):
        return "extended access as far as is known; `spotify-assets probe` asks for the rest"
    return f"{title(closed)} access, as last answered"


def _port() -> Finding:
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", _UI_PORT)) != 0
    sentence = (
        "is free for the Dagster UI"
        if free
        else "is in use: by `spotify-assets up`, or choose another with --port"
    )
    return Finding(True, f"Port {_UI_PORT}", sentence)
