-- Question: how popular was each track, week by week?
-- Grain:    one row per week, measure and track that was measured in that week; a week without a measurement has no row.
-- Inputs:   spotify.popularity_snapshots, deezer.track_ranks.
-- Refresh:  the weeks from from_week on, the mart's own week before telling of the earlier ones; null: all. Measurements
--           dated after the UTC day of as_of are left out.
with build as (
    select
        cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day,
        cast(:from_week as date) as from_week
),

measurements as (
    select
        'spotify_popularity' as measure,
        popularity_snapshots.track_id,
        popularity_snapshots.measured_on,
        cast(popularity_snapshots.popularity as integer) as value
    from spotify.popularity_snapshots
    union all
    select
        'deezer_rank' as measure,
        track_ranks.track_id,
        track_ranks.measured_on,
        track_ranks.rank as value
    from deezer.track_ranks
),

dated as (
    select
        measurements.measure,
        measurements.track_id,
        measurements.measured_on,
        measurements.value,
        cast(date_trunc('week', cast(measurements.measured_on as timestamp)) as date) as week_start
    from measurements
    cross join build
    where
        measurements.measured_on <= build.as_of_day
        and measurements.measured_on >= coalesce(build.from_week, '-infinity')
),

-- Deezer ranks a track once for each album: of two ranks of one day, the track's is the higher.
last_of_week as (
    select distinct on (measure, track_id, week_start)
        measure,
        track_id,
        week_start,
        measured_on,
        value
    from dated
    order by measure asc, track_id asc, week_start asc, measured_on desc, value desc
),

compared as (
    select
        *,
        lag(value) over track_history as value_before,
        lag(week_start) over track_history as week_before,
        rank() over ascending_values as place,
        count(*) over ascending_values as at_most,
        count(*) over (partition by measure, week_start) as tracks_measured
    from last_of_week
    window
        track_history as (partition by measure, track_id order by week_start),
        ascending_values as (partition by measure, week_start order by value)
),

built_before as (
    select
        earlier.measure,
        earlier.track_id,
        earlier.value
    from marts.track_week as earlier
    cross join build
    where earlier.week_start = build.from_week - 7
),

with_previous as (
    select
        compared.*,
        case
            when compared.week_start = build.from_week then built_before.value
            -- Only the calendar week before counts: a gap is not bridged.
            when compared.week_before = compared.week_start - 7 then compared.value_before
        end as previous
    from compared
    cross join build
    left join built_before
        on compared.measure = built_before.measure and compared.track_id = built_before.track_id
),

final as (
    select
        week_start,
        measure,
        track_id,
        measured_on,
        value,
        previous,
        value - previous as delta,
        -- (tracks below + half of the ties) / n, as one division of whole numbers.
        cast(place - 1 + at_most as double precision) / cast(2 * tracks_measured as double precision) as percentile,
        cast(tracks_measured as integer) as tracks_measured
    from with_previous
)

select * from final
