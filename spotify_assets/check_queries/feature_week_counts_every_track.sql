-- Weeks of release up to :now whose number of tracks is not the catalog's.
with released as (
    select
        cast(date_trunc('week', cast(track_catalog.release_date as timestamp)) as date) as week_start,
        count(distinct track_catalog.track_id) as tracks
    from marts.track_catalog
    where
        track_catalog.release_date_precision = 'day'
        and track_catalog.release_date <= cast(cast(:now as timestamptz) at time zone 'UTC' as date)
    group by week_start
),

built as (
    select
        feature_week.week_start,
        min(feature_week.tracks) as tracks,
        max(feature_week.tracks) as most_tracks
    from marts.feature_week
    group by feature_week.week_start
)

select
    coalesce(released.week_start, built.week_start) as week_start,
    released.tracks as tracks_in_catalog,
    built.tracks
from released
full join built
    on released.week_start = built.week_start
where
    released.tracks is distinct from built.tracks
    or built.tracks is distinct from built.most_tracks
