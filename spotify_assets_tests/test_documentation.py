"""The pages of docs/ say what the code says."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from documentation.column_facts import allowed_values, other_checks, type_name
from documentation.diagram import diagram
from documentation.dictionary import SCHEMAS, data_dictionary, tables_of
from documentation.pages import DOCS, GENERATED
from documentation.relations import Relation, relations
from spotify_assets.warehouse.readers import ReaderLimits, make_reader
from spotify_assets.warehouse.tables import metadata, views
from spotify_assets_tests.warehouse.test_readers import login

SPOTIFY_AND_DEEZER = tables_of("spotify", "deezer")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_file_is_what_the_code_says(path: Path) -> None:
    found = path.read_text(encoding="utf-8")
    assert found == GENERATED[path](), f"{path.name} is stale: run `make docs` and commit it"


def test_the_dictionary_tells_every_table_and_column() -> None:
    """A schema left out of the page would take its tables with it."""
    text = data_dictionary()
    for table in [*metadata.tables.values(), *views.tables.values()]:
        section = text.split(f"\n### {table.fullname}\n", 1)[1].split("\n###", 1)[0]
        assert table.comment
        assert table.comment in section
        for column in table.columns:
            assert column.comment
            assert f"| `{column.name}` | {type_name(column)} |" in section
    assert {table.schema for table in metadata.tables.values()} == set(SCHEMAS)


def test_a_declared_view_is_the_one_that_the_migrations_make(engine: Engine) -> None:
    """Views are written in SQL, so that nothing else would notice a column that the page has and the view has not."""
    query = text(
        "select attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum),"
        " obj_description(attrelid, 'pg_class')"
        " from pg_attribute where attrelid = to_regclass(:view) and attnum > 0 order by attnum"
    )
    made = text(
        "select table_schema || '.' || table_name from information_schema.views where table_schema = any(:s)"
    )
    with engine.connect() as connection:
        for view in views.tables.values():
            rows = connection.execute(query, {"view": view.fullname})
            declared = [
                (column.name, type_name(column), column.comment, view.comment) for column in view.columns
            ]
            assert [tuple(row) for row in rows] == declared
        assert set(connection.scalars(made, {"s": list(SCHEMAS)})) == set(views.tables)


def test_types_read_as_in_postgres() -> None:
    types = {type_name(column) for table in metadata.tables.values() for column in table.columns}
    assert {"text", "text[]", "timestamptz", "double precision", "smallint", "date"} <= types
    assert not any(name != name.lower() for name in types)


def test_a_check_of_one_column_is_told_in_words_and_any_other_as_it_is() -> None:
    table = Table(
        "facts",
        MetaData(),
        Column("kind", Text),
        Column("rank", Integer),
        Column("n", Integer),
        CheckConstraint("kind in ('live', 'rate limit')"),
        CheckConstraint("rank between -1 and 1000000"),
        CheckConstraint("n >= 0"),
        Column("part", Integer),
        CheckConstraint("part between 0 and n"),
        CheckConstraint("(n = 0) = (kind is null)"),
    )
    assert allowed_values(table) == {
        "kind": "`live`, `rate limit`",
        "rank": "-1 to 1,000,000",
        "n": "0 or more",
        "part": "0 to `n`",
    }
    assert other_checks(table) == ["(n = 0) = (kind is null)"]


def told(found: Sequence[Relation]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for relation in found:
        yield relation.source.fullname, relation.target.fullname, relation.columns


def test_the_relations_are_those_that_the_rules_give() -> None:
    """No foreign key says them: a renamed column would untie a table without a word."""
    whole_track = ("album_id", "track_id")
    assert set(told(relations(SPOTIFY_AND_DEEZER))) == {
        ("spotify.new_releases", "spotify.releases", ("album_id",)),
        ("spotify.releases", "spotify.artists", ("artist_ids",)),
        ("spotify.tracks", "spotify.releases", ("album_id",)),
        ("spotify.tracks", "spotify.artists", ("artist_ids",)),
        ("spotify.audio_features", "spotify.tracks", whole_track),
        ("spotify.track_details", "spotify.tracks", whole_track),
        ("spotify.popularity_snapshots", "spotify.tracks", whole_track),
        ("spotify.album_starts", "spotify.releases", ("album_id",)),
        ("deezer.albums", "spotify.releases", ("album_id",)),
        ("deezer.track_ranks", "spotify.tracks", whole_track),
    }


def test_a_solid_line_joins_by_a_whole_key_and_a_dotted_one_does_not() -> None:
    """The page promises that a solid join finds at most one row."""
    for relation in relations(SPOTIFY_AND_DEEZER) + relations(tables_of("marts")):
        key = {column.name for column in relation.target.primary_key}
        assert relation.is_whole_key == (set(relation.columns) == key)
        solid = diagram([relation.source, relation.target], [relation]).splitlines()[2]
        assert ("--" in solid) == relation.is_whole_key


def test_a_part_of_a_key_ties_loosely_and_a_smaller_home_is_not_named_twice() -> None:
    def table(name: str, *columns: str, key: Sequence[str]) -> Table:
        return Table(
            name, MetaData(), *(Column(column, Text) for column in columns), PrimaryKeyConstraint(*key)
        )

    album = table("album", "album_id", key=["album_id"])
    track = table("track", "album_id", "track_id", key=["album_id", "track_id"])
    week = table("week", "week_start", "track_id", key=["week_start", "track_id"])
    score = table("score", "album_id", "track_id", "day", key=["album_id", "track_id", "day"])
    found = relations([album, track, week, score])
    assert list(told(found)) == [
        ("track", "album", ("album_id",)),
        ("week", "track", ("track_id",)),
        ("score", "track", ("album_id", "track_id")),
    ]
    assert [relation.is_whole_key for relation in found] == [True, False, True]
    assert not any(relation.is_one_to_one for relation in found)


def test_the_sql_on_the_page_for_analysts_runs_with_an_analysts_login(engine: Engine) -> None:
    statements = re.findall(r"```sql\n(.*?)```", page("analysts.md"), re.DOTALL)
    assert statements
    name = f"page_{engine.url.database}"
    reader = make_reader(engine, name, ["marts"], ReaderLimits(), "secret")
    with login(reader.url) as connection:
        for statement in statements:
            connection.execute(statement)
    with engine.begin() as connection:
        # Roles belong to the whole server: other tests must not meet it.
        connection.execute(text(f"drop owned by {name}"))
        connection.execute(text(f"drop role {name}"))


def test_what_the_page_for_analysts_says_of_limits_is_so() -> None:
    limits, said = ReaderLimits(), page("analysts.md")
    assert f"may run for {limits.statement_seconds} s" in said
    assert f"lie idle for {limits.idle_seconds} s" in said
    assert f"{limits.connections} connections" in said


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_the_links_between_the_pages_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page(name)):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = DOCS / (file or name)
        assert path.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in anchors, target
