-- Albums in their first eight weeks that Deezer was last asked about more than two days before :now, or never though
-- they were loaded before that: the daily run does not come, or Deezer does not answer. None where Deezer is switched
-- off (:deezer_is_asked).
select
    releases.album_id,
    asked.checked_at
from spotify.releases
inner join spotify.album_starts
    on releases.album_id = album_starts.album_id
left join deezer.albums as asked
    on releases.album_id = asked.album_id
where
    :deezer_is_asked
    and date_trunc('week', cast(album_starts.new_since as timestamp)) + interval '8 weeks'
    > cast(:now as timestamptz) at time zone 'UTC'
    and greatest(asked.checked_at, releases.fetched_at) < cast(:now as timestamptz) - interval '2 days'
