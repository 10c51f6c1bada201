-- Cards and runs of the application know the job and the task that they come from.

alter table public.kanban_cards
add column job_id uuid,
add column task_id bigint,
add constraint kanban_cards_job_in_same_organisation
foreign key (org_id, job_id) references public.jobs (org_id, id) on delete set null (job_id),
add constraint kanban_cards_task_of_same_job
foreign key (job_id, task_id) references public.job_tasks (job_id, id) on delete set null (task_id),
-- a foreign key with a NULL in it is not checked
add constraint kanban_cards_task_only_with_job check (task_id is null or job_id is not null);

alter table public.agent_runs
add column job_id uuid,
add constraint agent_runs_job_in_same_organisation
foreign key (org_id, job_id) references public.jobs (org_id, id) on delete set null (job_id);

-- all that get_job_progress reads of a card, with what row level security asks
create index kanban_cards_by_job_and_state on public.kanban_cards (job_id, state, type) include (org_id)
where job_id is not null;
create index kanban_cards_by_job_and_task on public.kanban_cards (job_id, task_id) where job_id is not null;
create index kanban_cards_by_organisation_and_job on public.kanban_cards (org_id, job_id) where job_id is not null;
create index agent_runs_by_organisation_and_job on public.agent_runs (org_id, job_id) where job_id is not null;
create index agent_runs_by_job on public.agent_runs (job_id, ended_at) where job_id is not null;

create function private.drop_task_with_job()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    new.task_id := null;
    return new;
end;
$$;

comment on function private.drop_task_with_job() is
'Trigger: a card that loses its job, as when the job is deleted, loses its task in the same change.';

create trigger kanban_cards_lose_task_with_job
before update on public.kanban_cards
for each row
when (old.job_id is not null and new.job_id is null)
execute function private.drop_task_with_job();

create function private.check_card_job()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if not exists (select from public.jobs as j where j.org_id = new.org_id and j.id = new.job_id) then
        raise exception 'the job % of a card is not of its organisation', new.job_id
        using
            errcode = '23503',
            constraint = 'kanban_cards_job_in_same_organisation',
            schema = tg_table_schema,
            table = tg_table_name;
    end if;
    return new;
end;
$$;

comment on function private.check_card_job() is
'Trigger: refuses a card of a foreign job before its task is looked at. Which foreign key is checked first hangs on '
'their oids: the one on the task would tell whether another organisation has it, and lock it.';

create trigger kanban_cards_check_job_before_task
before insert or update of org_id, job_id, task_id on public.kanban_cards
for each row
when (new.job_id is not null and new.task_id is not null)
execute function private.check_card_job();

create type private.card_delta as (
    job_id uuid,
    org_id uuid,
    created integer,
    approved integer,
    executed integer,
    emails integer,
    errors integer
);

create function public.update_job_metrics_on_card_change()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_deltas private.card_delta[];
    v_delta private.card_delta;
begin
    case tg_op
        when 'INSERT' then
            select array_agg(
                (d.job_id, d.org_id, d.created, d.approved, d.executed, d.emails, d.errors)::private.card_delta
                order by d.job_id
            )
            into v_deltas
            from (
                select
                    n.job_id,
                    n.org_id,
                    count(*) as created,
                    count(*) filter (where n.state in ('approved', 'executing', 'done')) as approved,
                    count(*) filter (where n.state in ('executing', 'done')) as executed,
                    count(*) filter (where n.type = 'send_email' and n.state = 'done') as emails,
                    count(*) filter (where n.state = 'blocked') as errors
                from new_cards as n
                where n.job_id is not null
                group by n.job_id, n.org_id
            ) as d;
        when 'DELETE' then
            select array_agg(
                (d.job_id, d.org_id, d.created, d.approved, d.executed, d.emails, d.errors)::private.card_delta
                order by d.job_id
            )
            into v_deltas
            from (
                select
                    o.job_id,
                    o.org_id,
                    - count(*) as created,
                    - count(*) filter (where o.state in ('approved', 'executing', 'done')) as approved,
                    - count(*) filter (where o.state in ('executing', 'done')) as executed,
                    - count(*) filter (where o.type = 'send_email' and o.state = 'done') as emails,
                    - count(*) filter (where o.state = 'blocked') as errors
                from old_cards as o
                where o.job_id is not null
                group by o.job_id, o.org_id
            ) as d;
        when 'UPDATE' then
            select array_agg(
                (d.job_id, d.org_id, d.created, d.approved, d.executed, d.emails, d.errors)::private.card_delta
                order by d.job_id
            )
            into v_deltas
            from (
                select
                    c.job_id,
                    c.org_id,
                    sum(c.sign) as created,
                    coalesce(sum(c.sign) filter (where c.state in ('approved', 'executing', 'done')), 0) as approved,
                    coalesce(sum(c.sign) filter (where c.state in ('executing', 'done')), 0) as executed,
                    coalesce(sum(c.sign) filter (where c.type = 'send_email' and c.state = 'done'), 0) as emails,
                    coalesce(sum(c.sign) filter (where c.state = 'blocked'), 0) as errors
                from (
                    select n.job_id, n.org_id, n.type, n.state, 1 as sign
                    from new_cards as n
                    where n.job_id is not null
                    union all
                    select o.job_id, o.org_id, o.type, o.state, -1 as sign
                    from old_cards as o
                    where o.job_id is not null
                ) as c
                group by c.job_id, c.org_id
            ) as d
            where (d.created, d.approved, d.executed, d.emails, d.errors) <> (0, 0, 0, 0, 0);
        when 'TRUNCATE' then
            if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
                raise exception 'kanban_cards cannot be truncated in a transaction that is %',
                    current_setting('transaction_isolation')
                using
                    errcode = '0A000',
                    detail = 'It takes rows that the transaction does not see, so their jobs would not be counted anew.';
            end if;
            update public.jobs as j
            set cards_created = 0, cards_approved = 0, cards_executed = 0, emails_sent = 0, errors_count = 0
            where j.cards_created <> 0;
            return null;
    end case;

    -- In the order of ids, so that two statements never wait for each other's jobs. The foreign key may not have been
    -- checked yet, and never is for a card that is gone again by then: a job of another organisation is not touched.
    foreach v_delta in array coalesce(v_deltas, '{}') loop
        update public.jobs as j
        set
            cards_created = j.cards_created + v_delta.created,
            cards_approved = j.cards_approved + v_delta.approved,
            cards_executed = j.cards_executed + v_delta.executed,
            emails_sent = j.emails_sent + v_delta.emails,
            errors_count = j.errors_count + v_delta.errors
        where j.id = v_delta.job_id and j.org_id = v_delta.org_id;
    end loop;
    return null;
