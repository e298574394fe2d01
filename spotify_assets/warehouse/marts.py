"""Builds the marts: whole, or in part where the triggers on its inputs tell what of a mart may have changed.

`marts.builds` keeps what each build saw, as Postgres counts transactions; `ops.changes` what was changed, and by which
transaction. What the latest build did not see is what the next has to make good, whatever was committed when.
What is written while triggers are off (by a replica's session, or a restore that disables them) is made good by the
first build of the next day.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from spotify_assets.warehouse.mart_rows import (
    MartMisfitError,
    Rows,
    SwapPatience,
    build_of,
    count_of,
    replace_all,
    replace_some,
)
from spotify_assets.warehouse.statements import statement
from spotify_assets.warehouse.tables import metadata

MART_SCHEMA = "marts"
SELECTS = Path(__file__).parents[1] / "assets" / "marts"
# A part is replaced in place, index entry by index entry: of more than so much, the whole is built sooner.
_MOST_IN_PLACE = 1 / 3


@dataclass(frozen=True)
class Part:
    """How a mart is built in part.

    Attributes:
        column: Column of the mart whose values tell the parts.
        parameter: Placeholder of its select for what to build; null: everything.
        onwards: A part is everything from a value on, and the placeholder takes that value; else it takes several.
    """

    column: str
    parameter: str
    onwards: bool = False

    def rows(self, changed: Sequence[Any]) -> Rows:
        """The rows of the mart to replace, where these values are changed."""
        return Rows(self.column, changed, self.onwards)

    def parameters(self, changed: Sequence[Any] | None) -> dict[str, Any]:
        """The placeholder with what it is given; everything where `changed` is None."""
        if changed is None:
            return {self.parameter: None}
        return {self.parameter: changed[0] if self.onwards else list(changed)}


PARTS: Mapping[str, Part] = {
    "track_catalog": Part("album_id", "album_ids"),
    "weekly_popular_releases": Part("week_start", "from_week", onwards=True),
    "track_week": Part("week_start", "from_week", onwards=True),
    "feature_week": Part("week_start", "weeks"),
    "release_cadence": Part("release_date", "days"),
    "coverage": Part("week_start", "weeks"),
}
"""By mart; `assets/marts/changed/{mart}.sql` tells which values. Of the other marts, it tells whether one is due."""


@dataclass(frozen=True)
class MartBuild:
    """What a build did.

    Attributes:
        rows: Rows of the mart now.
        seconds: From the start of the build to its commit, waits included.
        extent: whole, part, or kept: too little had changed for a mart that can only be built whole.
        reason: Why it is that.
        as_of: What the mart knows now: of one that was kept, the time given to an earlier build.
    """

    rows: int
    seconds: float
    extent: str
    reason: str
    as_of: datetime


@dataclass(frozen=True)
class Mart:
    """A mart: its table, its select, and the query that tells what of it may have changed."""

    table: Table
    select: str
    changed: str

    @classmethod
    def named(cls, name: str) -> "Mart":
        """The mart `marts.<name>`.

        Raises:
            MartMisfitError: There is none.
        """
        table = metadata.tables.get(f"{MART_SCHEMA}.{name}")
        select, changed = SELECTS / f"{name}.sql", SELECTS / "changed" / f"{name}.sql"
        if table is None or not select.is_file() or not changed.is_file():
            raise MartMisfitError(
                f"There is no mart {name}: it needs a table in tables.py, {select} and {changed}."
            )
        return cls(table, select.read_text(encoding="utf-8"), changed.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        """Its table's name."""
        return self.table.name

    @property
    def part(self) -> Part | None:
        """How it is built in part; None where it cannot be."""
        return PARTS.get(self.name)

    @property
    def code(self) -> str:
        """Tells one definition of the mart from another: of its select, its table and what its parts are."""
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own has no annotation.
        indexes = [str(CreateIndex(index).compile(dialect=dialect)) for index in self.table.indexes]
        statements = [str(CreateTable(self.table).compile(dialect=dialect)), *sorted(indexes)]
        definition = [self.select, self.changed, repr(self.part), *statements]
        return hashlib.sha256("".join(definition).encode()).hexdigest()[:12]

    def parameters(self, as_of: datetime, changed: Sequence[Any] | None = None) -> dict[str, Any]:
        """Values of the select's placeholders: for everything, or for what has changed."""
        return {"as_of": as_of, **(self.part.parameters(changed) if self.part else {})}


