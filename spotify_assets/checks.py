"""Asset checks: each a query in `check_queries/` that selects the rows which should not be there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from sqlalchemy import Engine, text

from spotify_assets.assets.deezer import DEEZER_ALBUMS, TRACK_RANKS
from spotify_assets.assets.enrich import ARTISTS, AUDIO_FEATURES, POPULARITY_SNAPSHOTS, TRACK_DETAILS
from spotify_assets.assets.extract import NEW_RELEASES, RELEASES, TRACKS
from spotify_assets.assets.feature_attempts import FEATURE_ATTEMPTS
from spotify_assets.assets.marts import MARTS
from spotify_assets.load_planning import AlbumRange
from spotify_assets.rereading import popularity_is_given
from spotify_assets.resources import Clock, Warehouse
from spotify_assets.settings import Settings, load_settings
from spotify_assets.warehouse.statements import FEATURES_ASKED_AGAIN_AFTER_DAYS

_SHOWN_ROWS = 10
# A run that was killed can stay "started" for ever: it must not soften every check from then on.
_LONGEST_LOAD = timedelta(days=1)
# Statuses of a run that has begun its steps: one that waits in the queue has written nothing yet.
_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

ERROR = dg.AssetCheckSeverity.ERROR
WARN = dg.AssetCheckSeverity.WARN


@dataclass(frozen=True)
class Expectation:
    """A check of an asset: its query, how bad it is that it selects rows, and what that means."""

    asset: dg.AssetKey
    name: str
    severity: dg.AssetCheckSeverity
    description: str
    query: str | None = None

    @property
    def sql(self) -> str:
        """The text of `check_queries/{query}.sql`; of `check_queries/{table}_{name}.sql` where no query is named."""
        query = self.query or f"{self.asset.path[-1]}_{self.name}"
        return (files("spotify_assets") / "check_queries" / f"{query}.sql").read_text(encoding="utf-8")

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The check as Dagster shows it."""
        description = f"{self.description}\n\n```sql\n{self.sql}\n```"
        return dg.AssetCheckSpec(self.name, asset=self.asset, description=description)


def _of_mart(name: str, check: str, description: str) -> Expectation:
    """A mart that contradicts its inputs is an error: people act on it."""
    return Expectation(dg.AssetKey(["marts", name]), check, ERROR, description)


