-- Albums whose tracks may stand otherwise in the catalog since the build that saw :seen.
with changed as (
    select
        source,
        item
    from ops.changed_since(cast(:seen as pg_snapshot))
)

select changed.item as album_id
from changed
where
    changed.source in (
        'spotify.new_releases', 'spotify.releases', 'spotify.tracks', 'spotify.audio_features',
        'spotify.track_details', 'deezer.albums', 'deezer.track_ranks'
    )
union
select tracks.album_id
from changed
inner join spotify.tracks
    on changed.item = tracks.track_id
where changed.source in ('spotify.popularity_snapshots', 'ops.feature_attempts')
union
select tracks.album_id
from spotify.tracks
cross join lateral unnest(tracks.artist_ids) as credit (artist_id)
inner join changed
    on credit.artist_id = changed.item
where changed.source = 'spotify.artists'
