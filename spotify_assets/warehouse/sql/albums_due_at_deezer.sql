-- Albums in their first eight weeks that Deezer was not asked about on :today (UTC), those never asked about first.
-- An album is new since it was released or first seen, whichever is later (see marts/weekly_popular_releases.sql).
with sightings as (
    select
        album_id,
        cast(min(first_seen_at) at time zone 'UTC' as date) as first_seen_on
    from spotify.new_releases
    group by album_id
),

album_starts as (
    select
        releases.album_id,
        releases.upc,
        coalesce(
            greatest(releases.release_date, sightings.first_seen_on),
            cast(releases.fetched_at at time zone 'UTC' as date)
        ) as new_since
    from spotify.releases
    left join sightings
        on releases.album_id = sightings.album_id
)

select
    album_starts.album_id,
    album_starts.upc,
    known.deezer_album_id
from album_starts
left join deezer.albums as known
    on album_starts.album_id = known.album_id
where
    date_trunc('week', cast(album_starts.new_since as timestamp)) + interval '8 weeks' > :today
    and (known.album_id is null or cast(known.checked_at at time zone 'UTC' as date) < :today)
order by known.checked_at asc nulls first, album_starts.album_id asc
