-- Keeps the sums of marts.coverage as it was built at :as_of.
insert into ops.coverage_history (
    as_of,
    albums,
    albums_loaded,
    tracks,
    with_features,
    with_spotify_popularity,
    with_deezer_rank
)
select
    :as_of as as_of,
    coalesce(sum(coverage.albums), 0) as albums,
    coalesce(sum(coverage.albums_loaded), 0) as albums_loaded,
    coalesce(sum(coverage.tracks), 0) as tracks,
    coalesce(sum(coverage.features_spotify + coverage.features_reccobeats), 0) as with_features,
    coalesce(sum(coverage.with_spotify_popularity), 0) as with_spotify_popularity,
    coalesce(sum(coverage.with_deezer_rank), 0) as with_deezer_rank
from marts.coverage
on conflict (as_of) do nothing
