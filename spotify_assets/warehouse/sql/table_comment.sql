-- The comment on a table; null where there is none, or no such table.
select obj_description(to_regclass(:quoted_name), 'pg_class') as table_comment
