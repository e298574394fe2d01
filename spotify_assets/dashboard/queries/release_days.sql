-- The releases from :first_day to :last_day, by day and format.
select
    release_date,
    album_type,
    releases,
    tracks,
    explicit_share,
    median_duration_ms
from marts.release_cadence
where
    release_date between :first_day and :last_day
    and (cardinality(cast(:types as text[])) = 0 or album_type = any(cast(:types as text[])))
order by release_date asc, album_type asc
