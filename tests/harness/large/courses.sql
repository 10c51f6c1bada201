-- Learning: everybody writes courses of their own, publishes them, shares drafts with helpers, and enrols in others'.
create table profiles (
  id uuid primary key references auth.users on delete cascade,
  display_name text not null default 'somebody',
  bio text,
  is_listed boolean not null default false,
  courses_written int not null default 0
);

create table topics (
  slug text primary key,
  title text not null
);
create table languages (
  code text primary key check (char_length(code) = 2),
  title text not null
);
create table badges (
  id int primary key,
  title text not null,
  needs_lessons int not null check (needs_lessons > 0)
);
insert into topics values ('math', 'Mathematics'), ('code', 'Programming');
insert into languages values ('en', 'English'), ('de', 'Deutsch');
insert into badges values (1, 'Started', 1), (2, 'Busy', 25);

create table courses (
  id uuid primary key default gen_random_uuid(),
  owner_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null check (title <> ''),
  topic text references topics (slug),
  language text not null default 'en' references languages (code),
  level smallint not null default 1 check (level between 1 and 3),
  is_published boolean not null default false,
  enrolment_count int not null default 0,
  updated_at timestamptz not null default now()
);
create index courses_owner on courses (owner_id);
create index courses_topic on courses (topic);
create index courses_language on courses (language);

create table course_helpers (
  course_id uuid not null references courses on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  may_edit boolean not null default false,
  added_at timestamptz not null default now(),
  primary key (course_id, user_id)
);
create index course_helpers_user on course_helpers (user_id);

-- "whose course is it, may I help": definer, since courses and course_helpers ask each other
create schema learn;
grant usage on schema learn to anon, authenticated, service_role;
create function learn.owns(course uuid) returns boolean
language sql stable security definer set search_path = ''
return exists (select 1 from public.courses c where c.id = course and c.owner_id = auth.uid());
create function learn.helps(course uuid) returns boolean
language sql stable security definer set search_path = ''
return exists (select 1 from public.course_helpers h where h.course_id = course and h.user_id = auth.uid());
create function learn.edits(course uuid) returns boolean
language sql stable security definer set search_path = ''
return learn.owns(course)
  or exists (select 1 from public.course_helpers h where h.course_id = course and h.user_id = auth.uid() and h.may_edit);
create function learn.is_open(course uuid) returns boolean
language sql stable security definer set search_path = ''
return exists (select 1 from public.courses c where c.id = course and c.is_published);

create table chapters (
  id uuid primary key default gen_random_uuid(),
  course_id uuid not null references courses on delete cascade,
  title text not null,
  position int not null default 1 check (position > 0)
);
create index chapters_course on chapters (course_id);
create table lessons (
  id uuid primary key default gen_random_uuid(),
  course_id uuid not null references courses on delete cascade,
  title text not null,
  body text not null default '',
  minutes int not null default 5 check (minutes between 1 and 240),
  position int not null default 1
);
create index lessons_course on lessons (course_id);
create table lesson_files (
  id uuid primary key default gen_random_uuid(),
  lesson_id uuid not null references lessons on delete cascade,
  path text not null,
  bytes bigint not null default 0 check (bytes >= 0)
);
create index lesson_files_lesson on lesson_files (lesson_id);
create table glossary_terms (
  course_id uuid not null references courses on delete cascade,
  term text not null,
  meaning text not null,
  primary key (course_id, term)
);
create table course_changes (
  id bigint generated always as identity primary key,
  course_id uuid not null references courses on delete cascade,
  changed_by uuid,
  was text,
  changed_at timestamptz not null default now()
);
create index course_changes_course on course_changes (course_id);

create table enrolments (
  course_id uuid not null references courses on delete cascade,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  enrolled_at timestamptz not null default now(),
  finished_at timestamptz check (finished_at >= enrolled_at),
  primary key (course_id, user_id)
);
create index enrolments_user on enrolments (user_id);
create table lesson_progress (
  lesson_id uuid not null references lessons on delete cascade,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  percent smallint not null default 0 check (percent between 0 and 100),
  seen_at timestamptz not null default now(),
  primary key (lesson_id, user_id)
);
create index lesson_progress_user on lesson_progress (user_id);
create table lesson_notes (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  lesson_id uuid not null references lessons on delete cascade,
  body text not null,
  pinned boolean not null default false
);
create index lesson_notes_user on lesson_notes (user_id);
create index lesson_notes_lesson on lesson_notes (lesson_id);
create table certificates (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users on delete cascade,
  course_title text not null,
  awarded_on date not null default current_date
);
create index certificates_user on certificates (user_id);
create table earned_badges (
  user_id uuid not null references auth.users on delete cascade,
  badge_id int not null references badges,
  earned_at timestamptz not null default now(),
  primary key (user_id, badge_id)
);
create index earned_badges_badge on earned_badges (badge_id);

