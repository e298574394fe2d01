-- The cover of each of :albums.
select distinct on (album_id)
    album_id,
    image_url
from marts.track_catalog
where album_id = any(cast(:albums as text[]))
order by album_id asc, track_id asc
