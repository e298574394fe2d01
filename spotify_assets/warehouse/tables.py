"""The warehouse's tables: the single source of names, types, keys, constraints and comments.

Schema and table name are the asset key. Times are `timestamptz` in UTC; a null is always "not known".
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

SCHEMAS = ("spotify", "deezer", "marts", "ops")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

views = MetaData()
"""The views, which the migrations write in SQL: their columns, comments, and what identifies a row."""

RELEASE_DATE_PRECISIONS = ("year", "month", "day", "unknown")
UNIT_INTERVAL_FEATURES = (
    "danceability",
    "energy",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
)

# Those on a scale. Key, mode and time signature name a class: they have no mean and no correlation.
SCALED_FEATURES = (
    "danceability",
    "energy",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)
DISTRIBUTED = (*SCALED_FEATURES, "popularity")
"""What a track of the catalog has a percentile of."""
MEASURES = ("spotify_popularity", "deezer_rank")
MEASURE = "Scale of popularity: spotify_popularity (0-100) or deezer_rank (0-1,000,000)."
FEATURE = "Audio feature; a tempo of 0, which says that none was detected, is left out."

_Type = TypeEngine[Any] | type[TypeEngine[Any]]
_TextArray = ARRAY(Text)
# Partitions are replaced by delete and insert: at the default of 0.2, a fifth of the table may be dead rows.
_REPLACED_OFTEN = {"autovacuum_vacuum_scale_factor": 0.05}
_Timestamp = DateTime(timezone=True)


def _required(name: str, kind: _Type, comment: str) -> Column[Any]:
    return Column(name, kind, nullable=False, comment=comment)


def _optional(name: str, kind: _Type, comment: str) -> Column[Any]:
    return Column(name, kind, nullable=True, comment=comment)


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({allowed})", name=column)


def _between(column: str, low: float, high: float) -> CheckConstraint:
    return CheckConstraint(f"{column} between {low} and {high}", name=column)


def _at_least(column: str, low: int) -> CheckConstraint:
    return CheckConstraint(f"{column} >= {low}", name=column)


def _is_monday(column: str) -> CheckConstraint:
    return CheckConstraint(f"extract(isodow from {column}) = 1", name=f"{column}_is_monday")


def _feature_columns() -> list[Column[Any]]:
    """The audio features as the API gives them; fresh objects at each call, as each table needs its own."""
    return [
        _optional("danceability", Double, "How suitable for dancing, 0-1."),
        _optional("energy", Double, "Perceived intensity and activity, 0-1."),
        _optional("key", SmallInteger, "Pitch class of the key, 0 = C to 11 = B; -1: no key was detected."),
        _optional("loudness", Double, "Mean loudness in dB, about -60 to 0."),
        _optional("mode", SmallInteger, "1 = major, 0 = minor."),
        _optional("speechiness", Double, "Presence of spoken words, 0-1."),
        _optional("acousticness", Double, "Confidence that the track is acoustic, 0-1."),
        _optional("instrumentalness", Double, "Likelihood that the track has no vocals, 0-1."),
        _optional("liveness", Double, "Likelihood of an audience in the recording, 0-1."),
        _optional("valence", Double, "Musical positiveness, 0-1."),
        _optional("tempo", Double, "Tempo in BPM as the API gives it; 0: no tempo was detected."),
        _optional("time_signature", SmallInteger, "Beats in a bar, 3-7; 0: none was detected."),
    ]


def _feature_checks() -> list[CheckConstraint]:
    return [
        *(_between(feature, 0, 1) for feature in UNIT_INTERVAL_FEATURES),
        _between("key", -1, 11),
        _between("mode", 0, 1),
        _at_least("tempo", 0),
    ]


new_releases = Table(
    "new_releases",
    metadata,
    _required("market", Text, "Market that was asked, ISO 3166-1 alpha-2."),
    _required("album_id", Text, "Spotify album id."),
    _required("album_name", Text, "Name on the list; empty after a takedown."),
    _required("album_type", Text, "album, single or compilation, as Spotify says."),
    _optional(
        "release_date", Date, "First day of the release period; null where Spotify gives no usable date."
    ),
    _required("release_date_precision", Text, "How exact release_date is: year, month, day, or unknown."),
    _required(
        "position",
        Integer,
        "Place on the market's list, or among the results of the search, when last seen, from 1.",
    ),
    _required("first_seen_at", _Timestamp, "When the album was first seen on this market's list."),
    _required("last_seen_at", _Timestamp, "When the album was last seen on this market's list."),
    PrimaryKeyConstraint("market", "album_id"),
    _one_of("release_date_precision", RELEASE_DATE_PRECISIONS),
    _at_least("position", 1),
    CheckConstraint("last_seen_at >= first_seen_at", name="seen_in_order"),
    Index(None, "album_id"),
    schema="spotify",
    comment="Sightings: one row per album and market where it was listed or found as new.",
)

releases = Table(
    "releases",
    metadata,
    _required("album_id", Text, "Spotify album id; the partition."),
    _required("name", Text, "Album name; empty after a takedown."),
    _required("album_type", Text, "album, single or compilation, as Spotify says."),
    _optional("release_date", Date, "First day of the release period of this edition; null where unknown."),
    _optional("release_date_precision", Text, "How exact release_date is: year, month or day."),
    _required("total_tracks", Integer, "Number of tracks Spotify says the album has."),
    _optional("label", Text, "Label; null for keys that do not get it."),
    _optional(
        "popularity", SmallInteger, "Spotify's album popularity 0-100; null for keys that do not get it."
    ),
    _optional("upc", Text, "Universal product code as Spotify writes it, leading zeros kept."),
    _optional("image_url", Text, "Address of the largest cover image."),
    _required("artist_ids", _TextArray, "Spotify ids of the credited artists, in order."),
    _required("artist_names", _TextArray, "Names of the credited artists, in the same order."),
    _required("fetched_at", _Timestamp, "When the album was fetched."),
    PrimaryKeyConstraint("album_id"),
    _one_of("release_date_precision", RELEASE_DATE_PRECISIONS),
    _at_least("total_tracks", 0),
    _between("popularity", 0, 100),
    schema="spotify",
    postgresql_with=_REPLACED_OFTEN,
    comment="One row per album.",
)

tracks = Table(
    "tracks",
    metadata,
    _required("album_id", Text, "Spotify album id; the partition."),
    _required("track_id", Text, "Spotify track id."),
    _required("name", Text, "Track name; empty after a takedown."),
    _required("disc_number", SmallInteger, "Disc, from 1."),
    _required("track_number", Integer, "Place on the disc, from 1."),
    _required("duration_ms", Integer, "Length in ms."),
    _required("explicit", Boolean, "True where the lyrics are marked explicit."),
    _optional(
        "is_playable",
        Boolean,
        "Whether it can be played in the market asked; null where Spotify does not say.",
    ),
    _required("artist_ids", _TextArray, "Spotify ids of the credited artists, in order."),
    _required("artist_names", _TextArray, "Names of the credited artists, in the same order."),
    _required("fetched_at", _Timestamp, "When the album was fetched."),
    PrimaryKeyConstraint("album_id", "track_id"),
    _at_least("disc_number", 0),
    _at_least("track_number", 0),
    _at_least("duration_ms", 0),
    Index(None, "track_id"),
    schema="spotify",
    postgresql_with=_REPLACED_OFTEN,
    comment="One row per track of an album.",
)

audio_features = Table(
    "audio_features",
    metadata,
    _required("album_id", Text, "Spotify album id; the partition."),
    _required("track_id", Text, "Spotify track id."),
    _required(
        "status",
        Text,
        "measured, or absent: there were none, or nobody could be asked (ops.feature_attempts).",
    ),
    _optional("source", Text, "Who measured: spotify or reccobeats; null where absent."),
    *_feature_columns(),
    _required("checked_at", _Timestamp, "When the features were asked for."),
    PrimaryKeyConstraint("album_id", "track_id"),
    _one_of("status", ("measured", "absent")),
    _one_of("source", ("spotify", "reccobeats")),
    CheckConstraint("(status = 'measured') = (source is not null)", name="source_where_measured"),
    *_feature_checks(),
    Index(None, "track_id"),
    schema="spotify",
    postgresql_with=_REPLACED_OFTEN,
    comment="One row per track, also where there are no features: absence is a fact.",
)

track_details = Table(
    "track_details",
    metadata,
    _required("album_id", Text, "Spotify album id; the partition."),
    _required("track_id", Text, "Spotify track id."),
    _optional(
        "popularity", SmallInteger, "Spotify's track popularity 0-100; null for keys that do not get it."
    ),
    _optional("isrc", Text, "International standard recording code; null for keys that do not get it."),
    _required(
        "fetched_at",
        _Timestamp,
        "When Spotify was asked about the track, or was known to withhold it from the key.",
    ),
    PrimaryKeyConstraint("album_id", "track_id"),
    _between("popularity", 0, 100),
    Index(None, "track_id"),
    schema="spotify",
    postgresql_with=_REPLACED_OFTEN,
    comment="One row per track with its popularity at fetched_at.",
)

popularity_snapshots = Table(
    "popularity_snapshots",
    metadata,
    _required("track_id", Text, "Spotify track id."),
    _required("album_id", Text, "Spotify album id."),
    _required("measured_on", Date, "UTC day of the measurement."),
    _required("popularity", SmallInteger, "Spotify's track popularity 0-100 on that day."),
    PrimaryKeyConstraint("track_id", "measured_on"),
    _between("popularity", 0, 100),
    Index(None, "album_id", "measured_on"),
    # Rows of a day lie together: what was measured lately is found in an index of a few pages.
    Index(None, "measured_on", postgresql_using="brin"),
    schema="spotify",
    comment="History of track popularity, one row per track and UTC day; never deleted.",
)

artists = Table(
    "artists",
    metadata,
    _required("artist_id", Text, "Spotify artist id."),
    _required("name", Text, "Artist name."),
    _optional(
        "genres", _TextArray, "Genres; null for keys that do not get them, empty where Spotify has none."
    ),
    _optional("followers", BigInteger, "Followers; null for keys that do not get them."),
    _optional(
        "popularity", SmallInteger, "Spotify's artist popularity 0-100; null for keys that do not get it."
    ),
    _required("fetched_at", _Timestamp, "When the artist was fetched."),
    PrimaryKeyConstraint("artist_id"),
    _at_least("followers", 0),
    _between("popularity", 0, 100),
    schema="spotify",
    comment="Every artist credited on a release or track.",
)

album_starts = Table(
    "album_starts",
    views,
    _required("album_id", Text, "Spotify album id."),
    _optional("first_seen_on", Date, "UTC day the album was first seen on a list of new releases."),
    _required("new_since", Date, "UTC day since which it is new: it is ranked in this week and the 7 after."),
    PrimaryKeyConstraint("album_id"),
    schema="spotify",
    comment="Since when each album is new: the UTC day it was released or first seen, whichever is later; where neither"
    " is known, the day it was fetched.",
)

deezer_albums = Table(
    "albums",
    metadata,
    _required("album_id", Text, "Spotify album id."),
    _required(
        "status", Text, "found, absent (Deezer does not have it), or no_upc (there was nothing to ask by)."
    ),
    _optional("deezer_album_id", BigInteger, "Deezer's album id."),
    _optional("upc", Text, "Universal product code as Deezer writes it."),
    _optional("label", Text, "Label as Deezer writes it."),
    _optional("genres", _TextArray, "Genres as Deezer names them."),
    _optional("fans", BigInteger, "Deezer users who keep the album."),
    _required("checked_at", _Timestamp, "When Deezer was asked."),
    PrimaryKeyConstraint("album_id"),
    _one_of("status", ("found", "absent", "no_upc")),
    schema="deezer",
    comment="What Deezer knows of an album, found by UPC; one row per Spotify album asked for.",
)

deezer_track_ranks = Table(
    "track_ranks",
    metadata,
    _required("album_id", Text, "Spotify album id."),
    _required("track_id", Text, "Spotify track id."),
    _required("measured_on", Date, "UTC day of the measurement."),
    _required("deezer_track_id", BigInteger, "Deezer's track id."),
    _required("rank", Integer, "Deezer rank, 0 to 1,000,000, higher is more played; not on Spotify's scale."),
    _optional("isrc", Text, "International standard recording code on Deezer."),
    _required("matched_by", Text, "How the track was matched: isrc, or position (disc, place and length)."),
    PrimaryKeyConstraint("album_id", "track_id", "measured_on"),
    _between("rank", 0, 1_000_000),
    _one_of("matched_by", ("isrc", "position")),
    Index(None, "measured_on", postgresql_using="brin"),
    schema="deezer",
    comment="History of Deezer's rank, one row per track of an album and UTC day.",
)

source = Table(
    "source",
    metadata,
    _required("kind", Text, "Which API filled this database: live or sandbox. The two never mix."),
    _required("claimed_at", _Timestamp, "When the first run claimed the database."),
    Column(
        "singleton", Boolean, nullable=False, server_default="true", comment="Keeps the table at one row."
    ),
    PrimaryKeyConstraint("singleton"),
    _one_of("kind", ("live", "sandbox")),
    CheckConstraint("singleton", name="singleton"),
    schema="ops",
    comment="One row: the kind of API that this database's rows come from.",
)

set_aside = Table(
    "set_aside",
    metadata,
    _required("asset", Text, "Asset that met the item, such as spotify/tracks."),
    _required(
        "item_id", Text, "Id of the item, or of the album or page it stood in; empty where there was none."
    ),
    _required("endpoint", Text, "Endpoint that answered it."),
    _required("reason", Text, "Why it was not loaded."),
    _required("first_seen_at", _Timestamp, "When it was first met."),
    _required("last_seen_at", _Timestamp, "When it was last met."),
    PrimaryKeyConstraint("asset", "item_id", "reason"),
    schema="ops",
    comment="Items of API answers that were set aside as malformed or unknown, with the reason.",
)

access = Table(
    "access",
    metadata,
    _required("client", Text, "Fingerprint of the client id."),
    _required("endpoint", Text, "Endpoint that Spotify closes to some applications."),
    _required("is_open", Boolean, "What it answered: false is a 403 that says it is closed to this client."),
    _required("answered_at", _Timestamp, "When it answered so; the client relies on it for a day."),
    PrimaryKeyConstraint("client", "endpoint"),
    schema="ops",
    comment="Which endpoints Spotify lets each client call, as last answered.",
)

call_rates = Table(
    "call_rates",
    metadata,
    _required("caller", Text, "Fingerprint of the client id, or keyless for services that take no key."),
    _required("service", Text, "spotify, accounts, reccobeats or deezer: each counts its calls by itself."),
    _optional(
        "calls_per_window",
        Double,
        "Calls thought to be allowed in any 30 s (Deezer: 5 s): set, or learned from 429s; null: unknown.",
    ),
    _optional("next_call_at", _Timestamp, "When the next call may go; null before the first."),
    _optional("paused_until", _Timestamp, "End of the wait that the latest 429 asked for."),
    _optional("slowed_at", _Timestamp, "When a 429 last lowered calls_per_window."),
    _optional("raised_at", _Timestamp, "When calls_per_window was last raised."),
    _required(
        "recent_slices",
        ARRAY(BigInteger),
        "Slices of the last window in which calls were made: 150 a window, numbered from 1970.",
    ),
    _required("recent_calls", ARRAY(Integer), "Calls made in each of them."),
    _required("version", BigInteger, "Counts the changes, so that two callers never take the same place."),
    PrimaryKeyConstraint("caller", "service"),
    CheckConstraint("cardinality(recent_slices) = cardinality(recent_calls)", name="recent"),
    schema="ops",
    # A row of it is changed by every call.
    postgresql_with={"fillfactor": 50, "autovacuum_vacuum_threshold": 200, **_REPLACED_OFTEN},
    comment="How fast each service may be called, shared by all processes and machines.",
)

call_closures = Table(
    "call_closures",
    metadata,
    _required("caller", Text, "Fingerprint of the client id, or keyless for services that take no key."),
    _required(
        "endpoint_group", Text, "Endpoints that share a quota, such as albums for albums/{id} and its tracks."
    ),
    _required(
        "closed_until",
        _Timestamp,
        "Nothing of the group is asked before; calling earlier lengthens the penalty.",
    ),
    _required("cause", Text, "quota (used up for the day), or rate limit (a wait too long to sit out)."),
    _required("noted_at", _Timestamp, "When the service said so."),
    PrimaryKeyConstraint("caller", "endpoint_group"),
    _one_of("cause", ("quota", "rate limit")),
    schema="ops",
    comment="Until when a group of endpoints must not be called, shared by all processes and machines.",
)

api_calls = Table(
    "api_calls",
    metadata,
    _required("run_id", Text, "Dagster run."),
    _required("asset", Text, "Asset whose step called, such as spotify/tracks."),
    _required("endpoint", Text, "Endpoint that was called."),
    _required(
        "access",
        Text,
        "What the key could do as far as was known: extended, development, …; or not asked.",
    ),
    _required("calls", Integer, "Requests sent, also those that failed or were sent again."),
    _required("rate_limited", Integer, "Answers 429, or the error that stands for it."),
    _required(
        "seconds_waited", Double, "Seconds spent waiting for limits and after faults, summed over threads."
    ),
    _required("saved_by_batching", Integer, "Requests that one call an id would have taken in addition."),
    _required(
        "saved_by_skipping", Integer, "Requests not made because the answer was known or would hold nothing."
    ),
    _required("first_at", _Timestamp, "When the step began."),
    _required("last_at", _Timestamp, "When it ended, also by a failure."),
    PrimaryKeyConstraint("run_id", "asset", "endpoint"),
    *(
        _at_least(column, 0)
        for column in ("calls", "rate_limited", "seconds_waited", "saved_by_batching", "saved_by_skipping")
    ),
    Index(None, "first_at"),
    schema="ops",
    comment="What each run cost: one row per run, asset and endpoint; retries of a step add up.",
)

feature_attempts = Table(
    "feature_attempts",
    metadata,
    _required("track_id", Text, "Spotify track id."),
    _required(
        "outcome",
        Text,
        "Of the latest attempt: absent, unanswered (nobody could be asked), or measured.",
    ),
    _required("attempts", Integer, "Times that a source answered."),
    _optional(
        "first_asked_at", _Timestamp, "When a source first answered; asked again 1, 7, 30 and 90 days later."
    ),
    _optional("last_asked_at", _Timestamp, "When a source last answered."),
    _required("last_tried_at", _Timestamp, "When one was last to be asked, whether it answered or not."),
    PrimaryKeyConstraint("track_id"),
    _one_of("outcome", ("absent", "unanswered", "measured")),
    _at_least("attempts", 0),
    CheckConstraint("(attempts = 0) = (first_asked_at is null)", name="first_asked_at"),
    CheckConstraint("(attempts = 0) = (last_asked_at is null)", name="last_asked_at"),
    Index(None, "first_asked_at", postgresql_where=text("outcome <> 'measured'")),
    schema="ops",
    comment="Tracks that had no audio features when first asked for, and the attempts made since.",
)

coverage_history = Table(
    "coverage_history",
    metadata,
    _required("as_of", _Timestamp, "What the build of marts.coverage knew: the time it was given."),
    _required("albums", Integer, "Albums seen by then."),
    _required("albums_loaded", Integer, "Those of them that were loaded."),
    _required("tracks", Integer, "Tracks of the loaded ones."),
    _required("with_features", Integer, "Tracks with audio features, whoever measured them."),
    _required("with_spotify_popularity", Integer, "Tracks with a Spotify popularity."),
    _required("with_deezer_rank", Integer, "Tracks with a Deezer rank."),
    PrimaryKeyConstraint("as_of"),
    schema="ops",
    comment="Sums of marts.coverage at each of its builds, to tell when it falls.",
)

changes = Table(
    "changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), nullable=False, comment="Number of the row."),
    _required("transaction_id", BigInteger, "Transaction that changed it, as pg_current_xact_id() gives it."),
    _required("source", Text, "Table that was changed, such as spotify.tracks."),
    _optional(
        "item",
        Text,
        "Id of what was added, changed or removed there: of an album, of a track for popularity_snapshots and"
        " feature_attempts, of an artist for artists; null: anything.",
    ),
    _optional(
        "day",
        Date,
        "Day that the row is of, before and after: of release and of loading, of sighting, or of measurement.",
    ),
    PrimaryKeyConstraint("change_id"),
    Index(None, "transaction_id"),
    schema="ops",
    comment="What was changed in the inputs of the marts, by triggers, until every mart has it.",
)

builds = Table(
    "builds",
    metadata,
    _required("mart", Text, "Mart, such as track_catalog."),
    _required("as_of", _Timestamp, "What the latest build knew: the time it was given."),
    _required("built_at", _Timestamp, "When it began, by the clock of the database."),
    _required("rows", BigInteger, "Rows of the mart after it."),
    _required("extent", Text, "whole, or part: only what had changed since the build before."),
    _required("whole_as_of", _Timestamp, "as_of of the latest whole build."),
    _required("code", Text, "Digest of the select and of the table's declaration."),
    _required("seen", Text, "Transactions that the build saw, as pg_current_snapshot() gives them."),
    _required("cluster", Text, "Database cluster that counts those transactions."),
    _optional("source", Text, "Whose data it is: live (Spotify's) or sandbox (invented); null: not known."),
    PrimaryKeyConstraint("mart"),
    _one_of("source", ("live", "sandbox")),
    _one_of("extent", ("whole", "part")),
    _at_least("rows", 0),
    schema="marts",
    comment="When each mart was last built: one row per mart.",
)

feature_distribution = Table(
    "feature_distribution",
    metadata,
    _required("feature", Text, "Audio feature, or popularity (Spotify's); a tempo of 0 is left out."),
    _required("value", Double, "Value, in the unit of the feature."),
    _required("tracks", Integer, "Tracks with this value, each once."),
    _required("tracks_below", Integer, "Tracks with a lower value."),
    _required("n", Integer, "Tracks with any value of the feature."),
    _required("as_of", _Timestamp, "What the build knew: the time it was given."),
    PrimaryKeyConstraint("feature", "value"),
    _one_of("feature", DISTRIBUTED),
    _at_least("tracks", 1),
    CheckConstraint("tracks_below between 0 and n - tracks", name="tracks_below"),
    schema="marts",
    comment="How audio features and popularity are distributed over the measured tracks: what percentiles refer to.",
)

track_catalog = Table(
    "track_catalog",
    metadata,
    _required("album_id", Text, "Spotify album id."),
    _required("track_id", Text, "Spotify track id."),
    _required("track_name", Text, "Track name."),
    _optional("album_name", Text, "Album name; null while the album itself is not loaded."),
    _optional("album_type", Text, "album, single or compilation; null while the album is not loaded."),
    _optional("release_date", Date, "First day of the release period; null where unknown."),
    _optional("release_date_precision", Text, "How exact release_date is: year, month or day."),
    _optional("first_seen_on", Date, "UTC day the album was first seen on a list of new releases."),
    _optional("label", Text, "Label: Spotify's where given, else Deezer's."),
    _optional("upc", Text, "Universal product code."),
    _optional("isrc", Text, "International standard recording code: Spotify's where given, else Deezer's."),
    _optional("image_url", Text, "Address of the cover image."),
    _required("disc_number", SmallInteger, "Disc, from 1."),
    _required("track_number", Integer, "Place on the disc, from 1."),
    _required("duration_ms", Integer, "Length in ms."),
    _required("explicit", Boolean, "True where the lyrics are marked explicit."),
    _optional("is_playable", Boolean, "Whether it can be played in the market asked; null where not said."),
    _required("artist_ids", _TextArray, "Ids of the artists credited on the track, in order."),
    _required("artist_names", _TextArray, "Names of the artists credited on the track, in the same order."),
    _optional(
        "album_artist_ids",
        _TextArray,
        "Ids of the artists credited on the album, in order; null while the album is not loaded.",
    ),
    _optional("album_artist_names", _TextArray, "Their names, in the same order."),
    _optional(
        "genres", _TextArray, "Deezer's genres of the album, else those of its artists; null where unknown."
    ),
    _required(
        "features_status",
        Text,
        "measured, absent (asked, there were none), or pending (nobody could be asked yet).",
    ),
    _optional("features_source", Text, "Who measured the features: spotify or reccobeats."),
    *_feature_columns(),
    _optional("key_name", Text, "Key and mode in words, such as A minor; null where not detected."),
    _optional("camelot", Text, "Camelot code of key and mode, such as 8A; null where not detected."),
    _optional("popularity", SmallInteger, "Latest Spotify popularity 0-100; null where not measured."),
    _optional("popularity_on", Date, "UTC day of that measurement."),
    _optional("deezer_rank", Integer, "Latest Deezer rank 0-1,000,000; null where not measured."),
    _optional("deezer_rank_on", Date, "UTC day of that measurement."),
    _optional(
        "danceability_percentile",
        Double,
        "Share of the tracks of marts.feature_distribution below, ties half, 0-1.",
    ),
    _optional("energy_percentile", Double, "Same for energy, 0-1."),
    _optional("loudness_percentile", Double, "Same for loudness, 0-1."),
    _optional("speechiness_percentile", Double, "Same for speechiness, 0-1."),
    _optional("acousticness_percentile", Double, "Same for acousticness, 0-1."),
    _optional("instrumentalness_percentile", Double, "Same for instrumentalness, 0-1."),
    _optional("liveness_percentile", Double, "Same for liveness, 0-1."),
    _optional("valence_percentile", Double, "Same for valence, 0-1."),
    _optional(
        "tempo_percentile", Double, "Same for tempo, 0-1; tracks without a detected tempo are left out."
    ),
    _optional("popularity_percentile", Double, "Same for popularity among measured tracks, 0-1."),
    PrimaryKeyConstraint("album_id", "track_id"),
    _one_of("features_status", ("measured", "absent", "pending")),
    Index(None, "track_id"),
    Index(None, "release_date"),
    schema="marts",
    comment="The merged table: one row per track of an album with release, credits, features and popularity.",
)

weekly_popular_releases = Table(
    "weekly_popular_releases",
    metadata,
    _required("week_start", Date, "Monday of the week (UTC)."),
    _required("measure", Text, MEASURE),
    _required("album_id", Text, "Spotify album id."),
    _required("name", Text, "Album name."),
    _required("artist_names", _TextArray, "Names of the credited artists, in order."),
    _required("album_type", Text, "album, single or compilation."),
    _optional("release_date", Date, "First day of the release period; null where unknown."),
    _optional(
        "genres", _TextArray, "Deezer's genres of the album, else those of its artists; null where unknown."
    ),
    _optional("label", Text, "Label: Spotify's where given, else Deezer's."),
    _required("tracks", Integer, "Tracks of the album in the warehouse."),
    _required("tracks_measured", Integer, "Tracks with a measurement in this week: the n of both values."),
    _optional(
        "value_mean", Double, "Mean of the measured tracks' last value in this week; null where unmeasured."
    ),
    _optional("value_max", Double, "Highest of them; null where unmeasured."),
    _optional(
        "rank", Integer, "Place in the week by value_mean, from 1, no two alike; null where unmeasured."
    ),
    _optional("previous_rank", Integer, "Rank in the week before; null where there was none."),
    _optional(
        "peak_rank", Integer, "Best rank up to and including this week; null before the first measured week."
    ),
    _required("weeks_on_list", Integer, "Measured weeks up to and including this one."),
    _required("status", Text, "new, re-entry, up, down, same, or unmeasured."),
    PrimaryKeyConstraint("week_start", "measure", "album_id"),
    _one_of("measure", MEASURES),
    _one_of("status", ("new", "re-entry", "up", "down", "same", "unmeasured")),
    _is_monday("week_start"),
    CheckConstraint("(status = 'unmeasured') = (rank is null)", name="rank_where_measured"),
    CheckConstraint("tracks_measured between 0 and tracks", name="tracks_measured"),
    Index(None, "album_id"),
    schema="marts",
    comment="One row per week, measure and album eligible in that week: the ranking of new releases.",
)

track_week = Table(
    "track_week",
    metadata,
    _required("week_start", Date, "Monday of the week (UTC)."),
    _required("measure", Text, MEASURE),
    _required("track_id", Text, "Spotify track id."),
    _required("measured_on", Date, "UTC day of the week's last measurement, which is the one that counts."),
    _required("value", Integer, "Popularity on that day, on the scale of the measure."),
    _optional("previous", Integer, "Value of the calendar week before; null where it was not measured."),
    _optional("delta", Integer, "value - previous; null where there is no previous."),
    _required(
        "percentile", Double, "Share of the tracks measured in this week that are below, ties half, 0-1."
    ),
    _required("tracks_measured", Integer, "Tracks measured in this week: the n of percentile."),
    PrimaryKeyConstraint("week_start", "measure", "track_id"),
    _one_of("measure", MEASURES),
    _is_monday("week_start"),
    CheckConstraint("measured_on between week_start and week_start + 6", name="measured_in_week"),
    CheckConstraint("delta = value - previous", name="delta"),
    _between("percentile", 0, 1),
    Index(None, "track_id"),
    schema="marts",
    comment="Popularity of each track, week by week. A week without a measurement has no row, and none is inherited.",
)

feature_popularity_correlation = Table(
    "feature_popularity_correlation",
    metadata,
    _required("measure", Text, MEASURE),
    _required("scope", Text, "What the tracks have in common: all, release_week, album_type or genre."),
    _required(
        "scope_value",
        Text,
        "Which week (its Monday, YYYY-MM-DD), album type or genre; all where scope is all.",
    ),
    _required("feature", Text, FEATURE),
    _required("method", Text, "pearson, or spearman (ties share their mean rank)."),
    _optional("r", Double, "Correlation, -1 to 1; null where n < 4 or one of the two does not vary."),
    _optional("ci_low", Double, "Lower end of the 95 % interval by Fisher's z; null where r is."),
    _optional("ci_high", Double, "Upper end of it."),
    _required("n", Integer, "Tracks with both the feature and the measure, each once."),
    _required("as_of", _Timestamp, "What the build knew: the time it was given."),
    PrimaryKeyConstraint("measure", "scope", "scope_value", "feature", "method"),
    _one_of("measure", MEASURES),
    _one_of("scope", ("all", "release_week", "album_type", "genre")),
    _one_of("feature", SCALED_FEATURES),
    _one_of("method", ("pearson", "spearman")),
    _at_least("n", 0),
    _between("r", -1, 1),
    CheckConstraint("ci_low <= r and r <= ci_high", name="r_within_interval"),
    schema="marts",
    comment="How audio features go with popularity: correlations over each track's latest measurement.",
)

artist_feature_profile = Table(
    "artist_feature_profile",
    metadata,
    _required("artist_id", Text, "Spotify artist id."),
    _required("feature", Text, FEATURE),
    _required("artist_name", Text, "Artist name."),
    _required("tracks", Integer, "Tracks on which the artist is credited, first or not, each once."),
    _required("n", Integer, "Those of them on which the feature was measured."),
    _optional("mean", Double, "Mean over the n tracks; null where n is 0."),
    _optional("median", Double, "Median; null where n is 0."),
    _optional("stddev", Double, "Standard deviation of the sample (n - 1); null where n < 2."),
    _optional("p25", Double, "Lower quartile, interpolated; null where n is 0."),
    _optional("p75", Double, "Upper quartile, interpolated; null where n is 0."),
    _optional(
        "z_vs_all",
        Double,
        "Distance of the mean from the mean of all measured tracks, in their standard deviations (n - 1);"
        " null where n is 0 or all are alike.",
    ),
    _required("as_of", _Timestamp, "What the build knew: the time it was given."),
    PrimaryKeyConstraint("artist_id", "feature"),
    _one_of("feature", SCALED_FEATURES),
    CheckConstraint("n between 0 and tracks", name="n"),
    CheckConstraint("(n = 0) = (mean is null)", name="mean_where_measured"),
    CheckConstraint("p25 <= median and median <= p75", name="quartiles_in_order"),
    schema="marts",
    comment="Audio features of each artist's tracks. Every credited artist counts, not only the first.",
)

feature_week = Table(
    "feature_week",
    metadata,
    _required("week_start", Date, "Monday of the week of release (UTC)."),
    _required("feature", Text, FEATURE),
    _required("tracks", Integer, "Tracks released in this week, each once."),
    _required("n", Integer, "Those of them on which the feature was measured."),
    _optional("mean", Double, "Mean over the n tracks; null where n is 0."),
    _optional("median", Double, "Median; null where n is 0."),
    _optional("p25", Double, "Lower quartile, interpolated; null where n is 0."),
    _optional("p75", Double, "Upper quartile, interpolated; null where n is 0."),
    PrimaryKeyConstraint("week_start", "feature"),
    _is_monday("week_start"),
    _one_of("feature", SCALED_FEATURES),
    CheckConstraint("n between 0 and tracks", name="n"),
    CheckConstraint("(n = 0) = (mean is null)", name="mean_where_measured"),
    CheckConstraint("p25 <= median and median <= p75", name="quartiles_in_order"),
    schema="marts",
    comment="Drift of the sound: audio features of the tracks released in each week.",
)

release_cadence = Table(
    "release_cadence",
    metadata,
    _required("release_date", Date, "Day of release."),
    _required("album_type", Text, "album, single or compilation."),
    _required("releases", Integer, "Albums released on that day."),
    _required("tracks", Integer, "Tracks on them: the n of the two columns that follow."),
    _optional("explicit_share", Double, "Share of explicit tracks, 0-1; null where there are no tracks."),
    _optional(
        "median_duration_ms", Double, "Median length of a track in ms; null where there are no tracks."
    ),
    PrimaryKeyConstraint("release_date", "album_type"),
    _at_least("releases", 1),
    _at_least("tracks", 0),
    _between("explicit_share", 0, 1),
    CheckConstraint("(tracks = 0) = (median_duration_ms is null)", name="median_where_tracks"),
    schema="marts",
    comment="Releases by day and format, without those whose exact day is not known.",
)

coverage = Table(
    "coverage",
    metadata,
    _required(
        "week_start", Date, "Monday (UTC) of the week in which the albums were first seen, or else loaded."
    ),
    _required("albums", Integer, "Albums first seen in this week."),
    _required("albums_loaded", Integer, "Those of them that are loaded."),
    _required(
        "tracks", Integer, "Tracks of the loaded ones; each is in one of the four columns that follow."
    ),
    _required("features_spotify", Integer, "Tracks whose audio features Spotify measured."),
    _required("features_reccobeats", Integer, "Tracks whose audio features ReccoBeats measured."),
    _required("features_absent", Integer, "Tracks for which there were none."),
    _required("features_pending", Integer, "Tracks about which nobody could be asked yet."),
    _required("with_spotify_popularity", Integer, "Tracks with a Spotify popularity, however old."),
    _required("with_deezer_rank", Integer, "Tracks with a Deezer rank, however old."),
    PrimaryKeyConstraint("week_start"),
    _is_monday("week_start"),
    CheckConstraint("albums_loaded between 0 and albums", name="albums_loaded"),
    CheckConstraint(
        "features_spotify + features_reccobeats + features_absent + features_pending = tracks",
        name="features",
    ),
    CheckConstraint("with_spotify_popularity between 0 and tracks", name="with_spotify_popularity"),
    CheckConstraint("with_deezer_rank between 0 and tracks", name="with_deezer_rank"),
    schema="marts",
    comment="What is loaded and measured of what was seen, by the week in which it was first seen.",
)
