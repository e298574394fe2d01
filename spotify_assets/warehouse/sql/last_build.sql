-- The latest build of :mart, where its table is still there.
select
    as_of,
    rows,
    whole_as_of,
    code,
    seen,
    cluster
from marts.builds
where mart = :mart and to_regclass('marts.' || quote_ident(:mart)) is not null
