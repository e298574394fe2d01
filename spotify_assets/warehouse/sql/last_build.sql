-- The latest build of :mart, where its table is still there. Transactions that this cluster has not come to are those of
-- another, though that be a copy of it, which has the same number.
select
    as_of,
    rows,
    whole_as_of,
    code,
    seen,
    case
        when pg_snapshot_xmax(cast(seen as pg_snapshot)) > pg_snapshot_xmax(pg_current_snapshot()) then 'a copy'
        else cluster
    end as cluster
from marts.builds
where mart = :mart and to_regclass('marts.' || quote_ident(:mart)) is not null
