-- Tracks whose id is not 22 characters of base 62, whose credits do not pair ids with names, or that share their place
-- on the album with another.
select
    tracks.album_id,
    tracks.track_id
from (
    select
        placed.*,
        count(*) over (partition by placed.album_id, placed.disc_number, placed.track_number) as sharing
    from spotify.tracks as placed
) as tracks
where
    tracks.track_id !~ '^[0-9A-Za-z]{22}$'
    or cardinality(tracks.artist_ids) <> cardinality(tracks.artist_names)
    or cardinality(tracks.artist_ids) = 0
    or tracks.sharing > 1
