-- MesaYa: reservas para restaurantes.
-- La aplicación habla con la base casi sólo por funciones (rpc); las tablas se leen por RLS donde hace falta.

create type puesto as enum ('camarero', 'encargado');
create type estado_reserva as enum ('pendiente', 'confirmada', 'sentada', 'anulada');

create table restaurantes (
  id serial primary key,
  nombre text not null,
  ciudad text,
  ajustes jsonb not null default '{"antelacion_dias": 30, "fianza": 0}'
);

create table personal (
  restaurante_id int not null references restaurantes on delete cascade,
  usuario_id uuid not null references auth.users on delete cascade,
  puesto puesto not null default 'camarero',
  primary key (restaurante_id, usuario_id)
);

create table mesas (
  id serial primary key,
  restaurante_id int not null references restaurantes on delete cascade,
  numero int not null,
  plazas int not null check (plazas > 0),
  unique (restaurante_id, numero)
);

create table clientes (
  id serial primary key,
  restaurante_id int not null references restaurantes on delete cascade,
  nombre text not null,
  correo text,
  telefono text,
  notas text
);

create table reservas (
  id uuid primary key default gen_random_uuid(),
  restaurante_id int not null references restaurantes on delete cascade,
  mesa_id int references mesas on delete set null,
  cliente_id int not null references clientes on delete cascade,
  codigo text not null default upper(encode(extensions.gen_random_bytes(5), 'hex')),
  cuando timestamptz not null,
  personas int not null check (personas between 1 and 30),
  estado estado_reserva not null default 'pendiente'
);

create table cartas (
  id serial primary key,
  restaurante_id int not null references restaurantes on delete cascade,
  titulo text not null,
  publicada boolean not null default false
);

create table platos (
  id serial primary key,
  carta_id int not null references cartas on delete cascade,
  nombre text not null,
  precio numeric(8,2) not null,
  coste numeric(8,2)
);

create table turnos (
  id serial primary key,
  restaurante_id int not null,
  usuario_id uuid not null,
  desde timestamptz not null,
  hasta timestamptz not null,
  foreign key (restaurante_id, usuario_id) references personal on delete cascade
);

alter table restaurantes enable row level security;
alter table personal enable row level security;
alter table mesas enable row level security;
alter table clientes enable row level security;
alter table reservas enable row level security;
alter table cartas enable row level security;
alter table platos enable row level security;
alter table turnos enable row level security;

create function es_personal(p_restaurante int) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select 1 from public.personal p where p.restaurante_id = p_restaurante and p.usuario_id = auth.uid())
$$;
create function es_encargado(p_restaurante int) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1 from public.personal p
    where p.restaurante_id = p_restaurante and p.usuario_id = auth.uid() and p.puesto = 'encargado')
$$;

create policy ver on restaurantes for select to authenticated using (es_personal(id));
create policy gestionar on restaurantes for update to authenticated using (es_encargado(id));

create policy ver on personal for select to authenticated using (es_personal(restaurante_id));
create policy gestionar on personal for all to authenticated using (es_encargado(restaurante_id));

create policy ver on mesas for select to authenticated using (es_personal(restaurante_id));
create policy gestionar on mesas for all to authenticated using (es_encargado(restaurante_id));

create policy ver on cartas for select using (publicada or es_personal(restaurante_id));
create policy gestionar on cartas for all to authenticated using (es_encargado(restaurante_id));

create policy ver on platos for select to authenticated
  using (exists (select 1 from cartas c where c.id = carta_id and es_personal(c.restaurante_id)));
create policy gestionar on platos for all to authenticated
  using (exists (select 1 from cartas c where c.id = carta_id and es_encargado(c.restaurante_id)));

create policy ver on turnos for select to authenticated using (es_personal(restaurante_id));
create policy gestionar on turnos for all to authenticated using (es_encargado(restaurante_id));

create policy ver on reservas for select to authenticated using (es_personal(restaurante_id));
-- clientes: sólo por funciones
