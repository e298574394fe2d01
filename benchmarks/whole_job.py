"""The whole job, empty database to marts, beside the plain way: 200 albums of 12 tracks at 50 ms latency."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from spotify_assets.sandbox.server import SandboxServer
from spotify_assets.warehouse.embedded import EmbeddedPostgres

ALBUMS = 200
TRACKS_PER_ALBUM = 12
LATENCY_SECONDS = 0.05
REPETITIONS = 3
REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Measured:
    """What one way took."""

    calls: int
    albums: int
    tracks: int
    seconds: float
    phases: dict[str, float]


def run() -> str:
    """Measure both ways in turn and return the report as Markdown."""
    ours = [_ours(number) for number in range(REPETITIONS)]
    plain = _plain()
    return _report(ours, plain)


def _ours(number: int) -> Measured:
    print(f"  whole job, run {number + 1} of {REPETITIONS}", flush=True)
    with _sandbox() as sandbox, _open_folder() as folder:
        environ = {
            **os.environ,
            "SPOTIFY_SANDBOX": "1",
            "SPOTIFY_API_URL": sandbox.api_url,
            "SPOTIFY_ACCOUNTS_URL": sandbox.accounts_url,
            "SPOTIFY_ASSETS_HOME": folder,
            # The plain way does not ask it either.
            "DEEZER_API_URL": "",
            "PYTHONPATH": str(REPOSITORY),
        }
        return _measure(["benchmarks.our_way", str(time.time())], environ, folder)


def _plain() -> Measured:
    print("  plain way, one run (minutes)", flush=True)
    with (
        _sandbox() as sandbox,
        _open_folder() as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
    ):
        address = server.start()
        url = f"postgresql+psycopg://{address.user}:{address.password}@{address.host}:{address.port}/{address.database}"
        command = ["benchmarks.plain_way", sandbox.api_url, sandbox.accounts_url, url]
        return _measure(command, dict(os.environ), str(REPOSITORY))


def _sandbox() -> SandboxServer:
    return SandboxServer(albums=ALBUMS, tracks_per_album=TRACKS_PER_ALBUM, latency=LATENCY_SECONDS)


def _open_folder() -> "tempfile.TemporaryDirectory[str]":
    folder = tempfile.TemporaryDirectory(prefix="spotify-assets-bench-")
    # The embedded server runs under another account when this one is root.
    Path(folder.name).chmod(0o755)
    return folder


def _measure(command: list[str], environ: dict[str, str], folder: str) -> Measured:
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        env=environ,
        cwd=folder,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return Measured(**json.loads(ended.stdout.splitlines()[-1]))


def _report(ours: list[Measured], plain: Measured) -> str:
    seconds = statistics.median(run.seconds for run in ours)
    phases = {name: statistics.median(run.phases[name] for run in ours) for name in ours[0].phases}
    rows = "\n".join(
        f"| {name} | {phases[name]:.1f} | {phases[name] / seconds:.0%} |"
        for name in sorted(phases, key=lambda name: -phases[name])
    )
    return f"""## Whole job: {ALBUMS} albums of {TRACKS_PER_ALBUM} tracks, {LATENCY_SECONDS * 1000:.0f} ms latency

Empty database to marts. Ours: median of {len(ours)} runs, start of the process and of Postgres included. The plain
way (one call an album, two calls a track, one after the other, pandas `to_sql`, no marts, no checks): one run,
its imports and Postgres' start left out. Neither asks Deezer. Same machine, same sandbox, one run of `make bench`.

| | ours | the plain way | ratio |
|---|---|---|---|
| seconds | {seconds:.1f} | {plain.seconds:.1f} | {plain.seconds / seconds:.1f} |
| API calls | {ours[0].calls:,} | {plain.calls:,} | {plain.calls / ours[0].calls:.0f} |
| albums, tracks | {ours[0].albums:,}, {ours[0].tracks:,} | {plain.albums:,}, {plain.tracks:,} | |

Where our seconds go:

| phase | seconds | share |
|---|---|---|
{rows}

The plain way: API {plain.phases["API"]:.1f} s, database {plain.phases["database"]:.1f} s.
"""
