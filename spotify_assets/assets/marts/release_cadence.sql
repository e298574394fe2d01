-- Question: on which days, and in which format, is music released?
-- Grain:    one row per day of release and album type; releases without an exact day are left out.
-- Inputs:   spotify.releases, spotify.tracks.
-- Refresh:  the days days, up to the UTC day of as_of; null: all.
with build as (
    select cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day
),

released as (
    select
        releases.album_id,
        releases.release_date,
        releases.album_type
    from spotify.releases
    cross join build
    where
        releases.release_date_precision = 'day'
        and releases.release_date <= build.as_of_day
        and (
            cast(:days as date[]) is null
            or releases.release_date = any(cast(:days as date[]))
        )
),

final as (
    select
        released.release_date,
        released.album_type,
        cast(count(distinct released.album_id) as integer) as releases,
        cast(count(tracks.track_id) as integer) as tracks,
        cast(count(*) filter (where tracks.explicit) as double precision)
        / cast(nullif(count(tracks.track_id), 0) as double precision) as explicit_share,
        percentile_cont(0.5) within group (order by cast(tracks.duration_ms as double precision))
            as median_duration_ms
    from released
    left join spotify.tracks
        on released.album_id = tracks.album_id
    group by released.release_date, released.album_type
)

select * from final
