-- What the warehouse holds, in one row.
select
    (select count(*) from spotify.releases) as albums,
    (select count(*) from spotify.tracks) as tracks,
    (select count(*) from spotify.artists) as artists,
    (
        select count(*) from spotify.audio_features
        where status = 'measured'
    ) as with_features,
    (
        select count(*) from spotify.track_details
        where popularity is not null
    ) as with_popularity,
    (select count(*) from ops.set_aside) as set_aside,
    (select kind from ops.source) as source
