-- The weeks in which any track was measured by :measure, the latest first: found week by week, as there are few weeks and
-- many tracks.
with recursive weeks as (
    select max(track_week.week_start) as week_start
    from marts.track_week
    union all
    select
        (
            select max(earlier.week_start)
            from marts.track_week as earlier
            where earlier.week_start < weeks.week_start
        ) as week_start
    from weeks
    where weeks.week_start is not null
)

select weeks.week_start
from weeks
where
    exists (
        select 1
        from marts.track_week
        where track_week.week_start = weeks.week_start and track_week.measure = :measure
    )
order by weeks.week_start desc
