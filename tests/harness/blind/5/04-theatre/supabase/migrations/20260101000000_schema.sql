-- Box office for small theatres.
create table public.staff_grades (
  key text primary key,
  label text not null,
  weight int not null
);
insert into public.staff_grades values ('usher', 'Usher', 10), ('box_office', 'Box office', 20), ('manager', 'Manager', 30);

create table public.houses (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  city text
);

create table public.house_staff (
  id uuid primary key default gen_random_uuid(),
  house_id uuid not null references public.houses(id) on delete cascade,
  user_id uuid not null references auth.users(id) on delete cascade,
  grade text not null default 'usher' references public.staff_grades(key),
  unique (house_id, user_id)
);

create table public.productions (
  id uuid primary key default gen_random_uuid(),
  house_id uuid not null references public.houses(id) on delete cascade,
  title text not null,
  is_listed boolean not null default false
);

create table public.performances (
  id uuid primary key default gen_random_uuid(),
  house_id uuid not null references public.houses(id) on delete cascade,
  production_id uuid not null references public.productions(id) on delete cascade,
  starts_at timestamptz not null,
  price_cents int not null default 2500
);

create sequence public.order_reference_seq start 10001;
create table public.orders (
  id uuid primary key default gen_random_uuid(),
  house_id uuid not null references public.houses(id),
  reference text not null unique default 'T' || nextval('public.order_reference_seq'),
  buyer_name text not null,
  buyer_email text not null,
  created_at timestamptz not null default now()
);
revoke all on sequence public.order_reference_seq from anon, authenticated;

create table public.tickets (
  id uuid primary key default gen_random_uuid(),
  house_id uuid not null references public.houses(id),
  order_id uuid not null references public.orders(id) on delete cascade,
  performance_id uuid not null references public.performances(id),
  seat text not null,
  code text not null unique default encode(extensions.gen_random_bytes(12), 'hex'),
  checked_in_at timestamptz,
  unique (performance_id, seat)
);

create table public.guest_links (
  id uuid primary key default gen_random_uuid(),
  house_id uuid not null references public.houses(id),
  performance_id uuid not null references public.performances(id),
  token text not null unique default encode(extensions.gen_random_bytes(32), 'hex'),
  note text,
  expires_at timestamptz not null default now() + interval '14 days'
);

create table public.press_passes (
  id uuid primary key default gen_random_uuid(),
  production_id uuid not null references public.productions(id) on delete cascade,
  user_id uuid not null references auth.users(id) on delete cascade,
  valid_from timestamptz not null default now(),
  valid_until timestamptz not null default now() + interval '30 days'
);

create table public.press_materials (
  id uuid primary key default gen_random_uuid(),
  production_id uuid not null references public.productions(id) on delete cascade,
  headline text not null,
  synopsis text
);

create table public.takings (
  id uuid primary key default gen_random_uuid(),
  house_id uuid not null references public.houses(id),
  performance_id uuid not null references public.performances(id),
  cash_cents int not null default 0
);

alter table public.staff_grades enable row level security;
alter table public.houses enable row level security;
alter table public.house_staff enable row level security;
alter table public.productions enable row level security;
alter table public.performances enable row level security;
alter table public.orders enable row level security;
alter table public.tickets enable row level security;
alter table public.guest_links enable row level security;
alter table public.press_passes enable row level security;
alter table public.press_materials enable row level security;
alter table public.takings enable row level security;

create policy "read grades" on public.staff_grades for select to authenticated using (true);

-- one sees one's own posts only; the other policies rely on it
create policy "own posts" on public.house_staff for select to authenticated using (user_id = (select auth.uid()));

create policy "staff see their house" on public.houses for select to authenticated
  using (id in (select hs.house_id from public.house_staff hs));

create policy "listed productions" on public.productions for select to anon, authenticated using (is_listed);
create policy "productions of the house" on public.productions for select to authenticated
  using (house_id in (select hs.house_id from public.house_staff hs));
