-- The audio features of the tracks released in each week from :first_week to :last_week, and of each median the mean
-- of it and the seven before. A week without any release has its rows, too.
with extent as (
    select min(week_start) as first_known
    from marts.feature_week
),

calendar as (
    select
        cast(weeks.monday as date) as week_start,
        features.feature
    from extent
    cross join
        generate_series(
            -- The seven before the first are in its mean.
            cast(greatest(cast(:first_week as date) - 49, extent.first_known) as timestamp),
            cast(:last_week as timestamp),
            interval '7 days'
        ) as weeks (monday)
    cross join
        unnest(
            array[
                'danceability', 'energy', 'loudness', 'speechiness', 'acousticness', 'instrumentalness',
                'liveness', 'valence', 'tempo'
            ]
        ) as features (feature)
),

averaged as (
    select
        calendar.week_start,
        calendar.feature,
        coalesce(feature_week.tracks, 0) as tracks,
        coalesce(feature_week.n, 0) as n,
        feature_week.mean,
        feature_week.median,
        feature_week.p25,
        feature_week.p75,
        case
            when count(feature_week.median) over eight_weeks = 8
                then avg(feature_week.median) over eight_weeks
        end as moving_mean
    from calendar
    left join marts.feature_week
        on calendar.week_start = feature_week.week_start and calendar.feature = feature_week.feature
    window
        eight_weeks as (
            partition by calendar.feature
            order by calendar.week_start
            rows between 7 preceding and current row
        )
)

select
    week_start,
    feature,
    tracks,
    n,
    p25,
    median,
    p75,
    mean,
    moving_mean,
    exists(
        select 1
        from marts.weekly_popular_releases
        where weekly_popular_releases.week_start = averaged.week_start
    ) as has_ranking
from averaged
where week_start >= cast(:first_week as date)
order by feature asc, week_start desc
