-- Weeks whose ranks are not 1 to n, each once.
select
    ranked.week_start,
    ranked.measure
from marts.weekly_popular_releases as ranked
where ranked.rank is not null
group by ranked.week_start, ranked.measure
having
    min(ranked.rank) <> 1
    or max(ranked.rank) <> count(*)
    or count(distinct ranked.rank) <> count(*)
