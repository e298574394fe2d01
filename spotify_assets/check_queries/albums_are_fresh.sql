-- Albums in their first eight weeks that Deezer was last asked about more than two days before :now, or never though
-- they were loaded before that: the daily run does not come, or Deezer does not answer. None where Deezer is switched
-- off (:deezer_is_asked).
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
        releases.fetched_at,
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
    asked.checked_at
from album_starts
left join deezer.albums as asked
    on album_starts.album_id = asked.album_id
where
    :deezer_is_asked
    and date_trunc('week', cast(album_starts.new_since as timestamp)) + interval '8 weeks'
    > cast(:now as timestamptz) at time zone 'UTC'
    and greatest(asked.checked_at, album_starts.fetched_at) < cast(:now as timestamptz) - interval '2 days'
