-- Metrics of all jobs at a glance, refreshed on a schedule.
-- A materialized view knows no row level security: it stays where the API cannot reach it, and a view filters it.

create materialized view private.job_metrics_snapshot as
with
cards as (
    select
        c.job_id,
        count(*) filter (where c.state = 'suggested') as suggested,
        count(*) filter (where c.state = 'in_review') as in_review,
        count(*) filter (where c.state = 'approved') as approved_pending,
        count(*) filter (where c.state = 'executing') as executing,
        count(*) filter (where c.state = 'done') as done,
        count(*) filter (where c.state = 'blocked') as blocked,
        count(*) filter (where c.state = 'rejected') as rejected,
        count(*) filter (where c.type = 'send_email') as email,
        count(*) filter (where c.type = 'create_task') as task,
        count(*) filter (where c.type = 'schedule_call') as call,
        count(*) filter (where c.type = 'research') as research,
        count(*) filter (where c.type = 'follow_up') as followup,
        count(*) filter (where c.type = 'create_deal') as deal
    from public.kanban_cards as c
    where c.job_id is not null
    group by c.job_id
),

runs as (
    select
        r.job_id,
        count(*) as total,
        max(r.ended_at) as last_ended_at
    from public.agent_runs as r
    where r.job_id is not null
    group by r.job_id
)

select
    j.id as job_id,
    j.org_id,
    j.name,
    j.status,
    j.created_at,
    j.started_at,
    j.finished_at,
    j.last_run_at,
    j.total_tasks,
    j.completed_tasks,
    j.failed_tasks,
    j.cards_created,
    j.cards_approved,
    j.cards_executed,
    j.emails_sent,
    j.errors_count,
    round(100.0 * j.completed_tasks / nullif(j.total_tasks, 0), 2) as task_completion_rate,
    round(
        100.0 * j.cards_approved / nullif(j.cards_approved + coalesce(c.rejected, 0), 0), 2
    ) as approval_rate,
    coalesce(c.suggested, 0) as cards_suggested,
    coalesce(c.in_review, 0) as cards_in_review,
    coalesce(c.approved_pending, 0) as cards_approved_pending,
    coalesce(c.executing, 0) as cards_executing,
    coalesce(c.done, 0) as cards_done,
    coalesce(c.blocked, 0) as cards_blocked,
    coalesce(c.rejected, 0) as cards_rejected,
    coalesce(c.email, 0) as email_cards,
    coalesce(c.task, 0) as task_cards,
    coalesce(c.call, 0) as call_cards,
    coalesce(c.research, 0) as research_cards,
    coalesce(c.followup, 0) as followup_cards,
    coalesce(c.deal, 0) as deal_cards,
    coalesce(r.total, 0) as total_runs,
    r.last_ended_at as last_run_ended_at
from public.jobs as j
left join cards as c on j.id = c.job_id
left join runs as r on j.id = r.job_id;

comment on materialized view private.job_metrics_snapshot is
'Metrics of every job as of the last refresh_job_metrics(). Read it through public.job_metrics.';

-- refreshing concurrently needs a unique index
create unique index job_metrics_snapshot_by_job on private.job_metrics_snapshot (job_id);
create index job_metrics_snapshot_by_organisation on private.job_metrics_snapshot (org_id);

-- Not a column of the materialized view: every row would differ at every refresh, and be written anew.
create table private.job_metrics_refresh (
    only_row boolean not null default true,
    refreshed_at timestamptz not null default clock_timestamp(),
    constraint job_metrics_refresh_pkey primary key (only_row),
    constraint job_metrics_refresh_has_one_row check (only_row)
);

insert into private.job_metrics_refresh default values;

comment on table private.job_metrics_refresh is
'When private.job_metrics_snapshot was last refreshed: one row, or none where a dump without its data was restored.';

-- With the rights of its owner, since its readers have none on private; security_barrier, so that no function of a
-- reader's condition sees a row before the filter does.
create view public.job_metrics
with (security_barrier) as
select
    s.job_id,
    s.org_id,
    s.name,
    s.status,
    s.created_at,
    s.started_at,
    s.finished_at,
    s.last_run_at,
    s.total_tasks,
    s.completed_tasks,
    s.failed_tasks,
    s.cards_created,
    s.cards_approved,
    s.cards_executed,
    s.emails_sent,
    s.errors_count,
    s.task_completion_rate,
    s.approval_rate,
    s.cards_suggested,
    s.cards_in_review,
    s.cards_approved_pending,
    s.cards_executing,
    s.cards_done,
    s.cards_blocked,
    s.cards_rejected,
    s.email_cards,
    s.task_cards,
    s.call_cards,
    s.research_cards,
    s.followup_cards,
    s.deal_cards,
    s.total_runs,
    s.last_run_ended_at,
    case
        when s.started_at is not null
            then greatest(extract(epoch from coalesce(s.finished_at, now()) - s.started_at), 0)
    end as duration_seconds,
    r.refreshed_at
from private.job_metrics_snapshot as s
left join private.job_metrics_refresh as r on true -- no metrics are hidden because its row is missing
where
    s.org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
        union all
        select o.id
        from public.organizations as o
        where current_setting('role') = 'service_role'
    ));

comment on view public.job_metrics is
'Metrics of the jobs of the caller''s organisations (of all for service_role), as of refreshed_at; duration_seconds is '
'live for a job that is not finished, NULL for one that has not started.';

revoke all on public.job_metrics from public, anon, authenticated, service_role;
grant select on public.job_metrics to authenticated, service_role;

create function public.refresh_job_metrics()
returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
    -- First, so that a second refresh waits here, and then sees what the first one left.
    insert into private.job_metrics_refresh default values
    on conflict (only_row) do update set refreshed_at = clock_timestamp();

    -- A dump that was made without data, or before the first refresh, is restored with nothing to refresh beside.
    if (
        select c.relispopulated
        from pg_catalog.pg_class as c
        where c.oid = 'private.job_metrics_snapshot'::pg_catalog.regclass
    ) then
        refresh materialized view concurrently private.job_metrics_snapshot;
    else
        refresh materialized view private.job_metrics_snapshot;
    end if;
end;
$$;

comment on function public.refresh_job_metrics() is
'Brings job_metrics up to date, without blocking its readers but the first time after a dump without data was '
'restored, before which reading job_metrics is an error (55000). For service_role and the owner, as from pg_cron.';

revoke all on function public.refresh_job_metrics() from public, anon, authenticated, service_role;
grant execute on function public.refresh_job_metrics() to service_role;
