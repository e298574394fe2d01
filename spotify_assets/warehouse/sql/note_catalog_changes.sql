-- Tells the marts that read the catalog of the albums :album_ids, as they stand in it now.
insert into ops.changes (transaction_id, source, item, day)
select distinct
    cast(cast(pg_current_xact_id() as text) as bigint) as transaction_id,
    'marts.track_catalog' as source,
    track_catalog.album_id as item,
    track_catalog.release_date as day
from marts.track_catalog
where track_catalog.album_id = any(cast(:album_ids as text[]))
