"""The warehouse as a Dagster resource."""

from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy import URL, Engine

from spotify_assets.settings import load_settings
from spotify_assets.warehouse.database import create_engine, normalise_url, warehouse_url


class WarehouseDatabase(dg.ConfigurableResource[Any]):
    """Where the warehouse is.

    Give a URL as `dg.EnvVar("NAME")`: a literal one is shown in the UI with its password.
    """

    # repr=False: the URL holds a password.
    url: str | None = Field(
        default=None,
        repr=False,
        description=(
            "Database URL in any usual Postgres spelling. Unset: DATABASE_URL of the environment, and where that "
            "is unset too, the embedded Postgres under SPOTIFY_ASSETS_HOME."
        ),
    )

    def sqlalchemy_url(self) -> URL:
        """The URL; starts or attaches to the embedded server where no URL is set anywhere."""
        if self.url is not None:
            return normalise_url(self.url)
        settings = load_settings()
        secret = settings.database_url
        return warehouse_url(None if secret is None else secret.get_secret_value(), settings.home)

    def engine(self) -> Engine:
        """A new engine; whoever asks for it disposes of it."""
        return create_engine(self.sqlalchemy_url())
