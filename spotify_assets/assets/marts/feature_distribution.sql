-- Question: how are audio features and popularity distributed over all that is measured? Percentiles refer to it.
-- Grain:    one row per feature (or popularity) and value, over tracks that each count once.
-- Inputs:   spotify.tracks, spotify.audio_features, spotify.track_details, spotify.popularity_snapshots.
-- Refresh:  built whole, once a day and when a tenth more is measured: so that what is loaded in the meantime does not
--           move the percentile of every other track. Measurements after the UTC day of as_of are left out.
with build as (
    select cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day
),

tracks_once as (
    select
        track_id,
        min(album_id collate "C") as album_id
    from spotify.tracks
    group by track_id
),

measured_features as (
    select audio_features.*
    from spotify.audio_features
    cross join build
    inner join tracks_once
        on audio_features.album_id = tracks_once.album_id and audio_features.track_id = tracks_once.track_id
    where cast(audio_features.checked_at at time zone 'UTC' as date) <= build.as_of_day
),

fetched as (
    select
        track_details.track_id,
        cast(track_details.fetched_at at time zone 'UTC' as date) as measured_on,
        track_details.popularity
    from spotify.track_details
    cross join build
    inner join tracks_once
        on track_details.album_id = tracks_once.album_id and track_details.track_id = tracks_once.track_id
    where
        track_details.popularity is not null
        and cast(track_details.fetched_at at time zone 'UTC' as date) <= build.as_of_day
),

popularities as (
    select
        tracks_once.track_id,
        case
            when latest_snapshots.measured_on > fetched.measured_on then latest_snapshots.popularity
            else coalesce(fetched.popularity, latest_snapshots.popularity)
        end as popularity
    from tracks_once
    cross join build
    left join fetched
        on tracks_once.track_id = fetched.track_id
    left join
        lateral (
            select
                snapshots.measured_on,
                snapshots.popularity
            from spotify.popularity_snapshots as snapshots
            where snapshots.track_id = tracks_once.track_id and snapshots.measured_on <= build.as_of_day
            order by snapshots.measured_on desc
            limit 1
        ) as latest_snapshots
        on true
),

measurements as (
    select
        feature.name,
        feature.value
    from measured_features
    cross join
        lateral (
            values
            ('danceability', measured_features.danceability),
            ('energy', measured_features.energy),
            ('loudness', measured_features.loudness),
            ('speechiness', measured_features.speechiness),
            ('acousticness', measured_features.acousticness),
            ('instrumentalness', measured_features.instrumentalness),
            ('liveness', measured_features.liveness),
            ('valence', measured_features.valence),
            -- A tempo of 0 says that none was detected.
            ('tempo', nullif(measured_features.tempo, 0))
        ) as feature (name, value)
    union all
    select
        'popularity' as name,
        cast(popularities.popularity as double precision) as value
    from popularities
),

value_counts as (
    select
        name,
        value,
        count(*) as tracks
    from measurements
    where value is not null
    group by name, value
),

final as (
    select
        name as feature,
        value,
        cast(tracks as integer) as tracks,
        cast(sum(tracks) over (partition by name order by value) - tracks as integer) as tracks_below,
        cast(sum(tracks) over (partition by name) as integer) as n,
        cast(:as_of as timestamptz) as as_of
    from value_counts
)

select * from final
