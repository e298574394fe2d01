"""Asset checks: each a query in `check_queries/` that selects the rows which should not be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import dagster as dg
from sqlalchemy import Engine, text

from spotify_assets.assets.enrich import ARTISTS, AUDIO_FEATURES, POPULARITY_SNAPSHOTS, TRACK_DETAILS
from spotify_assets.assets.extract import NEW_RELEASES, RELEASES, TRACKS
from spotify_assets.resources import Clock, Warehouse

_SHOWN_ROWS = 10

ERROR = dg.AssetCheckSeverity.ERROR
WARN = dg.AssetCheckSeverity.WARN


@dataclass(frozen=True)
class Expectation:
    """A check of an asset: its query, how bad it is that it selects rows, and what that means."""

    asset: dg.AssetKey
    name: str
    severity: dg.AssetCheckSeverity
    description: str

    @property
    def sql(self) -> str:
        """The text of `check_queries/{table}_{name}.sql`."""
        query = f"{self.asset.path[-1]}_{self.name}.sql"
        return (files("spotify_assets") / "check_queries" / query).read_text(encoding="utf-8")


# ERROR: the warehouse contradicts itself. WARN: Spotify gave something that an analyst should know of.
EXPECTATIONS = (
    Expectation(NEW_RELEASES, "are_fresh", WARN, "Every market's list was seen within the last day."),
    Expectation(RELEASES, "keys_are_whole", ERROR, "Album ids are Spotify ids; credits pair ids with names."),
    Expectation(TRACKS, "keys_are_whole", WARN, "Track ids are Spotify ids; no two tracks share a place."),
    Expectation(TRACKS, "album_is_known", ERROR, "Every track's album is in spotify.releases."),
    Expectation(TRACKS, "are_complete", WARN, "Every album has as many tracks as its total_tracks says."),
    Expectation(AUDIO_FEATURES, "cover_every_track", ERROR, "Every track has a row, measured or absent."),
    Expectation(AUDIO_FEATURES, "are_in_range", ERROR, "Features are within their scales."),
    Expectation(TRACK_DETAILS, "cover_every_track", WARN, "Every track of a loaded album has details."),
    Expectation(
        TRACK_DETAILS, "are_in_range", WARN, "Popularity is 0-100; ISRCs are twelve letters and digits."
    ),
    Expectation(
        POPULARITY_SNAPSHOTS, "belong_to_tracks", WARN, "Every snapshot's track is in spotify.tracks."
    ),
    Expectation(ARTISTS, "cover_every_credit", WARN, "Every artist credited on an album is loaded."),
    Expectation(
        dg.AssetKey(["marts", "track_catalog"]),
        "holds_every_track",
        ERROR,
        "The catalog has each track once.",
    ),
    Expectation(
        dg.AssetKey(["marts", "weekly_popular_releases"]),
        "ranks_are_whole",
        ERROR,
        "Ranks of a week are 1 to n.",
    ),
)


def offending_rows(
    engine: Engine, expectation: Expectation, parameters: Mapping[str, Any]
) -> tuple[int, Sequence[Mapping[str, Any]]]:
    """How many rows the check's query selects, and the first few."""
    statement = text(expectation.sql)
    bound = {name: value for name, value in parameters.items() if name in statement.compile().params}
    with engine.connect() as connection:
        rows = connection.execution_options(stream_results=True).execute(statement, bound).mappings()
        shown = [dict(row) for row in rows.fetchmany(_SHOWN_ROWS)]
        return len(shown) + sum(1 for _ in rows), shown


def _evaluate(expectation: Expectation, warehouse: Warehouse, clock: Clock) -> dg.AssetCheckResult:
    count, shown = offending_rows(warehouse.engine, expectation, {"now": clock.now()})
    return dg.AssetCheckResult(
        passed=count == 0,
        severity=expectation.severity,
        description=None if count == 0 else f"{count} rows, such as {_in_words(shown[0])}",
        metadata={
            "offending_rows": count,
            **({"rows": dg.MetadataValue.md(_as_markdown(shown))} if shown else {}),
        },
    )


def _in_words(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _asset_check(expectation: Expectation) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=expectation.asset,
        name=expectation.name,
        description=f"{expectation.description}\n\n```sql\n{expectation.sql}\n```",
    )
    def check(warehouse: Warehouse, clock: Clock) -> dg.AssetCheckResult:
        return _evaluate(expectation, warehouse, clock)

    return check


CHECKS = [_asset_check(expectation) for expectation in EXPECTATIONS]
