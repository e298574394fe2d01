"""Deezer's ranks beside Spotify's popularity: what the sandbox's Deezer knows is what the warehouse holds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from polars.testing import assert_frame_equal

from spotify_assets.assets.deezer import DEEZER_ALBUMS, TRACK_RANKS
from spotify_assets.sandbox import deezer as deezer_truth
from spotify_assets.sandbox.model import Album
from spotify_assets_tests.graph.conftest import Graph, StartGraph, failure_text
from spotify_assets_tests.graph.test_access import metadata_of
from spotify_assets_tests.spotify.fake_api import FakeApi

# Enough for every kind of miss: albums that are not there, other releases, missing and other recordings.
ALBUMS: dict[str, Any] = {"albums": 150, "tracks_per_album": 6}


def registered(graph: Graph) -> list[Album]:
    now = datetime.now(UTC)
    keys = graph.instance.get_dynamic_partitions("album_id")
    return [album for key in keys if (album := graph.sandbox.catalogue.find_album(key, now))]


def expected_ranks(graph: Graph, day: date) -> dict[tuple[str, str], int]:
    """By album and track the rank that must have been matched on that day."""
    catalogue, now = graph.sandbox.catalogue, datetime.now(UTC)
    return {
        (album.album_id, known.track.track_id): known.rank
        for album in registered(graph)
        if deezer_truth.answered_for(catalogue, album, now) == album
        for known in deezer_truth.deezer_tracks(catalogue, album, day)
        if known.is_same_recording
    }


def ranks(graph: Graph) -> dict[tuple[str, str], int]:
    return {row[:2]: row[2] for row in graph.rows("select album_id, track_id, rank from deezer.track_ranks")}


@pytest.mark.parametrize("access", ["extended", "development"])
def test_every_rank_that_can_be_told_is_measured_and_no_other(start_graph: StartGraph, access: str) -> None:
    """By ISRC where the key gets it, else by place and length: both come to the same recordings."""
    graph = start_graph(**ALBUMS, access=access)
    assert graph.load_everything().failures == []
    truth = expected_ranks(graph, datetime.now(UTC).date())
    assert len(truth) > 50
    assert ranks(graph) == truth
    found = {key for (key,) in graph.rows("select album_id from deezer.albums where status = 'found'")}
    assert found == {album_id for album_id, _ in truth}
    ways = {key for (key,) in graph.rows("select distinct matched_by from deezer.track_ranks")}
    assert ways == ({"isrc"} if access == "extended" else {"position"})


def test_albums_have_deezers_label_genres_and_fans(start_graph: StartGraph) -> None:
    graph = start_graph(**ALBUMS)
    graph.load_everything()
    now = datetime.now(UTC)
    rows = {
        row[0]: row[1:]
        for row in graph.rows("select album_id, label, fans, upc from deezer.albums where status = 'found'")
    }
    assert rows
    for album in registered(graph):
        if album.album_id in rows:
            assert rows[album.album_id] == (
                album.label,
                deezer_truth.fans(album, now.date()),
                deezer_truth.stored_upc(album),
            )
    assert graph.rows(
        "select count(*) from deezer.albums where status = 'found' and cardinality(genres) = 0"
    ) == [(0,)]
    shown = graph.rows(
        "select count(*) from marts.track_catalog as c join deezer.albums as a using (album_id)"
        " where a.status = 'found' and c.genres is distinct from a.genres"
    )
    assert shown == [(0,)]


def test_another_release_under_the_same_upc_is_refused_and_the_reason_kept(start_graph: StartGraph) -> None:
    graph = start_graph(albums=600, tracks_per_album=1)
    graph.load_everything()
    catalogue, now = graph.sandbox.catalogue, datetime.now(UTC)
    wrong = {
        album.album_id
        for album in registered(graph)
        if (answer := deezer_truth.answered_for(catalogue, album, now)) is not None and answer != album
    }
    assert wrong
    refused = graph.rows("select item_id, reason from ops.set_aside where asset = 'deezer/albums'")
    assert {item for item, _ in refused} == wrong
    assert all("another release was answered" in reason for _, reason in refused)
    statuses = dict(graph.rows("select album_id, status from deezer.albums"))
    assert {statuses[album_id] for album_id in wrong} == {"absent"}


def test_unmatched_tracks_are_counted(start_graph: StartGraph) -> None:
    graph = start_graph(**ALBUMS)
    graph.load_everything()
    found = [key for (key,) in graph.rows("select album_id from deezer.albums where status = 'found'")]
    unmatched = 6 * len(found) - len(ranks(graph))
    assert unmatched > 0
    assert metadata_of(graph, TRACK_RANKS)["tracks_unmatched"] == unmatched
    assert metadata_of(graph, DEEZER_ALBUMS)["albums_found"] == len(found)


def test_a_day_later_the_ranks_are_measured_again_for_one_call_an_album(start_graph: StartGraph) -> None:
    clock = {"now": datetime.now(UTC)}
    graph = start_graph(albums=40, tracks_per_album=3, now=lambda: clock["now"])
    graph.load_everything()
    first = ranks(graph)
    whole = _albums_with_every_track(graph, 3)
    graph.sandbox.reset_calls()
    graph.run("refresh_marts")
    assert not any(name.startswith("deezer/") for name in graph.sandbox.calls())

    _a_day_passes(graph)
    clock["now"] += timedelta(days=1)
    graph.run("refresh_marts")
    assert graph.sandbox.calls()["deezer/album/{id}/tracks"] <= 40 - len(whole)
    by_id = [call for call in graph.sandbox.requests if call.endpoint == "deezer/album/{id}"]
    assert len(by_id) == graph.rows("select count(*) from deezer.albums where status = 'found'")[0][0]
    days = graph.rows("select measured_on, count(*) from deezer.track_ranks group by 1 order by 1")
    assert [count for _, count in days] == [len(first), len(first)]


def _albums_with_every_track(graph: Graph, tracks: int) -> set[str]:
    return {
        key
        for key, count in graph.rows("select album_id, count(*) from deezer.track_ranks group by album_id")
        if count == tracks
    }


def _a_day_passes(graph: Graph) -> None:
    """What was measured today was measured yesterday."""
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("update deezer.albums set checked_at = checked_at - interval '1 day'")
        connection.exec_driver_sql("update deezer.track_ranks set measured_on = measured_on - 1")


def test_albums_past_their_eighth_week_are_not_asked_about_any_more(start_graph: StartGraph) -> None:
    graph = start_graph(albums=12)
    graph.load_everything()
    with graph.engine.begin() as connection:
        for statement in (
            "update deezer.albums set checked_at = checked_at - interval '60 days'",
            "update spotify.releases set release_date = release_date - 60",
            "update spotify.new_releases set first_seen_at = first_seen_at - interval '60 days'",
        ):
            connection.exec_driver_sql(statement)
    graph.sandbox.reset_calls()
    graph.run("refresh_marts")
    assert not any(name.startswith("deezer/") for name in graph.sandbox.calls())


def test_an_album_without_upc_has_a_row_that_says_so_and_costs_no_call(start_graph: StartGraph) -> None:
    graph = start_graph(albums=12)
    keys = graph.poll()
    assert graph.load_range(keys[0], keys[-1]).success
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("truncate deezer.albums, deezer.track_ranks")
        connection.exec_driver_sql("update spotify.releases set upc = null")
    graph.sandbox.reset_calls()
    graph.run("refresh_marts")
    assert graph.rows("select status, count(*) from deezer.albums group by status") == [("no_upc", 12)]
    assert not any(name.startswith("deezer/") for name in graph.sandbox.calls())


@pytest.mark.parametrize(
    "fault",
    [
        "status=503/html:on=deezer/*",
        "status=403/html:on=deezer/*",
        "html:on=deezer/*",
        "rate-limit=86400:on=deezer/*",
    ],
)
def test_a_deezer_that_does_not_answer_fails_no_run_and_is_asked_again_by_the_next(
    start_graph: StartGraph, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spotify_assets.spotify.wire.RetryPolicy.attempts", 1)
    graph = start_graph(albums=12, faults=[fault])
    outcome = graph.load_everything()
    assert outcome.failures == []
    assert graph.count("deezer.albums") == 0
    assert "Deezer" in str(metadata_of(graph, DEEZER_ALBUMS)["problem"])
    assert metadata_of(graph, DEEZER_ALBUMS)["albums_left"] == 12
    assert graph.count("marts.track_catalog") == 48

    graph.sandbox.set_faults()
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("truncate ops.call_closures")
    graph.run("refresh_marts")
    assert graph.count("deezer.albums") == 12


def test_the_quota_of_deezer_is_waited_for(start_graph: StartGraph) -> None:
    """HTTP 200 with code 4: it looked like an album without fields."""
    graph = start_graph(albums=12, faults=["deezer-quota:times=1"])
    assert graph.load_everything().failures == []
    assert graph.count("deezer.albums") == 12
    assert metadata_of(graph, DEEZER_ALBUMS)["rate_limited"] == 1


def test_deezer_can_be_switched_off(start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEZER_API_URL", "")
    graph = start_graph(albums=12)
    outcome = graph.load_everything()
    assert outcome.failures == []
    assert not any(name.startswith("deezer/") for name in graph.sandbox.calls())
    assert "DEEZER_API_URL is empty" in str(metadata_of(graph, DEEZER_ALBUMS)["problem"])


def test_the_measure_never_touches_spotifys_columns(start_graph: StartGraph) -> None:
    graph = start_graph(**ALBUMS, access="development")
    graph.load_everything()
    assert graph.rows(
        "select count(popularity), count(popularity_percentile), count(deezer_rank) > 0 from marts.track_catalog"
    ) == [(0, 0, True)]
    assert graph.rows("select count(popularity), count(label) from spotify.releases") == [(0, 0)]


def test_real_services_are_never_asked_about_invented_albums(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that point at a sandbox: the neighbours' addresses stayed those of the live services."""
    graph = start_graph(albums=12)
    monkeypatch.delenv("SPOTIFY_SANDBOX")
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "some-id")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "some-secret")
    assert graph.load_everything().failures == []
    assert graph.sandbox.calls()["deezer/album/upc:{upc}"] > 0


