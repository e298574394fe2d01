-- Question: Which audio features go with popularity, by more than chance would give?
-- Reading: Shown are the features whose 95 % interval leaves 0 out, of as many as `asked` says: of 20 that have
--   nothing to do with popularity one would get in by chance. Tracks of one album sound alike and are popular
--   together, so that the intervals are narrower than they should be; and an `r` of 0.25 is a faint relation, a
--   sixteenth of the variation in place. The measures have other tracks (`n`): compare signs and intervals, not the
--   second decimal.
with asked as (
    select
        measure,
        feature,
        r,
        ci_low,
        ci_high,
        n,
        count(r) over (partition by measure) as asked
    from marts.feature_popularity_correlation
    where scope = 'all' and method = 'spearman'
)

select
    measure,
    feature,
    round(cast(r as numeric), 2) as r,
    round(cast(ci_low as numeric), 2) as ci_low,
    round(cast(ci_high as numeric), 2) as ci_high,
    n,
    asked
from asked
where ci_low > 0 or ci_high < 0
order by measure asc, abs(r) desc, feature asc;
