-- What is loaded and measured, by the week in which albums were first seen, the latest first.
select
    week_start,
    albums,
    albums_loaded,
    tracks,
    features_spotify,
    features_reccobeats,
    features_absent,
    features_pending,
    with_spotify_popularity,
    with_deezer_rank
from marts.coverage
order by week_start desc
