-- Running a campaign: create a job from its parameters, plan its tasks batch by batch, hand them to workers, and
-- render templates.

-- What plan_next_batch looks for. Shortened, since members write input, and an index takes no long values; a day has at
-- most 4 characters and a contact's id 36, so nothing else is equal to them.
create index job_tasks_by_day_and_contact on public.job_tasks (
    job_id, left(input ->> 'day', 5), left(input ->> 'contact_id', 37)
);

create table private.job_plans (
    job_id uuid not null,
    day integer,
    last_contact_id uuid,
    reached integer,
    days integer[],
    constraint job_plans_pkey primary key (job_id),
    constraint job_plans_job_fkey
    foreign key (job_id) references public.jobs (id) on delete cascade on update cascade
);

comment on table private.job_plans is
'How far the planning of a job has come, so that a batch costs what it is, whatever was planned before.';
comment on column private.job_plans.day is
'The cadence day of the last batch; NULL before the first.';
comment on column private.job_plans.last_contact_id is
'Contacts up to this id are through for that day; NULL before the first of them.';
comment on column private.job_plans.reached is
'The highest cadence day that was begun; NULL before the first batch.';
comment on column private.job_plans.days is
'The cadence for which this is sure: who has a task for a day has one for each day before it. '
'NULL once somebody else has written or deleted a task of a day, until all days have been looked through.';

-- What stands in a task's input

create function private.refuse_foreign_contacts(p_org_ids uuid[], p_contacts jsonb[])
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if exists (
        select
        from unnest(p_org_ids, p_contacts) as n (org_id, contact)
        where
            case
                when n.contact #>> '{}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                    then (
                        select true
                        from public.contacts as c
                        where c.org_id = n.org_id and c.id = (n.contact #>> '{}')::pg_catalog.uuid
                    )
            end is not true
    ) then
        raise exception 'input.contact_id of a task must be the id of a contact of the job''s organisation'
        using errcode = 'PT400';
    end if;
end;
$$;

comment on function private.refuse_foreign_contacts(uuid[], jsonb[]) is
'Raises PT400 unless each of these is the text of the id of a contact of the organisation at the same place: a worker '
'for all organisations takes what members write there for a contact of theirs.';

create function private.check_inserted_tasks()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_org_ids pg_catalog.uuid[];
    v_contacts pg_catalog.jsonb[];
    v_job_ids pg_catalog.uuid[];
begin
    select array_agg(n.org_id), array_agg(n.input -> 'contact_id')
    into v_org_ids, v_contacts
    from new_tasks as n
    where n.input -> 'contact_id' is not null;
    perform private.refuse_foreign_contacts(v_org_ids, v_contacts);

    v_job_ids := array(select distinct n.job_id from new_tasks as n where n.input -> 'day' is not null);
    update private.job_plans as p
    set days = null
    where p.job_id = any(v_job_ids) and p.days is not null;
    return null;
end;
$$;

comment on function private.check_inserted_tasks() is
'Trigger: refuses new tasks for a foreign contact (PT400), and has planning look again at days that others write to.';

-- after job_tasks_count_inserted, which locks the jobs: triggers fire in the order of their names
create trigger job_tasks_keep_contacts_and_plans_inserted
after insert on public.job_tasks
referencing new table as new_tasks
for each statement
execute function private.check_inserted_tasks();

create function private.check_changed_task()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    if new.input -> 'contact_id' is not null then
        perform private.refuse_foreign_contacts(array[new.org_id], array[new.input -> 'contact_id']);
    end if;

    -- Also before the first batch: planning waits for this row, and sees what has changed.
    insert into private.job_plans as p (job_id)
    select j.id
    from public.jobs as j
    where j.id in (old.job_id, new.job_id) -- the old one has another id now where that was changed
    order by j.id
    on conflict (job_id) do update set days = null;
    return null;
end;
$$;

comment on function private.check_changed_task() is
'Trigger: refuses a task that comes to name a foreign contact (PT400), and has planning look again at its days.';

