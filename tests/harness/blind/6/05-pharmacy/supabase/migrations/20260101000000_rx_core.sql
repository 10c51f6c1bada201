-- Pharmacy chain. Everything lives in schema rx; the API exposes it (config.toml).
create schema if not exists rx;
grant usage on schema rx to authenticated, service_role;

create domain rx.pzn as text check (value ~ '^[0-9]{8}$');
create domain rx.quantity as integer check (value >= 0);

create table rx.pharmacies (
  pharmacy_id uuid primary key default gen_random_uuid(),
  display_name text not null,
  license_no text
);

create table rx.role_codes (
  role_code text primary key,
  label text not null
);
insert into rx.role_codes values
  ('assistant', 'Assistant'), ('pharmacist', 'Pharmacist'), ('manager', 'Branch manager');

create table rx.role_permissions (
  role_code text not null references rx.role_codes,
  permission text not null,
  primary key (role_code, permission)
);
insert into rx.role_permissions values
  ('assistant', 'patients.read'), ('assistant', 'stock.read'),
  ('pharmacist', 'patients.read'), ('pharmacist', 'patients.write'), ('pharmacist', 'stock.read'),
  ('pharmacist', 'stock.write'), ('pharmacist', 'dispense'),
  ('manager', 'patients.read'), ('manager', 'patients.write'), ('manager', 'stock.read'),
  ('manager', 'stock.write'), ('manager', 'dispense'), ('manager', 'audit'), ('manager', 'staff');

create table rx.employees (
  pharmacy_id uuid not null references rx.pharmacies on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role_code text not null default 'assistant' references rx.role_codes,
  primary key (pharmacy_id, user_id)
);

create table rx.medicines (
  pzn rx.pzn primary key,
  name text not null,
  prescription_only boolean not null default true
);

create table rx.patients (
  patient_id uuid primary key default gen_random_uuid(),
  pharmacy_id uuid not null references rx.pharmacies on delete cascade,
  full_name text not null,
  birthdate date,
  allergies text,
  unique (pharmacy_id, patient_id)
);

create table rx.prescriptions (
  prescription_id uuid primary key default gen_random_uuid(),
  pharmacy_id uuid not null,
  patient_id uuid not null,
  pzn rx.pzn not null references rx.medicines,
  prescribed rx.quantity not null default 1,
  remaining rx.quantity not null default 1,
  foreign key (pharmacy_id, patient_id) references rx.patients (pharmacy_id, patient_id) on delete cascade,
  unique (pharmacy_id, prescription_id)
);

create table rx.dispensings (
  dispensing_id bigint generated always as identity primary key,
  pharmacy_id uuid not null,
  prescription_id uuid not null,
  dispensed_by uuid not null references auth.users,
  quantity rx.quantity not null,
  dispensed_at timestamptz not null default now(),
  foreign key (pharmacy_id, prescription_id) references rx.prescriptions (pharmacy_id, prescription_id) on delete cascade
);

create table rx.stock (
  pharmacy_id uuid not null references rx.pharmacies on delete cascade,
  pzn rx.pzn not null references rx.medicines,
  on_hand rx.quantity not null default 0,
  shelf text,
  primary key (pharmacy_id, pzn)
);

create table rx.wholesale_sync (
  sync_id bigint generated always as identity primary key,
  pharmacy_id uuid not null references rx.pharmacies on delete cascade,
  api_login text,
  last_error text,
  synced_at timestamptz not null default now()
);

create table rx.audit_log (
  audit_id bigint generated always as identity primary key,
  pharmacy_id uuid not null references rx.pharmacies on delete cascade,
  changed_by uuid,
  table_name text not null,
  old_row jsonb,
  new_row jsonb,
  changed_at timestamptz not null default now()
);

create index on rx.role_permissions (permission);
create index on rx.employees (user_id);
create index on rx.employees (role_code);
create index on rx.prescriptions (pharmacy_id, patient_id);
create index on rx.prescriptions (pzn);
create index on rx.dispensings (pharmacy_id, prescription_id);
create index on rx.dispensings (dispensed_by);
create index on rx.stock (pzn);
create index on rx.wholesale_sync (pharmacy_id);
create index on rx.audit_log (pharmacy_id);
