-- True where the catalog has more than a hundredth of its albums otherwise since the build that saw :seen.
select count(distinct changed.item) > 0.01 * (select count(*) from spotify.releases) as is_due
from ops.changed_since(cast(:seen as pg_snapshot)) as changed
where changed.source = 'marts.track_catalog'
