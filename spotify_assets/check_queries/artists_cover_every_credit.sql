-- Artists credited on an album and not loaded.
select distinct credited.artist_id
from spotify.releases as releases
cross join unnest(releases.artist_ids) as credited (artist_id)
where not exists (
    select 1 from spotify.artists as artists
    where artists.artist_id = credited.artist_id
)
