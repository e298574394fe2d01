-- Tells the marts that read the mart :source that it was built whole.
insert into ops.changes (transaction_id, source)
values (cast(cast(pg_current_xact_id() as text) as bigint), :source)
