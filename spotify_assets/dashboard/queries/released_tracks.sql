-- The tracks released from :first_day to :last_day that have both :x and :y, within the ranges, at most :sample of them:
-- always the same ones, by lot. Each comes with its step of :x, and where it lies among those of the step, whose means
-- and quartiles are in :steps, :means, :lower_quartiles and :upper_quartiles.
with chosen as (
    select
        track_id,
        track_name,
        artist_names,
        album_id,
        album_name,
        album_type,
        release_date,
        features_source,
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

selected as (
    select *
    from released
    where
        x is not null
        and y is not null
        and (cast(:x_from as double precision) is null or x >= cast(:x_from as double precision))
        and (cast(:x_to as double precision) is null or x <= cast(:x_to as double precision))
        and (cast(:y_from as double precision) is null or y >= cast(:y_from as double precision))
        and (cast(:y_to as double precision) is null or y <= cast(:y_to as double precision))
),

sample as (
    select *
    from selected
    order by hashtextextended(track_id, 0) asc, track_id asc
    limit :sample
),

steps as (
    select
        step.number,
        step.mean,
        step.p25,
        step.p75
    from
        unnest(
            cast(:steps as integer[]),
            cast(:means as double precision[]),
            cast(:lower_quartiles as double precision[]),
            cast(:upper_quartiles as double precision[])
        ) as step (number, mean, p25, p75)
)

select
    sample.track_id,
    sample.track_name,
    sample.artist_names,
    sample.album_id,
    sample.album_name,
    sample.album_type,
    sample.release_date,
    sample.features_source,
    sample.x,
    sample.y,
    sample.y - steps.mean as from_mean,
    -- By Tukey's fences: farther from the middle half than one and a half times its width.
    case
        when sample.y > steps.p75 + 1.5 * (steps.p75 - steps.p25) then 'above'
        when sample.y < steps.p25 - 1.5 * (steps.p75 - steps.p25) then 'below'
        when steps.number is not null then 'within'
    end as stands_out,
    greatest(sample.y - steps.p75, steps.p25 - sample.y) / nullif(steps.p75 - steps.p25, 0) as distance
from sample
left join steps
    on
        steps.number
        = least(floor(sample.x * cast(:steps_per_unit as double precision)), cast(:last_step as integer))
