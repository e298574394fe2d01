-- Adds or renews artists. :rows is a JSON array of artists, :fetched_at the time they were fetched.
insert into spotify.artists (artist_id, name, genres, followers, popularity, fetched_at)
select
    fetched.artist_id,
    fetched.name,
    fetched.genres,
    fetched.followers,
    fetched.popularity,
    :fetched_at as fetched_at
from
    jsonb_to_recordset(cast(:rows as jsonb)) as fetched (
        artist_id text,
        name text,
        genres text[],
        followers bigint,
        popularity smallint
    )
order by fetched.artist_id
on conflict (artist_id) do update
    set
        name = excluded.name,
        genres = excluded.genres,
        followers = excluded.followers,
        popularity = excluded.popularity,
        fetched_at = excluded.fetched_at
