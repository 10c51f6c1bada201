-- Schools, years, classes and grades. Roles are rows of a lookup table; helpers are PL/pgSQL.
-- One schema for data ("school"), which the API exposes through grants, and one for what only functions use ("app").
create schema school;
create schema app;
grant usage on schema school, app to authenticated, service_role;
alter default privileges in schema school grant select, insert, update, delete on tables to authenticated, service_role;
alter default privileges in schema school grant usage on sequences to authenticated, service_role;

create domain school.mark as numeric(2, 1) check (value >= 1.0 and value <= 6.0);
create domain school.short_name as varchar(40) not null check (trim(value) <> '');
create type school.attendance_state as enum ('present', 'late', 'excused', 'absent');
create type school.person_name as (given text, family text);

create table school.roles (id smallint primary key, key text not null unique, is_staff boolean not null);
insert into school.roles values (1, 'student', false), (2, 'guardian', false), (3, 'teacher', true), (4, 'principal', true);
create table school.subjects (id smallint generated always as identity primary key, title text not null unique);
insert into school.subjects (title) values ('Mathematics'), ('English'), ('History');
create table school.grade_scales (id smallint primary key, label text not null, best numeric not null, worst numeric not null);
insert into school.grade_scales values (1, 'one to six', 1, 6), (2, 'points', 15, 0);

