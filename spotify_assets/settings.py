"""The environment of the README's table, read in one place, typed, with secrets that do not print."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

Access = Literal["auto", "extended", "development"]

# ISO 3166-1 alpha-2 as Spotify lists its markets; a wrong one would quietly load an empty catalogue.
_MARKET_CODES = frozenset(
    "AD AE AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CG CH CI CL CM CO CR CV CW"
    " CY CZ DE DJ DK DM DO DZ EC EE EG ES ET FI FJ FM FR GA GB GD GE GH GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL"
    " IN IQ IS IT JM JO JP KE KG KH KI KM KN KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MN MO"
    " MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PR PS PT PW PY QA RO RS RW SA SB SC SE"
    " SG SI SK SL SM SN SR ST SV SZ TD TG TH TJ TL TN TO TR TT TV TW TZ UA UG US UY UZ VC VE VN VU WS XK YE ZA ZM ZW".split()
)


class SettingsError(ValueError):
    """The environment cannot be used; the message names each variable, what is wrong and what is allowed."""


class Settings(BaseSettings):
    """What the environment and the working folder's `.env` say.

    A variable of the environment wins over the same one in `.env`; an empty value counts as unset.
    """

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=False
    )

    client_id: SecretStr | None = Field(None, validation_alias="SPOTIPY_CLIENT_ID")
    client_secret: SecretStr | None = Field(None, validation_alias="SPOTIPY_CLIENT_SECRET")
    sandbox: Literal["0", "1"] = Field("0", validation_alias="SPOTIFY_SANDBOX")
    access: Access = Field("auto", validation_alias="SPOTIFY_ACCESS")
    markets: Annotated[tuple[str, ...], NoDecode] = Field(("US",), validation_alias="SPOTIFY_MARKETS")
    api_url: str | None = Field(None, validation_alias="SPOTIFY_API_URL")
    accounts_url: str | None = Field(None, validation_alias="SPOTIFY_ACCOUNTS_URL")
    max_retry_after: float = Field(60.0, ge=0, validation_alias="SPOTIFY_MAX_RETRY_AFTER")
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    home: Path = Field(Path(".spotify_assets"), validation_alias="SPOTIFY_ASSETS_HOME")

    @property
    def uses_sandbox(self) -> bool:
        """True when the sandbox API was asked for in so many words."""
        return self.sandbox == "1"

    @property
    def has_credentials(self) -> bool:
        """True when both the client id and the client secret are set."""
        return self.client_id is not None and self.client_secret is not None

    @field_validator("markets", mode="before")
    @classmethod
    def _split_markets(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        codes = value.split(",") if isinstance(value, str) else value
        return tuple(dict.fromkeys(code.strip().upper() for code in codes if code.strip()))

    @field_validator("markets")
    @classmethod
    def _know_every_market(cls, markets: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [market for market in markets if market not in _MARKET_CODES]
        if unknown or not markets:
            raise ValueError(
                f"{', '.join(unknown) or 'no market'}: give ISO 3166-1 alpha-2 codes of Spotify markets, such as US,GB,DE"
            )
        return markets

    @field_validator("api_url", "accounts_url")
    @classmethod
    def _be_a_base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") + "/"

    @model_validator(mode="after")
    def _have_both_credentials_or_none(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            missing = "SPOTIPY_CLIENT_ID" if self.client_id is None else "SPOTIPY_CLIENT_SECRET"
            raise ValueError(f"{missing} is missing: set both of SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET, or none")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before `.env`; nothing else is read."""
        return init_settings, env_settings, dotenv_settings
