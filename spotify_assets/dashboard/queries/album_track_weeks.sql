-- Popularity of each track of :album_id by :measure, in the weeks in which it was measured.
select
    track_week.week_start,
    track_week.track_id,
    track_week.value
from marts.track_catalog
inner join marts.track_week
    on track_catalog.track_id = track_week.track_id
where track_catalog.album_id = :album_id and track_week.measure = :measure
order by track_week.week_start asc, track_catalog.disc_number asc, track_catalog.track_number asc
