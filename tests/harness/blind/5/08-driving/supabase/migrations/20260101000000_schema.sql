-- driving school app, v1
create table schools (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    phone text
);

create table staff (
    school_id uuid not null references schools(id),
    user_id uuid not null references auth.users(id),
    is_owner boolean not null default false,
    is_instructor boolean not null default true,
    display_name text,
    primary key (school_id, user_id)
);

create table course_packages (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references schools(id),
    title text not null,
    price numeric not null default 0,
    on_website boolean not null default false
);

create table cars (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references schools(id),
    plate text not null,
    gearbox text not null default 'manual' check (gearbox in ('manual', 'automatic'))
);

create table students (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references schools(id),
    full_name text not null,
    email text,
    lessons_done int not null default 0,
    exam_ready boolean not null default false,
    unique (id, school_id)
);

create table lessons (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references schools(id),
    student_id uuid not null,
    kind text not null default 'practice' check (kind in ('practice', 'theory', 'motorway')),
    starts_at timestamptz not null default now(),
    remarks text,
    cancelled boolean not null default false,
    foreign key (student_id, school_id) references students(id, school_id)
);

create table payments (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references schools(id),
    student_id uuid not null,
    amount numeric not null,
    refunded_at timestamptz,
    foreign key (student_id, school_id) references students(id, school_id)
);

create table school_invites (
    id uuid primary key default gen_random_uuid(),
    school_id uuid not null references schools(id),
    email text not null,
    code text not null default encode(extensions.gen_random_bytes(16), 'hex'),
    as_owner boolean not null default false,
    used_at timestamptz
);

create or replace function my_school_ids() returns setof uuid as $$
    select school_id from public.staff where user_id = auth.uid();
$$ language sql stable security definer set search_path = '';

create or replace function owns_school(s uuid) returns boolean as $$
    select exists (select 1 from public.staff where user_id = auth.uid() and school_id = s and is_owner);
$$ language sql stable security definer set search_path = '';

alter table schools enable row level security;
alter table staff enable row level security;
alter table course_packages enable row level security;
alter table cars enable row level security;
alter table students enable row level security;
alter table lessons enable row level security;
alter table payments enable row level security;
alter table school_invites enable row level security;

create policy "Staff can view their school" on schools for select to authenticated using (id in (select my_school_ids()));
create policy "Staff can view colleagues" on staff for select to authenticated using (school_id in (select my_school_ids()));
create policy "Owners manage staff" on staff for all to authenticated using (owns_school(school_id)) with check (owns_school(school_id));

create policy "Website packages" on course_packages for select using (on_website);
create policy "Staff see packages" on course_packages for select to authenticated using (school_id in (select my_school_ids()));
create policy "Owners manage packages" on course_packages for all to authenticated using (owns_school(school_id)) with check (owns_school(school_id));

create policy "Staff see cars" on cars for select to authenticated using (school_id in (select my_school_ids()));

create policy "Staff see students" on students for select to authenticated using (school_id in (select my_school_ids()));
create policy "Staff enrol students" on students for insert to authenticated with check (school_id in (select my_school_ids()));

-- instructors look at everything of today and later, and at theory for the attendance sheets
create policy "Staff see lessons" on lessons for select to authenticated
    using (school_id in (select my_school_ids()) and starts_at >= current_date or kind = 'theory');
create policy "Staff plan lessons" on lessons for insert to authenticated with check (school_id in (select my_school_ids()));
create policy "Staff change lessons" on lessons for update to authenticated
    using (school_id in (select my_school_ids())) with check (school_id in (select my_school_ids()));

create policy "Staff see payments" on payments for select to authenticated using (school_id in (select my_school_ids()));
create policy "Owners book payments" on payments for all to authenticated using (owns_school(school_id)) with check (owns_school(school_id));

create policy "Owners manage invites" on school_invites for all to authenticated using (owns_school(school_id)) with check (owns_school(school_id));
-- the sign-up page shows the name of the school before the invite is used
create policy "Open invites" on school_invites for select to anon, authenticated using (used_at is null);

create or replace function accept_school_invite(p_code text) returns uuid as $$
declare
    inv public.school_invites;
begin
    if auth.uid() is null then
        raise exception 'sign in first';
    end if;
    update public.school_invites set used_at = now() where code = p_code and used_at is null returning * into inv;
    if inv.id is null then
        raise exception 'invite not valid';
    end if;
    insert into public.staff (school_id, user_id, is_owner) values (inv.school_id, auth.uid(), inv.as_owner)
    on conflict do nothing;
    return inv.school_id;
end;
$$ language plpgsql security definer set search_path = '';

create or replace function student_card(p_student uuid) returns jsonb as $$
declare
    v_mine uuid;
    v_school uuid;
    v_card jsonb;
begin
    select school_id into v_mine from public.staff where user_id = auth.uid() limit 1;
    select school_id, to_jsonb(s) - 'school_id' into v_school, v_card from public.students s where id = p_student;
    if v_school <> v_mine then
        raise exception 'not your student';
    end if;
    return v_card;
end;
$$ language plpgsql stable security definer set search_path = '';

create or replace function lesson_card(p_lesson uuid) returns jsonb as $$
declare
    v_lesson public.lessons;
begin
    select * into v_lesson from public.lessons where id = p_lesson;
    if v_lesson.id is null or not exists (
        select 1 from public.staff st where st.user_id = auth.uid() and st.school_id = v_lesson.school_id
    ) then
        raise exception 'not your lesson';
    end if;
    return jsonb_build_object('starts_at', v_lesson.starts_at, 'kind', v_lesson.kind, 'remarks', v_lesson.remarks);
end;
$$ language plpgsql stable security definer set search_path = '';

create or replace function refund_payment(p_payment uuid) returns void as $$
begin
    update public.payments p set refunded_at = now()
    where p.id = p_payment and p.refunded_at is null
      and exists (select 1 from public.staff st where st.school_id = p.school_id and st.user_id = auth.uid() and (st.is_owner or st.is_instructor));
    if not found then
        raise exception 'nothing to refund';
    end if;
end;
$$ language plpgsql security definer set search_path = '';

-- counts lessons of a student
create or replace function count_lesson() returns trigger as $$
begin
    update public.students s set lessons_done = (
        select count(*) from public.lessons l where l.student_id = s.id and not l.cancelled
    ) where s.id = new.student_id;
    return null;
end;
$$ language plpgsql security definer set search_path = '';
create trigger lessons_count after insert or update on lessons for each row execute function count_lesson();
