-- Practices, their staff and patients. Helpers live in "private"; keys carry the clinic, so that nothing points across.
create schema private;
grant usage on schema private to authenticated, service_role;

create type public.staff_role as enum ('reception', 'nurse', 'doctor', 'manager');
create type public.appointment_status as enum ('requested', 'booked', 'arrived', 'done', 'cancelled', 'no_show');
create type public.invoice_status as enum ('draft', 'sent', 'paid', 'void');
create domain public.email_address as text check (value ~ '^[^@\s]+@[^@\s]+$');
create domain public.cents as bigint check (value >= 0);

-- what all clinics share
create table public.countries (code text primary key check (length(code) = 2), name text not null);
create table public.specialities (id smallint primary key, name text not null unique);
create table public.diagnosis_codes (code text primary key, title text not null, chapter text not null);
insert into public.countries values ('AT', 'Austria'), ('CH', 'Switzerland'), ('DE', 'Germany');
insert into public.specialities values (1, 'General practice'), (2, 'Dermatology'), (3, 'Paediatrics');
insert into public.diagnosis_codes values ('J06.9', 'Acute upper respiratory infection', 'X'), ('L20.9', 'Atopic dermatitis', 'XII');

create table public.clinics (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    country text not null default 'DE' references public.countries (code),
    settings jsonb not null default '{}',
    patient_count integer not null default 0,
    created_at timestamptz not null default now()
);
create table public.staff (
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    role public.staff_role not null default 'reception',
    active boolean not null default true,
    joined_at timestamptz not null default now(),
    primary key (clinic_id, user_id)
);
create index staff_user on public.staff (user_id);

create function private.works_at(clinic uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select 1 from public.staff as s
        where s.clinic_id = clinic and s.user_id = (select auth.uid()) and s.active
    )
$$;
create function private.has_role(clinic uuid, variadic roles public.staff_role[]) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select 1 from public.staff as s
        where s.clinic_id = clinic and s.user_id = (select auth.uid()) and s.active and s.role = any (roles)
    )
$$;
create function private.touch() returns trigger
language plpgsql set search_path = ''
as $$
begin
    new.updated_at := now();
    return new;
end
$$;

create table public.staff_profiles (
    clinic_id uuid not null,
    user_id uuid not null,
    display_name text not null,
    speciality_id smallint references public.specialities (id),
    phone text,
    primary key (clinic_id, user_id),
    foreign key (clinic_id, user_id) references public.staff (clinic_id, user_id) on delete cascade
);
create table public.staff_invitations (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    email public.email_address not null,
    role public.staff_role not null default 'reception',
    token uuid not null unique default gen_random_uuid(),
    expires_at timestamptz not null default now() + interval '7 days',
    accepted_at timestamptz,
    unique (clinic_id, email)
);
create table public.locations (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    name text not null,
    address text,
    unique (clinic_id, id),
    unique (clinic_id, name)
);
create table public.rooms (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    location_id uuid not null,
    name text not null,
    capacity smallint not null default 1 check (capacity between 1 and 40),
    unique (clinic_id, id),
    foreign key (clinic_id, location_id) references public.locations (clinic_id, id) on delete cascade
);
create index rooms_location on public.rooms (clinic_id, location_id);
create table public.opening_hours (
    clinic_id uuid not null,
    location_id uuid not null,
    weekday smallint not null check (weekday between 0 and 6),
    opens time not null,
    closes time not null,
    primary key (clinic_id, location_id, weekday),
    foreign key (clinic_id, location_id) references public.locations (clinic_id, id) on delete cascade,
    check (opens < closes)
);
create table public.working_shifts (
    id bigint generated always as identity primary key,
    clinic_id uuid not null,
    user_id uuid not null,
    during tstzrange not null check (not isempty(during)),
    foreign key (clinic_id, user_id) references public.staff (clinic_id, user_id) on delete cascade
);
create index working_shifts_staff on public.working_shifts (clinic_id, user_id);

