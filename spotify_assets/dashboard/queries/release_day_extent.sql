-- The first and the last day of release that there is.
select
    min(release_date) as first_day,
    max(release_date) as last_day
from marts.release_cadence
