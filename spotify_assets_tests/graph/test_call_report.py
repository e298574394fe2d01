"""What a run cost is kept by run, asset and endpoint, also of the runs that failed."""

from spotify_assets_tests.graph.conftest import Graph, StartGraph


def calls_by_endpoint(graph: Graph) -> dict[str, int]:
    return dict(
        graph.rows("select endpoint, sum(calls)::int from ops.api_calls where calls > 0 group by endpoint")
    )


def test_every_call_that_the_sandbox_has_seen_is_in_the_report(graph: Graph) -> None:
    graph.load_everything()
    assert calls_by_endpoint(graph) == graph.sandbox.calls()


def test_calls_of_a_failed_step_and_of_its_retries_are_in_the_report(start_graph: StartGraph) -> None:
    graph = start_graph(faults=["status=400/json:on=tracks", "rate-limit=1:on=albums:times=1"])
    assert not graph.load_everything().succeeded
    assert calls_by_endpoint(graph) == graph.sandbox.calls()
    assert graph.rows(
        "select rate_limited, seconds_waited > 0.5 from ops.api_calls where endpoint = 'albums' and calls > 0"
    ) == [(1, True)]


def test_the_report_says_what_batches_have_saved(graph: Graph) -> None:
    """12 albums, 48 tracks: one call each instead of one for each id."""
    graph.load_everything()
    saved = dict(
        graph.rows(
            "select endpoint, sum(saved_by_batching)::int from ops.api_calls where calls > 0 group by endpoint"
        )
    )
    assert (saved["albums"], saved["tracks"], saved["audio-features"]) == (11, 47, 47)
    assert saved["artists"] == graph.count("spotify.artists") - 1


def test_the_report_says_what_knowing_has_saved(graph: Graph) -> None:
    """The second poll lists twelve albums that are loaded already."""
    graph.load_everything()
    graph.load_everything()
    skipped = graph.rows(
        "select saved_by_skipping from ops.api_calls where asset = 'spotify/new_releases' and endpoint = 'albums'"
        " order by first_at"
    )
    assert skipped == [(0,), (1,)]


def test_the_metadata_of_an_asset_says_what_it_cost(graph: Graph) -> None:
    outcome = graph.load_everything()
    assert sum(outcome.calls.values()) == sum(graph.sandbox.calls().values())
