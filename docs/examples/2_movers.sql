-- Question: Which tracks rose and fell the most since last week?
-- Reading: Of each album only the track that moved most is shown, since its tracks move together and would fill the
--   list. What rises most came out days ago: compare tracks of one age (`released_on`; null where the day is not
--   known) before you call it a success. `compared` says how many of the week's measured tracks were measured in the
--   week before as well; the others have no `delta`, which is not a delta of 0.
with latest as (
    select max(week_start) as week_start
    from marts.track_week
    where measure = 'spotify_popularity' and delta is not null
),

-- A track may stand on several albums; it moves once.
tracks as (
    select distinct on (track_id)
        track_id,
        track_name,
        album_id,
        album_name,
        artist_names,
        case when release_date_precision = 'day' then release_date end as released_on
    from marts.track_catalog
    order by track_id asc, release_date asc nulls last, album_id asc
),

moves as (
    select
        tracks.*,
        track_week.previous,
        track_week.value,
        track_week.delta,
        concat(count(*) over (), ' of ', track_week.tracks_measured) as compared,
        row_number() over (
            partition by tracks.album_id, sign(track_week.delta)
            order by abs(track_week.delta) desc, track_week.value desc, track_week.track_id asc
        ) as place_on_album
    from marts.track_week
    inner join latest
        on track_week.week_start = latest.week_start
    inner join tracks
        on track_week.track_id = tracks.track_id
    where track_week.measure = 'spotify_popularity' and track_week.delta is not null
),

placed as (
    select
        *,
        row_number() over (partition by sign(delta) order by abs(delta) desc, value desc, track_id asc) as place
    from moves
    where delta <> 0 and place_on_album = 1
)

select
    track_name,
    album_name,
    array_to_string(artist_names, ', ') as artists,
    released_on,
    previous,
    value,
    delta,
    compared
from placed
where place <= 5
order by delta desc, value desc, track_id asc;
