-- States of a campaign that pgassay check makes no rows of by itself, since jobs and tasks begin as pending.

update public.jobs
set params = '{
    "target_group": "everybody", "cadence": {"day0": true}, "batch_size": 5,
    "templates": {"intro": {"subject": "Hello {{first_name}}", "body": "How are you?"}}
}';
update public.contacts set target_group = 'everybody';

-- each organisation has a running job with a running task and one that failed, and a job that nobody has started
update public.jobs as j
set status = 'running'
where exists (select from public.job_tasks as t where t.job_id = j.id);
update public.job_tasks set status = 'running';
update public.job_tasks as t
set status = 'error'
where exists (select from public.job_tasks as o where o.job_id = t.job_id and o.id < t.id);
