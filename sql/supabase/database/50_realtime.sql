-- Supabase Realtime: publication, messages and sending. Leaves out partitions and subscriptions; nothing is delivered.

create table realtime.messages (
    topic text not null,
    extension text not null,
    payload jsonb,
    event text,
    private boolean default false,
    updated_at timestamp not null default now(),
    inserted_at timestamp not null default now(),
    id uuid not null default gen_random_uuid(),
    constraint messages_pkey primary key (id, inserted_at)
);

alter table realtime.messages enable row level security;

grant select, insert, update on realtime.messages to anon, authenticated, service_role;

create function realtime.topic() returns text
language sql stable
as $$
select nullif(current_setting('realtime.topic', true), '')
$$;

create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql
set search_path = ''
as $$
begin
    -- as on the platform: a message that cannot be sent never fails the statement that sent it
    begin
        perform set_config('realtime.topic', topic, true);

        insert into realtime.messages (payload, event, topic, private, extension)
        values (send.payload, send.event, send.topic, send.private, 'broadcast');
    exception
        when others then
            raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
    end;
end;
$$;

create function realtime.broadcast_changes(
    topic_name text,
    event_name text,
    operation text,
    table_name text,
    table_schema text,
    new record,
    old record,
    level text default 'ROW'
) returns void
language plpgsql
set search_path = ''
as $$
begin
    if level = 'STATEMENT' then
        raise exception 'realtime.broadcast_changes is for triggers on each row, not on each statement';
    end if;

    perform realtime.send(
        jsonb_build_object(
            'old_record', old,
            'record', new,
            'operation', operation,
            'table', table_name,
            'schema', table_schema
        ),
        event_name,
        topic_name
    );
end;
$$;

do $$
begin
    -- "wal_level is insufficient": true of most test servers, and nobody subscribes
    perform set_config('client_min_messages', 'error', true);

    create publication supabase_realtime;
end;
$$;
