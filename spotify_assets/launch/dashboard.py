"""Starts the dashboard: with the login that is given, or with one that is made for it and sees the marts alone."""

import hashlib
import hmac
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL, Engine

from spotify_assets.launch.servers import Server
from spotify_assets.settings import Settings
from spotify_assets.warehouse.database import create_engine, normalise_url, warehouse_url
from spotify_assets.warehouse.marts import MART_SCHEMA
from spotify_assets.warehouse.readers import ReaderLimits, make_reader

DASHBOARD_DATABASE_URL = "DASHBOARD_DATABASE_URL"
ROLE = "dashboard"
# Of several processes; a page's statements take milliseconds.
_LIMITS = ReaderLimits(connections=40, statement_seconds=10, idle_seconds=30)


def dashboard_login(settings: Settings) -> URL:
    """The address by which the dashboard reads the warehouse: DASHBOARD_DATABASE_URL, or that of a role made for it.

    Raises:
        DatabaseUrlError: the variable cannot be used.
        ReaderError: the owner may not make the role; the message has the SQL for one who may.
    """
    if settings.dashboard_database is not None:
        return normalise_url(settings.dashboard_database)
    engine = create_engine(warehouse_url(settings.database, settings.home))
    try:
        return make_reader(engine, ROLE, [MART_SCHEMA], _LIMITS, _password(engine)).url
    finally:
        engine.dispose()


def _password(engine: Engine) -> str:
    """The same for the same owner, so that a second dashboard does not lock out the first; drawn where it has none."""
    if not engine.url.password:
        return secrets.token_urlsafe(24)
    return hmac.new(str(engine.url.password).encode(), b"dashboard", hashlib.sha256).hexdigest()


def dashboard_command(host: str, port: int) -> list[str]:
    """What serves it: a process of its own, which loads neither Dagster nor Polars."""
    return [sys.executable, "-m", "spotify_assets.dashboard", host, str(port)]


def dashboard_server(home: Path, port: int, environ: Mapping[str, str], login: URL) -> Server:
    """The dashboard on the loopback, as one of the servers of `up`."""
    return Server(
        "dashboard",
        dashboard_command("127.0.0.1", port),
        home / "logs" / "dashboard.log",
        dashboard_environment(environ, login),
    )


def serve_dashboard(host: str, port: int, environ: Mapping[str, str], login: URL) -> int:
    """Serve it until it ends, or this process is asked to; returns its exit code."""
    process = subprocess.Popen(dashboard_command(host, port), env=dashboard_environment(environ, login))  # noqa: S603 -- the project's own command
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        return 0


def dashboard_environment(environ: Mapping[str, str], login: URL) -> dict[str, str]:
    """The environment of its process: the login of the owner is none of its business."""
    hidden = {"DATABASE_URL", "SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET"}
    kept = {name: value for name, value in environ.items() if name not in hidden}
    return {**kept, DASHBOARD_DATABASE_URL: login.render_as_string(hide_password=False)}