create trigger job_tasks_keep_contacts_and_plans_updated
after update of input, job_id on public.job_tasks
for each row
when (
    (old.job_id, old.input -> 'day', old.input -> 'contact_id')
    is distinct from (new.job_id, new.input -> 'day', new.input -> 'contact_id')
)
execute function private.check_changed_task();

create function private.forget_deleted_tasks()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_job_ids constant pg_catalog.uuid[] := array(
        select distinct o.job_id from old_tasks as o where o.input -> 'day' is not null
    );
begin
    update private.job_plans as p
    set days = null
    where p.job_id = any(v_job_ids) and p.days is not null;
    return null;
end;
$$;

comment on function private.forget_deleted_tasks() is
'Trigger: has planning look again at days of which tasks are gone.';

create trigger job_tasks_keep_plans_deleted
after delete on public.job_tasks
referencing old table as old_tasks
for each statement
execute function private.forget_deleted_tasks();

-- Parameters

create function private.check_job_template(p_field text, p_template jsonb)
returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
    v_key pg_catalog.text;
begin
    if p_template is null or jsonb_typeof(p_template) <> 'object' then
        raise exception '% must be an object with subject and body', p_field using errcode = 'PT400';
    end if;
    foreach v_key in array array['subject', 'body'] loop
        if jsonb_typeof(p_template -> v_key) is distinct from 'string' then
            raise exception '%.% must be a text', p_field, v_key using errcode = 'PT400';
        end if;
    end loop;
    for v_key in select k from jsonb_object_keys(p_template) as k where k not in ('subject', 'body') loop
        raise exception '%.% is unknown', p_field, v_key
        using errcode = 'PT400', hint = 'A template has subject and body.';
    end loop;
end;
$$;

comment on function private.check_job_template(text, jsonb) is
'Raises PT400, naming the field, unless this is a template: {"subject": text, "body": text}.';

create function private.get_job_days(p_params jsonb)
returns table (day integer, template text)
language plpgsql
immutable
set search_path = ''
as $$
declare
    v_key pg_catalog.text;
    v_value pg_catalog.jsonb;
    v_batch_size numeric;
    v_templates pg_catalog.jsonb; -- taken out once, and not for each day
    v_template_count integer;
    v_only_template pg_catalog.text;
