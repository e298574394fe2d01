-- Weeks of release of the albums that the catalog has otherwise since the build that saw :seen, before and after.
select distinct cast(date_trunc('week', cast(changed.day as timestamp)) as date) as week_start
from ops.changed_since(cast(:seen as pg_snapshot)) as changed
where changed.source = 'marts.track_catalog' and changed.day is not null
