-- At most :most albums in their first eight weeks that Deezer was not asked about on :today (UTC), leaving out :tried;
-- those never asked about first, in any order, so that two runs seldom ask about the same ones.
select
    releases.album_id,
    releases.upc,
    known.deezer_album_id,
    count(*) over () as albums_due
from spotify.releases
inner join spotify.album_starts
    on releases.album_id = album_starts.album_id
left join deezer.albums as known
    on releases.album_id = known.album_id
where
    date_trunc('week', cast(album_starts.new_since as timestamp)) + interval '8 weeks' > :today
    and (known.album_id is null or cast(known.checked_at at time zone 'UTC' as date) < :today)
    and releases.album_id != all(cast(:tried as text[]))
order by known.checked_at asc nulls first, random()
limit :most