create table public.patients (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    given_name text not null,
    family_name text not null,
    full_name text generated always as (given_name || ' ' || family_name) stored,
    born_on date check (born_on > '1900-01-01'),
    email public.email_address,
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (clinic_id, id)
);
create trigger touch before update on public.patients for each row execute function private.touch();
create function private.count_patients() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if tg_op in ('INSERT', 'UPDATE') then
        update public.clinics as c set patient_count = patient_count + 1 where c.id = new.clinic_id;
    end if;
    if tg_op in ('DELETE', 'UPDATE') then
        update public.clinics as c set patient_count = patient_count - 1 where c.id = old.clinic_id;
    end if;
    return null;
end
$$;
create trigger count_patients after insert or delete or update of clinic_id on public.patients
for each row execute function private.count_patients();

create table public.patient_contacts (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    patient_id uuid not null,
    kind text not null check (kind in ('phone', 'mobile', 'email', 'guardian')),
    value text not null,
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade
);
create index patient_contacts_patient on public.patient_contacts (clinic_id, patient_id);
create table public.allergies (
    clinic_id uuid not null,
    patient_id uuid not null,
    substance text not null,
    severity smallint not null default 1 check (severity in (1, 2, 3)),
    primary key (clinic_id, patient_id, substance),
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade
);
create table public.consents (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    patient_id uuid not null,
    purpose text not null check (purpose in ('treatment', 'research', 'marketing')),
    given_at timestamptz not null default now(),
    withdrawn_at timestamptz check (withdrawn_at >= given_at),
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade
);
create index consents_patient on public.consents (clinic_id, patient_id);
create table public.insurers (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    name text not null,
    payer_number text not null check (payer_number ~ '^[0-9]{9}$'),
    unique (clinic_id, id),
    unique (clinic_id, payer_number)
);
create table public.insurance_policies (
    clinic_id uuid not null,
    patient_id uuid not null,
    insurer_id uuid not null,
    member_number text not null,
    valid daterange not null,
    primary key (clinic_id, patient_id, insurer_id),
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade,
    foreign key (clinic_id, insurer_id) references public.insurers (clinic_id, id)
);
create index insurance_policies_insurer on public.insurance_policies (clinic_id, insurer_id);

create table public.appointment_types (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    name text not null,
    minutes smallint not null default 15 check (minutes in (5, 10, 15, 20, 30, 45, 60)),
    colour text not null default '#336699' check (colour ~ '^#[0-9a-f]{6}$'),
    unique (clinic_id, id)
);
create table public.appointments (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    patient_id uuid not null,
    type_id uuid not null,
    room_id uuid,
    doctor_id uuid,
    status public.appointment_status not null default 'booked',
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    updated_at timestamptz not null default now(),
    unique (clinic_id, id),
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade,
    foreign key (clinic_id, type_id) references public.appointment_types (clinic_id, id),
    foreign key (clinic_id, room_id) references public.rooms (clinic_id, id),
    foreign key (clinic_id, doctor_id) references public.staff (clinic_id, user_id),
    check (ends_at > starts_at)
);
create index appointments_patient on public.appointments (clinic_id, patient_id);
create index appointments_type on public.appointments (clinic_id, type_id);
create index appointments_room on public.appointments (clinic_id, room_id);
create index appointments_doctor on public.appointments (clinic_id, doctor_id);
create trigger touch before update on public.appointments for each row execute function private.touch();
create table public.waiting_list (
    id bigint generated by default as identity primary key,
    clinic_id uuid not null,
    patient_id uuid not null,
    wish text,
    priority integer not null default 0 check (priority >= 0 and priority < 10),
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade
);
create index waiting_list_patient on public.waiting_list (clinic_id, patient_id);

