-- Albums in their first eight weeks at :today (UTC) whose track details were last read before :midnight, the start of that
-- day. Of an album none of whose tracks is known to Spotify there are no details: of these, those that did not say so
-- again since. An album without tracks has nothing to read.
select album_starts.album_id
from spotify.album_starts
left join lateral (
    select max(details.fetched_at) as read_at
    from spotify.track_details as details
    where details.album_id = album_starts.album_id
) as latest on true
where
    album_starts.new_since <= :today
    and date_trunc('week', cast(album_starts.new_since as timestamp)) + interval '8 weeks' > :today
    and (
        latest.read_at < :midnight
        or (
            latest.read_at is null
            and exists (
                select 1 from spotify.tracks
                where
                    tracks.album_id = album_starts.album_id
                    and not exists (
                        select 1 from ops.set_aside
                        where
                            set_aside.asset = 'spotify/track_details'
                            and set_aside.item_id = tracks.track_id
                            and set_aside.last_seen_at >= :midnight
                    )
            )
        )
    )
order by album_starts.album_id
