-- Weeks in which a measurement was added, changed or removed since the build that saw :seen.
select distinct cast(date_trunc('week', cast(changed.day as timestamp)) as date) as week_start
from ops.changed_since(cast(:seen as pg_snapshot)) as changed
where changed.source in ('spotify.popularity_snapshots', 'deezer.track_ranks')
