"""What changed in the inputs of the marts, by triggers, and when each mart was built.

A migration is frozen history: once released it is never edited, and it imports no table of the package.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


# By the transaction: rows are not committed in the order in which they are numbered.
_CHANGED_SINCE = """
create function ops.changed_since(seen pg_snapshot)
returns table (source text, item text, day date)
language sql
stable
set search_path = ''
begin atomic
    select
        changes.source,
        changes.item,
        changes.day
    from ops.changes
    where
        -- All before it are visible: the index leaves them out.
        changes.transaction_id >= cast(cast(pg_snapshot_xmin(seen) as text) as bigint)
        and not pg_visible_in_snapshot(cast(cast(changes.transaction_id as text) as xid8), seen);
end
"""

# Arguments: the columns that give item and day (or null), and those that matter to the marts (or *).
# Of an update only the rows count that differ in these, before and after.
# By the rights of its owner: whoever may write to a table has nothing to do with ops. Temporary types come last, as
# otherwise a writer's own type "date" would be meant, and what it checks be run by the rights of the owner.
_NOTE_CHANGES = """
create function ops.note_changes() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $function$
declare
    origin text := tg_table_schema || '.' || tg_table_name;
    seen_columns text := concat_ws(', ', tg_argv[0] || ' as item', tg_argv[1] || ' as day', nullif(tg_argv[2], ''));
    rows_changed text;
begin
    if tg_op = 'TRUNCATE' then
        rows_changed := 'select null::text as item, null::date as day';
    elsif tg_op = 'INSERT' then
        rows_changed := format('select %s from rows_after', seen_columns);
    elsif tg_op = 'DELETE' then
        rows_changed := format('select %s from rows_before', seen_columns);
    else
        rows_changed := format(
            '(select %1$s from rows_before except all select %1$s from rows_after)'
            ' union all (select %1$s from rows_after except all select %1$s from rows_before)',
            seen_columns
        );
    end if;
    execute format(
        'insert into ops.changes (transaction_id, source, item, day)'
        ' select cast(cast(pg_current_xact_id() as text) as bigint), %L, seen.item, seen.day'
        ' from (select distinct item, day from (%s) as changed) as seen',
        origin, rows_changed
    );
    return null;
