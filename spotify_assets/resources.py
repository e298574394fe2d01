"""The faces that the assets see: the services for this environment, the warehouse, and the time."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import Field, PrivateAttr
from sqlalchemy import Engine

from spotify_assets.client_state import (
    KNOWN_LIMITS,
    WarehouseAccessMemory,
    WarehouseBudget,
    state_engine,
)
from spotify_assets.settings import Settings, SettingsError, load_settings
from spotify_assets.spotify.access import Access, AccessMemory
from spotify_assets.spotify.batches import Part
from spotify_assets.spotify.budget import Budget
from spotify_assets.spotify.call_log import CallCounts
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.deezer import Deezer
from spotify_assets.spotify.endpoints import SPOTIFY
from spotify_assets.spotify.pacing import Pacing
from spotify_assets.spotify.reccobeats import ReccoBeats
from spotify_assets.spotify.wire import Wire
from spotify_assets.warehouse.database import SourceMismatchError, claim_source
from spotify_assets.warehouse.resource import WarehouseDatabase

if TYPE_CHECKING:
    from spotify_assets.sandbox.server import SandboxServer

_CREDENTIALS_MISSING = (
    "No Spotify credentials: set SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET (in the environment or in .env), or"
    " SPOTIFY_SANDBOX=1 to use the sandbox API with its synthetic catalogue."
)


class Clock(dg.ConfigurableResource[Any]):
    """The time as the assets see it."""

    fixed: str | None = Field(
        default=None, description="ISO 8601 time with zone that the clock always shows; unset: the real time."
    )

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return datetime.fromisoformat(self.fixed).astimezone(UTC) if self.fixed else datetime.now(UTC)


class Warehouse(dg.ConfigurableResource[Any]):
    """The warehouse for the statements of assets and checks: one engine for the whole run."""

    database: dg.ResourceDependency[WarehouseDatabase]

    _engine: Engine | None = PrivateAttr(default=None)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # noqa: ARG002 -- Dagster's signature
        """Dispose of the engine when the run ends."""
        try:
            yield self
        finally:
            if self._engine is not None:
                self._engine.dispose()

    @property
    def engine(self) -> Engine:
        """The engine, made at first use."""
        if self._engine is None:
            self._engine = self.database.engine()
        return self._engine


class Spotify(dg.ConfigurableResource[Any]):
    """The clients of a run, for Spotify and its neighbours, made from the environment at first use.

    All share one wire: one count of calls, and one budget, which the warehouse keeps for all runs and machines. Its
    fields hold no secret: resource fields are shown in the UI.
    """

    database: dg.ResourceDependency[WarehouseDatabase]
    threads: int = Field(default=4, ge=1, le=16, description="Calls under way at once.")
    sandbox_albums: int = Field(
        default=200, ge=1, description="Albums in the catalogue where this run starts a sandbox of its own."
    )

    _open: contextlib.ExitStack = PrivateAttr()
    _settings: Settings | None = PrivateAttr(default=None)
    _state: Engine | None = PrivateAttr(default=None)
    _wire: Wire | None = PrivateAttr(default=None)
    _client: SpotifyClient | None = PrivateAttr(default=None)
    _answered: dict[dg.AssetKey, list[Part[Any]]] = PrivateAttr(default_factory=dict)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # noqa: ARG002 -- Dagster's signature
        """Hold the clients open for the whole run, so that its steps share one token."""
        with contextlib.ExitStack() as self._open:
            yield self

    @property
    def markets(self) -> tuple[str, ...]:
        """The markets to watch; the first is asked for albums that were never seen on a list."""
        return load_settings().markets

    def client(self) -> SpotifyClient:
        """The Spotify client; its first use claims the database for the kind of API it talks to.

        Raises:
            dagster.Failure: there are no credentials, or the database holds data of the other kind.
            ApiError: the key is refused, or the account has lost Premium.
        """
        if self._client is None:
            client = self._connected()
            self._claim_database(client)
            self._client = client
        return self._client

    def deezer(self) -> Deezer | None:
        """The Deezer client; None where DEEZER_API_URL is empty. Raises as `client` does.

        Deezer needs no key; but only the token service tells whether the run's albums are real ones, and nothing is
        written to a database of the other kind.
        """
        in_sandbox = self.client().source == "sandbox"
        url = self._environment().deezer_url(in_sandbox=in_sandbox)
        return Deezer(self._shared_wire(), url) if url else None

    def call_counts(self) -> Mapping[str, CallCounts]:
        """What the calls of this run came to so far, to every service."""
        return {} if self._wire is None else self._wire.calls.counts()

    @property
    def access(self) -> str:
        """What the key may do, in words."""
        return "not asked" if self._client is None else str(self._client.access)

    def answered(self, asset: dg.AssetKey) -> list[Part[Any]]:
        """What was answered for an asset in this run, also by attempts at its step that failed: not asked for again."""
        return self._answered.setdefault(asset, [])

    def _environment(self) -> Settings:
        """The settings, with the addresses of a sandbox of this run's own where one is needed; starts it once."""
        if self._settings is None:
            settings = load_settings()
            _refuse_without_credentials(settings)
            if settings.needs_own_sandbox:
                sandbox = self._open.enter_context(_sandbox(settings, self.sandbox_albums))
                addresses = {"api_url": sandbox.api_url, "accounts_url": sandbox.accounts_url}
                settings = settings.model_copy(update=addresses)
            self._settings = settings
        return self._settings

    def _state_engine(self) -> Engine:
        if self._state is None:
            self._state = state_engine(self.database.sqlalchemy_url())
            self._open.callback(self._state.dispose)
        return self._state

    def _shared_wire(self) -> Wire:
        """What all calls of the run go through."""
        if self._wire is None:
            settings = self._environment()
            fingerprint = credentials_of(settings).fingerprint
            budget = WarehouseBudget(self._state_engine(), fingerprint, pacings(settings))
            self._wire = make_wire(settings, budget, self.threads)
            self._open.callback(self._wire.close)
        return self._wire

    def _connected(self) -> SpotifyClient:
        settings, wire = self._environment(), self._shared_wire()
        fingerprint = credentials_of(settings).fingerprint
        memory = WarehouseAccessMemory(self._state_engine(), fingerprint, lambda: datetime.now(UTC))
        return make_client(settings, wire, memory)

    def _claim_database(self, client: SpotifyClient) -> None:
        engine = self.database.engine()
        try:
            with engine.begin() as connection:
                claim_source(connection, client.source)
        except SourceMismatchError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        finally:
            engine.dispose()


