-- Artists credited on a track of the catalog that have no profile of each of the nine features, and profiles of artists
-- that are credited on none.
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
where credited.artist_id is null or profiled.features is distinct from 9
