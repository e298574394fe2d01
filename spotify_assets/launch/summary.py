"""The summary that ends a pass: what was loaded, what it cost, and the week's top five."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from sqlalchemy import Engine, text

from spotify_assets.launch.first_pass import Outcome

# What the mean of a measure is called, and how many digits of it mean something.
_SCALES = {
    "spotify_popularity": ("mean track popularity, 0-100", 1),
    "deezer_rank": ("mean Deezer rank, 0-1,000,000; no popularity from Spotify", 0),
}


def summary(engine: Engine, outcome: Outcome) -> list[str]:
    """The lines to print."""
    counts = _rows(engine, "counts")[0]
    return [
        "",
        *_source(counts),
        *_loaded(counts),
        *_cost(outcome),
        *_top_five(_rows(engine, "top_five")),
        *_result(outcome),
    ]


def _rows(engine: Engine, query: str) -> Sequence[Mapping[str, Any]]:
    sql = (files(__package__) / "queries" / f"{query}.sql").read_text(encoding="utf-8")
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(sql)).mappings()]


def _source(counts: Mapping[str, Any]) -> Iterator[str]:
    if counts["source"] == "sandbox":
        yield "SANDBOX DATA: artists, albums and numbers below are invented."


def _loaded(counts: Mapping[str, Any]) -> Iterator[str]:
    tracks = counts["tracks"]
    yield f"Albums      {counts['albums']:>9,}"
    yield f"Tracks      {tracks:>9,}   of {counts['artists']:,} artists"
    features = counts["with_features"]
    yield f"Features    {features:>9,}   {_share(features, tracks)} of tracks; {_missing(counts)}"
    yield f"Popularity  {counts['with_popularity']:>9,}   {_share(counts['with_popularity'], tracks)} of tracks"
    yield f"Deezer rank {counts['with_deezer_rank']:>9,}   {_share(counts['with_deezer_rank'], tracks)} of tracks"
    if counts["set_aside"]:
        yield f"Set aside   {counts['set_aside']:>9,}   items, with reasons in ops.set_aside"


def _missing(counts: Mapping[str, Any]) -> str:
    unanswered = counts["unanswered"]
    not_asked = counts["tracks"] - counts["with_features"] - counts["absent"]
    told = [f"{counts['absent'] - unanswered:,} are recorded as absent"]
    if unanswered:
        told.append(f"nobody could be asked about {unanswered:,}")
    if not_asked:
        told.append(f"{not_asked:,} were not asked for yet")
    return ", ".join(told)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _cost(outcome: Outcome) -> Iterator[str]:
    calls = ", ".join(f"{endpoint} {count:,}" for endpoint, count in outcome.calls.most_common())
    yield f"API calls   {outcome.calls.total():>9,}   {calls}".rstrip()


def _top_five(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield ""
    if not rows:
        yield "No ranking yet: no track of a new release has a measured popularity."
        return
    scale, digits = _SCALES[rows[0]["measure"]]
    yield f"Most popular new releases, week of {rows[0]['week_start']:%d %B %Y} ({scale}):"
    for row in rows:
        measured = f"{row['tracks_measured']} of {row['tracks']} tracks"
        yield f"  {row['rank']}. {row['name']} by {row['artists']}: {row['value_mean']:,.{digits}f} ({measured})"


def _result(outcome: Outcome) -> Iterator[str]:
    yield ""
    if outcome.warnings:
        yield f"{len(outcome.warnings)} check(s) warn; see the asset checks in the Dagster UI."
    if outcome.failures:
        yield f"FAILED: {len(outcome.failures)} problem(s):"
        yield from (f"  {failure}" for failure in outcome.failures)
