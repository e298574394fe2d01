"""What keys may do and what calls cost: access, rates, closures, counts, and attempts at audio features.

A migration is frozen history: once released it is never edited, and it imports no table of the package.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "access",
        sa.Column("client", sa.Text(), nullable=False, comment="Fingerprint of the client id."),
        sa.Column(
            "endpoint",
            sa.Text(),
            nullable=False,
            comment="Endpoint that Spotify closes to some applications.",
        ),
        sa.Column(
            "is_open",
            sa.Boolean(),
            nullable=False,
            comment="What it answered: false is a 403 that says it is closed to this client.",
        ),
        sa.Column(
            "answered_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it answered so; relied on for a day.",
        ),
        sa.PrimaryKeyConstraint("client", "endpoint", name=op.f("access_pkey")),
        schema="ops",
        comment="Which endpoints Spotify lets each client call, as last answered.",
    )
    op.create_table(
        "api_calls",
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run."),
        sa.Column(
            "asset", sa.Text(), nullable=False, comment="Asset whose step called, such as spotify/tracks."
        ),
        sa.Column("endpoint", sa.Text(), nullable=False, comment="Endpoint that was called."),
        sa.Column(
            "access",
            sa.Text(),
            nullable=False,
            comment="What the key could do as far as was known: extended, development, …; or not asked.",
        ),
        sa.Column(
            "calls",
            sa.Integer(),
            nullable=False,
            comment="Requests sent, also those that failed or were sent again.",
        ),
        sa.Column(
            "rate_limited",
            sa.Integer(),
            nullable=False,
            comment="Answers 429, or the error that stands for it.",
        ),
        sa.Column(
            "seconds_waited",
            sa.Double(),
            nullable=False,
            comment="Seconds spent waiting for limits and after faults, summed over threads.",
        ),
        sa.Column(
            "saved_by_batching",
            sa.Integer(),
            nullable=False,
            comment="Requests that one call an id would have taken in addition.",
        ),
        sa.Column(
            "saved_by_skipping",
            sa.Integer(),
            nullable=False,
            comment="Requests not made because the answer was known or would hold nothing.",
        ),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False, comment="When the step began."),
        sa.Column(
            "last_at", sa.DateTime(timezone=True), nullable=False, comment="When it ended, also by a failure."
        ),
        sa.CheckConstraint("calls >= 0", name=op.f("api_calls_calls_check")),
        sa.CheckConstraint("rate_limited >= 0", name=op.f("api_calls_rate_limited_check")),
        sa.CheckConstraint("saved_by_batching >= 0", name=op.f("api_calls_saved_by_batching_check")),
        sa.CheckConstraint("saved_by_skipping >= 0", name=op.f("api_calls_saved_by_skipping_check")),
        sa.CheckConstraint("seconds_waited >= 0", name=op.f("api_calls_seconds_waited_check")),
        sa.PrimaryKeyConstraint("run_id", "asset", "endpoint", name=op.f("api_calls_pkey")),
        schema="ops",
        comment="What each run cost: one row per run, asset and endpoint; retries of a step add up.",
    )
    op.create_index(op.f("api_calls_first_at_idx"), "api_calls", ["first_at"], unique=False, schema="ops")
    op.create_table(
        "call_closures",
        sa.Column(
            "caller",
            sa.Text(),
            nullable=False,
            comment="Fingerprint of the client id, or keyless for services that take no key.",
        ),
        sa.Column(
            "endpoint_group",
            sa.Text(),
            nullable=False,
            comment="Endpoints that share a quota, such as albums for albums/{id} and its tracks.",
        ),
        sa.Column(
            "closed_until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Nothing of the group is asked before; calling earlier lengthens the penalty.",
        ),
        sa.Column(
            "cause",
            sa.Text(),
            nullable=False,
            comment="quota (used up for the day), or rate limit (a wait too long to sit out).",
        ),
        sa.Column(
            "noted_at", sa.DateTime(timezone=True), nullable=False, comment="When the service said so."
        ),
        sa.CheckConstraint("cause in ('quota', 'rate limit')", name=op.f("call_closures_cause_check")),
        sa.PrimaryKeyConstraint("caller", "endpoint_group", name=op.f("call_closures_pkey")),
        schema="ops",
        comment="Until when a group of endpoints must not be called, shared by all processes and machines.",
    )
    op.create_table(
        "call_rates",
        sa.Column(
            "caller",
            sa.Text(),
            nullable=False,
            comment="Fingerprint of the client id, or keyless for services that take no key.",
        ),
        sa.Column(
            "service",
            sa.Text(),
            nullable=False,
            comment="spotify, accounts, reccobeats or deezer: each counts its calls by itself.",
        ),
        sa.Column(
            "calls_per_30s",
            sa.Double(),
            nullable=True,
            comment="Calls in any 30 s thought to be allowed: the setting, or learned from 429s; null: none is known.",
        ),
        sa.Column(
            "next_call_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the next call may go; null before the first.",
        ),
        sa.Column(
            "paused_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="End of the wait that the latest 429 asked for.",
        ),
        sa.Column(
            "slowed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a 429 last lowered calls_per_30s.",
        ),
        sa.Column(
            "raised_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When calls_per_30s was last raised.",
        ),
        sa.Column(
            "recent_seconds",
            sa.ARRAY(sa.BigInteger()),
            nullable=False,
            comment="Seconds since 1970 of the last 30 s in which calls were made.",
        ),
        sa.Column(
            "recent_calls", sa.ARRAY(sa.Integer()), nullable=False, comment="Calls made in each of them."
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            comment="Counts the changes, so that two callers never take the same place.",
        ),
        sa.CheckConstraint(
            "cardinality(recent_seconds) = cardinality(recent_calls)", name=op.f("call_rates_recent_check")
        ),
        sa.PrimaryKeyConstraint("caller", "service", name=op.f("call_rates_pkey")),
        schema="ops",
        comment="How fast each service may be called, shared by all processes and machines.",
        postgresql_with={
            "fillfactor": 50,
            "autovacuum_vacuum_threshold": 200,
            "autovacuum_vacuum_scale_factor": 0.05,
        },
    )
    op.create_table(
        "feature_attempts",
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="Of the latest attempt: absent, unanswered (nobody could be asked), or measured.",
        ),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="Times that a source answered."),
        sa.Column(
            "first_asked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a source first answered; asked again 1, 7, 30 and 90 days later.",
        ),
        sa.Column(
            "last_asked_at", sa.DateTime(timezone=True), nullable=True, comment="When a source last answered."
        ),
        sa.Column(
            "last_tried_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When one was last to be asked, whether it answered or not.",
        ),
        sa.CheckConstraint(
            "outcome in ('absent', 'unanswered', 'measured')", name=op.f("feature_attempts_outcome_check")
        ),
        sa.CheckConstraint(
            "(attempts = 0) = (first_asked_at is null)", name=op.f("feature_attempts_first_asked_at_check")
        ),
        sa.CheckConstraint(
            "(attempts = 0) = (last_asked_at is null)", name=op.f("feature_attempts_last_asked_at_check")
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("feature_attempts_attempts_check")),
        sa.PrimaryKeyConstraint("track_id", name=op.f("feature_attempts_pkey")),
        schema="ops",
        comment="Tracks that had no audio features when first asked for, and the attempts made since.",
    )
    op.create_index(
        op.f("feature_attempts_first_asked_at_idx"),
        "feature_attempts",
        ["first_asked_at"],
        unique=False,
        schema="ops",
        postgresql_where=sa.text("outcome <> 'measured'"),
    )
    op.alter_column(
        "track_catalog",
        "isrc",
        existing_type=sa.Text(),
        comment="International standard recording code: Spotify's where given, else Deezer's.",
        existing_comment="International standard recording code.",
        existing_nullable=True,
        schema="marts",
    )
    op.alter_column(
        "track_catalog",
        "features_status",
        existing_type=sa.Text(),
        comment="measured, absent (asked, there were none), or pending (nobody could be asked yet).",
        existing_comment="measured, absent (asked, there were none), or pending (not yet asked).",
        existing_nullable=False,
        schema="marts",
    )
    op.alter_column(
        "audio_features",
        "status",
        existing_type=sa.Text(),
        comment="measured, or absent: there were none, or nobody could be asked (ops.feature_attempts).",
        existing_comment="measured, or absent: asked for, and there were none.",
        existing_nullable=False,
        schema="spotify",
    )
    op.alter_column(
        "new_releases",
        "position",
        existing_type=sa.Integer(),
        comment="Place on the market's list, or among the results of the search, when last seen, from 1.",
        existing_comment="Place on the market's list when last seen there, from 1.",
        existing_nullable=False,
        schema="spotify",
    )
    op.create_table_comment(
        "new_releases",
        "Sightings: one row per album and market where it was listed or found as new.",
        existing_comment="Sightings: one row per album and market where it stood on the list of new releases.",
        schema="spotify",
    )
    op.alter_column(
        "track_details",
        "isrc",
        existing_type=sa.Text(),
        comment="International standard recording code; null for keys that do not get it.",
        existing_comment="International standard recording code.",
        existing_nullable=True,
        schema="spotify",
    )
    op.alter_column(
        "track_details",
        "fetched_at",
        existing_type=sa.DateTime(timezone=True),
        comment="When the track was fetched, or was known to be withheld from the key.",
        existing_comment="When the track was fetched.",
        existing_nullable=False,
        schema="spotify",
    )
    op.execute(
        """
        create view spotify.album_starts as
        with sightings as (
            select album_id, cast(min(first_seen_at) at time zone 'UTC' as date) as first_seen_on
            from spotify.new_releases
            group by album_id
        )

        -- greatest passes over nulls: a date of month or year precision gives way to the first sighting.
        select
            releases.album_id,
            sightings.first_seen_on,
            coalesce(
                greatest(releases.release_date, sightings.first_seen_on),
                cast(releases.fetched_at at time zone 'UTC' as date)
            ) as new_since
        from spotify.releases
        left join sightings on releases.album_id = sightings.album_id
        """
    )
    op.execute(
        "comment on view spotify.album_starts is 'Since when each album is new: the UTC day it was released or first "
        "seen, whichever is later; where neither is known, the day it was fetched.'"
    )
    # Tracks that were asked for before attempts were recorded.
    op.execute(
        """
        insert into ops.feature_attempts
            (track_id, outcome, attempts, first_asked_at, last_asked_at, last_tried_at)
        select track_id, 'absent', 1, min(checked_at), min(checked_at), min(checked_at)
        from spotify.audio_features
        where status = 'absent'
        group by track_id
        """
    )


def downgrade() -> None:
    """Take it back."""
    op.execute("drop view spotify.album_starts")
    op.alter_column(
        "track_catalog",
        "isrc",
        existing_type=sa.Text(),
        comment="International standard recording code.",
        existing_comment="International standard recording code: Spotify's where given, else Deezer's.",
        existing_nullable=True,
        schema="marts",
    )
    op.alter_column(
        "track_catalog",
        "features_status",
        existing_type=sa.Text(),
        comment="measured, absent (asked, there were none), or pending (not yet asked).",
        existing_comment="measured, absent (asked, there were none), or pending (nobody could be asked yet).",
        existing_nullable=False,
        schema="marts",
    )
    op.alter_column(
        "audio_features",
        "status",
        existing_type=sa.Text(),
        comment="measured, or absent: asked for, and there were none.",
        existing_comment="measured, or absent: there were none, or nobody could be asked (ops.feature_attempts).",
        existing_nullable=False,
        schema="spotify",
    )
    op.alter_column(
        "new_releases",
        "position",
        existing_type=sa.Integer(),
        comment="Place on the market's list when last seen there, from 1.",
        existing_comment="Place on the market's list, or among the results of the search, when last seen, from 1.",
        existing_nullable=False,
        schema="spotify",
    )
    op.create_table_comment(
        "new_releases",
        "Sightings: one row per album and market where it stood on the list of new releases.",
        existing_comment="Sightings: one row per album and market where it was listed or found as new.",
        schema="spotify",
    )
    op.alter_column(
        "track_details",
        "isrc",
        existing_type=sa.Text(),
        comment="International standard recording code.",
        existing_comment="International standard recording code; null for keys that do not get it.",
        existing_nullable=True,
        schema="spotify",
    )
    op.alter_column(
        "track_details",
        "fetched_at",
        existing_type=sa.DateTime(timezone=True),
        comment="When the track was fetched.",
        existing_comment="When the track was fetched, or was known to be withheld from the key.",
        existing_nullable=False,
        schema="spotify",
    )
    op.drop_table("feature_attempts", schema="ops")
    op.drop_table("call_rates", schema="ops")
    op.drop_table("call_closures", schema="ops")
    op.drop_table("api_calls", schema="ops")
    op.drop_table("access", schema="ops")
