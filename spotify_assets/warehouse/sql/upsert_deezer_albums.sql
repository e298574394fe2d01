-- Adds or renews what Deezer says of albums. :rows is a JSON array of albums, :checked_at the time it was asked.
-- An album that Deezer does not answer any more keeps nothing of what it said before.
insert into deezer.albums (album_id, status, deezer_album_id, upc, label, genres, fans, checked_at)
select
    answered.album_id,
    answered.status,
    answered.deezer_album_id,
    answered.upc,
    answered.label,
    answered.genres,
    answered.fans,
    :checked_at as checked_at
from
    jsonb_to_recordset(cast(:rows as jsonb)) as answered (
        album_id text,
        status text,
        deezer_album_id bigint,
        upc text,
        label text,
        genres text[],
        fans bigint
    )
order by answered.album_id
on conflict (album_id) do update
    set
        status = excluded.status,
        deezer_album_id = excluded.deezer_album_id,
        upc = excluded.upc,
        label = excluded.label,
        genres = excluded.genres,
        fans = excluded.fans,
        checked_at = excluded.checked_at
