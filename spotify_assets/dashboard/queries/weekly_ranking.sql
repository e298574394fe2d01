-- The ranking of :week_start by :measure, without the albums that the filters leave out.
select
    ranking.week_start,
    ranking.measure,
    ranking.rank,
    ranking.status,
    ranking.previous_rank,
    ranking.peak_rank,
    ranking.weeks_on_list,
    ranking.album_id,
    ranking.name,
    ranking.artist_names,
    ranking.album_type,
    ranking.release_date,
    ranking.genres,
    ranking.label,
    ranking.tracks,
    ranking.tracks_measured,
    ranking.value_mean,
    ranking.value_max
from marts.weekly_popular_releases as ranking
where
    ranking.week_start = :week_start
    and ranking.measure = :measure
    and (cardinality(cast(:types as text[])) = 0 or ranking.album_type = any(cast(:types as text[])))
    and (cast(:genre as text) is null or cast(:genre as text) = any(ranking.genres))
    and (cast(:label as text) is null or ranking.label = cast(:label as text))
    and (cast(:min_tracks as integer) is null or ranking.tracks >= cast(:min_tracks as integer))
    and (cast(:min_value as integer) is null or ranking.value_mean >= cast(:min_value as integer))
    and (
        cast(:part_of_name as text) is null
        or ranking.name ilike cast(:part_of_name as text)
        or array_to_string(ranking.artist_names, ', ') ilike cast(:part_of_name as text)
    )
    and (
        cardinality(cast(:of_artists as text[])) = 0
        or exists (
            select 1
            from marts.track_catalog
            where
                track_catalog.album_id = ranking.album_id
                and track_catalog.album_artist_ids && cast(:of_artists as text[])
        )
    )
