-- How many albums came out in one of :months or :years, which are told by their first days, on a day that is not known.
select count(distinct album_id) as albums
from marts.track_catalog
where
    release_date = any(cast(:months as date[]) || cast(:years as date[]))
    and (
        (release_date_precision = 'month' and release_date = any(cast(:months as date[])))
        or (release_date_precision = 'year' and release_date = any(cast(:years as date[])))
    )
    and (cardinality(cast(:types as text[])) = 0 or album_type = any(cast(:types as text[])))
