"""The worked examples and the notebook answer as they are shown, asked of the sandbox that they name."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from sqlalchemy import URL, Engine, text

from documentation.notebook import NOTEBOOK, digest, executed
from documentation.worked_examples import Example, ask, worked_examples
from spotify_assets.warehouse.database import create_engine
from spotify_assets.warehouse.readers import ReaderLimits, make_reader
from spotify_assets_tests.conftest import own_database

Charts = Mapping[str, Mapping[str, Any]]
CHARTS = {
    "ranking_chart",
    "correlation_chart",
    "artists_chart",
    "drift_chart",
    "cadence_chart",
    "coverage_chart",
}
SHOW_CHARTS = """
import json
print(json.dumps({name: chart.to_dict() for name, chart in list(globals().items()) if name.endswith("_chart")}))
"""


@pytest.fixture(scope="module")
def warehouse(postgres_server: URL, weeks_template: str) -> Iterator[Engine]:
    with own_database(postgres_server, weeks_template) as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def analyst(warehouse: Engine) -> Iterator[Engine]:
    """An engine with a login that reads the marts alone."""
    name = f"examples_{warehouse.url.database}"
    engine = create_engine(make_reader(warehouse, name, ["marts"], ReaderLimits(), "secret").url)
    yield engine
    engine.dispose()
    with warehouse.begin() as connection:
        # Roles belong to the whole server: other tests must not meet it.
        connection.execute(text(f"drop owned by {name}"))
        connection.execute(text(f"drop role {name}"))


@pytest.fixture(scope="module")
def notebook(analyst: Engine) -> NotebookNode:
    """As an analyst runs it; its last cell, which is not in the file, shows its charts."""
    return executed(analyst.url, SHOW_CHARTS)


@pytest.fixture(scope="module")
def charts(notebook: NotebookNode) -> Charts:
    shown: Charts = json.loads(notebook.cells[-1].outputs[0].text)
    return shown


@pytest.fixture(scope="module")
def kept() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def rows(chart: Mapping[str, Any], *columns: str) -> list[tuple[Any, ...]]:
    """These columns of the data that a chart draws, sorted; times as days."""
    return sorted(
        tuple(row[name][:10] if name.endswith("_start") else row[name] for name in columns)
        for data in chart["datasets"].values()
        for row in data
        if set(columns) <= row.keys()
    )


def answer(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(text(query)))


def said(chart: Mapping[str, Any]) -> str:
    return " ".join(chart["title"]["subtitle"])


def printed(notebook: NotebookNode) -> str:
    """What the cells of the file printed, pictures aside."""
    return "".join(
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source != SHOW_CHARTS
        for output in cell.outputs
        if output.output_type == "stream"
    )


@pytest.mark.parametrize("example", worked_examples(), ids=lambda example: example.path.stem)
def test_an_example_gives_an_analyst_the_answer_that_is_shown(example: Example, analyst: Engine) -> None:
    found = ask(analyst, example)
    assert found == example.answer.read_text(encoding="utf-8"), "run `make examples` and commit the answers"


def test_every_answer_belongs_to_an_example() -> None:
    """The answer of an example that was renamed would stay behind."""
    examples = worked_examples()
    assert len(examples) == 6
    assert {path.suffix for example in examples for path in example.path.parent.iterdir()} == {".sql", ".csv"}
    assert set(examples[0].path.parent.glob("*.csv")) == {example.answer for example in examples}


def test_every_chart_says_to_an_analyst_that_its_music_is_invented(
    charts: Charts, notebook: NotebookNode
) -> None:
    """A login that sees the marts alone could not tell: only ops.source said it."""
    notice = "Invented music of the sandbox: cite nothing from it."
    assert notice in printed(notebook)
    assert charts.keys() == CHARTS
    assert all(said(chart).endswith(notice) for chart in charts.values())


def test_the_file_of_the_notebook_says_that_its_music_is_invented(
    kept: NotebookNode, warehouse: Engine
) -> None:
    words = printed(kept)
    assert words.startswith("Invented music of the sandbox: cite nothing from it.")
    assert words == printed(executed(warehouse.url, until="origin"))


def test_the_chart_of_the_ranking_shows_the_latest_week_and_the_one_before(
    charts: Charts, warehouse: Engine
) -> None:
    latest = answer(
        warehouse,
        "select now.rank, now.value_mean, before.value_mean from marts.weekly_popular_releases as now"
        " left join marts.weekly_popular_releases as before"
        " on before.album_id = now.album_id and before.measure = now.measure"
        " and before.week_start = now.week_start - 7"
        " where now.measure = 'spotify_popularity' and now.week_start = '2026-11-09' and now.rank <= 15",
    )
    assert len(latest) == 15
    assert any(before is None for _, _, before in latest)
    assert rows(charts["ranking_chart"], "rank", "value_mean", "value_before") == latest
    assert "82 of the week's 82 albums were measured, 0 were not" in said(charts["ranking_chart"])


def test_the_chart_of_the_correlations_has_each_interval_of_both_measures(
    charts: Charts, warehouse: Engine
) -> None:
    drawn = rows(charts["correlation_chart"], "measure", "feature", "r", "ci_low", "ci_high", "n")
    assert len(drawn) == 18
    assert drawn == answer(
        warehouse,
        "select measure, feature, r, ci_low, ci_high, n from marts.feature_popularity_correlation"
        " where scope = 'all' and method = 'spearman'",
    )
    coloured = rows(charts["correlation_chart"], "leaves_out_zero", "ci_low", "ci_high")
    assert all(leaves_out == (low > 0 or high < 0) for leaves_out, low, high in coloured)


def test_the_chart_of_the_artists_has_those_with_the_most_measured_tracks(
    charts: Charts, warehouse: Engine
) -> None:
    drawn = rows(charts["artists_chart"], "artist_id", "n", "mean")
    assert drawn == answer(
        warehouse,
        "select artist_id, n, mean from marts.artist_feature_profile"
        " where feature = 'energy' and n >= 10 order by n desc, artist_id limit 20",
    )
    intervals = rows(charts["artists_chart"], "low", "mean", "high")
    assert len(intervals) == 20
    assert all(low < mean < high for low, mean, high in intervals)


def test_the_chart_of_the_drift_has_every_week_of_every_feature(charts: Charts, warehouse: Engine) -> None:
    columns = "feature, week_start, n, p25, median, p75"
    assert rows(charts["drift_chart"], *columns.split(", ")) == answer(
        warehouse, f"select {columns.replace('week_start', 'week_start::text')} from marts.feature_week"
    )
    hollow = [n for is_enough, n in rows(charts["drift_chart"], "is_enough", "n") if not is_enough]
    assert hollow
    assert max(hollow) < 30


def test_the_chart_of_the_cadence_counts_every_release_that_has_a_day(
    charts: Charts, warehouse: Engine
) -> None:
    assert rows(charts["cadence_chart"], "number", "album_type", "releases") == answer(
        warehouse,
        "select extract(isodow from release_date)::int, album_type, sum(releases)::int"
        " from marts.release_cadence group by 1, 2",
    )
    [(without,)] = answer(
        warehouse, "select count(*) from spotify.releases where release_date_precision <> 'day'"
    )
    assert without > 0
    assert f"left out: {without} whose exact day is not known" in said(charts["cadence_chart"])


def test_the_chart_of_the_coverage_shows_each_track_three_times_measured_or_not(
    charts: Charts, warehouse: Engine
) -> None:
    """A chart of what was measured alone would hide what was not."""
    counted = rows(charts["coverage_chart"], "week_start", "what", "state", "counted")
    shown = {
        (week, what): sum(n for *key, _, n in counted if key == [week, what]) for week, what, *_ in counted
    }
    tracks = dict(answer(warehouse, "select week_start::text, tracks from marts.coverage"))
    assert len(shown) == 3 * len(tracks)
    assert all(total == tracks[week] for (week, _), total in shown.items())
    absent = sum(n for _, _, state, n in counted if state.startswith("absent"))
    assert answer(warehouse, "select sum(features_absent) from marts.coverage") == [(absent,)]
    assert absent > 0


def test_the_outputs_in_the_file_of_the_notebook_are_those_of_its_code(kept: NotebookNode) -> None:
    """A cell that was changed would stand above the picture of the old one."""
    assert kept.metadata.executed == digest(kept), "run `make examples` and commit the notebook"
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_the_file_of_the_notebook_has_a_picture_of_each_chart_and_no_error(kept: NotebookNode) -> None:
    outputs = {
        cell.source.splitlines()[-1]: cell.outputs
        for cell in kept.cells
        if cell.cell_type == "code" and cell.source.endswith("_chart")
    }
    assert outputs.keys() == CHARTS
    assert all("image/png" in output.data for [output] in outputs.values())
    kinds = {output.output_type for cell in kept.cells for output in cell.get("outputs", [])}
    assert kinds == {"stream", "execute_result"}


def test_the_file_of_the_notebook_names_no_address_and_no_folder_and_is_small() -> None:
    """An address would have the password in it."""
    content = NOTEBOOK.read_text(encoding="utf-8")
    words = re.sub(r'"image/png": "[^"]*"', "", content)
    assert re.findall(r"postgres(?:ql)?://|127\.0\.0\.1|localhost|(?<![\w.:/])/[a-z]+/\w+", words) == []
    assert str(Path.home()) not in words
    assert len(content) < 600_000
