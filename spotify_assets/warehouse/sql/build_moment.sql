-- The transactions that can be seen now, and the cluster that counts them: of another one, the same numbers mean others.
select
    cast(pg_current_snapshot() as text) as seen,
    cast(system_identifier as text) as cluster
from pg_control_system()