# ERROR: the warehouse contradicts itself. WARN: Spotify gave something that an analyst should know of.
EXPECTATIONS = (
    Expectation(
        NEW_RELEASES,
        "are_fresh",
        WARN,
        "Every configured market's list was seen within the last day.",
    ),
    Expectation(RELEASES, "keys_are_whole", ERROR, "Album ids are Spotify ids; credits pair ids with names."),
    Expectation(TRACKS, "keys_are_whole", WARN, "Track ids are Spotify ids; no two tracks share a place."),
    Expectation(TRACKS, "album_is_known", ERROR, "Every track's album is in spotify.releases."),
    Expectation(TRACKS, "are_complete", WARN, "Every album has as many tracks as its total_tracks says."),
    Expectation(AUDIO_FEATURES, "cover_every_track", ERROR, "Every track has a row, measured or absent."),
    Expectation(
        AUDIO_FEATURES, "absence_is_followed_up", ERROR, "Every absent track is to be asked for again."
    ),
    Expectation(AUDIO_FEATURES, "are_in_range", ERROR, "Features are within their scales."),
    Expectation(TRACK_DETAILS, "cover_every_track", WARN, "Every track of a loaded album has details."),
    Expectation(
        TRACK_DETAILS, "are_in_range", WARN, "Popularity is 0-100; ISRCs are twelve letters and digits."
    ),
    # Whether their tracks are still loaded is no check: history outlives tracks and albums that Spotify takes down.
    Expectation(POPULARITY_SNAPSHOTS, "are_not_of_the_future", WARN, "No snapshot is dated after today."),
    Expectation(
        POPULARITY_SNAPSHOTS,
        "are_taken_daily",
        WARN,
        "Every album in its first eight weeks was measured within two days, where Spotify gives popularity.",
    ),
    Expectation(
        ARTISTS,
        "cover_every_credit",
        WARN,
        "Every artist credited on an album or track is loaded, or unknown to Spotify.",
    ),
    Expectation(
        FEATURE_ATTEMPTS,
        "are_made_in_time",
        WARN,
        "No track waits more than two days past its turn to be asked for again.",
    ),
    Expectation(
        DEEZER_ALBUMS,
        "are_fresh",
        WARN,
        "Deezer was asked within two days about every album in its first eight weeks.",
    ),
    Expectation(TRACK_RANKS, "are_not_of_the_future", WARN, "No rank is dated after today."),
    _of_mart("feature_distribution", "adds_up", "Numbers of tracks add up, value by value."),
    _of_mart("track_catalog", "holds_every_track", "The catalog has each track once."),
    _of_mart("weekly_popular_releases", "ranks_are_whole", "Ranks of a week are 1 to n."),
    _of_mart("track_week", "holds_every_measurement", "Every week in which a track was measured has a row."),
    _of_mart(
        "feature_popularity_correlation",
        "parts_fit_the_whole",
        "No correlation rests on more tracks than there are.",
    ),
    _of_mart(
        "artist_feature_profile",
        "covers_every_credit",
        "Every credited artist has a profile of each feature.",
    ),
    _of_mart("feature_week", "counts_every_track", "Every track with a day of release is in its week."),
    _of_mart("release_cadence", "counts_every_release", "Every release with a day is in its day."),
    _of_mart("coverage", "counts_every_track", "Every track of the catalog is in one week."),
    Expectation(
        dg.AssetKey(["marts", "coverage"]),
        "does_not_fall",
        WARN,
        "No share of the tracks that are measured fell by more than 5 points since the build before.",
    ),
)

FRESHNESS = tuple(
    Expectation(mart.key, "is_fresh", WARN, "It was built within the last day.", query="mart_is_fresh")
    for mart in MARTS
)
"""Of each mart, in one step: the shortest of queries."""


@dataclass(frozen=True)
class AlbumRun:
    """A run over albums that has begun.

    Attributes:
        run_id: Dagster's id of the run.
        started_at: When its first step could begin.
        ended_at: When it ended; None while it is under way.
    """

    run_id: str
    started_at: datetime
    ended_at: datetime | None


def loading_since(started_at: datetime, others: Iterable[AlbumRun]) -> list[AlbumRun]:
    """Those of the other runs that may have written albums since `started_at`, the start of the check's own run.

    A run loads its tables one after the other, and each mart is built from what was committed by then: until it has
    ended, its albums may be in one table and not in the next.
    """
    dead_if_before = started_at - _LONGEST_LOAD
    return [
        other
        for other in others
        if (other.started_at >= dead_if_before if other.ended_at is None else other.ended_at >= started_at)
    ]


def judge(
    expectation: Expectation, count: int, shown: Sequence[Mapping[str, Any]], loading: Sequence[AlbumRun]
) -> dg.AssetCheckResult:
    """The result of a check.

    Args:
        expectation: what was checked.
        count: how many rows should not be there.
        shown: the first few of them.
        loading: other runs that were loading albums meanwhile. With any, rows are a WARN: the same rows may be
            what such a run had not got to yet.
    """
    if count == 0:
        return dg.AssetCheckResult(
            asset_key=expectation.asset,
            check_name=expectation.name,
            passed=True,
            severity=expectation.severity,
            metadata={"offending_rows": count},
        )
    meanwhile = (
        f"; another run was loading albums meanwhile ({', '.join(run.run_id for run in loading)}):"
        " the check after it will tell"
        if loading
        else ""
    )
    return dg.AssetCheckResult(
        asset_key=expectation.asset,
        check_name=expectation.name,
        passed=False,
        severity=WARN if loading else expectation.severity,
        description=f"{count} rows, such as {_in_words(shown[0])}{meanwhile}",
        metadata={"offending_rows": count, "rows": dg.MetadataValue.md(_as_markdown(shown))},
    )


