-- GraphQL, and the trigger function of database webhooks. Leaves out what they are for: errors, and no requests.

create function graphql.resolve(
    query text,
    variables jsonb default '{}',
    "operationName" text default null, -- noqa: references.quoting, capitalisation.identifiers
    extensions jsonb default null
) returns jsonb
language sql immutable
return '{"errors": [{"message": "the stand-in for pg_graphql cannot resolve a query"}]}'::jsonb;

create function graphql_public.graphql(
    "operationName" text default null, -- noqa: references.quoting, capitalisation.identifiers
    query text default null,
    variables jsonb default null,
    extensions jsonb default null
) returns jsonb
language sql immutable
return graphql.resolve(query, coalesce(variables, '{}'), "operationName", extensions);

create table supabase_functions.migrations (
    version text not null,
    inserted_at timestamptz not null default now(),
    constraint migrations_pkey primary key (version)
);

create table supabase_functions.hooks (
    id bigserial not null,
    hook_table_id integer not null,
    hook_name text not null,
    created_at timestamptz not null default now(),
    request_id bigint,
    constraint hooks_pkey primary key (id)
);

create function supabase_functions.http_request() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
    if coalesce(tg_argv[0], 'null') = 'null' then
        raise exception 'url argument is missing';
    end if;

    if tg_argv[1] is null or tg_argv[1] not in ('GET', 'POST') then
        raise exception 'method argument % is invalid', tg_argv[1];
    end if;

    insert into supabase_functions.hooks (hook_table_id, hook_name, request_id) values (tg_relid, tg_name, null);

    return new;
end;
$$;

comment on function graphql.resolve(text, jsonb, text, jsonb) is 'Stub: answers with an error.';
comment on function supabase_functions.http_request() is 'Stub: records the call in hooks, and sends nothing.';

grant execute on function graphql.resolve(text, jsonb, text, jsonb) to anon, authenticated, service_role;
grant execute on function graphql_public.graphql(text, text, jsonb, jsonb) to anon, authenticated, service_role;
