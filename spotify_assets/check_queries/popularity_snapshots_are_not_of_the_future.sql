-- Snapshots dated after the UTC day of :now: a clock was wrong. The marts leave them out until that day comes.
select
    snapshots.track_id,
    snapshots.measured_on
from spotify.popularity_snapshots as snapshots
where snapshots.measured_on > cast(cast(:now as timestamptz) at time zone 'UTC' as date)
