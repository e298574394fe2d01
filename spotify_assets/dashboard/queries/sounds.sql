-- The tracks with measured features that were released from :first_day to :last_day and sound as is asked, each once, as it
-- stands on the album that came out first; their popularity by :measure, within a range or, where :value_is_missing, not
-- measured. A tempo of 0 says that none was detected.
select distinct on (track_id)
    track_id,
    album_id,
    track_name,
    album_name,
    album_type,
    artist_ids,
    artist_names,
    release_date,
    duration_ms,
    explicit,
    isrc,
    label,
    genres,
    features_source,
    camelot,
    key_name,
    danceability,
    energy,
    loudness,
    speechiness,
    acousticness,
    instrumentalness,
    liveness,
    valence,
    nullif(tempo, 0) as tempo,
    case when :measure = 'spotify_popularity' then cast(popularity as integer) else deezer_rank end as value,
    case when :measure = 'spotify_popularity' then popularity_on else deezer_rank_on end as measured_on
from marts.track_catalog
where
    release_date between :first_day and :last_day
    and release_date_precision = 'day'
    and features_status = 'measured'
    and (cardinality(cast(:types as text[])) = 0 or album_type = any(cast(:types as text[])))
    and (cardinality(cast(:camelot as text[])) = 0 or camelot = any(cast(:camelot as text[])))
    and (cast(:explicit as boolean) is null or explicit = cast(:explicit as boolean))
    and (cast(:source as text) is null or features_source = cast(:source as text))
    and (cast(:genre as text) is null or cast(:genre as text) = any(genres))
    and (cast(:label as text) is null or label = cast(:label as text))
    and (
        cast(:min_danceability as double precision) is null
        or danceability >= cast(:min_danceability as double precision)
    )
    and (
        cast(:max_danceability as double precision) is null
        or danceability <= cast(:max_danceability as double precision)
    )
    and (
        cast(:min_energy as double precision) is null
        or energy >= cast(:min_energy as double precision)
    )
    and (
        cast(:max_energy as double precision) is null
        or energy <= cast(:max_energy as double precision)
    )
    and (
        cast(:min_loudness as double precision) is null
        or loudness >= cast(:min_loudness as double precision)
    )
    and (
        cast(:max_loudness as double precision) is null
        or loudness <= cast(:max_loudness as double precision)
    )
    and (
        cast(:min_speechiness as double precision) is null
        or speechiness >= cast(:min_speechiness as double precision)
    )
    and (
        cast(:max_speechiness as double precision) is null
        or speechiness <= cast(:max_speechiness as double precision)
    )
    and (
        cast(:min_acousticness as double precision) is null
        or acousticness >= cast(:min_acousticness as double precision)
    )
    and (
        cast(:max_acousticness as double precision) is null
        or acousticness <= cast(:max_acousticness as double precision)
    )
    and (
        cast(:min_instrumentalness as double precision) is null
        or instrumentalness >= cast(:min_instrumentalness as double precision)
    )
    and (
        cast(:max_instrumentalness as double precision) is null
        or instrumentalness <= cast(:max_instrumentalness as double precision)
    )
    and (
        cast(:min_liveness as double precision) is null
        or liveness >= cast(:min_liveness as double precision)
    )
    and (
        cast(:max_liveness as double precision) is null
        or liveness <= cast(:max_liveness as double precision)
    )
    and (
        cast(:min_valence as double precision) is null
        or valence >= cast(:min_valence as double precision)
    )
    and (
        cast(:max_valence as double precision) is null
        or valence <= cast(:max_valence as double precision)
    )
    and (
        cast(:min_tempo as double precision) is null
        or nullif(tempo, 0) >= cast(:min_tempo as double precision)
    )
    and (
        cast(:max_tempo as double precision) is null
        or nullif(tempo, 0) <= cast(:max_tempo as double precision)
    )
    and (
        cast(:min_seconds as integer) is null
        or duration_ms >= 1000 * cast(:min_seconds as integer)
    )
    and (
        cast(:max_seconds as integer) is null
        or duration_ms <= 1000 * cast(:max_seconds as integer)
    )
    and case
        when :value_is_missing
            then case when :measure = 'spotify_popularity' then popularity else deezer_rank end is null
        else
            (
                cast(:min_value as integer) is null
                or case when :measure = 'spotify_popularity' then popularity else deezer_rank end
                >= cast(:min_value as integer)
            )
            and (
                cast(:max_value as integer) is null
                or case when :measure = 'spotify_popularity' then popularity else deezer_rank end
                <= cast(:max_value as integer)
            )
    end
order by track_id asc, release_date asc, album_id collate "C" asc