create table school.schools (
    id uuid primary key default gen_random_uuid(),
    name school.short_name,
    city text,
    scale_id smallint not null default 1 references school.grade_scales (id)
);
create table school.memberships (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references school.schools (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    role_id smallint not null default 1 references school.roles (id),
    valid_from date not null default current_date,
    valid_to date,
    unique (school_id, user_id),
    unique (id, school_id)
);
create index memberships_user_idx on school.memberships (user_id);
create index memberships_role_idx on school.memberships (role_id);
create table school.profiles (
    user_id uuid primary key references auth.users (id) on delete cascade,
    name school.person_name,
    language text not null default 'en' check (language in ('en', 'de', 'fr', 'tr')),
    avatar text
);

create function app.is_member(p_school uuid) returns boolean
language plpgsql stable security definer set search_path to ''
as $$
declare
    v_found boolean;
begin
    select true into v_found from school.memberships m
    where m.school_id = p_school and m.user_id = auth.uid()
    and m.valid_from <= current_date and (m.valid_to is null or m.valid_to >= current_date);
    return coalesce(v_found, false);
end
$$;
create function app.role_in(p_school uuid) returns text
language plpgsql stable security definer set search_path to ''
as $$
declare
    v_role text;
begin
    select r.key into v_role from school.memberships m join school.roles r on r.id = m.role_id
    where m.school_id = p_school and m.user_id = auth.uid()
    and m.valid_from <= current_date and (m.valid_to is null or m.valid_to >= current_date);
    return v_role;
end
$$;
create function app.is_staff(p_school uuid) returns boolean
language plpgsql stable security definer set search_path to ''
as $$
begin
    return app.role_in(p_school) in ('teacher', 'principal');
end
$$;
create function app.is_principal(p_school uuid) returns boolean
language sql stable security definer set search_path to ''
return app.role_in(p_school) = 'principal';
create function app.my_memberships() returns uuid[]
language sql stable security definer set search_path to ''
as $$ select coalesce(array_agg(m.id), '{}') from school.memberships m where m.user_id = auth.uid() $$;

create table school.years (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references school.schools (id) on delete cascade,
    starts_on date not null,
    ends_on date not null,
    closed boolean not null default false,
    unique (id, school_id),
    check (starts_on < ends_on)
);
create index years_school_idx on school.years (school_id);
create table school.terms (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null,
    year_id uuid not null,
    number smallint not null check (number in (1, 2)),
    grades_until date,
    unique (id, school_id),
    unique (year_id, number),
    foreign key (year_id, school_id) references school.years (id, school_id) on delete cascade
);
create table school.rooms (
    school_id uuid not null references school.schools (id) on delete cascade,
    code varchar(10) not null,
    seats int check (seats > 0),
    primary key (school_id, code)
);
create table school.classes (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null,
    year_id uuid not null,
    label school.short_name,
    room_code varchar(10),
    teacher_id uuid,
    student_count int not null default 0,
    unique (id, school_id),
    foreign key (year_id, school_id) references school.years (id, school_id) on delete cascade,
    foreign key (school_id, room_code) references school.rooms (school_id, code),
    foreign key (teacher_id, school_id) references school.memberships (id, school_id)
);
create index classes_year_idx on school.classes (year_id, school_id);
create index classes_room_idx on school.classes (school_id, room_code);
create index classes_teacher_idx on school.classes (teacher_id, school_id);
create table school.students (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references school.schools (id) on delete cascade,
    membership_id uuid unique,
    name school.person_name not null,
    born_on date,
    left_on date,
    unique (id, school_id),
    foreign key (membership_id, school_id) references school.memberships (id, school_id)
);
create index students_school_idx on school.students (school_id);
create table school.guardians (
    student_id uuid not null,
    membership_id uuid not null,
    school_id uuid not null,
    relation text not null default 'parent' check (relation in ('parent', 'foster', 'other')),
    may_see_grades boolean not null default true,
    primary key (student_id, membership_id),
    foreign key (student_id, school_id) references school.students (id, school_id) on delete cascade,
    foreign key (membership_id, school_id) references school.memberships (id, school_id) on delete cascade
);
create index guardians_membership_idx on school.guardians (membership_id, school_id);
create table school.enrolments (
    class_id uuid not null,
    student_id uuid not null,
    school_id uuid not null,
    since date not null default current_date,
    primary key (class_id, student_id),
    foreign key (class_id, school_id) references school.classes (id, school_id) on delete cascade,
    foreign key (student_id, school_id) references school.students (id, school_id) on delete cascade
);
create index enrolments_student_idx on school.enrolments (student_id, school_id);
create function app.count_students() returns trigger
language plpgsql security definer set search_path to ''
as $$
begin
    update school.classes c set student_count = (select count(*) from school.enrolments e where e.class_id = c.id)
    where c.id = coalesce(new.class_id, old.class_id);
    return coalesce(new, old);
end
$$;
create trigger count_students after insert or delete on school.enrolments for each row execute function app.count_students();

create function app.is_mine(p_student uuid) returns boolean
language plpgsql stable security definer set search_path to ''
as $$
begin
    if exists (
        select from school.students s join school.memberships m on m.id = s.membership_id
        where s.id = p_student and m.user_id = auth.uid() and app.is_member(m.school_id)
    ) then
        return true;
    elsif exists (
        select from school.guardians g join school.memberships m on m.id = g.membership_id
        where g.student_id = p_student and m.user_id = auth.uid() and g.may_see_grades and app.is_member(m.school_id)
    ) then
        return true;
    else
        return false;
    end if;
end
$$;

create table school.courses (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null,
    class_id uuid not null,
    subject_id smallint not null references school.subjects (id),
    teacher_id uuid not null,
    unique (id, school_id),
    foreign key (class_id, school_id) references school.classes (id, school_id) on delete cascade,
    foreign key (teacher_id, school_id) references school.memberships (id, school_id)
);
create index courses_class_idx on school.courses (class_id, school_id);
create index courses_subject_idx on school.courses (subject_id);
create index courses_teacher_idx on school.courses (teacher_id, school_id);
create function app.teaches(p_course uuid) returns boolean
language sql stable security definer set search_path to ''
as $$
    select exists (select from school.courses c where c.id = p_course and c.teacher_id = any (app.my_memberships()) and app.is_staff(c.school_id))
$$;
create table school.timetable (
    course_id uuid not null,
    school_id uuid not null,
    weekday smallint not null check (weekday between 1 and 6),
    period smallint not null check (period between 1 and 11),
    room_code varchar(10),
    primary key (course_id, weekday, period),
    foreign key (course_id, school_id) references school.courses (id, school_id) on delete cascade,
    foreign key (school_id, room_code) references school.rooms (school_id, code)
);
create index timetable_room_idx on school.timetable (school_id, room_code);
create table school.lessons (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null,
    course_id uuid not null,
    held_on date not null,
    topic text,
    cancelled boolean not null default false,
    unique (id, school_id),
    foreign key (course_id, school_id) references school.courses (id, school_id) on delete cascade
);
create index lessons_course_idx on school.lessons (course_id, school_id);
create table school.attendance (
    lesson_id uuid not null,
    student_id uuid not null,
    school_id uuid not null,
    state school.attendance_state not null default 'present',
    minutes_late smallint,
    primary key (lesson_id, student_id),
    foreign key (lesson_id, school_id) references school.lessons (id, school_id) on delete cascade,
    foreign key (student_id, school_id) references school.students (id, school_id) on delete cascade,
    check ((state = 'late') = (minutes_late is not null))
);
create index attendance_student_idx on school.attendance (student_id, school_id);
create table school.excuses (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null,
    student_id uuid not null,
    days daterange not null,
    reason text not null,
    submitted_by uuid not null default auth.uid(),
    accepted boolean,
    foreign key (student_id, school_id) references school.students (id, school_id) on delete cascade
);
create index excuses_student_idx on school.excuses (student_id, school_id);
create table school.assignments (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null,
    course_id uuid not null,
    title text not null,
    opens_at timestamptz not null default now(),
    due_at timestamptz not null,
    weight numeric(3, 2) not null default 1 check (weight > 0 and weight <= 2),
    unique (id, school_id),
    foreign key (course_id, school_id) references school.courses (id, school_id) on delete cascade,
    check (due_at > opens_at)
);
create index assignments_course_idx on school.assignments (course_id, school_id);
create table school.submissions (
    assignment_id uuid not null,
    student_id uuid not null,
    school_id uuid not null,
    body text,
    submitted_at timestamptz not null default now(),
    returned_at timestamptz,
    primary key (assignment_id, student_id),
    foreign key (assignment_id, school_id) references school.assignments (id, school_id) on delete cascade,
    foreign key (student_id, school_id) references school.students (id, school_id) on delete cascade
);
create index submissions_student_idx on school.submissions (student_id, school_id);
create table school.submission_comments (
    id bigint generated always as identity primary key,
    assignment_id uuid not null,
    student_id uuid not null,
    author_id uuid not null,
    body text not null,
    foreign key (assignment_id, student_id) references school.submissions (assignment_id, student_id) on delete cascade
);
create index submission_comments_idx on school.submission_comments (assignment_id, student_id);
create function app.stamp_author() returns trigger
language plpgsql
as $$
begin
    new.author_id := auth.uid();
    return new;
end
$$;
create trigger stamp_author before insert on school.submission_comments for each row execute function app.stamp_author();
create table school.grades (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null,
    course_id uuid not null,
    student_id uuid not null,
    term_id uuid not null,
    value school.mark not null,
    kind text not null default 'oral' check (kind in ('oral', 'test', 'exam')),
    published_at timestamptz,
    foreign key (course_id, school_id) references school.courses (id, school_id) on delete cascade,
    foreign key (student_id, school_id) references school.students (id, school_id) on delete cascade,
    foreign key (term_id, school_id) references school.terms (id, school_id)
);
create index grades_course_idx on school.grades (course_id, school_id);
create index grades_student_idx on school.grades (student_id, school_id);
create index grades_term_idx on school.grades (term_id, school_id);
create table school.reports (
    student_id uuid not null,
    term_id uuid not null,
    school_id uuid not null,
    status text not null default 'draft',
    remarks text,
    issued_on date,
    primary key (student_id, term_id),
    foreign key (student_id, school_id) references school.students (id, school_id) on delete cascade,
    foreign key (term_id, school_id) references school.terms (id, school_id),
    constraint status_known check (status in ('draft', 'review', 'issued')),
    constraint issued_has_day check (status <> 'issued' or issued_on is not null)
);
create index reports_term_idx on school.reports (term_id, school_id);
create table school.announcements (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references school.schools (id) on delete cascade,
    audience text[] not null default '{teacher}' check (audience <@ array['student', 'guardian', 'teacher', 'principal']),
    title text not null,
    visible tstzrange not null default tstzrange(now(), null),
    author_id uuid not null default auth.uid()
);
create index announcements_school_idx on school.announcements (school_id);
create table school.events (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references school.schools (id) on delete cascade,
    class_id uuid,
    title text not null,
    at timestamptz not null,
    unique (id, school_id),
    foreign key (class_id, school_id) references school.classes (id, school_id)
);
create index events_school_idx on school.events (school_id);
create index events_class_idx on school.events (class_id, school_id);
create table school.event_replies (
    event_id uuid not null,
    membership_id uuid not null,
    school_id uuid not null,
    answer text not null default 'yes' check (answer in ('yes', 'no', 'maybe')),
    primary key (event_id, membership_id),
    foreign key (event_id, school_id) references school.events (id, school_id) on delete cascade,
    foreign key (membership_id, school_id) references school.memberships (id, school_id) on delete cascade
);
create index event_replies_membership_idx on school.event_replies (membership_id, school_id);
create table school.threads (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references school.schools (id) on delete cascade,
    subject text not null,
    unique (id, school_id)
);
create index threads_school_idx on school.threads (school_id);
create table school.thread_people (
    thread_id uuid not null,
    membership_id uuid not null,
    school_id uuid not null,
    muted boolean not null default false,
    primary key (thread_id, membership_id),
    foreign key (thread_id, school_id) references school.threads (id, school_id) on delete cascade,
    foreign key (membership_id, school_id) references school.memberships (id, school_id) on delete cascade
);
create index thread_people_membership_idx on school.thread_people (membership_id, school_id);
create table school.posts (
    id bigint generated always as identity primary key,
    thread_id uuid not null references school.threads (id) on delete cascade,
    author_id uuid not null default auth.uid(),
    body text not null check (body <> ''),
    posted_at timestamptz not null default now()
);
create index posts_thread_idx on school.posts (thread_id);
create function app.in_thread(p_thread uuid) returns boolean
language plpgsql stable security definer set search_path to ''
as $$
declare
    v_school uuid;
begin
    select p.school_id into v_school from school.thread_people p
    where p.thread_id = p_thread and p.membership_id = any (app.my_memberships());
    if v_school is null then
        return false;
    end if;
    return app.is_member(v_school);
end
$$;
create table school.library_books (
    school_id uuid not null references school.schools (id) on delete cascade,
    shelf_mark text not null,
    title text not null,
    copies int not null default 1 check (copies >= 0),
    primary key (school_id, shelf_mark)
);
create table school.loans (
    id bigint generated always as identity primary key,
    school_id uuid not null,
    shelf_mark text not null,
    membership_id uuid not null,
    due_on date not null default current_date + 14,
    returned_on date,
    foreign key (school_id, shelf_mark) references school.library_books (school_id, shelf_mark),
    foreign key (membership_id, school_id) references school.memberships (id, school_id)
);
create index loans_book_idx on school.loans (school_id, shelf_mark);
create index loans_membership_idx on school.loans (membership_id, school_id);
create table school.join_codes (
    school_id uuid not null references school.schools (id) on delete cascade,
    code text not null unique default replace(gen_random_uuid()::text, '-', ''),
    uses_left int not null default 30 check (uses_left >= 0),
    expires_on date not null default current_date + 14,
    primary key (school_id, code)
);

do $$
declare
    r record;
begin
    for r in select c.oid::regclass as name from pg_class c where c.relnamespace = 'school'::regnamespace and c.relkind = 'r' loop
        execute format('alter table %s enable row level security', r.name);
    end loop;
end
$$;

create policy everybody on school.roles for select to authenticated using (true);
create policy everybody on school.subjects for select to authenticated using (true);
create policy everybody on school.grade_scales for select to authenticated using (true);
create policy members on school.schools for select to authenticated using (app.is_member(id));
create policy principal on school.schools for update to authenticated using (app.is_principal(id)) with check (app.is_principal(id));
create policy own on school.memberships for select to authenticated using (user_id = auth.uid());
create policy staff on school.memberships for select to authenticated using (app.is_staff(school_id));
create policy principal_changes on school.memberships for update to authenticated
using (app.is_principal(school_id) and user_id <> auth.uid()) with check (app.is_principal(school_id) and role_id in (1, 2, 3));
revoke insert, update, delete on school.memberships from authenticated;
grant update (role_id, valid_to) on school.memberships to authenticated;
create policy own on school.profiles for all to authenticated using (user_id = auth.uid()) with check (user_id = auth.uid());
create policy of_one_school on school.profiles for select to authenticated using (exists (
    select from school.memberships m where m.user_id = profiles.user_id and app.is_staff(m.school_id)
));
create policy members on school.years for select to authenticated using (app.is_member(school_id));
create policy principal on school.years for all to authenticated
using (app.is_principal(school_id) and not closed) with check (app.is_principal(school_id));
create policy members on school.terms for select to authenticated using (app.is_member(school_id));
create policy principal on school.terms for all to authenticated
using (app.is_principal(school_id) and exists (select from school.years y where y.id = terms.year_id and not y.closed))
with check (app.is_principal(school_id));
create policy members on school.rooms for select to authenticated using (app.is_member(school_id));
create policy staff on school.rooms for all to authenticated using (app.is_staff(school_id)) with check (app.is_staff(school_id));
create policy members on school.classes for select to authenticated using (app.is_member(school_id));
create policy principal on school.classes for all to authenticated using (app.is_principal(school_id)) with check (app.is_principal(school_id));
create policy staff_and_family on school.students for select to authenticated
using ((app.is_staff(school_id) and left_on is null) or app.is_mine(id));
create policy former on school.students for select to authenticated using (app.is_principal(school_id) and left_on < current_date);
create policy principal on school.students for insert to authenticated with check (app.is_principal(school_id));
create policy principal_changes on school.students for update to authenticated using (app.is_principal(school_id)) with check (app.is_principal(school_id));
create policy staff on school.guardians for select to authenticated using (app.is_staff(school_id));
create policy own on school.guardians for select to authenticated using (membership_id = any (app.my_memberships()) and app.is_member(school_id));
create policy principal on school.guardians for all to authenticated using (app.is_principal(school_id)) with check (app.is_principal(school_id));
create policy staff on school.enrolments for select to authenticated using (app.is_staff(school_id));
create policy family on school.enrolments for select to authenticated using (app.is_mine(student_id));
create policy class_teacher on school.enrolments for all to authenticated
using (app.is_staff(school_id) and exists (select from school.classes c where c.id = enrolments.class_id and c.teacher_id = any (app.my_memberships())))
with check (app.is_staff(school_id) and exists (select from school.classes c where c.id = enrolments.class_id and c.teacher_id = any (app.my_memberships())));
create policy members on school.courses for select to authenticated using (app.is_member(school_id));
create policy principal on school.courses for all to authenticated using (app.is_principal(school_id)) with check (app.is_principal(school_id));
create policy members on school.timetable for select to authenticated using (app.is_member(school_id));
create policy principal on school.timetable for all to authenticated using (app.is_principal(school_id)) with check (app.is_principal(school_id));
create policy members on school.lessons for select to authenticated using (app.is_member(school_id) and not cancelled);
create policy teacher on school.lessons for all to authenticated using (app.teaches(course_id)) with check (app.teaches(course_id));
create policy family on school.attendance for select to authenticated using (app.is_mine(student_id) and state <> 'present');
create policy teacher on school.attendance for all to authenticated
using (exists (select from school.lessons l where l.id = attendance.lesson_id and app.teaches(l.course_id)))
with check (exists (select from school.lessons l where l.id = attendance.lesson_id and app.teaches(l.course_id) and l.held_on <= current_date));
create policy family on school.excuses for select to authenticated using (app.is_mine(student_id) or app.is_staff(school_id));
create policy family_submits on school.excuses for insert to authenticated
with check (app.is_mine(student_id) and submitted_by = auth.uid() and accepted is null);
create policy staff_decides on school.excuses for update to authenticated
using (app.is_staff(school_id) and accepted is null) with check (app.is_staff(school_id) and accepted is not null);
create policy open_ones on school.assignments for select to authenticated using (app.is_member(school_id) and opens_at <= now());
create policy teacher on school.assignments for all to authenticated using (app.teaches(course_id)) with check (app.teaches(course_id));
create policy family on school.submissions for select to authenticated using (app.is_mine(student_id));
create policy students_submit on school.submissions for insert to authenticated
with check (exists (
    select from school.students s where s.id = submissions.student_id and s.membership_id = any (app.my_memberships())
) and app.is_member(school_id) and returned_at is null);
create policy teacher on school.submissions for all to authenticated
using (exists (select from school.assignments a where a.id = submissions.assignment_id and app.teaches(a.course_id)))
with check (exists (select from school.assignments a where a.id = submissions.assignment_id and app.teaches(a.course_id)));
create policy readers on school.submission_comments for select to authenticated using (exists (
    select from school.submissions s where (s.assignment_id, s.student_id) = (submission_comments.assignment_id, submission_comments.student_id)
));
create policy writers on school.submission_comments for insert to authenticated with check (exists (
    select from school.submissions s where (s.assignment_id, s.student_id) = (submission_comments.assignment_id, submission_comments.student_id)
));
create policy own_published on school.grades for select to authenticated using (app.is_mine(student_id) and published_at <= now());
create policy teacher on school.grades for all to authenticated
using (app.teaches(course_id)) with check (app.teaches(course_id) and exists (
    select from school.terms t where t.id = grades.term_id and (t.grades_until is null or t.grades_until >= current_date)
));
create policy principal on school.grades for select to authenticated using (app.is_principal(school_id));
create policy issued on school.reports for select to authenticated using (status = 'issued' and app.is_mine(student_id));
create policy staff on school.reports for select to authenticated using (app.is_staff(school_id));
create policy principal on school.reports for all to authenticated using (app.is_principal(school_id)) with check (app.is_principal(school_id));
create policy audience on school.announcements for select to authenticated
using (visible @> now() and app.role_in(school_id) = any (audience));
create policy author on school.announcements for all to authenticated
using (author_id = auth.uid() and app.is_staff(school_id)) with check (author_id = auth.uid() and app.is_staff(school_id));
create policy members on school.events for select to authenticated
using (app.is_member(school_id) and (class_id is null or app.is_staff(school_id) or exists (
    select from school.enrolments e where e.class_id = events.class_id and app.is_mine(e.student_id)
)));
create policy staff on school.events for all to authenticated using (app.is_staff(school_id)) with check (app.is_staff(school_id));
create policy own on school.event_replies for all to authenticated
using (membership_id = any (app.my_memberships()) and app.is_member(school_id))
with check (membership_id = any (app.my_memberships()) and app.is_member(school_id));
create policy staff on school.event_replies for select to authenticated using (app.is_staff(school_id));
create policy people on school.threads for select to authenticated using (app.in_thread(id));
create policy people on school.thread_people for select to authenticated using (app.in_thread(thread_id));
create policy own_mute on school.thread_people for update to authenticated
using (membership_id = any (app.my_memberships()) and app.is_member(school_id)) with check (membership_id = any (app.my_memberships()) and app.is_member(school_id));
revoke update on school.thread_people from authenticated;
grant update (muted) on school.thread_people to authenticated;
create policy people on school.posts for select to authenticated using (app.in_thread(thread_id));
create policy people_write on school.posts for insert to authenticated with check (app.in_thread(thread_id) and author_id = auth.uid());
create policy members on school.library_books for select to authenticated using (app.is_member(school_id));
create policy staff on school.library_books for all to authenticated using (app.is_staff(school_id)) with check (app.is_staff(school_id));
create policy own on school.loans for select to authenticated using (membership_id = any (app.my_memberships()) and app.is_member(school_id));
create policy staff on school.loans for all to authenticated using (app.is_staff(school_id)) with check (app.is_staff(school_id));
create policy principal on school.join_codes for all to authenticated using (app.is_principal(school_id)) with check (app.is_principal(school_id));

create view school.class_register with (security_invoker) as
select c.school_id, c.id as class_id, c.label, s.id as student_id, (s.name).family as family, (s.name).given as given
from school.classes c join school.enrolments e on e.class_id = c.id join school.students s on s.id = e.student_id;
create view school.averages with (security_invoker) as
select g.school_id, g.student_id, g.course_id, round(avg(g.value), 2) as average from school.grades g group by 1, 2, 3;

create function school.start_thread(p_school uuid, p_subject text, p_people uuid[]) returns uuid
language plpgsql security definer set search_path to ''
as $$
declare
    v_thread uuid;
begin
    if not app.is_member(p_school) then
        raise insufficient_privilege using message = 'not a member';
    end if;
    insert into school.threads (school_id, subject) values (p_school, p_subject) returning id into v_thread;
    insert into school.thread_people (thread_id, membership_id, school_id)
    select v_thread, m.id, p_school from school.memberships m
    where m.school_id = p_school and (m.id = any (p_people) or m.user_id = auth.uid());
    return v_thread;
end
$$;
create function school.record_attendance(p_lesson uuid, p_rows jsonb) returns void
language plpgsql security definer set search_path to ''
as $$
declare
    v_lesson school.lessons;
    v_row jsonb;
begin
    select * into v_lesson from school.lessons l where l.id = p_lesson;
    if not found or not app.teaches(v_lesson.course_id) then
        raise exception 'not your lesson' using errcode = '42501';
    end if;
    for v_row in select jsonb_array_elements(p_rows) loop
        insert into school.attendance (lesson_id, student_id, school_id, state)
        values (v_lesson.id, (v_row ->> 'student')::uuid, v_lesson.school_id, (v_row ->> 'state')::school.attendance_state)
        on conflict (lesson_id, student_id) do update set state = excluded.state;
    end loop;
end
$$;
create function school.join_with_code(p_code text) returns uuid
language plpgsql security definer set search_path to ''
as $$
declare
    v_school uuid;
begin
    if auth.uid() is null then
        raise exception 'sign in first';
    end if;
    update school.join_codes j set uses_left = uses_left - 1
    where j.code = p_code and j.uses_left > 0 and j.expires_on >= current_date returning j.school_id into v_school;
    if v_school is null then
        raise exception 'invalid code';
    end if;
    insert into school.memberships (school_id, user_id) values (v_school, auth.uid()) on conflict do nothing;
    return v_school;
end
$$;
create function school.issue_reports(p_term uuid) returns int
language plpgsql set search_path to ''
as $$
declare
    v_count int;
begin
    update school.reports set status = 'issued', issued_on = current_date where term_id = p_term and status = 'review';
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
create function school.my_children() returns table (student uuid, given text)
language sql stable set search_path to ''
as $$ select s.id, (s.name).given from school.students s where app.is_mine(s.id) $$;
create function app.make_profile() returns trigger
language plpgsql security definer set search_path to ''
as $$
begin
    insert into school.profiles (user_id, name) values (new.id, row(new.raw_user_meta_data ->> 'given_name', new.raw_user_meta_data ->> 'family_name'));
    return new;
end
$$;
create trigger make_profile after insert on auth.users for each row execute function app.make_profile();
revoke execute on all functions in schema school from public;
grant execute on all functions in schema school to authenticated;

insert into storage.buckets (id, name) values ('submissions', 'submissions');
create policy "students write their own" on storage.objects for insert to authenticated
with check (bucket_id = 'submissions' and (storage.foldername(name))[2] = auth.uid()::text and app.is_member(((storage.foldername(name))[1])::uuid));
create policy "authors and teachers read" on storage.objects for select to authenticated
using (bucket_id = 'submissions' and (((storage.foldername(name))[2] = auth.uid()::text and app.is_member(((storage.foldername(name))[1])::uuid)) or app.is_staff(((storage.foldername(name))[1])::uuid)));
