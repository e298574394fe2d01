-- Adds the ranks of a UTC day. :rows is a JSON array of ranks.
insert into deezer.track_ranks (album_id, track_id, measured_on, deezer_track_id, rank, isrc, matched_by)
select
    measured.album_id,
    measured.track_id,
    :measured_on as measured_on,
    measured.deezer_track_id,
    measured.rank,
    measured.isrc,
    measured.matched_by
from
    jsonb_to_recordset(cast(:rows as jsonb)) as measured (
        album_id text,
        track_id text,
        deezer_track_id bigint,
        rank integer,
        isrc text,
        matched_by text
    )
order by measured.album_id, measured.track_id
