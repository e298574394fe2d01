-- Weeks whose ranking may be another since the build that saw :seen; of an album, all in which it is or was eligible.
with changed as (
    select
        source,
        item,
        day
    from ops.changed_since(cast(:seen as pg_snapshot))
),

albums as (
    select changed.item as album_id
    from changed
    where changed.source in ('spotify.new_releases', 'spotify.releases', 'spotify.tracks', 'deezer.albums')
    union
    select releases.album_id
    from spotify.releases
    cross join lateral unnest(releases.artist_ids) as credit (artist_id)
    inner join changed
        on credit.artist_id = changed.item
    where changed.source = 'spotify.artists'
)

select cast(date_trunc('week', cast(changed.day as timestamp)) as date) as week_start
from changed
where changed.source in ('spotify.popularity_snapshots', 'deezer.track_ranks')
union
select cast(date_trunc('week', cast(album_starts.new_since as timestamp)) as date) as week_start
from spotify.album_starts
where album_starts.album_id in (select albums.album_id from albums)
union
select weekly_popular_releases.week_start
from marts.weekly_popular_releases
where weekly_popular_releases.album_id in (select albums.album_id from albums)
union
-- Deezer's measure is there, in every week, as soon as Deezer was asked about any album, and only then.
select weekly_popular_releases.week_start
from marts.weekly_popular_releases
group by weekly_popular_releases.week_start
having bool_or(weekly_popular_releases.measure = 'deezer_rank') <> exists (select 1 from deezer.albums)
