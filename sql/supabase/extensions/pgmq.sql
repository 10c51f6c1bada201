-- pgmq: queues in tables of their own, as it keeps them. Leaves out partitions, groups, topics and metrics.
-- schema: pgmq

create schema if not exists pgmq;

create type pgmq.message_record as (
    msg_id bigint, read_ct integer, enqueued_at timestamptz, vt timestamptz, message jsonb, headers jsonb
);
create type pgmq.queue_record as (
    queue_name varchar, is_partitioned boolean, is_unlogged boolean, created_at timestamptz
);

create table pgmq.meta (
    queue_name varchar not null,
    is_partitioned boolean not null,
    is_unlogged boolean not null,
    created_at timestamptz not null default now(),
    constraint meta_queue_name_key unique (queue_name)
);

create function pgmq.pgassay_table(prefix text, queue_name text) returns text
language sql immutable strict
set search_path = ''
return 'pgmq.' || quote_ident(prefix || '_' || lower(queue_name));

create function pgmq.create_non_partitioned(queue_name text) returns void
language plpgsql
set search_path = ''
as $$
begin
    execute format(
        'create table if not exists %s ('
        'msg_id bigint primary key generated always as identity, read_ct integer not null default 0, '
        'enqueued_at timestamptz not null default now(), vt timestamptz not null, message jsonb, headers jsonb)',
        pgmq.pgassay_table('q', queue_name)
    );
    execute format(
        'create table if not exists %s ('
        'msg_id bigint primary key, read_ct integer not null default 0, '
        'enqueued_at timestamptz not null default now(), archived_at timestamptz not null default now(), '
        'vt timestamptz not null, message jsonb, headers jsonb)',
        pgmq.pgassay_table('a', queue_name)
    );

    insert into pgmq.meta (queue_name, is_partitioned, is_unlogged)
    values (create_non_partitioned.queue_name, false, false)
    on conflict on constraint meta_queue_name_key do nothing;
end;
$$;

create function pgmq.create(queue_name text) returns void
language sql
set search_path = ''
as $$
select pgmq.create_non_partitioned(queue_name)
$$;

create function pgmq.create_unlogged(queue_name text) returns void
language sql
set search_path = ''
as $$
select pgmq.create_non_partitioned(queue_name)
$$;

create function pgmq.drop_queue(queue_name text) returns boolean
language plpgsql
set search_path = ''
as $$
begin
    execute 'drop table if exists ' || pgmq.pgassay_table('q', queue_name);
    execute 'drop table if exists ' || pgmq.pgassay_table('a', queue_name);

    delete from pgmq.meta as m where m.queue_name = drop_queue.queue_name;

    return found;
end;
$$;

create function pgmq.list_queues() returns setof pgmq.queue_record
language sql stable
set search_path = ''
as $$
select m.queue_name, m.is_partitioned, m.is_unlogged, m.created_at from pgmq.meta as m
$$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], delay integer default 0) returns setof bigint
language plpgsql
set search_path = ''
as $$
begin
    return query execute format(
        'insert into %s (vt, message) select clock_timestamp() + make_interval(secs => $2), m '
        'from unnest($1) as m returning msg_id',
        pgmq.pgassay_table('q', queue_name)
    ) using msgs, delay;
end;
$$;

create function pgmq.send(queue_name text, msg jsonb, delay integer default 0) returns setof bigint
language sql
set search_path = ''
as $$
select pgmq.send_batch(queue_name, array[msg], delay)
$$;

create function pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb default '{}')
returns setof pgmq.message_record
language plpgsql
set search_path = ''
as $$
begin
    return query execute format(
        'with due as (select msg_id from %1$s where vt <= clock_timestamp() and message @> $3 '
        'order by msg_id limit $1 for update skip locked) '
        'update %1$s as m set vt = clock_timestamp() + make_interval(secs => $2), read_ct = read_ct + 1 '
        'from due where m.msg_id = due.msg_id '
        'returning m.msg_id, m.read_ct, m.enqueued_at, m.vt, m.message, m.headers',
        pgmq.pgassay_table('q', queue_name)
    ) using qty, vt, conditional;
end;
$$;

create function pgmq.pop(queue_name text) returns setof pgmq.message_record
language plpgsql
set search_path = ''
as $$
begin
    return query execute format(
        'delete from %1$s where msg_id = (select msg_id from %1$s where vt <= clock_timestamp() '
        'order by msg_id limit 1 for update skip locked) '
        'returning msg_id, read_ct, enqueued_at, vt, message, headers',
        pgmq.pgassay_table('q', queue_name)
    );
end;
$$;

create function pgmq.delete(queue_name text, msg_ids bigint[]) returns setof bigint
language plpgsql
set search_path = ''
as $$
begin
    return query execute format(
        'delete from %s where msg_id = any($1) returning msg_id', pgmq.pgassay_table('q', queue_name)
    ) using msg_ids;
end;
$$;

create function pgmq.delete(queue_name text, msg_id bigint) returns boolean
language sql
set search_path = ''
as $$
select exists (select from pgmq.delete(queue_name, array[msg_id]))
$$;

create function pgmq.archive(queue_name text, msg_ids bigint[]) returns setof bigint
language plpgsql
set search_path = ''
as $$
begin
    return query execute format(
        'with gone as (delete from %s where msg_id = any($1) '
        'returning msg_id, read_ct, enqueued_at, vt, message, headers) '
        'insert into %s (msg_id, read_ct, enqueued_at, vt, message, headers) select * from gone returning msg_id',
        pgmq.pgassay_table('q', queue_name),
        pgmq.pgassay_table('a', queue_name)
    ) using msg_ids;
end;
$$;

create function pgmq.archive(queue_name text, msg_id bigint) returns boolean
language sql
set search_path = ''
as $$
select exists (select from pgmq.archive(queue_name, array[msg_id]))
$$;

create function pgmq.purge_queue(queue_name text) returns bigint
language plpgsql
set search_path = ''
as $$
declare
    gone bigint;
begin
    execute 'delete from ' || pgmq.pgassay_table('q', queue_name);
    get diagnostics gone = row_count;

    return gone;
end;
$$;

create function pgmq.set_vt(queue_name text, msg_id bigint, vt integer) returns setof pgmq.message_record
language plpgsql
set search_path = ''
as $$
begin
    return query execute format(
        'update %s set vt = clock_timestamp() + make_interval(secs => $2) where msg_id = $1 '
        'returning msg_id, read_ct, enqueued_at, vt, message, headers',
        pgmq.pgassay_table('q', queue_name)
    ) using msg_id, vt;
end;
$$;

select pgassay.add_refusals('pgmq', array[
    'pgmq.create_partitioned(queue_name text, partition_interval text default ''10000'', '
    'retention_interval text default ''100000'') returns void',
    'pgmq.metrics(queue_name text) returns record',
    'pgmq.metrics_all() returns setof record',
    'pgmq.read_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer default 5, '
    'poll_interval_ms integer default 100, conditional jsonb default ''{}'') returns setof pgmq.message_record'
]);