@dataclass(frozen=True)
class LastBuild:
    """The latest build of a mart: its row of marts.builds, see there."""

    as_of: datetime
    rows: int
    whole_as_of: datetime
    code: str
    seen: str
    cluster: str


@dataclass(frozen=True)
class _Moment:
    """Transactions that a build can see, and the cluster that counts them."""

    seen: str
    cluster: str


@dataclass(frozen=True)
class _Plan:
    """What to build and why; the values that tell the parts, or None for everything."""

    extent: str
    reason: str
    changed: Sequence[Any] | None = None


def build_mart(engine: Engine, name: str, as_of: datetime, patience: SwapPatience | None = None) -> MartBuild:
    """Build the mart `marts.<name>` anew from `assets/marts/<name>.sql` and swap it in.

    Args:
        engine: The warehouse.
        name: Table name, such as `track_catalog`.
        as_of: The time up to which the build knows the world, with a time zone.
        patience: How long to wait for readers of the old mart.

    Raises:
        MartMisfitError: No such mart, or its select does not fit its table, or the time has no zone.
        MartHasDependentsError: A view stands on the mart.
        MartBusyError: Readers held the old mart for longer than the patience allows.
        sqlalchemy.exc.DBAPIError: The select failed, or its rows break a constraint of the mart.
    """
    return _build(engine, name, as_of, patience, lambda *_: _Plan("whole", "asked for"))


def refresh_mart(
    engine: Engine, name: str, as_of: datetime, inputs: Collection[str], patience: SwapPatience | None = None
) -> MartBuild:
    """Bring a mart up to date in part, where that gives what a whole build would; else whole.

    One that can only be built whole is kept while `assets/marts/changed/<name>.sql` says that too little has changed.
    The first build of a UTC day is whole, and so is the first one after a change of the mart's definition.

    Args:
        engine: The warehouse.
        name: Table name, such as `track_catalog`.
        as_of: The time up to which the build knows the world, with a time zone.
        inputs: The tables that its select reads, such as spotify.tracks.
        patience: How long to wait for readers of the old mart.

    Raises:
        MartMisfitError, MartHasDependentsError, MartBusyError, sqlalchemy.exc.DBAPIError: See `build_mart`.
    """

    def planned(connection: Connection, mart: Mart, last: LastBuild | None, moment: _Moment) -> _Plan:
        reason = reason_for_whole(last, as_of, mart.code, moment.cluster)
        if reason or last is None:
            return _Plan("whole", reason or "")
        return _plan(connection, mart, last, inputs)

    return _build(engine, name, as_of, patience, planned)


_Planned = Callable[[Connection, Mart, LastBuild | None, _Moment], _Plan]


def _build(
    engine: Engine, name: str, as_of: datetime, patience: SwapPatience | None, planned: _Planned
) -> MartBuild:
    patience = patience or SwapPatience()
    started = patience.clock()
    mart = Mart.named(name)
    with build_of(engine, mart.table) as connection:
        # Before anything is read: what is committed from here on is made good by the next build.
        moment, last = _moment(connection), _last_build(connection, mart)
        plan = planned(connection, mart, last, moment)
        rows = _carry_out(connection, mart, plan, as_of, last, moment, patience)
    _forget_changes(engine)
    known = last.as_of if last and plan.extent == "kept" else as_of
    return MartBuild(rows, patience.clock() - started, plan.extent, plan.reason, known)