-- what everybody keeps for themselves
create table decks (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null,
  archived boolean not null default false
);
create index decks_user on decks (user_id);
create table deck_shares (
  deck_id uuid not null references decks on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  primary key (deck_id, user_id)
);
create index deck_shares_user on deck_shares (user_id);
create function learn.has_deck(deck uuid) returns boolean
language sql stable security definer set search_path = ''
return exists (select 1 from public.decks d where d.id = deck and d.user_id = auth.uid());
create function learn.sees_deck(deck uuid) returns boolean
language sql stable security definer set search_path = ''
return learn.has_deck(deck)
  or exists (select 1 from public.deck_shares s where s.deck_id = deck and s.user_id = auth.uid());
create table cards (
  id uuid primary key default gen_random_uuid(),
  deck_id uuid not null references decks on delete cascade,
  front text not null,
  back text not null
);
create index cards_deck on cards (deck_id);
create table card_reviews (
  id bigint generated always as identity primary key,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  card_id uuid not null references cards on delete cascade,
  grade smallint not null check (grade between 0 and 5),
  reviewed_at timestamptz not null default now()
);
create index card_reviews_user on card_reviews (user_id);
create index card_reviews_card on card_reviews (card_id);
create table goals (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  kind text not null default 'minutes' check (kind in ('minutes', 'lessons', 'cards')),
  target int not null check (target > 0),
  due date,
  reached boolean not null default false
);
create index goals_user on goals (user_id);
create table study_sessions (
  id bigint generated always as identity primary key,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  check (ended_at > started_at)
);
create index study_sessions_user on study_sessions (user_id);
create table reminders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  at time not null default '18:00',
  weekdays int[] not null default '{1,3,5}' check (cardinality(weekdays) between 1 and 7),
  muted boolean not null default false
);
create index reminders_user on reminders (user_id);
create table settings (
  user_id uuid primary key default auth.uid() references auth.users on delete cascade,
  theme text not null default 'light' check (theme in ('light', 'dark')),
  options jsonb not null default '{}' check (jsonb_typeof(options) = 'object')
);
create table bookmarks (
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  url text not null check (url like 'https://%'),
  label text,
  primary key (user_id, url)
);
create table reading_lists (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null,
  visibility text not null default 'private' check (visibility in ('private', 'public'))
);
create index reading_lists_user on reading_lists (user_id);
create table reading_items (
  id uuid primary key default gen_random_uuid(),
  list_id uuid not null references reading_lists on delete cascade,
  title text not null,
  url text
);
create index reading_items_list on reading_items (list_id);
create table essays (
  id uuid primary key default gen_random_uuid(),
  author_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null,
  body text not null default '',
  state text not null default 'draft' check (state in ('draft', 'live', 'withdrawn')),
  words int generated always as (coalesce(array_length(string_to_array(body, ' '), 1), 0)) stored
);
create index essays_author on essays (author_id);
create table essay_versions (
  id bigint generated always as identity primary key,
  essay_id uuid not null references essays on delete cascade,
  body text not null,
  saved_at timestamptz not null default now()
);
create index essay_versions_essay on essay_versions (essay_id);
create table notifications (
  id bigint generated always as identity primary key,
  user_id uuid not null references auth.users on delete cascade,
  kind text not null,
  payload jsonb not null default '{}',
  read_at timestamptz
);
create index notifications_user on notifications (user_id);
create table devices (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  push_token text not null unique,
  platform text not null default 'web' check (platform in ('web', 'ios', 'android'))
);
create index devices_user on devices (user_id);
create table support_requests (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  subject text not null,
  closed boolean not null default false,
  answer text
);
create index support_requests_user on support_requests (user_id);

-- triggers
create function learn.touch() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at = now();
  return new;
end $$;
create trigger touch before update on courses for each row execute function learn.touch();