end
$function$
"""

_TRIGGERS = {
    # By table: item, day, and what else of an updated row matters.
    "spotify.new_releases": ("album_id", "cast(first_seen_at at time zone 'UTC' as date)", "first_seen_at"),
    # Its week in marts.coverage may be that of its loading.
    "spotify.releases": (
        "album_id",
        "unnest(array[release_date, cast(fetched_at at time zone 'UTC' as date)])",
        "*",
    ),
    "spotify.tracks": ("album_id", "cast(null as date)", "*"),
    "spotify.audio_features": ("album_id", "cast(null as date)", "*"),
    "spotify.track_details": ("album_id", "cast(null as date)", "*"),
    # By track: its album may not be one that it stands on any more.
    "spotify.popularity_snapshots": ("track_id", "measured_on", "popularity"),
    "spotify.artists": ("artist_id", "cast(null as date)", "name, genres"),
    "deezer.albums": ("album_id", "cast(null as date)", "status, label, genres"),
    "deezer.track_ranks": ("album_id", "measured_on", "track_id, rank, isrc"),
    "ops.feature_attempts": ("track_id", "cast(null as date)", "outcome"),
}
_EVENTS = {
    "insert": "referencing new table as rows_after",
    "delete": "referencing old table as rows_before",
    "update": "referencing old table as rows_before new table as rows_after",
    "truncate": "",
}


# Column: its comment before and after.
_COMMENTS = {
    "spotify.track_details.fetched_at": (
        "When the track was fetched, or was known to be withheld from the key.",
        "When Spotify was asked about the track, or was known to withhold it from the key.",
    ),
    "ops.access.answered_at": (
        "When it answered so; relied on for a day.",
        "When it answered so; the client relies on it for a day.",
    ),
}


def _create_triggers() -> None:
    for table, arguments in _TRIGGERS.items():
        listed = ", ".join("'{}'".format(argument.replace("'", "''")) for argument in arguments)
        for event, rows in _EVENTS.items():
            op.execute(
                f"create trigger note_{event} after {event} on {table} {rows}"
                f" for each statement execute function ops.note_changes({listed})"
            )


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "builds",
        sa.Column("mart", sa.Text(), nullable=False, comment="Mart, such as track_catalog."),
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="What the latest build knew: the time it was given.",
        ),
        sa.Column(
            "built_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it began, by the clock of the database.",
        ),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="Rows of the mart after it."),
        sa.Column(
            "extent",
            sa.Text(),
            nullable=False,
            comment="whole, or part: only what had changed since the build before.",
        ),
        sa.Column(
            "whole_as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="as_of of the latest whole build.",
        ),
        sa.Column(
            "code", sa.Text(), nullable=False, comment="Digest of the select and of the table's declaration."
        ),
        sa.Column(
            "seen",
            sa.Text(),
            nullable=False,
            comment="Transactions that the build saw, as pg_current_snapshot() gives them.",
        ),
        sa.Column(
            "cluster", sa.Text(), nullable=False, comment="Database cluster that counts those transactions."
        ),
        sa.Column(
            "source",
            sa.Text(),
            nullable=True,
            comment="Whose data it is: live (Spotify's) or sandbox (invented); null: not known.",
        ),
        sa.CheckConstraint("extent in ('whole', 'part')", name=op.f("builds_extent_check")),
        sa.CheckConstraint("source in ('live', 'sandbox')", name=op.f("builds_source_check")),
        sa.CheckConstraint("rows >= 0", name=op.f("builds_rows_check")),
        sa.PrimaryKeyConstraint("mart", name=op.f("builds_pkey")),
        schema="marts",
        comment="When each mart was last built: one row per mart.",
    )
    op.create_table(
        "feature_distribution",
        sa.Column(
            "feature",
            sa.Text(),
            nullable=False,
            comment="Audio feature, or popularity (Spotify's); a tempo of 0 is left out.",
        ),
        sa.Column("value", sa.Double(), nullable=False, comment="Value, in the unit of the feature."),
        sa.Column("tracks", sa.Integer(), nullable=False, comment="Tracks with this value, each once."),
        sa.Column("tracks_below", sa.Integer(), nullable=False, comment="Tracks with a lower value."),
        sa.Column("n", sa.Integer(), nullable=False, comment="Tracks with any value of the feature."),
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="What the build knew: the time it was given.",
        ),
        sa.CheckConstraint(
            (
                "feature in ('danceability', 'energy', 'loudness', 'speechiness', 'acousticness', "
                "'instrumentalness', 'liveness', 'valence', 'tempo', 'popularity')"
            ),
            name=op.f("feature_distribution_feature_check"),
        ),
        sa.CheckConstraint("tracks >= 1", name=op.f("feature_distribution_tracks_check")),
        sa.CheckConstraint(
            "tracks_below between 0 and n - tracks", name=op.f("feature_distribution_tracks_below_check")
        ),
        sa.PrimaryKeyConstraint("feature", "value", name=op.f("feature_distribution_pkey")),
        schema="marts",
        comment=(
            "How audio features and popularity are distributed over the measured tracks: what "
            "percentiles refer to."
        ),
    )
    op.create_table(
        "changes",
        sa.Column(
            "change_id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            nullable=False,
            comment="Transaction that changed it, as pg_current_xact_id() gives it.",
        ),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="Table that was changed, such as spotify.tracks."
        ),
        sa.Column(
            "item",
            sa.Text(),
            nullable=True,
            comment=(
                "Id of what was added, changed or removed there: of an album, of a track for "
                "popularity_snapshots and feature_attempts, of an artist for artists; null: anything."
            ),
        ),
        sa.Column(
            "day",
            sa.Date(),
            nullable=True,
            comment=(
                "Day that the row is of, before and after: of release and of loading, of sighting, or of "
                "measurement."
            ),
        ),
        sa.PrimaryKeyConstraint("change_id", name=op.f("changes_pkey")),
        schema="ops",
        comment="What was changed in the inputs of the marts, by triggers, until every mart has it.",
    )
    op.create_index(
        op.f("changes_transaction_id_idx"), "changes", ["transaction_id"], unique=False, schema="ops"
    )
    op.create_index(
        op.f("track_ranks_measured_on_idx"),
        "track_ranks",
        ["measured_on"],
        unique=False,
        schema="deezer",
        postgresql_using="brin",
    )
    op.alter_column(
        "track_catalog",
        "danceability_percentile",
        existing_type=sa.DOUBLE_PRECISION(precision=53),
        comment="Share of the tracks of marts.feature_distribution below, ties half, 0-1.",
        existing_comment="Share of measured tracks below, ties half, 0-1.",
        existing_nullable=True,
        schema="marts",
    )
    op.create_index(
        op.f("track_catalog_release_date_idx"),
        "track_catalog",
        ["release_date"],
        unique=False,
        schema="marts",
    )
    op.drop_column("track_catalog", "as_of", schema="marts")
    op.create_index(
        op.f("popularity_snapshots_measured_on_idx"),
        "popularity_snapshots",
        ["measured_on"],
        unique=False,
        schema="spotify",
        postgresql_using="brin",
    )
    for column, (_, comment) in _COMMENTS.items():
        op.execute(f"comment on column {column} is '{comment}'")
    op.execute(_CHANGED_SINCE)
    op.execute(_NOTE_CHANGES)
    # Else anybody could have it run an expression of their own, as a trigger's argument, by the rights of its owner.
    op.execute("revoke execute on function ops.note_changes() from public")
    _create_triggers()


def downgrade() -> None:
    """Take it back."""
    for column, (comment, _) in _COMMENTS.items():
        op.execute(f"comment on column {column} is '{comment}'")
    for table in _TRIGGERS:
        for event in _EVENTS:
            op.execute(f"drop trigger note_{event} on {table}")
    op.execute("drop function ops.note_changes()")
    op.execute("drop function ops.changed_since(pg_snapshot)")
    # It is built anew from its inputs.
    op.execute("truncate marts.track_catalog")
    op.drop_index(
        op.f("popularity_snapshots_measured_on_idx"),
        table_name="popularity_snapshots",
        schema="spotify",
        postgresql_using="brin",
    )
    op.add_column(
        "track_catalog",
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            autoincrement=False,
            nullable=False,
            comment="What the build knew: the time it was given.",
        ),
        schema="marts",
    )
    op.drop_index(op.f("track_catalog_release_date_idx"), table_name="track_catalog", schema="marts")
    op.alter_column(
        "track_catalog",
        "danceability_percentile",
        existing_type=sa.DOUBLE_PRECISION(precision=53),
        comment="Share of measured tracks below, ties half, 0-1.",
        existing_comment="Share of the tracks of marts.feature_distribution below, ties half, 0-1.",
        existing_nullable=True,
        schema="marts",
    )
    op.drop_index(
        op.f("track_ranks_measured_on_idx"),
        table_name="track_ranks",
        schema="deezer",
        postgresql_using="brin",
    )
    op.drop_table("changes", schema="ops")
    op.drop_table("feature_distribution", schema="marts")
    op.drop_table("builds", schema="marts")
