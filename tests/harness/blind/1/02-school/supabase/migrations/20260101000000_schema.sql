create extension if not exists pgcrypto with schema extensions;

/* ------------------------------------------------------------------ tables */
create table roles (
    id          smallint primary key,
    key         text not null unique,
    label       text not null
);
insert into roles (id, key, label) values
    (1, 'student', 'Student'),
    (2, 'teacher', 'Teacher'),
    (3, 'principal', 'Head of school');

create table schools (
    id          uuid primary key default gen_random_uuid(),
    name        text not null,
    city        text,
    join_code   text not null default encode(extensions.gen_random_bytes(6), 'hex'),
    created_at  timestamptz not null default now()
);

create table memberships (
    school_id   uuid not null references schools on delete cascade,
    user_id     uuid not null references auth.users on delete cascade,
    role_id     smallint not null default 1 references roles,
    nickname    text,
    primary key (school_id, user_id)
);
create index memberships_user on memberships (user_id);

create table classes (
    id          uuid primary key default gen_random_uuid(),
    school_id   uuid not null references schools on delete cascade,
    title       text not null,
    grade_level smallint,
    unique (school_id, id)
);

create table enrolments (
    school_id   uuid not null,
    class_id    uuid not null,
    student_id  uuid not null,
    primary key (class_id, student_id),
    foreign key (school_id, class_id) references classes (school_id, id) on delete cascade,
    foreign key (school_id, student_id) references memberships (school_id, user_id) on delete cascade
);
create index enrolments_student on enrolments (school_id, student_id);

create table assignments (
    id          uuid primary key default gen_random_uuid(),
    school_id   uuid not null,
    class_id    uuid not null,
    title       text not null,
    body        text not null default '',
    due_on      date,
    unique (school_id, id),
    foreign key (school_id, class_id) references classes (school_id, id) on delete cascade
);
create index assignments_class on assignments (school_id, class_id);

create table submissions (
    id            uuid primary key default gen_random_uuid(),
    school_id     uuid not null,
    assignment_id uuid not null,
    student_id    uuid not null references auth.users,
    body          text not null,
    handed_in_at  timestamptz not null default now(),
    unique (assignment_id, student_id),
    foreign key (school_id, assignment_id) references assignments (school_id, id) on delete restrict
);
create index submissions_student on submissions (student_id);

create table grades (
    id          uuid primary key default gen_random_uuid(),
    school_id   uuid not null references schools on delete cascade,
    student_id  uuid not null references auth.users,
    subject     text not null,
    points      numeric(4, 1) not null check (points between 0 and 15),
    given_on    date not null default current_date
);
create index grades_student on grades (student_id);
create index grades_school on grades (school_id);

create table announcements (
    id          uuid primary key default gen_random_uuid(),
    school_id   uuid not null references schools on delete cascade,
    author_id   uuid references auth.users on delete set null,
    title       text not null,
    body        text not null,
    is_public   boolean not null default false,
    created_at  timestamptz not null default now()
);
create index announcements_school on announcements (school_id);

/* ----------------------------------------------------------------- helpers */
create or replace function in_school(sid uuid) returns boolean
    language sql stable security definer set search_path = public
as $$
    select exists (select 1 from memberships where school_id = sid and user_id = auth.uid())
$$;

create or replace function has_role(wanted text) returns boolean
    language sql stable security definer set search_path = public
as $$
    select exists (
        select 1 from memberships m join roles r on r.id = m.role_id
        where m.user_id = auth.uid() and r.key = wanted
    )
$$;

create or replace function school_role(sid uuid) returns text
    language sql stable security definer set search_path = public
as $$
    select r.key from memberships m join roles r on r.id = m.role_id
    where m.user_id = auth.uid() and m.school_id = sid
$$;

/* ---------------------------------------------------------------- policies */
alter table roles         enable row level security;
alter table schools       enable row level security;
alter table memberships   enable row level security;
alter table classes       enable row level security;
alter table enrolments    enable row level security;
alter table assignments   enable row level security;
alter table submissions   enable row level security;
alter table grades        enable row level security;
alter table announcements enable row level security;

create policy roles_read on roles for select using (true);

-- the sign-up page lets people find their school
create policy schools_read on schools for select to authenticated using (true);
create policy schools_write on schools for update to authenticated
    using (school_role(id) = 'principal');

create policy memberships_read on memberships for select to authenticated
    using (in_school(school_id));
-- everybody picks a nickname
create policy memberships_self on memberships for update to authenticated
    using (user_id = auth.uid())
    with check (user_id = auth.uid() and in_school(school_id));
create policy memberships_principal_ins on memberships for insert to authenticated
    with check (school_role(school_id) = 'principal');
create policy memberships_principal_upd on memberships for update to authenticated
    using (school_role(school_id) = 'principal');
create policy memberships_principal_del on memberships for delete to authenticated
    using (school_role(school_id) = 'principal');

create policy classes_read on classes for select to authenticated using (in_school(school_id));
create policy classes_write on classes for all to authenticated
    using (school_role(school_id) in ('teacher', 'principal'));

create policy enrolments_read on enrolments for select to authenticated using (in_school(school_id));
create policy enrolments_write on enrolments for all to authenticated
    using (school_role(school_id) in ('teacher', 'principal'));

create policy assignments_read on assignments for select to authenticated using (in_school(school_id));
create policy assignments_write on assignments for all to authenticated
    using (school_role(school_id) in ('teacher', 'principal'));

create policy submissions_own on submissions for all to authenticated
    using (student_id = auth.uid() and in_school(school_id));
create policy submissions_class on submissions for select to authenticated
    using (exists (
        select 1 from assignments a
        where a.id = assignment_id and in_school(a.school_id)
    ));

create policy grades_own on grades for select to authenticated
    using (student_id = auth.uid() and in_school(school_id));
create policy grades_staff on grades for all to authenticated
    using (has_role('teacher') or has_role('principal'));

create policy announcements_public on announcements for select using (is_public);
create policy announcements_read on announcements for select to authenticated using (in_school(school_id));
create policy announcements_write on announcements for all to authenticated
    using (school_role(school_id) in ('teacher', 'principal'));

/* --------------------------------------------------------------------- rpc */
create or replace function join_school(code text) returns uuid
    language plpgsql security definer set search_path = public
as $$
declare
    sid uuid;
begin
    if auth.uid() is null then
        raise exception 'sign in first' using errcode = '42501';
    end if;
    select id into sid from schools where join_code = code;
    if sid is null then
        raise exception 'no such code' using errcode = 'P0002';
    end if;
    insert into memberships (school_id, user_id) values (sid, auth.uid()) on conflict do nothing;
    return sid;
end;
$$;
