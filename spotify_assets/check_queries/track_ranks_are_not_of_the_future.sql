-- Ranks dated after the UTC day of :now: a clock was wrong. The marts leave them out until that day comes.
select
    ranks.album_id,
    ranks.track_id,
    ranks.measured_on
from deezer.track_ranks as ranks
where ranks.measured_on > cast(cast(:now as timestamptz) at time zone 'UTC' as date)
