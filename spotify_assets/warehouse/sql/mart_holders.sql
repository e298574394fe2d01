-- Sessions that hold a lock on a table, the oldest transaction first.
with locks as (
    select pid
    from pg_locks
    where
        locktype = 'relation'
        and relation = to_regclass(:mart)
        and granted
        and pid != pg_backend_pid()
)

select distinct
    locks.pid,
    coalesce(nullif(pg_stat_activity.application_name, ''), 'unnamed') as application_name,
    coalesce(pg_stat_activity.state, 'unknown') as activity,
    pg_stat_activity.xact_start
from locks
inner join pg_stat_activity
    on locks.pid = pg_stat_activity.pid and pg_stat_activity.datname = current_database()
order by pg_stat_activity.xact_start asc nulls last, locks.pid asc