begin
    if p_params is null or jsonb_typeof(p_params) <> 'object' then
        raise exception 'params must be an object' using errcode = 'PT400';
    end if;
    if octet_length(p_params::pg_catalog.text) > 65536 then
        raise exception 'params must have at most 65536 bytes' using errcode = 'PT400';
    end if;
    for v_key in
        select k
        from jsonb_object_keys(p_params) as k
        where k not in ('target_group', 'cadence', 'templates', 'review_mode', 'batch_size')
    loop
        raise exception 'params.% is unknown', v_key
        using
            errcode = 'PT400',
            hint = 'Parameters are: target_group, cadence, templates, review_mode, batch_size.';
    end loop;

    if jsonb_typeof(p_params -> 'target_group') is distinct from 'string' then
        raise exception 'params.target_group must be a text' using errcode = 'PT400';
    end if;
    if p_params ? 'review_mode' and jsonb_typeof(p_params -> 'review_mode') <> 'boolean' then
        raise exception 'params.review_mode must be true or false' using errcode = 'PT400';
    end if;
    v_batch_size := case
        when jsonb_typeof(p_params -> 'batch_size') = 'number' then (p_params ->> 'batch_size')::numeric
    end;
    if v_batch_size is null or v_batch_size not between 1 and 1000 or v_batch_size % 1 <> 0 then
        raise exception 'params.batch_size must be a whole number from 1 to 1000' using errcode = 'PT400';
    end if;

    v_templates := p_params -> 'templates';
    if jsonb_typeof(v_templates) is distinct from 'object' then
        raise exception 'params.templates must be an object of templates' using errcode = 'PT400';
    end if;
    select count(*), min(k)
    into v_template_count, v_only_template
    from jsonb_object_keys(v_templates) as k;
    if v_template_count > 100 then
        raise exception 'params.templates has % templates, and must have at most 100', v_template_count
        using errcode = 'PT400';
    end if;
    for v_key, v_value in select e.key, e.value from jsonb_each(v_templates) as e loop
        perform private.check_job_template('params.templates.' || v_key, v_value);
    end loop;

    if jsonb_typeof(p_params -> 'cadence') is distinct from 'object' then
        raise exception 'params.cadence must be an object of days' using errcode = 'PT400';
    end if;
    if (select count(*) > 366 from jsonb_object_keys(p_params -> 'cadence')) then
        raise exception 'params.cadence must have at most 366 days' using errcode = 'PT400';
    end if;
    for v_key, v_value in
        select e.key, e.value
        from jsonb_each(p_params -> 'cadence') as e
        order by length(e.key), e.key collate "C" -- day2 before day10
    loop
        if v_key !~ '^day(0|[1-9][0-9]{0,3})$' then
            raise exception 'params.cadence.% is no day', v_key
            using errcode = 'PT400', hint = 'Days are day0 to day9999.';
        end if;
        day := substr(v_key, 4)::integer;
        template := case
            when jsonb_typeof(v_value) = 'string' then v_value #>> '{}'
            when v_value = 'true' and v_templates ? v_key then v_key
            when v_value = 'true' and v_template_count = 1 then v_only_template
        end;
        if v_value <> 'false' and jsonb_typeof(v_value) not in ('string', 'boolean') then
            raise exception 'params.cadence.% must be the name of a template, true or false', v_key
            using errcode = 'PT400';
        elsif template is null and v_value = 'true' then
            raise exception 'params.cadence.% has no template', v_key
            using
                errcode = 'PT400',
                hint = format('Name one, or add one called %s: true stands for it, or for the only template.', v_key);
        elsif template is not null and not v_templates ? template then
            raise exception 'params.cadence.% names a template that is not there: %', v_key, template
            using errcode = 'PT400';
        elsif template is not null then
            return next;
        end if;
    end loop;
    if not exists (select from jsonb_each(p_params -> 'cadence') as e where e.value <> 'false') then
        raise exception 'params.cadence has no day' using errcode = 'PT400';
    end if;
end;
$$;

comment on function private.get_job_days(jsonb) is
'The cadence days of a job''s parameters, in ascending order, each with the name of its template. '
'Raises PT400, naming the field, for parameters that are not as they must be.';

-- Creating and planning

create function private.get_next_batch(p_job_id uuid)
returns integer
language plpgsql
stable
set search_path = ''
as $$
declare
    v_last constant public.job_tasks.batch%type := (
        select max(t.batch) from public.job_tasks as t where t.job_id = p_job_id
    );
begin
    if v_last = 2147483647 then
        raise exception 'job % has a task in batch %, after which there is none', p_job_id, v_last
        using errcode = 'PT409', hint = 'Give that task a lower batch, or delete it.';
    end if;
    return coalesce(v_last, 0) + 1;
end;
$$;

comment on function private.get_next_batch(uuid) is
'The number of a job''s next batch: 1 + the highest. PT409 when that is the highest that there can be.';

create function private.get_contacts_ahead(
    p_job_id uuid, p_org_id uuid, p_group text, p_limit integer, p_after uuid, p_day integer, p_days_before integer[]
)
returns uuid[]
language sql
stable
set search_path = ''
-- One contact after the other in the order of the index, until there are enough. What is not known of tables that grow
-- as fast as these must not make it read them whole.
set enable_bitmapscan = off
set enable_seqscan = off
set enable_sort = off
as $$
    select array(
        select c.id
        from public.contacts as c
        where
            c.org_id = p_org_id
            and c.target_group = p_group
            and c.id >= coalesce(p_after, '00000000-0000-0000-0000-000000000000')
            and c.id is distinct from p_after
            -- values, not exists: that might be joined, and a join is made as a whole
            and (
                select true
                from public.job_tasks as t
                where
                    t.job_id = p_job_id
                    and left(t.input ->> 'day', 5) = p_day::pg_catalog.text
                    and left(t.input ->> 'contact_id', 37) = c.id::pg_catalog.text
                limit 1
            ) is null
            and (
                select true
                from unnest(p_days_before) as d (day)
                where
                    (
                        select true
                        from public.job_tasks as t
                        where
                            t.job_id = p_job_id
                            and left(t.input ->> 'day', 5) = d.day::pg_catalog.text
                            and left(t.input ->> 'contact_id', 37) = c.id::pg_catalog.text
                        limit 1
                    ) is null
                limit 1
            ) is null
        order by c.id
        limit p_limit
    );
