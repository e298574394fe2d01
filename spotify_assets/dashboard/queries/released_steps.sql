-- The tracks released from :first_day to :last_day by steps of :x, with the mean and the quartiles of their :y; how
-- many of each step lie within the ranges; and, in the row without a step, how many have not both numbers.
with chosen as (
    select
        track_id,
        album_id,
        release_date,
        case cast(:x as text)
            when 'danceability' then danceability
            when 'energy' then energy
            when 'loudness' then loudness
            when 'speechiness' then speechiness
            when 'acousticness' then acousticness
            when 'instrumentalness' then instrumentalness
            when 'liveness' then liveness
            when 'valence' then valence
            -- A tempo of 0 says that none was detected.
            when 'tempo' then nullif(tempo, 0)
            when 'popularity' then cast(popularity as double precision)
            when 'deezer_rank' then cast(deezer_rank as double precision)
        end as x,
        case cast(:y as text)
            when 'danceability' then danceability
            when 'energy' then energy
            when 'loudness' then loudness
            when 'speechiness' then speechiness
            when 'acousticness' then acousticness
            when 'instrumentalness' then instrumentalness
            when 'liveness' then liveness
            when 'valence' then valence
            when 'tempo' then nullif(tempo, 0)
            when 'popularity' then cast(popularity as double precision)
            when 'deezer_rank' then cast(deezer_rank as double precision)
        end as y
    from marts.track_catalog
    where
        release_date between :first_day and :last_day
        and release_date_precision = 'day'
        and (cardinality(cast(:types as text[])) = 0 or album_type = any(cast(:types as text[])))
        and (cast(:genre as text) is null or cast(:genre as text) = any(genres))
        and (cast(:explicit as boolean) is null or explicit = cast(:explicit as boolean))
        and (cast(:source as text) is null or features_source = cast(:source as text))
),

-- Of a track that stands on several albums, the album on which it has both numbers, and the higher ones.
released as (
    select distinct on (track_id) *
    from chosen
    order by
        track_id asc,
        (x is null or y is null) asc,
        y desc nulls last,
        x desc nulls last,
        release_date asc,
        album_id collate "C" asc
),

stated as (
    select
        x,
        y,
        case
            when x is not null and y is not null
                then
                    cast(
                        least(
                            floor(x * cast(:steps_per_unit as double precision)), cast(:last_step as integer)
                        ) as integer
                    )
        end as step,
        coalesce(x < cast(:x_from as double precision), false)
        or coalesce(x > cast(:x_to as double precision), false)
        or coalesce(y < cast(:y_from as double precision), false)
        or coalesce(y > cast(:y_to as double precision), false) as is_outside
    from released
)

select
    step,
    cast(count(*) as integer) as n,
    cast(count(*) filter (where step is not null and not is_outside) as integer) as selected,
    cast(count(*) filter (where x is null) as integer) as without_x,
    cast(count(*) filter (where y is null) as integer) as without_y,
    avg(x order by x) as x_mean,
    avg(y order by y) as mean,
    percentile_cont(0.25) within group (order by y) as p25,
    percentile_cont(0.5) within group (order by y) as median,
    percentile_cont(0.75) within group (order by y) as p75
from stated
group by step
order by step
