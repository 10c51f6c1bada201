create function public.count_sold() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    update public.events set sold = sold + 1 where id = new.event_id and organizer_id = new.organizer_id;
  else
    update public.events set sold = sold - 1 where id = old.event_id and organizer_id = old.organizer_id;
  end if;
  return null;
end
$$;
create trigger count_sold after insert or delete on public.tickets
  for each row execute function public.count_sold();

-- the guest list takes people again and again
create function public.register_attendee(p_event uuid, p_email text, p_name text, p_phone text default null)
returns public.attendees
language plpgsql security definer set search_path = ''
as $$
declare
  v_organizer uuid;
  v_row public.attendees;
begin
  select e.organizer_id into v_organizer from public.events e where e.id = p_event;
  if v_organizer is null or not public.works_for(v_organizer) then
    raise exception 'event not found' using errcode = 'P0002';
  end if;
  insert into public.attendees as a (organizer_id, event_id, email, full_name, phone)
  values (v_organizer, p_event, lower(p_email), p_name, p_phone)
  on conflict (email) do update
    set full_name = excluded.full_name, phone = coalesce(excluded.phone, a.phone)
  returning * into v_row;
  return v_row;
end
$$;

create function public.accept_invitation(p_organizer uuid) returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_invitation public.invitations;
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501';
  end if;
  select * into v_invitation from public.invitations i
  where i.organizer_id = p_organizer and i.accepted_at is null
  order by i.created_at desc
  limit 1
  for update;
  if not found then
    raise exception 'no invitation' using errcode = 'P0002';
  end if;
  insert into public.organizer_members (organizer_id, user_id, role)
  values (v_invitation.organizer_id, auth.uid(), v_invitation.role)
  on conflict do nothing;
  update public.invitations set accepted_at = now() where id = v_invitation.id;
  return v_invitation.role;
end
$$;

revoke execute on function public.register_attendee(uuid, text, text, text) from anon, public;
revoke execute on function public.accept_invitation(uuid) from anon, public;
