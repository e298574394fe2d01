-- Who owns schemas, and the tables in them: whatever is made there later will most likely be theirs too.
select
    pg_namespace.nspname as schema_name,
    pg_get_userbyid(coalesce(pg_class.relowner, pg_namespace.nspowner)) as owner_name
from pg_namespace
left join pg_class
    on pg_namespace.oid = pg_class.relnamespace and pg_class.relkind in ('r', 'p', 'v', 'm')
where pg_namespace.nspname = any(:schemas)
union
select
    pg_namespace.nspname as schema_name,
    current_user as owner_name
from pg_namespace
where pg_namespace.nspname = any(:schemas)
order by schema_name, owner_name
