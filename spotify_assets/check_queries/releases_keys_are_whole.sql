-- Albums whose id is not 22 characters of base 62, or whose credits do not pair ids with names.
select
    releases.album_id,
    releases.artist_ids,
    releases.artist_names
from spotify.releases as releases
where
    releases.album_id !~ '^[0-9A-Za-z]{22}$'
    or cardinality(releases.artist_ids) <> cardinality(releases.artist_names)
    or cardinality(releases.artist_ids) = 0
