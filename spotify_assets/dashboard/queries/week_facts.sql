-- How many albums are eligible in :week_start, and how many of them were measured by :measure.
select
    count(*) as albums,
    count(rank) as ranked,
    count(*) filter (where status = 'new') as new_albums,
    count(*) filter (where status = 're-entry') as re_entries
from marts.weekly_popular_releases
where week_start = :week_start and measure = :measure
