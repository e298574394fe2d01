-- The five most popular new releases of the latest week that has a measurement.
select
    ranked.week_start,
    ranked.rank,
    ranked.name,
    array_to_string(ranked.artist_names, ', ') as artists,
    ranked.value_mean,
    ranked.tracks_measured,
    ranked.tracks
from marts.weekly_popular_releases as ranked
where
    ranked.measure = 'spotify_popularity'
    and ranked.rank <= 5
    and ranked.week_start = (
        select max(measured.week_start) from marts.weekly_popular_releases as measured
        where measured.measure = 'spotify_popularity' and measured.rank is not null
    )
order by ranked.rank
