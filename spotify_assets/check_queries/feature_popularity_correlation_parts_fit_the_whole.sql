-- Correlations of a part of the tracks that rest on more of them than the one of all tracks, and those of all tracks
-- that rest on more than the catalog has with that measure. None where they were kept: they are of a catalog before
-- this one.
with catalogued as (
    select
        count(distinct track_catalog.track_id) filter (where track_catalog.popularity is not null) as with_popularity,
        count(distinct track_catalog.track_id) filter (where track_catalog.deezer_rank is not null) as with_rank
    from marts.track_catalog
)

select
    part.measure,
    part.scope,
    part.scope_value,
    part.feature,
    part.method,
    part.n
from marts.feature_popularity_correlation as part
cross join catalogued
left join marts.feature_popularity_correlation as whole
    on
        part.measure = whole.measure
        and part.feature = whole.feature
        and part.method = whole.method
        and whole.scope = 'all'
where
    (
        whole.n is null
        or part.n > whole.n
        or part.n
        > case part.measure when 'deezer_rank' then catalogued.with_rank else catalogued.with_popularity end
    )
    and exists (
        select 1
        from marts.builds as of_correlations
        inner join marts.builds as of_catalog
            on of_correlations.as_of >= of_catalog.as_of
        where of_correlations.mart = 'feature_popularity_correlation' and of_catalog.mart = 'track_catalog'
    )
