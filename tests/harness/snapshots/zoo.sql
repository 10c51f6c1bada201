-- One of each kind of object, for planting changes.

create schema app;
create schema hidden;
grant usage on schema app to anon, authenticated, service_role;
comment on schema app is 'What the API sees.';

create type app.mood as enum ('sad', 'ok', 'happy');
create type app.point as (x integer, y integer);
create type app.span as range (subtype = integer);
create domain app.email as text default 'nobody@example.org' not null constraint email_has_at check (value ~ '@');
create collation app.plain (provider = libc, locale = 'C');
create sequence app.tickets as integer increment 5 start 10;
grant usage on sequence app.tickets to authenticated;

create table app.orgs (
    id uuid primary key default gen_random_uuid(),
    name text collate app.plain not null,
    slug text not null unique,
    plan text not null default 'free' check (plan in ('free', 'pro', 'team')),
    seats integer not null default 1 check (seats > 0) check (seats < 1000)
);

create table app.members (
    org_id uuid not null references app.orgs (id) on delete cascade,
    user_id uuid not null references auth.users (id),
    mood app.mood not null default 'ok',
    role text not null default 'member',
    primary key (org_id, user_id)
);

create table app.notes (
    id bigint generated always as identity primary key,
    org_id uuid not null references app.orgs (id) on delete cascade,
    author uuid,
    title text not null,
    body text,
    title_length integer generated always as (char_length(title)) stored,
    contact app.email,
    place app.point,
    tags text[] not null default '{}',
    archived boolean not null default false,
    price numeric(10, 2) constraint notes_price_not_negative check (price >= 0),
    created_at timestamptz not null default now(),
    constraint notes_title_per_org unique (org_id, title),
    foreign key (org_id, author) references app.members (org_id, user_id),
    constraint notes_no_overlap exclude using btree (id with =)
);
create index notes_by_org on app.notes (org_id, created_at desc);
create unique index notes_one_archived on app.notes (org_id, author) where archived;
comment on table app.notes is 'Notes of an organisation.';
comment on column app.notes.title is 'One line.';
alter table app.notes replica identity full;

create table app.events (id bigint not null, at timestamptz not null, what text) partition by range (at);
create table app.events_2025 partition of app.events for values from ('2025-01-01 00:00+00') to ('2026-01-01 00:00+00');
create index on app.events (at);

create unlogged table hidden.cache (key text primary key, value jsonb);

create function app.is_member(org uuid) returns boolean
language sql stable security definer set search_path = ''
as $$ select exists (select from app.members as m where m.org_id = org and m.user_id = (select auth.uid())) $$;

create function hidden.has_role(org uuid, wanted text default 'member') returns boolean
language plpgsql stable security definer set search_path = ''
as $$
declare
    found_role text;
begin
    select m.role into found_role from app.members as m where m.org_id = org and m.user_id = auth.uid();
    return found_role = wanted;
end;
$$;

create function app.is_admin(org uuid) returns boolean
language sql stable security invoker set search_path = ''
as $$ select hidden.has_role(org, 'admin') $$;

create function app.add_note(org uuid, title text, body text default null) returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
    made bigint;
begin
    if not app.is_member(org) then
        raise exception 'no member' using errcode = '42501';
    end if;
    insert into app.notes (org_id, title, body) values (org, title, body) returning id into made;
    return made;
end;
$$;
revoke all on function app.add_note(uuid, text, text) from public;
grant execute on function app.add_note(uuid, text, text) to authenticated;

create function app.shout(words text) returns text language sql immutable strict parallel safe
return upper(words);

create procedure app.tidy() language sql as $$ delete from app.notes where archived $$;

create function app.touch() returns trigger language plpgsql set search_path = '' as $$
begin
    new.title := btrim(new.title);
    return new;
end;
$$;
comment on function app.touch() is 'Trigger: no space around titles.';

create aggregate app.longest(text) (sfunc = textcat, stype = text, initcond = '');
create function app.same_point(app.point, app.point) returns boolean language sql immutable
as $$ select $1.x = $2.x and $1.y = $2.y $$;
create operator app.=== (leftarg = app.point, rightarg = app.point, function = app.same_point);
create function app.point_of(app.mood) returns app.point language sql immutable as $$ select row(1, 2)::app.point $$;
create cast (app.mood as app.point) with function app.point_of(app.mood);

