-- Notes what an endpoint answered a client.
insert into ops.access (client, endpoint, is_open, answered_at)
values (:client, :endpoint, :is_open, :answered_at)
on conflict (client, endpoint) do update
    set is_open = excluded.is_open, answered_at = excluded.answered_at
