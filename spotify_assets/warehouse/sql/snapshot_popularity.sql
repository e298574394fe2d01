-- Adds what track_details now says to the history. A re-run on the same UTC day replaces that day; older days stay.
-- Details fetched before the newest snapshots (less a day, for runs that cross midnight) are in the history already.
-- Nothing counts that is dated after :today (UTC): one snapshot of a clock that was wrong would else be the newest, and
-- keep out every measurement until its day has come.
insert into spotify.popularity_snapshots as known (track_id, album_id, measured_on, popularity)
select distinct on (details.track_id, (details.fetched_at at time zone 'UTC')::date)
    details.track_id,
    details.album_id,
    (details.fetched_at at time zone 'UTC')::date as measured_on,
    details.popularity
from spotify.track_details as details
where
    details.popularity is not null
    and (details.fetched_at at time zone 'UTC')::date <= :today
    and details.fetched_at at time zone 'UTC' >= (
        select coalesce(max(newest.measured_on) - 1, '-infinity'::date)
        from spotify.popularity_snapshots as newest
        where newest.measured_on <= :today
    )
order by
    details.track_id asc,
    (details.fetched_at at time zone 'UTC')::date asc,
    details.fetched_at desc,
    details.album_id asc
on conflict (track_id, measured_on) do update
    set album_id = excluded.album_id, popularity = excluded.popularity
    where (known.album_id, known.popularity) is distinct from (excluded.album_id, excluded.popularity)
