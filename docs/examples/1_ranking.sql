-- Question: Which new releases are the most popular this week, and how have they moved?
-- Reading: `value_mean` is the mean over the measured tracks: look at `tracks_measured` before you compare two
--   places, since a single's one track stands against an album's dozen, whose weaker ones pull the mean down. A place
--   can be lost without any loss of popularity, to what came in above. `ranked` says how many of the week's albums
--   have a place; the others are `unmeasured`, not unpopular. The week is the latest that has a ranking: on a Monday
--   morning the new one has only unmeasured albums.
with latest as (
    select max(week_start) as week_start
    from marts.weekly_popular_releases
    where measure = 'spotify_popularity' and rank is not null
),

ranking as (
    select
        weekly_popular_releases.*,
        concat(count(weekly_popular_releases.rank) over (), ' of ', count(*) over ()) as ranked
    from marts.weekly_popular_releases
    inner join latest
        on weekly_popular_releases.week_start = latest.week_start
    where weekly_popular_releases.measure = 'spotify_popularity'
)

select
    rank,
    previous_rank,
    status,
    name,
    array_to_string(artist_names, ', ') as artists,
    round(cast(value_mean as numeric), 1) as value_mean,
    concat(tracks_measured, ' of ', tracks) as tracks_measured,
    weeks_on_list,
    ranked
from ranking
where rank <= 10
order by rank;
