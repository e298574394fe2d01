-- Records that albums stand on a market's list of new releases: first_seen_at stays, the rest is as last seen.
-- :rows is a JSON array of sightings, :seen_at the time of the poll.
insert into spotify.new_releases as known (
    market,
    album_id,
    album_name,
    album_type,
    release_date,
    release_date_precision,
    position,
    first_seen_at,
    last_seen_at
)
select
    seen.market,
    seen.album_id,
    seen.album_name,
    seen.album_type,
    seen.release_date,
    seen.release_date_precision,
    seen.position,
    :seen_at as first_seen_at,
    :seen_at as last_seen_at
from
    jsonb_to_recordset(cast(:rows as jsonb)) as seen (
        market text,
        album_id text,
        album_name text,
        album_type text,
        release_date date,
        release_date_precision text,
        position integer
    )
order by seen.market, seen.album_id
on conflict (market, album_id) do update
    set
        album_name = excluded.album_name,
        album_type = excluded.album_type,
        release_date = excluded.release_date,
        release_date_precision = excluded.release_date_precision,
        position = excluded.position,
        last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
