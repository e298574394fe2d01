-- The artists with measured tracks whose albums lead the ranking of :week_start by :measure, in its order.
with first_albums as (
    select
        album_id,
        rank
    from marts.weekly_popular_releases
    where week_start = :week_start and measure = :measure and rank <= :most
),

credits as (
    select
        first_albums.rank,
        catalog_row.album_artist_ids
    from first_albums
    cross join
        lateral (
            select track_catalog.album_artist_ids
            from marts.track_catalog
            where track_catalog.album_id = first_albums.album_id
            order by track_catalog.track_id asc
            limit 1
        ) as catalog_row
),

artists as (
    select
        artist.artist_id,
        min(credits.rank) as rank
    from credits
    cross join lateral unnest(credits.album_artist_ids) as artist (artist_id)
    group by artist.artist_id
)

select
    artists.artist_id,
    profile.artist_name,
    profile.tracks,
    profile.n
from artists
inner join marts.artist_feature_profile as profile
    on artists.artist_id = profile.artist_id and profile.feature = 'energy'
order by artists.rank asc, artists.artist_id asc
limit :most
