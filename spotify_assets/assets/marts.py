"""The marts: each one `.sql` file in `marts/`, and one in `marts/changed/` that tells what of it may have changed."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine

from spotify_assets.assets.deezer import DEEZER_ALBUMS, TRACK_RANKS
from spotify_assets.assets.enrich import ARTISTS, AUDIO_FEATURES, POPULARITY_SNAPSHOTS, TRACK_DETAILS
from spotify_assets.assets.extract import NEW_RELEASES, OWNERS, RELEASES, TRACKS
from spotify_assets.assets.feature_attempts import FEATURE_ATTEMPTS
from spotify_assets.assets.table_metadata import table_metadata
from spotify_assets.partitions import is_of_albums
from spotify_assets.resources import Clock, Warehouse
from spotify_assets.warehouse import tables
from spotify_assets.warehouse.marts import MartBuild, build_mart, refresh_mart
from spotify_assets.warehouse.statements import record_coverage

LINEAGE = Path(__file__).with_name("marts") / "column_lineage.json"


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["marts", name])


MART_INPUTS: dict[str, Sequence[dg.AssetKey]] = {
    "feature_distribution": [TRACKS, AUDIO_FEATURES, TRACK_DETAILS, POPULARITY_SNAPSHOTS],
    "track_catalog": [
        _key("feature_distribution"),
        NEW_RELEASES,
        RELEASES,
        TRACKS,
        AUDIO_FEATURES,
        FEATURE_ATTEMPTS,
        TRACK_DETAILS,
        POPULARITY_SNAPSHOTS,
        ARTISTS,
        DEEZER_ALBUMS,
        TRACK_RANKS,
    ],
    "weekly_popular_releases": [
        NEW_RELEASES,
        RELEASES,
        TRACKS,
        POPULARITY_SNAPSHOTS,
        ARTISTS,
        DEEZER_ALBUMS,
        TRACK_RANKS,
    ],
    "track_week": [POPULARITY_SNAPSHOTS, TRACK_RANKS],
    "feature_popularity_correlation": [_key("track_catalog"), DEEZER_ALBUMS],
    "artist_feature_profile": [_key("track_catalog"), ARTISTS],
    "feature_week": [_key("track_catalog")],
    "release_cadence": [RELEASES, TRACKS],
    "coverage": [NEW_RELEASES, RELEASES, _key("track_catalog")],
}
"""By mart, the assets that its select reads. A mart that reads another stands after it."""


# What is kept of a build, beyond the mart that the next one replaces.
_REMEMBERED: Mapping[str, Callable[[Connection, datetime], None]] = {"coverage": record_coverage}


def mart_sql(name: str) -> str:
    """The text of `marts/{name}.sql`."""
    return (files(__package__) / "marts" / f"{name}.sql").read_text(encoding="utf-8")


def sql_digest(sql: str) -> str:
    """Tells one text of a select from another."""
    return hashlib.sha256(sql.encode()).hexdigest()[:12]


def column_lineage(name: str) -> dg.TableColumnLineage | None:
    """The columns of upstream assets that each column of the mart is made of.

    Derived from the SQL by `make docs`; None where the SQL was written or changed since, as a wrong lineage is worse
    than none.
    """
    noted = json.loads(LINEAGE.read_text(encoding="utf-8")).get(name)
    if noted is None or noted["sql"] != sql_digest(mart_sql(name)):
        return None
    return dg.TableColumnLineage(
        {
            column: [_origin(*each.split(".")) for each in origins]
            for column, origins in noted["columns"].items()
        }
    )


def _origin(schema: str, table: str, column: str) -> dg.TableColumnDep:
    return dg.TableColumnDep(asset_key=dg.AssetKey([schema, table]), column_name=column)


def _mart(name: str, inputs: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    table = tables.metadata.tables[f"marts.{name}"]
    sql = mart_sql(name)
    lineage = column_lineage(name)

    @dg.asset(
        key=_key(name),
        # Dependencies and never inputs: as an input a partitioned table would be loaded with all its keys.
        deps=inputs,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="marts",
        # The daily run is ten minutes after midnight.
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26)),
        kinds={"sql", "postgres"},
        owners=OWNERS,
        code_version=sql_digest(sql),
        description=f"{table.comment}\n\n```sql\n{sql}\n```",
        metadata=table_metadata(table, lineage),
    )
    def mart(
        context: dg.AssetExecutionContext, warehouse: Warehouse, clock: Clock
    ) -> dg.MaterializeResult[None]:
        as_of = clock.now()
        build = _built(warehouse.engine, name, as_of, of_albums=is_of_albums(context.run.tags))
        if remember := _REMEMBERED.get(name):
            with warehouse.engine.begin() as connection:
                remember(connection, as_of)
        metadata: dict[str, Any] = {
            "dagster/row_count": build.rows,
            "seconds": build.seconds,
            "extent": f"{build.extent} ({build.reason})",
            "as_of": dg.MetadataValue.timestamp(build.as_of),
        }
        if lineage:
            metadata["dagster/column_lineage"] = lineage
        return dg.MaterializeResult(metadata=metadata)

    return mart


def _built(engine: Engine, name: str, as_of: datetime, *, of_albums: bool) -> MartBuild:
    """What a run over albums has changed is made good; any other run was asked for the mart, and builds it whole."""
    if of_albums:
        return refresh_mart(engine, name, as_of, [".".join(key.path) for key in MART_INPUTS[name]])
    return build_mart(engine, name, as_of)


MARTS = [_mart(name, inputs) for name, inputs in MART_INPUTS.items()]
"""The mart assets, each after those that it reads."""
