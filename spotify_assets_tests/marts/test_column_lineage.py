"""Column lineage is read off the SQL: truths written down by hand, and forms of SQL that it must follow or refuse."""

import json

import dagster as dg
import pytest
from sqlalchemy import URL

from documentation.column_trace import LineageError, Origins
from documentation.lineage import column_lineage
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
    ("track_catalog", "tempo_percentile"): [
        "spotify.audio_features.tempo",
        *(f"marts.feature_distribution.{column}" for column in ("n", "tracks", "tracks_below", "value")),
    ],
    ("track_catalog", "deezer_rank"): [RANK],
    ("feature_distribution", "as_of"): [],
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
    # Numbers of rows: of what tells these apart.
    ("coverage", "albums"): ["spotify.new_releases.album_id", "spotify.releases.album_id"],
    ("coverage", "tracks"): [f"{CATALOG}.track_id"],
    ("feature_popularity_correlation", "n"): [f"{CATALOG}.track_id"],
    ("weekly_popular_releases", "tracks"): ["spotify.tracks.album_id", "spotify.tracks.track_id"],
}

# What is a constant in each row of a mart.
CONSTANTS = {"as_of", "measure", "scope", "feature", "method"}

TRACK_KEY = ("spotify.tracks.album_id", "spotify.tracks.track_id")
# By form: a select that has it, and what its columns are made of.
FORMS = {
    "a query in an expression": (
        "select (select max(t.rank) from deezer.track_ranks as t) as rank from spotify.tracks as t",
        RANK,
    ),
    "an outer query's column in a lateral one": (
        "select b.both from spotify.tracks as t cross join lateral (select t.name || a.label as both"
        " from deezer.albums as a) as b",
        "spotify.tracks.name",
        "deezer.albums.label",
    ),
    "a lateral query whose columns are named outside": (
        "select b.label as name from deezer.track_ranks as t cross join lateral (select a.name, a.label"
        " from spotify.releases as a) as b (label, name)",
        "spotify.releases.name",
    ),
    "a constant of the only row": (
        "with build as (select now() as as_of) select build.as_of from spotify.releases as r cross join build"
        " where r.fetched_at <= build.as_of",
    ),
    "a list joined to a list": (
        "select a.name from (values (1, 'x'), (2, 'y')) as a (k, name) join (values (1), (2)) as b (k) on a.k = b.k",
    ),
    "a list joined by a list": (
        "select a.name from spotify.tracks as t join (values (1), (2)) as b (k) on t.disc_number = b.k"
        " join (values (1, 'x'), (2, 'y')) as a (k, name) on a.k = b.k",
        "spotify.tracks.disc_number",
    ),
    "a function in the place of a table": (
        "select g.day from spotify.releases as r cross join generate_series(r.release_date, now(), '1 day') as g (day)",
        "spotify.releases.release_date",
    ),
    "the same, lateral": (
        "select g.n from spotify.tracks as t cross join lateral generate_series(1, t.track_number) as g (n)",
        "spotify.tracks.track_number",
    ),
    "the second of two lists": (
        "select c.name from spotify.tracks as t"
        " cross join lateral unnest(t.artist_ids, t.artist_names) with ordinality as c (id, name, place)",
        "spotify.tracks.artist_names",
    ),
    "a window by another": (
        "select sum(duration_ms) over b as total from spotify.tracks"
        " window a as (partition by album_id), b as (a order by disc_number)",
        "spotify.tracks.duration_ms",
        "spotify.tracks.album_id",
        "spotify.tracks.disc_number",
    ),
    "a number of rows of a table": ("select count(*) as n from spotify.tracks", *TRACK_KEY),
    "a number of groups": (
        "with a as (select album_id from spotify.tracks group by album_id) select count(*) as n from a",
        "spotify.tracks.album_id",
    ),
    "a number of distinct rows": (
        "with a as (select distinct on (artist) album_id as artist, name from spotify.tracks)"
        " select count(*) as n from a",
        "spotify.tracks.album_id",
    ),
    "whether there are rows": ("select exists (select 1 from spotify.tracks) as any_there", *TRACK_KEY),
    "a number of rows and a value": (
        "select sum(duration_ms) / count(*) as mean from spotify.tracks",
        "spotify.tracks.duration_ms",
    ),
}
# By what reads a list of energies and tempos, the features it sees.
PICKS = {
    "select f.value from spotify.tracks as t left join features as f on f.name = 'energy'": ["energy"],
    "select f.value from spotify.tracks as t left join features as f on 'energy' = f.name": ["energy"],
    "select f.value from features as f where f.name = 'tempo' and f.value > 0": ["tempo"],
    "select f.value from features as f left join spotify.tracks as t on f.name = 'energy'": [
        "energy",
        "tempo",
    ],
    "select f.value from features as f where not f.name = 'energy'": ["energy", "tempo"],
    "select f.value from features as f where f.name = 'energy' or f.value = 1": ["energy", "tempo"],
    "select u.value from (select name, value from features union all select name as value, value as name from features)"
    " as u where u.name = 'energy'": ["energy"],
    "select s.value from sums as s where s.name = 'energy'": ["energy"],
    "select s.in_all from sums as s where s.name = 'energy'": ["energy", "tempo"],
}
# By what the error says.
REFUSED = {
    "Unknown column: unknown": "with final as (select a.unknown from spotify.tracks as a) select * from final",
    r"marts\.trial\.name .* there is no other\.tracks\.name": "select a.name as name from other.tracks as a",
    r"marts\.trial\.name .* without its schema": "select a.name as name from tracks as a",
    r"marts\.trial\.line .* a whole row": "select to_jsonb(a) as line from spotify.tracks as a",
    "recursive": "with recursive n as (select 1 as i union all select i + 1 from n) select i from n",
    r"marts\.trial\.v .* no row in which name is enrgy": (
        "select f.v as v from spotify.audio_features as a"
        " cross join lateral (values ('energy', a.energy)) as f (name, v) where f.name = 'enrgy'"
    ),
    "no select": "delete from spotify.tracks",
    "Expected": "select from where",
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


@pytest.mark.parametrize("mart", MART_INPUTS)
def test_only_what_is_named_here_is_made_of_nothing(mart: str) -> None:
    """A form of SQL that is passed over gives an empty lineage, which looks like that of a constant."""
    empty = {column for column, origins in column_lineage(mart, mart_sql(mart)).items() if not origins}
    assert empty <= CONSTANTS


def _followed(select: str) -> Origins:
    """What the columns of a select are made of, all together."""
    return frozenset().union(*column_lineage("trial", select).values())


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_followed(form: str) -> None:
    select, *expected = FORMS[form]
    assert _followed(select) == _origins(*expected)


@pytest.mark.parametrize("join", PICKS)
def test_a_constant_chooses_of_a_list_only_where_no_other_row_is_seen(join: str) -> None:
    """Chosen by any comparison with a constant, the lineage lacked what other rows of the list bring in."""
    features = """with features as (
        select feature.name, feature.value
        from spotify.audio_features as a
        cross join lateral (values ('energy', a.energy), ('tempo', a.tempo)) as feature (name, value)
    ),
    sums as (select name, sum(value) over () as in_all, sum(value) over (partition by name) as value from features)
    """
    expected = [f"spotify.audio_features.{column}" for column in PICKS[join]]
    assert _followed(features + join) == _origins(*expected)


@pytest.mark.parametrize("reason", REFUSED)
def test_a_form_that_cannot_be_followed_is_refused_by_mart_and_column(reason: str) -> None:
    """An empty lineage would pass for a constant."""
    with pytest.raises(LineageError, match=reason) as refused:
        column_lineage("trial", REFUSED[reason])
    assert "marts.trial" in str(refused.value)


def test_a_lineage_of_another_select_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mart_assets.column_lineage("coverage") is not None
    monkeypatch.setattr(mart_assets, "mart_sql", lambda _: "select 1")
    assert mart_assets.column_lineage("coverage") is None


def test_a_mart_without_a_lineage_yet_has_none() -> None:
    """It failed in its first build, after the table was swapped, until somebody ran `make docs`."""
    assert mart_assets.column_lineage("another_mart") is None


def test_the_columns_in_the_ui_say_what_they_are_made_of() -> None:
    """The open-source UI hides the metadata of column lineage: nobody would see it."""
    [catalog] = [mart for mart in MARTS if mart.key.path[-1] == "track_catalog"]
    schema = catalog.metadata_by_key[catalog.key]["dagster/column_schema"]
    described = {column.name: column.description for column in schema.columns}
    assert described["key_name"] == (
        "Key and mode in words, such as A minor; null where not detected.\n\n"
        "Made of spotify.audio_features: `key`, `mode`."
    )
    assert described["label"].endswith("Made of deezer.albums: `label`; spotify.releases: `label`.")
    [profile] = [mart for mart in MARTS if mart.key.path[-1] == "artist_feature_profile"]
    schema = profile.metadata_by_key[profile.key]["dagster/column_schema"]
    [as_of] = [column for column in schema.columns if column.name == "as_of"]
    assert as_of.description == "What the build knew: the time it was given."


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
