-- Question: which new releases are the most popular each week?
-- Grain:    one row per week, measure and album that is new in that week (its first week and the 7 after, see
--           spotify.album_starts).
-- Inputs:   every table of the schemas spotify and deezer but audio_features and track_details.
-- Refresh:  the weeks from from_week to that of as_of, the mart's own week before telling of the earlier ones; null: all.
with build as (
    select
        cast(:from_week as date) as from_week,
        cast(cast(:as_of as timestamptz) at time zone 'UTC' as date) as as_of_day,
        cast(date_trunc('week', cast(:as_of as timestamptz) at time zone 'UTC') as date) as as_of_week
),

measures as (
    select 'spotify_popularity' as measure
    union all
    select 'deezer_rank' as measure
    where exists (select 1 from deezer.albums)
),

eligible_weeks as (
    select
        album_starts.album_id,
        cast(date_trunc('week', cast(album_starts.new_since as timestamp)) as date)
        + 7 * later.weeks_later as week_start
    from spotify.album_starts
    cross join generate_series(0, 7) as later (weeks_later)
),

track_counts as (
    select
        album_id,
        count(*) as tracks
    from spotify.tracks
    group by album_id
),

dated_snapshots as (
    select
        popularity_snapshots.track_id,
        popularity_snapshots.measured_on,
        popularity_snapshots.popularity,
        cast(date_trunc('week', cast(popularity_snapshots.measured_on as timestamp)) as date) as week_start
    from spotify.popularity_snapshots
    cross join build
    where
        popularity_snapshots.measured_on <= build.as_of_day
        and popularity_snapshots.measured_on >= coalesce(build.from_week, '-infinity')
),

last_snapshots as (
    select distinct on (track_id, week_start)
        track_id,
        week_start,
        popularity
    from dated_snapshots
    order by track_id asc, week_start asc, measured_on desc
),

dated_ranks as (
    select
        track_ranks.album_id,
        track_ranks.track_id,
        track_ranks.measured_on,
        track_ranks.rank,
        cast(date_trunc('week', cast(track_ranks.measured_on as timestamp)) as date) as week_start
    from deezer.track_ranks
    cross join build
    where
        track_ranks.measured_on <= build.as_of_day
        and track_ranks.measured_on >= coalesce(build.from_week, '-infinity')
),

last_ranks as (
    select distinct on (album_id, track_id, week_start)
        album_id,
        track_id,
        week_start,
        rank
    from dated_ranks
    order by album_id asc, track_id asc, week_start asc, measured_on desc
),

-- By track alone: a track that stands on several albums is measured once a day for all of them.
track_values as (
    select
        'spotify_popularity' as measure,
        tracks.album_id,
        last_snapshots.week_start,
        cast(last_snapshots.popularity as integer) as popularity
    from last_snapshots
    inner join spotify.tracks
        on last_snapshots.track_id = tracks.track_id
    union all
    select
        'deezer_rank' as measure,
        last_ranks.album_id,
        last_ranks.week_start,
        last_ranks.rank as popularity
    from last_ranks
    inner join spotify.tracks
        on last_ranks.album_id = tracks.album_id and last_ranks.track_id = tracks.track_id
),

-- One division of whole numbers: the mean does not depend on the order of the rows, as avg of doubles would.
album_values as (
    select
        measure,
        album_id,
        week_start,
        count(*) as tracks_measured,
        cast(sum(popularity) as double precision) / count(*) as value_mean,
        max(popularity) as value_max
    from track_values
    group by measure, album_id, week_start
),

listings as (
    select
        eligible_weeks.week_start,
        measures.measure,
        eligible_weeks.album_id,
        coalesce(album_values.tracks_measured, 0) as tracks_measured,
        album_values.value_mean,
        album_values.value_max
    from eligible_weeks
    cross join measures
    cross join build
    left join album_values
        on
            measures.measure = album_values.measure
            and eligible_weeks.album_id = album_values.album_id
            and eligible_weeks.week_start = album_values.week_start
    where
        eligible_weeks.week_start <= build.as_of_week
        and eligible_weeks.week_start >= coalesce(build.from_week, '-infinity')
),

-- The album id settles ties, by its bytes: the same on every server, whatever its language.
standings as (
    select
        *,
        case
            when value_mean is not null
                then row_number() over (
                    partition by measure, week_start
                    order by value_mean desc nulls last, value_max desc nulls last, album_id collate "C" asc
                )
        end as rank
    from listings
),

week_before as (
    select
        earlier.measure,
        earlier.album_id,
        earlier.rank,
        earlier.peak_rank,
        earlier.weeks_on_list
    from marts.weekly_popular_releases as earlier
    cross join build
    where earlier.week_start = build.from_week - 7
),

-- An album's eligible weeks have no gaps, so the row before is the calendar week before.
histories as (
    select
        standings.*,
        case
            when standings.week_start = build.from_week then week_before.rank
            else lag(standings.rank) over album_history
        end as previous_rank,
        -- The least of those that are not null.
        least(week_before.peak_rank, min(standings.rank) over album_history) as peak_rank,
        coalesce(week_before.weeks_on_list, 0) + count(standings.rank) over album_history as weeks_on_list
    from standings
    cross join build
    left join week_before
        on standings.measure = week_before.measure and standings.album_id = week_before.album_id
    window album_history as (partition by standings.measure, standings.album_id order by standings.week_start)
),

credited_genres as (
    select
        releases.album_id,
        genre.genre_name
    from spotify.releases
    cross join lateral unnest(releases.artist_ids) as credit (artist_id)
    inner join spotify.artists
        on credit.artist_id = artists.artist_id
    cross join lateral unnest(artists.genres) as genre (genre_name)
),

credit_genres as (
    select
        album_id,
        array_agg(distinct genre_name collate "C" order by genre_name collate "C") as genres
    from credited_genres
    group by album_id
),

final as (
    select
        histories.week_start,
        histories.measure,
        histories.album_id,
        releases.name,
        releases.artist_names,
        releases.album_type,
        releases.release_date,
        case
            when albums.status = 'found' and cardinality(albums.genres) > 0 then albums.genres
            else credit_genres.genres
        end as genres,
        coalesce(releases.label, albums.label) as label,
        cast(coalesce(track_counts.tracks, 0) as integer) as tracks,
        cast(histories.tracks_measured as integer) as tracks_measured,
        histories.value_mean,
        cast(histories.value_max as double precision) as value_max,
        cast(histories.rank as integer) as rank,
        cast(histories.previous_rank as integer) as previous_rank,
        cast(histories.peak_rank as integer) as peak_rank,
        cast(histories.weeks_on_list as integer) as weeks_on_list,
        case
            when histories.rank is null then 'unmeasured'
            when histories.weeks_on_list = 1 then 'new'
            when histories.previous_rank is null then 're-entry'
            when histories.rank < histories.previous_rank then 'up'
            when histories.rank > histories.previous_rank then 'down'
            else 'same'
        end as status
    from histories
    inner join spotify.releases
        on histories.album_id = releases.album_id
    left join track_counts
        on histories.album_id = track_counts.album_id
    left join deezer.albums
        on histories.album_id = albums.album_id
    left join credit_genres
        on histories.album_id = credit_genres.album_id
)

select * from final
