-- Lingua: back office of translation agencies

create table agencies (
  id bigint generated always as identity primary key,
  name text not null,
  created_at timestamptz not null default now()
);

create table staff (
  id bigint generated always as identity primary key,
  agency_id bigint not null references agencies on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  display_name text not null default '',
  phone text,
  role text not null default 'linguist' check (role in ('linguist', 'pm', 'owner')),
  unique (agency_id, user_id),
  unique (agency_id, id)
);

create table languages (
  code text primary key,
  name text not null
);
insert into languages values ('de', 'German'), ('en', 'English'), ('fr', 'French'), ('cs', 'Czech');

create table clients (
  id bigint generated always as identity primary key,
  agency_id bigint not null references agencies on delete cascade,
  name text not null,
  billing_email text,
  unique (agency_id, id)
);

create table projects (
  id bigint generated always as identity primary key,
  agency_id bigint not null references agencies on delete cascade,
  client_id bigint,
  title text not null,
  source_lang text not null references languages,
  target_lang text not null references languages,
  price_per_word numeric(8, 4) not null default 0,
  due_on date,
  foreign key (agency_id, client_id) references clients (agency_id, id)
);

create table documents (
  id bigint generated always as identity primary key,
  project_id bigint not null references projects on delete cascade,
  file_name text not null,
  word_count int not null default 0
);

create table segments (
  id bigint generated always as identity primary key,
  document_id bigint not null references documents on delete cascade,
  position int not null,
  source text not null,
  target text,
  unique (document_id, position)
);

create table glossaries (
  id bigint generated always as identity primary key,
  agency_id bigint not null references agencies on delete cascade,
  name text not null
);

create table terms (
  id bigint generated always as identity primary key,
  agency_id bigint not null references agencies on delete cascade,
  glossary_id bigint not null references glossaries on delete cascade,
  source text not null,
  target text not null
);

create table rate_cards (
  id bigint generated always as identity primary key,
  agency_id bigint not null references agencies on delete cascade,
  staff_id bigint not null,
  rate_per_word numeric(8, 4) not null,
  unique (agency_id, staff_id),
  foreign key (agency_id, staff_id) references staff (agency_id, id) on delete cascade
);

create table mt_usage (
  id bigint generated always as identity primary key,
  agency_id bigint not null references agencies on delete cascade,
  engine text not null,
  characters bigint not null,
  used_on date not null default current_date
);

alter table agencies enable row level security;
alter table staff enable row level security;
alter table languages enable row level security;
alter table clients enable row level security;
alter table projects enable row level security;
alter table documents enable row level security;
alter table segments enable row level security;
alter table glossaries enable row level security;
alter table terms enable row level security;
alter table rate_cards enable row level security;
alter table mt_usage enable row level security;

create policy "languages are for everybody" on languages for select using (true);

create policy "own memberships" on staff for select to authenticated
  using (user_id = auth.uid());
create policy "edit my profile" on staff for update to authenticated
  using (user_id = auth.uid())
  with check (user_id = auth.uid());

-- a profile stays where it is
create function staff_keep_agency() returns trigger language plpgsql as $$
begin
  new.agency_id := old.agency_id;
  new.user_id := old.user_id;
  return new;
end $$;
create trigger staff_keep_agency before update on staff for each row execute function staff_keep_agency();

create policy "see my agencies" on agencies for select to authenticated
  using (exists (select 1 from staff s where s.agency_id = agencies.id and s.user_id = auth.uid()));

create policy "staff see clients" on clients for select to authenticated
  using (exists (select 1 from staff s where s.agency_id = clients.agency_id and s.user_id = auth.uid()));
create policy "managers keep clients" on clients for all to authenticated
  using (exists (select 1 from staff s where s.agency_id = clients.agency_id and s.user_id = auth.uid() and s.role in ('pm', 'owner')));

create policy "staff see projects" on projects for select to authenticated
  using (exists (select 1 from staff s where s.agency_id = projects.agency_id and s.user_id = auth.uid()));
create policy "managers keep projects" on projects for all to authenticated
  using (exists (select 1 from staff s where s.agency_id = projects.agency_id and s.user_id = auth.uid() and s.role in ('pm', 'owner')));

create policy "staff work on documents" on documents for all to authenticated
  using (exists (
    select 1 from projects p join staff s on s.agency_id = p.agency_id
    where p.id = documents.project_id and s.user_id = auth.uid()));

create policy "staff work on segments" on segments for all to authenticated
  using (exists (
    select 1 from documents d join projects p on p.id = d.project_id join staff s on s.agency_id = p.agency_id
    where d.id = segments.document_id and s.user_id = auth.uid()));

create policy "staff see glossaries" on glossaries for select to authenticated
  using (exists (select 1 from staff where user_id = auth.uid() and agency_id = agency_id));
create policy "managers keep glossaries" on glossaries for all to authenticated
  using (exists (select 1 from staff s where s.agency_id = glossaries.agency_id and s.user_id = auth.uid() and s.role in ('pm', 'owner')));

create policy "staff see terms" on terms for select to authenticated
  using (exists (
    select 1 from glossaries g join staff s on s.agency_id = g.agency_id
    where g.id = terms.glossary_id and s.user_id = auth.uid()));
create policy "staff add terms" on terms for insert to authenticated
  with check (exists (select 1 from staff s where s.agency_id = terms.agency_id and s.user_id = auth.uid()));
create policy "managers remove terms" on terms for delete to authenticated
  using (exists (
    select 1 from glossaries g join staff s on s.agency_id = g.agency_id
    where g.id = terms.glossary_id and s.user_id = auth.uid() and s.role in ('pm', 'owner')));

create policy "managers keep rates" on rate_cards for all to authenticated
  using (exists (select 1 from staff s where s.agency_id = rate_cards.agency_id and s.user_id = auth.uid() and s.role in ('pm', 'owner')))
  with check (
    exists (select 1 from staff s where s.agency_id = rate_cards.agency_id and s.user_id = auth.uid() and s.role in ('pm', 'owner')));

create policy "billing job" on mt_usage for all to service_role using (true) with check (true);

create view open_projects with (security_invoker = on) as
  select p.id, p.agency_id, p.title, p.due_on, c.name as client
  from projects p left join clients c on c.id = p.client_id
  where p.due_on is null or p.due_on >= current_date;

-- what a linguist costs against what projects bring
create view project_margins as
  select p.id as project_id, p.agency_id, p.title, p.price_per_word,
    (select avg(r.rate_per_word) from rate_cards r where r.agency_id = p.agency_id) as cost_per_word
  from projects p
  where p.agency_id in (select s.agency_id from staff s where s.user_id = auth.uid());
revoke all on project_margins from anon, authenticated;
grant select on project_margins to authenticated;

-- policies show each only her own row of staff, so the team comes from here
create function list_team(p_agency bigint) returns table (staff_id bigint, display_name text, role text)
language plpgsql stable security definer set search_path = '' as $$
begin
  if not exists (select 1 from public.staff s where s.agency_id = p_agency and s.user_id = auth.uid()) then
    raise exception 'not one of your agencies' using errcode = '42501';
  end if;
  return query select s.id, s.display_name, s.role from public.staff s where s.agency_id = p_agency order by 2;
end $$;
revoke execute on function list_team(bigint) from public, anon;
