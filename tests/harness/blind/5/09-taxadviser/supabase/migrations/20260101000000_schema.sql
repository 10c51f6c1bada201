-- Tax advisers: firms, their people, their clients. Clients have a portal login of their own.
create schema tax;
grant usage on schema tax to authenticated, service_role;
alter default privileges in schema tax grant select, insert, update, delete on tables to authenticated, service_role;
alter default privileges in schema tax grant usage on sequences to authenticated, service_role;
alter default privileges in schema tax revoke execute on functions from public;

create type tax.grade as enum ('assistant', 'adviser', 'partner');

create table tax.firms (
  id integer generated always as identity primary key,
  name text not null
);

create table tax.people (
  firm_id integer not null references tax.firms (id),
  user_id uuid not null references auth.users (id),
  grade tax.grade not null default 'assistant',
  full_name text,
  signature text,
  primary key (firm_id, user_id)
);

create table tax.rates (
  year integer not null,
  kind text not null,
  percent numeric(5, 2) not null,
  primary key (year, kind)
);

create table tax.clients (
  id integer generated always as identity primary key,
  firm_id integer not null references tax.firms (id),
  name text not null,
  tax_number text,
  unique (id, firm_id)
);

-- portal logins of clients
create table tax.mandates (
  id integer generated always as identity primary key,
  client_id integer not null references tax.clients (id),
  user_id uuid not null references auth.users (id),
  accepted_at timestamptz,
  notify_by_mail boolean not null default true,
  valid_to date not null default current_date + 365,
  unique (client_id, user_id)
);

create table tax.cases (
  id integer generated always as identity primary key,
  firm_id integer not null,
  client_id integer not null,
  year integer not null,
  income numeric(12, 2),
  foreign key (client_id, firm_id) references tax.clients (id, firm_id),
  unique (id, firm_id)
);

create table tax.documents (
  id integer generated always as identity primary key,
  firm_id integer not null,
  case_id integer not null,
  title text not null,
  content text,
  trashed_at timestamptz,
  foreign key (case_id, firm_id) references tax.cases (id, firm_id)
);

create table tax.fee_notes (
  id integer generated always as identity primary key,
  firm_id integer not null,
  client_id integer not null,
  amount numeric(10, 2) not null,
  sent boolean not null default false,
  foreign key (client_id, firm_id) references tax.clients (id, firm_id)
);

create table tax.time_entries (
  id integer generated always as identity primary key,
  firm_id integer not null references tax.firms (id),
  user_id uuid not null default auth.uid(),
  minutes integer not null check (minutes > 0),
  what text
);

create function tax.grade_in(f integer) returns tax.grade
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (select p.grade from tax.people p where p.firm_id = f and p.user_id = auth.uid());
end;
$$;

create function tax.has_mandate(c integer) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  return exists (
    select from tax.mandates m
    where m.client_id = c and m.user_id = auth.uid() and m.accepted_at is not null and m.valid_to >= current_date
  );
end;
$$;
grant execute on function tax.grade_in(integer), tax.has_mandate(integer) to authenticated;

alter table tax.firms enable row level security;
alter table tax.people enable row level security;
alter table tax.rates enable row level security;
alter table tax.clients enable row level security;
alter table tax.mandates enable row level security;
alter table tax.cases enable row level security;
alter table tax.documents enable row level security;
alter table tax.fee_notes enable row level security;
alter table tax.time_entries enable row level security;

create policy firms_read on tax.firms for select to authenticated using (tax.grade_in(id) is not null);

create policy people_read on tax.people for select to authenticated using (tax.grade_in(firm_id) is not null);
create policy people_partner on tax.people for all to authenticated
  using (tax.grade_in(firm_id) = 'partner') with check (tax.grade_in(firm_id) = 'partner');

create policy rates_read on tax.rates for select to authenticated using (true);

create policy clients_firm on tax.clients for all to authenticated
  using (tax.grade_in(firm_id) is not null) with check (tax.grade_in(firm_id) is not null);

create policy mandates_mine on tax.mandates for select to authenticated using (user_id = auth.uid());
create policy mandates_accept on tax.mandates for update to authenticated
  using (user_id = auth.uid()) with check (user_id = auth.uid());
create policy mandates_firm on tax.mandates for select to authenticated
  using (exists (select from tax.clients c where c.id = client_id and tax.grade_in(c.firm_id) is not null));

create policy cases_firm on tax.cases for all to authenticated
  using (tax.grade_in(firm_id) is not null) with check (tax.grade_in(firm_id) is not null);
create policy cases_portal on tax.cases for select to authenticated using (tax.has_mandate(client_id));

create policy documents_firm on tax.documents for select to authenticated
  using (tax.grade_in(firm_id) is not null and trashed_at is null);
create policy documents_new on tax.documents for insert to authenticated
  with check (tax.grade_in(firm_id) is not null and trashed_at is null);
create policy documents_partner on tax.documents for all to authenticated
  using (tax.grade_in(firm_id) = 'partner') with check (tax.grade_in(firm_id) = 'partner');

create policy fee_notes_firm on tax.fee_notes for select to authenticated
  using (tax.grade_in(firm_id) in ('adviser', 'partner'));
create policy fee_notes_partner on tax.fee_notes for all to authenticated
  using (tax.grade_in(firm_id) = 'partner') with check (tax.grade_in(firm_id) = 'partner');

create policy time_own on tax.time_entries for all to authenticated
  using (user_id = auth.uid() and tax.grade_in(firm_id) is not null)
  with check (user_id = auth.uid() and tax.grade_in(firm_id) is not null);
create policy time_partner on tax.time_entries for select to authenticated using (tax.grade_in(firm_id) = 'partner');

-- "My profile" in the app sends what the form has
create function tax.save_profile(p_firm integer, p_profile jsonb) returns tax.people
language plpgsql security definer set search_path = ''
as $$
declare
  v_me tax.people;
begin
  select * into v_me from tax.people p where p.firm_id = p_firm and p.user_id = auth.uid();
  if not found then
    raise exception 'not one of the firm' using errcode = '42501';
  end if;
  v_me := jsonb_populate_record(v_me, p_profile - 'firm_id' - 'user_id');
  update tax.people p
     set full_name = v_me.full_name, signature = v_me.signature, grade = v_me.grade
   where p.firm_id = p_firm and p.user_id = auth.uid();
  return v_me;
end;
$$;

-- sends a fee note; partners only
create function tax.send_fee_note(p_note integer) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  update tax.fee_notes n set sent = true where n.id = p_note and tax.grade_in(n.firm_id) = 'partner';
  return found;
end;
$$;
grant execute on function tax.save_profile(integer, jsonb), tax.send_fee_note(integer) to authenticated;

-- files: <firm>/<client>/<file>
insert into storage.buckets (id, name, public) values ('tax-files', 'tax-files', false);

create function tax.my_file_prefixes() returns setof text
language sql stable security definer set search_path = ''
as $$ select p.firm_id::text from tax.people p where p.user_id = auth.uid() $$;
grant execute on function tax.my_file_prefixes() to authenticated;

create policy tax_files_read on storage.objects for select to authenticated
  using (bucket_id = 'tax-files' and exists (select from tax.my_file_prefixes() x where starts_with(name, x)));
create policy tax_files_write on storage.objects for insert to authenticated
  with check (bucket_id = 'tax-files' and (storage.foldername(name))[1] in (select tax.my_file_prefixes()));
