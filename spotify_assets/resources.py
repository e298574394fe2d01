"""The faces that the assets see: the Spotify client for this environment, and the time."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import Field, PrivateAttr
from sqlalchemy import Engine

from spotify_assets.settings import Settings, load_settings
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.warehouse.database import SourceMismatchError, claim_source
from spotify_assets.warehouse.resource import WarehouseDatabase

if TYPE_CHECKING:
    from spotify_assets.sandbox.server import SandboxServer

_CREDENTIALS_MISSING = (
    "No Spotify credentials: set SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET (in the environment or in .env), or"
    " SPOTIFY_SANDBOX=1 to use the sandbox API with its synthetic catalogue."
)
_DEVELOPMENT_ACCESS = (
    "SPOTIFY_ACCESS=development: this version needs a key with extended access."
    " Unset the variable where yours has it, or use SPOTIFY_SANDBOX=1."
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
    """The Spotify client of a run, made from the environment at first use and closed with the run.

    Its fields hold no secret: resource fields are shown in the UI.
    """

    database: dg.ResourceDependency[WarehouseDatabase]
    threads: int = Field(default=4, ge=1, le=16, description="Calls under way at once.")
    sandbox_albums: int = Field(
        default=200, ge=1, description="Albums in the catalogue where this run starts a sandbox of its own."
    )

    _open: contextlib.ExitStack = PrivateAttr()
    _client: SpotifyClient | None = PrivateAttr(default=None)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # noqa: ARG002 -- Dagster's signature
        """Hold the client open for the whole run, so that its steps share one token."""
        with contextlib.ExitStack() as self._open:
            yield self

    @property
    def markets(self) -> tuple[str, ...]:
        """The markets to watch; the first is asked for albums that were never seen on a list."""
        return load_settings().markets

    def client(self) -> SpotifyClient:
        """The client; its first use claims the database for the kind of API it talks to.

        Raises:
            dagster.Failure: there are no credentials, or the database holds data of the other kind.
        """
        if self._client is None:
            self._client = self._open.enter_context(self._connect(load_settings()))
            self._claim_database(self._client)
        return self._client

    def _claim_database(self, client: SpotifyClient) -> None:
        engine = self.database.engine()
        try:
            with engine.begin() as connection:
                claim_source(connection, client.source)
        except SourceMismatchError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        finally:
            engine.dispose()

    def _connect(self, settings: Settings) -> SpotifyClient:
        if settings.access == "development":
            raise dg.Failure(_DEVELOPMENT_ACCESS, allow_retries=False)
        api_url, accounts_url = settings.api_url, settings.accounts_url
        if settings.needs_own_sandbox:
            sandbox = self._open.enter_context(_sandbox(self.sandbox_albums))
            api_url, accounts_url = sandbox.api_url, sandbox.accounts_url
        return SpotifyClient(
            _credentials(settings),
            api_url=api_url,
            accounts_url=accounts_url,
            max_retry_after=settings.max_retry_after,
            threads=self.threads,
        )


def _credentials(settings: Settings) -> Credentials:
    if settings.uses_sandbox:
        return Credentials("sandbox", "sandbox")
    if settings.client_id is None or settings.client_secret is None:
        raise dg.Failure(_CREDENTIALS_MISSING, allow_retries=False)
    return Credentials(settings.client_id.get_secret_value(), settings.client_secret.get_secret_value())


def _sandbox(albums: int) -> "SandboxServer":
    # It keeps no state: one of our own answers as any other of the same size would. Imported here, as a live run has
    # no use for a server's libraries.
    from spotify_assets.sandbox.server import SandboxServer

    return SandboxServer(albums=albums)
