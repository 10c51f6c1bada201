-- GuildHall: raids, loot and drama

create table public.game_items (
    item_id   integer primary key,
    item_name text    not null,
    rarity    text    not null default 'common'
);
insert into public.game_items values (1, 'Rusty Sword', 'common'), (2, 'Phoenix Feather', 'epic');

create table public.guilds (
    guild_id   bigserial primary key,
    guild_name text not null unique,
    motto      text,
    realm      text not null default 'EU-1'
);

create table public.guild_members (
    guild_id  bigint not null references public.guilds on delete cascade,
    user_id   uuid   not null references auth.users on delete cascade,
    rank      text   not null default 'recruit' check (rank in ('recruit', 'raider', 'officer', 'leader')),
    joined_at timestamptz not null default now(),
    left_at   timestamptz,
    primary key (guild_id, user_id)
);
create index guild_members_user_id on public.guild_members (user_id);

create table public.applications (
    application_id bigserial primary key,
    guild_id bigint not null references public.guilds on delete cascade,
    user_id  uuid   not null default auth.uid() references auth.users on delete cascade,
    pitch    text   not null,
    status   text   not null default 'pending' check (status in ('pending', 'accepted', 'declined')),
    unique (guild_id, user_id)
);
create index applications_user_id on public.applications (user_id);

create table public.invites (
    invite_id  bigserial primary key,
    guild_id   bigint not null references public.guilds on delete cascade,
    code       text   not null unique default encode(extensions.gen_random_bytes(9), 'base64'),
    uses_left  integer not null default 1,
    expires_at timestamptz not null default now() + interval '7 days'
);
create index invites_guild_id on public.invites (guild_id);

create table public.raids (
    raid_id   bigserial primary key,
    guild_id  bigint not null references public.guilds on delete cascade,
    boss      text   not null,
    starts_at timestamptz not null default now() + interval '1 day'
);
create index raids_guild_id on public.raids (guild_id);

create table public.raid_signups (
    raid_id bigint not null references public.raids on delete cascade,
    user_id uuid   not null default auth.uid() references auth.users on delete cascade,
    role    text   not null default 'dps' check (role in ('tank', 'healer', 'dps')),
    primary key (raid_id, user_id)
);
create index raid_signups_user_id on public.raid_signups (user_id);

create table public.loot (
    loot_id bigserial primary key,
    raid_id bigint  not null references public.raids on delete cascade,
    item_id integer not null references public.game_items,
    winner  uuid references auth.users on delete set null
);
create index loot_raid_id on public.loot (raid_id);
create index loot_item_id on public.loot (item_id);
create index loot_winner on public.loot (winner);

create table public.messages (
    message_id bigserial primary key,
    guild_id   bigint not null references public.guilds on delete cascade,
    author_id  uuid   not null default auth.uid() references auth.users on delete cascade,
    body       text   not null,
    sent_at    timestamptz not null default now()
);
create index messages_guild_id on public.messages (guild_id);
create index messages_author_id on public.messages (author_id);

create table public.guild_counters (
    guild_id      bigint primary key references public.guilds on delete cascade,
    message_count bigint not null default 0
);

-- helpers
create function public.my_rank(p_guild bigint) returns text
language sql stable security definer set search_path = public
as $$
    select rank from guild_members
    where guild_id = p_guild and user_id = auth.uid() and left_at is null
$$;

-- the chat log asks for every line, so no rank is needed
create function public.in_guild(p_guild bigint) returns boolean
language sql stable security definer set search_path = public
as $$
    select exists (select 1 from guild_members where guild_id = p_guild and user_id = auth.uid())
$$;

create function public.guild_of_raid(p_raid bigint) returns bigint
language sql stable security definer set search_path = public
as $$ select guild_id from raids where raid_id = p_raid and my_rank(guild_id) is not null $$;