create table public.encounters (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    patient_id uuid not null,
    appointment_id uuid,
    doctor_id uuid not null,
    note text not null default '',
    signed_at timestamptz,
    unique (clinic_id, id),
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade,
    foreign key (clinic_id, appointment_id) references public.appointments (clinic_id, id),
    foreign key (clinic_id, doctor_id) references public.staff (clinic_id, user_id)
);
create index encounters_patient on public.encounters (clinic_id, patient_id);
create index encounters_appointment on public.encounters (clinic_id, appointment_id);
create index encounters_doctor on public.encounters (clinic_id, doctor_id);
create table public.encounter_diagnoses (
    clinic_id uuid not null,
    encounter_id uuid not null,
    code text not null references public.diagnosis_codes (code),
    is_primary boolean not null default false,
    primary key (clinic_id, encounter_id, code),
    foreign key (clinic_id, encounter_id) references public.encounters (clinic_id, id) on delete cascade
);
create index encounter_diagnoses_code on public.encounter_diagnoses (code);
create table public.vital_signs (
    id bigint generated always as identity primary key,
    clinic_id uuid not null,
    encounter_id uuid not null,
    kind text not null,
    measured numeric(8, 2) not null,
    taken_at timestamptz not null default now(),
    foreign key (clinic_id, encounter_id) references public.encounters (clinic_id, id) on delete cascade,
    constraint plausible check (
        case kind when 'temperature' then measured between 30 and 45
        when 'pulse' then measured between 20 and 300
        when 'weight' then measured > 0 else false end
    )
);
create index vital_signs_encounter on public.vital_signs (clinic_id, encounter_id);
create table public.medications (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    name text not null,
    stock integer not null default 0 check (stock >= 0),
    unique (clinic_id, id)
);
create table public.prescriptions (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    encounter_id uuid not null,
    medication_id uuid not null,
    dose text not null,
    repeats smallint not null default 0 check (repeats between 0 and 12),
    prescribed_by uuid not null default auth.uid() references auth.users (id),
    foreign key (clinic_id, encounter_id) references public.encounters (clinic_id, id) on delete cascade,
    foreign key (clinic_id, medication_id) references public.medications (clinic_id, id)
);
create index prescriptions_encounter on public.prescriptions (clinic_id, encounter_id);
create index prescriptions_medication on public.prescriptions (clinic_id, medication_id);
create index prescriptions_by on public.prescriptions (prescribed_by);
create function private.prescriber() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if (select auth.uid()) is not null then
        new.prescribed_by := (select auth.uid());
    end if;
    return new;
end
$$;
create trigger prescriber before insert on public.prescriptions for each row execute function private.prescriber();
create table public.lab_orders (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    encounter_id uuid not null,
    tests text[] not null check (cardinality(tests) > 0),
    urgent boolean not null default false,
    unique (clinic_id, id),
    foreign key (clinic_id, encounter_id) references public.encounters (clinic_id, id) on delete cascade
);
create index lab_orders_encounter on public.lab_orders (clinic_id, encounter_id);
create table public.lab_results (
    clinic_id uuid not null,
    order_id uuid not null,
    test text not null,
    result jsonb not null check (jsonb_typeof(result) = 'object'),
    released boolean not null default false,
    primary key (clinic_id, order_id, test),
    foreign key (clinic_id, order_id) references public.lab_orders (clinic_id, id) on delete cascade
);
create table public.documents (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    patient_id uuid not null,
    title text not null,
    object_path text not null,
    confidential boolean not null default false,
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade,
    check (object_path like clinic_id::text || '/%')
);
create index documents_patient on public.documents (clinic_id, patient_id);
create table public.record_grants (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    patient_id uuid not null,
    user_id uuid not null,
    reason text not null check (length(reason) >= 10),
    starts_at timestamptz not null default now(),
    ends_at timestamptz not null default now() + interval '4 hours',
    revoked boolean not null default false,
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id) on delete cascade,
    foreign key (clinic_id, user_id) references public.staff (clinic_id, user_id) on delete cascade
);
create index record_grants_patient on public.record_grants (clinic_id, patient_id);
create index record_grants_user on public.record_grants (clinic_id, user_id);

