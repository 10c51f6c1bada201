"""Schemas put together at random: tables, policies, functions and triggers of all kinds, under odd names.

They are no schemas that anybody would write. Nothing is known of what is right to say of them; but something has to be
said of each of their objects.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path

_NAMES = (
    "orders", "Order", "select", "user", 'a"b', "with space", "100%", "dot.ted", "ünïcode", "x" * 60, "_", "9lives",
    "tab\tbed", "quote's", "percent%s", "{braces}", "$dollar$", "CamelCase", "table", "naïve💥", "back\\slash",
)  # fmt: skip
_TYPES = (
    "text", "int", "bigint", "smallint", "numeric(10, 2)", "boolean", "date", "timestamptz", "time", "interval", "jsonb",
    "json", "bytea", "inet", "cidr", "uuid", "text[]", "int[]", "int4range", "tstzrange", "point", "money", "char(3)",
    "varchar(5)", "bit(4)", "tsvector", "xml", "double precision", "oid", "public.mood", "public.money_amount",
    "public.positive", "public.money_amount[]", "public.short_name", "int4multirange", "macaddr", "name", "regclass",
)  # fmt: skip
_KINDS = """
create type public.mood as enum ('happy', 'it''s complicated', 'ünhappy');
create type public.money_amount as (amount numeric, currency text);
create domain public.positive as int check (value > 0);
create domain public.short_name as text not null default 'x' check (length(value) between 1 and 8);
"""
_TENANCIES = (
    "create table public.orgs (id uuid primary key default gen_random_uuid(), name text);"
    "create table public.members (org_id uuid references public.orgs (id), user_id uuid references auth.users (id), "
    "role text not null default 'member' check (role in ('member', 'admin')), primary key (org_id, user_id));",
    "create table public.orgs (id bigint generated always as identity primary key, name text unique);"
    "create table public.members (org_id bigint, user_id uuid references auth.users (id), primary key (org_id, user_id));",
    "create table public.orgs (id serial primary key, owner_id uuid not null references auth.users (id));"
    "create table public.members (id uuid primary key default gen_random_uuid(), org_id int not null references "
    "public.orgs (id), user_id uuid not null, unique (org_id, user_id));",
    "create table public.profiles (id uuid primary key references auth.users (id), name text, org_id uuid);",
    "",
)
_CONDITIONS = (
    "true", "false", "null", "user_id = auth.uid()", "user_id = (select auth.uid())", "auth.uid() is not null",
    "org_id in (select m.org_id from public.members as m where m.user_id = (select auth.uid()))",
    "exists (select from public.members as m where m.org_id = {table}.org_id and m.user_id = auth.uid())",
    "exists (select from {table} as t where t.user_id = auth.uid())",
    "org_id::text = auth.jwt() -> 'app_metadata' ->> 'org_id'", "(auth.jwt() #>> '{{user_metadata,org_id}}') = org_id::text",
    "(row(1, 'EUR')::public.money_amount).currency = 'EUR'", "public.helper(user_id)", "user_id::text = any (array['a', 'b'])",
    "current_setting('app.user')::uuid = user_id", "((('{{}}'::jsonb) -> 'a')[0]) is null or user_id = auth.uid()",
    "case when auth.role() = 'anon' then false else user_id = auth.uid() end", "coalesce(user_id, auth.uid()) = auth.uid()",
    "(user_id, true) = (auth.uid(), true)", "user_id = auth.uid() or auth.jwt() ->> 'aal' = 'aal2'", "1 / (case when user_id is null then 0 else 1 end) = 1",
    "(select count(*) from public.members) > 0", "not exists (select from {table} where false) and user_id = auth.uid()",
)  # fmt: skip
_BODIES = (
    "begin return 1; end",
    "begin return (select count(*) from {table})::int; end",
    "begin raise exception 'no: %', 'never' using errcode = 'P0002', hint = '100%'; end",
    "declare r record; n int := 0; begin for r in select * from {table} loop n := n + 1; end loop; return n; end",
    "declare r {table}%rowtype; begin select * into r from {table} limit 1; return length(r::text); end",
    "begin execute format('select count(*) from %I', 'no such table'); return 1; end",
    "begin perform public.no_such_function(); return 1; end",
    "begin perform t.no_such_column from {table} as t; return 1; end",
    "declare c cursor for select 1; x int; begin open c; fetch c into x; close c; return x; end",
    "declare x int; begin foreach x in array array[1, 2] loop continue when x = 1; exit; end loop; return x; end",
    "begin begin perform 1 / 0; exception when division_by_zero then return -1; when others then raise; end; return 0; end",
    "begin case when auth.uid() is null then return 0; else return 1; end case; end",
    "declare n int; begin update {table} set user_id = user_id; get diagnostics n = row_count; return n; end",
    "begin delete from {table}; return found::int; end",
    "begin insert into {table} default values; return 1; end",
    "<<outer>> declare n int := 0; begin while n < 3 loop n := n + 1; exit outer when n = 2; end loop; return n; end",
    "begin assert auth.uid() is not null, 'nobody'; return 1; end",
    "begin return public.itself(); end",
    "begin set local role postgres; return 1; end",
    "begin perform set_config('search_path', '', false); return (select 1 from {table} limit 1); end",
    "begin lock table {table}; return 1; end",
    "begin create temp table if not exists t (n int); insert into t values (1); return (select n from t limit 1); end",
    "begin return query select 1; end",
    "begin notify x; raise notice 'one %', 2; raise warning '%', repeat('w', 3000); return 1; end",
)
_ARGUMENTS = (
    "", "id uuid", "a int, b text default 'x'", "variadic parts text[]", "whole jsonb", "out x int, out y text",
    "r anyelement", "inout n int", "a public.mood, b public.money_amount", "p_org_id uuid, p_user_id uuid", '"Odd name" uuid',
)  # fmt: skip
_RETURNS = (
    "int",
    "void",
    "setof int",
    "table (n int)",
    "text",
    "json",
    "record",
    "uuid",
    "trigger",
    "public.money_amount",
)
_TRIGGERS = (
    "begin return new; end", "begin return null; end", "begin new.user_id := auth.uid(); return new; end",
    "begin raise exception 'no' using errcode = '23505'; end", "begin if tg_op = 'INSERT' then raise unique_violation; end if; return new; end",
    "begin new.no_such_column := 1; return new; end", "begin perform current_setting('request.headers')::json; return new; end",
    "begin if auth.uid() is null then raise exception 'sign in'; end if; return new; end",
    "begin insert into public.no_such_log values (new.*); return new; end",
    "begin update {table} set user_id = user_id where false; return coalesce(new, old); end",
    "begin if pg_trigger_depth() > 1 then return new; end if; delete from {table} where user_id is null; return new; end",
)  # fmt: skip
_VIEWS = (
    "create view {view} as select * from {table}",
    "create view {view} with (security_invoker) as select * from {table} where user_id = auth.uid() with check option",
    "create materialized view {view} as select count(*) as n, 1 / nullif(count(*), 0) as x from {table}",
    "create view {view} as select t.user_id, count(*) over (partition by t.user_id) from {table} as t",
    "create recursive view {view} (n) as values (1) union all select n + 1 from {view} where n < 3",
    "create view {view} with (security_barrier) as select (row(1, 'x')::public.money_amount).* from {table}",
)


def parts(seed: int, corpus: Path) -> Iterator[str]:
    """Pieces of SQL, of which each may be refused."""
    chance = random.Random(seed)
    yield _KINDS
    if chance.random() < 0.3:
        yield from _of_corpus(chance, corpus)
    else:
        yield chance.choice(_TENANCIES)
    tables = [f"public.{_quoted(name)}" for name in chance.sample(_NAMES, chance.randint(1, 4))]
    for table in tables:
        yield from _table(chance, table, tables)
    yield "create function public.helper(u uuid) returns boolean language sql stable as 'select u = auth.uid()';"
    for number in range(chance.randint(0, 4)):
        yield _function(chance, number, chance.choice(tables))
    for number in range(chance.randint(0, 2)):
        name = f"public.{_quoted(f'{chance.choice(_NAMES)[:40]} {number}')}"
        yield chance.choice(_VIEWS).format(view=name, table=chance.choice(tables)) + ";"
    for number in range(chance.randint(0, 3)):
        yield from _trigger(chance, number, chance.choice([*tables, *tables, "auth.users", "storage.objects"]))
    if chance.random() < 0.3:
        bucket = chance.choice(("bucket_id = 'files'", "true", "bucket_id = any (array['a', 'b'])"))
        folder = chance.choice(
            ("(storage.foldername(name))[1] = auth.uid()::text", "owner = auth.uid()", "split_part(name, '/', 2) <> ''")
        )
        yield f"create policy f on storage.objects for all to authenticated using ({bucket} and {folder});"


def _of_corpus(chance: random.Random, corpus: Path) -> Iterator[str]:
    files = sorted(corpus.glob("*.toml"))
    content = tomllib.loads(chance.choice(files).read_text(encoding="utf-8"))
    yield content["schema"]
    extras = [extra["sql"] for kind in ("hole", "bait") for extra in content.get(kind, ())]
    yield from chance.sample(extras, min(len(extras), chance.randint(0, 4)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _table(chance: random.Random, table: str, tables: list[str]) -> Iterator[str]:
    key = chance.choice((
        "id uuid primary key default gen_random_uuid()", "id bigint generated always as identity primary key",
        "code text primary key", "id int", "a int, b text, primary key (a, b)", "id uuid default gen_random_uuid() unique",
    ))  # fmt: skip
    columns = [key, chance.choice(("user_id uuid", "user_id uuid references auth.users (id)", "user_id uuid not null"))]
    if chance.random() < 0.6:
        columns.append(
            chance.choice(("org_id uuid", "org_id uuid references public.orgs (id)", "org_id text not null"))
        )
    for number in range(chance.randint(0, 5)):
        extra = chance.choice(("", "", " not null", " unique", " default null"))
        columns.append(f"{_quoted(f'{chance.choice(_NAMES)[:50]}{number}')} {chance.choice(_TYPES)}{extra}")
    yield f"create table {table} ({', '.join(columns)});"
    other = chance.choice(tables)
    yield f"alter table {table} add other_id uuid references {other} (id){chance.choice(('', ' deferrable', ' on delete cascade'))};"
    yield chance.choice((
        f"alter table {table} add check (user_id is not null or true);", f"alter table {table} add check (false) not valid;",
        f"create unique index on {table} (user_id);", f"create unique index on {table} ((user_id::text)) where user_id is null;",
        f"alter table {table} add twice text generated always as (user_id::text || 'x') stored;", "",
    ))  # fmt: skip
    if chance.random() < 0.85:
        yield f"alter table {table} enable row level security;"
    for number in range(chance.randint(0, 4)):
        command = chance.choice(("all", "select", "insert", "update", "delete"))
        condition = chance.choice(_CONDITIONS).format(table=table)
        clause = {
            "insert": f"with check ({condition})",
            "all": f"using ({condition})",
            "update": f"using ({condition})",
        }
        kind = chance.choice(("", "", "", " as restrictive"))
        role = chance.choice(("public", "authenticated", "anon", "authenticated, anon"))
        yield (
            f"create policy {_quoted(f'{chance.choice(_NAMES)[:50]} {number}')} on {table}{kind} for {command} to {role} "
            + clause.get(command, f"using ({condition})")
            + ";"
        )
    if chance.random() < 0.2:
        yield f"revoke {chance.choice(('all', 'select', 'insert, update'))} on {table} from anon, authenticated;"
        yield f"grant select (user_id), insert (user_id), update (user_id) on {table} to authenticated;"


def _function(chance: random.Random, number: int, table: str) -> str:
    name = chance.choice((f"public.f{number}", "public.itself", f"public.{_quoted(chance.choice(_NAMES)[:60])}"))
    rights = chance.choice(("", "security definer", "stable", "strict", "security definer set search_path = ''"))
    body = chance.choice(_BODIES).format(table=table)
    kind = chance.choice(("function", "function", "function", "function", "procedure"))
    returns = "" if kind == "procedure" else f"returns {chance.choice(_RETURNS)}"
    rights = rights if kind == "function" else ""
    return f"create {kind} {name}({chance.choice(_ARGUMENTS)}) {returns} language plpgsql {rights} as $body$ {body} $body$;"


def _trigger(chance: random.Random, number: int, table: str) -> Iterator[str]:
    rights = chance.choice(("", "security definer set search_path = ''"))
    body = chance.choice(_TRIGGERS).format(table=table)
    yield f"create function public.t{number}() returns trigger language plpgsql {rights} as $body$ {body} $body$;"
    when = chance.choice(
        (
            "before insert",
            "before insert or update",
            "after insert",
            "before delete",
            "after insert or update or delete",
        )
    )
    yield f"create trigger {_quoted(f't {number}')} {when} on {table} for each row execute function public.t{number}();"
