-- The Jobs system: jobs and their tasks, who may do what with them, how their states change, and exact counters.

-- What the API must not reach: PostgREST serves the schema public, and no API role has usage here.
create schema private;

-- With search_path = '' the schema pg_temp, in which anybody can make types, is still searched first for them. So what
-- runs with the owner's rights names no type without its schema, but those that SQL has keywords for.

create function private.caller_id()
returns uuid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select auth.uid();
$$;

comment on function private.caller_id() is
'auth.uid() for functions with the owner''s rights: the platform''s own body names types without their schema.';

create function private.caller_may_act_for(p_org_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select
        current_setting('role') = 'service_role'
        or exists (
            select
            from public.organization_members as m
            where m.organization_id = p_org_id and m.user_id = private.caller_id()
        );
$$;

comment on function private.caller_may_act_for(uuid) is
'Whether the caller is a member of that organisation, or the role service_role: the role, and never a claim. '
'For functions with the owner''s rights; row level security asks by itself.';

create table public.jobs (
    id uuid not null default gen_random_uuid(),
    org_id uuid not null,
    name text not null,
    description text,
    status text not null default 'pending',
    params jsonb not null default '{}',
    owner_id uuid default auth.uid(),
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    last_run_at timestamptz,
    total_tasks integer not null default 0,
    completed_tasks integer not null default 0,
    failed_tasks integer not null default 0,
    cards_created integer not null default 0,
    cards_approved integer not null default 0,
    cards_executed integer not null default 0,
    emails_sent integer not null default 0,
    errors_count integer not null default 0,
    constraint jobs_pkey primary key (id),
    -- what links from cards and runs refer to, so that they stay inside one organisation
    constraint jobs_org_id_id_key unique (org_id, id),
    constraint jobs_organization_fkey foreign key (org_id) references public.organizations (id) on delete cascade,
    constraint jobs_owner_fkey foreign key (owner_id) references auth.users (id) on delete set null,
    constraint jobs_name_has_1_to_200_characters check (char_length(name) between 1 and 200),
    -- blank by Unicode, spelled out, since what \s means beyond ASCII hangs on the locale: White_Space, then
    -- Default_Ignorable_Code_Point, and the blank pattern of Braille
    constraint jobs_name_not_blank check (
        name ~ E'[^'
        '\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
        '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f'
        '\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufff8'
        '\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff'
        '\\u2800'
        ']'
    ),
    constraint jobs_params_is_an_object check (jsonb_typeof(params) = 'object'),
    constraint jobs_status_known check (
        status in ('pending', 'running', 'paused', 'succeeded', 'failed', 'cancelled')
    ),
    constraint jobs_finished_at_exactly_when_final check (
        (finished_at is not null) = (status in ('succeeded', 'failed', 'cancelled'))
    ),
    constraint jobs_started_at_once_started check (
        case
            when status = 'pending' then started_at is null
            when status = 'cancelled' then true
            else started_at is not null
        end
    ),
    constraint jobs_finished_after_started check (finished_at >= started_at),
    constraint jobs_counters_not_negative check (
        least(
            total_tasks, completed_tasks, failed_tasks, cards_created,
            cards_approved, cards_executed, emails_sent, errors_count
        ) >= 0
    )
) with (
    fillfactor = 70, -- a counter's update finds room on the same page
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0
);

create index jobs_by_status on public.jobs (org_id, status);
create index jobs_by_creation on public.jobs (org_id, created_at);
create index jobs_by_owner on public.jobs (owner_id);

create table public.job_tasks (
    id bigint generated always as identity,
    job_id uuid not null,
    batch integer not null,
    step integer not null,
    kind text not null,
    status text not null default 'pending',
    input jsonb not null default '{}',
    output jsonb,
    error_message text,
    retry_count integer not null default 0,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    org_id uuid not null,
    constraint job_tasks_pkey primary key (id),
    constraint job_tasks_job_in_same_organisation
    foreign key (org_id, job_id) references public.jobs (org_id, id) on delete cascade on update cascade,
    constraint job_tasks_job_id_batch_step_key unique (job_id, batch, step),
    -- what links from cards refer to, so that a card's task is of the card's job
    constraint job_tasks_job_id_id_key unique (job_id, id),
    constraint job_tasks_batch_not_negative check (batch >= 0),
    constraint job_tasks_step_not_negative check (step >= 0),
    constraint job_tasks_retry_count_not_negative check (retry_count >= 0),
    constraint job_tasks_kind_known check (
        kind in (
            'draft_email', 'send_email', 'create_task', 'schedule_call', 'check_portal',
            'update_profile', 'research', 'follow_up', 'create_deal'
        )
    ),
    constraint job_tasks_status_known check (status in ('pending', 'running', 'done', 'error', 'skipped')),
    constraint job_tasks_started_at_exactly_when_run check (
        (started_at is not null) = (status in ('running', 'done', 'error'))
    ),
    constraint job_tasks_finished_at_exactly_when_finished check (
        (finished_at is not null) = (status in ('done', 'error'))
    )
) with (
    -- A claim passes over what was pending before it, until that is vacuumed: by number, not by share of a large table.
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0
);

create index job_tasks_by_organisation_and_job on public.job_tasks (org_id, job_id);
create index job_tasks_by_status on public.job_tasks (job_id, status);
create index job_tasks_pending on public.job_tasks (job_id, batch, step) where status = 'pending';

-- Supabase grants everything on a new table or sequence to the API roles. They get back what they need, column by
-- column: status, timestamps, counters and results change only through functions.
revoke all on public.jobs, public.job_tasks from public, anon, authenticated, service_role;
revoke all on sequence public.job_tasks_id_seq from public, anon, authenticated, service_role;

grant select, delete on public.jobs, public.job_tasks to authenticated, service_role;
grant insert (org_id, name, description, params) on public.jobs to authenticated, service_role;
grant update (name, description, params) on public.jobs to authenticated, service_role;
grant insert (job_id, batch, step, kind, input) on public.job_tasks to authenticated, service_role;
grant update (batch, step, kind, input) on public.job_tasks to authenticated, service_role;

alter table public.jobs enable row level security;
alter table public.job_tasks enable row level security;

-- (select auth.uid()) is evaluated once a statement, and = any(array(...)) can use an index on the column.
create policy members_work_with_their_organisations_jobs on public.jobs
for all to authenticated
using (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
)
with check (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
);

create policy members_work_with_their_organisations_tasks on public.job_tasks
for all to authenticated
using (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
)
with check (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
);

create function private.fill_task_organisation()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    select j.org_id into new.org_id from public.jobs as j where j.id = new.job_id;

    -- An organisation that nobody is a member of: row level security refuses it as it refuses a foreign job, and where
    -- none is asked, the foreign key does.
    if not found then
        new.org_id := gen_random_uuid();
    end if;
    return new;
end;
$$;

comment on function private.fill_task_organisation() is
'Trigger: a new task is of its job''s organisation when none is given.';

create trigger job_tasks_fill_organisation
before insert on public.job_tasks
for each row
when (new.org_id is null)
execute function private.fill_task_organisation();

-- The status of jobs

create function private.job_status_transitions()
returns table (from_status text, to_status text)
language sql
immutable
parallel safe
set search_path = ''
as $$
    values
        ('pending', 'running'), ('pending', 'cancelled'),
        ('running', 'paused'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled'),
        ('paused', 'running'), ('paused', 'failed'), ('paused', 'cancelled');
$$;

comment on function private.job_status_transitions() is
'The status changes that a job can make; one from which none leads is final. The one place where they are written.';

create function private.refuse_invalid_job_transition(p_from text, p_to text)
returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
    v_allowed pg_catalog.text[];
begin
    select coalesce(array_agg(t.to_status order by t.to_status), '{}')
    into v_allowed
    from private.job_status_transitions() as t
    where t.from_status = p_from;

    if p_to is null or p_to <> all(v_allowed) then
        raise exception 'invalid transition: a job cannot go from % to %', p_from, coalesce(p_to, 'NULL')
        using
            errcode = 'PT409',
            detail = case
                when v_allowed = '{}' then format('%s is a final status.', p_from)
                else format('From %s a job can go to: %s.', p_from, array_to_string(v_allowed, ', '))
            end;
    end if;
end;
$$;

comment on function private.refuse_invalid_job_transition(text, text) is
'Raises PT409, naming both statuses and those allowed, unless a job can go from the one to the other.';

create function private.begin_job()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    raise exception 'a job begins pending, never run and with all counters at 0'
    using
        errcode = case when new.status = 'pending' then 'PT400' else 'PT409' end,
        hint = 'Leave status, timestamps and counters to the database, then call transition_job_status.';
end;
$$;

comment on function private.begin_job() is
'Trigger: refuses a new job that is not in its first state. PT409 for a status, PT400 for a timestamp or counter.';

create trigger jobs_begin_pending
before insert on public.jobs
for each row
when (
    new.status is distinct from 'pending'
    or coalesce(new.started_at, new.finished_at, new.last_run_at) is not null
    or (
        new.total_tasks, new.completed_tasks, new.failed_tasks, new.cards_created,
        new.cards_approved, new.cards_executed, new.emails_sent, new.errors_count
    ) is distinct from (0, 0, 0, 0, 0, 0, 0, 0)
)
execute function private.begin_job();

create function private.forget_unknown_owner()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    if not exists (select from auth.users as u where u.id = new.owner_id) then
        new.owner_id := null;
    end if;
    return new;
end;
$$;

comment on function private.forget_unknown_owner() is
'Trigger: a new job of the role service_role has no owner when the claim names no user, as when the user is deleted.';

create trigger jobs_forget_unknown_owner
before insert on public.jobs
for each row
when (new.owner_id is not null and current_setting('role') = 'service_role')
execute function private.forget_unknown_owner();

create function private.change_job_status()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
    -- not now(), which is the transaction's start: it may lie before a change that this one waited for
    v_now constant public.jobs.started_at%type := greatest(clock_timestamp(), old.started_at);
begin
    if (new.started_at, new.finished_at) is distinct from (old.started_at, old.finished_at) then
        raise exception 'started_at and finished_at of a job are set by its status changes alone'
        using errcode = 'PT400', hint = 'Call transition_job_status.';
    end if;

    perform private.refuse_invalid_job_transition(old.status, new.status);

    -- The row is locked by now, and whoever adds or revives a task locks it too: what is seen here stays so.
    if new.status = 'succeeded' and exists (
        select from public.job_tasks as t
        where t.job_id = old.id and t.status in ('pending', 'running')
    ) then
        raise exception 'invalid transition: a job cannot go from % to succeeded while a task is pending or running',
            old.status
        using errcode = 'PT409', hint = 'Finish its tasks first, or let it go to failed or cancelled.';
    end if;

    if new.status = 'running' then
        new.started_at := coalesce(old.started_at, v_now);
        new.last_run_at := v_now;
    elsif new.status in ('succeeded', 'failed', 'cancelled') then
        new.finished_at := v_now;
    end if;
    return new;
end;
$$;

comment on function private.change_job_status() is
'Trigger: holds each change of a job''s status, by whomever, to the transition table (PT409); keeps its timestamps.';

create trigger jobs_change_status_as_allowed
before update on public.jobs
for each row
when (
    (old.status, old.started_at, old.finished_at) is distinct from (new.status, new.started_at, new.finished_at)
)
execute function private.change_job_status();

create function private.skip_pending_tasks()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    update public.job_tasks as t
    set status = 'skipped'
    where t.job_id = new.id and t.status = 'pending';
    return null;
end;
$$;

comment on function private.skip_pending_tasks() is
'Trigger: a job that reaches a final status takes its pending tasks with it, in the same statement.';

create trigger jobs_skip_pending_tasks_when_final
after update on public.jobs
for each row
when (old.status is distinct from new.status and new.status in ('succeeded', 'failed', 'cancelled'))
execute function private.skip_pending_tasks();

create function private.lock_job(p_job_id uuid)
returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_status public.jobs.status%type;
    v_org_id public.jobs.org_id%type;
begin
    if p_job_id is null then
        raise exception 'p_job_id must not be null' using errcode = 'PT400';
    end if;

    -- Membership is part of this condition, so that nobody waits for, or locks, a row of another organisation.
    select j.status, j.org_id
    into v_status, v_org_id
    from public.jobs as j
    where
        j.id = p_job_id
        and private.caller_may_act_for(j.org_id)
    for no key update;

    -- And asked again, as it is now: it may have ended while this waited.
    if not found or not private.caller_may_act_for(v_org_id) then
        raise exception 'job % not found', p_job_id using errcode = 'PT404';
    end if;
    return v_status;
end;
$$;

comment on function private.lock_job(uuid) is
'Locks a job of the caller''s organisations (any job for the role service_role) and returns its status. '
'PT404 when there is none, or it is another organisation''s; PT400 for NULL.';

create function public.transition_job_status(p_job_id uuid, p_new_status text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_status public.jobs.status%type;
begin
    if p_new_status is null
        or p_new_status not in ('pending', 'running', 'paused', 'succeeded', 'failed', 'cancelled') then
        raise exception 'p_new_status is %, which is no status of a job', coalesce(quote_literal(p_new_status), 'NULL')
        using
            errcode = 'PT400',
            detail = 'Statuses are: pending, running, paused, succeeded, failed, cancelled.';
    end if;

    v_status := private.lock_job(p_job_id);
    perform private.refuse_invalid_job_transition(v_status, p_new_status);

    update public.jobs as j
    set status = p_new_status
    where j.id = p_job_id;
end;
$$;

comment on function public.transition_job_status(uuid, text) is
'Moves a job to another status. For members of its organisation and service_role. '
'PT404: no such job of theirs. PT409: not allowed from its present status, or tasks are left. PT400: bad argument.';

create function public.cancel_job(p_job_id uuid)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_status constant public.jobs.status%type := private.lock_job(p_job_id);
begin
    if v_status = 'cancelled' then
        return;
    end if;
    perform private.refuse_invalid_job_transition(v_status, 'cancelled');

    update public.jobs as j
    set status = 'cancelled'
    where j.id = p_job_id;
end;
$$;

comment on function public.cancel_job(uuid) is
'Cancels a job and skips its pending tasks; on a cancelled job it changes nothing. For members of its organisation '
'and service_role. PT404: no such job of theirs. PT409: the job has succeeded or failed. PT400: bad argument.';

-- The status of tasks

create function private.change_task_status()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if tg_op = 'INSERT' then
        raise exception 'a task begins pending, not %', coalesce(new.status, 'NULL') using errcode = 'PT409';
    end if;

    case
        when old.status = 'pending' and new.status = 'running' then
            new.started_at := clock_timestamp();
        when old.status = 'running' and new.status in ('done', 'error') then
            new.finished_at := greatest(clock_timestamp(), old.started_at);
        when old.status = 'error' and new.status = 'pending' and new.retry_count = old.retry_count + 1 then
            new.started_at := null;
            new.finished_at := null;
        else
            raise exception 'invalid transition: a task cannot go from % to %', old.status, coalesce(new.status, 'NULL')
            using
                errcode = 'PT409',
                detail = 'A task goes from pending to running or skipped, from running to done or error, '
                    'and from error back to pending when it is retried (retry_count + 1).';
    end case;
    return new;
end;
$$;

comment on function private.change_task_status() is
'Trigger: holds every change of a task''s status, by whomever, to its states (PT409), and keeps its timestamps. '
'It is not asked when a pending task is skipped, which is allowed and changes nothing else.';

create trigger job_tasks_begin_pending
before insert on public.job_tasks
for each row
when (new.status is distinct from 'pending')
execute function private.change_task_status();

create trigger job_tasks_change_status_as_allowed
before update on public.job_tasks
for each row
when (
    old.status is distinct from new.status
    and (old.status, new.status) is distinct from ('pending', 'skipped') -- of which a job that is cancelled has many
)
execute function private.change_task_status();

-- The counters of tasks

create type private.task_delta as (
    job_id uuid,
    total integer,
    completed integer,
    failed integer,
    has_new_pending boolean
);

-- Here and where tasks are claimed and finished, a job is found by its key. Each change of a counter leaves a version
-- of its row, so a table of one job is soon one of many pages, and a session keeps the plan that it made for one.
create function public.update_job_metrics_on_task_change()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
    v_deltas private.task_delta[];
    v_delta private.task_delta;
    v_status public.jobs.status%type;
begin
    -- The transition tables are never joined: a plan made for one row is kept, and would be used for 100,000.
    case tg_op
        when 'INSERT' then
            -- all of them pending: job_tasks_begin_pending
            select array_agg((d.job_id, d.total, 0, 0, true)::private.task_delta order by d.job_id)
            into v_deltas
            from (
                select
                    n.job_id,
                    count(*) as total
                from new_tasks as n
                group by n.job_id
            ) as d;
        when 'DELETE' then
            select array_agg(
                (d.job_id, d.total, d.completed, d.failed, false)::private.task_delta
                order by d.job_id
            )
            into v_deltas
            from (
                select
                    o.job_id,
                    - count(*) as total,
                    - count(*) filter (where o.status = 'done') as completed,
                    - count(*) filter (where o.status = 'error') as failed
                from old_tasks as o
                group by o.job_id
            ) as d;
        when 'UPDATE' then
            if exists (select from new_tasks as n where n.status = 'pending') then
                -- Task by task, for one that becomes pending may hide behind another one that was.
                select array_agg(
                    (d.job_id, d.total, d.completed, d.failed, d.has_new_pending)::private.task_delta
                    order by d.job_id
                )
                into v_deltas
                from (
                    select
                        t.job_id,
                        sum(t.total) as total,
                        sum(t.completed) as completed,
                        sum(t.failed) as failed,
                        bool_or(t.pending > 0) as has_new_pending
                    from (
                        select
                            c.job_id,
                            sum(c.sign) as total,
                            sum(c.sign) filter (where c.status = 'done') as completed,
                            sum(c.sign) filter (where c.status = 'error') as failed,
                            sum(c.sign) filter (where c.status = 'pending') as pending
                        from (
                            select n.id, n.job_id, n.status, 1 as sign from new_tasks as n
                            union all
                            select o.id, o.job_id, o.status, -1 as sign from old_tasks as o
                        ) as c
                        group by c.job_id, c.id
                    ) as t
                    group by t.job_id
                    having
                        sum(t.total) <> 0 or sum(t.completed) <> 0 or sum(t.failed) <> 0 or bool_or(t.pending > 0)
                ) as d;
            else
                select array_agg(
                    (d.job_id, d.total, d.completed, d.failed, false)::private.task_delta
                    order by d.job_id
                )
                into v_deltas
                from (
                    select
                        c.job_id,
                        sum(c.sign) as total,
                        coalesce(sum(c.sign) filter (where c.status = 'done'), 0) as completed,
                        coalesce(sum(c.sign) filter (where c.status = 'error'), 0) as failed
                    from (
                        select n.job_id, n.status, 1 as sign from new_tasks as n
                        union all
                        select o.job_id, o.status, -1 as sign from old_tasks as o
                    ) as c
                    group by c.job_id
                ) as d
                where (d.total, d.completed, d.failed) <> (0, 0, 0);
            end if;
        when 'TRUNCATE' then
            if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
                raise exception 'job_tasks cannot be truncated in a transaction that is %',
                    current_setting('transaction_isolation')
                using
                    errcode = '0A000',
                    detail = 'It takes rows that the transaction does not see, so their jobs would not be counted anew.';
            end if;
            update public.jobs as j
            set total_tasks = 0, completed_tasks = 0, failed_tasks = 0
            where j.total_tasks <> 0;
            return null;
    end case;

    -- In the order of ids, so that two statements never wait for each other's jobs.
    foreach v_delta in array coalesce(v_deltas, '{}') loop
        update public.jobs as j
        set
            total_tasks = j.total_tasks + coalesce(v_delta.total, 0),
            completed_tasks = j.completed_tasks + coalesce(v_delta.completed, 0),
            failed_tasks = j.failed_tasks + coalesce(v_delta.failed, 0)
        where j.id = v_delta.job_id
        returning j.status into v_status;

        -- The update waited for whoever was changing the job, so this is the status that holds.
        if found and v_delta.has_new_pending and v_status in ('succeeded', 'failed', 'cancelled') then
            raise exception 'job % is %: it takes no pending task any more', v_delta.job_id, v_status
            using errcode = 'PT409';
        end if;
    end loop;
    return null;
end;
$$;

comment on function public.update_job_metrics_on_task_change() is
'Trigger: keeps total_tasks, completed_tasks and failed_tasks of jobs exact after every statement on job_tasks, and '
'keeps pending tasks out of final jobs (PT409). Locks the jobs whose counters change, in the order of their ids.';

create trigger job_tasks_count_inserted
after insert on public.job_tasks
referencing new table as new_tasks
for each statement
execute function public.update_job_metrics_on_task_change();

create trigger job_tasks_count_updated
after update on public.job_tasks
referencing old table as old_tasks new table as new_tasks
for each statement
execute function public.update_job_metrics_on_task_change();

create trigger job_tasks_count_deleted
after delete on public.job_tasks
referencing old table as old_tasks
for each statement
execute function public.update_job_metrics_on_task_change();

create trigger job_tasks_count_truncated
after truncate on public.job_tasks
for each statement
execute function public.update_job_metrics_on_task_change();

-- A function is executable by PUBLIC when it is made, and on Supabase by each API role besides.
revoke all on all functions in schema private from public;
revoke all on function
public.transition_job_status(uuid, text),
public.cancel_job(uuid),
public.update_job_metrics_on_task_change()
from public, anon, authenticated, service_role;
grant execute on function
public.transition_job_status(uuid, text),
public.cancel_job(uuid)
to authenticated, service_role;

comment on table public.jobs is
'One campaign of an organisation: what it is to do, its status, and live counters of its tasks and cards.';
comment on table public.job_tasks is
'One unit of a job''s work, in a batch at a step.';