def reason_for_whole(last: LastBuild | None, as_of: datetime, code: str, cluster: str) -> str | None:
    """Why a mart must be built whole whatever has changed in its inputs; None where it need not be.

    Args:
        last: Its latest build, None where there was none.
        as_of: The time given to the build that is to come.
        code: Digest of the mart's definition.
        cluster: Database cluster of the warehouse.
    """
    if last is None:
        return "never built before"
    if last.code != code:
        return "its definition has changed"
    if last.cluster != cluster:
        return "the warehouse has moved to another database cluster"
    # What is dated after the day of a build is left out of it, and comes in with its day.
    if last.as_of.astimezone(UTC).date() != as_of.astimezone(UTC).date():
        return f"first build of {as_of.astimezone(UTC):%Y-%m-%d}"
    return None


def _plan(connection: Connection, mart: Mart, last: LastBuild, inputs: Collection[str]) -> _Plan:
    since = {"seen": last.seen}
    replaced = connection.execute(statement("inputs_replaced"), {**since, "inputs": list(inputs)}).scalars()
    if names := list(replaced):
        return _Plan("whole", f"changed as a whole: {', '.join(names)}")
    changed = list(connection.execute(text(mart.changed), since).scalars())
    if mart.part is None:
        [is_due] = changed
        return _Plan("whole", "enough has changed") if is_due else _Plan("kept", "too little has changed")
    changed = sorted(value for value in changed if value is not None)
    if changed and count_of(connection, mart.table, mart.part.rows(changed)) > _MOST_IN_PLACE * last.rows:
        return _Plan("whole", "most of it has changed")
    return _Plan("part", f"{len(changed)} of {mart.part.column}", changed)


def _carry_out(
    connection: Connection,
    mart: Mart,
    plan: _Plan,
    as_of: datetime,
    last: LastBuild | None,
    moment: _Moment,
    patience: SwapPatience,
) -> int:
    """Build what is planned, and note the build; returns the rows of the mart."""
    if plan.extent == "kept" and last:
        return last.rows
    if plan.extent == "part" and last and mart.part:
        rows, whole_as_of = last.rows, last.whole_as_of
        if plan.changed:
            rows += _replace_part(connection, mart, mart.part.rows(plan.changed), as_of)
    else:
        parameters = mart.parameters(as_of)
        rows = replace_all(connection, mart.table, mart.select, parameters, patience)
        whole_as_of = as_of
        connection.execute(statement("note_replaced"), {"source": mart.table.fullname})
    connection.execute(
        statement("record_build"),
        {
            "mart": mart.name,
            "as_of": as_of,
            "row_count": rows,
            "extent": plan.extent,
            "whole_as_of": whole_as_of,
            "code": mart.code,
            "seen": moment.seen,
            "cluster": moment.cluster,
        },
    )
    return rows


def _replace_part(connection: Connection, mart: Mart, some: Rows, as_of: datetime) -> int:
    """Replace these rows, telling the marts that read this one; returns how many more there are."""
    parameters = mart.parameters(as_of, some.values)
    # Before and after: an album may have been of another day.
    _note_part(connection, mart, some)
    added = replace_some(connection, mart.table, some, mart.select, parameters)
    _note_part(connection, mart, some)
    return added


def _note_part(connection: Connection, mart: Mart, some: Rows) -> None:
    # The only mart that others read and that is built in part.
    if mart.name == "track_catalog":
        connection.execute(statement("note_catalog_changes"), {"album_ids": list(some.values)})


def _moment(connection: Connection) -> _Moment:
    row = connection.execute(statement("build_moment")).one()
    return _Moment(row.seen, row.cluster)


def _last_build(connection: Connection, mart: Mart) -> LastBuild | None:
    row = connection.execute(statement("last_build"), {"mart": mart.name}).one_or_none()
    return None if row is None else LastBuild(**row._mapping)


def _forget_changes(engine: Engine) -> None:
    """Delete what every mart has by now, unless somebody else is at it, or a build is under way that may lack some."""
    marts = {"marts": [path.stem for path in SELECTS.glob("*.sql")]}
    # Whatever the engine says: where two delete the same row, the second is to pass it over and not to fail.
    options = {"isolation_level": "READ COMMITTED"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if connection.scalar(statement("may_forget_changes"), marts):
            connection.execute(statement("forget_changes"), marts)
