-- The mart :mart where its latest build is older than a day and two hours before :now, or where it was never built: the
-- daily run does not come, or fails.
select
    expected.mart,
    builds.as_of
from (values (cast(:mart as text))) as expected (mart)
left join marts.builds
    on expected.mart = builds.mart
where coalesce(builds.as_of < cast(:now as timestamptz) - interval '26 hours', true)
