"""The command line."""

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from spotify_assets.sandbox.command import sandbox
from spotify_assets.settings import Settings, SettingsError, load_settings
from spotify_assets.spotify.errors import ApiError

# Imports stand inside the commands: `--help` and the sandbox should not wait for Dagster and Polars.
if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from spotify_assets.warehouse.readers import Reader


class _ReadableErrors(click.Group):
    """Says what was wrong with the environment or the database in a sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except (ValueError, RuntimeError, SQLAlchemyError, ApiError) as error:
            if (sentence := _in_a_sentence(error)) is None:
                raise
            raise click.ClickException(sentence) from error


def _in_a_sentence(error: Exception) -> str | None:
    """What to say of an error that the user can mend; None for any other, which keeps its traceback."""
    from spotify_assets.spotify.errors import ApiError
    from spotify_assets.warehouse.database import (
        DatabaseUrlError,
        MigrationError,
        SourceMismatchError,
        unreachable,
    )
    from spotify_assets.warehouse.embedded import EmbeddedPostgresError
    from spotify_assets.warehouse.readers import ReaderError

    if isinstance(error, OperationalError):
        return unreachable(error)
    mendable = (
        SettingsError
        | ApiError
        | DatabaseUrlError
        | MigrationError
        | SourceMismatchError
        | EmbeddedPostgresError
        | ReaderError
    )
    return str(error) if isinstance(error, mendable) else None


@click.group(cls=_ReadableErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spotify-assets")
def main() -> None:
    """Turn Spotify's new releases into a Postgres warehouse.

    The environment is described in the README; a .env file in the working folder is read.
    """


main.add_command(sandbox)


@main.command()
@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI on 127.0.0.1.")
@click.option("--dashboard-port", default=8000, show_default=True, help="Port of the dashboard on 127.0.0.1.")
def up(port: int, dashboard_port: int) -> None:
    """Load everything once, then serve the Dagster UI, with schedules and sensors, and the dashboard until Ctrl-C.

    Without Spotify credentials the sandbox API is used. Without DATABASE_URL an embedded Postgres is started under
    SPOTIFY_ASSETS_HOME.
    """
    from spotify_assets.launch import servers as launched
    from spotify_assets.launch.dashboard import dashboard_login, dashboard_server

    folder, address = Path.cwd(), f"http://127.0.0.1:{port}"
    dashboard_address = f"http://127.0.0.1:{dashboard_port}"
    try:
        with _prepared(folder, address) as settings:
            launched.refuse_taken_port(port, "--port")
            launched.refuse_taken_port(dashboard_port, "--dashboard-port")
            _first_pass(settings)
            servers = [
                *launched.dagster_servers(folder, settings.home, port),
                dashboard_server(settings.home, dashboard_port, os.environ, dashboard_login(settings)),
            ]
            click.echo("\nStarting the Dagster UI, the daemon and the dashboard")
            try:
                with launched.running(servers, os.environ, folder):
                    launched.wait_until_ready(f"{dashboard_address}/readyz", servers)
                    launched.wait_until_ready(f"{address}/server_info", servers)
                    click.echo(
                        f"\n  Dagster UI   {address}\n  Dashboard    {dashboard_address}\n\nCtrl-C ends everything."
                    )
                    launched.watch(servers)
            finally:
                _end_dead_runs(settings)
    except (launched.AlreadyRunningError, launched.ServerFailedError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nEnded.")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
def dashboard(host: str, port: int) -> None:
    """Serve the dashboard until Ctrl-C, over the marts as they are.

    It reads the warehouse by DASHBOARD_DATABASE_URL; where that is unset, by a role that is made for it and sees the
    marts alone. It asks nobody who they are: listen beyond this machine only behind a proxy that does.
    """
    from spotify_assets.launch.dashboard import dashboard_login, serve_dashboard

    settings = load_settings()
    if settings.dashboard_database is None:
        _migrated_engine(settings).dispose()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    click.echo(f"Dashboard at http://{host}:{port}; Ctrl-C ends it.")
    sys.exit(serve_dashboard(host, port, os.environ, dashboard_login(settings)))


@main.command()
def once() -> None:
    """Load everything once and exit: 0 only if every asset materialized and no check failed.

    Without Spotify credentials the sandbox API is used.
    """
    from spotify_assets.launch import servers as launched

    try:
        with _prepared(Path.cwd(), "loading once") as settings:
            succeeded = _first_pass(settings)
    except launched.AlreadyRunningError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nInterrupted: what was loaded stays; the next run goes on from there.", err=True)
        sys.exit(130)
    sys.exit(0 if succeeded else 1)


@contextlib.contextmanager
def _prepared(folder: Path, address: str) -> Iterator[Settings]:
    """The environment, the one-at-a-time lock, the sandbox where it is used, and a migrated database."""
    from spotify_assets.launch.environment import apply_environment
    from spotify_assets.launch.servers import only_one

    # SIGTERM ends as Ctrl-C does: in good order, with everything that was started. SIGINT is set too, because a shell
    # that starts a command in the background has it ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    settings, notes = apply_environment(folder)
    for note in notes:
        click.echo(note)
    with only_one(settings.home, address), _sandbox_for(settings):
        _migrate(settings)
        yield load_settings()


@contextlib.contextmanager
def _sandbox_for(settings: Settings) -> Iterator[None]:
    if not settings.needs_own_sandbox:
        yield
        return
    from spotify_assets.sandbox.server import SandboxServer

    access: Literal["extended", "development"] = (
        "development" if settings.access == "development" else "extended"
    )
    with SandboxServer(access=access) as sandbox:
        click.echo(f"Sandbox API at {sandbox.url}")
        os.environ["SPOTIFY_API_URL"] = sandbox.api_url
        os.environ["SPOTIFY_ACCOUNTS_URL"] = sandbox.accounts_url
        yield


def _migrate(settings: Settings) -> None:
    from spotify_assets.warehouse.database import migrate

    if settings.database_url is None:
        click.echo(f"Embedded Postgres in {settings.home}")
    migrate(_database_url(settings), echo=click.echo)


def _end_dead_runs(settings: Settings) -> None:
    """Runs that the servers worked on ended with them; nothing else would ever say so."""
    import dagster as dg

    from spotify_assets.launch.dead_runs import end_dead_runs

    with dg.DagsterInstance.get() as instance:
        end_dead_runs(instance, settings.home, is_only_machine=settings.database is None)


def _first_pass(settings: Settings) -> bool:
    import dagster as dg

    from spotify_assets.launch.dead_runs import end_dead_runs, home_tag
    from spotify_assets.launch.first_pass import FirstPass
    from spotify_assets.launch.summary import summary
    from spotify_assets.warehouse.database import create_engine

    started = time.monotonic()
    engine = create_engine(_database_url(settings))
    with dg.DagsterInstance.get() as instance:
        ended = end_dead_runs(instance, settings.home, is_only_machine=settings.database is None)
        if ended:
            click.echo(f"Ended {ended} run(s) whose process is gone; their albums are loaded again.")
        outcome = FirstPass(instance, engine, click.echo, home_tag(settings.home)).run()
    for line in summary(engine, outcome):
        click.echo(line)
    click.echo(
        f"Done in {time.monotonic() - started:.0f} s." if outcome.succeeded else "", nl=outcome.succeeded
    )
    return outcome.succeeded


def _database_url(settings: Settings) -> "URL":
    from spotify_assets.warehouse.database import warehouse_url

    return warehouse_url(settings.database, settings.home)


@main.command()
def probe() -> None:
    """Ask Spotify what this key may do, at one call for each endpoint in question, and say what is done instead.

    Runs ask by themselves where SPOTIFY_ACCESS is auto; this asks anew at once, and the answers are remembered for a
    day. Exit code 1 where the key is refused altogether, or not every endpoint answered.
    """
    from spotify_assets.launch.key_report import all_answered, opened_client, probe_report

    with _ready_for_calls() as settings, opened_client(settings) as client:
        answers = client.probe()
    for line in probe_report(answers, settings):
        click.echo(line)
    sys.exit(0 if all_answered(answers) else 1)


@main.command()
@click.option("--albums", type=click.IntRange(1, 10_000_000), required=True, help="Albums to load.")
@click.option(
    "--tracks-per-album",
    type=click.FloatRange(0, 1000),
    help="Default: the mean over the warehouse.",
)
@click.option(
    "--access",
    type=click.Choice(["extended", "development"]),
    help="Default: what SPOTIFY_ACCESS says, or what was last learned of the key; both where nothing is known.",
)
def plan(albums: int, tracks_per_album: float | None, access: str | None) -> None:
    """Show how many calls loading so many albums will take; makes none."""
    from spotify_assets.launch import key_report

    settings = load_settings()
    engine = _migrated_engine(settings)
    typical = key_report.typical_album(engine)
    if tracks_per_album is not None:
        typical = replace(typical, tracks=tracks_per_album, source="as given")
    click.echo(f"{typical.tracks:.1f} tracks an album ({typical.source}).")
    for closed in key_report.closed_to(access, settings, engine):
        click.echo("")
        for line in key_report.plan_report(albums, typical, closed, settings):
            click.echo(line)


@contextlib.contextmanager
def _ready_for_calls() -> Iterator[Settings]:
    """The settings, with a sandbox where one is used, and a migrated database that keeps what is learned."""
    settings = load_settings()
    with _sandbox_for(settings):
        _migrated_engine(settings).dispose()
        yield load_settings()


def _migrated_engine(settings: Settings) -> "Engine":
    from spotify_assets.warehouse import database as warehouse

    engine = warehouse.create_engine(_database_url(settings))
    warehouse.migrate(engine)
    return engine


@main.group()
def database() -> None:
    """The warehouse: its address, its migrations, its state."""


@database.command()
@click.option("--libpq", is_flag=True, help="The form that psql and other libpq programs take.")
@click.option("--hide-password", is_flag=True, help="Show *** instead of the password.")
def url(libpq: bool, hide_password: bool) -> None:
    """Print the warehouse's address, password included, for other programs.

    \b
    An embedded server runs only while something uses it; hold it with `spotify-assets up`, then for example
      psql "$(spotify-assets database url --libpq)"
    """
    address = _database_url(load_settings())
    # libpq knows no drivers.
    shown = address.set(drivername="postgresql") if libpq else address
    click.echo(shown.render_as_string(hide_password=hide_password))


@database.command()
def migrate() -> None:
    """Bring the warehouse's tables up to date. Safe to run from several machines at once."""
    from spotify_assets.warehouse import database as warehouse

    warehouse.migrate(_database_url(load_settings()), echo=click.echo)


