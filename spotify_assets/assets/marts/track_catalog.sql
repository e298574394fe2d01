-- Question: what is known of each track: release, credits, genres, audio features, popularity?
-- Grain:    one row per row of spotify.tracks (album_id, track_id).
-- Inputs:   every table of the schemas spotify and deezer, ops.feature_attempts, marts.feature_distribution.
-- Refresh:  the albums album_ids; null: all. Measurements dated after the UTC day of as_of are left out.
with build as (
    select cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day
),

-- Not materialized: of all albums, it would be written to disk before anything is read off it.
tracks as not materialized (
    select *
    from spotify.tracks
    where
        cast(:album_ids as text[]) is null
        or album_id = any(cast(:album_ids as text[]))
),

sightings as (
    select
        album_id,
        cast(min(first_seen_at) at time zone 'UTC' as date) as first_seen_on
    from spotify.new_releases
    group by album_id
),

credits as (
    select distinct artist_ids
    from tracks
),

credited_genres as (
    select
        credits.artist_ids,
        genre.genre_name
    from credits
    cross join lateral unnest(credits.artist_ids) as credit (artist_id)
    inner join spotify.artists
        on credit.artist_id = artists.artist_id
    cross join lateral unnest(artists.genres) as genre (genre_name)
),

-- Once per combination of artists: an album's tracks mostly share theirs.
credit_genres as (
    select
        artist_ids,
        array_agg(distinct genre_name collate "C" order by genre_name collate "C") as genres
    from credited_genres
    group by artist_ids
),

-- Without tracks that nobody could be asked about: that there are none is not known of them.
features as (
    select audio_features.*
    from spotify.audio_features
    cross join build
    left join ops.feature_attempts
        on audio_features.track_id = feature_attempts.track_id
    where
        cast(audio_features.checked_at at time zone 'UTC' as date) <= build.as_of_day
        and (
            audio_features.status = 'measured'
            or feature_attempts.outcome is distinct from 'unanswered'
        )
),

fetched_popularity as (
    select
        track_details.album_id,
        track_details.track_id,
        cast(track_details.fetched_at at time zone 'UTC' as date) as measured_on,
        track_details.popularity
    from spotify.track_details
    cross join build
    where
        track_details.popularity is not null
        and cast(track_details.fetched_at at time zone 'UTC' as date) <= build.as_of_day
),

measured as (
    select
        tracks.album_id,
        tracks.track_id,
        coalesce(features.status, 'pending') as features_status,
        features.source as features_source,
        features.danceability,
        features.energy,
        features.key,
        features.loudness,
        features.mode,
        features.speechiness,
        features.acousticness,
        features.instrumentalness,
        features.liveness,
        features.valence,
        features.tempo,
        features.time_signature,
        case
            when latest_snapshots.measured_on > fetched_popularity.measured_on
                then latest_snapshots.popularity
            else coalesce(fetched_popularity.popularity, latest_snapshots.popularity)
        end as popularity,
        greatest(fetched_popularity.measured_on, latest_snapshots.measured_on) as popularity_on,
        latest_ranks.rank as deezer_rank,
        latest_ranks.measured_on as deezer_rank_on,
        latest_ranks.isrc as deezer_isrc
    from tracks
    cross join build
    left join features
        on tracks.album_id = features.album_id and tracks.track_id = features.track_id
    left join fetched_popularity
        on tracks.album_id = fetched_popularity.album_id and tracks.track_id = fetched_popularity.track_id
    -- By track alone: a track that stands on several albums is measured once a day for all of them.
    left join
        lateral (
            select
                snapshots.measured_on,
                snapshots.popularity
            from spotify.popularity_snapshots as snapshots
            where snapshots.track_id = tracks.track_id and snapshots.measured_on <= build.as_of_day
            order by snapshots.measured_on desc
            limit 1
        ) as latest_snapshots
        on true
    left join
        lateral (
            select
                track_ranks.measured_on,
                track_ranks.rank,
                track_ranks.isrc
            from deezer.track_ranks
            where
                track_ranks.album_id = tracks.album_id
                and track_ranks.track_id = tracks.track_id
                and track_ranks.measured_on <= build.as_of_day
            order by track_ranks.measured_on desc
            limit 1
        ) as latest_ranks
        on true
),

-- Percentiles are worked out once per distinct value, not per track.
distinct_values as (
    select distinct
        feature.name,
        feature.value
    from measured
    cross join
        lateral (
            values
            ('danceability', measured.danceability),
            ('energy', measured.energy),
            ('loudness', measured.loudness),
            ('speechiness', measured.speechiness),
            ('acousticness', measured.acousticness),
            ('instrumentalness', measured.instrumentalness),
            ('liveness', measured.liveness),
            ('valence', measured.valence),
            -- A tempo of 0 says that none was detected.
            ('tempo', nullif(measured.tempo, 0)),
            ('popularity', cast(measured.popularity as double precision))
        ) as feature (name, value)
    where feature.value is not null
),

distributed as (
    select
        feature,
        min(n) as n
    from marts.feature_distribution
    group by feature
),

