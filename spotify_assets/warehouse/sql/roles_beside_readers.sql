-- Roles that can log in and may rely on what everyone may do in this database: neither the owner nor a reader.
select pg_roles.rolname as role_name
from pg_roles
cross join pg_database
where
    pg_database.datname = current_database()
    and pg_roles.rolcanlogin
    and not pg_roles.rolsuper
    and pg_roles.rolname not in (current_user, :reader)
    and not pg_has_role(pg_roles.oid, pg_database.datdba, 'member')
    and coalesce(shobj_description(pg_roles.oid, 'pg_authid'), '') not like :marks
order by role_name
