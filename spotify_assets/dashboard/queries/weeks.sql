-- The weeks that have a ranking by :measure, the latest first.
select distinct week_start
from marts.weekly_popular_releases
where measure = :measure
order by week_start desc
