-- Tables of :inputs that were emptied or built whole since the build that saw :seen: anything may have changed in them.
select distinct changed.source
from ops.changed_since(cast(:seen as pg_snapshot)) as changed
where changed.item is null and changed.source = any(cast(:inputs as text[]))
order by changed.source
