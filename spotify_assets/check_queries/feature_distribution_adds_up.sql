-- Features whose values do not add up to their tracks: by the numbers of tracks, or by those below.
with compared as (
    select
        feature_distribution.feature,
        feature_distribution.value,
        feature_distribution.n,
        feature_distribution.tracks_below,
        sum(feature_distribution.tracks) over smaller_values as tracks_so_far,
        sum(feature_distribution.tracks) over (partition by feature_distribution.feature) as tracks_in_all,
        feature_distribution.tracks
    from marts.feature_distribution
    window smaller_values as (partition by feature_distribution.feature order by feature_distribution.value)
)

select
    feature,
    value,
    tracks_below,
    n
from compared
where tracks_below <> tracks_so_far - tracks or n <> tracks_in_all
