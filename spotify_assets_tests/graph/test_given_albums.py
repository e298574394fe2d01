"""Albums named in a file or a table are registered at no call at all."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from spotify_assets.definitions import defs
from spotify_assets_tests.graph.conftest import Graph, failure_text

A, B, C = (letter * 22 for letter in "abc")


def register(graph: Graph, album_ids: str) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("poll_new_releases")
    return job.execute_in_process(
        instance=graph.instance,
        run_config={"ops": {"spotify__new_releases": {"config": {"album_ids": album_ids}}}},
        raise_on_error=False,
    )


def partitions(graph: Graph) -> list[str]:
    return list(graph.instance.get_dynamic_partitions("album_id"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("ids.txt", f"# mine\n{A}\n\n  {B}  \n{A}\n", id="a line each"),
        pytest.param("ids.csv", f"name,album_id\nx,{A}\ny,\nz,{B}\n", id="csv"),
        pytest.param("ids.csv", f"album_id;name\n{A};x\n{B};y\n", id="semicolons"),
        pytest.param("ids.csv", f"\ufeffalbum_id\n{A}\n{B}\n", id="as a spreadsheet writes it"),
        pytest.param(
            "ids.txt",
            f"spotify:album:{A}\nhttps://open.spotify.com/intl-de/album/{B}?si=abc\n",
            id="links as people copy them",
        ),
    ],
)
def test_the_albums_of_a_file_are_registered_in_its_order_without_a_call(
    graph: Graph, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert register(graph, str(tmp_path / name)).success
    assert partitions(graph) == [A, B]
    assert graph.sandbox.calls() == {}
    assert graph.count("spotify.new_releases") == 0


def test_the_albums_of_a_table_are_registered(graph: Graph) -> None:
    with graph.engine.begin() as connection:
        connection.exec_driver_sql("create table public.watch (album_id text)")
        connection.exec_driver_sql(f"insert into public.watch values ('{A}'), (null), ('{C}')")
    assert register(graph, "public.watch").success
    assert sorted(partitions(graph)) == [A, C]
    assert graph.sandbox.calls() == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(f"{A}\nnot an id\n{B}\n", "line 2 (9 characters)", id="a malformed line"),
        pytest.param(f"{A}\nspotify:track:{B}\n", "line 2", id="a track"),
        pytest.param("\n# nothing\n", "names no album", id="empty"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_line_and_nothing_of_it_is_registered(
    graph: Graph, tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "ids.txt"
    path.write_text(content, encoding="utf-8")
    result = register(graph, str(path))
    assert not result.success
    assert told in failure_text(result)
    assert str(path) in failure_text(result)
    assert partitions(graph) == []


def test_a_file_of_secrets_given_by_mistake_is_not_shown(graph: Graph, tmp_path: Path) -> None:
    """The first lines of .env stood in the event log."""
    path = tmp_path / ".env"
    path.write_text("SPOTIPY_CLIENT_SECRET=hush-hush\n", encoding="utf-8")
    result = register(graph, str(path))
    assert not result.success
    assert "hush" not in " ".join(str(entry) for entry in graph.instance.all_logs(result.run_id))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("no/such/file.txt", "there is no such file"),
        ("public.nowhere", "no such table in the warehouse"),
        ("spotify.artists", "has no column album_id"),
    ],
)
def test_a_source_that_is_not_there_is_named(graph: Graph, source: str, told: str) -> None:
    result = register(graph, source)
    assert not result.success
    assert told in failure_text(result)
    assert sum(event.is_step_up_for_retry for event in result.all_events) == 0


def test_given_albums_are_loaded_like_any_other_and_no_list_is_missed(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SPOTIFY_ALBUM_IDS every poll is one of the file; the check of the lists' freshness has none to watch."""
    listing = graph.sandbox.catalogue.new_releases(datetime.now(UTC))
    ids = [album.album_id for album in listing.page(2, 3)]
    (tmp_path / "watch.txt").write_text("\n".join(ids), encoding="utf-8")
    monkeypatch.setenv("SPOTIFY_ALBUM_IDS", "watch.txt")
    outcome = graph.load_everything()
    assert outcome.failures == outcome.warnings == []
    assert {key for (key,) in graph.rows("select album_id from spotify.releases")} == set(ids)
    assert "browse/new-releases" not in graph.sandbox.calls()
    assert graph.rows("select count(*) > 0 from marts.weekly_popular_releases") == [(True,)]
