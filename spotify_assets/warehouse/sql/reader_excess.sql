-- What a role may do beyond reading :schemas, in words, and whether it may because everyone may.
with reader as (
    select *
    from pg_roles
    where rolname = :reader
),

schemas as (
    select
        oid,
        nspname
    from pg_namespace
    where nspname not like 'pg\_%' and nspname != 'information_schema'
),

relations as (
    select
        pg_class.oid,
        schemas.oid as schema_id,
        schemas.nspname,
        format('%I.%I', schemas.nspname, pg_class.relname) as relation
    from pg_class
    inner join schemas
        on pg_class.relnamespace = schemas.oid
    where pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
),

attributes as (
    select
        'has the attribute ' || given.attribute_name as excess,
        false as is_everyones
    from reader
    cross join
        lateral (
            values
            ('superuser', reader.rolsuper),
            ('createdb', reader.rolcreatedb),
            ('createrole', reader.rolcreaterole),
            ('replication', reader.rolreplication),
            ('bypassrls', reader.rolbypassrls)
        ) as given (attribute_name, is_given)
    where given.is_given
),

memberships as (
    select
        'is a member of ' || pg_get_userbyid(pg_auth_members.roleid) as excess,
        false as is_everyones
    from reader
    inner join pg_auth_members
        on reader.oid = pg_auth_members.member
),

possessions as (
    select distinct
        'owns something in a database of this server' as excess,
        false as is_everyones
    from reader
    inner join pg_shdepend
        on
            reader.oid = pg_shdepend.refobjid
            and pg_shdepend.refclassid = cast('pg_authid' as regclass)
            and pg_shdepend.deptype = 'o'
),

in_the_database as (
    select
        right_held.sentence as excess,
        has_database_privilege('public', current_database(), right_held.privilege) as is_everyones
    from reader
    cross join
        lateral (
            values
            ('create', 'may create schemas'),
            ('temporary', 'may create temporary tables')
        ) as right_held (privilege, sentence)
    where has_database_privilege(reader.oid, current_database(), right_held.privilege)
),

in_schemas as (
    select
        'may create objects in schema ' || quote_ident(schemas.nspname) as excess,
        has_schema_privilege('public', schemas.oid, 'create') as is_everyones
    from reader
    inner join schemas
        on has_schema_privilege(reader.oid, schemas.oid, 'create')
),

changes as (
    select
        'may change ' || relations.relation as excess,
        has_table_privilege('public', relations.oid, :changing)
        or has_any_column_privilege('public', relations.oid, 'insert, update') as is_everyones
    from reader
    inner join relations
        on
            has_table_privilege(reader.oid, relations.oid, :changing)
            or has_any_column_privilege(reader.oid, relations.oid, 'insert, update')
),

readings as (
    select
        'may read ' || relations.relation as excess,
        has_schema_privilege('public', relations.schema_id, 'usage')
        and has_any_column_privilege('public', relations.oid, 'select') as is_everyones
    from reader
    inner join relations
        on
            has_schema_privilege(reader.oid, relations.schema_id, 'usage')
            and has_any_column_privilege(reader.oid, relations.oid, 'select')
    where not relations.nspname = any(:schemas)
),

excesses as (
    select * from attributes
    union all
    select * from memberships
    union all
    select * from possessions
    union all
    select * from in_the_database
    union all
    select * from in_schemas
    union all
    select * from changes
    union all
    select * from readings
)

select
    excess,
    is_everyones
from excesses
order by excess
