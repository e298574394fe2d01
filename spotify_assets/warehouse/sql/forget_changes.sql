-- Deletes the changes that each of :marts has by now. One that was not built for two days is to be built whole anyway;
-- one that is not noted at all may be in its first build, and lack what was committed since that began.
delete from ops.changes
where
    cast(:marts as text[]) <@ (select array_agg(noted.mart) from marts.builds as noted)
    and not exists (
        select 1
        from marts.builds
        where
            builds.mart = any(cast(:marts as text[]))
            and builds.built_at > transaction_timestamp() - interval '2 days'
            and not pg_visible_in_snapshot(
                cast(cast(changes.transaction_id as text) as xid8), cast(builds.seen as pg_snapshot)
            )
    )
