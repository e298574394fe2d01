-- Measured features outside of what the scale allows: 0-1, tempo up to 300 BPM, loudness from -100 to 20 dB.
select
    features.album_id,
    features.track_id
from spotify.audio_features as features
where
    features.status = 'measured'
    and (
        features.danceability not between 0 and 1
        or features.energy not between 0 and 1
        or features.speechiness not between 0 and 1
        or features.acousticness not between 0 and 1
        or features.instrumentalness not between 0 and 1
        or features.liveness not between 0 and 1
        or features.valence not between 0 and 1
        or features.tempo not between 0 and 300
        or features.loudness not between -100 and 20
        or features.time_signature not between 0 and 7
    )