$$;

comment on function private.get_contacts_ahead(uuid, uuid, text, integer, uuid, integer, integer[]) is
'The next contacts of a target group after that id, or the first for NULL, in ascending order, that have no task of '
'the job for the day and one for each day before.';

create function private.get_contacts_without(p_job_id uuid, p_org_id uuid, p_group text, p_day integer)
returns uuid[]
-- Not in SQL: PostgreSQL has no parallel workers for functions in SQL that return one value.
language plpgsql
stable
set search_path = ''
set enable_seqscan = on
-- All at once, by hashing: row by row is slower where the whole group is looked through.
set enable_nestloop = off
set enable_mergejoin = off
as $$
begin
    return array(
        select c.id
        from public.contacts as c
        where
            c.org_id = p_org_id
            and c.target_group = p_group
            and not exists (
                select
                from public.job_tasks as t
                where
                    t.job_id = p_job_id
                    and left(t.input ->> 'day', 5) = p_day::pg_catalog.text
                    and left(t.input ->> 'contact_id', 37) = c.id::pg_catalog.text
            )
        order by c.id
    );
end;
$$;

comment on function private.get_contacts_without(uuid, uuid, text, integer) is
'All contacts of a target group that have no task of the job for the day, in ascending order.';

create function private.get_first_without(p_job_id uuid, p_contact_ids uuid[], p_limit integer, p_day integer)
returns uuid[]
language sql
stable
set search_path = ''
as $$
    select array(
        select c.id
        from unnest(p_contact_ids) as c (id)
        where
            (
                select true
                from public.job_tasks as t
                where
                    t.job_id = p_job_id
                    and left(t.input ->> 'day', 5) = p_day::pg_catalog.text
                    and left(t.input ->> 'contact_id', 37) = c.id::pg_catalog.text
                limit 1
            ) is null
        order by c.id
        limit p_limit
    );
$$;

comment on function private.get_first_without(uuid, uuid[], integer, integer) is
'The first of these contacts, in ascending order, that have no task of the job for the day.';

create function private.is_day_left_out(p_job_id uuid, p_day integer, p_day_after integer)
returns boolean
language plpgsql
stable
set search_path = ''
set enable_seqscan = on
set enable_nestloop = off
set enable_mergejoin = off
as $$
begin
    return exists (
        select
        from public.job_tasks as a
        where
            a.job_id = p_job_id
            and left(a.input ->> 'day', 5) = p_day_after::pg_catalog.text
            and left(a.input ->> 'contact_id', 37) is not null
            and not exists (
                select
                from public.job_tasks as t
                where
                    t.job_id = p_job_id
                    and left(t.input ->> 'day', 5) = p_day::pg_catalog.text
                    and left(t.input ->> 'contact_id', 37) = left(a.input ->> 'contact_id', 37)
            )
    );
end;
$$;

comment on function private.is_day_left_out(uuid, integer, integer) is
'Whether anybody has a task of the job for the one day, and none for the day before it.';

create function private.plan_batch(p_job_id uuid)
returns integer
language plpgsql
set search_path = ''
set enable_seqscan = off
as $$
declare
    c_last constant pg_catalog.uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff'::pg_catalog.uuid;
    v_job public.jobs;
    v_group pg_catalog.text;
    v_size integer;
    v_days integer[];
    v_templates pg_catalog.text[];
    v_plan private.job_plans;
    v_is_sure boolean;
    v_late pg_catalog.uuid[];
    v_contacts pg_catalog.uuid[];
    v_day integer;
