-- How many tracks were measured by :measure in :week_start, how many of them in the week before as well, and how many of
-- those changed by at least :min_change.
select
    count(*) as measured,
    count(delta) as compared,
    count(*) filter (where delta >= :min_change) as rising,
    count(*) filter (where delta <= -:min_change) as falling,
    count(*) filter (where delta = 0) as unchanged
from marts.track_week
where week_start = :week_start and measure = :measure
