create function my_companies() returns setof uuid
language sql stable security definer set search_path to public as
$$ select company_id from company_member where user_id = auth.uid() $$;

create function has_role(c uuid, variadic roles member_role[]) returns boolean
language sql stable security definer set search_path to public as
$$ select exists (select from company_member where company_id = c and user_id = auth.uid() and role = any (roles)) $$;

alter table company enable row level security;
alter table company_member enable row level security;
alter table invitation enable row level security;
alter table job enable row level security;
alter table candidate enable row level security;
alter table application enable row level security;
alter table interview enable row level security;
alter table scorecard enable row level security;
alter table offer enable row level security;
alter table audit_log enable row level security;

-- 1. no row of another company, whatever else a policy says
create policy tenant on company as restrictive to authenticated using (id in (select my_companies()));
create policy tenant on company_member as restrictive to authenticated using (company_id in (select my_companies()));
create policy tenant on invitation as restrictive to authenticated using (company_id in (select my_companies()));
create policy tenant on job as restrictive to authenticated using (company_id in (select my_companies()));
create policy tenant on candidate as restrictive to authenticated using (company_id in (select my_companies()));
create policy tenant on application as restrictive to authenticated using (company_id in (select my_companies()));
create policy tenant on interview to authenticated using (company_id in (select my_companies()));
create policy tenant on scorecard as restrictive to authenticated using (company_id in (select my_companies()));
create policy tenant on offer as restrictive to authenticated using (company_id in (select my_companies()));
create policy tenant on audit_log as restrictive to authenticated using (company_id in (select my_companies()));

-- 2. who reads
create policy reads on company for select to authenticated using (true);
create policy reads on company_member for select to authenticated using (true);
create policy reads on job for select to authenticated using (true);
create policy reads on candidate for select to authenticated using (true);
create policy reads on application for select to authenticated using (true);
create policy reads on interview for select to authenticated using (true);
create policy reads on invitation for select to authenticated using (has_role(company_id, 'recruiter', 'admin'));
create policy reads on scorecard for select to authenticated
  using (author = auth.uid() or has_role(company_id, 'recruiter', 'admin'));
create policy reads on offer for select to authenticated using (has_role(company_id, 'recruiter', 'admin'));
create policy reads on audit_log for select to authenticated using (has_role(company_id, 'admin'));

-- 3. who writes
create policy writes on company for update to authenticated using (has_role(id, 'admin'));
create policy adds on company_member for insert to authenticated with check (has_role(company_id, 'admin'));
create policy writes on company_member for update to authenticated using (has_role(company_id, 'admin'));
-- everybody may leave, and admins are not thrown out
create policy leaves on company_member for delete to authenticated using (user_id = auth.uid() or role <> 'admin');
create policy invites on invitation for insert to authenticated
  with check (has_role(company_id, 'recruiter', 'admin') and invited_by = auth.uid());
create policy takes_back on invitation for delete to authenticated using (has_role(company_id, 'recruiter', 'admin'));
create policy writes on job to authenticated using (has_role(company_id, 'recruiter', 'admin'));
create policy writes on candidate for update to authenticated using (has_role(company_id, 'recruiter', 'admin'));
create policy erases on candidate for delete to authenticated using (has_role(company_id, 'recruiter', 'admin'));
create policy writes on application for update to authenticated using (has_role(company_id, 'recruiter', 'admin'))
  with check (
    has_role(company_id, 'recruiter', 'admin')
    and exists (select from candidate c where c.id = candidate_id and c.company_id = application.company_id));
create policy writes on scorecard for insert to authenticated with check (author = auth.uid());
create policy corrects on scorecard for update to authenticated using (author = auth.uid());
create policy writes on offer to authenticated using (has_role(company_id, 'recruiter', 'admin'));

-- what happens to offers is kept
create function log_offer() returns trigger
language plpgsql security definer set search_path to public as
$$
begin
  insert into audit_log (company_id, actor, what, detail)
  values (coalesce(new.company_id, old.company_id), auth.uid(), tg_op || ' offer', to_jsonb(coalesce(new, old)));
  return null;
end
$$;
create trigger log_offer after insert or update or delete on offer for each row execute function log_offer();

create function accept_invitation(invitation_id uuid) returns uuid
language plpgsql security definer set search_path to public as
$$
declare
  i invitation;
begin
  select * into i from invitation
  where id = invitation_id and accepted_at is null and expires_at > now() and lower(email) = lower(auth.jwt() ->> 'email')
  for update;
  if i.id is null then
    raise exception 'no such invitation' using errcode = 'PT404';
  end if;
  insert into company_member (company_id, user_id, role) values (i.company_id, auth.uid(), i.role)
  on conflict (company_id, user_id) do update set role = excluded.role;
  update invitation set accepted_at = now() where id = i.id;
  return i.company_id;
end
$$;
revoke all on function accept_invitation(uuid) from public, anon;

-- form on the careers page
create function apply(company uuid, job uuid, email text, name text, resume text default null) returns void
language plpgsql security definer set search_path to public as
$$
declare
  person uuid;
begin
  if not exists (select from job j where j.company_id = apply.company and j.id = apply.job and j.open) then
    raise exception 'job is closed' using errcode = 'PT404';
  end if;
  insert into candidate as c (company_id, email, name, resume)
  values (apply.company, lower(apply.email), apply.name, apply.resume)
  on conflict on constraint candidate_email_key do update
    set company_id = excluded.company_id, name = excluded.name, resume = coalesce(excluded.resume, c.resume)
  returning id into person;
  insert into application (company_id, job_id, candidate_id) values (apply.company, apply.job, person);
end
$$;
