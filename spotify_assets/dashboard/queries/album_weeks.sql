-- The ranking of :album_id by :measure, week by week, the latest first.
select
    week_start,
    measure,
    rank,
    status,
    previous_rank,
    peak_rank,
    weeks_on_list,
    tracks,
    tracks_measured,
    value_mean,
    value_max
from marts.weekly_popular_releases
where album_id = :album_id and measure = :measure
order by week_start desc
