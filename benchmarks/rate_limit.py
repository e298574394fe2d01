"""A thousand albums of a development key under 100 calls in 30 s: how near to the limit, and how many 429s.

python -m benchmarks.rate_limit [WINDOW]    # seconds; 30 is Spotify's, less runs faster
"""

import re
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL

from spotify_assets.client_state import WarehouseBudget, state_engine
from spotify_assets.sandbox.server import SandboxServer
from spotify_assets.spotify.access import Access
from spotify_assets.spotify.client import SpotifyClient
from spotify_assets.spotify.credentials import Credentials
from spotify_assets.spotify.endpoints import SPOTIFY
from spotify_assets.spotify.pacing import Pacing
from spotify_assets.spotify.wire import Wire
from spotify_assets.warehouse.database import migrate, normalise_url
from spotify_assets.warehouse.embedded import EmbeddedPostgres

ALBUMS = 1000
LIMIT = 100
WINDOW_SECONDS = 30.0
LATENCY_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """What the calls came to."""

    seconds: float
    calls: int
    refused: int


def run(window: float = WINDOW_SECONDS) -> str:
    """Measure with the limit set and with the limit unknown, and return the report as Markdown."""
    ways: Mapping[str, float | None] = {"set (`SPOTIFY_CALLS_PER_30_SECONDS=100`)": LIMIT, "not known": None}
    measured = {}
    for way, most in ways.items():
        print(f"  limit {re.sub(r' .*', '', way)}, {ALBUMS / LIMIT * window:.0f} s at least", flush=True)
        measured[way] = _measure(window, most)
    return _report(window, measured)


def _measure(window: float, most: float | None) -> Measured:
    with (
        tempfile.TemporaryDirectory(prefix="spotify-assets-bench-") as folder,
        SandboxServer(
            albums=ALBUMS,
            tracks_per_album=1,
            access="development",
            latency=LATENCY_SECONDS,
            rate_limit=LIMIT,
            rate_window=window,
        ) as sandbox,
    ):
        # The embedded server runs under another account when this one is root.
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            address = server.start()
            url = normalise_url(
                f"postgresql://{address.user}:{address.password}@{address.host}:{address.port}/{address.database}"
            )
            migrate(url)
            return _load(sandbox, url, Pacing(most=most, window=window))


def _load(sandbox: SandboxServer, url: URL, pacing: Pacing) -> Measured:
    state = state_engine(url)
    wire = Wire(budget=WarehouseBudget(state, "a-key", {SPOTIFY: pacing}))
    listing = sandbox.catalogue.new_releases(datetime.now(UTC))
    ids = [album.album_id for album in listing.page(0, ALBUMS)]
    with SpotifyClient(
        Credentials("id", "secret"),
        wire,
        api_url=sandbox.api_url,
        accounts_url=sandbox.accounts_url,
        access=Access("development"),
    ) as client:
        started = time.perf_counter()
        found = client.albums(ids, "US").releases.height
        seconds = time.perf_counter() - started
    state.dispose()
    if found != ALBUMS:
        sys.exit(f"{found} of {ALBUMS} albums were loaded")
    report = sandbox.report()
    return Measured(seconds, report["total"] - report["endpoints"]["token"], report["rate_limited"])


def _report(window: float, measured: Mapping[str, Measured]) -> str:
    # After each full window the next calls may go at once: nobody can be faster.
    imposed = (ALBUMS - 1) // LIMIT * window
    rows = "\n".join(
        f"| {way} | {each.seconds:.0f} | {each.seconds / imposed:.2f} | {each.calls:,} | {each.refused} |"
        f" {each.refused / each.calls:.1%} |"
        for way, each in measured.items()
    )
    return f"""## A rolling limit of {LIMIT} calls in {window:g} s: {ALBUMS:,} albums of a development key

The client on the sandbox at {LATENCY_SECONDS * 1000:.0f} ms latency, its budget in Postgres. The limit itself imposes
{imposed:.0f} s on {ALBUMS:,} calls, if each window's calls are made at its very beginning.

| limit | seconds | ratio to what the limit imposes | calls | answered 429 | share |
|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    print(run(float(sys.argv[1]) if len(sys.argv) > 1 else WINDOW_SECONDS))
