-- Question: of what was seen, how much is loaded and measured?
-- Grain:    one row per week in which albums were first seen on a list of new releases, or else first loaded.
-- Inputs:   spotify.new_releases, spotify.releases, marts.track_catalog.
-- Refresh:  the weeks weeks, up to that of as_of; null: all.
with build as (
    select cast(date_trunc('week', cast(:as_of as timestamptz) at time zone 'UTC') as date) as as_of_week
),

sightings as (
    select
        album_id,
        first_seen_at as seen_at
    from spotify.new_releases
    union all
    -- An album that was never on a list is one that somebody asked for.
    select
        album_id,
        fetched_at as seen_at
    from spotify.releases
    where album_id not in (select new_releases.album_id from spotify.new_releases)
),

-- What a clock ahead of as_of has seen is of the week of as_of: its tracks are in the catalog.
albums as (
    select
        sightings.album_id,
        least(
            cast(date_trunc('week', min(sightings.seen_at) at time zone 'UTC') as date), min(build.as_of_week)
        ) as week_start
    from sightings
    cross join build
    group by sightings.album_id
),

wanted as (
    select
        album_id,
        week_start
    from albums
    where
        cast(:weeks as date[]) is null
        or week_start = any(cast(:weeks as date[]))
),

tracks as (
    select
        track_catalog.album_id,
        count(track_catalog.track_id) as tracks,
        count(*) filter (where track_catalog.features_status = 'measured' and track_catalog.features_source = 'spotify')
            as features_spotify,
        count(*) filter (
            where track_catalog.features_status = 'measured' and track_catalog.features_source = 'reccobeats'
        ) as features_reccobeats,
        count(*) filter (where track_catalog.features_status = 'absent') as features_absent,
        count(*) filter (where track_catalog.features_status = 'pending') as features_pending,
        count(track_catalog.popularity) as with_spotify_popularity,
        count(track_catalog.deezer_rank) as with_deezer_rank
    from marts.track_catalog
    -- Not joined: how many albums are wanted is not foreseen, and each would be looked up by itself.
    where
        cast(:weeks as date[]) is null
        or track_catalog.album_id = any(array(
            select wanted.album_id
            from wanted
        ))
    group by track_catalog.album_id
),

final as (
    select
        wanted.week_start,
        cast(count(*) as integer) as albums,
        cast(count(releases.album_id) as integer) as albums_loaded,
        cast(coalesce(sum(tracks.tracks), 0) as integer) as tracks,
        cast(coalesce(sum(tracks.features_spotify), 0) as integer) as features_spotify,
        cast(coalesce(sum(tracks.features_reccobeats), 0) as integer) as features_reccobeats,
        cast(coalesce(sum(tracks.features_absent), 0) as integer) as features_absent,
        cast(coalesce(sum(tracks.features_pending), 0) as integer) as features_pending,
        cast(coalesce(sum(tracks.with_spotify_popularity), 0) as integer) as with_spotify_popularity,
        cast(coalesce(sum(tracks.with_deezer_rank), 0) as integer) as with_deezer_rank
    from wanted
    left join spotify.releases
        on wanted.album_id = releases.album_id
    left join tracks
        on wanted.album_id = tracks.album_id
    group by wanted.week_start
)

select * from final