create trigger notes_touch before insert or update of title on app.notes for each row execute function app.touch();
create trigger notes_touch_archived before update on app.notes for each row
when (new.archived) execute function app.touch();
create trigger on_sign_up after insert on auth.users for each row execute function app.touch();

alter table app.orgs enable row level security;
alter table app.members enable row level security;
alter table app.notes enable row level security;
alter table app.notes force row level security;
alter table app.events enable row level security;
alter table app.events_2025 enable row level security;

create policy members_read on app.orgs for select to authenticated using (app.is_member(id));
create policy own_memberships on app.members for select to authenticated using (user_id = (select auth.uid()));
create policy members_work on app.notes for all to authenticated
using (app.is_member(org_id) and not archived) with check (app.is_member(org_id));
create policy admins_delete on app.notes as restrictive for delete to authenticated using (app.is_admin(org_id));
create policy anyone_looks on app.events for select using (what = 'public' or what = 'open');
create policy own_files on storage.objects for select to authenticated using (owner = (select auth.uid()));

revoke all on all tables in schema app from anon, authenticated, service_role;
grant select on app.orgs to authenticated;
grant select on app.members to authenticated;
grant select, delete on app.notes to authenticated;
grant insert (org_id, title, body), update (title, body) on app.notes to authenticated;
grant all on app.notes to service_role;
grant select on app.events to anon, authenticated;

create view app.open_notes with (security_invoker = true, security_barrier = true) as
select n.id, n.title, n.org_id from app.notes as n where not n.archived with cascaded check option;
create view app.org_names as select o.id, o.name from app.orgs as o where app.is_member(o.id) and o.seats > 0;
create view hidden.everything as select * from app.notes;
create materialized view hidden.counts as select n.org_id, count(*) as notes from app.notes as n group by n.org_id;
create unique index counts_by_org on hidden.counts (org_id);
revoke all on app.open_notes, app.org_names from anon, authenticated;
grant select on app.open_notes, app.org_names to authenticated;

create rule no_truncating_events as on delete to app.events_2025 do instead nothing;
alter publication supabase_realtime add table app.notes;
create publication feed for table app.orgs (id, name) with (publish = 'insert, update');
alter default privileges in schema app grant select on tables to authenticated;
alter default privileges revoke execute on functions from public;

-- What few projects have.
create function app.keep() returns trigger language plpgsql set search_path = '' as $$ begin return new; end; $$;
create trigger events_keep before insert on app.events for each row execute function app.keep();
create policy anyone_looks on app.events_2025 for select using (what = 'public');
create table app.events_2026 partition of app.events for values from ('2026-01-01 00:00+00') to ('2027-01-01 00:00+00');
alter table app.events_2026 enable row level security;
create policy anyone_looks on app.events_2026 for select using (what = 'public');
create collation app.spare (provider = libc, locale = 'C');
create text search dictionary app.plain_words (template = simple, stopwords = english);
create text search configuration app.words (copy = pg_catalog.english);
alter text search configuration app.words alter mapping for asciiword with app.plain_words, english_stem;
create statistics app.notes_together (ndistinct, dependencies) on org_id, author from app.notes;
create foreign data wrapper far;
create server far_away foreign data wrapper far options (host 'a.example.org');
create foreign table app.far_notes (id bigint, title text) server far_away options (name 'notes');
create user mapping for authenticated server far_away options (user 'reader', password 'x');
create function app.log_ddl() returns event_trigger language plpgsql as $$ begin null; end; $$;
create event trigger log_ddl on ddl_command_end when tag in ('CREATE TABLE', 'DROP TABLE') execute function app.log_ddl();
create rule no_changing_orgs as on update to hidden.cache where new.value is null do instead nothing;
create publication few for table app.members (org_id, user_id), app.orgs where (seats > 3);
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
('avatars', 'avatars', true, 1000, '{image/png,image/jpeg}'), ('papers', 'papers', false, null, null);
select cron.schedule('tidy', '0 3 * * *', 'call app.tidy()');
select vault.create_secret('x', 'mail_key', 'For mail.');
do $$ begin create role zoo_staff; exception when duplicate_object then null; end $$;
do $$ begin create role zoo_boss login noinherit; exception when duplicate_object then null; end $$;
do $$ begin create role zoo_clerk in role zoo_staff; exception when duplicate_object then null; end $$;
grant zoo_staff to zoo_boss;
grant select on app.orgs to zoo_staff;
create policy staff_read on app.orgs for select to zoo_staff using (true);
