-- ============ público ============

create function reservar(p_restaurante int, p_nombre text, p_correo text, p_telefono text, p_cuando timestamptz, p_personas int)
returns text
language plpgsql security definer set search_path = '' as $$
declare
  v_cliente int;
  v_codigo text;
begin
  if p_cuando < now() then
    raise exception 'fecha pasada' using errcode = 'PT400';
  end if;
  insert into public.clientes (restaurante_id, nombre, correo, telefono)
  values (p_restaurante, p_nombre, lower(p_correo), p_telefono) returning id into v_cliente;
  insert into public.reservas (restaurante_id, cliente_id, cuando, personas)
  values (p_restaurante, v_cliente, p_cuando, p_personas) returning codigo into v_codigo;
  return v_codigo;
end $$;

-- «¿A qué hora era?»: con el código del correo de confirmación
create function consultar_reserva(p_codigo text, p_correo text default null)
returns table (restaurante text, cuando timestamptz, personas int, nombre text, telefono text)
language sql stable security definer set search_path = '' as $$
  select r.nombre, v.cuando, v.personas, c.nombre, c.telefono
  from public.reservas v
  join public.clientes c on c.id = v.cliente_id
  join public.restaurantes r on r.id = v.restaurante_id
  where v.estado <> 'anulada' and (v.codigo = upper(p_codigo) or c.correo = lower(p_correo))
$$;

-- ============ personal ============

create function listar_reservas(p_restaurante int, p_dia date, p_orden text default 'cuando')
returns table (id uuid, cuando timestamptz, personas int, nombre text, mesa int, estado estado_reserva)
language plpgsql stable security definer set search_path = '' as $$
begin
  if not public.es_personal(p_restaurante) then
    raise exception 'sin permiso' using errcode = '42501';
  end if;
  if p_orden not in ('cuando', 'personas', 'nombre', 'mesa') then
    p_orden := 'cuando';
  end if;
  return query execute format(
    'select v.id, v.cuando, v.personas, c.nombre, m.numero as mesa, v.estado
     from public.reservas v join public.clientes c on c.id = v.cliente_id left join public.mesas m on m.id = v.mesa_id
     where v.restaurante_id = $1 and v.cuando::date = $2 order by %I', p_orden)
  using p_restaurante, p_dia;
end $$;

create function buscar_clientes(p_restaurante int, p_texto text)
returns table (id int, nombre text, correo text, telefono text)
language plpgsql stable security definer set search_path = '' as $$
begin
  if not public.es_personal(p_restaurante) then
    raise exception 'sin permiso' using errcode = '42501';
  end if;
  return query execute
    'select c.id, c.nombre, c.correo, c.telefono from public.clientes c where c.restaurante_id = ' || p_restaurante
    || ' and c.nombre ilike ''%' || p_texto || '%'' order by c.nombre limit 50';
end $$;

create function asignar_mesa(p_reserva uuid, p_mesa int) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_restaurante int;
begin
  select v.restaurante_id into v_restaurante from public.reservas v where v.id = p_reserva;
  if v_restaurante is null or not public.es_personal(v_restaurante) then
    raise exception 'sin permiso' using errcode = '42501';
  end if;
  if not exists (select 1 from public.mesas m where m.id = p_mesa and m.restaurante_id = v_restaurante) then
    raise exception 'esa mesa no existe' using errcode = 'PT404';
  end if;
  update public.reservas set mesa_id = p_mesa, estado = 'confirmada' where id = p_reserva;
end $$;

create function anular_reserva(p_restaurante int, p_reserva uuid) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  if not public.es_personal(p_restaurante) then
    raise exception 'sin permiso' using errcode = '42501';
  end if;
  update public.reservas set estado = 'anulada', mesa_id = null where id = p_reserva;
  return found;
end $$;

create function cambiar_ajustes(p_restaurante int, p_cambios jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_ajustes jsonb;
begin
  if not public.es_personal(p_restaurante) then
    raise exception 'sin permiso' using errcode = '42501';
  end if;
  update public.restaurantes set ajustes = ajustes || p_cambios where id = p_restaurante returning ajustes into v_ajustes;
  return v_ajustes;
end $$;

revoke execute on function listar_reservas, buscar_clientes, asignar_mesa, anular_reserva, cambiar_ajustes from public, anon;
