-- Artists credited on a release or track that are not in spotify.artists, leaving out those that Spotify lately said
-- it does not know, so that they do not cost a call at every run. :asked_since is the start of "lately".
-- Where :details_are_given, also those known by name alone, from a time when the key got no more, if not asked lately.
with credited as (
    select unnest(artist_ids) as artist_id from spotify.releases
    union
    select unnest(artist_ids) as artist_id from spotify.tracks
)

select credited.artist_id
from credited
left join spotify.artists as known
    on credited.artist_id = known.artist_id
where
    (
        known.artist_id is null
        or (
            :details_are_given
            and num_nonnulls(known.genres, known.followers, known.popularity) = 0
            and known.fetched_at < :asked_since
        )
    )
    and not exists (
        select 1 from ops.set_aside as refused
        where
            refused.asset = 'spotify/artists'
            and refused.item_id = credited.artist_id
            and refused.last_seen_at >= :asked_since
    )
order by credited.artist_id
