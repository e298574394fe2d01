-- True where more than a tenth of the albums were measured otherwise since the build that saw :seen.
select count(distinct changed.item) > 0.1 * (select count(*) from spotify.releases) as is_due
from ops.changed_since(cast(:seen as pg_snapshot)) as changed
where changed.source in ('spotify.audio_features', 'spotify.popularity_snapshots')
