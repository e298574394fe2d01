"""The same graph on every kind of key: what can be had is loaded, by the cheapest way, and what is missing is said."""

import math
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from spotify_assets.assets.enrich import ARTISTS, AUDIO_FEATURES, TRACK_DETAILS
from spotify_assets.assets.extract import NEW_RELEASES
from spotify_assets.launch.summary import summary
from spotify_assets.sandbox.model import Track, reccobeats_features
from spotify_assets_tests.graph.conftest import Graph, StartGraph, failure_text

DEVELOPMENT: dict[str, Any] = {"access": "development", "albums": 60}
CLOSED_TO_DEVELOPMENT = {"browse/new-releases", "albums", "tracks", "audio-features", "artists"}


def today() -> date:
    return datetime.now(UTC).date()


def loaded_tracks(graph: Graph) -> dict[str, Track]:
    """The sandbox's truth of every registered album's tracks."""
    now = datetime.now(UTC)
    keys = graph.instance.get_dynamic_partitions("album_id")
    albums = [album for key in keys if (album := graph.sandbox.catalogue.find_album(key, now))]
    return {track.track_id: track for album in albums for track in album.tracks}


def metadata_of(graph: Graph, asset: dg.AssetKey) -> dict[str, object]:
    """The metadata of the asset's latest materialization."""
    event = graph.instance.get_latest_materialization_event(asset)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


@pytest.mark.parametrize(
    ("options", "access"),
    [
        pytest.param({}, "extended", id="extended"),
        pytest.param(
            {"faults": ["audio-features-closed"]},
            "extended without audio features",
            id="without audio features",
        ),
        pytest.param(DEVELOPMENT, "development", id="development"),
    ],
)
def test_the_whole_graph_passes_with_every_kind_of_access(
    start_graph: StartGraph, options: dict[str, Any], access: str
) -> None:
    graph = start_graph(**options)
    outcome = graph.load_everything()
    assert outcome.failures == []
    truth = loaded_tracks(graph)
    assert {key for (key,) in graph.rows("select track_id from spotify.tracks")} == set(truth)
    for table in ("spotify.audio_features", "spotify.track_details", "marts.track_catalog"):
        assert graph.count(table) == len(truth)
    assert graph.rows("select distinct access from ops.api_calls where asset = 'spotify/track_details'") == [
        (access,)
    ]


