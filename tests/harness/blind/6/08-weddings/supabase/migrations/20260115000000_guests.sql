-- the card says: knot.example/r/<token>. People type it in, so upper and lower case are the same
create function public.rsvp(p_token text, p_answer public.rsvp_answer default null)
returns table (full_name text, answer public.rsvp_answer, title text)
language plpgsql security definer set search_path = '' as $$
begin
  if p_answer is not null then
    update public.guests g set answer = p_answer where g.rsvp_token ilike p_token and g.removed_at is null;
  end if;
  return query
    select g.full_name, g.answer, w.title
      from public.guests g join public.weddings w on w.id = g.wedding_id
     where g.rsvp_token ilike p_token and g.removed_at is null;
end $$;

create function public.accept_invite(p_token text) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  i public.invites;
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501';
  end if;
  update public.invites set used_at = now() where token = p_token and used_at is null returning * into i;
  if i.id is null then
    raise exception 'unknown invitation' using errcode = 'PT404';
  end if;
  insert into public.collaborators (wedding_id, user_id, role) values (i.wedding_id, auth.uid(), i.role)
  on conflict do nothing;
  return i.wedding_id;
end $$;

-- taken off the list; kept for the post
create function public.remove_guest(p_guest uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.guests g set removed_at = now()
   where g.id = p_guest and g.removed_at is null and app.role_in(g.wedding_id) >= 'helper';
  if not found then
    raise exception 'unknown guest' using errcode = 'PT404';
  end if;
end $$;

-- list for the caterer's page: diets and seats, for all who work on the wedding
create view public.guest_list as
  select g.wedding_id, g.id as guest_id, g.full_name, g.phone, g.diet, g.answer, s.table_no
    from public.guests g
    left join public.seats s on s.guest_id = g.id and s.wedding_id = g.wedding_id
   where g.wedding_id in (select app.my_weddings());
revoke all on public.guest_list from anon, authenticated;
grant select on public.guest_list to authenticated;

-- photos of the day for whoever has the link
create function public.album(p_token uuid) returns table (caption text, url text)
language sql stable security definer set search_path = '' as $$
  select p.caption, p.url
    from public.album_links l join public.album_photos p on p.wedding_id = l.wedding_id
   where l.token = p_token and l.expires_at > now();
$$;