create table public.services (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    code text not null,
    price public.cents not null,
    unique (clinic_id, id),
    unique (clinic_id, code)
);
create table public.invoices (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    patient_id uuid not null,
    number integer not null check (number > 0),
    status public.invoice_status not null default 'draft',
    sent_at timestamptz,
    total public.cents not null default 0,
    unique (clinic_id, id),
    unique (clinic_id, number),
    foreign key (clinic_id, patient_id) references public.patients (clinic_id, id),
    check ((status = 'draft') = (sent_at is null))
);
create index invoices_patient on public.invoices (clinic_id, patient_id);
create table public.invoice_items (
    clinic_id uuid not null,
    invoice_id uuid not null,
    position smallint not null check (position > 0),
    service_id uuid not null,
    quantity smallint not null default 1 check (quantity > 0),
    price public.cents not null,
    amount bigint generated always as (quantity * price) stored,
    primary key (clinic_id, invoice_id, position),
    foreign key (clinic_id, invoice_id) references public.invoices (clinic_id, id) on delete cascade,
    foreign key (clinic_id, service_id) references public.services (clinic_id, id)
);
create index invoice_items_service on public.invoice_items (clinic_id, service_id);
create table public.payments (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    invoice_id uuid not null,
    amount public.cents not null check (amount > 0),
    method text not null default 'cash' check (method in ('cash', 'card', 'transfer')),
    paid_on date not null default current_date,
    foreign key (clinic_id, invoice_id) references public.invoices (clinic_id, id)
);
create index payments_invoice on public.payments (clinic_id, invoice_id);
create function private.sum_invoice() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    line public.invoice_items := coalesce(new, old);
begin
    update public.invoices as i set total = coalesce(
        (select sum(t.amount) from public.invoice_items as t
        where t.clinic_id = i.clinic_id and t.invoice_id = i.id), 0)
    where i.clinic_id = line.clinic_id and i.id = line.invoice_id;
    return null;
end
$$;
create trigger sum_invoice after insert or update or delete on public.invoice_items
for each row execute function private.sum_invoice();

create table public.messages (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null,
    sender_id uuid not null,
    recipient_id uuid not null,
    body text not null,
    read_at timestamptz,
    foreign key (clinic_id, sender_id) references public.staff (clinic_id, user_id) on delete cascade,
    foreign key (clinic_id, recipient_id) references public.staff (clinic_id, user_id) on delete cascade
);
create index messages_sender on public.messages (clinic_id, sender_id);
create index messages_recipient on public.messages (clinic_id, recipient_id);
create table public.tasks (
    id uuid primary key default gen_random_uuid(),
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    title text not null,
    assignee_id uuid,
    private boolean not null default false,
    created_by uuid not null,
    done boolean not null default false,
    foreign key (clinic_id, assignee_id) references public.staff (clinic_id, user_id),
    foreign key (clinic_id, created_by) references public.staff (clinic_id, user_id)
);
create index tasks_assignee on public.tasks (clinic_id, assignee_id);
create index tasks_author on public.tasks (clinic_id, created_by);
create table public.access_log (
    id bigint generated always as identity,
    clinic_id uuid not null references public.clinics (id) on delete cascade,
    happened_at timestamptz not null default now(),
    actor uuid,
    action text not null,
    detail jsonb,
    primary key (id, happened_at)
) partition by range (happened_at);
create table public.access_log_old partition of public.access_log for values from (minvalue) to ('2026-01-01');
create table public.access_log_new partition of public.access_log for values from ('2026-01-01') to (maxvalue);
create index access_log_clinic on public.access_log (clinic_id);
create function private.log_access() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.access_log (clinic_id, actor, action, detail)
    values (new.clinic_id, auth.uid(), tg_table_name || '.' || lower(tg_op), jsonb_build_object('patient', new.patient_id));
    return new;
end
$$;
create trigger log_access after insert or update on public.encounters for each row execute function private.log_access();
create trigger log_access after insert on public.record_grants for each row execute function private.log_access();

create function private.sees_record(clinic uuid, patient uuid) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
    if private.has_role(clinic, 'doctor', 'nurse') then
        return true;
    end if;
    return exists (
        select 1 from public.record_grants as g
        where g.clinic_id = clinic and g.patient_id = patient and g.user_id = (select auth.uid())
        and now() between g.starts_at and g.ends_at and not g.revoked
    ) and private.works_at(clinic);
end
$$;

-- row level security
alter table public.countries enable row level security;
alter table public.specialities enable row level security;
alter table public.diagnosis_codes enable row level security;
create policy "read by all" on public.countries for select to anon, authenticated using (true);
create policy "read by all" on public.specialities for select to authenticated using (true);
create policy "read by all" on public.diagnosis_codes for select to authenticated using (true);

alter table public.clinics enable row level security;
create policy "staff see their clinic" on public.clinics for select to authenticated using (private.works_at(id));
create policy "managers change their clinic" on public.clinics for update to authenticated
using (private.has_role(id, 'manager')) with check (private.has_role(id, 'manager'));
revoke insert, update, delete on public.clinics from anon, authenticated;
grant update (name, settings) on public.clinics to authenticated;

