-- One row where the tracks of all weeks are not those of the catalog.
with counted as (
    select
        (select coalesce(sum(coverage.tracks), 0) from marts.coverage) as tracks,
        (select count(*) from marts.track_catalog) as tracks_in_catalog
)

select
    tracks,
    tracks_in_catalog
from counted
where tracks <> tracks_in_catalog