create function learn.keep_owner() returns trigger language plpgsql set search_path = '' as $$
begin
  if new.owner_id <> old.owner_id then
    raise exception 'courses stay with their owner' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger keep_owner before update on courses for each row execute function learn.keep_owner();

create function learn.count_courses() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, courses_written) values (new.owner_id, 1)
  on conflict (id) do update set courses_written = public.profiles.courses_written + 1;
  return new;
end $$;
create trigger count_courses after insert on courses for each row execute function learn.count_courses();

create function learn.count_enrolments() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  update public.courses c
  set enrolment_count = (select count(*) from public.enrolments e where e.course_id = c.id)
  where c.id = coalesce(new.course_id, old.course_id);
  return null;
end $$;
create trigger count_enrolments after insert or delete on enrolments for each row execute function learn.count_enrolments();

create function learn.log_change() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.course_changes (course_id, changed_by, was) values (old.course_id, auth.uid(), old.body);
  return null;
end $$;
create trigger log_change after update of body on lessons for each row
when (old.body is distinct from new.body and old.course_id = new.course_id) execute function learn.log_change();

create function learn.keep_version() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.essay_versions (essay_id, body) values (old.id, old.body);
  return null;
end $$;
create trigger keep_version after update of body on essays for each row
when (old.body <> new.body) execute function learn.keep_version();

create function learn.tell_helper() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.notifications (user_id, kind) values (new.user_id, 'helper_added');
  return null;
end $$;
create trigger tell_helper after insert on course_helpers for each row execute function learn.tell_helper();

-- row level security
alter table profiles enable row level security;
alter table topics enable row level security;
alter table languages enable row level security;
alter table badges enable row level security;
alter table courses enable row level security;
alter table course_helpers enable row level security;
alter table chapters enable row level security;
alter table lessons enable row level security;
alter table lesson_files enable row level security;
alter table glossary_terms enable row level security;
alter table course_changes enable row level security;
alter table enrolments enable row level security;
alter table lesson_progress enable row level security;
alter table lesson_notes enable row level security;
alter table certificates enable row level security;
alter table earned_badges enable row level security;
alter table decks enable row level security;
alter table deck_shares enable row level security;
alter table cards enable row level security;
alter table card_reviews enable row level security;
alter table goals enable row level security;
alter table study_sessions enable row level security;
alter table reminders enable row level security;
alter table settings enable row level security;
alter table bookmarks enable row level security;
alter table reading_lists enable row level security;
alter table reading_items enable row level security;
alter table essays enable row level security;
alter table essay_versions enable row level security;
alter table notifications enable row level security;
alter table devices enable row level security;
alter table support_requests enable row level security;

create policy "Anyone can read topics" on topics for select using (true);
create policy "Anyone can read languages" on languages for select using (true);
create policy "Anyone can read badges" on badges for select using (true);

create policy "Users see themselves" on profiles for select to authenticated using (id = (select auth.uid()));
create policy "Listed people are visible" on profiles for select to anon, authenticated using (is_listed);
create policy "Users edit themselves" on profiles for update to authenticated
  using (id = (select auth.uid())) with check (id = (select auth.uid()));
revoke update on profiles from anon, authenticated;
grant update (display_name, bio, is_listed) on profiles to authenticated;

create policy "Owners" on courses for all to authenticated
  using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()));
create policy "Published courses" on courses for select to anon, authenticated using (is_published);
create policy "Helpers see drafts" on courses for select to authenticated using (learn.helps(id));
revoke insert, update on courses from anon, authenticated;
grant insert (id, owner_id, title, topic, language, level, is_published), update (title, topic, language, level, is_published)
  on courses to authenticated;

create policy "Owners manage helpers" on course_helpers for all to authenticated
  using (learn.owns(course_id)) with check (learn.owns(course_id) and user_id <> (select auth.uid()));
create policy "Helpers see themselves" on course_helpers for select to authenticated using (user_id = (select auth.uid()));
create policy "Helpers leave" on course_helpers for delete to authenticated using (user_id = (select auth.uid()));

create policy "Read chapters" on chapters for select to anon, authenticated
  using (learn.is_open(course_id) or learn.owns(course_id) or learn.helps(course_id));
create policy "Owners write chapters" on chapters for all to authenticated
  using (learn.owns(course_id)) with check (learn.owns(course_id));
create policy "Read lessons of published courses" on lessons for select to anon, authenticated
  using (exists (select 1 from courses c where c.id = lessons.course_id and c.is_published));
