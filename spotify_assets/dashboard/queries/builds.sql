-- When each mart was last built.
select
    mart,
    as_of,
    built_at,
    rows,
    extent,
    source
from marts.builds
