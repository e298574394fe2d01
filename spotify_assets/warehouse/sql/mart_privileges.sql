-- Statements that give a newly built table the owner and the privileges of the table it replaces; where it replaces
-- none, those that default privileges give a table made in the schema: one that is moved there does not get them.
with swapped as (
    select
        to_regclass(:mart) as old_id,
        to_regclass(:built) as new_id,
        to_regnamespace(:schema) as schema_id,
        cast(:mart as text) as mart
),

-- What default privileges gave the new table, so that a right once revoked does not come back.
revokes as (
    select distinct
        1 as step,
        format(
            'revoke all on table %s from %s',
            swapped.mart,
            coalesce(quote_ident(pg_roles.rolname), 'public')
        ) as command
    from swapped
    inner join pg_class
        on swapped.new_id = pg_class.oid
    cross join lateral aclexplode(pg_class.relacl) as acl
    left join pg_roles
        on acl.grantee = pg_roles.oid
    where swapped.old_id is not null and acl.grantee != pg_class.relowner
),

owners as (
    select
        2 as step,
        format('alter table %s owner to %I', swapped.mart, pg_get_userbyid(old_class.relowner)) as command
    from swapped
    inner join pg_class as old_class
        on swapped.old_id = old_class.oid
    inner join pg_class as new_class
        on swapped.new_id = new_class.oid
    where old_class.relowner != new_class.relowner
),

table_privileges as (
    select
        swapped.mart,
        '' as column_list,
        acl.grantee,
        acl.privilege_type,
        acl.is_grantable
    from swapped
    inner join pg_class
        on swapped.old_id = pg_class.oid
    cross join lateral aclexplode(pg_class.relacl) as acl
    where acl.grantee != pg_class.relowner
),

column_privileges as (
    select
        swapped.mart,
        format(' (%I)', pg_attribute.attname) as column_list,
        acl.grantee,
        acl.privilege_type,
        acl.is_grantable
    from swapped
    inner join pg_attribute
        on swapped.old_id = pg_attribute.attrelid
    cross join lateral aclexplode(pg_attribute.attacl) as acl
    where not pg_attribute.attisdropped
),

default_privileges as (
    select
        swapped.mart,
        '' as column_list,
        acl.grantee,
        acl.privilege_type,
        acl.is_grantable
    from swapped
    inner join pg_class
        on swapped.new_id = pg_class.oid
    inner join pg_default_acl
        on
            swapped.schema_id = pg_default_acl.defaclnamespace
            and pg_class.relowner = pg_default_acl.defaclrole
            and pg_default_acl.defaclobjtype = 'r'
    cross join lateral aclexplode(pg_default_acl.defaclacl) as acl
    where swapped.old_id is null and acl.grantee != pg_class.relowner
),

held as (
    select * from table_privileges
    union all
    select * from column_privileges
    union all
    select * from default_privileges
),

grants as (
    select distinct
        3 as step,
        format(
            'grant %s%s on table %s to %s%s',
            held.privilege_type,
            held.column_list,
            held.mart,
            coalesce(quote_ident(pg_roles.rolname), 'public'),
            case when held.is_grantable then ' with grant option' else '' end
        ) as command
    from held
    left join pg_roles
        on held.grantee = pg_roles.oid
),

steps as (
    select * from revokes
    union all
    select * from owners
    union all
    select * from grants
)

select
    step,
    command
from steps
order by step, command