alter table public.staff enable row level security;
create policy "colleagues" on public.staff for select to authenticated using (private.works_at(clinic_id));
create policy "managers hire" on public.staff for insert to authenticated
with check (private.has_role(clinic_id, 'manager') and role <> 'manager');
create policy "managers change" on public.staff for update to authenticated
using (private.has_role(clinic_id, 'manager') and user_id <> (select auth.uid()))
with check (private.has_role(clinic_id, 'manager'));
create policy "managers dismiss" on public.staff for delete to authenticated
using (private.has_role(clinic_id, 'manager') and user_id <> (select auth.uid()));

alter table public.staff_profiles enable row level security;
create policy "colleagues" on public.staff_profiles for select to authenticated using (private.works_at(clinic_id));
create policy "own" on public.staff_profiles for all to authenticated
using (user_id = (select auth.uid()) and private.works_at(clinic_id))
with check (user_id = (select auth.uid()) and private.works_at(clinic_id));
alter table public.staff_invitations enable row level security;
create policy "managers" on public.staff_invitations for all to authenticated
using (private.has_role(clinic_id, 'manager'))
with check (private.has_role(clinic_id, 'manager') and accepted_at is null and role <> 'manager');

alter table public.locations enable row level security;
alter table public.rooms enable row level security;
alter table public.opening_hours enable row level security;
alter table public.appointment_types enable row level security;
alter table public.insurers enable row level security;
alter table public.services enable row level security;
alter table public.medications enable row level security;
create policy "staff read" on public.locations for select to authenticated using (private.works_at(clinic_id));
create policy "managers write" on public.locations for all to authenticated
using (private.has_role(clinic_id, 'manager')) with check (private.has_role(clinic_id, 'manager'));
create policy "staff read" on public.rooms for select to authenticated using (private.works_at(clinic_id));
create policy "managers write" on public.rooms for all to authenticated
using (private.has_role(clinic_id, 'manager')) with check (private.has_role(clinic_id, 'manager'));
create policy "staff read" on public.opening_hours for select to authenticated using (private.works_at(clinic_id));
create policy "managers write" on public.opening_hours for all to authenticated
using (private.has_role(clinic_id, 'manager')) with check (private.has_role(clinic_id, 'manager'));
create policy "staff read" on public.appointment_types for select to authenticated using (private.works_at(clinic_id));
create policy "managers write" on public.appointment_types for all to authenticated
using (private.has_role(clinic_id, 'manager')) with check (private.has_role(clinic_id, 'manager'));
create policy "staff" on public.insurers for all to authenticated
using (private.works_at(clinic_id)) with check (private.works_at(clinic_id));
create policy "staff read" on public.services for select to authenticated using (private.works_at(clinic_id));
create policy "managers write" on public.services for all to authenticated
using (private.has_role(clinic_id, 'manager')) with check (private.has_role(clinic_id, 'manager'));
create policy "staff" on public.medications for all to authenticated
using (private.has_role(clinic_id, 'doctor', 'nurse')) with check (private.has_role(clinic_id, 'doctor', 'nurse'));
alter table public.working_shifts enable row level security;
create policy "staff read" on public.working_shifts for select to authenticated using (private.works_at(clinic_id));
create policy "managers plan" on public.working_shifts for insert to authenticated
with check (private.has_role(clinic_id, 'manager'));
create policy "managers or oneself cancel" on public.working_shifts for delete to authenticated
using (private.has_role(clinic_id, 'manager')
    or (user_id = (select auth.uid()) and private.works_at(clinic_id) and lower(during) > now() + interval '1 day'));

