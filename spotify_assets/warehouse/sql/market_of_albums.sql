-- The market in which each album was seen: of several, the one that stands first in :markets. Albums that were never
-- seen have no row.
select distinct on (seen.album_id)
    seen.album_id,
    seen.market
from spotify.new_releases as seen
where seen.album_id = any(:album_ids)
order by seen.album_id asc, array_position(cast(:markets as text[]), seen.market) asc nulls last, seen.market asc
