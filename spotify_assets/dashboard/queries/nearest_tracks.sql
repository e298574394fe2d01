-- The tracks that sound most like :track_id, among the :most measured ones that came out last: the root mean square of
-- the differences of the nine features, each in standard deviations among those tracks. A feature that one of the two
-- lacks is left out, a tempo of 0 as well: it says that none was detected.
with wanted as (
    select *
    from marts.track_catalog
    where track_id = :track_id
    order by release_date asc nulls last, album_id collate "C" asc
    limit 1
),

latest as (
    select
        album_id,
        track_id,
        track_name,
        album_name,
        artist_ids,
        artist_names,
        release_date,
        release_date_precision,
        isrc,
        features_status,
        features_source,
        key_name,
        camelot,
        danceability,
        energy,
        loudness,
        speechiness,
        acousticness,
        instrumentalness,
        liveness,
        valence,
        tempo
    from marts.track_catalog
    where release_date is not null and features_status = 'measured'
    order by release_date desc, album_id collate "C" asc, track_id collate "C" asc
    limit :most
),

candidates as (
    select distinct on (track_id collate "C") *
    from latest
    order by track_id collate "C" asc, release_date asc, album_id collate "C" asc
),

spreads as materialized (
    select
        nullif(stddev_samp(danceability), 0) as danceability,
        nullif(stddev_samp(energy), 0) as energy,
        nullif(stddev_samp(loudness), 0) as loudness,
        nullif(stddev_samp(speechiness), 0) as speechiness,
        nullif(stddev_samp(acousticness), 0) as acousticness,
        nullif(stddev_samp(instrumentalness), 0) as instrumentalness,
        nullif(stddev_samp(liveness), 0) as liveness,
        nullif(stddev_samp(valence), 0) as valence,
        nullif(stddev_samp(nullif(tempo, 0)), 0) as tempo
    from candidates
),

differences as (
    select
        candidates.track_id,
        (candidates.danceability - wanted.danceability) / spreads.danceability as danceability,
        (candidates.energy - wanted.energy) / spreads.energy as energy,
        (candidates.loudness - wanted.loudness) / spreads.loudness as loudness,
        (candidates.speechiness - wanted.speechiness) / spreads.speechiness as speechiness,
        (candidates.acousticness - wanted.acousticness) / spreads.acousticness as acousticness,
        (candidates.instrumentalness - wanted.instrumentalness) / spreads.instrumentalness as instrumentalness,
        (candidates.liveness - wanted.liveness) / spreads.liveness as liveness,
        (candidates.valence - wanted.valence) / spreads.valence as valence,
        (nullif(candidates.tempo, 0) - nullif(wanted.tempo, 0)) / spreads.tempo as tempo
    from candidates
    cross join wanted
    cross join spreads
),

-- Once for each track, and not once more for the filter and for the order.
distances as materialized (
    select
        track_id,
        sqrt(
            (
                coalesce(power(danceability, 2), 0)
                + coalesce(power(energy, 2), 0)
                + coalesce(power(loudness, 2), 0)
                + coalesce(power(speechiness, 2), 0)
                + coalesce(power(acousticness, 2), 0)
                + coalesce(power(instrumentalness, 2), 0)
                + coalesce(power(liveness, 2), 0)
                + coalesce(power(valence, 2), 0)
                + coalesce(power(tempo, 2), 0)
            )
            / nullif(
                num_nonnulls(
                    danceability,
                    energy,
                    loudness,
                    speechiness,
                    acousticness,
                    instrumentalness,
                    liveness,
                    valence,
                    tempo
                ),
                0
            )
        ) as distance
    from differences
),

extent as (
    select
        count(*) as candidates,
        min(release_date) as released_from,
        max(release_date) as released_to
    from candidates
)

select
    candidates.*,
    distances.distance,
    extent.candidates,
    extent.released_from,
    extent.released_to
from distances
inner join candidates
    on distances.track_id = candidates.track_id
cross join wanted
cross join extent
where
    distances.distance is not null
    and candidates.track_id <> wanted.track_id
    -- The same recording under another id is no find.
    and not coalesce(candidates.isrc = wanted.isrc, false)
order by distances.distance asc, candidates.track_id asc
limit :shown
