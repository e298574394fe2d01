-- Weeks in which albums were first seen that were changed since the build that saw :seen, before and after.
with changed as (
    select
        source,
        item,
        day
    from ops.changed_since(cast(:seen as pg_snapshot))
),

albums as (
    select distinct changed.item as album_id
    from changed
    where changed.source in ('spotify.new_releases', 'spotify.releases', 'marts.track_catalog')
),

days as (
    select changed.day
    from changed
    where changed.source = 'spotify.new_releases'
    union
    select cast(new_releases.first_seen_at at time zone 'UTC' as date) as day
    from spotify.new_releases
    where new_releases.album_id in (select albums.album_id from albums)
    union
    -- Also of albums that were on no list until now: they were in the week in which they were loaded.
    select cast(releases.fetched_at at time zone 'UTC' as date) as day
    from spotify.releases
    where releases.album_id in (select albums.album_id from albums)
)

select cast(date_trunc('week', cast(days.day as timestamp)) as date) as week_start
from days
where days.day is not null
union
-- An album that was on no list and was loaded again: the week in which it was before is not known.
select coverage.week_start
from marts.coverage
where
    exists (
        select 1
        from changed
        where
            changed.source = 'spotify.releases'
            and changed.item not in (select new_releases.album_id from spotify.new_releases)
    )
