-- The artists whose name holds a text, those with the most measured tracks first: a row of any one feature tells of them.
select
    artist_id,
    artist_name,
    tracks,
    n
from marts.artist_feature_profile
where feature = 'energy' and artist_name ilike :part_of_name
order by n desc, tracks desc, artist_id asc
limit :most
