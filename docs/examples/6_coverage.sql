-- Question: How much of what was seen is loaded and measured, and what was not?
-- Reading: Ask this before the other five. `features_absent` was asked for and not there, `features_pending` could
--   not be asked for yet; both are null in the marts, never 0. The newest weeks have the most gaps: absent features
--   are asked for again after 1, 7, 30 and 90 days. A measure that covers less is no lower popularity: albums that
--   Deezer does not have are `unmeasured` there. The week is that in which the albums were first seen: the first one
--   holds all that was new when loading began.
select
    coalesce(cast(week_start as text), 'all weeks') as week_start,
    sum(albums) as albums,
    sum(albums_loaded) as albums_loaded,
    sum(tracks) as tracks,
    round(100.0 * sum(features_spotify + features_reccobeats) / nullif(sum(tracks), 0), 1) as features_percent,
    sum(features_absent) as features_absent,
    sum(features_pending) as features_pending,
    round(100.0 * sum(with_spotify_popularity) / nullif(sum(tracks), 0), 1) as spotify_popularity_percent,
    round(100.0 * sum(with_deezer_rank) / nullif(sum(tracks), 0), 1) as deezer_rank_percent
from marts.coverage
group by rollup (week_start)
order by week_start asc;