begin
    select j.* into strict v_job from public.jobs as j where j.id = p_job_id;
    select array_agg(d.day order by d.day), array_agg(d.template order by d.day)
    into v_days, v_templates
    from private.get_job_days(v_job.params) as d;
    v_group := v_job.params ->> 'target_group';
    v_size := (v_job.params ->> 'batch_size')::numeric;

    -- Locked, for whoever changes a task's input writes here without the job's lock.
    select p.* into v_plan from private.job_plans as p where p.job_id = p_job_id for update;
    v_is_sure := v_plan.days = v_days;
    if v_plan.reached is null or v_plan.reached <> all(v_days) then
        v_plan.day := v_days[1];
        v_plan.reached := v_days[1];
        v_plan.last_contact_id := null;
    elsif v_plan.day <> all(v_days) then
        v_plan.day := v_plan.reached;
        v_plan.last_contact_id := c_last;
    end if;

    <<day_by_day>>
    loop
        v_contacts := private.get_contacts_ahead(
            p_job_id, v_job.org_id, v_group, v_size, v_plan.last_contact_id, v_plan.day,
            array(select d from unnest(v_days) as d where d < v_plan.day)
        );
        if v_contacts <> '{}' then
            v_plan.last_contact_id := v_contacts[cardinality(v_contacts)];
            exit;
        end if;

        -- The day is through, but for contacts that came behind. They have no task for the day reached, if it is sure that
        -- who has one has one for each day before; else each day is looked through.
        if v_is_sure then
            v_late := private.get_contacts_without(p_job_id, v_job.org_id, v_group, v_plan.reached);
        end if;
        if v_is_sure is not true or v_late <> '{}' then
            foreach v_day in array v_days loop
                exit when v_day > v_plan.reached;
                if v_is_sure is not true then
                    v_late := private.get_contacts_without(p_job_id, v_job.org_id, v_group, v_day);
                end if;
                v_contacts := private.get_first_without(p_job_id, v_late, v_size, v_day);
                if v_contacts <> '{}' then
                    v_plan.day := v_day;
                    v_plan.last_contact_id := case
                        when cardinality(v_contacts) = v_size then v_contacts[v_size]
                        else c_last
                    end;
                    exit day_by_day;
                end if;
            end loop;
            -- Also of those who are not in the group now, since they may come back.
            v_is_sure := not exists (
                select
                from unnest(v_days, v_days[2:]) as d (day, day_after)
                where private.is_day_left_out(p_job_id, d.day, d.day_after)
            );
        end if;

        v_plan.last_contact_id := c_last;
        v_day := (select min(d) from unnest(v_days) as d where d > v_plan.reached);
        exit when v_day is null;
        v_plan.day := v_day;
        v_plan.reached := v_day;
        v_plan.last_contact_id := null;
    end loop;

    insert into public.job_tasks (job_id, batch, step, kind, input, org_id)
    select
        p_job_id,
        (select private.get_next_batch(p_job_id)),
        n.step,
        'draft_email',
        jsonb_build_object(
            'day', v_plan.day, 'contact_id', n.id, 'template', v_templates[array_position(v_days, v_plan.day)]
        ),
        v_job.org_id
    from unnest(v_contacts) with ordinality as n (id, step);

    -- After that, which has made planning unsure by itself.
    insert into private.job_plans as p (job_id, day, last_contact_id, reached, days)
    values (p_job_id, v_plan.day, v_plan.last_contact_id, v_plan.reached, case when v_is_sure then v_days end)
    on conflict (job_id) do update
    set
        day = excluded.day,
        last_contact_id = excluded.last_contact_id,
        reached = excluded.reached,
        days = excluded.days;
    return cardinality(v_contacts);
end;
$$;

comment on function private.plan_batch(uuid) is
'Makes the next batch of tasks of a job that the caller has locked, and returns how many. Each day takes the contacts '
'of the target group in the order of their ids, who have the days before. Whoever came behind gets the earliest day '
'that is missing once the day at hand is through. Batches and steps count from 1.';

