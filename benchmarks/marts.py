"""The marts at size: 100,000 albums of 12 tracks, 60 days of measurements; built whole, and after 200 more albums."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, text

from spotify_assets.assets.marts import MART_INPUTS
from spotify_assets.warehouse.database import create_engine, migrate, normalise_url
from spotify_assets.warehouse.embedded import EmbeddedPostgres
from spotify_assets.warehouse.marts import MartBuild, build_mart, refresh_mart

ALBUMS = 100_000
NEW_ALBUMS = 200
DAYS = 60
TODAY = date(2026, 11, 20)
MORNING = datetime(2026, 11, 20, 9, tzinfo=UTC)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CATALOGUE = Path(__file__).with_name("marts_catalogue.sql")
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Built:
    """A build, what it took, and what the mart is then.

    Attributes:
        build: What was done.
        peak_bytes: The most private memory that the server's processes held at once.
        rows_digest: Tells the mart's rows from others.
    """

    build: MartBuild
    peak_bytes: int
    rows_digest: str


def run() -> str:
    """Measure and return the report as Markdown."""
    with _warehouse() as (engine, server_pid):
        print(f"  filling {ALBUMS:,} albums (minutes)", flush=True)
        sizes = fill(engine, ALBUMS, NEW_ALBUMS, first=True)
        whole = {name: _measured(engine, server_pid, name, MORNING, part=False) for name in MART_INPUTS}
        fill(engine, ALBUMS, NEW_ALBUMS, first=False)
        part = {name: _measured(engine, server_pid, name, NOON, part=True) for name in MART_INPUTS}
        # Without what percentiles refer to, which holds for the day.
        compared = [name for name in MART_INPUTS if part[name].build.extent != "kept"]
        again = {name: _measured(engine, server_pid, name, NOON, part=False) for name in compared}
    return _report(sizes, whole, part, again)


def fill(engine: Engine, albums: int, new_albums: int, *, first: bool) -> dict[str, int]:
    """Add the first `albums`, or those that are new after them; returns the rows of the large tables."""
    # The new ones come after number 100,000, whose release date is today.
    numbers = (1, albums) if first else (100_001, 100_000 + new_albums)
    parameters = {"first": numbers[0], "last": numbers[1], "today": TODAY, "days": DAYS}
    with engine.begin() as connection:
        connection.execute(text("select setseed(0.5)"))
        for statement in CATALOGUE.read_text(encoding="utf-8").split("\n\n"):
            bound = text(statement)
            connection.execute(bound, {name: parameters[name] for name in bound.compile().params})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As autovacuum would in time.
        connection.execute(text("vacuum analyze"))
        return {table: _count(connection, table) for table in _LARGE}


_LARGE = (
    "spotify.releases",
    "spotify.tracks",
    "spotify.artists",
    "spotify.popularity_snapshots",
    "deezer.track_ranks",
)


def _count(connection: Connection, table: str) -> int:
    count: int = connection.execute(text(f"select count(*) from {table}")).scalar_one()
    return count


def _measured(engine: Engine, server_pid: int, name: str, as_of: datetime, *, part: bool) -> Built:
    inputs = [".".join(key.path) for key in MART_INPUTS[name]]
    with _peak_memory(server_pid) as peak:
        build = refresh_mart(engine, name, as_of, inputs) if part else build_mart(engine, name, as_of)
    print(f"  {name}: {build.extent}, {build.seconds:.1f} s ({build.reason})", flush=True)
    return Built(build, max(peak), _digest(engine, name))


def _digest(engine: Engine, name: str) -> str:
    """Of the rows in any order; of two marts that differ in one value it differs."""
    rows = (
        f"select sum(hashtextextended(cast(to_jsonb(mart) - 'as_of' as text), 0)) from marts.{name} as mart"
    )
    with engine.connect() as connection:
        return str(connection.execute(text(rows)).scalar_one())


@contextmanager
def _warehouse() -> Iterator[tuple[Engine, int]]:
    with tempfile.TemporaryDirectory(prefix="spotify-assets-bench-") as folder:
        # The embedded server runs under another account when this one is root.
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            address = server.start()
            url = normalise_url(
                f"postgresql://{address.user}:{address.password}@{address.host}:{address.port}/{address.database}"
            )
            migrate(url)
            engine = create_engine(url)
            yield engine, _server_pid(url)
            engine.dispose()


def _server_pid(url: URL) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        folder = str(connection.execute(text("show data_directory")).scalar_one())
    engine.dispose()
    return int((Path(folder) / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])


@contextmanager
def _peak_memory(server_pid: int) -> Iterator[list[int]]:
    """Private memory of all the server's processes, twenty times a second."""
    seen = [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            seen[0] = max(seen[0], sum(_private_bytes(pid) for pid in _children(server_pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [int(child) for child in children]


def _private_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        # A parallel worker that has ended meanwhile.
        return 0
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _report(
    sizes: dict[str, int], whole: dict[str, Built], part: dict[str, Built], again: dict[str, Built]
) -> str:
    rows = "\n".join(
        f"| {name} | {built.build.rows:,} | {built.build.seconds:.1f} | {built.peak_bytes / _MEBIBYTE:.0f} |"
        f" {part[name].build.seconds:.2f} ({part[name].build.extent}) | {part[name].peak_bytes / _MEBIBYTE:.0f} |"
        f" {part[name].build.seconds / built.build.seconds:.3f} | {_equality(part[name], again.get(name))} |"
        for name, built in whole.items()
    )
    total, total_part = (sum(each.build.seconds for each in builds.values()) for builds in (whole, part))
    counted = ", ".join(f"{count:,} rows of {table}" for table, count in sizes.items())
    return f"""## Marts: {ALBUMS:,} albums, {DAYS} days of measurements

An invented catalogue of a year: {counted}. Every mart is built whole (`build_mart`), then {NEW_ALBUMS} albums with what
belongs to them are added, and every mart is brought up to date (`refresh_mart`): in part where it can be, and kept
where too little has changed for one that can only be built whole. Then all but those are built whole again: the rows
of the first way must be those of the second. MB: the most private memory that the processes of Postgres held at once,
its shared buffers not counted. One run.

| mart | rows | whole, s | MB | after {NEW_ALBUMS} new albums, s | MB | ratio | rows as of a whole build |
|---|---|---|---|---|---|---|---|
{rows}
| all | | {total:.1f} | | {total_part:.2f} | | {total_part / total:.3f} | |
"""


def _equality(part: Built, again: Built | None) -> str:
    if again is None:
        return "of the morning"
    return "equal" if part.rows_digest == again.rows_digest else "**differ**"
