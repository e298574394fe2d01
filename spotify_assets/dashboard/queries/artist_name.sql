-- How :artist_id is credited, on the latest release that names the artist.
select
    coalesce(
        artist_names[array_position(artist_ids, cast(:artist_id as text))],
        album_artist_names[array_position(album_artist_ids, cast(:artist_id as text))]
    ) as artist_name
from marts.track_catalog
where
    artist_ids @> array[cast(:artist_id as text)]
    or album_artist_ids @> array[cast(:artist_id as text)]
order by release_date desc nulls last, album_id asc, track_id asc
limit 1
