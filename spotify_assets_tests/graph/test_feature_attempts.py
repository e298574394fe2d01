"""Absent audio features are asked for again after 1, 7, 30 and 90 days: only those, in full batches, and recorded."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spotify_assets.assets.feature_attempts import FEATURE_ATTEMPTS
from spotify_assets.warehouse.statements import features_due
from spotify_assets_tests.graph.conftest import Graph, StartGraph
from spotify_assets_tests.graph.test_access import metadata_of


def absent(graph: Graph) -> set[str]:
    return {
        key for (key,) in graph.rows("select track_id from spotify.audio_features where status = 'absent'")
    }


def days_pass(graph: Graph, days: float) -> None:
    """What was asked is so many days older."""
    with graph.engine.begin() as connection:
        connection.exec_driver_sql(
            "update ops.feature_attempts set first_asked_at = first_asked_at - %(ago)s,"
            " last_asked_at = last_asked_at - %(ago)s, last_tried_at = last_tried_at - %(ago)s",
            {"ago": timedelta(days=days)},
        )


def asked_again(graph: Graph) -> list[str]:
    """The tracks that one daily run asks for again."""
    graph.sandbox.reset_calls()
    assert graph.run("refresh_marts").success
    calls = [call for call in graph.sandbox.requests if call.endpoint.endswith("audio-features")]
    return [key for call in calls for key in call.asked.split(",")]


def test_each_absent_track_is_asked_for_after_1_7_30_and_90_days_and_then_no_more(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(albums=60)
    graph.load_everything()
    # Those that the sandbox never measures; a fresh track may be measured tomorrow.
    tracks = absent(graph)
    assert tracks
    turns = []
    for day in range(1, 120):
        days_pass(graph, 1)
        if asked := _due(graph):
            assert set(asked) == absent(graph)
            turns.append(day)
            asked_again(graph)
    assert turns == [1, 7, 30, 90]
    attempts = graph.rows("select distinct attempts from ops.feature_attempts where outcome = 'absent'")
    assert attempts == [(5,)]


def _due(graph: Graph) -> list[str]:
    with graph.engine.connect() as connection:
        now = connection.exec_driver_sql("select now()").scalar_one()
        return features_due(connection, now)


def test_only_absent_tracks_are_asked_for_in_full_batches_and_nothing_before_their_time(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(access="development", albums=480, tracks_per_album=4)
    graph.load_everything()
    tracks = absent(graph)
    assert asked_again(graph) == []
    days_pass(graph, 1)
    graph.sandbox.reset_calls()
    graph.run("refresh_marts")
    calls = [
        call.asked.split(",") for call in graph.sandbox.requests if call.endpoint.startswith("reccobeats/")
    ]
    assert {key for call in calls for key in call} == tracks
    assert sorted(len(call) for call in calls)[1:] == [40] * (len(calls) - 1)


def test_features_that_have_come_meanwhile_fill_their_rows_and_the_mart(start_graph: StartGraph) -> None:
    graph = start_graph(albums=30, faults=["audio-features-closed"])
    graph.load_everything()
    before = absent(graph)
    assert len(before) > 100
    graph.sandbox.set_faults()
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("truncate ops.access")
    days_pass(graph, 1)
    asked = asked_again(graph)
    assert set(asked) == before
    now_measured = before - absent(graph)
    assert len(now_measured) > 90
    assert graph.rows("select count(*) from marts.track_catalog where features_source = 'spotify'") == [
        (len(now_measured),)
    ]
    assert dict(graph.rows("select outcome, count(*) from ops.feature_attempts group by outcome")) == {
        "measured": len(now_measured),
        "absent": len(absent(graph)),
    }
    metadata = metadata_of(graph, FEATURE_ATTEMPTS)
    assert (metadata["due"], metadata["measured"]) == (len(before), len(now_measured))


def test_tracks_that_nobody_could_be_asked_about_are_asked_for_by_the_next_daily_run(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(access="development", albums=48, faults=["status=400/json:on=reccobeats/*"])
    graph.load_everything()
    tracks = absent(graph)
    graph.sandbox.set_faults()
    assert asked_again(graph) == []  # a source that has just not answered is left alone for an hour
    days_pass(graph, 1 / 24)
    graph.run("refresh_marts")
    assert graph.rows("select count(*) from ops.feature_attempts where outcome = 'unanswered'") == [(0,)]
    assert graph.rows("select count(*) from marts.track_catalog where features_status = 'pending'") == [(0,)]
    assert graph.count("ops.feature_attempts") == len(tracks)


def test_a_month_without_any_run_costs_one_attempt_and_not_one_for_each_day_missed(
    start_graph: StartGraph,
) -> None:
    """Day 1, 7 and 30 had all passed: three runs in a row asked for the same tracks."""
    graph = start_graph(albums=30)
    graph.load_everything()
    days_pass(graph, 31)
    assert asked_again(graph)
    assert asked_again(graph) == []


def test_absences_kept_from_a_step_that_failed_are_followed_up_as_well(start_graph: StartGraph) -> None:
    """Their albums counted as loaded, and nobody ever asked for their features again."""
    graph = start_graph(albums=60, tracks_per_album=10, faults=["rate-limit=86400:on=audio-features:after=2"])
    assert not graph.load_everything().succeeded
    kept = absent(graph)
    assert kept
    followed_up = {key for (key,) in graph.rows("select track_id from ops.feature_attempts")}
    assert followed_up == kept


def test_what_spotify_has_measured_is_not_replaced_by_less(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that had lost access erased its features with the next re-materialization."""
    graph = start_graph(albums=30)
    graph.load_everything()
    order = "album_id, track_id"
    before = graph.table("spotify.audio_features", order).filter(pl.col("status") == "measured")
    keys = graph.instance.get_dynamic_partitions("album_id")
    for url in ("", graph.sandbox.reccobeats_url):
        monkeypatch.setenv("RECCOBEATS_API_URL", url)
        graph.sandbox.set_faults("audio-features-closed")
        assert graph.load_range(keys[0], keys[-1]).success
        after = graph.table("spotify.audio_features", order).filter(pl.col("source") == "spotify")
        assert_frame_equal(after, before)
    assert graph.rows("select count(*) from ops.feature_attempts where outcome = 'unanswered'") == [(0,)]


def test_a_limit_on_features_holds_up_neither_the_daily_run_nor_the_marts(start_graph: StartGraph) -> None:
    graph = start_graph(albums=30)
    graph.load_everything()
    days_pass(graph, 1)
    graph.sandbox.set_faults("rate-limit=86400:on=audio-features")
    assert graph.run("refresh_marts").success
    assert "too many requests" in str(metadata_of(graph, FEATURE_ATTEMPTS)["problem"])
    assert set(_due(graph)) == absent(graph)
