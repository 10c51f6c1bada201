-- pgtap: its assertions about values, queries, errors and what is there. Leaves out functions about owners and rights.

create function pgassay_count(of_what text) returns integer
language plpgsql
set search_path = ''
as $$
declare
    name constant text := 'pgassay.tap_' || of_what;
    counted constant integer := coalesce(nullif(current_setting(name, true), '')::integer, 0) + 1;
begin
    perform set_config(name, counted::text, true);

    return counted;
end;
$$;

create function diag(msg text) returns text
language sql strict
return '# ' || replace(msg, E'\n', E'\n# ');

create function plan(integer) returns text
language plpgsql
as $$
begin
    perform set_config('pgassay.tap_planned', $1::text, true),
        set_config('pgassay.tap_run', '0', true),
        set_config('pgassay.tap_failed', '0', true);

    return '1..' || $1;
end;
$$;

create function no_plan() returns setof boolean
language plpgsql
as $$
begin
    perform set_config('pgassay.tap_planned', '', true),
        set_config('pgassay.tap_run', '0', true),
        set_config('pgassay.tap_failed', '0', true);
end;
$$;

create function finish(exception_on_failure boolean default null) returns setof text
language plpgsql
as $$
declare
    planned constant integer := nullif(current_setting('pgassay.tap_planned', true), '')::integer;
    run constant integer := coalesce(nullif(current_setting('pgassay.tap_run', true), '')::integer, 0);
    failed constant integer := coalesce(nullif(current_setting('pgassay.tap_failed', true), '')::integer, 0);
begin
    if planned is null then
        return next '1..' || run;
    elsif planned <> run then
        return next @extschema@.diag(format('Looks like you planned %s tests but ran %s', planned, run));
    end if;

    if failed > 0 then
        return next @extschema@.diag(format('Looks like you failed %s of %s tests', failed, run));

        if exception_on_failure then
            raise exception '% tests failed of %', failed, run;
        end if;
    end if;
end;
$$;

create function ok(passed boolean, description text default null) returns text
language plpgsql
as $$
declare
    number constant integer := @extschema@.pgassay_count('run');
    said constant text := number || coalesce(' - ' || nullif(description, ''), '');
begin
    if passed then
        return 'ok ' || said;
    end if;

    perform @extschema@.pgassay_count('failed');

    return 'not ok ' || said || E'\n' || @extschema@.diag('Failed test ' || said);
end;
$$;

create function pass(description text default null) returns text
language sql
return @extschema@.ok(true, description);

create function fail(description text default null) returns text
language sql
return @extschema@.ok(false, description);

