-- Popularity of :track_id by :measure, week by week, the latest first.
select
    week_start,
    measure,
    track_id,
    measured_on,
    value,
    previous,
    delta,
    percentile,
    tracks_measured
from marts.track_week
where track_id = :track_id and measure = :measure
order by week_start desc
