-- Views and other objects that stand on a table and would be lost with it.
with dependencies as (
    select
        classid,
        objid,
        refobjid
    from pg_depend
    where
        refclassid = cast('pg_class' as regclass)
        and refobjid = to_regclass(:mart)
        and deptype = 'n'
)

select distinct
    case
        when pg_rewrite.ev_class is not null then cast(cast(pg_rewrite.ev_class as regclass) as text)
        else pg_describe_object(dependencies.classid, dependencies.objid, 0)
    end as dependent
from dependencies
left join pg_rewrite
    on dependencies.objid = pg_rewrite.oid and dependencies.classid = cast('pg_rewrite' as regclass)
left join pg_constraint
    on dependencies.objid = pg_constraint.oid and dependencies.classid = cast('pg_constraint' as regclass)
-- A check of the table itself counts as standing on its columns.
where pg_constraint.conrelid is distinct from dependencies.refobjid
order by dependent
