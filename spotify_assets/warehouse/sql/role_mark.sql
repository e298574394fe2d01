-- The comment on a role; no row where there is no such role.
select shobj_description(oid, 'pg_authid') as mark
from pg_roles
where rolname = :reader
