-- The releases of :artist_id, each with the latest popularity by :measure of the tracks that are the artist's: all of
-- them on a release of the artist's own, else those on which the artist is credited.
-- An index on artist_ids and one on album_artist_ids (both GIN) find them; without them, the whole catalog is read.
select
    album_id,
    album_name,
    album_type,
    release_date,
    release_date_precision,
    label,
    image_url,
    coalesce(album_artist_ids @> array[cast(:artist_id as text)], false) as is_own,
    cast(:measure as text) as measure,
    count(*) as tracks,
    count(*) filter (where artist_ids @> array[cast(:artist_id as text)]) as tracks_credited,
    count(*) filter (where features_status = 'measured') as tracks_with_features,
    count(case when cast(:measure as text) = 'deezer_rank' then deezer_rank else popularity end) as tracks_measured,
    cast(
        avg(case when cast(:measure as text) = 'deezer_rank' then deezer_rank else popularity end) as double precision
    ) as value_mean,
    max(case when cast(:measure as text) = 'deezer_rank' then deezer_rank else popularity end) as value_max
from marts.track_catalog
where
    artist_ids @> array[cast(:artist_id as text)]
    or album_artist_ids @> array[cast(:artist_id as text)]
group by
    album_id, album_name, album_type, release_date, release_date_precision, label, image_url, album_artist_ids
