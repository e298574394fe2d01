-- Question: Which artists are the most and the least energetic?
-- Reading: Only artists with at least 10 measured tracks are compared; `compared` says how many that leaves.
--   `z_vs_all` counts in standard deviations of single tracks, so that a mean of ten is rarely far out.
--   `standard_errors` asks whether chance would do: beyond 2 on either side falls one in twenty of artists who are
--   like all others, and here some dozens are compared. Every credited artist counts: a track of two is in both rows.
with profiles as (
    select
        artist_id,
        artist_name,
        tracks,
        n,
        mean,
        stddev,
        z_vs_all,
        count(*) over () as artists
    from marts.artist_feature_profile
    where feature = 'energy'
),

compared as (
    select
        *,
        concat(count(*) over (), ' of ', artists) as compared,
        row_number() over (order by z_vs_all desc, artist_id asc) as from_highest,
        row_number() over (order by z_vs_all asc, artist_id asc) as from_lowest
    from profiles
    where n >= 10 and z_vs_all is not null
)

select
    artist_name,
    tracks,
    n,
    round(cast(mean as numeric), 3) as mean,
    round(cast(stddev as numeric), 3) as stddev,
    round(cast(z_vs_all as numeric), 2) as z_vs_all,
    round(cast(z_vs_all * sqrt(n) as numeric), 1) as standard_errors,
    compared
from compared
where from_highest <= 4 or from_lowest <= 4
order by z_vs_all desc, artist_id asc;
