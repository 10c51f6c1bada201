create domain public.seat_role as text check (value in ('viewer', 'editor', 'owner'));

create table public.sv_workspace (
  id bigserial primary key,
  name text not null
);
create table public.sv_seat (
  workspace_id bigint not null references public.sv_workspace (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  seat public.seat_role not null default 'viewer',
  primary key (workspace_id, user_id)
);
create table public.sv_survey (
  id bigserial primary key,
  workspace_id bigint not null references public.sv_workspace (id) on delete cascade,
  title text not null,
  intro text,
  is_open boolean not null default false
);
create table public.sv_question (
  id bigserial primary key,
  survey_id bigint not null references public.sv_survey (id) on delete cascade,
  pos int not null default 0,
  kind text not null default 'text' check (kind in ('text', 'choice', 'scale')),
  body text not null
);
create table public.sv_option (
  id bigserial primary key,
  question_id bigint not null references public.sv_question (id) on delete cascade,
  label text not null
);
create table public.sv_response (
  id uuid primary key default gen_random_uuid(),
  survey_id bigint not null references public.sv_survey (id) on delete cascade,
  respondent_key text not null check (length(respondent_key) >= 32),
  started_at timestamptz not null default now(),
  contact_email text
);
create table public.sv_answer (
  response_id uuid not null references public.sv_response (id) on delete cascade,
  question_id bigint not null references public.sv_question (id) on delete cascade,
  value text not null,
  primary key (response_id, question_id)
);
create table public.sv_webhook (
  id bigserial primary key,
  workspace_id bigint not null references public.sv_workspace (id) on delete cascade,
  url text not null,
  signing_secret text not null default encode(extensions.gen_random_bytes(16), 'hex')
);

create function public.seat_in(ws bigint) returns text
  language sql stable security definer set search_path = ''
  return (select s.seat from public.sv_seat s where s.workspace_id = ws and s.user_id = auth.uid());

create function public.ws_of_survey(sv bigint) returns bigint
  language sql stable set search_path = ''
  return (select s.workspace_id from public.sv_survey s where s.id = sv);

-- key that the browser of a respondent keeps and sends with every request
create function public.respondent_key() returns text
  language sql stable set search_path = ''
  return nullif(current_setting('request.headers', true), '')::json ->> 'x-respondent-key';

alter table public.sv_workspace enable row level security;
alter table public.sv_seat enable row level security;
alter table public.sv_survey enable row level security;
alter table public.sv_question enable row level security;
alter table public.sv_option enable row level security;
alter table public.sv_response enable row level security;
alter table public.sv_answer enable row level security;
alter table public.sv_webhook enable row level security;

create policy ws_r on public.sv_workspace for select using (public.seat_in(id) is not null);
create policy ws_u on public.sv_workspace for update using (public.seat_in(id) = 'owner');

create policy seat_r on public.sv_seat for select using (public.seat_in(workspace_id) is not null);
create policy seat_w on public.sv_seat for all using (public.seat_in(workspace_id) = 'owner');

create policy survey_open on public.sv_survey for select using (is_open);
create policy survey_r on public.sv_survey for select using (public.seat_in(workspace_id) is not null);
create policy survey_w on public.sv_survey for all using (public.seat_in(workspace_id) in ('editor', 'owner'));

create policy question_open on public.sv_question for select
  using (exists (select 1 from public.sv_survey s where s.id = survey_id and s.is_open));
create policy question_team on public.sv_question for all
  using (public.seat_in(public.ws_of_survey(survey_id)) is not null)
  with check (public.seat_in(public.ws_of_survey(survey_id)) in ('editor', 'owner'));

create policy option_open on public.sv_option for select
  using (exists (select 1 from public.sv_question q join public.sv_survey s on s.id = q.survey_id where q.id = question_id and s.is_open));
create policy option_r on public.sv_option for select
  using (exists (select 1 from public.sv_question q where q.id = question_id and public.seat_in(public.ws_of_survey(q.survey_id)) is not null));
create policy option_w on public.sv_option for all
  using (exists (select 1 from public.sv_question q where q.id = question_id and public.seat_in(public.ws_of_survey(q.survey_id)) in ('editor', 'owner')));

create policy response_start on public.sv_response for insert
  with check (exists (select 1 from public.sv_survey s where s.id = survey_id and s.is_open) and respondent_key = public.respondent_key());
create policy response_mine on public.sv_response for select using (respondent_key = public.respondent_key());
create policy response_team on public.sv_response for select to authenticated
  using (public.seat_in(public.ws_of_survey(survey_id)) is not null);

create policy answer_give on public.sv_answer for insert
  with check (exists (
    select 1 from public.sv_response r join public.sv_question q on q.survey_id = r.survey_id
    where r.id = response_id and q.id = question_id and r.respondent_key = public.respondent_key()));
create policy answer_mine on public.sv_answer for select
  using (exists (select 1 from public.sv_response r where r.id = response_id and r.respondent_key = public.respondent_key()));
create policy answer_team on public.sv_answer for select to authenticated
  using (exists (select 1 from public.sv_response r where r.id = response_id and public.seat_in(public.ws_of_survey(r.survey_id)) is not null));

create policy webhook_w on public.sv_webhook for all to authenticated using (public.seat_in(workspace_id) = 'owner');

-- dashboard
create view public.my_surveys as
  select s.id, s.workspace_id, s.title, s.intro, s.is_open
  from public.sv_survey s
  where s.workspace_id in (select t.workspace_id from public.sv_seat t where t.user_id = auth.uid());

create function public.duplicate_survey(p_survey bigint, p_workspace bigint) returns bigint
  language plpgsql security definer set search_path = '' as $$
declare
  copy bigint;
begin
  if coalesce(public.seat_in(p_workspace), '') not in ('editor', 'owner') then
    raise exception 'you cannot edit this workspace' using errcode = '42501';
  end if;
  insert into public.sv_survey (workspace_id, title, intro)
  select p_workspace, s.title || ' (copy)', s.intro from public.sv_survey s where s.id = p_survey
  returning id into copy;
  insert into public.sv_question (survey_id, pos, kind, body)
  select copy, q.pos, q.kind, q.body from public.sv_question q where q.survey_id = p_survey;
  return copy;
end $$;
revoke execute on function public.duplicate_survey(bigint, bigint) from public, anon;
