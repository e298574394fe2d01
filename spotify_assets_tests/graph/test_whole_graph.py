"""The whole graph: what the sandbox holds is what the warehouse holds, at the least number of calls."""

import math
from datetime import UTC, datetime, timedelta

import polars as pl
from polars.testing import assert_frame_equal

from spotify_assets.automation import MARTS_ASSETS
from spotify_assets.load_planning import PARTITIONED_ASSETS
from spotify_assets_tests.graph.conftest import Graph, StartGraph

LOADED_TABLES = {
    "spotify.releases": "album_id",
    "spotify.tracks": "album_id, track_id",
    "spotify.audio_features": "album_id, track_id",
    "spotify.track_details": "album_id, track_id",
    "spotify.popularity_snapshots": "track_id, measured_on",
    "spotify.artists": "artist_id",
    "marts.track_catalog": "album_id, track_id",
    "marts.weekly_popular_releases": "week_start, measure, album_id",
    "ops.source": "kind",
    "ops.set_aside": "asset, item_id",
}


def test_one_pass_loads_every_album_of_the_sandbox(graph: Graph) -> None:
    outcome = graph.load_everything()
    assert outcome.failures == []
    assert outcome.albums_loaded == 12
    assert graph.count("spotify.new_releases") == 12
    assert graph.count("spotify.releases") == 12
    assert graph.count("spotify.tracks") == 48
    assert graph.count("spotify.audio_features") == 48
    assert graph.count("spotify.track_details") == 48
    assert graph.count("marts.track_catalog") == 48
    assert graph.rows("select kind from ops.source") == [("sandbox",)]
    keys = set(graph.instance.get_dynamic_partitions("album_id"))
    for asset in PARTITIONED_ASSETS:
        assert graph.instance.get_materialized_partitions(asset) == keys
    assert all(graph.instance.get_latest_materialization_event(mart) for mart in MARTS_ASSETS)


def test_every_credited_artist_is_loaded_once(graph: Graph) -> None:
    graph.load_everything()
    credited = graph.rows(
        "select count(distinct id) from (select unnest(artist_ids) as id from spotify.releases"
        " union select unnest(artist_ids) from spotify.tracks) as credits"
    )
    assert credited == [(graph.count("spotify.artists"),)]


def test_a_second_pass_with_nothing_new_fetches_no_album_and_changes_no_row(start_graph: StartGraph) -> None:
    """Apart from last_seen_at: the list was seen again."""
    noon = datetime(2026, 11, 19, 12, tzinfo=UTC)
    graph = start_graph(now=lambda: noon)
    graph.load_everything()
    before = {name: graph.table(name, order) for name, order in LOADED_TABLES.items()}
    sightings = graph.table("spotify.new_releases", "market, album_id")
    calls = dict(graph.sandbox.calls())

    outcome = graph.load_everything()

    assert outcome.succeeded
    new_calls = {
        name: n - calls.get(name, 0) for name, n in graph.sandbox.calls().items() if n != calls.get(name, 0)
    }
    assert new_calls == {"token": 1, "browse/new-releases": 1}
    for name, order in LOADED_TABLES.items():
        assert_frame_equal(graph.table(name, order), before[name])
    seen_again = graph.table("spotify.new_releases", "market, album_id")
    assert_frame_equal(seen_again.drop("last_seen_at"), sightings.drop("last_seen_at"))
    assert (seen_again["last_seen_at"] > sightings["last_seen_at"]).all()


def test_only_albums_that_came_out_since_are_fetched(start_graph: StartGraph) -> None:
    clock = {"now": datetime(2026, 11, 19, 12, tzinfo=UTC)}
    graph = start_graph(now=lambda: clock["now"])
    graph.load_everything()
    fetched_before = dict(graph.rows("select album_id, fetched_at from spotify.releases"))
    clock["now"] += timedelta(days=10)

    outcome = graph.load_everything()

    assert 0 < outcome.albums_loaded < 12
    assert graph.count("spotify.releases") == 12 + outcome.albums_loaded
    still = {
        key: at
        for key, at in graph.rows("select album_id, fetched_at from spotify.releases")
        if key in fetched_before
    }
    assert still == fetched_before


