-- Question: how do audio features compare across artists?
-- Grain:    one row per artist and audio feature, for every artist credited on a track, whether first or not.
-- Inputs:   marts.track_catalog, spotify.artists.
-- Refresh:  built whole from the inputs.
with tracks_once as (
    select distinct on (track_id)
        track_id,
        artist_ids,
        artist_names,
        danceability,
        energy,
        loudness,
        speechiness,
        acousticness,
        instrumentalness,
        liveness,
        valence,
        -- A tempo of 0 says that none was detected.
        nullif(tempo, 0) as tempo
    from marts.track_catalog
    order by track_id asc, album_id collate "C" asc
),

feature_values as (
    select
        tracks_once.track_id,
        feature.name,
        feature.value
    from tracks_once
    cross join
        lateral (
            values
            ('danceability', tracks_once.danceability),
            ('energy', tracks_once.energy),
            ('loudness', tracks_once.loudness),
            ('speechiness', tracks_once.speechiness),
            ('acousticness', tracks_once.acousticness),
            ('instrumentalness', tracks_once.instrumentalness),
            ('liveness', tracks_once.liveness),
            ('valence', tracks_once.valence),
            ('tempo', tracks_once.tempo)
        ) as feature (name, value)
),

-- Sums of doubles go in the order of the values: two builds must agree to the bit.
all_tracks as (
    select
        name,
        avg(value order by value) as mean,
        stddev_samp(value order by value) as stddev,
        min(value) < max(value) as varies
    from feature_values
    group by name
),

-- Once, where an artist is named twice in one credit.
credits as (
    select distinct
        credit.artist_id,
        tracks_once.track_id
    from tracks_once
    cross join lateral unnest(tracks_once.artist_ids) as credit (artist_id)
),

credited_as as (
    select
        credit.artist_id,
        credit.artist_name
    from tracks_once
    cross join
        lateral unnest(tracks_once.artist_ids, tracks_once.artist_names) as credit (artist_id, artist_name)
),

-- For artists that are not loaded yet; any one of the names, but the same one at each build.
credited_names as (
    select
        artist_id,
        max(artist_name collate "C") as artist_name
    from credited_as
    group by artist_id
),

profiles as (
    select
        credits.artist_id,
        feature_values.name,
        count(*) as tracks,
        count(feature_values.value) as n,
        avg(feature_values.value order by feature_values.value) as mean,
        percentile_cont(0.5) within group (order by feature_values.value) as median,
        case
            when count(feature_values.value) < 2 then null
            -- Of equal doubles the formula leaves a rest, where there is no spread at all.
            when min(feature_values.value) = max(feature_values.value) then 0
            else stddev_samp(feature_values.value order by feature_values.value)
        end as stddev,
        percentile_cont(0.25) within group (order by feature_values.value) as p25,
        percentile_cont(0.75) within group (order by feature_values.value) as p75
    from credits
    inner join feature_values
        on credits.track_id = feature_values.track_id
    group by credits.artist_id, feature_values.name
),

final as (
    select
        profiles.artist_id,
        profiles.name as feature,
        coalesce(artists.name, credited_names.artist_name) as artist_name,
        cast(profiles.tracks as integer) as tracks,
        cast(profiles.n as integer) as n,
        profiles.mean,
        profiles.median,
        profiles.stddev,
        profiles.p25,
        profiles.p75,
        case when all_tracks.varies then (profiles.mean - all_tracks.mean) / all_tracks.stddev end as z_vs_all,
        cast(:as_of as timestamptz) as as_of
    from profiles
    inner join all_tracks
        on profiles.name = all_tracks.name
    inner join credited_names
        on profiles.artist_id = credited_names.artist_id
    left join spotify.artists
        on profiles.artist_id = artists.artist_id
)

select * from final