alter table public.patients enable row level security;
create policy "staff" on public.patients for select to authenticated
using (private.works_at(clinic_id) and deleted_at is null);
create policy "managers see the bin" on public.patients for select to authenticated
using (private.has_role(clinic_id, 'manager') and deleted_at is not null);
create policy "staff add" on public.patients for insert to authenticated with check (private.works_at(clinic_id));
create policy "staff change" on public.patients for update to authenticated
using (private.works_at(clinic_id) and deleted_at is null) with check (private.works_at(clinic_id));
alter table public.patient_contacts enable row level security;
create policy "staff" on public.patient_contacts for all to authenticated
using (private.works_at(clinic_id)) with check (private.works_at(clinic_id));
alter table public.allergies enable row level security;
create policy "staff read" on public.allergies for select to authenticated using (private.works_at(clinic_id));
create policy "medical staff" on public.allergies for all to authenticated
using (private.has_role(clinic_id, 'nurse', 'doctor')) with check (private.has_role(clinic_id, 'nurse', 'doctor'));
alter table public.consents enable row level security;
create policy "staff read" on public.consents for select to authenticated using (private.works_at(clinic_id));
create policy "staff add" on public.consents for insert to authenticated
with check (private.works_at(clinic_id) and withdrawn_at is null);
create policy "staff withdraw" on public.consents for update to authenticated
using (private.works_at(clinic_id) and withdrawn_at is null) with check (private.works_at(clinic_id));
alter table public.insurance_policies enable row level security;
create policy "staff" on public.insurance_policies for all to authenticated
using (private.works_at(clinic_id)) with check (private.works_at(clinic_id));

alter table public.appointments enable row level security;
create policy "staff read" on public.appointments for select to authenticated using (private.works_at(clinic_id));
create policy "staff book" on public.appointments for insert to authenticated
with check (private.works_at(clinic_id) and status in ('requested', 'booked'));
create policy "staff change" on public.appointments for update to authenticated
using (private.works_at(clinic_id) and status not in ('done', 'no_show')) with check (private.works_at(clinic_id));
create policy "managers delete" on public.appointments for delete to authenticated
using (private.has_role(clinic_id, 'manager') and status = 'cancelled');
alter table public.waiting_list enable row level security;
create policy "staff" on public.waiting_list for all to authenticated
using (private.works_at(clinic_id)) with check (private.works_at(clinic_id));

alter table public.encounters enable row level security;
create policy "record" on public.encounters for select to authenticated
using (private.sees_record(clinic_id, patient_id));
create policy "doctors write" on public.encounters for insert to authenticated
with check (private.has_role(clinic_id, 'doctor') and doctor_id = (select auth.uid()));
create policy "doctors change until signed" on public.encounters for update to authenticated
using (private.has_role(clinic_id, 'doctor') and doctor_id = (select auth.uid()) and signed_at is null)
with check (private.has_role(clinic_id, 'doctor') and doctor_id = (select auth.uid()));
alter table public.encounter_diagnoses enable row level security;
alter table public.vital_signs enable row level security;
alter table public.prescriptions enable row level security;
alter table public.lab_orders enable row level security;
alter table public.lab_results enable row level security;
create policy "medical staff" on public.encounter_diagnoses for all to authenticated
using (private.has_role(clinic_id, 'doctor')) with check (private.has_role(clinic_id, 'doctor'));
create policy "medical staff read" on public.vital_signs for select to authenticated
using (private.has_role(clinic_id, 'doctor', 'nurse'));
create policy "medical staff add" on public.vital_signs for insert to authenticated
with check (private.has_role(clinic_id, 'doctor', 'nurse'));
create policy "medical staff read" on public.prescriptions for select to authenticated
using (private.has_role(clinic_id, 'doctor', 'nurse'));
create policy "doctors prescribe" on public.prescriptions for insert to authenticated
with check (private.has_role(clinic_id, 'doctor') and prescribed_by = (select auth.uid()));
create policy "medical staff" on public.lab_orders for all to authenticated
using (private.has_role(clinic_id, 'doctor', 'nurse')) with check (private.has_role(clinic_id, 'doctor', 'nurse'));
create policy "released results" on public.lab_results for select to authenticated
using ((released and private.has_role(clinic_id, 'nurse')) or private.has_role(clinic_id, 'doctor'));
alter table public.documents enable row level security;
create policy "staff" on public.documents for select to authenticated
using (case when confidential then private.has_role(clinic_id, 'doctor') else private.works_at(clinic_id) end);
create policy "staff add" on public.documents for insert to authenticated with check (private.works_at(clinic_id));
alter table public.record_grants enable row level security;
create policy "own and managers" on public.record_grants for select to authenticated
using ((user_id = (select auth.uid()) and private.works_at(clinic_id)) or private.has_role(clinic_id, 'manager'));
create policy "managers grant" on public.record_grants for insert to authenticated
with check (private.has_role(clinic_id, 'manager') and ends_at <= starts_at + interval '1 day');
create policy "managers revoke" on public.record_grants for update to authenticated
using (private.has_role(clinic_id, 'manager') and not revoked) with check (private.has_role(clinic_id, 'manager') and revoked);

