-- What an album of this warehouse comes with on average: tracks, and artists that no other album has.
select
    count(*) as albums,
    (select count(*) from spotify.tracks) as tracks,
    (select count(*) from spotify.artists) as artists
from spotify.releases
