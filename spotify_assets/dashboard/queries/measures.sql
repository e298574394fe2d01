-- The measures that anything was ranked by, with the latest week of each.
select
    measure,
    max(week_start) as latest_week
from marts.weekly_popular_releases
where rank is not null
group by measure
