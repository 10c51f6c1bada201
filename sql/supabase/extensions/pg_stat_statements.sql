-- pg_stat_statements: its view without rows, since nothing is counted.

create view pg_stat_statements as
select
    null::oid as userid,
    null::oid as dbid,
    null::boolean as toplevel,
    null::bigint as queryid,
    null::text as query,
    null::bigint as plans,
    null::double precision as total_plan_time,
    null::bigint as calls,
    null::double precision as total_exec_time,
    null::double precision as min_exec_time,
    null::double precision as max_exec_time,
    null::double precision as mean_exec_time,
    null::bigint as rows
where false;

create function pg_stat_statements_reset() returns void
language sql
as '';
