"""The marts that answer the rest, and call rates by window instead of by 30 s.

A migration is frozen history: once released it is never edited, and it imports no table of the package.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


_ALBUM_STARTS = {
    "album_id": "Spotify album id.",
    "first_seen_on": "UTC day the album was first seen on a list of new releases.",
    "new_since": "UTC day since which it is new: it is ranked in this week and the 7 after.",
}


# Column before and after, with its comment.
_CALL_RATES = {
    ("calls_per_30s", "calls_per_window"): (
        "Calls in any 30 s thought to be allowed: the setting, or learned from 429s; null: none is known.",
        "Calls thought to be allowed in any 30 s (Deezer: 5 s): set, or learned from 429s; null: unknown.",
    ),
    ("recent_seconds", "recent_slices"): (
        "Seconds since 1970 of the last 30 s in which calls were made.",
        "Slices of the last window in which calls were made: 150 a window, numbered from 1970.",
    ),
    ("slowed_at", "slowed_at"): (
        "When a 429 last lowered calls_per_30s.",
        "When a 429 last lowered calls_per_window.",
    ),
    ("raised_at", "raised_at"): (
        "When calls_per_30s was last raised.",
        "When calls_per_window was last raised.",
    ),
}


def _change_call_rates(*, forward: bool) -> None:
    # What was called of late is counted in other units.
    op.execute(
        "update ops.call_rates set recent_seconds = '{}', recent_calls = '{}'"
        if forward
        else "update ops.call_rates set recent_slices = '{}', recent_calls = '{}'"
    )
    for names, comments in _CALL_RATES.items():
        old, new = names if forward else names[::-1]
        if old != new:
            op.alter_column("call_rates", old, new_column_name=new, schema="ops")
        comment = comments[forward].replace("'", "''")
        op.execute(f"comment on column ops.call_rates.{new} is '{comment}'")


def upgrade() -> None:
    """Apply it."""
    _change_call_rates(forward=True)
    for column, comment in _ALBUM_STARTS.items():
        op.execute(f"comment on column spotify.album_starts.{column} is '{comment}'")
    op.create_table(
        "artist_feature_profile",
        sa.Column("artist_id", sa.Text(), nullable=False, comment="Spotify artist id."),
        sa.Column(
            "feature",
            sa.Text(),
            nullable=False,
            comment="Audio feature; a tempo of 0, which says that none was detected, is left out.",
        ),
        sa.Column("artist_name", sa.Text(), nullable=False, comment="Artist name."),
        sa.Column(
            "tracks",
            sa.Integer(),
            nullable=False,
            comment="Tracks on which the artist is credited, first or not, each once.",
        ),
        sa.Column(
            "n", sa.Integer(), nullable=False, comment="Those of them on which the feature was measured."
        ),
        sa.Column("mean", sa.Double(), nullable=True, comment="Mean over the n tracks; null where n is 0."),
        sa.Column("median", sa.Double(), nullable=True, comment="Median; null where n is 0."),
        sa.Column(
            "stddev",
            sa.Double(),
            nullable=True,
            comment="Standard deviation of the sample (n - 1); null where n < 2.",
        ),
        sa.Column(
            "p25", sa.Double(), nullable=True, comment="Lower quartile, interpolated; null where n is 0."
        ),
        sa.Column(
            "p75", sa.Double(), nullable=True, comment="Upper quartile, interpolated; null where n is 0."
        ),
        sa.Column(
            "z_vs_all",
            sa.Double(),
            nullable=True,
            comment=(
                "Distance of the mean from the mean of all measured tracks, in their standard "
                "deviations (n - 1); null where n is 0 or all are alike."
            ),
        ),
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="What the build knew: the time it was given.",
        ),
        sa.CheckConstraint(
            (
                "feature in ('danceability', 'energy', 'loudness', 'speechiness', 'acousticness', "
                "'instrumentalness', 'liveness', 'valence', 'tempo')"
            ),
            name=op.f("artist_feature_profile_feature_check"),
        ),
        sa.CheckConstraint(
            "(n = 0) = (mean is null)", name=op.f("artist_feature_profile_mean_where_measured_check")
        ),
        sa.CheckConstraint("n between 0 and tracks", name=op.f("artist_feature_profile_n_check")),
        sa.CheckConstraint(
            "p25 <= median and median <= p75", name=op.f("artist_feature_profile_quartiles_in_order_check")
        ),
        sa.PrimaryKeyConstraint("artist_id", "feature", name=op.f("artist_feature_profile_pkey")),
        schema="marts",
        comment="Audio features of each artist's tracks. Every credited artist counts, not only the first.",
    )
    op.create_table(
        "coverage",
        sa.Column(
            "week_start",
            sa.Date(),
            nullable=False,
            comment="Monday (UTC) of the week in which the albums were first seen, or else loaded.",
        ),
        sa.Column("albums", sa.Integer(), nullable=False, comment="Albums first seen in this week."),
        sa.Column("albums_loaded", sa.Integer(), nullable=False, comment="Those of them that are loaded."),
        sa.Column(
            "tracks",
            sa.Integer(),
            nullable=False,
            comment="Tracks of the loaded ones; each is in one of the four columns that follow.",
        ),
        sa.Column(
            "features_spotify",
            sa.Integer(),
            nullable=False,
            comment="Tracks whose audio features Spotify measured.",
        ),
        sa.Column(
            "features_reccobeats",
            sa.Integer(),
            nullable=False,
            comment="Tracks whose audio features ReccoBeats measured.",
        ),
        sa.Column(
            "features_absent", sa.Integer(), nullable=False, comment="Tracks for which there were none."
        ),
        sa.Column(
            "features_pending",
            sa.Integer(),
            nullable=False,
            comment="Tracks about which nobody could be asked yet.",
        ),
        sa.Column(
            "with_spotify_popularity",
            sa.Integer(),
            nullable=False,
            comment="Tracks with a Spotify popularity, however old.",
        ),
        sa.Column(
            "with_deezer_rank",
            sa.Integer(),
            nullable=False,
            comment="Tracks with a Deezer rank, however old.",
        ),
        sa.CheckConstraint("albums_loaded between 0 and albums", name=op.f("coverage_albums_loaded_check")),
        sa.CheckConstraint(
            "extract(isodow from week_start) = 1", name=op.f("coverage_week_start_is_monday_check")
        ),
        sa.CheckConstraint(
            "features_spotify + features_reccobeats + features_absent + features_pending = tracks",
            name=op.f("coverage_features_check"),
        ),
        sa.CheckConstraint(
            "with_deezer_rank between 0 and tracks", name=op.f("coverage_with_deezer_rank_check")
        ),
        sa.CheckConstraint(
            "with_spotify_popularity between 0 and tracks",
            name=op.f("coverage_with_spotify_popularity_check"),
        ),
        sa.PrimaryKeyConstraint("week_start", name=op.f("coverage_pkey")),
        schema="marts",
        comment="What is loaded and measured of what was seen, by the week in which it was first seen.",
    )
    op.create_table(
        "feature_popularity_correlation",
        sa.Column(
            "measure",
            sa.Text(),
            nullable=False,
            comment="Scale of popularity: spotify_popularity (0-100) or deezer_rank (0-1,000,000).",
        ),
        sa.Column(
            "scope",
            sa.Text(),
            nullable=False,
            comment="What the tracks have in common: all, release_week, album_type or genre.",
        ),
        sa.Column(
            "scope_value",
            sa.Text(),
            nullable=False,
            comment="Which week (its Monday, YYYY-MM-DD), album type or genre; all where scope is all.",
        ),
        sa.Column(
            "feature",
            sa.Text(),
            nullable=False,
            comment="Audio feature; a tempo of 0, which says that none was detected, is left out.",
        ),
        sa.Column(
            "method", sa.Text(), nullable=False, comment="pearson, or spearman (ties share their mean rank)."
        ),
        sa.Column(
            "r",
            sa.Double(),
            nullable=True,
            comment="Correlation, -1 to 1; null where n < 4 or one of the two does not vary.",
        ),
        sa.Column(
            "ci_low",
            sa.Double(),
            nullable=True,
            comment="Lower end of the 95 % interval by Fisher's z; null where r is.",
        ),
        sa.Column("ci_high", sa.Double(), nullable=True, comment="Upper end of it."),
        sa.Column(
            "n",
            sa.Integer(),
            nullable=False,
            comment="Tracks with both the feature and the measure, each once.",
        ),
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="What the build knew: the time it was given.",
        ),
        sa.CheckConstraint(
            (
                "feature in ('danceability', 'energy', 'loudness', 'speechiness', 'acousticness', "
                "'instrumentalness', 'liveness', 'valence', 'tempo')"
            ),
            name=op.f("feature_popularity_correlation_feature_check"),
        ),
        sa.CheckConstraint(
            "measure in ('spotify_popularity', 'deezer_rank')",
            name=op.f("feature_popularity_correlation_measure_check"),
        ),
        sa.CheckConstraint(
            "method in ('pearson', 'spearman')", name=op.f("feature_popularity_correlation_method_check")
        ),
        sa.CheckConstraint(
            "scope in ('all', 'release_week', 'album_type', 'genre')",
            name=op.f("feature_popularity_correlation_scope_check"),
        ),
        sa.CheckConstraint(
            "ci_low <= r and r <= ci_high",
            name=op.f("feature_popularity_correlation_r_within_interval_check"),
        ),
        sa.CheckConstraint("n >= 0", name=op.f("feature_popularity_correlation_n_check")),
        sa.CheckConstraint("r between -1 and 1", name=op.f("feature_popularity_correlation_r_check")),
        sa.PrimaryKeyConstraint(
            "measure",
            "scope",
            "scope_value",
            "feature",
            "method",
            name=op.f("feature_popularity_correlation_pkey"),
        ),
        schema="marts",
        comment="How audio features go with popularity: correlations over each track's latest measurement.",
    )
    op.create_table(
        "feature_week",
        sa.Column("week_start", sa.Date(), nullable=False, comment="Monday of the week of release (UTC)."),
        sa.Column(
            "feature",
            sa.Text(),
            nullable=False,
            comment="Audio feature; a tempo of 0, which says that none was detected, is left out.",
        ),
        sa.Column("tracks", sa.Integer(), nullable=False, comment="Tracks released in this week, each once."),
        sa.Column(
            "n", sa.Integer(), nullable=False, comment="Those of them on which the feature was measured."
        ),
        sa.Column("mean", sa.Double(), nullable=True, comment="Mean over the n tracks; null where n is 0."),
        sa.Column("median", sa.Double(), nullable=True, comment="Median; null where n is 0."),
        sa.Column(
            "p25", sa.Double(), nullable=True, comment="Lower quartile, interpolated; null where n is 0."
        ),
        sa.Column(
            "p75", sa.Double(), nullable=True, comment="Upper quartile, interpolated; null where n is 0."
        ),
        sa.CheckConstraint(
            (
                "feature in ('danceability', 'energy', 'loudness', 'speechiness', 'acousticness', "
                "'instrumentalness', 'liveness', 'valence', 'tempo')"
            ),
            name=op.f("feature_week_feature_check"),
        ),
        sa.CheckConstraint("(n = 0) = (mean is null)", name=op.f("feature_week_mean_where_measured_check")),
        sa.CheckConstraint(
            "extract(isodow from week_start) = 1", name=op.f("feature_week_week_start_is_monday_check")
        ),
        sa.CheckConstraint("n between 0 and tracks", name=op.f("feature_week_n_check")),
        sa.CheckConstraint(
            "p25 <= median and median <= p75", name=op.f("feature_week_quartiles_in_order_check")
        ),
        sa.PrimaryKeyConstraint("week_start", "feature", name=op.f("feature_week_pkey")),
        schema="marts",
        comment="Drift of the sound: audio features of the tracks released in each week.",
    )
    op.create_table(
        "release_cadence",
        sa.Column("release_date", sa.Date(), nullable=False, comment="Day of release."),
        sa.Column("album_type", sa.Text(), nullable=False, comment="album, single or compilation."),
        sa.Column("releases", sa.Integer(), nullable=False, comment="Albums released on that day."),
        sa.Column(
            "tracks",
            sa.Integer(),
            nullable=False,
            comment="Tracks on them: the n of the two columns that follow.",
        ),
        sa.Column(
            "explicit_share",
            sa.Double(),
            nullable=True,
            comment="Share of explicit tracks, 0-1; null where there are no tracks.",
        ),
        sa.Column(
            "median_duration_ms",
            sa.Double(),
            nullable=True,
            comment="Median length of a track in ms; null where there are no tracks.",
        ),
        sa.CheckConstraint(
            "(tracks = 0) = (median_duration_ms is null)",
            name=op.f("release_cadence_median_where_tracks_check"),
        ),
        sa.CheckConstraint(
            "explicit_share between 0 and 1", name=op.f("release_cadence_explicit_share_check")
        ),
        sa.CheckConstraint("releases >= 1", name=op.f("release_cadence_releases_check")),
        sa.CheckConstraint("tracks >= 0", name=op.f("release_cadence_tracks_check")),
        sa.PrimaryKeyConstraint("release_date", "album_type", name=op.f("release_cadence_pkey")),
        schema="marts",
        comment="Releases by day and format, without those whose exact day is not known.",
    )
    op.create_table(
        "track_week",
        sa.Column("week_start", sa.Date(), nullable=False, comment="Monday of the week (UTC)."),
        sa.Column(
            "measure",
            sa.Text(),
            nullable=False,
            comment="Scale of popularity: spotify_popularity (0-100) or deezer_rank (0-1,000,000).",
        ),
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column(
            "measured_on",
            sa.Date(),
            nullable=False,
            comment="UTC day of the week's last measurement, which is the one that counts.",
        ),
        sa.Column(
            "value",
            sa.Integer(),
            nullable=False,
            comment="Popularity on that day, on the scale of the measure.",
        ),
        sa.Column(
            "previous",
            sa.Integer(),
            nullable=True,
            comment="Value of the calendar week before; null where it was not measured.",
        ),
        sa.Column(
            "delta", sa.Integer(), nullable=True, comment="value - previous; null where there is no previous."
        ),
        sa.Column(
            "percentile",
            sa.Double(),
            nullable=False,
            comment="Share of the tracks measured in this week that are below, ties half, 0-1.",
        ),
        sa.Column(
            "tracks_measured",
            sa.Integer(),
            nullable=False,
            comment="Tracks measured in this week: the n of percentile.",
        ),
        sa.CheckConstraint(
            "measure in ('spotify_popularity', 'deezer_rank')", name=op.f("track_week_measure_check")
        ),
        sa.CheckConstraint("delta = value - previous", name=op.f("track_week_delta_check")),
        sa.CheckConstraint(
            "extract(isodow from week_start) = 1", name=op.f("track_week_week_start_is_monday_check")
        ),
        sa.CheckConstraint(
            "measured_on between week_start and week_start + 6",
            name=op.f("track_week_measured_in_week_check"),
        ),
        sa.CheckConstraint("percentile between 0 and 1", name=op.f("track_week_percentile_check")),
        sa.PrimaryKeyConstraint("week_start", "measure", "track_id", name=op.f("track_week_pkey")),
        schema="marts",
        comment=(
            "Popularity of each track, week by week. A week without a measurement has no row, and "
            "none is inherited."
        ),
    )
    op.create_index(op.f("track_week_track_id_idx"), "track_week", ["track_id"], unique=False, schema="marts")
    op.create_table(
        "coverage_history",
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="What the build of marts.coverage knew: the time it was given.",
        ),
        sa.Column("albums", sa.Integer(), nullable=False, comment="Albums seen by then."),
        sa.Column("albums_loaded", sa.Integer(), nullable=False, comment="Those of them that were loaded."),
        sa.Column("tracks", sa.Integer(), nullable=False, comment="Tracks of the loaded ones."),
        sa.Column(
            "with_features",
            sa.Integer(),
            nullable=False,
            comment="Tracks with audio features, whoever measured them.",
        ),
        sa.Column(
            "with_spotify_popularity",
            sa.Integer(),
            nullable=False,
            comment="Tracks with a Spotify popularity.",
        ),
        sa.Column("with_deezer_rank", sa.Integer(), nullable=False, comment="Tracks with a Deezer rank."),
        sa.PrimaryKeyConstraint("as_of", name=op.f("coverage_history_pkey")),
        schema="ops",
        comment="Sums of marts.coverage at each of its builds, to tell when it falls.",
    )


def downgrade() -> None:
    """Take it back."""
    _change_call_rates(forward=False)
    for column in _ALBUM_STARTS:
        op.execute(f"comment on column spotify.album_starts.{column} is null")
    op.drop_table("coverage_history", schema="ops")
    op.drop_index(op.f("track_week_track_id_idx"), table_name="track_week", schema="marts")
    op.drop_table("track_week", schema="marts")
    op.drop_table("release_cadence", schema="marts")
    op.drop_table("feature_week", schema="marts")
    op.drop_table("feature_popularity_correlation", schema="marts")
    op.drop_table("coverage", schema="marts")
    op.drop_table("artist_feature_profile", schema="marts")
