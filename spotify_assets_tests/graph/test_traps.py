"""Traps of partition ranges in Dagster, each of which once ended in a green run that loaded nothing or too much."""

import dagster as dg
import pytest

from spotify_assets.assets.extract import RELEASES
from spotify_assets.assets.marts import MARTS
from spotify_assets.checks import CHECKS
from spotify_assets.definitions import defs
from spotify_assets_tests.graph.conftest import Graph, failure_text


def test_a_reversed_range_is_refused_and_records_no_materialization(graph: Graph) -> None:
    """Dagster resolves it to no partition, runs the body, and reports SUCCESS."""
    keys = graph.poll()
    result = graph.load_range(keys[-1], keys[0])
    assert not result.success
    assert "holds no album" in failure_text(result)
    assert graph.count("spotify.releases") == 0
    assert graph.instance.get_latest_materialization_event(RELEASES) is None


def test_a_key_deleted_and_added_again_is_loaded_with_the_next_range(graph: Graph) -> None:
    """It moves to the end of the insertion order and drops out of a range that was asked for before."""
    keys = graph.poll()
    graph.instance.delete_dynamic_partition("album_id", keys[3])
    graph.instance.add_dynamic_partitions("album_id", [keys[3]])
    assert graph.load_range(keys[0], keys[-1]).success
    assert graph.count("spotify.releases") == len(keys) - 1

    assert graph.load_everything().succeeded
    assert graph.count("spotify.releases") == len(keys)


def test_a_rerun_of_one_album_leaves_the_others_untouched(graph: Graph) -> None:
    graph.load_everything()
    keys = graph.instance.get_dynamic_partitions("album_id")
    before = dict(graph.rows("select album_id, fetched_at from spotify.releases"))
    assert graph.run(**{"dagster/partition": keys[5]}).success
    after = dict(graph.rows("select album_id, fetched_at from spotify.releases"))
    assert {key for key in after if after[key] != before[key]} == {keys[5]}
    assert graph.count("spotify.tracks") == 48


def test_a_range_with_a_hole_loads_only_what_lies_between_its_ends(graph: Graph) -> None:
    keys = graph.poll()
    assert graph.load_range(keys[2], keys[4]).success
    assert {key for (key,) in graph.rows("select album_id from spotify.tracks")} == set(keys[2:5])


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.key.to_user_string())
def test_marts_depend_on_partitioned_tables_and_never_load_them(mart: dg.AssetsDefinition) -> None:
    """As an input, a partitioned table is loaded with all its keys: 10,000 keys made a statement of 260 kB."""
    assert mart.node_def.input_dict == {} or all(
        definition.dagster_type.is_nothing for definition in mart.node_def.input_dict.values()
    )
    assert mart.asset_deps[mart.key]


def test_every_asset_downstream_of_releases_can_run_in_one_range() -> None:
    """`dagster asset materialize --select 'spotify/releases*' --partition-range` demands it of each asset."""
    selection = dg.AssetSelection.from_string('key:"spotify/releases"+').resolve(defs.resolve_asset_graph())
    assert {key.to_user_string() for key in selection} >= {"spotify/tracks", "marts/track_catalog"}
    for key in selection:
        policy = defs.resolve_asset_graph().get(key).backfill_policy
        assert policy == dg.BackfillPolicy.single_run(), key


def test_every_check_names_an_asset_of_the_graph() -> None:
    assets = set(defs.resolve_asset_graph().get_all_asset_keys())
    for check in CHECKS:
        assert {key.asset_key for key in check.check_keys} <= assets
