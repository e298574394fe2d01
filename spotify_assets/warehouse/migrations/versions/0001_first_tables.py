"""The first tables: spotify, deezer, marts, ops.

A migration is frozen history: once released it is never edited, and it imports no table of the package.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "albums",
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id."),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="found, absent (Deezer does not have it), or no_upc (there was nothing to ask by).",
        ),
        sa.Column("deezer_album_id", sa.BigInteger(), nullable=True, comment="Deezer's album id."),
        sa.Column("upc", sa.Text(), nullable=True, comment="Universal product code as Deezer writes it."),
        sa.Column("label", sa.Text(), nullable=True, comment="Label as Deezer writes it."),
        sa.Column("genres", sa.ARRAY(sa.Text()), nullable=True, comment="Genres as Deezer names them."),
        sa.Column("fans", sa.BigInteger(), nullable=True, comment="Deezer users who keep the album."),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False, comment="When Deezer was asked."),
        sa.CheckConstraint("status in ('found', 'absent', 'no_upc')", name=op.f("albums_status_check")),
        sa.PrimaryKeyConstraint("album_id", name=op.f("albums_pkey")),
        schema="deezer",
        comment="What Deezer knows of an album, found by UPC; one row per Spotify album asked for.",
    )
    op.create_table(
        "track_ranks",
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id."),
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column("measured_on", sa.Date(), nullable=False, comment="UTC day of the measurement."),
        sa.Column("deezer_track_id", sa.BigInteger(), nullable=False, comment="Deezer's track id."),
        sa.Column(
            "rank",
            sa.Integer(),
            nullable=False,
            comment="Deezer rank, 0 to 1,000,000, higher is more played; not on Spotify's scale.",
        ),
        sa.Column(
            "isrc", sa.Text(), nullable=True, comment="International standard recording code on Deezer."
        ),
        sa.Column(
            "matched_by",
            sa.Text(),
            nullable=False,
            comment="How the track was matched: isrc, or position (disc, place and length).",
        ),
        sa.CheckConstraint("matched_by in ('isrc', 'position')", name=op.f("track_ranks_matched_by_check")),
        sa.CheckConstraint("rank between 0 and 1000000", name=op.f("track_ranks_rank_check")),
        sa.PrimaryKeyConstraint("album_id", "track_id", "measured_on", name=op.f("track_ranks_pkey")),
        schema="deezer",
        comment="History of Deezer's rank, one row per track of an album and UTC day.",
    )
    op.create_table(
        "track_catalog",
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id."),
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column("track_name", sa.Text(), nullable=False, comment="Track name."),
        sa.Column(
            "album_name",
            sa.Text(),
            nullable=True,
            comment="Album name; null while the album itself is not loaded.",
        ),
        sa.Column(
            "album_type",
            sa.Text(),
            nullable=True,
            comment="album, single or compilation; null while the album is not loaded.",
        ),
        sa.Column(
            "release_date",
            sa.Date(),
            nullable=True,
            comment="First day of the release period; null where unknown.",
        ),
        sa.Column(
            "release_date_precision",
            sa.Text(),
            nullable=True,
            comment="How exact release_date is: year, month or day.",
        ),
        sa.Column(
            "first_seen_on",
            sa.Date(),
            nullable=True,
            comment="UTC day the album was first seen on a list of new releases.",
        ),
        sa.Column("label", sa.Text(), nullable=True, comment="Label: Spotify's where given, else Deezer's."),
        sa.Column("upc", sa.Text(), nullable=True, comment="Universal product code."),
        sa.Column("isrc", sa.Text(), nullable=True, comment="International standard recording code."),
        sa.Column("image_url", sa.Text(), nullable=True, comment="Address of the cover image."),
        sa.Column("disc_number", sa.SmallInteger(), nullable=False, comment="Disc, from 1."),
        sa.Column("track_number", sa.Integer(), nullable=False, comment="Place on the disc, from 1."),
        sa.Column("duration_ms", sa.Integer(), nullable=False, comment="Length in ms."),
        sa.Column(
            "explicit", sa.Boolean(), nullable=False, comment="True where the lyrics are marked explicit."
        ),
        sa.Column(
            "is_playable",
            sa.Boolean(),
            nullable=True,
            comment="Whether it can be played in the market asked; null where not said.",
        ),
        sa.Column(
            "artist_ids",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Ids of the artists credited on the track, in order.",
        ),
        sa.Column(
            "artist_names",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Names of the artists credited on the track, in the same order.",
        ),
        sa.Column(
            "album_artist_ids",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="Ids of the artists credited on the album, in order; null while the album is not loaded.",
        ),
        sa.Column(
            "album_artist_names",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="Their names, in the same order.",
        ),
        sa.Column(
            "genres",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="Deezer's genres of the album, else those of its artists; null where unknown.",
        ),
        sa.Column(
            "features_status",
            sa.Text(),
            nullable=False,
            comment="measured, absent (asked, there were none), or pending (not yet asked).",
        ),
        sa.Column(
            "features_source",
            sa.Text(),
            nullable=True,
            comment="Who measured the features: spotify or reccobeats.",
        ),
        sa.Column("danceability", sa.Double(), nullable=True, comment="How suitable for dancing, 0-1."),
        sa.Column("energy", sa.Double(), nullable=True, comment="Perceived intensity and activity, 0-1."),
        sa.Column(
            "key",
            sa.SmallInteger(),
            nullable=True,
            comment="Pitch class of the key, 0 = C to 11 = B; -1: no key was detected.",
        ),
        sa.Column("loudness", sa.Double(), nullable=True, comment="Mean loudness in dB, about -60 to 0."),
        sa.Column("mode", sa.SmallInteger(), nullable=True, comment="1 = major, 0 = minor."),
        sa.Column("speechiness", sa.Double(), nullable=True, comment="Presence of spoken words, 0-1."),
        sa.Column(
            "acousticness", sa.Double(), nullable=True, comment="Confidence that the track is acoustic, 0-1."
        ),
        sa.Column(
            "instrumentalness",
            sa.Double(),
            nullable=True,
            comment="Likelihood that the track has no vocals, 0-1.",
        ),
        sa.Column(
            "liveness", sa.Double(), nullable=True, comment="Likelihood of an audience in the recording, 0-1."
        ),
        sa.Column("valence", sa.Double(), nullable=True, comment="Musical positiveness, 0-1."),
        sa.Column(
            "tempo",
            sa.Double(),
            nullable=True,
            comment="Tempo in BPM as the API gives it; 0: no tempo was detected.",
        ),
        sa.Column(
            "time_signature",
            sa.SmallInteger(),
            nullable=True,
            comment="Beats in a bar, 3-7; 0: none was detected.",
        ),
        sa.Column(
            "key_name",
            sa.Text(),
            nullable=True,
            comment="Key and mode in words, such as A minor; null where not detected.",
        ),
        sa.Column(
            "camelot",
            sa.Text(),
            nullable=True,
            comment="Camelot code of key and mode, such as 8A; null where not detected.",
        ),
        sa.Column(
            "popularity",
            sa.SmallInteger(),
            nullable=True,
            comment="Latest Spotify popularity 0-100; null where not measured.",
        ),
        sa.Column("popularity_on", sa.Date(), nullable=True, comment="UTC day of that measurement."),
        sa.Column(
            "deezer_rank",
            sa.Integer(),
            nullable=True,
            comment="Latest Deezer rank 0-1,000,000; null where not measured.",
        ),
        sa.Column("deezer_rank_on", sa.Date(), nullable=True, comment="UTC day of that measurement."),
        sa.Column(
            "danceability_percentile",
            sa.Double(),
            nullable=True,
            comment="Share of measured tracks below, ties half, 0-1.",
        ),
        sa.Column("energy_percentile", sa.Double(), nullable=True, comment="Same for energy, 0-1."),
        sa.Column("loudness_percentile", sa.Double(), nullable=True, comment="Same for loudness, 0-1."),
        sa.Column("speechiness_percentile", sa.Double(), nullable=True, comment="Same for speechiness, 0-1."),
        sa.Column(
            "acousticness_percentile", sa.Double(), nullable=True, comment="Same for acousticness, 0-1."
        ),
        sa.Column(
            "instrumentalness_percentile",
            sa.Double(),
            nullable=True,
            comment="Same for instrumentalness, 0-1.",
        ),
        sa.Column("liveness_percentile", sa.Double(), nullable=True, comment="Same for liveness, 0-1."),
        sa.Column("valence_percentile", sa.Double(), nullable=True, comment="Same for valence, 0-1."),
        sa.Column(
            "tempo_percentile",
            sa.Double(),
            nullable=True,
            comment="Same for tempo, 0-1; tracks without a detected tempo are left out.",
        ),
        sa.Column(
            "popularity_percentile",
            sa.Double(),
            nullable=True,
            comment="Same for popularity among measured tracks, 0-1.",
        ),
        sa.Column(
            "as_of",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="What the build knew: the time it was given.",
        ),
        sa.CheckConstraint(
            "features_status in ('measured', 'absent', 'pending')",
            name=op.f("track_catalog_features_status_check"),
        ),
        sa.PrimaryKeyConstraint("album_id", "track_id", name=op.f("track_catalog_pkey")),
        schema="marts",
        comment="The merged table: one row per track of an album with release, credits, features and popularity.",
    )
    op.create_index(
        op.f("track_catalog_track_id_idx"), "track_catalog", ["track_id"], unique=False, schema="marts"
    )
    op.create_table(
        "weekly_popular_releases",
        sa.Column("week_start", sa.Date(), nullable=False, comment="Monday of the week (UTC)."),
        sa.Column(
            "measure",
            sa.Text(),
            nullable=False,
            comment="Scale of popularity: spotify_popularity (0-100) or deezer_rank (0-1,000,000).",
        ),
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id."),
        sa.Column("name", sa.Text(), nullable=False, comment="Album name."),
        sa.Column(
            "artist_names",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Names of the credited artists, in order.",
        ),
        sa.Column("album_type", sa.Text(), nullable=False, comment="album, single or compilation."),
        sa.Column(
            "release_date",
            sa.Date(),
            nullable=True,
            comment="First day of the release period; null where unknown.",
        ),
        sa.Column(
            "genres",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="Deezer's genres of the album, else those of its artists; null where unknown.",
        ),
        sa.Column("label", sa.Text(), nullable=True, comment="Label: Spotify's where given, else Deezer's."),
        sa.Column("tracks", sa.Integer(), nullable=False, comment="Tracks of the album in the warehouse."),
        sa.Column(
            "tracks_measured",
            sa.Integer(),
            nullable=False,
            comment="Tracks with a measurement in this week: the n of both values.",
        ),
        sa.Column(
            "value_mean",
            sa.Double(),
            nullable=True,
            comment="Mean of the measured tracks' last value in this week; null where unmeasured.",
        ),
        sa.Column("value_max", sa.Double(), nullable=True, comment="Highest of them; null where unmeasured."),
        sa.Column(
            "rank",
            sa.Integer(),
            nullable=True,
            comment="Place in the week by value_mean, from 1, no two alike; null where unmeasured.",
        ),
        sa.Column(
            "previous_rank",
            sa.Integer(),
            nullable=True,
            comment="Rank in the week before; null where there was none.",
        ),
        sa.Column(
            "peak_rank",
            sa.Integer(),
            nullable=True,
            comment="Best rank up to and including this week; null before the first measured week.",
        ),
        sa.Column(
            "weeks_on_list",
            sa.Integer(),
            nullable=False,
            comment="Measured weeks up to and including this one.",
        ),
        sa.Column(
            "status", sa.Text(), nullable=False, comment="new, re-entry, up, down, same, or unmeasured."
        ),
        sa.CheckConstraint(
            "(status = 'unmeasured') = (rank is null)",
            name=op.f("weekly_popular_releases_rank_where_measured_check"),
        ),
        sa.CheckConstraint(
            "measure in ('spotify_popularity', 'deezer_rank')",
            name=op.f("weekly_popular_releases_measure_check"),
        ),
        sa.CheckConstraint(
            "status in ('new', 're-entry', 'up', 'down', 'same', 'unmeasured')",
            name=op.f("weekly_popular_releases_status_check"),
        ),
        sa.CheckConstraint(
            "extract(isodow from week_start) = 1",
            name=op.f("weekly_popular_releases_week_start_is_monday_check"),
        ),
        sa.CheckConstraint(
            "tracks_measured between 0 and tracks", name=op.f("weekly_popular_releases_tracks_measured_check")
        ),
        sa.PrimaryKeyConstraint(
            "week_start", "measure", "album_id", name=op.f("weekly_popular_releases_pkey")
        ),
        schema="marts",
        comment="One row per week, measure and album eligible in that week: the ranking of new releases.",
    )
    op.create_index(
        op.f("weekly_popular_releases_album_id_idx"),
        "weekly_popular_releases",
        ["album_id"],
        unique=False,
        schema="marts",
    )
    op.create_table(
        "set_aside",
        sa.Column(
            "asset", sa.Text(), nullable=False, comment="Asset that met the item, such as spotify/tracks."
        ),
        sa.Column(
            "item_id",
            sa.Text(),
            nullable=False,
            comment="Id of the item, or of the album or page it stood in; empty where there was none.",
        ),
        sa.Column("endpoint", sa.Text(), nullable=False, comment="Endpoint that answered it."),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why it was not loaded."),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), nullable=False, comment="When it was first met."
        ),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), nullable=False, comment="When it was last met."
        ),
        sa.PrimaryKeyConstraint("asset", "item_id", "reason", name=op.f("set_aside_pkey")),
        schema="ops",
        comment="Items of API answers that were set aside as malformed or unknown, with the reason.",
    )
    op.create_table(
        "source",
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="Which API filled this database: live or sandbox. The two never mix.",
        ),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the first run claimed the database.",
        ),
        sa.Column(
            "singleton",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="Keeps the table at one row.",
        ),
        sa.CheckConstraint("kind in ('live', 'sandbox')", name=op.f("source_kind_check")),
        sa.CheckConstraint("singleton", name=op.f("source_singleton_check")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("source_pkey")),
        schema="ops",
        comment="One row: the kind of API that this database's rows come from.",
    )
    op.create_table(
        "artists",
        sa.Column("artist_id", sa.Text(), nullable=False, comment="Spotify artist id."),
        sa.Column("name", sa.Text(), nullable=False, comment="Artist name."),
        sa.Column(
            "genres",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="Genres; null for keys that do not get them, empty where Spotify has none.",
        ),
        sa.Column(
            "followers",
            sa.BigInteger(),
            nullable=True,
            comment="Followers; null for keys that do not get them.",
        ),
        sa.Column(
            "popularity",
            sa.SmallInteger(),
            nullable=True,
            comment="Spotify's artist popularity 0-100; null for keys that do not get it.",
        ),
        sa.Column(
            "fetched_at", sa.DateTime(timezone=True), nullable=False, comment="When the artist was fetched."
        ),
        sa.CheckConstraint("followers >= 0", name=op.f("artists_followers_check")),
        sa.CheckConstraint("popularity between 0 and 100", name=op.f("artists_popularity_check")),
        sa.PrimaryKeyConstraint("artist_id", name=op.f("artists_pkey")),
        schema="spotify",
        comment="Every artist credited on a release or track.",
    )
    op.create_table(
        "audio_features",
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id; the partition."),
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="measured, or absent: asked for, and there were none.",
        ),
        sa.Column(
            "source",
            sa.Text(),
            nullable=True,
            comment="Who measured: spotify or reccobeats; null where absent.",
        ),
        sa.Column("danceability", sa.Double(), nullable=True, comment="How suitable for dancing, 0-1."),
        sa.Column("energy", sa.Double(), nullable=True, comment="Perceived intensity and activity, 0-1."),
        sa.Column(
            "key",
            sa.SmallInteger(),
            nullable=True,
            comment="Pitch class of the key, 0 = C to 11 = B; -1: no key was detected.",
        ),
        sa.Column("loudness", sa.Double(), nullable=True, comment="Mean loudness in dB, about -60 to 0."),
        sa.Column("mode", sa.SmallInteger(), nullable=True, comment="1 = major, 0 = minor."),
        sa.Column("speechiness", sa.Double(), nullable=True, comment="Presence of spoken words, 0-1."),
        sa.Column(
            "acousticness", sa.Double(), nullable=True, comment="Confidence that the track is acoustic, 0-1."
        ),
        sa.Column(
            "instrumentalness",
            sa.Double(),
            nullable=True,
            comment="Likelihood that the track has no vocals, 0-1.",
        ),
        sa.Column(
            "liveness", sa.Double(), nullable=True, comment="Likelihood of an audience in the recording, 0-1."
        ),
        sa.Column("valence", sa.Double(), nullable=True, comment="Musical positiveness, 0-1."),
        sa.Column(
            "tempo",
            sa.Double(),
            nullable=True,
            comment="Tempo in BPM as the API gives it; 0: no tempo was detected.",
        ),
        sa.Column(
            "time_signature",
            sa.SmallInteger(),
            nullable=True,
            comment="Beats in a bar, 3-7; 0: none was detected.",
        ),
        sa.Column(
            "checked_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the features were asked for.",
        ),
        sa.CheckConstraint(
            "(status = 'measured') = (source is not null)",
            name=op.f("audio_features_source_where_measured_check"),
        ),
        sa.CheckConstraint("source in ('spotify', 'reccobeats')", name=op.f("audio_features_source_check")),
        sa.CheckConstraint("status in ('measured', 'absent')", name=op.f("audio_features_status_check")),
        sa.CheckConstraint("acousticness between 0 and 1", name=op.f("audio_features_acousticness_check")),
        sa.CheckConstraint("danceability between 0 and 1", name=op.f("audio_features_danceability_check")),
        sa.CheckConstraint("energy between 0 and 1", name=op.f("audio_features_energy_check")),
        sa.CheckConstraint(
            "instrumentalness between 0 and 1", name=op.f("audio_features_instrumentalness_check")
        ),
        sa.CheckConstraint("key between -1 and 11", name=op.f("audio_features_key_check")),
        sa.CheckConstraint("liveness between 0 and 1", name=op.f("audio_features_liveness_check")),
        sa.CheckConstraint("mode between 0 and 1", name=op.f("audio_features_mode_check")),
        sa.CheckConstraint("speechiness between 0 and 1", name=op.f("audio_features_speechiness_check")),
        sa.CheckConstraint("tempo >= 0", name=op.f("audio_features_tempo_check")),
        sa.CheckConstraint("valence between 0 and 1", name=op.f("audio_features_valence_check")),
        sa.PrimaryKeyConstraint("album_id", "track_id", name=op.f("audio_features_pkey")),
        schema="spotify",
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.05},
        comment="One row per track, also where there are no features: absence is a fact.",
    )
    op.create_index(
        op.f("audio_features_track_id_idx"), "audio_features", ["track_id"], unique=False, schema="spotify"
    )
    op.create_table(
        "new_releases",
        sa.Column("market", sa.Text(), nullable=False, comment="Market that was asked, ISO 3166-1 alpha-2."),
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id."),
        sa.Column(
            "album_name", sa.Text(), nullable=False, comment="Name on the list; empty after a takedown."
        ),
        sa.Column(
            "album_type", sa.Text(), nullable=False, comment="album, single or compilation, as Spotify says."
        ),
        sa.Column(
            "release_date",
            sa.Date(),
            nullable=True,
            comment="First day of the release period; null where Spotify gives no usable date.",
        ),
        sa.Column(
            "release_date_precision",
            sa.Text(),
            nullable=False,
            comment="How exact release_date is: year, month, day, or unknown.",
        ),
        sa.Column(
            "position",
            sa.Integer(),
            nullable=False,
            comment="Place on the market's list when last seen there, from 1.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the album was first seen on this market's list.",
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the album was last seen on this market's list.",
        ),
        sa.CheckConstraint(
            "release_date_precision in ('year', 'month', 'day', 'unknown')",
            name=op.f("new_releases_release_date_precision_check"),
        ),
        sa.CheckConstraint("last_seen_at >= first_seen_at", name=op.f("new_releases_seen_in_order_check")),
        sa.CheckConstraint("position >= 1", name=op.f("new_releases_position_check")),
        sa.PrimaryKeyConstraint("market", "album_id", name=op.f("new_releases_pkey")),
        schema="spotify",
        comment="Sightings: one row per album and market where it stood on the list of new releases.",
    )
    op.create_index(
        op.f("new_releases_album_id_idx"), "new_releases", ["album_id"], unique=False, schema="spotify"
    )
    op.create_table(
        "popularity_snapshots",
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id."),
        sa.Column("measured_on", sa.Date(), nullable=False, comment="UTC day of the measurement."),
        sa.Column(
            "popularity",
            sa.SmallInteger(),
            nullable=False,
            comment="Spotify's track popularity 0-100 on that day.",
        ),
        sa.CheckConstraint(
            "popularity between 0 and 100", name=op.f("popularity_snapshots_popularity_check")
        ),
        sa.PrimaryKeyConstraint("track_id", "measured_on", name=op.f("popularity_snapshots_pkey")),
        schema="spotify",
        comment="History of track popularity, one row per track and UTC day; never deleted.",
    )
    op.create_index(
        op.f("popularity_snapshots_album_id_measured_on_idx"),
        "popularity_snapshots",
        ["album_id", "measured_on"],
        unique=False,
        schema="spotify",
    )
    op.create_table(
        "releases",
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id; the partition."),
        sa.Column("name", sa.Text(), nullable=False, comment="Album name; empty after a takedown."),
        sa.Column(
            "album_type", sa.Text(), nullable=False, comment="album, single or compilation, as Spotify says."
        ),
        sa.Column(
            "release_date",
            sa.Date(),
            nullable=True,
            comment="First day of the release period of this edition; null where unknown.",
        ),
        sa.Column(
            "release_date_precision",
            sa.Text(),
            nullable=True,
            comment="How exact release_date is: year, month or day.",
        ),
        sa.Column(
            "total_tracks",
            sa.Integer(),
            nullable=False,
            comment="Number of tracks Spotify says the album has.",
        ),
        sa.Column("label", sa.Text(), nullable=True, comment="Label; null for keys that do not get it."),
        sa.Column(
            "popularity",
            sa.SmallInteger(),
            nullable=True,
            comment="Spotify's album popularity 0-100; null for keys that do not get it.",
        ),
        sa.Column(
            "upc",
            sa.Text(),
            nullable=True,
            comment="Universal product code as Spotify writes it, leading zeros kept.",
        ),
        sa.Column("image_url", sa.Text(), nullable=True, comment="Address of the largest cover image."),
        sa.Column(
            "artist_ids",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Spotify ids of the credited artists, in order.",
        ),
        sa.Column(
            "artist_names",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Names of the credited artists, in the same order.",
        ),
        sa.Column(
            "fetched_at", sa.DateTime(timezone=True), nullable=False, comment="When the album was fetched."
        ),
        sa.CheckConstraint(
            "release_date_precision in ('year', 'month', 'day', 'unknown')",
            name=op.f("releases_release_date_precision_check"),
        ),
        sa.CheckConstraint("popularity between 0 and 100", name=op.f("releases_popularity_check")),
        sa.CheckConstraint("total_tracks >= 0", name=op.f("releases_total_tracks_check")),
        sa.PrimaryKeyConstraint("album_id", name=op.f("releases_pkey")),
        schema="spotify",
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.05},
        comment="One row per album.",
    )
    op.create_table(
        "track_details",
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id; the partition."),
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column(
            "popularity",
            sa.SmallInteger(),
            nullable=True,
            comment="Spotify's track popularity 0-100; null for keys that do not get it.",
        ),
        sa.Column("isrc", sa.Text(), nullable=True, comment="International standard recording code."),
        sa.Column(
            "fetched_at", sa.DateTime(timezone=True), nullable=False, comment="When the track was fetched."
        ),
        sa.CheckConstraint("popularity between 0 and 100", name=op.f("track_details_popularity_check")),
        sa.PrimaryKeyConstraint("album_id", "track_id", name=op.f("track_details_pkey")),
        schema="spotify",
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.05},
        comment="One row per track with its popularity at fetched_at.",
    )
    op.create_index(
        op.f("track_details_track_id_idx"), "track_details", ["track_id"], unique=False, schema="spotify"
    )
    op.create_table(
        "tracks",
        sa.Column("album_id", sa.Text(), nullable=False, comment="Spotify album id; the partition."),
        sa.Column("track_id", sa.Text(), nullable=False, comment="Spotify track id."),
        sa.Column("name", sa.Text(), nullable=False, comment="Track name; empty after a takedown."),
        sa.Column("disc_number", sa.SmallInteger(), nullable=False, comment="Disc, from 1."),
        sa.Column("track_number", sa.Integer(), nullable=False, comment="Place on the disc, from 1."),
        sa.Column("duration_ms", sa.Integer(), nullable=False, comment="Length in ms."),
        sa.Column(
            "explicit", sa.Boolean(), nullable=False, comment="True where the lyrics are marked explicit."
        ),
        sa.Column(
            "is_playable",
            sa.Boolean(),
            nullable=True,
            comment="Whether it can be played in the market asked; null where Spotify does not say.",
        ),
        sa.Column(
            "artist_ids",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Spotify ids of the credited artists, in order.",
        ),
        sa.Column(
            "artist_names",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Names of the credited artists, in the same order.",
        ),
        sa.Column(
            "fetched_at", sa.DateTime(timezone=True), nullable=False, comment="When the album was fetched."
        ),
        sa.CheckConstraint("disc_number >= 0", name=op.f("tracks_disc_number_check")),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("tracks_duration_ms_check")),
        sa.CheckConstraint("track_number >= 0", name=op.f("tracks_track_number_check")),
        sa.PrimaryKeyConstraint("album_id", "track_id", name=op.f("tracks_pkey")),
        schema="spotify",
        postgresql_with={"autovacuum_vacuum_scale_factor": 0.05},
        comment="One row per track of an album.",
    )
    op.create_index(op.f("tracks_track_id_idx"), "tracks", ["track_id"], unique=False, schema="spotify")


def downgrade() -> None:
    """Take it back."""
    op.drop_index(op.f("tracks_track_id_idx"), table_name="tracks", schema="spotify")
    op.drop_table("tracks", schema="spotify")
    op.drop_index(op.f("track_details_track_id_idx"), table_name="track_details", schema="spotify")
    op.drop_table("track_details", schema="spotify")
    op.drop_table("releases", schema="spotify")
    op.drop_index(
        op.f("popularity_snapshots_album_id_measured_on_idx"),
        table_name="popularity_snapshots",
        schema="spotify",
    )
    op.drop_table("popularity_snapshots", schema="spotify")
    op.drop_index(op.f("new_releases_album_id_idx"), table_name="new_releases", schema="spotify")
    op.drop_table("new_releases", schema="spotify")
    op.drop_index(op.f("audio_features_track_id_idx"), table_name="audio_features", schema="spotify")
    op.drop_table("audio_features", schema="spotify")
    op.drop_table("artists", schema="spotify")
    op.drop_table("source", schema="ops")
    op.drop_table("set_aside", schema="ops")
    op.drop_index(
        op.f("weekly_popular_releases_album_id_idx"), table_name="weekly_popular_releases", schema="marts"
    )
    op.drop_table("weekly_popular_releases", schema="marts")
    op.drop_index(op.f("track_catalog_track_id_idx"), table_name="track_catalog", schema="marts")
    op.drop_table("track_catalog", schema="marts")
    op.drop_table("track_ranks", schema="deezer")
    op.drop_table("albums", schema="deezer")
