-- The quartiles of each of :features over all measured tracks: the lowest value that so large a share of them does not
-- exceed. An index on (feature, tracks_below) makes each a look-up; without it, each looks at the feature's values.
with wanted as (
    select name
    from unnest(cast(:features as text[])) as given (name)
),

sizes as (
    select
        wanted.name,
        sized.n
    from wanted
    cross join
        lateral (
            select feature_distribution.n
            from marts.feature_distribution
            where feature_distribution.feature = wanted.name
            order by feature_distribution.value asc
            limit 1
        ) as sized
),

quartiles as (
    select
        sizes.name,
        sizes.n,
        cast(quartile.part as double precision) as part,
        cast(ceil(quartile.part * sizes.n) as integer) as tracks_up_to
    from sizes
    cross join (values (0.25), (0.5), (0.75)) as quartile (part)
)

select
    quartiles.name,
    quartiles.n,
    quartiles.part,
    reached.value
from quartiles
cross join
    lateral (
        select feature_distribution.value
        from marts.feature_distribution
        where
            feature_distribution.feature = quartiles.name
            and feature_distribution.tracks_below < quartiles.tracks_up_to
        order by feature_distribution.tracks_below desc
        limit 1
    ) as reached