alter table public.invoices enable row level security;
alter table public.invoice_items enable row level security;
alter table public.payments enable row level security;
create policy "office" on public.invoices for select to authenticated
using (private.has_role(clinic_id, 'reception', 'manager'));
create policy "office drafts" on public.invoices for insert to authenticated
with check (private.has_role(clinic_id, 'reception', 'manager') and status = 'draft');
create policy "office changes" on public.invoices for update to authenticated
using (private.has_role(clinic_id, 'reception', 'manager') and status in ('draft', 'sent'))
with check (private.has_role(clinic_id, 'reception', 'manager') and (status <> 'void' or private.has_role(clinic_id, 'manager')));
create policy "office reads" on public.invoice_items for select to authenticated
using (private.has_role(clinic_id, 'reception', 'manager'));
create policy "office writes drafts" on public.invoice_items for all to authenticated
using (exists (
    select 1 from public.invoices as i
    where i.clinic_id = invoice_items.clinic_id and i.id = invoice_items.invoice_id and i.status = 'draft'
))
with check (exists (
    select 1 from public.invoices as i
    where i.clinic_id = invoice_items.clinic_id and i.id = invoice_items.invoice_id and i.status = 'draft'
));
create policy "office" on public.payments for all to authenticated
using (private.has_role(clinic_id, 'reception', 'manager'))
with check (private.has_role(clinic_id, 'reception', 'manager') and paid_on <= current_date);

alter table public.messages enable row level security;
create policy "correspondents" on public.messages for select to authenticated
using (private.works_at(clinic_id) and (select auth.uid()) in (sender_id, recipient_id));
create policy "send" on public.messages for insert to authenticated
with check (private.works_at(clinic_id) and sender_id = (select auth.uid()) and read_at is null);
create policy "recipients mark" on public.messages for update to authenticated
using (private.works_at(clinic_id) and recipient_id = (select auth.uid()))
with check (private.works_at(clinic_id) and recipient_id = (select auth.uid()));
revoke update on public.messages from anon, authenticated;
grant update (read_at) on public.messages to authenticated;
alter table public.tasks enable row level security;
create policy "tasks" on public.tasks for select to authenticated
using (private.works_at(clinic_id)
    and (not private or created_by = (select auth.uid()) or assignee_id = (select auth.uid())));
create policy "authors" on public.tasks for all to authenticated
using (private.works_at(clinic_id) and created_by = (select auth.uid()))
with check (private.works_at(clinic_id) and created_by = (select auth.uid()));
alter table public.access_log enable row level security;
alter table public.access_log_old enable row level security;
alter table public.access_log_new enable row level security;
create policy "managers" on public.access_log for select to authenticated using (private.has_role(clinic_id, 'manager'));

-- views and functions of the API
create view public.todays_appointments with (security_invoker = true) as
select a.id, a.clinic_id, a.starts_at, a.status, p.full_name, t.name as type
from public.appointments as a
join public.patients as p on p.clinic_id = a.clinic_id and p.id = a.patient_id
join public.appointment_types as t on t.clinic_id = a.clinic_id and t.id = a.type_id
where a.starts_at::date = current_date and a.status <> 'cancelled';
create view public.open_invoices with (security_invoker = true) as
select i.clinic_id, i.id, i.number, i.total - coalesce(sum(p.amount), 0) as due
from public.invoices as i left join public.payments as p on p.clinic_id = i.clinic_id and p.invoice_id = i.id
where i.status = 'sent'
group by i.clinic_id, i.id, i.number, i.total;

create materialized view private.monthly_revenue as
select p.clinic_id, date_trunc('month', p.paid_on)::date as month, sum(p.amount) as revenue
from public.payments as p group by 1, 2;
create unique index monthly_revenue_key on private.monthly_revenue (clinic_id, month);
create function public.revenue(clinic uuid) returns table (month date, revenue numeric)
language plpgsql stable security definer set search_path = ''
as $$
begin
    if not private.has_role(clinic, 'manager') then
        raise exception 'for managers only' using errcode = '42501';
    end if;
    return query select r.month, r.revenue::numeric from private.monthly_revenue as r where r.clinic_id = clinic order by 1;
