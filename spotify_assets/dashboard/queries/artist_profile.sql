-- The audio features of the tracks of :artist_id.
select
    artist_id,
    artist_name,
    feature,
    tracks,
    n,
    mean,
    median,
    stddev,
    p25,
    p75,
    z_vs_all
from marts.artist_feature_profile
where artist_id = :artist_id
