-- Deletes the changes that each of :marts has by now: of transactions before any that its latest build did not see. One
-- that was not built for two days, or never, is to be built whole anyway; may_forget_changes tells that it is not at it.
delete from ops.changes
where
    transaction_id < coalesce(
        (
            select min(cast(cast(pg_snapshot_xmin(cast(builds.seen as pg_snapshot)) as text) as bigint))
            from marts.builds
            where
                builds.mart = any(cast(:marts as text[]))
                and builds.built_at > transaction_timestamp() - interval '2 days'
        ),
        9223372036854775807
    )
