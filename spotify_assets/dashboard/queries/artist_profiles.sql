-- The audio features of each of :artists.
select
    artist_id,
    feature,
    artist_name,
    tracks,
    n,
    mean,
    median,
    stddev,
    p25,
    p75,
    z_vs_all,
    as_of
from marts.artist_feature_profile
where artist_id = any(cast(:artists as text[]))
