-- Albums in their first eight weeks, for two days or longer, with tracks that Spotify gave a popularity when last asked,
-- and whose latest snapshot is more than two days older than the UTC day of :now: they are not read again every day.
-- Tracks that Spotify gives none to are not waited for, nor is anything where the key gets none from it
-- (:popularity_is_given).
with build as (
    select cast(cast(:now as timestamptz) at time zone 'UTC' as date) as today
)

select
    album_starts.album_id,
    max(snapshots.measured_on) as last_measured_on
from spotify.album_starts
cross join build
inner join spotify.track_details as details
    on album_starts.album_id = details.album_id
left join spotify.popularity_snapshots as snapshots
    on details.track_id = snapshots.track_id and build.today >= snapshots.measured_on
where
    :popularity_is_given
    and details.popularity is not null
    and album_starts.new_since <= build.today - 2
    and date_trunc('week', cast(album_starts.new_since as timestamp)) + interval '8 weeks' > build.today
group by album_starts.album_id, build.today
having
    coalesce(max(snapshots.measured_on), min(cast(details.fetched_at at time zone 'UTC' as date)))
    < build.today - 2
