-- One lock for each partition, in sorted order: two runs that share partitions meet at the first of them.
select pg_advisory_xact_lock(:table_lock, sorted_locks.key_lock)
from (
    select key_locks.key_lock
    from unnest(cast(:key_locks as integer[])) with ordinality as key_locks (key_lock, place)
    order by key_locks.place
) as sorted_locks
