"""Four weeks of the sandbox in a warehouse, the same at each making: what the worked examples are asked of."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from sqlalchemy import URL

from spotify_assets.launch.first_pass import FirstPass, Say
from spotify_assets.resources import Clock
from spotify_assets.sandbox.server import SandboxServer
from spotify_assets.settings import Settings
from spotify_assets.warehouse.database import create_engine

ALBUMS = 60
"""Albums in the list of new releases at any time; seven or eight come out in a week."""

# Its best known artists have names in scripts that the fonts of most machines can draw.
_SEED = 44

SUNDAYS = tuple(datetime(2026, 10, 25, 20, tzinfo=UTC) + timedelta(weeks=week) for week in range(4))
"""When the warehouse is loaded: in the evening, when the week of release is all but over."""


def load_weeks(url: URL, folder: Path, say: Say) -> None:
    """Load the sandbox on each of the Sundays, as `spotify-assets once` would have.

    Args:
        url: the warehouse: migrated, and empty.
        folder: an empty one, to work in.
        say: prints a line.

    Raises:
        RuntimeError: a pass failed, or warned; the message says of what.
    """
    now = SUNDAYS[0]
    with (
        SandboxServer(albums=ALBUMS, seed=_SEED, now=lambda: now) as sandbox,
        dg.DagsterInstance.ephemeral() as instance,
        _environment(_of_sandbox(sandbox, url, folder), folder),
    ):
        engine = create_engine(url)
        for now in SUNDAYS:
            say(f"Loading the sandbox of {now:%d %B %Y}")
            outcome = FirstPass(instance, engine, _keep_silent, clock=Clock(fixed=now.isoformat())).run()
            if problems := outcome.failures + outcome.warnings:
                raise RuntimeError("\n".join(problems))
        engine.dispose()


def _of_sandbox(sandbox: SandboxServer, url: URL, folder: Path) -> dict[str, str]:
    return {
        "SPOTIFY_SANDBOX": "1",
        "SPOTIFY_API_URL": sandbox.api_url,
        "SPOTIFY_ACCOUNTS_URL": sandbox.accounts_url,
        "SPOTIFY_ASSETS_HOME": str(folder),
        "DATABASE_URL": url.render_as_string(hide_password=False),
    }


@contextlib.contextmanager
def _environment(given: Mapping[str, str], folder: Path) -> Iterator[None]:
    """These settings and no others, neither of the caller's environment nor of the `.env` beside it."""
    names = {str(setting.validation_alias) for setting in Settings.model_fields.values()}
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(given)
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


def _keep_silent(_: str) -> None:
    pass
