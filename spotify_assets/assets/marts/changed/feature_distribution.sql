-- True where more than a tenth of the albums, or of the tracks, were measured otherwise since the build that saw :seen.
with changed as (
    select
        count(distinct item) filter (where source = 'spotify.audio_features') as albums,
        count(distinct item) filter (where source = 'spotify.popularity_snapshots') as tracks
    from ops.changed_since(cast(:seen as pg_snapshot))
)

select
    changed.albums > 0.1 * (select count(*) from spotify.releases)
    or changed.tracks > 0.1 * (select count(*) from spotify.tracks) as is_due
from changed