create policy "Team reads lessons" on lessons for select to authenticated
  using (learn.owns(course_id) or learn.helps(course_id));
create policy "Owners write lessons" on lessons for all to authenticated
  using (learn.owns(course_id)) with check (learn.owns(course_id));
create policy "Files of lessons" on lesson_files for select to authenticated
  using (exists (select 1 from lessons l where l.id = lesson_id and (learn.owns(l.course_id) or learn.helps(l.course_id))));
create policy "Owners attach files" on lesson_files for insert to authenticated
  with check (exists (select 1 from lessons l where l.id = lesson_id and learn.owns(l.course_id)));
create policy "Owners remove files" on lesson_files for delete to authenticated
  using (exists (select 1 from lessons l where l.id = lesson_id and learn.owns(l.course_id)));
create policy "Read glossary" on glossary_terms for select to anon, authenticated
  using (learn.is_open(course_id) or learn.helps(course_id));
create policy "Owners write glossary" on glossary_terms for all to authenticated
  using (learn.owns(course_id)) with check (learn.owns(course_id));
create policy "Owners see changes" on course_changes for select to authenticated using (learn.owns(course_id));

create policy "Own enrolments" on enrolments for select to authenticated using (user_id = (select auth.uid()));
create policy "Enrol in published courses" on enrolments for insert to authenticated
  with check (user_id = (select auth.uid()) and learn.is_open(course_id) and finished_at is null);
create policy "Leave" on enrolments for delete to authenticated using (user_id = (select auth.uid()) and finished_at is null);
create policy "Own progress" on lesson_progress for select to authenticated using (user_id = (select auth.uid()));
create policy "Progress in what one sees" on lesson_progress for insert to authenticated
  with check (user_id = (select auth.uid()) and exists (select 1 from lessons l where l.id = lesson_id));
create policy "Go on" on lesson_progress for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()) and exists (select 1 from lessons l where l.id = lesson_id));
create policy "Own notes" on lesson_notes for all to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()) and exists (select 1 from lessons l where l.id = lesson_id));
create policy "Own certificates" on certificates for select to authenticated using (user_id = (select auth.uid()));
create policy "Own badges" on earned_badges for select to authenticated using (user_id = (select auth.uid()));

create policy "Own decks" on decks for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Shared decks" on decks for select to authenticated using (not archived and learn.sees_deck(id));
create policy "Owners share" on deck_shares for all to authenticated
  using (learn.has_deck(deck_id)) with check (learn.has_deck(deck_id));
create policy "Receivers see and end it" on deck_shares for select to authenticated using (user_id = (select auth.uid()));
create policy "Cards of decks" on cards for select to authenticated using (learn.sees_deck(deck_id));
create policy "Own cards" on cards for all to authenticated
  using (learn.has_deck(deck_id)) with check (learn.has_deck(deck_id));
create policy "Own reviews" on card_reviews for select to authenticated using (user_id = (select auth.uid()));
create policy "Review what one sees" on card_reviews for insert to authenticated
  with check (user_id = (select auth.uid()) and card_id in (select c.id from cards c));
create policy "Own goals" on goals for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Own sessions" on study_sessions for all to authenticated
  using (user_id = (select auth.uid()) and ended_at is null) with check (user_id = (select auth.uid()));
create policy "Past sessions" on study_sessions for select to authenticated
  using (user_id = (select auth.uid()) and ended_at is not null);
create policy "Own reminders" on reminders for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Own settings" on settings for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Own bookmarks" on bookmarks for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Own lists" on reading_lists for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Public lists" on reading_lists for select to anon, authenticated using (visibility = 'public');
create policy "Items of lists one sees" on reading_items for select to anon, authenticated
  using (exists (select 1 from reading_lists r where r.id = list_id));
create policy "Own items" on reading_items for all to authenticated
  using (exists (select 1 from reading_lists r where r.id = list_id and r.user_id = (select auth.uid())))
  with check (exists (select 1 from reading_lists r where r.id = list_id and r.user_id = (select auth.uid())));
create policy "Own essays" on essays for select to authenticated using (author_id = (select auth.uid()));
create policy "Live essays" on essays for select to anon, authenticated using (state = 'live');
create policy "Write essays" on essays for insert to authenticated
  with check (author_id = (select auth.uid()) and state = 'draft');
