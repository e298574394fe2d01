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
    -- Of releases also the days on which they were loaded: of an album that was on no list until now, or is on none
    -- any more, nothing else tells of the week in which it was.
    select changed.day
    from changed
    where changed.source in ('spotify.new_releases', 'spotify.releases')
    union
    select cast(new_releases.first_seen_at at time zone 'UTC' as date) as day
    from spotify.new_releases
    where new_releases.album_id in (select albums.album_id from albums)
    union
    select cast(releases.fetched_at at time zone 'UTC' as date) as day
    from spotify.releases
    where releases.album_id in (select albums.album_id from albums)
)

-- What a clock ahead has seen is of the week of as_of, which is that of the build before: else all would be built.
select distinct
    least(
        cast(date_trunc('week', cast(days.day as timestamp)) as date),
        cast(date_trunc('week', builds.as_of at time zone 'UTC') as date)
    ) as week_start
from days
cross join marts.builds
where builds.mart = 'coverage' and days.day is not null
