-- Albums number :first to :last of an invented catalogue of a year that ends on :today: twelve tracks each, and daily
-- measurements of those in their first eight weeks over the last :days days. Statements are separated by blank lines.
create temporary table numbered as
select
    number,
    left(translate(encode(sha256(convert_to('album ' || number, 'UTF8')), 'base64'), '+/=', 'xyz'), 22) as album_id,
    cast(:today as date) - case when number > 100000 then 0 else number * 7919 % 364 end as release_date,
    1 + cast(floor(power(random(), 2) * 40000) as integer) as artist,
    random() as height
from generate_series(cast(:first as integer), cast(:last as integer)) as number

insert into spotify.new_releases
select
    'US',
    album_id,
    'Album ' || number,
    case when number % 3 = 0 then 'single' else 'album' end,
    release_date,
    'day',
    1 + number % 100,
    release_date + interval '6 hours',
    release_date + interval '6 hours'
from numbered

insert into spotify.releases
select
    album_id,
    'Album ' || number,
    case when number % 3 = 0 then 'single' else 'album' end,
    release_date,
    'day',
    12,
    'Label ' || number % 500,
    null,
    lpad(cast(number as text), 13, '0'),
    'https://images.example/' || album_id,
    array['artist' || lpad(cast(artist as text), 16, '0')],
    array['Artist ' || artist],
    release_date + interval '7 hours'
from numbered

create temporary table numbered_tracks as
select
    numbered.album_id,
    numbered.number,
    numbered.release_date,
    numbered.artist,
    place,
    left(
        translate(encode(sha256(convert_to('track ' || numbered.number || ' ' || place, 'UTF8')), 'base64'), '+/=', 'xyz'),
        22
    ) as track_id,
    least(100, greatest(0, numbered.height * 80 + random() * 20)) as popularity,
    case when random() < 0.3 then 1 + cast(floor(random() * 40000) as integer) end as guest
from numbered
cross join generate_series(1, 12) as place

insert into spotify.tracks
select
    album_id,
    track_id,
    'Track ' || place,
    1,
    place,
    120000 + cast(floor(random() * 180000) as integer),
    random() < 0.3,
    true,
    array['artist' || lpad(cast(artist as text), 16, '0')]
    || case when guest is null then '{}' else array['artist' || lpad(cast(guest as text), 16, '0')] end,
    array['Artist ' || artist] || case when guest is null then '{}' else array['Artist ' || guest] end,
    release_date + interval '7 hours'
from numbered_tracks

insert into spotify.audio_features
select
    album_id,
    track_id,
    case when is_measured then 'measured' else 'absent' end,
    case when is_measured then 'spotify' end,
    case when is_measured then round(cast(random() as numeric), 3) end,
    case when is_measured then round(cast(random() as numeric), 3) end,
    case when is_measured then floor(random() * 12) end,
    case when is_measured then -round(cast(random() * 30 as numeric), 3) end,
    case when is_measured then floor(random() * 2) end,
    case when is_measured then round(cast(random() as numeric), 4) end,
    case when is_measured then round(cast(random() as numeric), 6) end,
    case when is_measured then round(cast(random() as numeric), 6) end,
    case when is_measured then round(cast(random() as numeric), 4) end,
    case when is_measured then round(cast(random() as numeric), 3) end,
    case when is_measured then round(cast(60 + random() * 120 as numeric), 3) end,
    case when is_measured then 4 end,
    release_date + interval '7 hours'
from (select *, random() < 0.8 as is_measured from numbered_tracks) as drawn

insert into spotify.track_details
select
    album_id,
    track_id,
    popularity,
    'USABC' || lpad(cast(number as text), 7, '0'),
    least(release_date + 55, cast(:today as date)) + interval '7 hours'
from numbered_tracks

insert into spotify.artists
select distinct
    'artist' || lpad(cast(credited as text), 16, '0'),
    'Artist ' || credited,
    array['genre ' || credited % 60, 'genre ' || credited % 7],
    1000,
    50,
    cast(:today as date) + interval '7 hours'
from (
    select artist as credited
    from numbered_tracks
    union
    select guest as credited
    from numbered_tracks
    where guest is not null
) as credits
on conflict do nothing

insert into deezer.albums
select
    album_id,
    case when number % 3 = 0 then 'found' else 'absent' end,
    case when number % 3 = 0 then number end,
    null,
    null,
    case when number % 3 = 0 then array['Genre ' || number % 20] end,
    null,
    release_date + interval '8 hours'
from numbered

insert into spotify.popularity_snapshots
select
    track_id,
    album_id,
    measured_on,
    least(100, greatest(0, popularity + 10 * sin(number + (measured_on - release_date) / 9.0)))
from (
    select
        numbered_tracks.*,
        cast(day as date) as measured_on
    from generate_series(cast(:today as date) - (:days - 1), cast(:today as date), '1 day') as day
    inner join numbered_tracks
        on
            cast(day as date) >= numbered_tracks.release_date
            and cast(day as date) < date_trunc('week', numbered_tracks.release_date) + interval '8 weeks'
) as measured
order by measured_on

insert into deezer.track_ranks
select
    album_id,
    track_id,
    measured_on,
    number * 12 + place,
    least(1000000, greatest(0, popularity * 9000 + 20000 * sin(number + (measured_on - release_date) / 7.0))),
    null,
    'position'
from (
    select
        numbered_tracks.*,
        cast(day as date) as measured_on
    from generate_series(cast(:today as date) - (:days - 1), cast(:today as date), '1 day') as day
    inner join numbered_tracks
        on
            cast(day as date) >= numbered_tracks.release_date
            and cast(day as date) < date_trunc('week', numbered_tracks.release_date) + interval '8 weeks'
    where numbered_tracks.number % 3 = 0
) as measured
order by measured_on

drop table numbered, numbered_tracks