create function public.create_job(p_org_id uuid, p_name text, p_description text, p_params jsonb)
returns public.jobs
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_job public.jobs;
begin
    if p_org_id is null then
        raise exception 'p_org_id must not be null' using errcode = 'PT400';
    end if;
    if not exists (
        select
        from public.organizations as o
        where o.id = p_org_id and private.caller_may_act_for(o.id)
    ) then
        raise exception 'not allowed to create a job in the organisation %', p_org_id using errcode = '42501';
    end if;
    perform private.get_job_days(p_params);

    begin
        insert into public.jobs (org_id, name, description, params, owner_id)
        values (p_org_id, p_name, p_description, p_params, private.caller_id())
        returning * into v_job;
    exception
        when not_null_violation or check_violation then
            raise exception 'p_name must have 1 to 200 characters, not all of them blank' using errcode = 'PT400';
    end;
    perform private.plan_batch(v_job.id);

    select j.* into strict v_job from public.jobs as j where j.id = v_job.id;
    return v_job;
end;
$$;

comment on function public.create_job(uuid, text, text, jsonb) is
'Creates a job and its first batch of tasks, or neither, and returns the job. For members of the organisation and '
'service_role (42501). PT400, naming the field: bad argument. p_params: {"target_group": text, "cadence": '
'{"dayN": name of a template | true | false}, "templates": {name: {"subject": text, "body": text}}, '
'"batch_size": 1 to 1000, "review_mode": boolean (optional, kept for the caller)}.';

create function public.plan_next_batch(p_job_id uuid)
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_status constant public.jobs.status%type := private.lock_job(p_job_id);
begin
    if v_status not in ('pending', 'running') then
        raise exception 'a job that is % takes no more tasks', v_status
        using errcode = 'PT409', detail = 'Tasks can be planned for a job that is pending or running.';
    end if;

    update public.jobs as j
    set last_run_at = clock_timestamp()
    where j.id = p_job_id;
    return private.plan_batch(p_job_id);
end;
$$;

comment on function public.plan_next_batch(uuid) is
'Makes the next batch of tasks and returns how many: the next contacts that have none yet for the first cadence day '
'that is not through; 0 when all are. For members of the job''s organisation and service_role. '
'PT404: no such job of theirs. PT409: the job is neither pending nor running, or has a task in the last batch that '
'there can be. PT400: bad argument, or bad params.';

-- Working

create function private.refuse_claim_unless_running(p_job_id uuid, p_status text)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    if p_status is null then
        raise exception 'job % not found', p_job_id using errcode = 'PT404';
    end if;
    if p_status <> 'running' then
        raise exception 'a job that is % hands out no tasks', p_status
        using errcode = 'PT409', hint = 'Let the job go to running first: transition_job_status.';
    end if;
end;
$$;

comment on function private.refuse_claim_unless_running(uuid, text) is
'Raises PT404 for the status NULL, of a job that the caller does not have, and PT409 for any other than running.';

create function public.claim_tasks(p_job_id uuid, p_limit integer)
returns setof public.job_tasks
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
    v_status public.jobs.status%type;
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise exception 'claim_tasks cannot be called in a transaction that is %',
            current_setting('transaction_isolation')
        using
            errcode = '0A000',
            detail = 'It would hand out tasks of a job that was paused meanwhile, since it does not see that.',
            hint = 'Call it in a transaction that is read committed.';
    end if;
    if p_job_id is null then
        raise exception 'p_job_id must not be null' using errcode = 'PT400';
    end if;
    if p_limit is null or p_limit < 1 then
        raise exception 'p_limit is %, and must be 1 or more', coalesce(p_limit::pg_catalog.text, 'NULL') using errcode = 'PT400';
    end if;

    -- Key share: claims wait neither for each other nor for tasks that finish. A job that becomes final meanwhile either
    -- waits for the rows that are claimed below, or has them locked already, and then they are left out.
    select j.status
    into v_status
    from public.jobs as j
    where
        j.id = p_job_id
        and private.caller_may_act_for(j.org_id)
    for key share;

    perform private.refuse_claim_unless_running(p_job_id, v_status);

    return query
    with
    claimed as (
        select t.id
        from public.job_tasks as t
        where t.job_id = p_job_id and t.status = 'pending'
        order by t.batch, t.step
        limit p_limit
        for update skip locked
    ),

    handed_out as (
        update public.job_tasks as t
        set status = 'running'
        from claimed as c
        where t.id = c.id
        returning t.*
    )

    select h.*
    from handed_out as h
    order by h.batch, h.step;

    -- Key share lets a pause pass, and membership end: what has committed by now undoes the claim.
    select j.status
    into v_status
    from public.jobs as j
    where j.id = p_job_id and private.caller_may_act_for(j.org_id);

    perform private.refuse_claim_unless_running(p_job_id, v_status);
