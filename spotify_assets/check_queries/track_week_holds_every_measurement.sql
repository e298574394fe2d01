-- Weeks in which a track was measured up to :now and that the mart lacks, and weeks of the mart in which it was not.
with measured as (
    select
        'spotify_popularity' as measure,
        popularity_snapshots.track_id,
        popularity_snapshots.measured_on
    from spotify.popularity_snapshots
    union all
    select
        'deezer_rank' as measure,
        track_ranks.track_id,
        track_ranks.measured_on
    from deezer.track_ranks
),

measured_weeks as (
    select distinct
        measured.measure,
        measured.track_id,
        cast(date_trunc('week', cast(measured.measured_on as timestamp)) as date) as week_start
    from measured
    where measured.measured_on <= cast(cast(:now as timestamptz) at time zone 'UTC' as date)
)

select
    coalesce(measured_weeks.week_start, built.week_start) as week_start,
    coalesce(measured_weeks.measure, built.measure) as measure,
    coalesce(measured_weeks.track_id, built.track_id) as track_id
from measured_weeks
full join marts.track_week as built
    on
        measured_weeks.week_start = built.week_start
        and measured_weeks.measure = built.measure
        and measured_weeks.track_id = built.track_id
where measured_weeks.track_id is null or built.track_id is null
