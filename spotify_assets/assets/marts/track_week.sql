-- Question: how popular was each track, week by week?
-- Grain:    one row per week, measure and track that was measured in that week; a week without a measurement has no row.
-- Inputs:   spotify.popularity_snapshots, deezer.track_ranks.
-- Refresh:  the weeks from from_week on; null: all. Measurements dated after the UTC day of as_of are left out.
with build as (
    select
        cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day,
        coalesce(cast(:from_week as date), '-infinity') as from_week
),

measurements as (
    select
        'spotify_popularity' as measure,
        popularity_snapshots.track_id,
        popularity_snapshots.measured_on,
        cast(popularity_snapshots.popularity as integer) as value
    from spotify.popularity_snapshots
    -- The week before, too: the first one's previous values.
    where popularity_snapshots.measured_on >= coalesce(cast(:from_week as date) - 7, '-infinity')
    union all
    select
        'deezer_rank' as measure,
        track_ranks.track_id,
        track_ranks.measured_on,
        track_ranks.rank as value
    from deezer.track_ranks
    where track_ranks.measured_on >= coalesce(cast(:from_week as date) - 7, '-infinity')
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
    where measurements.measured_on <= build.as_of_day
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

final as (
    select
        compared.week_start,
        compared.measure,
        compared.track_id,
        compared.measured_on,
        compared.value,
        -- Only the calendar week before counts: a gap is not bridged.
        case
            when compared.week_before = compared.week_start - 7 then compared.value_before
        end as previous,
        case
            when compared.week_before = compared.week_start - 7 then compared.value - compared.value_before
        end as delta,
        -- (tracks below + half of the ties) / n, as one division of whole numbers.
        cast(compared.place - 1 + compared.at_most as double precision)
        / cast(2 * compared.tracks_measured as double precision) as percentile,
        cast(compared.tracks_measured as integer) as tracks_measured
    from compared
    cross join build
    where compared.week_start >= build.from_week
)

select * from final
