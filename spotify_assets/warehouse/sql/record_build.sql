-- Notes a build of :mart.
insert into marts.builds (mart, as_of, built_at, rows, extent, whole_as_of, code, seen, cluster, source)
values (
    :mart,
    :as_of,
    transaction_timestamp(),
    :row_count,
    :extent,
    :whole_as_of,
    :code,
    :seen,
    :cluster,
    (select kind from ops.source)
)
on conflict (mart) do update
    set
        as_of = excluded.as_of,
        built_at = excluded.built_at,
        rows = excluded.rows,
        extent = excluded.extent,
        whole_as_of = excluded.whole_as_of,
        code = excluded.code,
        seen = excluded.seen,
        cluster = excluded.cluster,
        source = excluded.source
