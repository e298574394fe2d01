"""One pass of the graph over an empty database, with the seconds of each phase, printed as JSON.

Run in a process of its own, so that start-up counts. Phases are told apart by wrapping the functions in which the main
thread spends them; a phase inside another is taken off it.

    python -m benchmarks.our_way STARTED    # STARTED: time.time() of the process's start
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Phases:
    """Seconds by phase, each without the phases inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def wrap(self, owner: object, name: str, phase: str) -> None:
        """Count the time in `owner.name` as `phase`."""
        setattr(owner, name, self._timed(getattr(owner, name), phase))

    def _timed(self, inner: Callable[Arguments, Result], phase: str) -> Callable[Arguments, Result]:
        @wraps(inner)
        def timed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            self._inside.append(0.0)
            started = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                whole = time.perf_counter() - started
                self.seconds[phase] += whole - self._inside.pop()
                if self._inside:
                    self._inside[-1] += whole

        return timed


def main(process_started: float) -> None:
    """Run the pass."""
    from spotify_assets.launch.environment import apply_environment
    from spotify_assets.warehouse import database

    settings, _ = apply_environment(Path.cwd())
    url = database.warehouse_url(settings.database, settings.home)
    database.migrate(url)

    import dagster as dg

    from spotify_assets import checks
    from spotify_assets.assets import enrich, extract, marts
    from spotify_assets.instance.storage import PooledEventLogStorage
    from spotify_assets.launch.first_pass import FirstPass
    from spotify_assets.spotify.client import SpotifyClient
    from spotify_assets.warehouse.io_manager import PostgresIOManager

    phases = Phases()
    for call in ("new_releases", "albums", "audio_features", "tracks", "artists"):
        phases.wrap(SpotifyClient, call, "API")
    for step in ("handle_output", "load_input"):
        phases.wrap(PostgresIOManager, step, "database")
    phases.wrap(extract, "upsert_sightings", "database")
    phases.wrap(enrich, "upsert_artists", "database")
    phases.wrap(enrich, "snapshot_popularity", "database")
    phases.wrap(marts, "rebuild", "marts")
    phases.wrap(checks, "offending_rows", "checks")
    for store in ("store_event", "store_event_batch"):
        phases.wrap(PooledEventLogStorage, store, "Dagster events")

    with dg.DagsterInstance.get() as instance:
        phases.seconds["start-up"] = time.time() - process_started
        started = time.perf_counter()
        outcome = FirstPass(instance, database.create_engine(url), lambda _: None).run()
        in_graph = time.perf_counter() - started
    if not outcome.succeeded:
        sys.exit("; ".join(outcome.failures))
    counted = sum(seconds for phase, seconds in phases.seconds.items() if phase != "start-up")
    phases.seconds["Dagster, the rest"] = in_graph - counted
    with database.create_engine(url).connect() as connection:
        albums, tracks = (
            connection.exec_driver_sql(f"select count(*) from spotify.{table}").scalar_one()
            for table in ("releases", "tracks")
        )
    print(
        json.dumps(
            {
                "calls": outcome.calls.total(),
                "albums": albums,
                "tracks": tracks,
                "seconds": time.time() - process_started,
                "phases": dict(phases.seconds),
            }
        )
    )


if __name__ == "__main__":
    main(float(sys.argv[1]))
