"""Column lineage is read off the SQL: truths written down by hand, and forms of SQL that it must follow or refuse."""

import json

import dagster as dg
import pytest
from sqlalchemy import URL

from documentation.lineage import LineageError, Origins, column_lineage
from spotify_assets.assets import marts as mart_assets
from spotify_assets.assets.marts import LINEAGE, MART_INPUTS, MARTS, mart_sql
from spotify_assets.resources import Clock, Warehouse
from spotify_assets.warehouse.resource import WarehouseDatabase
from spotify_assets.warehouse.tables import SCALED_FEATURES, metadata

RANK = "deezer.track_ranks.rank"
POPULARITY = "spotify.popularity_snapshots.popularity"
CATALOG = "marts.track_catalog"


def _origins(*columns: str) -> Origins:
    return frozenset((each.rpartition(".")[0], each.rpartition(".")[2]) for each in columns)


def _of_features(table: str) -> tuple[str, ...]:
    return tuple(f"{table}.{feature}" for feature in SCALED_FEATURES)


TRUTHS = {
    ("track_catalog", "track_name"): ["spotify.tracks.name"],
    ("track_catalog", "label"): ["spotify.releases.label", "deezer.albums.label"],
    ("track_catalog", "genres"): ["spotify.artists.genres", "deezer.albums.genres", "deezer.albums.status"],
    ("track_catalog", "isrc"): ["spotify.track_details.isrc", "deezer.track_ranks.isrc"],
    # A constant of a list, picked by a join.
    ("track_catalog", "key_name"): ["spotify.audio_features.key", "spotify.audio_features.mode"],
    # One of ten features in one column, told apart by a constant.
    ("track_catalog", "tempo_percentile"): ["spotify.audio_features.tempo"],
    ("track_catalog", "deezer_rank"): [RANK],
    ("track_catalog", "as_of"): [],
    # Through the view spotify.album_starts to the tables behind it.
    ("weekly_popular_releases", "week_start"): [
        "spotify.new_releases.first_seen_at",
        "spotify.releases.fetched_at",
        "spotify.releases.release_date",
    ],
    ("weekly_popular_releases", "value_mean"): [RANK, POPULARITY],
    ("weekly_popular_releases", "measure"): [],
    ("track_week", "value"): [RANK, POPULARITY],
    # Both through a named window.
    ("track_week", "percentile"): [
        RANK,
        POPULARITY,
        "deezer.track_ranks.measured_on",
        "spotify.popularity_snapshots.measured_on",
    ],
    ("feature_popularity_correlation", "r"): [
        *_of_features(CATALOG),
        f"{CATALOG}.popularity",
        f"{CATALOG}.deezer_rank",
    ],
    ("artist_feature_profile", "artist_id"): [f"{CATALOG}.artist_ids"],
    ("artist_feature_profile", "artist_name"): ["spotify.artists.name", f"{CATALOG}.artist_names"],
    ("artist_feature_profile", "mean"): _of_features(CATALOG),
    ("artist_feature_profile", "feature"): [],
    ("feature_week", "week_start"): [f"{CATALOG}.release_date"],
    ("release_cadence", "median_duration_ms"): ["spotify.tracks.duration_ms"],
    ("coverage", "with_deezer_rank"): [f"{CATALOG}.deezer_rank"],
}


@pytest.mark.parametrize(("mart", "column"), TRUTHS, ids=".".join)
def test_what_is_known_by_hand_is_found(mart: str, column: str) -> None:
    expected = _origins(*TRUTHS[mart, column])
    found = column_lineage(mart, mart_sql(mart))[column]
    # Correlations are told apart by numbers and ordered by names; what else comes in there is no contradiction.
    assert found >= expected if mart == "feature_popularity_correlation" else found == expected


@pytest.mark.parametrize("mart", MART_INPUTS)
def test_every_column_of_a_mart_has_its_origins_in_the_assets_it_depends_on(mart: str) -> None:
    lineage = column_lineage(mart, mart_sql(mart))
    assert set(lineage) == set(metadata.tables[f"marts.{mart}"].columns.keys())
    read = {table for origins in lineage.values() for table, _ in origins}
    assert read <= {".".join(key.path) for key in MART_INPUTS[mart]}


def test_a_changed_select_has_another_lineage() -> None:
    changed = mart_sql("release_cadence").replace("tracks.duration_ms", "tracks.disc_number")
    assert column_lineage("release_cadence", changed)["median_duration_ms"] == _origins(
        "spotify.tracks.disc_number"
    )


def test_a_select_from_something_else_than_a_known_table_is_refused() -> None:
    """An empty lineage would pass for a constant."""
    with pytest.raises(Exception, match="unknown"):
        column_lineage(
            "track_week", "with final as (select a.unknown from spotify.tracks as a) select * from final"
        )
    with pytest.raises(LineageError, match=r"marts\.track_week\.name comes from other\.tracks\.name"):
        column_lineage("track_week", "select a.name as name from other.tracks as a")


def test_a_lineage_of_another_select_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mart_assets.column_lineage("coverage") is not None
    monkeypatch.setattr(mart_assets, "mart_sql", lambda _: "select 1")
    assert mart_assets.column_lineage("coverage") is None


def test_each_materialization_carries_it(empty_database_url: URL) -> None:
    address = empty_database_url.render_as_string(hide_password=False)
    warehouse = Warehouse(database=WarehouseDatabase(url=address))
    clock = Clock(fixed="2026-03-04T00:00:00+00:00")
    result = dg.materialize(MARTS, resources={"warehouse": warehouse, "clock": clock})
    noted = json.loads(LINEAGE.read_text(encoding="utf-8"))
    for mart in MARTS:
        [materialization] = result.asset_materializations_for_node(mart.node_def.name)
        lineage = materialization.metadata["dagster/column_lineage"].value
        assert isinstance(lineage, dg.TableColumnLineage)
        assert set(lineage.deps_by_column) == set(noted[mart.key.path[-1]]["columns"])
