-- Shares of measured tracks that fell by more than 5 points between the last two builds: a table was emptied, a service
-- stopped answering, or the key lost its access. Of fewer than 1,000 tracks a share moves so much by chance.
with builds as (
    select
        coverage_history.*,
        row_number() over (order by coverage_history.as_of desc) as age
    from ops.coverage_history
),

shares as (
    select
        builds.age,
        builds.as_of,
        builds.tracks,
        counted.measurement,
        cast(counted.tracks_measured as double precision) / nullif(builds.tracks, 0) as measured_share
    from builds
    cross join
        lateral (
            values
            ('audio features', builds.with_features),
            ('Spotify popularity', builds.with_spotify_popularity),
            ('Deezer rank', builds.with_deezer_rank)
        ) as counted (measurement, tracks_measured)
    where builds.age <= 2
)

select
    latest.measurement,
    previous.measured_share as share_before,
    coalesce(latest.measured_share, 0) as share_now,
    previous.as_of as built_before
from shares as latest
inner join shares as previous
    on latest.measurement = previous.measurement and latest.age = 1 and previous.age = 2
where
    previous.tracks >= 1000
    and coalesce(latest.measured_share, 0) < previous.measured_share - 0.05
