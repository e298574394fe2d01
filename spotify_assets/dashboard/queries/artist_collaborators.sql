-- Who is credited with :artist_id, whether first or not, and on how many tracks, each of which counts once.
with tracks_once as (
    select distinct on (track_id)
        track_id,
        artist_ids,
        artist_names,
        release_date,
        release_date_precision
    from marts.track_catalog
    where artist_ids @> array[cast(:artist_id as text)]
    order by track_id asc, release_date asc nulls last, album_id asc
),

-- Once, where an artist is named twice in one credit.
credits as (
    select distinct on (tracks_once.track_id, credit.artist_id)
        tracks_once.track_id,
        tracks_once.release_date,
        tracks_once.release_date_precision,
        credit.artist_id,
        credit.artist_name
    from tracks_once
    cross join
        lateral unnest(tracks_once.artist_ids, tracks_once.artist_names) as credit (artist_id, artist_name)
    order by tracks_once.track_id asc, credit.artist_id asc, credit.artist_name asc
),

together as (
    select
        artist_id,
        max(artist_name) as artist_name,
        count(*) as tracks,
        max(release_date) filter (where release_date_precision = 'day') as last_released_on
    from credits
    where artist_id <> :artist_id
    group by artist_id
)

select
    artist_id,
    artist_name,
    tracks,
    last_released_on,
    count(*) over () as collaborators,
    (select count(*) from tracks_once) as tracks_in_all
from together
order by tracks desc, artist_id asc
limit :most
