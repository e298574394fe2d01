-- What the endpoints answered a client since :answered_since.
select
    endpoint,
    is_open
from ops.access
where client = :client and answered_at >= :answered_since
