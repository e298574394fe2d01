-- The columns of a table in their order, with their types as Postgres spells them.
-- No row: there is no such table.
select
    attname as column_name,
    format_type(atttypid, atttypmod) as column_type,
    not attnotnull as is_nullable
from pg_catalog.pg_attribute
where attrelid = to_regclass(:quoted_name) and attnum > 0 and not attisdropped
order by attnum
