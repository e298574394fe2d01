-- The tracks whose popularity by :measure changed most from the calendar week before to :week_start: of each direction the
-- :most_each that changed most, by at least :min_change, as they stand on the album that came out first; of each album
-- only the one that changed most, unless :all_tracks.
with changes as (
    (
        select
            track_id,
            measured_on,
            value,
            previous,
            delta
        from marts.track_week
        where
            week_start = :week_start
            and measure = :measure
            and delta >= :min_change
            and :with_rising
        order by delta desc, track_id asc
        limit :most_each
    )
    union all
    (
        select
            track_id,
            measured_on,
            value,
            previous,
            delta
        from marts.track_week
        where
            week_start = :week_start
            and measure = :measure
            and delta <= -:min_change
            and :with_falling
        order by delta asc, track_id asc
        limit :most_each
    )
),

standings as (
    select
        changes.*,
        track_catalog.album_id,
        track_catalog.track_name,
        track_catalog.album_name,
        track_catalog.album_type,
        track_catalog.artist_ids,
        track_catalog.artist_names,
        track_catalog.release_date
    from changes
    inner join marts.track_catalog
        on changes.track_id = track_catalog.track_id
),

tracks_once as (
    select distinct on (track_id) *
    from standings
    order by track_id asc, release_date asc nulls last, album_id collate "C" asc
),

placed as (
    select
        *,
        abs(delta) as moved,
        row_number() over (partition by album_id order by abs(delta) desc, track_id asc) as place
    from tracks_once
)

select
    placed.track_id,
    placed.track_name,
    placed.album_id,
    placed.album_name,
    placed.album_type,
    placed.artist_ids,
    placed.artist_names,
    placed.release_date,
    placed.measured_on,
    placed.previous,
    placed.value,
    placed.delta,
    placed.moved,
    cast(earlier.weeks as integer) as earlier_weeks,
    earlier.mean as earlier_mean,
    placed.delta - earlier.mean as above_earlier
from placed
cross join
    lateral (
        select
            count(own.delta) as weeks,
            cast(avg(own.delta) as double precision) as mean
        from marts.track_week as own
        where
            own.track_id = placed.track_id
            and own.measure = :measure
            and own.week_start between cast(:week_start as date) - 28 and cast(:week_start as date) - 7
    ) as earlier
where :all_tracks or placed.place = 1
