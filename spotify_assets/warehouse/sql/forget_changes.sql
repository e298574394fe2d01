-- Deletes the changes that each of :marts has by now. One that was not built for two days, or never, is to be built
-- whole anyway; may_forget_changes tells that it is not at it.
delete from ops.changes
where
    not exists (
        select 1
        from marts.builds
        where
            builds.mart = any(cast(:marts as text[]))
            and builds.built_at > transaction_timestamp() - interval '2 days'
            and not pg_visible_in_snapshot(
                cast(cast(changes.transaction_id as text) as xid8), cast(builds.seen as pg_snapshot)
            )
    )
