"""`spotify-assets sandbox`: the stand-in server, alone, in the foreground."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import cast

import click

from spotify_assets.sandbox.catalogue_file import CatalogueFileError, load_catalogue
from spotify_assets.sandbox.faults import Fault, FaultError
from spotify_assets.sandbox.model import Catalogue
from spotify_assets.sandbox.render import Access
from spotify_assets.sandbox.server import SandboxOptions, build_server, create_app, listen
from spotify_assets.sandbox.synthetic import SyntheticCatalogue

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?")


def seconds(text: str | float) -> float:
    """A duration as a number of seconds: `0.05`, `0.05s` or `50ms`.

    Raises:
        click.BadParameter: written in another way.
    """
    found = _SECONDS.fullmatch(str(text))
    if found is None:
        raise click.BadParameter(f"{text!r} is not a duration: write 0.05, 0.05s or 50ms")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def window(text: str | float) -> float:
    """A duration that is longer than nothing.

    Raises:
        click.BadParameter: written in another way, or zero.
    """
    length = seconds(text)
    if not length:
        raise click.BadParameter("must be longer than 0")
    return length


def fault(text: str) -> Fault:
    """A fault from its text, see faults.Fault.parse.

    Raises:
        click.BadParameter: it cannot be understood.
    """
    try:
        return Fault.parse(text)
    except FaultError as error:
        raise click.BadParameter(str(error)) from error


_EPILOG = """
\b
Faults, written NAME[=VALUE][:every=N][:times=N][:after=N][:on=ENDPOINT]
  rate-limit[=1]         429 with this Retry-After: 7, 1.5, 86400, date, none
  quota[=52531]          429 with reason QUOTA_EXCEEDED and this Retry-After
  deezer-quota           Deezer's "Quota limit exceeded", with status 200
  status[=500/json]      any 4xx or 5xx with a json, html or empty body
  html                   200 with an HTML page instead of JSON
  truncated              200 whose body breaks off half-way
  dropped                the connection closes without an answer
  slow[=10]              the right answer, so many seconds late
  token-down[=503]       the token service fails
  token-expiry           all tokens run out, the call answers 401
  audio-features-closed  403 without a message for audio features
  premium-required[=json]  403 because the owner lost Premium (json or text)
  vanished[=ALBUM_ID]    null in a batch of albums, 404 on its own
  null-items             the first item of a page or batch is null
  null-page[=items]      the items of a page of search are null, or the page
  duplicate-items        pages of search begin with the last item of the page before
  drifting-total         the total of search differs from page to page
  search-border-404      404 instead of 400 beyond the first 1000 results
  relinked               with a market, tracks come under another id
  access[=development]   these calls get that kind of access
Without :on= a fault concerns all calls of the Web API (or its own endpoint);
:on=deezer/* is every endpoint of Deezer, :on=reccobeats/* of ReccoBeats.

\b
Examples
  spotify-assets sandbox --albums 1000 --latency 50ms
  spotify-assets sandbox --fault rate-limit=7:every=10 --fault dropped:on=albums:times=2
  spotify-assets sandbox --access development --rate-limit 90
  spotify-assets sandbox --catalogue export.json.gz

\b
While it runs
  GET    /sandbox/calls    calls by endpoint and status, 429s answered; DELETE counts anew
  GET    /sandbox/requests the newest 50,000 calls one by one: seconds, endpoint, status, ids
  POST   /sandbox/faults   {"faults": ["status=503/html:times=3"]}; an empty list clears them
  GET    /sandbox/health
"""


@click.command("sandbox", epilog=_EPILOG)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--albums",
    type=click.IntRange(1, 10_000_000),
    default=200,
    show_default=True,
    help="Albums that stand in new releases at any time: those of the last eight weeks. New ones come out and "
    "old ones roll off as the clock goes on.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another catalogue.")
@click.option(
    "--tracks-per-album", type=click.IntRange(1, 127), help="Every album has exactly so many tracks."
)
@click.option(
    "--catalogue",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file (.json or .json.gz) of albums, tracks, artists and audio features to serve instead. Its "
    "format is described in spotify_assets/sandbox/catalogue_file.py.",
)
@click.option(
    "--access",
    type=click.Choice(["extended", "development"]),
    default="extended",
    show_default=True,
    help="What the application may do. Development: no new releases, no batches, no audio features, no "
    "popularity, at most 10 search results a page.",
)
@click.option(
    "--latency",
    type=seconds,
    metavar="SECONDS",
    default="0",
    help="Added to every answer: 0.05, 50ms. [default: 0]",
)
@click.option("--rate-limit", type=click.IntRange(min=0), help="Calls per rolling window, then 429.")
@click.option(
    "--rate-window",
    type=window,
    metavar="SECONDS",
    default="30",
    help="Length of that window. Below 10 s, Retry-After is written with a fraction. [default: 30]",
)
@click.option(
    "--new-releases-limit", type=click.IntRange(min=1), help="Cap of the list; Spotify's own shows 100."
)
@click.option(
    "--token-seconds",
    type=click.IntRange(min=1),
    default=3600,
    show_default=True,
    help="Life of an access token.",
)
@click.option(
    "--deezer-limit",
    type=click.IntRange(min=0),
    help="Calls of Deezer per rolling 5 seconds, then its quota error. Deezer's own allows 50.",
)
@click.option(
    "--fault",
    "faults",
    type=fault,
    metavar="FAULT",
    multiple=True,
    help="Misbehave; may be repeated. See below.",
)
def sandbox(  # noqa: PLR0913, RUF100 -- one argument for each option
    port: int,
    host: str,
    albums: int,
    seed: int,
    tracks_per_album: int | None,
    catalogue: Path | None,
    access: str,
    latency: float,
    rate_limit: int | None,
    rate_window: float,
    new_releases_limit: int | None,
    token_seconds: int,
    deezer_limit: int | None,
    faults: tuple[Fault, ...],
) -> None:
    """Serve a stand-in for the Spotify Web API, ReccoBeats and Deezer on this machine, until Ctrl-C.

    Any client id and secret get a token, except for the id "invalid". The data is made up, the same on every
    start for the same --seed and --albums.
    """
    options = SandboxOptions(
        access=cast("Access", access),
        latency=latency,
        rate_limit=rate_limit,
        rate_window=rate_window,
        new_releases_limit=new_releases_limit,
        token_seconds=token_seconds,
        deezer_limit=deezer_limit,
        faults=faults,
    )
    app = create_app(_catalogue(catalogue, albums, seed, tracks_per_album), options)
    try:
        bound = listen(host, port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error
    address = f"http://{host}:{bound.getsockname()[1]}/"
    click.echo(f"Spotify Web API    {address}v1/")
    click.echo(f"Token service      {address}api/token")
    click.echo(f"ReccoBeats         {address}reccobeats/v1/")
    click.echo(f"Deezer             {address}deezer/")
    click.echo(f"Calls so far       {address}sandbox/calls")
    click.echo(f"{access} access; Ctrl-C stops.")
    # The server ends in good order, then raises the signal anew, which does nothing where it was ignored at the start.
    with contextlib.suppress(KeyboardInterrupt):
        build_server(app).run(sockets=[bound])
    click.echo("Stopped.")


def _catalogue(path: Path | None, albums: int, seed: int, tracks_per_album: int | None) -> Catalogue:
    if path is None:
        return SyntheticCatalogue(albums, seed, tracks_per_album)
    try:
        return load_catalogue(path)
    except CatalogueFileError as error:
        raise click.ClickException(str(error)) from error
