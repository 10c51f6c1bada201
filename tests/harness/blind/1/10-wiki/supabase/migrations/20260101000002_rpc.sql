create function internal.keep_version() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if (old.title, old.body) is distinct from (new.title, new.body) then
    insert into public.page_versions (page_id, title, body) values (old.id, old.title, old.body);
  end if;
  new.updated_at := now();
  return new;
end
$$;
create trigger keep_version before update on public.pages
  for each row execute function internal.keep_version();

create function public.create_space(p_name text, p_title text) returns text
language plpgsql security definer set search_path = ''
as $$
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501';
  end if;
  insert into public.spaces (name, title) values (p_name, p_title);
  insert into public.space_members (space, user_id, role) values (p_name, auth.uid(), 'owner');
  return p_name;
end
$$;

create function public.restore_version(p_version bigint) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v public.page_versions;
  v_space text;
begin
  select * into v from public.page_versions where id = p_version;
  select p.space into v_space from public.pages p where p.id = v.page_id;
  if v_space is null or internal.role_of(v_space) is null then
    raise exception 'no such version' using errcode = 'P0002';
  end if;
  update public.pages set title = v.title, body = v.body, updated_by = auth.uid() where id = v.page_id;
end
$$;

create function public.move_page(p_page uuid, p_space text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if not p_space = any (internal.spaces_of_caller('{editor,owner}')) then
    raise exception 'you do not write in %', p_space using errcode = '42501';
  end if;
  update public.pages set space = p_space, updated_by = auth.uid() where id = p_page;
  if not found then
    raise exception 'no such page' using errcode = 'P0002';
  end if;
end
$$;

create function public.page_by_link(p_token uuid) returns table (title text, body text)
language sql stable security definer set search_path = ''
as $$
  select p.title, p.body
  from public.share_links l
  join public.pages p on p.id = l.page_id
  where l.token = p_token and l.expires_at > now()
$$;

-- what search engines find
create view public.public_index as
  select p.space, p.slug, p.title, p.updated_at from public.pages p where p.is_public;
revoke all on public.public_index from anon, authenticated;
grant select on public.public_index to anon, authenticated;

revoke execute on function public.create_space(text, text) from public, anon;
revoke execute on function public.restore_version(bigint) from public, anon;
revoke execute on function public.move_page(uuid, text) from public, anon;
