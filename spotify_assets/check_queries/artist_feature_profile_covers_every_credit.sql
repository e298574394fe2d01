-- Artists credited on a track of the catalog that have no profile of each of the nine features, and profiles of artists
-- that are credited on none. None where the profiles were kept: they are of a catalog before this one.
with credited as (
    select distinct credit.artist_id
    from marts.track_catalog
    cross join lateral unnest(track_catalog.artist_ids) as credit (artist_id)
),

profiled as (
    select
        artist_feature_profile.artist_id,
        count(*) as features
    from marts.artist_feature_profile
    group by artist_feature_profile.artist_id
)

select
    coalesce(credited.artist_id, profiled.artist_id) as artist_id,
    coalesce(profiled.features, 0) as features
from credited
full join profiled
    on credited.artist_id = profiled.artist_id
where
    (credited.artist_id is null or profiled.features is distinct from 9)
    and exists (
        select 1
        from marts.builds as of_profiles
        inner join marts.builds as of_catalog
            on of_profiles.as_of >= of_catalog.as_of
        where of_profiles.mart = 'artist_feature_profile' and of_catalog.mart = 'track_catalog'
    )
