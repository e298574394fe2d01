-- Records items of API answers that were not loaded. :rows is a JSON array of items, :seen_at the time they were met.
insert into ops.set_aside as known (asset, item_id, endpoint, reason, first_seen_at, last_seen_at)
select
    :asset as asset,
    item.item_id,
    min(item.endpoint) as endpoint,
    item.reason,
    :seen_at as first_seen_at,
    :seen_at as last_seen_at
from jsonb_to_recordset(cast(:rows as jsonb)) as item (item_id text, endpoint text, reason text)
group by item.item_id, item.reason
order by item.item_id, item.reason
on conflict (asset, item_id, reason) do update
    set endpoint = excluded.endpoint, last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