-- (tracks below + half of the ties) / n, as one division of whole numbers. A value may be newer than the distribution.
percentiles as (
    select
        distinct_values.name,
        distinct_values.value,
        cast(
            case
                when known.value = distinct_values.value then 2 * known.tracks_below + known.tracks
                else 2 * coalesce(next_below.tracks_below + next_below.tracks, 0)
            end as double precision
        )
        / cast(2 * distributed.n as double precision) as percentile
    from distinct_values
    inner join distributed
        on distinct_values.name = distributed.feature
    left join marts.feature_distribution as known
        on distinct_values.name = known.feature and distinct_values.value = known.value
    left join
        lateral (
            select
                smaller.tracks,
                smaller.tracks_below
            from marts.feature_distribution as smaller
            where
                known.feature is null
                and smaller.feature = distinct_values.name
                and smaller.value < distinct_values.value
            order by smaller.value desc
            limit 1
        ) as next_below
        on true
),

key_names as (
    select
        pitch.key,
        pitch.mode,
        pitch.key_name,
        pitch.camelot
    from (
        values
        (0, 1, 'C major', '8B'), (0, 0, 'C minor', '5A'),
        (1, 1, 'C# major', '3B'), (1, 0, 'C# minor', '12A'),
        (2, 1, 'D major', '10B'), (2, 0, 'D minor', '7A'),
        (3, 1, 'D# major', '5B'), (3, 0, 'D# minor', '2A'),
        (4, 1, 'E major', '12B'), (4, 0, 'E minor', '9A'),
        (5, 1, 'F major', '7B'), (5, 0, 'F minor', '4A'),
        (6, 1, 'F# major', '2B'), (6, 0, 'F# minor', '11A'),
        (7, 1, 'G major', '9B'), (7, 0, 'G minor', '6A'),
        (8, 1, 'G# major', '4B'), (8, 0, 'G# minor', '1A'),
        (9, 1, 'A major', '11B'), (9, 0, 'A minor', '8A'),
        (10, 1, 'A# major', '6B'), (10, 0, 'A# minor', '3A'),
        (11, 1, 'B major', '1B'), (11, 0, 'B minor', '10A')
    ) as pitch (key, mode, key_name, camelot)
),

final as (
    select
        tracks.album_id,
        tracks.track_id,
        tracks.name as track_name,
        releases.name as album_name,
        releases.album_type,
        releases.release_date,
        releases.release_date_precision,
        sightings.first_seen_on,
        coalesce(releases.label, albums.label) as label,
        releases.upc,
        coalesce(track_details.isrc, measured.deezer_isrc) as isrc,
        releases.image_url,
        tracks.disc_number,
        tracks.track_number,
        tracks.duration_ms,
        tracks.explicit,
        tracks.is_playable,
        tracks.artist_ids,
        tracks.artist_names,
        releases.artist_ids as album_artist_ids,
        releases.artist_names as album_artist_names,
        case
            when albums.status = 'found' and cardinality(albums.genres) > 0 then albums.genres
            else credit_genres.genres
        end as genres,
        measured.features_status,
        measured.features_source,
        measured.danceability,
        measured.energy,
        measured.key,
        measured.loudness,
        measured.mode,
        measured.speechiness,
        measured.acousticness,
        measured.instrumentalness,
        measured.liveness,
        measured.valence,
        measured.tempo,
        measured.time_signature,
        key_names.key_name,
        key_names.camelot,
        measured.popularity,
        measured.popularity_on,
        measured.deezer_rank,
        measured.deezer_rank_on,
        danceability.percentile as danceability_percentile,
        energy.percentile as energy_percentile,
        loudness.percentile as loudness_percentile,
        speechiness.percentile as speechiness_percentile,
        acousticness.percentile as acousticness_percentile,
        instrumentalness.percentile as instrumentalness_percentile,
        liveness.percentile as liveness_percentile,
        valence.percentile as valence_percentile,
        tempo.percentile as tempo_percentile,
        popularity.percentile as popularity_percentile
    from tracks
    -- Never without a match; an inner join on both keys is planned as if a dozen rows came out of it.
    left join measured
        on tracks.album_id = measured.album_id and tracks.track_id = measured.track_id
    left join spotify.releases
        on tracks.album_id = releases.album_id
    left join sightings
        on tracks.album_id = sightings.album_id
    left join spotify.track_details
        on tracks.album_id = track_details.album_id and tracks.track_id = track_details.track_id
    left join deezer.albums
        on tracks.album_id = albums.album_id
    left join credit_genres
        on tracks.artist_ids = credit_genres.artist_ids
    left join key_names
        on measured.key = key_names.key and measured.mode = key_names.mode
    left join percentiles as danceability
        on measured.danceability = danceability.value and danceability.name = 'danceability'
    left join percentiles as energy
        on measured.energy = energy.value and energy.name = 'energy'
    left join percentiles as loudness
        on measured.loudness = loudness.value and loudness.name = 'loudness'
    left join percentiles as speechiness
        on measured.speechiness = speechiness.value and speechiness.name = 'speechiness'
    left join percentiles as acousticness
        on measured.acousticness = acousticness.value and acousticness.name = 'acousticness'
    left join percentiles as instrumentalness
        on measured.instrumentalness = instrumentalness.value and instrumentalness.name = 'instrumentalness'
    left join percentiles as liveness
        on measured.liveness = liveness.value and liveness.name = 'liveness'
    left join percentiles as valence
        on measured.valence = valence.value and valence.name = 'valence'
    left join percentiles as tempo
        on measured.tempo = tempo.value and tempo.name = 'tempo'
    left join percentiles as popularity
        on
            cast(measured.popularity as double precision) = popularity.value
            and popularity.name = 'popularity'
)

select * from final
