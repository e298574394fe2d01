-- Popularity outside 0-100, and ISRCs that are not twelve letters and digits.
select
    details.album_id,
    details.track_id,
    details.popularity,
    details.isrc
from spotify.track_details as details
where
    details.popularity not between 0 and 100
    or details.isrc !~ '^[A-Za-z0-9]{12}$'