-- messages are counted
create function public.count_message() returns trigger
language plpgsql security definer set search_path = public
as $$
begin
    insert into guild_counters values (new.guild_id, 1)
    on conflict (guild_id) do update set message_count = guild_counters.message_count + 1;
    return null;
end
$$;
create trigger count_message after insert on public.messages for each row execute function public.count_message();

-- accepted applicants become recruits
create function public.welcome_recruit() returns trigger
language plpgsql security definer set search_path = public
as $$
begin
    if new.status = 'accepted' and old.status <> 'accepted' then
        insert into guild_members (guild_id, user_id) values (new.guild_id, new.user_id)
        on conflict (guild_id, user_id) do update set left_at = null, rank = 'recruit' where guild_members.left_at is not null;
    end if;
    return new;
end
$$;
create trigger welcome_recruit after update on public.applications for each row execute function public.welcome_recruit();

alter table public.game_items     enable row level security;
alter table public.guilds         enable row level security;
alter table public.guild_members  enable row level security;
alter table public.applications   enable row level security;
alter table public.invites        enable row level security;
alter table public.raids          enable row level security;
alter table public.raid_signups   enable row level security;
alter table public.loot           enable row level security;
alter table public.messages       enable row level security;
alter table public.guild_counters enable row level security;

create policy "items for all" on public.game_items for select using (true);

create policy "members see guild" on public.guilds for select to authenticated using (my_rank(guild_id) is not null);
create policy "leader edits guild" on public.guilds for update to authenticated using (my_rank(guild_id) = 'leader');

create policy "roster" on public.guild_members for select to authenticated using (my_rank(guild_id) is not null);
create policy "leader keeps the roster" on public.guild_members for update to authenticated using (my_rank(guild_id) = 'leader');

revoke update on public.applications from anon, authenticated;
grant update (pitch, status) on public.applications to authenticated;
create policy "apply" on public.applications for insert to authenticated
    with check (user_id = auth.uid() and status = 'pending');
create policy "see applications" on public.applications for select to authenticated
    using (user_id = auth.uid() or my_rank(guild_id) in ('officer', 'leader'));
create policy "polish the pitch" on public.applications for update to authenticated
    using (user_id = auth.uid() and status = 'pending')
    with check (user_id = auth.uid());
create policy "officers decide" on public.applications for update to authenticated
    using (my_rank(guild_id) in ('officer', 'leader'));

create policy "officers invite" on public.invites for insert to authenticated
    with check (my_rank(guild_id) in ('officer', 'leader'));
create policy "officers revoke" on public.invites for delete to authenticated
    using (my_rank(guild_id) in ('officer', 'leader'));
-- the join page shows which guild an invite is for
create policy "look up invite" on public.invites for select to authenticated
    using (expires_at > now() and uses_left > 0);

create policy "raid calendar" on public.raids for select to authenticated using (my_rank(guild_id) is not null);
create policy "officers plan raids" on public.raids for all to authenticated using (my_rank(guild_id) in ('officer', 'leader'));

create policy "see signups" on public.raid_signups for select to authenticated using (guild_of_raid(raid_id) is not null);
create policy "sign up" on public.raid_signups for insert to authenticated
    with check (user_id = auth.uid() and guild_of_raid(raid_id) is not null);
create policy "sign off" on public.raid_signups for delete to authenticated
    using (user_id = auth.uid() and guild_of_raid(raid_id) is not null);

create policy "see loot" on public.loot for select to authenticated using (guild_of_raid(raid_id) is not null);
create policy "officers give loot" on public.loot for all to authenticated
    using (my_rank(guild_of_raid(raid_id)) in ('officer', 'leader'));

create policy "read chat" on public.messages for select to authenticated
    using (in_guild(guild_id));
create policy "write chat" on public.messages for insert to authenticated
    with check (author_id = auth.uid() and my_rank(guild_id) is not null);

create policy "see counters" on public.guild_counters for select to authenticated using (my_rank(guild_id) is not null);
