create function public.redeem_invite(p_code text) returns bigint
language plpgsql security definer set search_path = public
as $$
declare
    v_guild bigint;
begin
    if auth.uid() is null then
        raise exception 'sign in first' using errcode = '42501';
    end if;
    update invites set uses_left = uses_left - 1
    where code = p_code and uses_left > 0 and expires_at > now()
    returning guild_id into v_guild;
    if v_guild is null then
        raise exception 'this invite is not valid' using errcode = 'PT404';
    end if;
    insert into guild_members (guild_id, user_id) values (v_guild, auth.uid())
    on conflict (guild_id, user_id) do update set left_at = null, rank = 'recruit' where guild_members.left_at is not null;
    return v_guild;
end
$$;

-- leaders promote and demote; everybody may step down
create function public.set_rank(p_guild bigint, p_user uuid, p_rank text) returns void
language plpgsql security definer set search_path = public
as $$
begin
    if my_rank(p_guild) is null then
        raise exception 'not your guild' using errcode = '42501';
    end if;
    if p_user <> auth.uid() and my_rank(p_guild) <> 'leader' then
        raise exception 'leaders only' using errcode = '42501';
    end if;
    update guild_members set rank = p_rank
    where guild_id = p_guild and user_id = p_user and left_at is null;
end
$$;
