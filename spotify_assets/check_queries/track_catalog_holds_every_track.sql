-- Tracks that the catalog lacks although they were loaded before it was built, and tracks of the catalog that are on no
-- album any more. Albums that another run loaded since then are left out: the catalog cannot know them yet.
with latest_build as (
    select as_of
    from marts.builds
    where mart = 'track_catalog'
),

changed_since as (
    select distinct tracks.album_id
    from spotify.tracks as tracks
    cross join latest_build
    where tracks.fetched_at > latest_build.as_of
)

select
    coalesce(tracks.album_id, catalogued.album_id) as album_id,
    coalesce(tracks.track_id, catalogued.track_id) as track_id
from spotify.tracks as tracks
full join marts.track_catalog as catalogued
    on tracks.album_id = catalogued.album_id and tracks.track_id = catalogued.track_id
where
    (tracks.track_id is null or catalogued.track_id is null)
    and coalesce(tracks.album_id, catalogued.album_id) not in (select changed_since.album_id from changed_since)
