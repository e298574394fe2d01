-- Artists credited on an album or a track that are not loaded, but for those that Spotify was asked for in vain.
with credited as (
    select unnest(releases.artist_ids) as artist_id from spotify.releases as releases
    union
    select unnest(tracks.artist_ids) as artist_id from spotify.tracks as tracks
)

select credited.artist_id
from credited
where
    not exists (
        select 1 from spotify.artists as artists
        where artists.artist_id = credited.artist_id
    )
    and not exists (
        select 1 from ops.set_aside as refused
        where refused.asset = 'spotify/artists' and refused.item_id = credited.artist_id
    )