end;
$$;

comment on function public.update_job_metrics_on_card_change() is
'Trigger: keeps cards_created, cards_approved, cards_executed, emails_sent and errors_count of jobs exact after every '
'statement on kanban_cards. Locks the jobs whose counters change, in the order of their ids.';

create trigger kanban_cards_count_inserted
after insert on public.kanban_cards
referencing new table as new_cards
for each statement
execute function public.update_job_metrics_on_card_change();

create trigger kanban_cards_count_updated
after update on public.kanban_cards
referencing old table as old_cards new table as new_cards
for each statement
execute function public.update_job_metrics_on_card_change();

create trigger kanban_cards_count_deleted
after delete on public.kanban_cards
referencing old table as old_cards
for each statement
execute function public.update_job_metrics_on_card_change();

create trigger kanban_cards_count_truncated
after truncate on public.kanban_cards
for each statement
execute function public.update_job_metrics_on_card_change();

create function public.get_job_cards(p_job_id uuid)
returns table (
    id uuid,
    type text,
    title text,
    state text,
    priority integer,
    contact_id uuid,
    task_id bigint,
    created_at timestamptz
)
language plpgsql
stable
set search_path = ''
as $$
begin
    if p_job_id is null then
        raise exception 'p_job_id must not be null' using errcode = 'PT400';
    end if;
    if not exists (select from public.jobs as j where j.id = p_job_id) then
        raise exception 'job % not found', p_job_id using errcode = 'PT404';
    end if;

    return query
    select c.id, c.type, c.title, c.state, c.priority, c.contact_id, c.task_id, c.created_at
    from public.kanban_cards as c
    where c.job_id = p_job_id
    order by c.created_at desc, c.id asc;
end;
$$;

comment on function public.get_job_cards(uuid) is
'The cards of a job, newest first. Sees what row level security lets the caller see. PT404: no such job of theirs. '
'PT400: bad argument.';

create function public.get_job_progress(p_job_id uuid)
returns json
language plpgsql
stable
set search_path = ''
as $$
declare
    v_job public.jobs;
begin
    if p_job_id is null then
        raise exception 'p_job_id must not be null' using errcode = 'PT400';
    end if;
    select j.* into v_job from public.jobs as j where j.id = p_job_id;
    if not found then
        raise exception 'job % not found', p_job_id using errcode = 'PT404';
    end if;

    return (
        with
        -- The counters are exact, so only what is still to be done is counted, and skipped is the rest.
        open_tasks as (
            select
                (
                    select count(*) from public.job_tasks as t where t.job_id = p_job_id and t.status = 'pending'
                ) as pending,
                (
                    select count(*) from public.job_tasks as t where t.job_id = p_job_id and t.status = 'running'
                ) as running
        ),

        tasks as (
            select s.status, s.n
            from open_tasks as o
            cross join lateral (
                values
                ('pending', o.pending),
                ('running', o.running),
                ('done', v_job.completed_tasks),
                ('error', v_job.failed_tasks),
                (
                    'skipped',
                    v_job.total_tasks - v_job.completed_tasks - v_job.failed_tasks - o.pending - o.running
                )
            ) as s (status, n)
            where s.n <> 0
        ),

        cards as (
            select c.state, c.type, count(*) as n
            from public.kanban_cards as c
            where c.job_id = p_job_id
            group by c.state, c.type
        ),

        states as (select c.state, sum(c.n) as n from cards as c group by c.state),

        types as (select c.type, sum(c.n) as n from cards as c group by c.type)

        select json_build_object(
            'total_tasks', v_job.total_tasks,
            'tasks_by_status', (select coalesce(json_object_agg(t.status, t.n order by t.status), '{}') from tasks as t),
            'completion_rate', round(100.0 * v_job.completed_tasks / nullif(v_job.total_tasks, 0), 2),
            'total_cards', (select coalesce(sum(c.n), 0) from cards as c),
            'by_state', (select coalesce(json_object_agg(s.state, s.n order by s.state), '{}') from states as s),
            'by_type', (select coalesce(json_object_agg(y.type, y.n order by y.type), '{}') from types as y)
        )
    );
end;
$$;

comment on function public.get_job_progress(uuid) is
'Live progress of a job: total_tasks, tasks_by_status, completion_rate (percent of tasks done, NULL without tasks), '
'total_cards, by_state, by_type; a status, state or type with none is left out. Sees what row level security lets the '
'caller see. PT404: no such job of theirs. PT400: bad argument.';

revoke all on all functions in schema private from public;
revoke all on function
public.update_job_metrics_on_card_change(),
public.get_job_cards(uuid),
public.get_job_progress(uuid)
from public, anon, authenticated, service_role;
grant execute on function
public.get_job_cards(uuid),
public.get_job_progress(uuid)
to authenticated, service_role;
