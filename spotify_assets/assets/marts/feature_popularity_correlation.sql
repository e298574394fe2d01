-- Question: how do audio features go with popularity?
-- Grain:    one row per measure, scope (all tracks, week of release, album type, genre), audio feature and method.
-- Inputs:   marts.track_catalog, deezer.albums.
-- Refresh:  built whole from the inputs.
with build as (
    select cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day
),

measures as (
    select 'spotify_popularity' as measure
    union all
    select 'deezer_rank' as measure
    where exists (select 1 from deezer.albums)
),

-- A track that stands on several albums counts once, as it stands on the one that came out first; Deezer ranks it once
-- for each, and the highest is the track's.
tracks_once as (
    select distinct on (track_id)
        track_id,
        album_type,
        release_date,
        release_date_precision,
        genres,
        danceability,
        energy,
        loudness,
        speechiness,
        acousticness,
        instrumentalness,
        liveness,
        valence,
        tempo,
        popularity,
        max(deezer_rank) over (partition by track_id) as deezer_rank
    from marts.track_catalog
    order by track_id asc, release_date asc nulls last, album_id collate "C" asc
),

memberships as (
    select
        tracks_once.track_id,
        scoped.scope,
        scoped.scope_value
    from tracks_once
    cross join build
    cross join
        lateral (
            select
                'all' as scope,
                'all' as scope_value
            union all
            -- A date of month or year precision has no week.
            select
                'release_week' as scope,
                to_char(date_trunc('week', cast(tracks_once.release_date as timestamp)), 'YYYY-MM-DD') as scope_value
            where
                tracks_once.release_date_precision = 'day'
                and tracks_once.release_date <= build.as_of_day
            union all
            select
                'album_type' as scope,
                tracks_once.album_type as scope_value
            where tracks_once.album_type is not null
            union all
            select distinct
                'genre' as scope,
                genre.genre_name as scope_value
            from unnest(tracks_once.genres) as genre (genre_name)
        ) as scoped
),

features as (
    select
        feature.name,
        cast(feature.number as integer) as number
    from
        unnest(
            array[
                'danceability', 'energy', 'loudness', 'speechiness', 'acousticness', 'instrumentalness',
                'liveness', 'valence', 'tempo'
            ]
        ) with ordinality as feature (name, number)
),

scopes as (
    select
        scope,
        scope_value
    from memberships
    group by scope, scope_value
),

-- Numbered, so that the many comparisons below are of one number and not of four names.
combinations as (
    select
        measures.measure,
        scopes.scope,
        scopes.scope_value,
        features.name as feature,
        cast(
            row_number() over (order by measures.measure, scopes.scope, scopes.scope_value, features.number) as integer
        ) as combination
    from measures
    cross join scopes
    cross join features
),

-- Of the first feature; those of the others follow.
first_combinations as (
    select
        measure,
        scope,
        scope_value,
        min(combination) as combination
    from combinations
    group by measure, scope, scope_value
),

measured_tracks as (
    select
        track_id,
        'spotify_popularity' as measure,
        cast(popularity as integer) as value
    from tracks_once
    where popularity is not null
    union all
    select
        track_id,
        'deezer_rank' as measure,
        deezer_rank as value
    from tracks_once
    where deezer_rank is not null
),

-- Only tracks with both numbers: the ranks of each are among these.
pairs as (
    select
        first_combinations.combination + feature.place as combination,
        feature.value as x,
        cast(measured_tracks.value as double precision) as y
    from memberships
    inner join measured_tracks
        on memberships.track_id = measured_tracks.track_id
    inner join first_combinations
        on
            measured_tracks.measure = first_combinations.measure
            and memberships.scope = first_combinations.scope
            and memberships.scope_value = first_combinations.scope_value
    inner join tracks_once
        on memberships.track_id = tracks_once.track_id
    cross join
        lateral (
            values
            (0, tracks_once.danceability),
            (1, tracks_once.energy),
            (2, tracks_once.loudness),
            (3, tracks_once.speechiness),
            (4, tracks_once.acousticness),
            (5, tracks_once.instrumentalness),
            (6, tracks_once.liveness),
            (7, tracks_once.valence),
            -- A tempo of 0 says that none was detected.
            (8, nullif(tracks_once.tempo, 0))
        ) as feature (place, value)
    where feature.value is not null
),

-- Twice the mean rank, ties sharing it: whole numbers, whose sums are exact in any order.
ranked as (
    select
        combination,
        x,
        y,
        rank() over ascending_x + count(*) over ascending_x as rank_x,
        rank() over ascending_y + count(*) over ascending_y as rank_y
    from pairs
    window
        ascending_x as (partition by combination order by x),
        ascending_y as (partition by combination order by y)
),

-- Pearson's in the order of the values: a sum of doubles depends on it, and two builds must agree to the bit.
sums as (
    select
        combination,
        count(*) as n,
        min(x) < max(x) and min(y) < max(y) as varies,
        corr(y, x order by x, y) as pearson,
        count(*) * sum(rank_x * rank_y) - sum(rank_x) * sum(rank_y) as covariance,
        count(*) * sum(rank_x * rank_x) - sum(rank_x) * sum(rank_x) as variance_x,
        count(*) * sum(rank_y * rank_y) - sum(rank_y) * sum(rank_y) as variance_y
    from ranked
    group by combination
),

coefficients as (
    select
        combinations.measure,
        combinations.scope,
        combinations.scope_value,
        combinations.feature,
        coalesce(sums.n, 0) as n,
        case when sums.n >= 4 and sums.varies then sums.pearson end as pearson,
        case
            -- As numeric to the last step: what is perfect comes to exactly 1.
            when sums.n >= 4 and sums.varies
                then cast(sums.covariance / sqrt(sums.variance_x * sums.variance_y) as double precision)
        end as spearman
    from combinations
    left join sums
        on combinations.combination = sums.combination
),

correlations as (
    select
        coefficients.measure,
        coefficients.scope,
        coefficients.scope_value,
        coefficients.feature,
        method.name as method,
        coefficients.n,
        -- Rounding may carry it a bit past the ends; greatest would make a null one of them.
        case when method.r is not null then least(greatest(method.r, -1), 1) end as r,
        -- 1.96 standard errors of Fisher's z.
        1.959963984540054 / sqrt(nullif(greatest(coefficients.n - 3, 0), 0)) as half_width
    from coefficients
    cross join
        lateral (
            values
            ('pearson', coefficients.pearson),
            ('spearman', coefficients.spearman)
        ) as method (name, r)
),

final as (
    select
        measure,
        scope,
        scope_value,
        feature,
        method,
        r,
        -- At an end z is infinite, and the interval a point.
        case when abs(r) < 1 then tanh(atanh(r) - half_width) else r end as ci_low,
        case when abs(r) < 1 then tanh(atanh(r) + half_width) else r end as ci_high,
        cast(n as integer) as n,
        cast(:as_of as timestamptz) as as_of
    from correlations
)

select * from final
