-- Days and formats up to :now whose number of releases is not that of the albums loaded.
with loaded as (
    select
        releases.release_date,
        releases.album_type,
        count(*) as releases
    from spotify.releases
    where
        releases.release_date_precision = 'day'
        and releases.release_date <= cast(cast(:now as timestamptz) at time zone 'UTC' as date)
    group by releases.release_date, releases.album_type
)

select
    coalesce(loaded.release_date, built.release_date) as release_date,
    coalesce(loaded.album_type, built.album_type) as album_type,
    loaded.releases as albums_loaded,
    built.releases
from loaded
full join marts.release_cadence as built
    on loaded.release_date = built.release_date and loaded.album_type = built.album_type
where loaded.releases is distinct from built.releases
