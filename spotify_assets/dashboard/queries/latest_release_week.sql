-- The latest week in which a track was released, up to the day of the build.
select max(week_start) as week_start
from marts.feature_week
