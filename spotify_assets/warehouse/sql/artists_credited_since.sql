-- How many artists are credited on the releases and tracks that were fetched since :since.
with credited as (
    select unnest(artist_ids) as artist_id from spotify.releases
    where fetched_at >= :since
    union
    select unnest(artist_ids) as artist_id from spotify.tracks
    where fetched_at >= :since
)

select count(*) as artists from credited
