-- Neighbourhood car sharing. One row in coops per association.

create table coops (
    id int generated always as identity primary key,
    name text not null,
    deposit numeric not null default 300
);

create table members (
    id int generated always as identity primary key,
    coop_id int not null references coops,
    user_id uuid not null references auth.users,
    nickname text,
    is_treasurer boolean not null default false,
    is_fleet_manager boolean not null default false,
    approved_at timestamptz,
    unique (coop_id, user_id)
);

create table cars (
    id int generated always as identity primary key,
    coop_id int not null references coops,
    plate text not null,
    model text,
    odometer int not null default 0
);

create table key_boxes (
    car_id int primary key references cars on delete cascade,
    code text not null
);

create table bookings (
    id int generated always as identity primary key,
    coop_id int not null references coops,
    car_id int not null references cars,
    user_id uuid not null default auth.uid() references auth.users,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    cancelled_at timestamptz,
    check (ends_at > starts_at)
);

create table trips (
    id int generated always as identity primary key,
    coop_id int not null references coops,
    user_id uuid not null default auth.uid() references auth.users,
    plate text not null,
    km int not null check (km > 0),
    driven_on date not null default current_date
);

create table charges (
    id int generated always as identity primary key,
    coop_id int not null references coops,
    user_id uuid not null references auth.users,
    amount numeric not null,
    settled_at timestamptz,
    settled_by uuid
);

create table house_rules (
    id int generated always as identity primary key,
    coop_id int not null references coops,
    body text not null
);

alter table coops enable row level security;
alter table members enable row level security;
alter table cars enable row level security;
alter table key_boxes enable row level security;
alter table bookings enable row level security;
alter table trips enable row level security;
alter table charges enable row level security;
alter table house_rules enable row level security;

create function is_member(coop int) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (select 1 from members where coop_id = coop and user_id = auth.uid() and approved_at is not null)
$$;

create function is_treasurer(coop int) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (select 1 from members where coop_id = coop and user_id = auth.uid() and is_treasurer)
$$;

create function is_fleet_manager(coop int) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (
        select 1 from members
        where coop_id = coop and user_id = auth.uid() and is_fleet_manager and approved_at is not null
    )
$$;

create policy coops_members on coops for select to authenticated using (is_member(id));

create policy members_see on members for select to authenticated
    using (is_member(coop_id) or user_id = auth.uid());
-- ask to join: approved_at stays empty until the board has met
create policy members_apply on members for insert to authenticated
    with check (user_id = auth.uid() and approved_at is null and not is_fleet_manager);

create policy cars_see on cars for select to authenticated using (is_member(coop_id));
create policy cars_manage on cars for all to authenticated
    using (is_fleet_manager(coop_id)) with check (is_fleet_manager(coop_id));

create policy bookings_see on bookings for select to authenticated using (is_member(coop_id));
create policy bookings_make on bookings for insert to authenticated
    with check (
        is_member(coop_id) and user_id = auth.uid()
        and exists (select 1 from cars c where c.id = bookings.car_id and c.coop_id = bookings.coop_id)
    );

-- the code of the key box is only for whoever has the car
create policy key_boxes_during_booking on key_boxes for select to authenticated
    using (exists (
        select 1 from bookings b
        where b.car_id = key_boxes.car_id
          and b.user_id = auth.uid()
          and b.cancelled_at is null
          and b.starts_at <= now() + interval '15 minutes'
    ));
create policy key_boxes_fleet on key_boxes for all to authenticated
    using (exists (select 1 from cars c where c.id = key_boxes.car_id and is_fleet_manager(c.coop_id)));

create policy trips_see on trips for select to authenticated using (is_member(coop_id));
create policy trips_log on trips for insert to authenticated
    with check (is_member(coop_id) and user_id = auth.uid());

create policy charges_see on charges for select to authenticated
    using ((user_id = auth.uid() and is_member(coop_id)) or is_treasurer(coop_id));
create policy charges_write on charges for insert to authenticated with check (is_treasurer(coop_id));
create policy charges_correct on charges for update to authenticated
    using (is_treasurer(coop_id)) with check (is_treasurer(coop_id));

create policy rules_see on house_rules for select to authenticated using (is_member(coop_id));
create policy rules_fleet on house_rules for all to authenticated
    using (is_fleet_manager(coop_id)) with check (is_fleet_manager(coop_id));

create function count_kilometres() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update cars set odometer = odometer + new.km where upper(plate) = upper(new.plate);
    return new;
end $$;
create trigger trips_odometer after insert on trips for each row execute function count_kilometres();

-- the treasurer ticks several charges and settles them at once
create function settle_charges(ids int[]) returns int
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    c int;
    n int;
begin
    select coop_id into c from charges where id = ids[1];
    if c is null or not exists (
        select 1 from members where coop_id = c and user_id = auth.uid() and is_treasurer and approved_at is not null
    ) then
        raise exception 'not allowed' using errcode = '42501';
    end if;
    update charges set settled_at = now(), settled_by = auth.uid() where id = any (ids) and settled_at is null;
    get diagnostics n = row_count;
    return n;
end $$;

-- cancel within the own name, or as fleet manager
create function cancel_booking(booking int) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update bookings b set cancelled_at = now()
    where b.id = booking and b.cancelled_at is null
      and (b.user_id = auth.uid() or is_fleet_manager(b.coop_id));
    if not found then
        raise exception 'no such booking' using errcode = 'PT404';
    end if;
end $$;

-- the board has met
create function approve_member(member int) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update members m set approved_at = now(), is_treasurer = false
    where m.id = member and m.approved_at is null and is_fleet_manager(m.coop_id);
    if not found then
        raise exception 'no such application' using errcode = 'PT404';
    end if;
end $$;

-- what I owe, for the app's start page
create function my_balance(coop int) returns numeric
language sql stable security definer set search_path = public, pg_temp as $$
    select coalesce(sum(amount), 0) from charges
    where coop_id = coop and user_id = auth.uid() and settled_at is null
$$;
