-- Markets whose list was last seen more than a day before :now: the poll does not run, or the list is empty.
select
    sightings.market,
    max(sightings.last_seen_at) as last_seen_at
from spotify.new_releases as sightings
group by sightings.market
having max(sightings.last_seen_at) < :now - interval '24 hours'
