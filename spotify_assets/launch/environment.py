"""The environment that a clone needs before anything runs: its home folder, its Dagster home, its source of data."""

import os
import shutil
from collections.abc import MutableMapping
from pathlib import Path

from spotify_assets.settings import Settings, SettingsError, load_settings

_SANDBOX_LINES = """\
# Written because no Spotify credentials were set: the sandbox API, with its synthetic catalogue, is used.
# For live data remove the next line, set SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET, and use another
# SPOTIFY_ASSETS_HOME or DATABASE_URL: sandbox and live data never mix.
SPOTIFY_SANDBOX=1
"""


def prepare_environment(environ: MutableMapping[str, str], folder: Path) -> tuple[Settings, list[str]]:
    """Set what Dagster and its processes need, and make their folders.

    Where neither credentials nor SPOTIFY_SANDBOX are set, SPOTIFY_SANDBOX=1 is written to `.env` in `folder`, so that
    every later command there, Dagster's own included, uses the sandbox too.

    Returns:
        The settings as they now are, and sentences that tell the user what was done.

    Raises:
        SettingsError: a variable cannot be used, or no source is chosen and `.env` cannot be written.
    """
    notes = _choose_source(environ, folder)
    settings = load_settings(environ, folder)
    home = (folder / settings.home).resolve()
    environ["SPOTIFY_ASSETS_HOME"] = str(home)
    environ["DAGSTER_HOME"] = str(_dagster_home(home))
    return load_settings(environ, folder), notes


def _choose_source(environ: MutableMapping[str, str], folder: Path) -> list[str]:
    settings = load_settings(environ, folder)
    if settings.uses_sandbox and settings.has_credentials:
        return ["SPOTIFY_SANDBOX=1 is set: the sandbox API is used, and your Spotify credentials are not."]
    if settings.uses_sandbox or settings.has_credentials:
        return []
    try:
        _append(folder / ".env", _SANDBOX_LINES)
    except OSError as error:
        # The container image, whose file system is read-only.
        raise SettingsError(
            "No Spotify credentials: set SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET, or SPOTIFY_SANDBOX=1 for the"
            f" sandbox API ({folder / '.env'} cannot be written: {error.strerror})."
        ) from error
    return ["No Spotify credentials found: using the sandbox API. SPOTIFY_SANDBOX=1 was written to .env."]


def _append(env_file: Path, lines: str) -> None:
    before = env_file.read_text(encoding="utf-8") if env_file.exists() else ""
    separator = "" if not before or before.endswith("\n") else "\n"
    env_file.write_text(before + separator + lines, encoding="utf-8")


def _dagster_home(home: Path) -> Path:
    dagster_home = home / "dagster"
    dagster_home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(instance_configuration(), dagster_home / "dagster.yaml")
    return dagster_home


def instance_configuration() -> Path:
    """The project's dagster.yaml: a link beside this file in a clone, its content in an installed wheel."""
    return Path(__file__).with_name("dagster.yaml")


def apply_environment(folder: Path) -> tuple[Settings, list[str]]:
    """`prepare_environment` for this process and those it starts."""
    return prepare_environment(os.environ, folder)