def test_a_development_key_finds_albums_by_search_and_has_each_album_for_one_call(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(**DEVELOPMENT)
    graph.load_everything()
    fresh = graph.sandbox.catalogue.fresh(datetime.now(UTC))
    keys = graph.instance.get_dynamic_partitions("album_id")
    assert set(keys) == {album.album_id for album in fresh.page(0, fresh.total)}
    calls = graph.sandbox.calls()
    assert calls["search"] == math.ceil(fresh.total / 10)
    assert calls["albums/{id}"] == fresh.total
    assert calls["reccobeats/audio-features"] == math.ceil(4 * fresh.total / 40)
    assert "tracks/{id}" not in calls
    # Each closed endpoint was asked once, and the answer remembered by the runs that followed.
    assert {name: calls[name] for name in CLOSED_TO_DEVELOPMENT} == dict.fromkeys(CLOSED_TO_DEVELOPMENT, 1)
    assert metadata_of(graph, NEW_RELEASES)["found_by"] == "search"


def test_a_development_key_gets_features_from_reccobeats_and_the_rest_is_recorded_as_absent(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(access="development", albums=400, tracks_per_album=12)
    graph.load_everything()
    known = {
        track_id: features
        for track_id, track in loaded_tracks(graph).items()
        if (features := reccobeats_features(track, today())) is not None
    }
    assert known
    measured = graph.rows(
        "select track_id, source, danceability, tempo, time_signature from spotify.audio_features"
        " where status = 'measured'"
    )
    assert {row[0]: row[1:] for row in measured} == {
        track_id: ("reccobeats", features.danceability, features.tempo, None)
        for track_id, features in known.items()
    }
    assert metadata_of(graph, AUDIO_FEATURES)["sources"] == "reccobeats"


def test_a_development_key_has_no_popularity_and_is_told_so_wherever_one_looks(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(**DEVELOPMENT)
    outcome = graph.load_everything()
    assert graph.rows("select count(popularity), count(isrc) from spotify.track_details") == [(0, 0)]
    assert graph.count("spotify.popularity_snapshots") == 0
    assert "not measured" in str(metadata_of(graph, TRACK_DETAILS)["popularity"])
    said = "\n".join(summary(graph.engine, outcome))
    assert "Popularity          0" in said
    assert "mean Deezer rank" in said
    assert graph.rows(
        "select measure, count(rank) > 0 from marts.weekly_popular_releases group by measure order by measure"
    ) == [("deezer_rank", True), ("spotify_popularity", False)]


def test_a_development_key_knows_its_artists_by_the_names_in_the_credits(start_graph: StartGraph) -> None:
    graph = start_graph(**DEVELOPMENT)
    graph.load_everything()
    credits = {
        credit.artist_id: credit.name for track in loaded_tracks(graph).values() for credit in track.artists
    }
    artists = {
        row[0]: row[1:]
        for row in graph.rows("select artist_id, name, genres, popularity from spotify.artists")
    }
    assert {key: artists[key] for key in credits} == {
        key: (name, None, None) for key, name in credits.items()
    }
    assert metadata_of(graph, ARTISTS)["with_details"] == 0


def test_a_key_that_loses_artists_in_the_middle_keeps_what_it_got_and_has_the_others_by_name(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(albums=80, tracks_per_album=4, faults=["access=development:on=artists:after=1"])
    outcome = graph.load_everything()
    assert outcome.failures == []
    credited = {credit.artist_id for track in loaded_tracks(graph).values() for credit in track.artists}
    known = {key for (key,) in graph.rows("select artist_id from spotify.artists where name is not null")}
    assert credited <= known
    [(with_details,)] = graph.rows("select count(*) from spotify.artists where popularity is not null")
    assert 0 < with_details < len(known)


def test_a_key_that_gets_details_again_has_the_artists_known_by_name_alone_completed(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = start_graph(albums=12, faults=["access=development"])
    graph.load_everything()
    graph.sandbox.set_faults()
    monkeypatch.setenv("SPOTIFY_ACCESS", "extended")
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("update spotify.artists set fetched_at = fetched_at - interval '8 days'")
    graph.run("refresh_marts")
    assert graph.rows("select count(*) from spotify.artists where popularity is null") == [(0,)]


def test_isrcs_are_asked_for_track_by_track_only_when_somebody_wants_them(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand such calls are what uses up a quota."""
    monkeypatch.setenv("SPOTIFY_ISRC", "1")
    graph = start_graph(**DEVELOPMENT)
    graph.load_everything()
    truth = {track_id: track.isrc for track_id, track in loaded_tracks(graph).items()}
    assert dict(graph.rows("select track_id, isrc from spotify.track_details")) == truth
    assert graph.sandbox.calls()["tracks/{id}"] == len(truth)


def test_deezers_isrc_stands_in_the_catalog_where_spotify_withholds_its_own(start_graph: StartGraph) -> None:
    graph = start_graph(**DEVELOPMENT)
    graph.load_everything()
    truth = loaded_tracks(graph)
    shown = dict(graph.rows("select track_id, isrc from marts.track_catalog where isrc is not null"))
    assert shown
    assert all(isrc == truth[track_id].isrc for track_id, isrc in shown.items())


def test_a_declared_development_key_never_asks_what_is_closed(
    start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_ACCESS", "development")
    graph = start_graph(**DEVELOPMENT)
    assert graph.load_everything().failures == []
    assert not CLOSED_TO_DEVELOPMENT & set(graph.sandbox.calls())


def test_what_a_key_may_do_is_remembered_for_a_day(start_graph: StartGraph) -> None:
    graph = start_graph(**DEVELOPMENT)
    graph.load_everything()
    graph.sandbox.reset_calls()
    graph.poll()
    assert set(graph.sandbox.calls()) == {"token", "search"}
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("update ops.access set answered_at = answered_at - interval '25 hours'")
    graph.sandbox.reset_calls()
    graph.poll()
    assert graph.sandbox.calls()["browse/new-releases"] == 1


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14])
def test_access_that_changes_in_the_middle_of_a_pass_loses_nothing_and_asks_nothing_twice(
    start_graph: StartGraph, after: int
) -> None:
    """The calls of this pass: 2 of new releases, 4 of albums, 4 of features, 7 of tracks, 2 of artists."""
    graph = start_graph(albums=80, tracks_per_album=4, faults=[f"access=development:after={after}"])
    outcome = graph.load_everything()
    assert outcome.failures == []
    truth = loaded_tracks(graph)
    assert {key for (key,) in graph.rows("select track_id from spotify.tracks")} == set(truth)
    assert graph.count("spotify.audio_features") == graph.count("spotify.track_details") == len(truth)
    assert max(Counter(graph.answered_albums()).values()) == 1
    popularity = graph.rows(
        "select track_id, popularity from spotify.track_details where popularity is not null"
    )
    catalogue = graph.sandbox.catalogue
    assert all(value == catalogue.track_popularity(truth[key], today()) for key, value in popularity)


def test_lost_premium_stops_with_that_sentence(start_graph: StartGraph) -> None:
    """The token service goes on answering; every data call is refused."""
    graph = start_graph(faults=["premium-required=text"])
    result = graph.run("poll_new_releases")
    assert not result.success
    assert "Active premium subscription required for the owner of the app" in failure_text(result)
    assert graph.sandbox.calls() == {"token": 1, "browse/new-releases": 1}


def test_features_that_nobody_could_be_asked_about_do_not_fail_the_run_and_are_not_called_absent(
    start_graph: StartGraph,
) -> None:
    graph = start_graph(**DEVELOPMENT, faults=["status=400/json:on=reccobeats/audio-features"])
    outcome = graph.load_everything()
    assert outcome.failures == []
    tracks = graph.count("spotify.tracks")
    assert graph.rows("select outcome, count(*) from ops.feature_attempts group by outcome") == [
        ("unanswered", tracks)
    ]
    assert graph.rows("select features_status, count(*) from marts.track_catalog group by 1") == [
        ("pending", tracks)
    ]
    assert "ReccoBeats" in str(metadata_of(graph, AUDIO_FEATURES)["problem"])
    assert f"nobody could be asked about {tracks:,}" in "\n".join(summary(graph.engine, outcome))


def test_reccobeats_can_be_switched_off(start_graph: StartGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECCOBEATS_API_URL", "")
    graph = start_graph(**DEVELOPMENT)
    outcome = graph.load_everything()
    assert outcome.failures == []
    assert "reccobeats/audio-features" not in graph.sandbox.calls()
    assert "RECCOBEATS_API_URL is empty" in str(metadata_of(graph, AUDIO_FEATURES)["problem"])


def test_a_thousand_albums_of_a_development_key_cost_no_more_than_the_plan(start_graph: StartGraph) -> None:
    """One call an album, the pages of the search, 40 tracks a call of features; at most 2 % above, tokens included."""
    graph = start_graph(access="development", albums=4400, tracks_per_album=12)
    outcome = graph.load_everything()
    assert outcome.failures == []
    albums, tracks = graph.count("spotify.releases"), graph.count("spotify.tracks")
    assert (albums, tracks) == (1000, 12_000)
    calls = graph.sandbox.calls()
    made = sum(count for name, count in calls.items() if not name.startswith("deezer/"))
    assert made <= (albums + calls["search"] + math.ceil(tracks / 40)) * 1.02, calls
    assert calls["search"] == 100