def offending_rows(
    engine: Engine, expectation: Expectation, parameters: Mapping[str, Any]
) -> tuple[int, Sequence[Mapping[str, Any]]]:
    """How many rows the check's query selects, and the first few.

    Args:
        engine: the warehouse.
        expectation: the check.
        parameters: see `check_parameters`; each is bound where the query names it, and `mart` is the asset's table.
    """
    statement = text(expectation.sql)
    given = {**parameters, "mart": expectation.asset.path[-1]}
    bound = {name: value for name, value in given.items() if name in statement.compile().params}
    with engine.connect() as connection:
        rows = connection.execution_options(stream_results=True).execute(statement, bound).mappings()
        shown = [dict(row) for row in rows.fetchmany(_SHOWN_ROWS)]
        return len(shown) + sum(1 for _ in rows), shown


def check_parameters(settings: Settings, now: datetime) -> dict[str, Any]:
    """What the queries are told: the time, and what this environment watches and asks."""
    return {
        "now": now,
        # Where the albums are given, no list is polled.
        "markets": [] if settings.album_ids else list(settings.markets),
        "deezer_is_asked": settings.deezer_url(in_sandbox=settings.uses_sandbox) is not None,
        "days": list(FEATURES_ASKED_AGAIN_AFTER_DAYS),
    }


def _others_loading(instance: dg.DagsterInstance, run_id: str) -> list[AlbumRun]:
    """Other runs that were loading albums while this run was under way."""
    this_run = instance.get_run_record_by_id(run_id)
    if this_run is None or this_run.start_time is None:
        return []
    since = _utc(this_run.start_time)
    # In this order: a run that ends between the two questions is in both answers and not in none.
    records = [
        *instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)),
        *instance.get_run_records(dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=since)),
    ]
    others = {
        record.dagster_run.run_id: AlbumRun(
            record.dagster_run.run_id,
            _utc(record.start_time),
            _utc(record.end_time) if record.end_time else None,
        )
        for record in records
        if record.start_time and record.dagster_run.run_id != run_id
        if AlbumRange.of_tags(record.dagster_run.tags)
    }
    return loading_since(since, others.values())


def _utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _in_words(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _asset_check(expectation: Expectation) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=expectation.asset, name=expectation.name, description=expectation.spec.description)
    def check(
        context: dg.AssetCheckExecutionContext, warehouse: Warehouse, clock: Clock
    ) -> dg.AssetCheckResult:
        return _checked(context, expectation, warehouse, clock)

    return check


@dg.multi_asset_check(name="marts_are_fresh", specs=[each.spec for each in FRESHNESS], can_subset=True)
def _marts_are_fresh(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse, clock: Clock
) -> Iterator[dg.AssetCheckResult]:
    for expectation in FRESHNESS:
        if expectation.spec.key in context.selected_asset_check_keys:
            yield _checked(context, expectation, warehouse, clock)


def _checked(
    context: dg.AssetCheckExecutionContext, expectation: Expectation, warehouse: Warehouse, clock: Clock
) -> dg.AssetCheckResult:
    now = clock.now()
    parameters = {
        **check_parameters(load_settings(), now),
        # Where it is not known, what was given before is the evidence.
        "popularity_is_given": popularity_is_given(warehouse.engine, now) is not False,
    }
    count, shown = offending_rows(warehouse.engine, expectation, parameters)
    # Asked after the query: a run that wrote before it had begun by then.
    loading = _others_loading(context.instance, context.run.run_id) if count else []
    return judge(expectation, count, shown, loading)


CHECKS = [*(_asset_check(expectation) for expectation in EXPECTATIONS), _marts_are_fresh]