@database.command()
def status() -> None:
    """Print whether the tables are up to date; exit code 1 where they are not."""
    from spotify_assets.warehouse.database import migration_status

    state = migration_status(_database_url(load_settings()))
    click.echo(f"revision {state.current or 'none'} of {state.head}")
    for pending in state.pending:
        click.echo(f"pending: {pending.revision}, {pending.description}")
    sys.exit(1 if state.pending else 0)


@database.command()
@click.option(
    "--name", default="analyst", show_default=True, help="The role: lower-case letters, digits and _."
)
@click.option("--raw", is_flag=True, help="Also the tables as loaded: the schemas spotify and deezer.")
@click.option(
    "--connections", type=click.IntRange(1, 1000), default=10, show_default=True, help="At most, at once."
)
@click.option(
    "--statement-timeout",
    type=click.IntRange(1, 86_400),
    default=60,
    show_default=True,
    help="Seconds after which a query is ended.",
)
def reader(name: str, raw: bool, connections: int, statement_timeout: int) -> None:
    """Create a role that can read the marts and nothing else, and print its address, password included.

    The password is shown this once and kept nowhere. Run again, the same command renews it, and the rights and limits
    with it. The rights cover marts that are rebuilt and marts of later releases; the schemas ops and dagster are never
    readable. Only the address goes to stdout:

    \b
      address="$(spotify-assets database reader)"
      psql "$address" -c 'select count(*) from marts.track_catalog'
    """
    from spotify_assets.warehouse import readers
    from spotify_assets.warehouse.marts import MART_SCHEMA

    schemas = readers.READABLE_SCHEMAS if raw else (MART_SCHEMA,)
    limits = readers.ReaderLimits(connections=connections, statement_seconds=statement_timeout)
    engine = _migrated_engine(load_settings())
    try:
        made = readers.make_reader(engine, name, schemas, limits, secrets.token_urlsafe(24))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--name") from error
    finally:
        engine.dispose()
    click.echo(made.url.set(drivername="postgresql").render_as_string(hide_password=False))
    for line in _on_reader(name, schemas, made):
        click.echo(line, err=True)


def _on_reader(name: str, schemas: Sequence[str], made: "Reader") -> Iterator[str]:
    yield f"{name} can read {', '.join(schemas)}. The password is kept nowhere: run this again to renew it."
    if made.left_open:
        yield f"Like everyone in this database it {'; it '.join(made.left_open)}."
    if made.relied_on_by:
        yield f"That was left as it is, because others may rely on it: {', '.join(made.relied_on_by)}."


@main.command()
def doctor() -> None:
    """Check the whole set-up and say what to mend; exit code 1 where something must be mended."""
    from spotify_assets.launch.diagnosis import diagnose

    findings = diagnose(Path.cwd())
    for finding in findings:
        click.echo(str(finding))
    sys.exit(0 if all(finding.good for finding in findings) else 1)
