-- How many tracks were released in the weeks from :first_day to :last_day, and how many of them have measured features.
select
    cast(coalesce(sum(tracks), 0) as integer) as tracks,
    cast(coalesce(sum(n), 0) as integer) as measured
from marts.feature_week
where week_start between :first_day and :last_day and feature = 'energy'
