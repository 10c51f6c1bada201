-- What the files in files/ ask pgTAP about.
create schema app;
create schema empty;
create type app.mood as enum ('sad', 'ok', 'happy');
create type app.pair as (a integer, b text);
create domain app.email as text check (value like '%@%');
create domain app.counted as integer not null;
create sequence app.counter;
create table app.users (
    id bigint generated always as identity primary key,
    email app.email not null unique,
    name text default 'nobody',
    mood app.mood default 'ok',
    age integer check (age > 0),
    born timestamptz not null default now(),
    tags text[],
    price numeric(10, 2) default 0
);
create table app.posts (
    id integer primary key,
    user_id bigint references app.users (id) on delete cascade,
    title varchar(80) not null,
    body text
);
create table app.members (
    org integer,
    person integer,
    role text,
    constraint members_pkey primary key (org, person),
    constraint members_role_org_key unique (role, org),
    constraint members_check check (org <> person)
);
create table app.member_notes (
    org integer,
    person integer,
    note text,
    constraint member_notes_members_fkey foreign key (org, person) references app.members (org, person)
);
create table public.notes (id integer primary key, note text not null default 'x', "Odd Name" integer);
create index posts_by_user on app.posts (user_id);
create index posts_by_title on app.posts (lower(title), user_id);
create unique index posts_once on app.posts (user_id, title);
create index posts_by_body on app.posts using hash (body);
alter table app.members cluster on members_pkey;
create view app.titles as select title from app.posts;
create materialized view app.totals as select user_id, count(*) as posts from app.posts group by user_id;
create table app.events (at date not null) partition by range (at);
create table app.events_2025 partition of app.events for values from ('2025-01-01') to ('2026-01-01');
create table app.events_2026 partition of app.events for values from ('2026-01-01') to ('2027-01-01');
create table app.animals (name text);
create table app.dogs (barks boolean) inherits (app.animals);
create table app.puppies () inherits (app.dogs);

create function app.add(integer, integer) returns integer language sql immutable strict as 'select $1 + $2';
create function app.add(text, text) returns text language sql immutable as 'select $1 || $2';
create function app.whoami() returns text language sql stable security definer as 'select ''me''::text';
create function app.many() returns setof integer language sql as 'select 1 union all select 2';
create function app.touch() returns trigger language plpgsql as 'begin return new; end';
create procedure app.clean() language sql as 'select 1';
create aggregate app.total (integer) (sfunc = int4pl, stype = integer);
create function public.hello() returns text language sql as 'select ''hello''::text';
create trigger posts_touch before insert on app.posts for each row execute function app.touch();
create trigger notes_touch before update on public.notes for each row execute function app.touch();
create rule titles_insert as on insert to app.titles do instead nothing;
create rule notes_delete as on delete to public.notes do also notify notes;
create operator app.<+> (leftarg = integer, rightarg = integer, function = app.add);

alter table app.posts enable row level security;
create policy posts_read on app.posts for select to authenticated using (true);
create policy posts_write on app.posts for insert to authenticated, service_role with check (true);
create policy notes_all on public.notes using (true);
grant usage on schema app to authenticated;
grant select, insert on app.users to authenticated;
grant select (note), update (note) on public.notes to authenticated;
revoke all on public.notes from anon;
revoke execute on function app.whoami() from public;
grant execute on function app.whoami() to authenticated;
grant usage on sequence app.counter to authenticated;

insert into app.users (email, name, age) values ('a@x', 'ann', 30), ('b@x', 'bob', 40), ('c@x', null, null);
insert into app.posts values (1, 1, 'one', null), (2, 1, 'two', 'b'), (3, 2, 'three', 'c');
