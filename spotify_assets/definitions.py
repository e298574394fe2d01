"""The one `Definitions`: what Dagster loads with `-m spotify_assets.definitions`."""

import dagster as dg

from spotify_assets.assets import deezer, enrich, extract, feature_attempts
from spotify_assets.assets.marts import MARTS
from spotify_assets.automation import (
    load_albums,
    load_missing_albums,
    poll_new_releases,
    poll_schedule,
    refresh_marts,
    refresh_schedule,
    reread_popularity,
    run_checks,
)
from spotify_assets.checks import CHECKS
from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.settings import load_settings
from spotify_assets.warehouse.io_manager import PostgresIOManager
from spotify_assets.warehouse.resource import WarehouseDatabase

# A variable that cannot be used is said when the code loads, not in the middle of a run.
load_settings()

_database = WarehouseDatabase()

defs = dg.Definitions(
    assets=[*dg.load_assets_from_modules([extract, enrich, deezer, feature_attempts]), *MARTS],
    asset_checks=CHECKS,
    jobs=[poll_new_releases, load_albums, reread_popularity, refresh_marts, run_checks],
    sensors=[load_missing_albums],
    schedules=[poll_schedule, refresh_schedule],
    resources={
        "warehouse": Warehouse(database=_database),
        "spotify": Spotify(database=_database),
        "clock": Clock(),
        "io_manager": PostgresIOManager(database=_database),
    },
    # The steps are small: a process for each would cost more than the step does.
    executor=dg.in_process_executor,
)