def _refuse_without_credentials(settings: Settings) -> None:
    try:
        credentials_of(settings)
    except SettingsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def make_wire(settings: Settings, budget: Budget, threads: int = 4) -> Wire:
    """What calls go through in this environment."""
    return Wire(max_retry_after=settings.max_retry_after, threads=threads, budget=budget)


def make_client(settings: Settings, wire: Wire, memory: AccessMemory) -> SpotifyClient:
    """The Spotify client of this environment; authenticates, to tell whether it talks to a sandbox.

    Raises:
        SettingsError: there are no credentials.
        ApiError: no token could be had.
    """
    client = SpotifyClient(
        credentials_of(settings),
        wire,
        api_url=settings.api_url,
        accounts_url=settings.accounts_url,
        access=Access(settings.access, memory),
        asks_single_tracks=settings.asks_single_tracks,
    )
    if url := settings.reccobeats_url(in_sandbox=client.source == "sandbox"):
        client.reccobeats = ReccoBeats(wire, url)
    return client


def credentials_of(settings: Settings) -> Credentials:
    """The credentials of the environment; the sandbox takes any.

    Raises:
        SettingsError: there are none.
    """
    if settings.uses_sandbox:
        return Credentials("sandbox", "sandbox")
    if settings.client_id is None or settings.client_secret is None:
        raise SettingsError(_CREDENTIALS_MISSING)
    return Credentials(settings.client_id.get_secret_value(), settings.client_secret.get_secret_value())


def pacings(settings: Settings) -> Mapping[str, Pacing]:
    """The limits that are known: the setting for Spotify, and those of its neighbours; the sandbox's have none."""
    of_neighbours = {} if settings.uses_sandbox else KNOWN_LIMITS
    return {**of_neighbours, SPOTIFY: Pacing(most=settings.calls_per_30s)}


def _sandbox(settings: Settings, albums: int) -> "SandboxServer":
    # It keeps no state: one of our own answers as any other of the same size would. Imported here, as a live run has
    # no use for a server's libraries.
    from spotify_assets.sandbox.server import SandboxServer

    return SandboxServer(
        albums=albums, access="development" if settings.access == "development" else "extended"
    )
