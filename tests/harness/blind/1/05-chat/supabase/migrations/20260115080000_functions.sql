create function public.create_workspace(p_name text) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
  v_id uuid;
begin
  if auth.uid() is null then
    raise exception 'not signed in' using errcode = '42501';
  end if;
  insert into public.workspaces (name) values (p_name) returning id into v_id;
  insert into public.workspace_members (workspace_id, user_id, role) values (v_id, auth.uid(), 'admin');
  return v_id;
end;
$$;

create function public.leave_workspace(p_workspace uuid) returns void
language sql security definer set search_path = ''
as $$
  delete from public.channel_members cm
  using public.channels c
  where c.id = cm.channel_id and c.workspace_id = p_workspace and cm.user_id = auth.uid();
  update public.workspace_members set left_at = now()
  where workspace_id = p_workspace and user_id = auth.uid() and left_at is null;
$$;

-- the link that an admin sends
create function public.accept_invite(p_token text) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
  v_invite public.workspace_invites;
begin
  if auth.uid() is null then
    raise exception 'not signed in' using errcode = '42501';
  end if;
  update public.workspace_invites set used_at = now()
  where token = p_token and used_at is null and expires_at > now()
  returning * into v_invite;
  if not found then
    raise exception 'invitation not found' using errcode = 'P0002';
  end if;
  insert into public.workspace_members (workspace_id, user_id) values (v_invite.workspace_id, auth.uid())
  on conflict (workspace_id, user_id) do update set left_at = null, role = 'member';
  return v_invite.workspace_id;
end;
$$;

-- the badge on the icon
create function public.unread_counts(p_user uuid) returns table (channel_id uuid, channel text, unread bigint)
language sql stable security definer set search_path = ''
as $$
  select c.id, c.title, count(m.id)
  from public.workspace_members wm
  join public.channels c on c.workspace_id = wm.workspace_id
  left join public.read_marks r on r.channel_id = c.id and r.user_id = p_user
  join public.messages m on m.channel_id = c.id and m.sent_at > coalesce(r.read_until, wm.joined_at)
  where wm.user_id = p_user and wm.left_at is null
    and (not c.is_private or exists (
      select 1 from public.channel_members cm where cm.channel_id = c.id and cm.user_id = p_user
    ))
  group by c.id, c.title;
$$;

revoke execute on function public.create_workspace(text) from public, anon;
revoke execute on function public.accept_invite(text) from public, anon;
