/*
 * callsheet.app
 * Who may what is data: role -> role_permission -> permission. Policies ask can(production, permission).
 */

create table public.permission (
  key         text primary key,
  description text not null
);
create table public.role (
  key   text primary key,
  title text not null
);
create table public.role_permission (
  role_key       text not null references public.role,
  permission_key text not null references public.permission,
  primary key (role_key, permission_key)
);

insert into public.permission values
  ('script.read', 'Read scripts'), ('script.write', 'Write scripts'), ('sheet.write', 'Publish call sheets'),
  ('memo.read', 'Read deal memos'), ('memo.write', 'Write deal memos'), ('crew.manage', 'Hire and let go');
insert into public.role values ('crew', 'Crew'), ('coordinator', 'Coordinator'), ('accountant', 'Accountant'), ('producer', 'Producer');
insert into public.role_permission values
  ('crew', 'script.read'),
  ('coordinator', 'script.read'), ('coordinator', 'script.write'), ('coordinator', 'sheet.write'),
  ('accountant', 'memo.read'), ('accountant', 'memo.write'),
  ('producer', 'script.read'), ('producer', 'script.write'), ('producer', 'sheet.write'), ('producer', 'memo.read'),
  ('producer', 'memo.write'), ('producer', 'crew.manage');

create table public.production (
  id         uuid primary key default gen_random_uuid(),
  title      text not null,
  wrapped_on date
);

create table public.crew (
  production_id uuid not null references public.production on delete cascade,
  user_id       uuid not null references auth.users on delete cascade,
  role_key      text not null default 'crew' references public.role,
  joined_on     date not null default current_date,
  left_on       date,
  primary key (production_id, user_id)
);

create table public.crew_invite (
  id            uuid primary key default gen_random_uuid(),
  production_id uuid not null references public.production on delete cascade,
  email         text not null,
  role_key      text not null default 'crew' references public.role,
  claimed_at    timestamptz
);

create table public.script (
  id            uuid primary key default gen_random_uuid(),
  production_id uuid not null references public.production on delete cascade,
  title         text not null
);

create table public.script_version (
  id        uuid primary key default gen_random_uuid(),
  script_id uuid not null references public.script on delete cascade,
  colour    text not null default 'white',
  body      text not null
);

-- for actors before they are hired: callsheet.app/read/<token>
create table public.script_link (
  id         uuid primary key default gen_random_uuid(),
  version_id uuid not null references public.script_version on delete cascade,
  token      text not null unique default encode(extensions.gen_random_bytes(24), 'hex'),
  expires_at timestamptz not null default now() + interval '7 days'
);

create table public.call_sheet (
  id            uuid primary key default gen_random_uuid(),
  production_id uuid not null references public.production on delete cascade,
  shoot_day     date not null,
  location      text not null,
  notes         text
);

create table public.deal_memo (
  id            uuid primary key default gen_random_uuid(),
  production_id uuid not null,
  user_id       uuid not null,
  day_rate      numeric(10, 2) not null,
  signed_on     date,
  foreign key (production_id, user_id) references public.crew on delete cascade
);

create function public.is_crew(p uuid) returns boolean language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.crew c
    where c.production_id = p and c.user_id = (select auth.uid()) and (c.left_on is null or c.left_on > current_date))
$$;

create function public.can(p uuid, what text) returns boolean language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.crew c join public.role_permission rp on rp.role_key = c.role_key
    where c.production_id = p and c.user_id = (select auth.uid()) and rp.permission_key = what
      and (c.left_on is null or c.left_on > current_date))
$$;

-- not reachable through the API
create schema internal;
grant usage on schema internal to anon, authenticated, service_role;

create function internal.production_of_script(s uuid) returns uuid language sql stable security definer set search_path = '' as $$
  select production_id from public.script where id = s
$$;
create function internal.has_link(v uuid) returns boolean language sql stable security definer set search_path = '' as $$
  select exists (select from public.script_link l where l.version_id = v and l.expires_at > now())
$$;