create function is(anyelement, anyelement, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.ok($1 is not distinct from $2, $3) || case
        when $1 is not distinct from $2 then ''
        else E'\n' || @extschema@.diag(format(E'        have: %s\n        want: %s', $1, $2))
    end;
end;
$$;

create function isnt(anyelement, anyelement, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.ok($1 is distinct from $2, $3);
end;
$$;

create function matches(anyelement, text, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.ok($1::text ~ $2, $3);
end;
$$;

create function cmp_ok(anyelement, text, anyelement, text default null) returns text
language plpgsql
as $$
declare
    found boolean;
begin
    execute format('select $1 %s $2', $2) into found using $1, $3;

    return @extschema@.ok(coalesce(found, false), $4);
end;
$$;

-- A statement, or the name of a prepared one.
create function pgassay_statement(text) returns text
language sql
return case when $1 ~ '^\s*[A-Za-z_]\w*\s*$' then 'execute ' || $1 else $1 end;

create function throws_ok(sql text, code text, message text, description text) returns text
language plpgsql
as $$
begin
    execute @extschema@.pgassay_statement(sql);

    return @extschema@.ok(false, description) || E'\n' || @extschema@.diag('no exception was raised');
exception
    when others then
        if (code is null or sqlstate = code) and (message is null or sqlerrm = message) then
            return @extschema@.ok(true, description);
        end if;

        return @extschema@.ok(false, description) || E'\n'
        || @extschema@.diag(format('caught: %s: %s, wanted: %s: %s', sqlstate, sqlerrm, code, message));
end;
$$;

create function throws_ok(sql text, code text, message text) returns text
language sql
return case
    when length(code) = 5 then @extschema@.throws_ok(sql, code, message, 'threw ' || code)
    else @extschema@.throws_ok(sql, null, code, message)
end;

create function throws_ok(sql text, code text) returns text
language sql
return case
    when length(code) = 5 then @extschema@.throws_ok(sql, code, null, 'threw ' || code)
    else @extschema@.throws_ok(sql, null, code, 'threw ' || code)
end;

create function throws_ok(sql text) returns text
language sql
return @extschema@.throws_ok(sql, null, null, 'threw an exception');

create function lives_ok(sql text, description text default null) returns text
language plpgsql
as $$
begin
    execute @extschema@.pgassay_statement(sql);

    return @extschema@.ok(true, description);
exception
    when others then
        return @extschema@.ok(false, description) || E'\n' || @extschema@.diag(format('died: %s: %s', sqlstate, sqlerrm));
end;
$$;

create function pgassay_rows(sql text) returns text[]
language plpgsql
as $$
declare
    found text[] := '{}';
    line record;
begin
    for line in execute @extschema@.pgassay_statement(sql) loop
        found := found || line::text;
    end loop;

    return found;
end;
$$;

create function results_eq(text, text, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.is(@extschema@.pgassay_rows($1), @extschema@.pgassay_rows($2), $3);
end;
$$;

create function results_eq(text, anyarray, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.is(
        @extschema@.pgassay_rows($1), array(select row(w.value)::text from unnest($2) as w (value)), $3
    );
end;
$$;

create function set_eq(text, text, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.is(
        array(select distinct r.line from unnest(@extschema@.pgassay_rows($1)) as r (line) order by r.line),
        array(select distinct r.line from unnest(@extschema@.pgassay_rows($2)) as r (line) order by r.line),
        $3
    );
end;
$$;

create function bag_eq(text, text, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.is(
        array(select r.line from unnest(@extschema@.pgassay_rows($1)) as r (line) order by r.line),
        array(select r.line from unnest(@extschema@.pgassay_rows($2)) as r (line) order by r.line),
        $3
    );
end;
$$;

create function is_empty(text, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.ok(@extschema@.pgassay_rows($1) = '{}', $2);
end;
$$;

create function isnt_empty(text, text default null) returns text
language plpgsql
as $$
begin
    return @extschema@.ok(@extschema@.pgassay_rows($1) <> '{}', $2);
end;
$$;

create function has_schema(name, text default null) returns text
language sql
return @extschema@.ok(to_regnamespace(quote_ident($1)) is not null, $2);

create function has_table(name, name, text) returns text
language sql
return @extschema@.ok(to_regclass(quote_ident($1) || '.' || quote_ident($2)) is not null, $3);

create function has_table(name, name) returns text
language sql
return @extschema@.has_table($1, $2, format('table %s.%s is there', $1, $2));

create function has_table(name) returns text
language sql
return @extschema@.ok(to_regclass(quote_ident($1)) is not null, format('table %s is there', $1));

create function has_column(name, name, name, text default null) returns text
language sql
return @extschema@.ok(
    exists (
        select from pg_attribute as a
        where a.attrelid = to_regclass(quote_ident($1) || '.' || quote_ident($2)) and a.attname = $3
    ),
    coalesce($4, format('column %s.%s.%s is there', $1, $2, $3))
);

create function policies_are(name, name, name[], text default null) returns text
language sql
return @extschema@.is(
    array(
        select p.policyname::text from pg_policies as p
        where p.schemaname = $1 and p.tablename = $2
        order by p.policyname::text collate "C"
    ),
    array(select w.name::text from unnest($3) as w (name) order by w.name::text collate "C"),
    coalesce($4, format('the policies of %s.%s', $1, $2))
);
