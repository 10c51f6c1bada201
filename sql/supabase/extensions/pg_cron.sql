-- pg_cron: what the environment has of it already (database/70_cron.sql), and the rest of its functions.

create function cron.schedule_in_database(
    job_name text,
    schedule text,
    command text,
    database text,
    username text default null,
    active boolean default true
) returns bigint
language sql
set search_path = ''
as $$
select cron.record_job(job_name, schedule, command, coalesce(username, current_user))
$$;

select pgassay.add_refusals('pg_cron', array[
    'cron.alter_job(job_id bigint, schedule text default null, command text default null, database text default null, '
    'username text default null, active boolean default null) returns void'
]);