def test_albums_that_left_the_list_keep_when_they_were_last_seen(start_graph: StartGraph) -> None:
    clock = {"now": datetime(2026, 11, 19, 12, tzinfo=UTC)}
    graph = start_graph(now=lambda: clock["now"])
    first = graph.poll()
    clock["now"] += timedelta(days=56)
    graph.poll()
    gone = graph.rows("select album_id from spotify.new_releases where last_seen_at = first_seen_at")
    assert {key for (key,) in gone} >= set(first)


def test_a_thousand_albums_cost_no_more_calls_than_their_batches(start_graph: StartGraph) -> None:
    """20 albums, 100 features, 50 tracks, 50 artists a call; at most 2 % above, over five runs of 200 albums."""
    graph = start_graph(albums=1000, tracks_per_album=12)
    outcome = graph.load_everything()
    assert outcome.failures == []
    albums, tracks, artists = 1000, 12_000, graph.count("spotify.artists")
    assert (graph.count("spotify.releases"), graph.count("spotify.tracks")) == (albums, tracks)
    floor = (
        math.ceil(albums / 20)
        + math.ceil(tracks / 100)
        + math.ceil(tracks / 50)
        + math.ceil(albums / 50)  # pages of new releases
        + math.ceil(artists / 50)
    )
    calls = graph.sandbox.calls()
    to_spotify = {name: count for name, count in calls.items() if not name.startswith("deezer/")}
    assert sum(to_spotify.values()) <= floor * 1.02, calls
    # The summary of a pass counts every call, to whomever.
    assert outcome.calls.total() == sum(calls.values())


def test_the_metadata_of_a_range_counts_its_calls_once(graph: Graph) -> None:
    """Each partition of a range repeats the metadata of its step: summing over partitions would multiply them."""
    outcome = graph.load_everything()
    assert outcome.calls["albums"] == 1
    assert outcome.calls["tracks"] == 1


def test_features_say_absent_where_the_sandbox_has_none(start_graph: StartGraph) -> None:
    graph = start_graph(albums=60)
    graph.load_everything()
    rows = graph.table("spotify.audio_features", "track_id")
    absent = rows.filter(pl.col("status") == "absent")
    assert absent.height > 0
    assert absent["source"].null_count() == absent.height
    assert absent["danceability"].null_count() == absent.height
    assert rows.filter(pl.col("status") == "measured")["source"].unique().to_list() == ["spotify"]


def _extents(graph: Graph) -> dict[str, str]:
    return dict(graph.rows("select mart, extent from marts.builds"))


def test_a_load_builds_what_it_has_changed_and_a_mart_that_is_asked_for_is_built_whole(
    start_graph: StartGraph,
) -> None:
    """Every run of a few albums built every mart of all albums anew."""
    graph = start_graph(albums=60)
    albums = graph.poll()
    assert graph.load_range(albums[0], albums[40]).success
    assert set(_extents(graph).values()) == {"whole"}
    run = graph.load_range(albums[41], albums[41])
    assert run.success
    assert _extents(graph)["track_catalog"] == "part"
    [materialization] = run.asset_materializations_for_node("marts__track_catalog")
    assert materialization.metadata["extent"].value == "part (1 of album_id)"
    assert materialization.metadata["dagster/row_count"].value == graph.count("marts.track_catalog")
    assert graph.rows("select count(distinct album_id) from marts.track_catalog") == [(42,)]
    [kept] = run.asset_materializations_for_node("marts__feature_distribution")
    assert kept.metadata["extent"].value == "kept (too little has changed)"
    assert graph.run("refresh_marts").success
    assert set(_extents(graph).values()) == {"whole"}
    assert set(graph.rows("select distinct source from marts.builds")) == {("sandbox",)}
