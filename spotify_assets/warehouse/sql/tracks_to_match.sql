-- The tracks of albums as Spotify has them, each with the match that was made before, if any.
select
    tracks.album_id,
    tracks.track_id,
    tracks.disc_number,
    tracks.track_number,
    tracks.duration_ms,
    details.isrc,
    latest.deezer_track_id,
    latest.isrc as deezer_isrc,
    latest.matched_by
from spotify.tracks
left join spotify.track_details as details
    on tracks.album_id = details.album_id and tracks.track_id = details.track_id
left join lateral (
    select
        ranks.deezer_track_id,
        ranks.isrc,
        ranks.matched_by
    from deezer.track_ranks as ranks
    where ranks.album_id = tracks.album_id and ranks.track_id = tracks.track_id
    order by ranks.measured_on desc
    limit 1
) as latest on true
where tracks.album_id = any(:album_ids)
order by tracks.album_id, tracks.disc_number, tracks.track_number, tracks.track_id
