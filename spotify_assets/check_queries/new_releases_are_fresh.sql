-- Markets of the settings (:markets) whose list was never seen, or last seen more than a day before :now: the poll does
-- not run, or the list is empty. A market that was taken out of the settings is polled no more and may grow old.
select
    watched.market,
    max(sightings.last_seen_at) as last_seen_at
from unnest(cast(:markets as text[])) as watched (market)
left join spotify.new_releases as sightings on watched.market = sightings.market
group by watched.market
having coalesce(max(sightings.last_seen_at) < cast(:now as timestamptz) - interval '24 hours', true)
