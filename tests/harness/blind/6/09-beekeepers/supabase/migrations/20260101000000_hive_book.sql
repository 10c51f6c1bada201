-- HiveBook. Every beekeeper keeps a book of their own, nobody is organised in anything.
create extension if not exists citext with schema extensions;

create type hive_kind as enum ('dadant', 'zander', 'langstroth', 'top_bar');
create domain grams as integer check (value >= 0);

create table bee_breeds (
    id smallint generated always as identity primary key,
    latin_name text not null,
    common_name text not null
);

create table profiles (
    id uuid primary key references auth.users on delete cascade,
    display_name extensions.citext not null,
    bio text,
    phone text,
    home_address text,
    vet_registration text
);

create table apiaries (
    id bigint generated always as identity primary key,
    owner_id uuid not null default auth.uid() references auth.users on delete cascade,
    name text not null,
    lat numeric(8, 5),
    lon numeric(8, 5)
);

create table apiary_shares (
    apiary_id bigint not null references apiaries on delete cascade,
    owner_id uuid not null default auth.uid() references auth.users on delete cascade,
    user_id uuid not null references auth.users on delete cascade,
    until date,
    primary key (apiary_id, user_id)
);

create table hives (
    id bigint generated always as identity primary key,
    apiary_id bigint not null references apiaries on delete cascade,
    kind hive_kind not null default 'dadant',
    label text not null,
    acquired_on date not null default current_date
);

create table queens (
    id bigint generated always as identity primary key,
    hive_id bigint not null references hives on delete cascade,
    breed_id smallint references bee_breeds,
    born_in smallint,
    marking text
);

create table inspections (
    id bigint generated always as identity primary key,
    hive_id bigint not null references hives on delete cascade,
    done_on date not null default current_date,
    varroa_count integer,
    notes text
);

create table treatments (
    id bigint generated always as identity primary key,
    hive_id bigint not null references hives on delete cascade,
    remedy text not null,
    dose text,
    given_on date not null default current_date
);

create table harvests (
    id bigint generated always as identity primary key,
    apiary_id bigint not null references apiaries on delete cascade,
    honey grams not null,
    sold_to text,
    harvested_on date not null default current_date
);

create table reminders (
    owner_id uuid not null default auth.uid() references auth.users on delete cascade,
    reminder_no integer not null,
    text text not null,
    due_on date,
    primary key (owner_id, reminder_no)
);

create index on apiaries (owner_id);
create index on apiary_shares (owner_id);
create index on apiary_shares (user_id);
create index on hives (apiary_id);
create index on queens (hive_id);
create index on queens (breed_id);
create index on inspections (hive_id);
create index on treatments (hive_id);
create index on harvests (apiary_id);

create function owns_apiary(p_apiary bigint) returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (select 1 from public.apiaries a where a.id = p_apiary and a.owner_id = (select auth.uid()))
$$;

create function sees_apiary(p_apiary bigint) returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (select 1 from public.apiaries a where a.id = p_apiary and a.owner_id = (select auth.uid()))
        or exists (
            select 1 from public.apiary_shares s
            where s.apiary_id = p_apiary and s.user_id = (select auth.uid())
              and (s.until is null or s.until >= current_date)
        )
$$;

create function owns_hive(p_hive bigint) returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (
        select 1 from public.hives h join public.apiaries a on a.id = h.apiary_id
        where h.id = p_hive and a.owner_id = (select auth.uid())
    )
$$;

create function sees_hive(p_hive bigint) returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (select 1 from public.hives h where h.id = p_hive and public.sees_apiary(h.apiary_id))
$$;

alter table bee_breeds enable row level security;
alter table profiles enable row level security;
alter table apiaries enable row level security;
alter table apiary_shares enable row level security;
alter table hives enable row level security;
alter table queens enable row level security;
alter table inspections enable row level security;
alter table treatments enable row level security;
alter table harvests enable row level security;
alter table reminders enable row level security;

create policy "Breeds can be read by all" on bee_breeds for select using (true);

create policy "Profiles are visible to beekeepers" on profiles for select to authenticated
    using ((select auth.uid()) is not null);
create policy "Users insert their own profile" on profiles for insert to authenticated with check ((select auth.uid()) = id);
create policy "Users update their own profile" on profiles for update to authenticated
    using ((select auth.uid()) = id) with check ((select auth.uid()) = id);

create policy "Owners manage apiaries" on apiaries for all to authenticated
    using ((select auth.uid()) = owner_id) with check ((select auth.uid()) = owner_id);
create policy "Shared apiaries are visible" on apiaries for select to authenticated using (sees_apiary(id));

create policy "Shares are visible to both" on apiary_shares for select to authenticated
    using ((select auth.uid()) in (owner_id, user_id));
create policy "Owners share" on apiary_shares for insert to authenticated
    with check ((select auth.uid()) = owner_id);
create policy "Both may end a share" on apiary_shares for delete to authenticated
    using ((select auth.uid()) in (owner_id, user_id));

create policy "Hives are visible with the apiary" on hives for select to authenticated using (sees_apiary(apiary_id));
create policy "Owners manage hives" on hives for all to authenticated
    using (owns_apiary(apiary_id)) with check (owns_apiary(apiary_id));

create policy "Queens are visible with the hive" on queens for select to authenticated using (sees_hive(hive_id));
create policy "Owners manage queens" on queens for all to authenticated using (owns_hive(hive_id)) with check (owns_hive(hive_id));
create policy "Inspections are visible with the hive" on inspections for select to authenticated using (sees_hive(hive_id));
create policy "Owners manage inspections" on inspections for all to authenticated using (owns_hive(hive_id)) with check (owns_hive(hive_id));
create policy "Owners manage treatments" on treatments for all to authenticated using (owns_hive(hive_id)) with check (owns_hive(hive_id));
create policy "Owners manage harvests" on harvests for all to authenticated using (owns_apiary(apiary_id)) with check (owns_apiary(apiary_id));
create policy "Owners manage reminders" on reminders for all to authenticated
    using ((select auth.uid()) = owner_id) with check ((select auth.uid()) = owner_id);

-- a hive is sold: it goes into an apiary of the buyer, with its book
create function move_hive(p_hive bigint, p_to_apiary bigint) returns void
language plpgsql security definer set search_path = '' as $$
begin
    -- one of the two does it, seller or buyer
    if not (public.owns_hive(p_hive) or public.owns_apiary(p_to_apiary)) then
        raise exception 'this is not your hive' using errcode = '42501';
    end if;
    update public.hives set apiary_id = p_to_apiary where id = p_hive;
end;
$$;
revoke execute on function move_hive(bigint, bigint) from public, anon;

-- right to be forgotten
create function forget_me() returns void
language plpgsql security definer set search_path = '' as $$
begin
    delete from public.apiaries where owner_id = auth.uid();
    delete from public.reminders where owner_id = auth.uid();
    delete from public.apiary_shares where user_id = auth.uid();
    delete from public.profiles where id = auth.uid();
end;
$$;
