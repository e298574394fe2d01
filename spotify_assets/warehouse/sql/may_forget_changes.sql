-- Whether changes may be forgotten until the end of this transaction: nobody else is at it, and none of :marts that
-- forget_changes does not ask is being built, or will be before that; such a build lacks what was committed since it
-- began, and what was built before does not tell of it.
select bool_and(pg_try_advisory_xact_lock(hashtextextended(held.name, 0)))
from (
    select 'ops.changes' as name
    union all
    select 'marts.' || asked.mart as name
    from unnest(cast(:marts as text[])) as asked (mart)
    where
        asked.mart not in (
            select builds.mart
            from marts.builds
            where builds.built_at > transaction_timestamp() - interval '2 days'
        )
) as held