do $$
declare t text;
begin
  foreach t in array array['permission', 'role', 'role_permission', 'production', 'crew', 'crew_invite', 'script', 'script_version',
    'script_link', 'call_sheet', 'deal_memo']
  loop
    execute format('alter table public.%I enable row level security', t);
  end loop;
  foreach t in array array['permission', 'role', 'role_permission']
  loop
    execute format('create policy %I on public.%I for select to authenticated using (true)', t || '_read', t);
  end loop;
end $$;

create policy production_read on public.production for select to authenticated using (public.is_crew(id));
create policy production_update on public.production for update to authenticated using (public.can(id, 'crew.manage'));

-- one's own row stays, for the list of past productions
create policy crew_read on public.crew for select to authenticated
  using (user_id = (select auth.uid()) or public.is_crew(production_id));
create policy crew_hire on public.crew for insert to authenticated with check (public.can(production_id, 'crew.manage'));
create policy crew_change on public.crew for update to authenticated using (public.can(production_id, 'crew.manage'));
create policy crew_remove on public.crew for delete to authenticated using (public.can(production_id, 'crew.manage'));

create policy invite_manage on public.crew_invite for all to authenticated using (public.can(production_id, 'crew.manage'));

create policy script_read on public.script for select to authenticated using (public.can(production_id, 'script.read'));
create policy script_write on public.script for all to authenticated using (public.can(production_id, 'script.write'));

create policy version_read on public.script_version for select to authenticated
  using (public.can(internal.production_of_script(script_id), 'script.read'));
create policy version_write on public.script_version for all to authenticated
  using (public.can(internal.production_of_script(script_id), 'script.write'));
create policy version_by_link on public.script_version for select to anon, authenticated
  using (internal.has_link(id));

create policy link_manage on public.script_link for all to authenticated
  using (exists (
    select from public.script_version v
    where v.id = version_id and public.can(internal.production_of_script(v.script_id), 'script.write')));

create policy sheet_read on public.call_sheet for select to authenticated
  using (exists (select from public.crew c where c.production_id = call_sheet.production_id and c.user_id = (select auth.uid())));
create policy sheet_write on public.call_sheet for all to authenticated using (public.can(production_id, 'sheet.write'));

create policy memo_read on public.deal_memo for select to authenticated
  using (public.can(production_id, 'memo.read'));
create policy memo_write on public.deal_memo for all to authenticated
  using (public.can(production_id, 'memo.write'));

-- /read/<token>
create function public.open_script_link(link_token text) returns table (title text, colour text, body text)
language sql stable security definer set search_path = '' as $$
  select s.title, v.colour, v.body
  from public.script_link l
  join public.script_version v on v.id = l.version_id
  join public.script s on s.id = v.script_id
  where l.token = link_token and l.expires_at > now()
$$;

-- contact list printed on the back of the call sheet
create function public.crew_sheet(p uuid) returns table (user_id uuid, role_title text, joined_on date, memo jsonb)
language plpgsql stable security definer set search_path = '' as $$
begin
  if not public.is_crew(p) then
    raise exception 'not on this production' using errcode = '42501';
  end if;
  return query
    select c.user_id, r.title, c.joined_on, to_jsonb(d) - 'id'
    from public.crew c
    join public.role r on r.key = c.role_key
    left join public.deal_memo d on d.production_id = c.production_id and d.user_id = c.user_id
    where c.production_id = p
    order by r.title;
end $$;

-- after sign-in the app calls this once
create function public.claim_invites() returns int language plpgsql security definer set search_path = '' as $$
declare
  mail text := lower(coalesce(auth.jwt() -> 'user_metadata' ->> 'email', auth.jwt() ->> 'email'));
  n int;
begin
  if auth.uid() is null or mail is null then
    raise exception 'sign in first' using errcode = '42501';
  end if;
  with mine as (
    update public.crew_invite i set claimed_at = now()
    where lower(i.email) = mail and i.claimed_at is null
    returning i.production_id, i.role_key)
  insert into public.crew (production_id, user_id, role_key)
  select m.production_id, auth.uid(), m.role_key from mine m
  on conflict do nothing;
  get diagnostics n = row_count;
  return n;
end $$;
