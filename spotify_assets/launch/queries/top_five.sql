-- The five most popular new releases of the latest week that has a measurement: by Spotify's popularity, or where that
-- week has none of it, by Deezer's rank.
with latest as (
    select
        measured.measure,
        measured.week_start
    from marts.weekly_popular_releases as measured
    where measured.rank is not null
    order by measured.week_start desc, measured.measure desc
    limit 1
)

select
    ranked.week_start,
    ranked.measure,
    ranked.rank,
    ranked.name,
    array_to_string(ranked.artist_names, ', ') as artists,
    ranked.value_mean,
    ranked.tracks_measured,
    ranked.tracks
from marts.weekly_popular_releases as ranked
inner join latest
    on ranked.measure = latest.measure and ranked.week_start = latest.week_start
where ranked.rank <= 5
order by ranked.rank
