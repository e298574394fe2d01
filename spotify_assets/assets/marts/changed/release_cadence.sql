-- Days of release of the albums that were changed since the build that saw :seen, before and after.
with changed as (
    select
        source,
        item,
        day
    from ops.changed_since(cast(:seen as pg_snapshot))
)

select changed.day as release_date
from changed
where changed.source = 'spotify.releases' and changed.day is not null
union
select releases.release_date
from changed
inner join spotify.releases
    on changed.item = releases.album_id
where changed.source = 'spotify.tracks' and releases.release_date is not null
