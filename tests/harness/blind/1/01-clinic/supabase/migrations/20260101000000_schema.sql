-- Practice management: clinics, their staff, patients, appointments, prescriptions, lab results
create type public.staff_role as enum ('receptionist', 'nurse', 'doctor', 'manager');

create table public.clinics (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  phone text,
  created_at timestamptz not null default now()
);

create table public.clinic_staff (
  clinic_id uuid not null references public.clinics (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role public.staff_role not null default 'receptionist',
  display_name text not null default '',
  primary key (clinic_id, user_id)
);
create index on public.clinic_staff (user_id);

create table public.icd_codes (
  code text primary key,
  title text not null,
  chapter smallint not null
);

create table public.patients (
  id uuid primary key default gen_random_uuid(),
  clinic_id uuid not null references public.clinics (id) on delete cascade,
  full_name text not null,
  born_on date not null,
  insurance_no text,
  notes text,
  created_at timestamptz not null default now(),
  unique (clinic_id, id)
);

create table public.appointments (
  id uuid primary key default gen_random_uuid(),
  clinic_id uuid not null references public.clinics (id) on delete cascade,
  patient_id uuid not null,
  starts_at timestamptz not null,
  minutes smallint not null default 20 check (minutes between 5 and 240),
  reason text,
  foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade
);
create index on public.appointments (clinic_id, patient_id);

create table public.prescriptions (
  id uuid primary key default gen_random_uuid(),
  clinic_id uuid not null references public.clinics (id) on delete cascade,
  patient_id uuid not null,
  icd_code text references public.icd_codes (code),
  drug text not null,
  dose text not null,
  issued_at timestamptz not null default now(),
  foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete restrict
);
create index on public.prescriptions (clinic_id, patient_id);
create index on public.prescriptions (icd_code);

create table public.lab_results (
  id uuid primary key default gen_random_uuid(),
  clinic_id uuid not null references public.clinics (id) on delete cascade,
  patient_id uuid not null,
  test_name text not null,
  value numeric,
  unit text,
  taken_at timestamptz not null default now(),
  foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete restrict
);
create index on public.lab_results (clinic_id, patient_id);

alter table public.clinics enable row level security;
alter table public.clinic_staff enable row level security;
alter table public.icd_codes enable row level security;
alter table public.patients enable row level security;
alter table public.appointments enable row level security;
alter table public.prescriptions enable row level security;
alter table public.lab_results enable row level security;

-- The list of staff would recurse in its own policy, so people see their own entries;
-- colleagues come through staff_of()
create policy "own entries" on public.clinic_staff
  for select to authenticated
  using (user_id = (select auth.uid()));

create policy "staff see their clinic" on public.clinics
  for select to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = clinics.id and s.user_id = (select auth.uid())
  ));

create policy "managers rename their clinic" on public.clinics
  for update to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = clinics.id and s.user_id = (select auth.uid()) and s.role = 'manager'
  ));

create policy "codes are for everybody" on public.icd_codes
  for select to anon, authenticated
  using (true);

create policy "staff work with patients" on public.patients
  for all to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = patients.clinic_id and s.user_id = (select auth.uid())
  ))
  with check (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = patients.clinic_id and s.user_id = (select auth.uid())
  ));

create policy "staff work with appointments" on public.appointments
  for all to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = appointments.clinic_id and s.user_id = (select auth.uid())
  ))
  with check (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = appointments.clinic_id and s.user_id = (select auth.uid())
  ));

create policy "staff read prescriptions" on public.prescriptions
  for select to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = prescriptions.clinic_id and s.user_id = (select auth.uid())
  ));

create policy "doctors prescribe" on public.prescriptions
  for insert to authenticated
  with check (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = prescriptions.clinic_id and s.user_id = (select auth.uid())
      and s.role in ('doctor', 'manager')
  ));

create policy "doctors correct prescriptions" on public.prescriptions
  for update to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = prescriptions.clinic_id and s.user_id = (select auth.uid())
      and s.role <> 'receptionist'
  ));

create policy "doctors withdraw prescriptions" on public.prescriptions
  for delete to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = prescriptions.clinic_id and s.user_id = (select auth.uid())
      and s.role in ('doctor', 'manager')
  ));

create policy "staff read lab results" on public.lab_results
  for select to authenticated
  using (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = clinic_id and s.user_id = (select auth.uid())
  ));

create policy "staff record lab results" on public.lab_results
  for insert to authenticated
  with check (exists (
    select 1 from public.clinic_staff s
    where s.clinic_id = lab_results.clinic_id and s.user_id = (select auth.uid())
      and s.role <> 'receptionist'
  ));