@pytest.mark.parametrize(
    ("claimed", "environ"),
    [
        pytest.param("live", {}, id="the sandbox on a database of live data"),
        pytest.param(
            "sandbox",
            {
                "SPOTIFY_SANDBOX": "0",
                "SPOTIPY_CLIENT_ID": "some-id",
                "SPOTIPY_CLIENT_SECRET": "some-secret",
                "SPOTIFY_ACCOUNTS_URL": "a live service",
            },
            id="live credentials on a database of the sandbox",
        ),
    ],
)
def test_a_database_of_the_other_kind_keeps_what_deezer_said(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch, claimed: str, environ: dict[str, str]
) -> None:
    """The daily run made every album absent: it had asked the other kind's Deezer, and called that a success."""
    graph = start_graph(albums=12)
    graph.load_everything()
    _a_day_passes(graph)
    before = graph.table("deezer.albums", "album_id")
    with FakeApi() as live:
        for name, value in environ.items():
            monkeypatch.setenv(name, value.replace("a live service", live.url))
        with graph.engine.begin() as connection:
            connection.exec_driver_sql(f"update ops.source set kind = '{claimed}'")
        graph.sandbox.reset_calls()
        result = graph.run("refresh_marts")
        assert not result.success
        assert "the two never mix" in failure_text(result)
        assert [request.path for request in live.requests if request.path != "/api/token"] == []
    assert not any(name.startswith("deezer/") for name in graph.sandbox.calls())
    assert_frame_equal(graph.table("deezer.albums", "album_id"), before)