end;
$$;

comment on function public.claim_tasks(uuid, integer) is
'Hands up to p_limit pending tasks of a running job to the caller, in the order of batch and step; they are running, '
'and nobody else gets them. For members of the job''s organisation and service_role. '
'PT404: no such job of theirs. PT409: the job is not running. PT400: bad argument. 0A000: in a transaction that is '
'repeatable read or serializable.';

create function private.lock_task(p_task_id bigint, p_from text, p_to text)
returns public.jobs
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
    v_job public.jobs;
    v_status public.job_tasks.status%type;
begin
    if p_task_id is null then
        raise exception 'p_task_id must not be null' using errcode = 'PT400';
    end if;

    -- Membership is part of this condition, so that nobody waits for, or locks, a row of another organisation.
    select j.*
    into v_job
    from public.job_tasks as t
    inner join public.jobs as j on t.job_id = j.id
    where
        t.id = p_task_id
        and private.caller_may_act_for(j.org_id)
    for no key update of j;

    select t.status
    into v_status
    from public.job_tasks as t
    where t.id = p_task_id and t.job_id = v_job.id
    for no key update;

    -- Also when it was deleted, or moved to another job, while this waited: then it is not the task that was meant.
    -- And membership is asked for again, as it is now.
    if not found or not private.caller_may_act_for(v_job.org_id) then
        raise exception 'task % not found', p_task_id using errcode = 'PT404';
    end if;
    if v_status <> p_from then
        raise exception 'invalid transition: a task cannot go from % to %', v_status, p_to
        using errcode = 'PT409', detail = format('Only a task that is %s can.', p_from);
    end if;
    return v_job;
end;
$$;

comment on function private.lock_task(bigint, text, text) is
'Locks a task of the caller''s organisations (of any for the role service_role), its job first, and returns the job. '
'PT404: no such task of theirs. PT409, naming both statuses: it is not p_from. PT400: NULL.';

create function public.finish_task(p_task_id bigint, p_output jsonb)
returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
    perform private.lock_task(p_task_id, 'running', 'done');

    update public.job_tasks as t
    set status = 'done', output = p_output
    where t.id = p_task_id;
end;
$$;

