-- Albums in their first eight weeks that Deezer was not asked about on :today (UTC), those never asked about first.
select
    releases.album_id,
    releases.upc,
    known.deezer_album_id
from spotify.releases
inner join spotify.album_starts
    on releases.album_id = album_starts.album_id
left join deezer.albums as known
    on releases.album_id = known.album_id
where
    date_trunc('week', cast(album_starts.new_since as timestamp)) + interval '8 weeks' > :today
    and (known.album_id is null or cast(known.checked_at at time zone 'UTC' as date) < :today)
order by known.checked_at asc nulls first, releases.album_id asc
