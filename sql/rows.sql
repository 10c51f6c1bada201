-- States of a campaign that pgassay check makes no rows of by itself, since jobs and tasks begin as pending.

update public.jobs
set params = '{
    "target_group": "everybody", "cadence": {"day0": true}, "batch_size": 5,
    "templates": {"intro": {"subject": "Hello {{first_name}}", "body": "How are you?"}}
}';
update public.contacts set target_group = 'everybody';

-- each organisation has a running job with a running task, one that failed and a pending one, and a pending job
update public.jobs as j
set status = 'running'
where exists (
    select from public.job_tasks as t
    where t.job_id = j.id
);
update public.job_tasks set status = 'running';
update public.job_tasks as t
set status = 'error'
where exists (
    select from public.job_tasks as o
    where o.job_id = t.job_id and o.id < t.id
);
insert into public.job_tasks (job_id, batch, step, kind)
select
    j.id,
    1 as batch,
    1 as step,
    'draft_email' as kind
from public.jobs as j
where j.status = 'running';
