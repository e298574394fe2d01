-- Which weeks, album types or genres the correlations of a :scope are of, the one with the most tracks first.
select
    scope_value,
    max(n) as n
from marts.feature_popularity_correlation
where
    measure = :measure
    and scope = :scope
    and method = :method
group by scope_value
order by max(n) desc, scope_value asc
