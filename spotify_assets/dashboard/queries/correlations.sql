-- How each audio feature goes with :measure among the tracks of a scope, the closest first.
select
    cast(row_number() over (order by abs(r) desc nulls last, feature asc) as integer) as place,
    measure,
    scope,
    scope_value,
    feature,
    method,
    r,
    ci_low,
    ci_high,
    n,
    as_of
from marts.feature_popularity_correlation
where
    measure = :measure
    and scope = :scope
    and scope_value = :scope_value
    and method = :method