create policy "Change essays" on essays for update to authenticated
  using (author_id = (select auth.uid()) and state <> 'withdrawn') with check (author_id = (select auth.uid()));
create policy "Own versions" on essay_versions for select to authenticated
  using (exists (select 1 from essays e where e.id = essay_id and e.author_id = (select auth.uid())));
create policy "Own notifications" on notifications for select to authenticated using (user_id = (select auth.uid()));
create policy "Mark as read" on notifications for update to authenticated
  using (user_id = (select auth.uid()) and read_at is null)
  with check (user_id = (select auth.uid()) and read_at is not null);
revoke update on notifications from anon, authenticated;
grant update (read_at) on notifications to authenticated;
create policy "Own devices" on devices for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy "Own requests" on support_requests for select to authenticated using (user_id = (select auth.uid()));
create policy "Ask" on support_requests for insert to authenticated
  with check (user_id = (select auth.uid()) and not closed and answer is null);

-- views
create view catalogue with (security_invoker = true) as
select c.id, c.title, c.level, c.enrolment_count, t.title as topic
from courses c left join topics t on t.slug = c.topic
where c.is_published;
create view my_week with (security_invoker = true) as
select s.user_id, date_trunc('day', s.started_at) as day, count(*) as sessions
from study_sessions s where s.started_at > now() - interval '7 days'
group by 1, 2;

-- RPCs
create function create_course(outline jsonb) returns uuid
language plpgsql set search_path = 'public' as $$
declare
  made uuid;
begin
  insert into courses (title, level)
  values (coalesce(outline ->> 'title', 'Untitled'), least(greatest(coalesce((outline ->> 'level')::smallint, 1), 1), 3))
  returning id into made;
  insert into chapters (course_id, title, position)
  select made, coalesce(c.value ->> 'title', 'Chapter'), c.ordinality
  from jsonb_array_elements(case when jsonb_typeof(outline -> 'chapters') = 'array' then outline -> 'chapters' else '[]' end)
    with ordinality c;
  return made;
end $$;

create function finish_course(course uuid) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  name text;
  made uuid;
begin
  select c.title into name from public.courses c
  join public.enrolments e on e.course_id = c.id
  where c.id = course and e.user_id = auth.uid() and e.finished_at is null and c.is_published;
  if name is null then
    raise exception 'not enrolled';
  end if;
  update public.enrolments e set finished_at = now() where e.course_id = course and e.user_id = auth.uid();
  insert into public.certificates (user_id, course_title) values (auth.uid(), name) returning id into made;
  return made;
end $$;

create function record_progress(entries jsonb) returns int
language plpgsql set search_path = 'public' as $$
declare
  n int;
begin
  insert into lesson_progress (lesson_id, percent)
  select x.lesson, least(greatest(coalesce(x.percent, 0), 0), 100)
  from jsonb_to_recordset(entries) as x (lesson uuid, percent smallint)
  where x.lesson is not null
  on conflict (lesson_id, user_id) do update set percent = excluded.percent, seen_at = now();
  get diagnostics n = row_count;
  return n;
end $$;

create function copy_deck(deck uuid) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  made uuid;
begin
  if not learn.sees_deck(deck) then
    raise exception 'no such deck' using errcode = '42501';
  end if;
  insert into public.decks (user_id, title) select auth.uid(), d.title from public.decks d where d.id = deck returning id into made;
  insert into public.cards (deck_id, front, back) select made, c.front, c.back from public.cards c where c.deck_id = deck;
  return made;
end $$;

create function course_statistics(course uuid) returns table (enrolled bigint, finished bigint)
language sql stable security definer set search_path = '' as $$
  select count(*), count(e.finished_at) from public.enrolments e where e.course_id = course and learn.owns(course)
  having count(*) > 0
$$;

create function search_courses(query text) returns setof courses
language sql stable set search_path = 'public' as $$
  select * from courses c where c.title ilike '%' || query || '%' order by c.enrolment_count desc limit 25
$$;

create function save_settings(patch jsonb) returns jsonb
language sql security invoker set search_path = 'public' as $$
  insert into settings (options) values (case when jsonb_typeof(patch) = 'object' then patch else '{}' end)
  on conflict (user_id) do update set options = settings.options || excluded.options
  returning options
$$;
revoke execute on function create_course(jsonb), finish_course(uuid), record_progress(jsonb), copy_deck(uuid),
  course_statistics(uuid), save_settings(jsonb) from public, anon;
