-- What the warehouse holds, in one row.
select
    (select count(*) from spotify.releases) as albums,
    (select count(*) from spotify.tracks) as tracks,
    (select count(*) from spotify.artists) as artists,
    (select count(*) filter (where status = 'measured') from spotify.audio_features) as with_features,
    (select count(*) filter (where status = 'absent') from spotify.audio_features) as absent,
    (select count(*) filter (where outcome = 'unanswered') from ops.feature_attempts) as unanswered,
    (select count(popularity) from spotify.track_details) as with_popularity,
    (select count(deezer_rank) from marts.track_catalog) as with_deezer_rank,
    (select count(*) from ops.set_aside) as set_aside,
    (select kind from ops.source) as source