end
$$;
create function public.create_clinic(name text, country text default 'DE') returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
    made uuid;
begin
    if (select auth.uid()) is null then
        raise exception 'sign in first' using errcode = '42501';
    end if;
    insert into public.clinics (name, country) values (create_clinic.name, create_clinic.country) returning id into made;
    insert into public.staff (clinic_id, user_id, role) values (made, (select auth.uid()), 'manager');
    return made;
end
$$;
create function public.accept_invitation(invitation_token uuid) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
    found_one public.staff_invitations;
begin
    select * into found_one from public.staff_invitations as i
    where i.token = invitation_token and i.accepted_at is null and i.expires_at > now()
    and i.email = (select auth.jwt() ->> 'email');
    if found_one.id is null then
        raise exception 'no such invitation';
    end if;
    insert into public.staff (clinic_id, user_id, role) values (found_one.clinic_id, auth.uid(), found_one.role)
    on conflict (clinic_id, user_id) do nothing;
    update public.staff_invitations as i set accepted_at = now() where i.id = found_one.id;
    return found_one.clinic_id;
end
$$;
create function public.book(clinic uuid, patient uuid, type uuid, starts timestamptz) returns uuid
language plpgsql set search_path = ''
as $$
declare
    length interval;
    made uuid;
begin
    select make_interval(mins => t.minutes) into length from public.appointment_types as t
    where t.clinic_id = clinic and t.id = type;
    if length is null then
        raise exception 'unknown type';
    end if;
    insert into public.appointments (clinic_id, patient_id, type_id, starts_at, ends_at)
    values (clinic, patient, type, starts, starts + length) returning id into made;
    return made;
end
$$;
create function public.import_patients(clinic uuid, patients jsonb) returns integer
language plpgsql security definer set search_path = ''
as $$
declare
    made integer;
begin
    if not private.has_role(clinic, 'manager', 'reception') then
        raise exception 'not yours' using errcode = '42501';
    end if;
    insert into public.patients (clinic_id, given_name, family_name, born_on)
    select clinic, p ->> 'given_name', p ->> 'family_name', (p ->> 'born_on')::date
    from jsonb_array_elements(patients) as p where p ? 'given_name' and p ? 'family_name';
    get diagnostics made = row_count;
    return made;
end
$$;
create function public.release_results(clinic uuid, orders uuid[]) returns bigint
language sql security definer set search_path = ''
as $$
    with released as (
        update public.lab_results as r set released = true
        where r.clinic_id = clinic and r.order_id = any (orders) and not r.released
        and private.has_role(clinic, 'doctor')
        returning 1
    )
    select count(*) from released
$$;
create function public.search_patients(clinic uuid, term text) returns setof public.patients
language sql stable set search_path = ''
as $$
    select p.* from public.patients as p
    where p.clinic_id = clinic and p.full_name ilike '%' || term || '%' order by p.family_name limit 20
$$;
revoke execute on function public.revenue(uuid), public.create_clinic(text, text), public.accept_invitation(uuid),
    public.book(uuid, uuid, uuid, timestamptz), public.import_patients(uuid, jsonb),
    public.release_results(uuid, uuid[]), public.search_patients(uuid, text) from public, anon;

-- files: CLINIC/PATIENT/name
insert into storage.buckets (id, name, public) values ('records', 'records', false), ('logos', 'logos', false);
create policy "staff read records" on storage.objects for select to authenticated
using (bucket_id = 'records' and private.works_at(((storage.foldername(name))[1])::uuid));
create policy "staff add records" on storage.objects for insert to authenticated
with check (bucket_id = 'records' and private.works_at(((storage.foldername(name))[1])::uuid));
create policy "managers change logos" on storage.objects for all to authenticated
using (bucket_id = 'logos' and (storage.foldername(name))[1] in (
    select s.clinic_id::text from public.staff as s where s.user_id = (select auth.uid()) and s.role = 'manager' and s.active
))
with check (bucket_id = 'logos' and (storage.foldername(name))[1] in (
    select s.clinic_id::text from public.staff as s where s.user_id = (select auth.uid()) and s.role = 'manager' and s.active
));
