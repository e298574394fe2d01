-- Names of artists as they stand in credits: all that is known of them to keys that get no more.
with credited as (
    select
        credit.artist_id,
        credit.name
    from spotify.releases
    cross join lateral unnest(releases.artist_ids, releases.artist_names) as credit (artist_id, name)
    union all
    select
        credit.artist_id,
        credit.name
    from spotify.tracks
    cross join lateral unnest(tracks.artist_ids, tracks.artist_names) as credit (artist_id, name)
)

select
    credited.artist_id,
    min(credited.name) as name
from credited
where credited.artist_id = any(:artist_ids)
group by credited.artist_id
order by credited.artist_id
