"""The environment of the README's table, read in one place, typed, with secrets that do not print."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from spotify_assets.markets import MARKETS

Access = Literal["auto", "extended", "development"]

_RECCOBEATS = "RECCOBEATS_API_URL"
_DEEZER = "DEEZER_API_URL"
# Elsewhere an empty value counts as unset; these are switched off by one.
_SWITCHED_OFF_BY_EMPTY = (_RECCOBEATS, _DEEZER)


class SettingsError(ValueError):
    """The environment cannot be used; the message names each variable, what is wrong and what is allowed."""


class Settings(BaseModel):
    """What the environment and the working folder's `.env` say.

    A variable of the environment wins over the same one in `.env`. An empty value counts as unset, but for the
    addresses of ReccoBeats and Deezer, which it switches off.
    """

    # hide_input: a mistyped secret must not travel in the error that complains about it.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    client_id: SecretStr | None = Field(None, validation_alias="SPOTIPY_CLIENT_ID")
    client_secret: SecretStr | None = Field(None, validation_alias="SPOTIPY_CLIENT_SECRET")
    sandbox: Literal["0", "1"] = Field("0", validation_alias="SPOTIFY_SANDBOX")
    access: Access = Field("auto", validation_alias="SPOTIFY_ACCESS")
    markets: tuple[str, ...] = Field(("US",), validation_alias="SPOTIFY_MARKETS")
    api_url: str = Field("https://api.spotify.com/v1/", validation_alias="SPOTIFY_API_URL")
    accounts_url: str = Field("https://accounts.spotify.com/", validation_alias="SPOTIFY_ACCOUNTS_URL")
    reccobeats_api_url: str = Field("https://api.reccobeats.com/v1/", validation_alias=_RECCOBEATS)
    deezer_api_url: str = Field("https://api.deezer.com/", validation_alias=_DEEZER)
    calls_per_30s: int | None = Field(None, ge=1, le=100_000, validation_alias="SPOTIFY_CALLS_PER_30_SECONDS")
    isrc: Literal["0", "1"] = Field("0", validation_alias="SPOTIFY_ISRC")
    album_ids: str | None = Field(None, validation_alias="SPOTIFY_ALBUM_IDS")
    max_retry_after: float = Field(
        60.0, ge=0, le=3600, allow_inf_nan=False, validation_alias="SPOTIFY_MAX_RETRY_AFTER"
    )
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    dashboard_database_url: SecretStr | None = Field(None, validation_alias="DASHBOARD_DATABASE_URL")
    albums_per_run: int = Field(200, ge=1, le=5000, validation_alias="SPOTIFY_ALBUMS_PER_RUN")
    home: Path = Field(Path(".spotify_assets"), validation_alias="SPOTIFY_ASSETS_HOME")

    @property
    def uses_sandbox(self) -> bool:
        """True when the sandbox API was asked for in so many words."""
        return self.sandbox == "1"

    @property
    def has_credentials(self) -> bool:
        """True when both the client id and the client secret are set."""
        return self.client_id is not None and self.client_secret is not None

    @property
    def needs_own_sandbox(self) -> bool:
        """True when the sandbox is wanted and no address says where one runs."""
        return self.uses_sandbox and not {"api_url", "accounts_url"} <= self.model_fields_set

    @property
    def asks_single_tracks(self) -> bool:
        """True when a key without batch calls is to ask for each track alone, for its ISRC."""
        return self.isrc == "1"

    def reccobeats_url(self, *, in_sandbox: bool) -> str | None:
        """Base of ReccoBeats' API; None where it is switched off.

        Args:
            in_sandbox: the sandbox's own, unless an address is set: real services know nothing of invented tracks.
        """
        return self._substitute("reccobeats_api_url", "reccobeats/v1/", in_sandbox=in_sandbox)

    def deezer_url(self, *, in_sandbox: bool) -> str | None:
        """Base of Deezer's API, likewise."""
        return self._substitute("deezer_api_url", "deezer/", in_sandbox=in_sandbox)

    def _substitute(self, name: str, path: str, *, in_sandbox: bool) -> str | None:
        is_set = name in self.model_fields_set
        return f"{self.accounts_url}{path}" if in_sandbox and not is_set else getattr(self, name) or None

    @property
    def database(self) -> str | None:
        """DATABASE_URL in clear, or None where the embedded Postgres is used."""
        return self.database_url.get_secret_value() if self.database_url else None

    @property
    def dashboard_database(self) -> str | None:
        """DASHBOARD_DATABASE_URL in clear, or None where a login is made from the warehouse's own."""
        return self.dashboard_database_url.get_secret_value() if self.dashboard_database_url else None

    @field_validator("markets", mode="before")
    @classmethod
    def _split_markets(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        codes = value.split(",") if isinstance(value, str) else value
        return tuple(dict.fromkeys(code.strip().upper() for code in codes if code.strip()))

    @field_validator("markets")
    @classmethod
    def _know_every_market(cls, markets: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [market for market in markets if market not in MARKETS]
        if unknown or not markets:
            wrong = ", ".join(unknown) or "no market"
            raise ValueError(f"{wrong}: give ISO 3166-1 alpha-2 codes of Spotify markets, such as US,GB,DE")
        return markets

    @field_validator("api_url", "accounts_url", "reccobeats_api_url", "deezer_api_url")
    @classmethod
    def _be_a_base_url(cls, value: str) -> str:
        # Only the two that may be empty come here empty.
        if not value:
            return value
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if not _has_host(value):
            raise ValueError("is not an address: give one such as https://api.example.com/v1/")
        return value.rstrip("/") + "/"

    @model_validator(mode="after")
    def _have_both_credentials_or_none(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            missing = "SPOTIPY_CLIENT_ID" if self.client_id is None else "SPOTIPY_CLIENT_SECRET"
            raise ValueError(
                f"{missing} is missing: set both of SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET, or none"
            )
        return self

    @model_validator(mode="after")
    def _have_both_addresses_of_a_sandbox_or_none(self) -> Self:
        given = {"api_url", "accounts_url"} & self.model_fields_set
        if self.uses_sandbox and len(given) == 1:
            raise ValueError(
                "SPOTIFY_SANDBOX=1 with only one of SPOTIFY_API_URL and SPOTIFY_ACCOUNTS_URL: set both, or none"
            )
        return self


def load_settings(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings from `environ` (default: this process's) over the `.env` in `folder` (default: here).

    Raises:
        SettingsError: names every variable that cannot be used, and the values allowed.
    """
    values = {
        **_set(dotenv_values((folder or Path.cwd()) / ".env", interpolate=False)),
        **_set(os.environ if environ is None else environ),
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        complaints = "\n".join(f"  {_complaint(details)}" for details in error.errors(include_input=False))
        raise SettingsError(f"The environment cannot be used:\n{complaints}") from None


def _has_host(url: str) -> bool:
    """Whether the address names a host, and a port where there is a colon."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return host is not None and not host.startswith(".") and not any(map(str.isspace, url))


def _set(values: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that say something."""
    stripped = {name: value.strip() for name, value in values.items() if value is not None}
    return {name: value for name, value in stripped.items() if value or name in _SWITCHED_OFF_BY_EMPTY}


def _complaint(details: ErrorDetails) -> str:
    variable = str(details["loc"][0]) if details["loc"] else ""
    message = details["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return f"{variable}: {message}" if variable else message
