-- Writes what was learned of tracks that had no audio features. :rows is a JSON array of features, :checked_at the time
-- at which they were asked for. Gives the albums whose rows changed from absent to measured.
with learned as (
    select answers.*
    from
        jsonb_to_recordset(cast(:rows as jsonb)) as answers (
            track_id text,
            status text,
            source text,
            danceability double precision,
            energy double precision,
            key smallint,
            loudness double precision,
            mode smallint,
            speechiness double precision,
            acousticness double precision,
            instrumentalness double precision,
            liveness double precision,
            valence double precision,
            tempo double precision,
            time_signature smallint
        )
),

changed as (
    update spotify.audio_features
    set
        status = learned.status,
        source = learned.source,
        danceability = learned.danceability,
        energy = learned.energy,
        key = learned.key,
        loudness = learned.loudness,
        mode = learned.mode,
        speechiness = learned.speechiness,
        acousticness = learned.acousticness,
        instrumentalness = learned.instrumentalness,
        liveness = learned.liveness,
        valence = learned.valence,
        tempo = learned.tempo,
        time_signature = learned.time_signature,
        checked_at = :checked_at
    from learned
    where audio_features.track_id = learned.track_id and audio_features.status = 'absent'
    returning audio_features.album_id, audio_features.status
)

select distinct changed.album_id
from changed
where changed.status = 'measured'
order by changed.album_id
