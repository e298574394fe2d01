-- Question: Does the sound of new releases drift: are they more energetic than some weeks ago?
-- Reading: Look at the quartiles first: a median that wanders by some hundredths between them is no drift. `n` counts
--   tracks and not albums: where `largest_album`, its longest album's part of `n`, is most of it, the week is that
--   album; where `is_enough` is false, fewer than 30 tracks speak. Tracks without features (`tracks` less `n`) are
--   left out, and so are releases whose exact day is not known.
with albums as (
    select
        cast(date_trunc('week', cast(release_date as timestamp)) as date) as week_start,
        album_id,
        count(energy) as measured
    from marts.track_catalog
    where release_date_precision = 'day'
    group by week_start, album_id
),

albums_of_week as (
    select
        week_start,
        count(*) as albums,
        max(measured) as largest_album
    from albums
    group by week_start
)

select
    feature_week.week_start,
    albums_of_week.albums,
    albums_of_week.largest_album,
    feature_week.tracks,
    feature_week.n,
    round(cast(feature_week.p25 as numeric), 2) as p25,
    round(cast(feature_week.median as numeric), 2) as median,
    round(cast(feature_week.p75 as numeric), 2) as p75,
    feature_week.n >= 30 as is_enough
from marts.feature_week
inner join albums_of_week
    on feature_week.week_start = albums_of_week.week_start
where feature_week.feature = 'energy'
order by feature_week.week_start;