create policy "managers plan productions" on public.productions for all to authenticated
  using (house_id in (select hs.house_id from public.house_staff hs where hs.grade = 'manager'));

create policy "performances of the house" on public.performances for select to authenticated
  using (house_id in (select hs.house_id from public.house_staff hs));
create policy "managers plan performances" on public.performances for insert to authenticated
  with check (
    house_id in (select hs.house_id from public.house_staff hs where hs.grade = 'manager')
    and exists (select 1 from public.productions p where p.id = production_id and p.house_id = performances.house_id)
  );

create policy "box office reads orders" on public.orders for select to authenticated
  using (house_id in (select hs.house_id from public.house_staff hs join public.staff_grades g on g.key = hs.grade where g.weight >= 20));

create policy "staff read tickets" on public.tickets for select to authenticated
  using (house_id in (select hs.house_id from public.house_staff hs));

create policy "box office reads links" on public.guest_links for select to authenticated
  using (house_id in (select hs.house_id from public.house_staff hs join public.staff_grades g on g.key = hs.grade where g.weight >= 20));

create policy "own passes" on public.press_passes for select to authenticated using (user_id = (select auth.uid()));
create policy "press reads materials" on public.press_materials for select to authenticated
  using (exists (
    select 1 from public.press_passes pp
    where pp.production_id = press_materials.production_id
      and pp.user_id = (select auth.uid())
      and pp.valid_from <= now()
  ));
create policy "house reads materials" on public.press_materials for select to authenticated
  using (exists (
    select 1 from public.productions p join public.house_staff hs on hs.house_id = p.house_id
    where p.id = press_materials.production_id
  ));

create policy "managers read takings" on public.takings for select to authenticated
  using (house_id in (select hs.house_id from public.house_staff hs where hs.grade = 'manager'));

-- Order page of the shop, without an account
create or replace function public.find_order(p_reference text)
returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object('reference', o.reference, 'name', o.buyer_name, 'email', o.buyer_email,
                            'tickets', (select jsonb_agg(jsonb_build_object('seat', t.seat, 'code', t.code))
                                        from public.tickets t where t.order_id = o.id))
  from public.orders o
  where o.reference = upper(trim(p_reference))
$$;

-- Guest list: whoever has the link sees the performance
create or replace function public.open_guest_link(p_token text)
returns table (production text, starts_at timestamptz, note text)
language sql stable security definer set search_path = ''
as $$
  select p.title, f.starts_at, l.note
  from public.guest_links l
  join public.performances f on f.id = l.performance_id
  join public.productions p on p.id = f.production_id
  where l.token = p_token and length(p_token) = 64 and l.expires_at > now()
$$;

-- Scanner at the door
create or replace function public.undo_check_in(p_ticket uuid)
returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_seat text;
begin
  if not exists (select 1 from public.house_staff hs where hs.user_id = auth.uid()) then
    raise exception 'staff only' using errcode = '42501';
  end if;
  update public.tickets set checked_in_at = null where id = p_ticket returning seat into v_seat;
  return v_seat;
end $$;

create or replace function public.check_in(p_code text)
returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_seat text;
begin
  update public.tickets t set checked_in_at = now()
  where t.code = p_code and t.checked_in_at is null
    and exists (select 1 from public.house_staff hs where hs.house_id = t.house_id and hs.user_id = auth.uid())
  returning t.seat into v_seat;
  if v_seat is null then
    raise exception 'unknown ticket' using errcode = 'P0002';
  end if;
  return v_seat;
end $$;
revoke execute on function public.undo_check_in(uuid), public.check_in(text) from public, anon;

-- Technical riders: <house>/<file>
insert into storage.buckets (id, name, public) values ('riders', 'riders', false);
create policy "staff download riders" on storage.objects for select to authenticated
  using (bucket_id = 'riders' and (storage.foldername(name))[1] in (select hs.house_id::text from public.house_staff hs));
create policy "staff upload riders" on storage.objects for insert to authenticated
  with check (bucket_id = 'riders' and exists (select 1 from public.house_staff hs where hs.grade in ('manager', 'box_office')));
