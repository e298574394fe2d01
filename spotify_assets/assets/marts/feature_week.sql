-- Question: how does the sound of new releases drift from week to week?
-- Grain:    one row per week of release and audio feature, for every week in which a track was released.
-- Inputs:   marts.track_catalog.
-- Refresh:  the weeks weeks, up to the UTC day of as_of; null: all.
with build as (
    select cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day
),

-- A date of month or year precision has no week.
dated as (
    select
        track_catalog.*,
        cast(date_trunc('week', cast(track_catalog.release_date as timestamp)) as date) as week_start
    from marts.track_catalog
    cross join build
    where
        track_catalog.release_date_precision = 'day'
        and track_catalog.release_date <= build.as_of_day
        and (
            cast(:weeks as date[]) is null
            -- By day, as the catalog has an index of them.
            or track_catalog.release_date = any(array(
                select wanted.week_start + later.days_later
                from unnest(cast(:weeks as date[])) as wanted (week_start)
                cross join generate_series(0, 6) as later (days_later)
            ))
        )
),

-- A track that stands on two albums of one week counts once.
released as (
    select distinct on (week_start, track_id)
        week_start,
        track_id,
        danceability,
        energy,
        loudness,
        speechiness,
        acousticness,
        instrumentalness,
        liveness,
        valence,
        -- A tempo of 0 says that none was detected.
        nullif(tempo, 0) as tempo
    from dated
    order by week_start asc, track_id asc, album_id collate "C" asc
),

feature_values as (
    select
        released.week_start,
        feature.name,
        feature.value
    from released
    cross join
        lateral (
            values
            ('danceability', released.danceability),
            ('energy', released.energy),
            ('loudness', released.loudness),
            ('speechiness', released.speechiness),
            ('acousticness', released.acousticness),
            ('instrumentalness', released.instrumentalness),
            ('liveness', released.liveness),
            ('valence', released.valence),
            ('tempo', released.tempo)
        ) as feature (name, value)
),

final as (
    select
        week_start,
        name as feature,
        cast(count(*) as integer) as tracks,
        cast(count(value) as integer) as n,
        -- In the order of the values: a sum of doubles depends on it, and two builds must agree to the bit.
        avg(value order by value) as mean,
        percentile_cont(0.5) within group (order by value) as median,
        percentile_cont(0.25) within group (order by value) as p25,
        percentile_cont(0.75) within group (order by value) as p75
    from feature_values
    group by week_start, name
)

select * from final