create function public.fail_task(p_task_id bigint, p_error text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
    if p_error is null then
        raise exception 'p_error must not be null' using errcode = 'PT400', hint = 'Say what went wrong.';
    end if;
    perform private.lock_task(p_task_id, 'running', 'error');

    update public.job_tasks as t
    set status = 'error', error_message = p_error
    where t.id = p_task_id;
end;
$$;

create function public.retry_task(p_task_id bigint)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_job constant public.jobs := private.lock_task(p_task_id, 'error', 'pending');
begin
    if v_job.finished_at is not null then
        raise exception 'a task of a job that is % cannot be retried', v_job.status using errcode = 'PT409';
    end if;

    update public.job_tasks as t
    set status = 'pending', retry_count = t.retry_count + 1, error_message = null
    where t.id = p_task_id;
end;
$$;

comment on function public.finish_task(bigint, jsonb) is
'Ends a running task as done, with what came of it. For members of the job''s organisation and service_role. '
'PT404: no such task of theirs. PT409: the task is not running. PT400: bad argument.';
comment on function public.fail_task(bigint, text) is
'Ends a running task as error, with what went wrong. For members of the job''s organisation and service_role. '
'PT404: no such task of theirs. PT409: the task is not running. PT400: bad argument.';
comment on function public.retry_task(bigint) is
'Makes a failed task pending again, and counts it in retry_count. For members of the job''s organisation and '
'service_role. PT404: no such task of theirs. PT409: the task is not in error, or its job is in a final state. '
'PT400: bad argument.';

-- Rendering

create function public.render_template(p_template jsonb, p_variables jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
    -- No literal here means anything else where standard_conforming_strings is off. Blanks around a name are cut off
    -- afterwards: a pattern that leaves them out is tried at each of them.
    c_variable constant pg_catalog.text := '[{][{]([^{}]*)[}][}]';
    c_name constant pg_catalog.text := '[^[:space:]](?:.*[^[:space:]])?';
    v_field pg_catalog.text;
    v_text pg_catalog.text;
    v_name pg_catalog.text;
    v_result pg_catalog.jsonb := '{}';
begin
    if p_variables is null or jsonb_typeof(p_variables) <> 'object' then
        raise exception 'p_variables must be an object' using errcode = 'PT400';
    end if;
    if p_template is null or jsonb_typeof(p_template) <> 'object' then
        raise exception 'p_template must be an object with subject and body' using errcode = 'PT400';
    end if;
    for v_field in select k from jsonb_object_keys(p_template) as k where k not in ('subject', 'body') loop
        raise exception 'p_template.% is unknown', v_field
        using errcode = 'PT400', hint = 'A template has subject and body.';
    end loop;

    foreach v_field in array array['subject', 'body'] loop
        if jsonb_typeof(p_template -> v_field) is distinct from 'string' then
            raise exception 'p_template.% must be a text', v_field using errcode = 'PT400';
        end if;
        v_text := p_template ->> v_field;

        for v_name in
            select coalesce(substring(m[1], c_name), '') from regexp_matches(v_text, c_variable, 'g') as m
        loop
            if not p_variables ? v_name then
                raise exception 'p_template.% has an unknown variable: %', v_field, v_name using errcode = 'PT400';
            end if;
            if jsonb_typeof(p_variables -> v_name) in ('object', 'array') then
                raise exception 'p_variables.% must be a text, a number, true, false or null', v_name
                using errcode = 'PT400';
            end if;
        end loop;

        -- In one pass, piece by piece: what a value brings is never looked at again.
        select string_agg(p.piece || coalesce(v.escaped, ''), '' order by p.position)
        into v_text
        from regexp_split_to_table(v_text, c_variable) with ordinality as p (piece, position)
        left join (
            select
                m.position,
                replace(replace(replace(replace(replace(
                    case
                        when v_field = 'subject'
                            then regexp_replace(n.value, E'[\\u000a-\\u000d\\u0085\\u2028\\u2029]+', ' ', 'g')
                        else n.value
                    end,
                    '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;') as escaped
            from regexp_matches(v_text, c_variable, 'g') with ordinality as m (name, position)
            cross join lateral (select p_variables ->> coalesce(substring(m.name[1], c_name), '') as value) as n
        ) as v on p.position = v.position;
        v_result := v_result || jsonb_build_object(v_field, v_text);
    end loop;
    return v_result;
end;
$$;

comment on function public.render_template(jsonb, jsonb) is
'Fills a template {"subject": text, "body": text}: {{name}} becomes the value of that name, HTML-escaped, in the '
'subject on one line; NULL becomes nothing. No value is expanded again. PT400: bad argument, or an unknown variable.';

revoke all on all functions in schema private from public;
revoke all on function
public.create_job(uuid, text, text, jsonb),
public.plan_next_batch(uuid),
public.claim_tasks(uuid, integer),
public.finish_task(bigint, jsonb),
public.fail_task(bigint, text),
public.retry_task(bigint),
public.render_template(jsonb, jsonb)
from public, anon, authenticated, service_role;
grant execute on function
public.create_job(uuid, text, text, jsonb),
public.plan_next_batch(uuid),
public.claim_tasks(uuid, integer),
public.finish_task(bigint, jsonb),
public.fail_task(bigint, text),
public.retry_task(bigint),
public.render_template(jsonb, jsonb)
to authenticated, service_role;