def test_deezer_waits_for_a_token_service_that_is_down_and_fails_nothing(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a token nobody knows whether the run's albums are real ones."""
    monkeypatch.setattr("spotify_assets.spotify.wire.RetryPolicy.attempts", 1)
    graph = start_graph(albums=12)
    graph.load_everything()
    _a_day_passes(graph)
    graph.sandbox.set_faults("token-down")
    assert graph.run("refresh_marts").success
    assert "token" in str(metadata_of(graph, DEEZER_ALBUMS)["problem"])


def test_two_runs_at_once_ask_about_most_albums_once(start_graph: StartGraph) -> None:
    """Each asked about all of them."""
    graph = start_graph(albums=12, latency=0.01)
    graph.load_everything()
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("truncate deezer.albums, deezer.track_ranks")
        # Enough that a second chunk is left when the first is answered.
        connection.exec_driver_sql(
            "insert into spotify.releases (album_id, name, album_type, total_tracks, upc, artist_ids, artist_names,"
            " fetched_at) select 'made' || n, 'x', 'album', 0, (4000000000000 + n)::text, '{}', '{}', now()"
            " from generate_series(1, 400) as n"
        )
    graph.sandbox.reset_calls()
    with dg.DagsterInstance.ephemeral() as other, ThreadPoolExecutor(2) as pool:
        # Each with an instance of its own: the one in memory serves one run at a time.
        results = list(
            pool.map(lambda one: one.run("refresh_marts"), (graph, replace(graph, instance=other)))
        )
    assert all(result.success for result in results)
    assert graph.count("deezer.albums") == 412
    asked = graph.sandbox.calls()["deezer/album/upc:{upc}"]
    assert asked < 1.6 * 412
