-- pgtap: its assertions, told as it tells them. The files in tests/pgtap/files say the same with both.

-- How many tests there were and how many failed is not undone with a savepoint: sequences of the session count them.
create function pgassay_count(of_what text) returns integer
language plpgsql
as $$
begin
    return nextval('pg_temp.pgassay_tap_' || of_what);
exception
    when undefined_table or invalid_schema_name then
        raise exception 'You tried to run a test without a plan! Gotta have a plan';
end;
$$;

create function pgassay_counted(of_what text) returns integer
language plpgsql
as $$
declare
    found integer;
begin
    execute format('select last_value - (not is_called)::integer from pg_temp.%I', 'pgassay_tap_' || of_what)
    into found;

    return found;
end;
$$;

create function pgassay_begin(planned text) returns void
language plpgsql
as $$
begin
    if to_regclass('pg_temp.pgassay_tap_run') is not null then
        raise exception 'You tried to plan twice!';
    end if;

    create temporary sequence pgassay_tap_run;
    create temporary sequence pgassay_tap_failed;
    grant all on sequence pg_temp.pgassay_tap_run, pg_temp.pgassay_tap_failed to public;

    perform set_config('pgassay.tap_planned', planned, false), set_config('pgassay.tap_todo', '[]', false);
end;
$$;

create function pgassay_plural(counted integer, what text) returns text
language sql
return counted || ' ' || what || case when counted = 1 then '' else 's' end;

create function diag(msg text) returns text
language sql strict
return '# ' || replace(replace(replace(msg, E'\r\n', E'\n# '), E'\n', E'\n# '), E'\r', E'\n# ');

create function diag(msg anyelement) returns text
language plpgsql
as $$ begin return @extschema@.diag(msg::text); end $$;

create function diag(variadic text[]) returns text
language sql
return @extschema@.diag(array_to_string($1, ''));

create function diag(variadic anyarray) returns text
language plpgsql
as $$ begin return @extschema@.diag(array_to_string($1, '')); end $$;

create function collect_tap(variadic text[]) returns text
language sql
return array_to_string($1, E'\n');

create function collect_tap(varchar[]) returns text
language sql
return array_to_string($1, E'\n');

create function plan(integer) returns text
language plpgsql
as $$
begin
    perform @extschema@.pgassay_begin($1::text);

    return '1..' || $1;
end;
$$;

create function no_plan() returns setof boolean
language plpgsql
as $$
begin
    perform @extschema@.pgassay_begin('');
end;
$$;

create function num_failed() returns integer
language sql
as 'select @extschema@.pgassay_counted(''failed'')';

create function finish(exception_on_failure boolean default null) returns setof text
language plpgsql
as $$
declare
    planned constant integer := nullif(current_setting('pgassay.tap_planned', true), '')::integer;
    run constant integer := @extschema@.pgassay_counted('run');
    failed constant integer := @extschema@.pgassay_counted('failed');
begin
    if run = 0 then
        raise exception '# No tests run!';
    end if;

    if planned is null then
        return next '1..' || run;
    end if;

    if planned <> run then
        return next @extschema@.diag(
            format('Looks like you planned %s but ran %s', @extschema@.pgassay_plural(planned, 'test'), run)
        );
    elsif failed > 0 then
        if exception_on_failure then
            raise exception '% failed of %', @extschema@.pgassay_plural(failed, 'test'), run;
        end if;

        return next @extschema@.diag(
            format('Looks like you failed %s of %s', @extschema@.pgassay_plural(failed, 'test'), run)
        );
    end if;

    begin
        drop sequence pg_temp.pgassay_tap_run, pg_temp.pgassay_tap_failed;
    exception
        when insufficient_privilege then null;
    end;
end;
$$;

-- What is still to be done: a stack of how many tests are left, -1 for those up to the end of a block, and why.
create function pgassay_todo() returns jsonb
language sql
return coalesce(nullif(current_setting('pgassay.tap_todo', true), ''), '[]')::jsonb;

create function pgassay_still_todo() returns text
language plpgsql
as $$
declare
    stack constant jsonb := @extschema@.pgassay_todo();
    left_over constant integer := (stack -> -1 ->> 'left')::integer;
begin
    if stack = '[]' then
        return null;
    end if;

    if left_over > 0 then
        perform set_config(
            'pgassay.tap_todo',
            case
                when left_over = 1 then stack - -1
                else jsonb_set(stack, '{-1,left}', to_jsonb(left_over - 1))
            end::text,
            false
        );
    end if;

    return coalesce(stack -> -1 ->> 'why', '');
end;
$$;

create function pgassay_add_todo(why text, how_many integer) returns void
language sql
as $$
select set_config(
    'pgassay.tap_todo',
    (@extschema@.pgassay_todo() || jsonb_build_object('left', how_many, 'why', coalesce(why, '')))::text,
    false
)
$$;

create function todo(why text, how_many integer) returns setof boolean
language plpgsql
as $$ begin perform @extschema@.pgassay_add_todo(why, coalesce(how_many, 1)); end $$;

create function todo(how_many integer, why text) returns setof boolean
language plpgsql
as $$ begin perform @extschema@.pgassay_add_todo(why, coalesce(how_many, 1)); end $$;

create function todo(why text) returns setof boolean
language plpgsql
as $$ begin perform @extschema@.pgassay_add_todo(why, 1); end $$;

create function todo(how_many integer) returns setof boolean
language plpgsql
as $$ begin perform @extschema@.pgassay_add_todo('', coalesce(how_many, 1)); end $$;

create function todo_start(text) returns setof boolean
language plpgsql
as $$ begin perform @extschema@.pgassay_add_todo($1, -1); end $$;

create function todo_start() returns setof boolean
language plpgsql
as $$ begin perform @extschema@.pgassay_add_todo('', -1); end $$;

create function in_todo() returns boolean
language sql
as 'select @extschema@.pgassay_todo() <> ''[]''';

create function todo_end() returns setof boolean
language plpgsql
as $$
declare
    stack jsonb := @extschema@.pgassay_todo();
begin
    while stack <> '[]' and (stack -> -1 ->> 'left')::integer <> -1 loop
        stack := stack - -1;
    end loop;

    if stack = '[]' then
        raise exception 'todo_end() called without todo_start()';
    end if;

    perform set_config('pgassay.tap_todo', (stack - -1)::text, false);
end;
$$;

create function ok(boolean, text) returns text
language plpgsql
as $$
declare
    number constant integer := @extschema@.pgassay_count('run');
    why constant text := @extschema@.pgassay_still_todo();
    said constant text := replace(nullif($2, ''), E'\n', E'\n# ');
begin
    if $1 is not true and why is null then
        perform @extschema@.pgassay_count('failed');
    end if;

    return case when $1 then '' else 'not ' end || 'ok ' || number || coalesce(' - ' || said, '')
    || coalesce(' # TODO ' || why, '')
    || case
        when $1 then ''
        else E'\n# Failed ' || case when why is null then '' else '(TODO) ' end || 'test ' || number
            || coalesce(': "' || said || '"', '')
    end
    || case when $1 is null then E'\n#     (test result was NULL)' else '' end;
end;
$$;

create function ok(boolean) returns text
language sql
as 'select @extschema@.ok($1, null)';

-- The result of a test, and what is told where it failed.
create function pgassay_told(passed boolean, description text, diagnosis text) returns text
language sql
as $$
select @extschema@.ok(passed, description)
|| case when passed then '' else coalesce(E'\n' || @extschema@.diag(diagnosis), '') end
$$;

-- The result of a comparison.
create function pgassay_is(have text, want text, description text) returns text
language sql
as $$
select @extschema@.pgassay_told(
    have is not distinct from want,
    description,
    '        have: ' || coalesce(have, 'NULL') || E'\n        want: ' || coalesce(want, 'NULL')
)
$$;

create function pass(text) returns text
language sql
as 'select @extschema@.ok(true, $1)';

create function pass() returns text
language sql
as 'select @extschema@.ok(true, null)';

create function fail(text) returns text
language sql
as 'select @extschema@.ok(false, $1)';

create function fail() returns text
language sql
as 'select @extschema@.ok(false, null)';

create function is(anyelement, anyelement, text) returns text
language plpgsql
as $$
begin
    return @extschema@.pgassay_told(
        $1 is not distinct from $2,
        $3,
        '        have: ' || coalesce($1::text, 'NULL') || E'\n        want: ' || coalesce($2::text, 'NULL')
    );
end;
$$;

create function is(anyelement, anyelement) returns text
language plpgsql
as $$ begin return @extschema@.is($1, $2, null); end $$;

create function isnt(anyelement, anyelement, text) returns text
language plpgsql
as $$
begin
    return @extschema@.pgassay_told(
        $1 is distinct from $2,
        $3,
        '        have: ' || coalesce($1::text, 'NULL') || E'\n        want: anything else'
    );
end;
$$;

create function isnt(anyelement, anyelement) returns text
language plpgsql
as $$ begin return @extschema@.isnt($1, $2, null); end $$;

create function cmp_ok(anyelement, text, anyelement, text) returns text
language plpgsql
as $$
declare
    found boolean;
begin
    execute format('select $1 %s $2', $2) into found using $1, $3;

    return @extschema@.pgassay_told(
        coalesce(found, false),
        $4,
        format(E'    %s\n        %s\n    %s', quote_nullable($1), $2, quote_nullable($3))
    );
end;
$$;

create function cmp_ok(anyelement, text, anyelement) returns text
language plpgsql
as $$ begin return @extschema@.cmp_ok($1, $2, $3, null); end $$;

create function isa_ok(anyelement, regtype, text) returns text
language plpgsql
as $$
begin
    return @extschema@.pgassay_told(
        pg_typeof($1) = $2,
        $3 || ' isa ' || $2,
        format('    %s isn''t a "%s" it''s a "%s"', $3, $2, pg_typeof($1))
    );
end;
$$;

create function isa_ok(anyelement, regtype) returns text
language plpgsql
as $$ begin return @extschema@.isa_ok($1, $2, 'the value'); end $$;

do $generate$
declare
    spec record;
begin
    for spec in
        select *
        from (values
            ('matches', '~', false),
            ('imatches', '~*', false),
            ('alike', '~~', false),
            ('ialike', '~~*', false),
            ('doesnt_match', '!~', true),
            ('doesnt_imatch', '!~*', true),
            ('unalike', '!~~', true),
            ('unialike', '!~~*', true)
        ) as v (function, operator, negated)
    loop
        execute format(
            $f$
            create function %1$I(anyelement, text, text) returns text
            language plpgsql
            as $b$
            begin
                return @extschema@.pgassay_told(
                    $1::text %2$s $2,
                    $3,
                    '                  ' || quote_nullable($1::text) || E'\n' || %3$L || quote_nullable($2)
                );
            end;
            $b$
            $f$,
            spec.function, spec.operator, case when spec.negated then '         matches: ' else '   doesn''t match: ' end
        );
        execute format(
            'create function %1$I(anyelement, text) returns text language plpgsql '
            'as ''begin return @extschema@.%1$I($1, $2, null); end''',
            spec.function
        );
    end loop;

    for spec in
        select *
        from (values
            ('throws_like', '~~', 'like'),
            ('throws_ilike', '~~*', 'like'),
            ('throws_matching', '~', 'matching'),
            ('throws_imatching', '~*', 'matching')
        ) as v (function, operator, said)
    loop
        execute format(
            $f$
            create function %1$I(text, text, text) returns text
            language plpgsql
            as $b$
            begin
                execute @extschema@.pgassay_statement($1);

                return @extschema@.pgassay_told(false, $3, '    no exception thrown');
            exception
                when others then
                    return @extschema@.pgassay_told(
                        sqlerrm %2$s $2,
                        $3,
                        format(E'   error message: %%L\n   doesn''t match: %%L', sqlerrm, $2)
                    );
            end;
            $b$
            $f$,
            spec.function, spec.operator
        );
        execute format(
            'create function %1$I(text, text) returns text language sql '
            'as $b$ select @extschema@.%1$I($1, $2, %2$L || quote_literal($2)) $b$',
            spec.function, 'Should throw exception ' || spec.said || ' '
        );
    end loop;
end;
$generate$;

create function skip(why text, how_many integer) returns text
language plpgsql
as $$
begin
    return (
        select string_agg(
            rtrim('ok ' || @extschema@.pgassay_count('run') || ' # SKIP ' || coalesce(why, '')), E'\n' order by n.number
        )
        from generate_series(1, how_many) as n (number)
    );
end;
$$;

create function skip(text) returns text
language sql
as 'select @extschema@.skip($1, 1)';

create function skip(integer, text) returns text
language sql
as 'select @extschema@.skip($2, $1)';

create function skip(integer) returns text
language sql
as 'select @extschema@.skip(null::text, $1)';

-- A statement, or the name of a prepared one.
create function pgassay_statement(text) returns text
language sql
return case when $1 ~ '^\s*("([^"]|"")+"|[[:alpha:]_][\w$]*)(\s*\(.*\))?\s*$' and $1 !~* '^\s*(table|values)\M'
    then 'execute ' || $1 else $1 end;

create function throws_ok(text, character(5), text, text) returns text
language plpgsql
as $$
begin
    execute @extschema@.pgassay_statement($1);

    return @extschema@.pgassay_told(
        false, $4, E'      caught: no exception\n      wanted: ' || coalesce($2, 'an exception')
    );
exception
    when others then
        return @extschema@.pgassay_told(
            ($2 is null or sqlstate = $2) and ($3 is null or sqlerrm = $3),
            $4,
            format(E'      caught: %s: %s\n      wanted: ', sqlstate, sqlerrm)
            || coalesce($2, 'an exception') || coalesce(': ' || $3, '')
        );
end;
$$;

create function throws_ok(text, text, text) returns text
language sql
as $$
select case
    when octet_length($2) = 5
        then @extschema@.throws_ok($1, $2::character(5), $3, 'threw ' || $2 || coalesce(': ' || $3, ''))
    else @extschema@.throws_ok($1, null, $2, $3)
end
$$;

create function throws_ok(text, text) returns text
language sql
as $$
select case
    when octet_length($2) = 5 then @extschema@.throws_ok($1, $2::character(5), null, 'threw ' || $2)
    else @extschema@.throws_ok($1, null, $2, 'threw ' || coalesce($2, 'an exception'))
end
$$;

create function throws_ok(text) returns text
language sql
as $$ select @extschema@.throws_ok($1, null, null, 'threw an exception') $$;

create function throws_ok(text, integer, text, text) returns text
language sql
as $$ select @extschema@.throws_ok($1, lpad($2::text, 5, '0')::character(5), $3, $4) $$;

create function throws_ok(text, integer, text) returns text
language sql
as $$ select @extschema@.throws_ok($1, lpad($2::text, 5, '0'), $3) $$;

create function throws_ok(text, integer) returns text
language sql
as $$ select @extschema@.throws_ok($1, lpad($2::text, 5, '0')) $$;

-- A label and what an error says under it, if it says that.
create function pgassay_labelled(label text, said text) returns text
language sql
return coalesce(E'\n        ' || rpad(label, 12) || nullif(said, ''), '');

create function lives_ok(text, text) returns text
language plpgsql
as $$
declare
    detail text;
    hint text;
    context text;
    schema_named text;
    table_named text;
    column_named text;
    constraint_named text;
    type_named text;
begin
    -- The context of an error tells the number of the line that executes the statement.
    -- That of pgTAP is the fourteenth, and so is this one.
    execute @extschema@.pgassay_statement($1);

    return @extschema@.ok(true, $2);
exception
    when others then
        get stacked diagnostics
            detail = pg_exception_detail,
            hint = pg_exception_hint,
            context = pg_exception_context,
            schema_named = schema_name,
            table_named = table_name,
            column_named = column_name,
            constraint_named = constraint_name,
            type_named = pg_datatype_name;

        return @extschema@.pgassay_told(
            false,
            $2,
            format('    died: %s: %s', sqlstate, sqlerrm)
            || @extschema@.pgassay_labelled('DETAIL:', detail)
            || @extschema@.pgassay_labelled('HINT:', hint)
            || @extschema@.pgassay_labelled('SCHEMA:', schema_named)
            || @extschema@.pgassay_labelled('TABLE:', table_named)
            || @extschema@.pgassay_labelled('COLUMN:', column_named)
            || @extschema@.pgassay_labelled('CONSTRAINT:', constraint_named)
            || @extschema@.pgassay_labelled('TYPE:', type_named)
            || coalesce(
                E'\n        CONTEXT:\n            '
                || replace(replace(nullif(context, ''), '@extschema@.', ''), E'\n', E'\n            '),
                ''
            )
        );
end;
$$;

create function lives_ok(text) returns text
language sql
as $$ select @extschema@.lives_ok($1, null) $$;

create function performs_ok(text, numeric, text) returns text
language plpgsql
as $$
declare
    started constant timestamptz := clock_timestamp();
    taken numeric;
begin
    execute @extschema@.pgassay_statement($1);
    taken := extract(epoch from clock_timestamp() - started) * 1000;

    return @extschema@.pgassay_told(
        taken < $2, $3, format(E'      runtime: %s ms\n      exceeds: %s ms', round(taken, 3), $2)
    );
end;
$$;

create function performs_ok(text, numeric) returns text
language sql
as $$ select @extschema@.performs_ok($1, $2, 'Should run in less than ' || $2 || ' ms') $$;

create function performs_within(text, numeric, numeric, integer, text) returns text
language plpgsql
as $$
declare
    started timestamptz;
    taken numeric;
    total numeric := 0;
begin
    for run in 1..$4 loop
        started := clock_timestamp();
        execute @extschema@.pgassay_statement($1);
        total := total + extract(epoch from clock_timestamp() - started) * 1000;
    end loop;

    taken := total / $4;

    return @extschema@.pgassay_told(
        abs(taken - $2) <= $3,
        $5,
        format(E' average runtime: %s ms\n desired average: %s +/- %s ms', round(taken, 3), $2, $3)
    );
end;
$$;

create function performs_within(text, numeric, numeric, integer) returns text
language sql
as $$ select @extschema@.performs_within($1, $2, $3, $4, 'Should run within ' || $2 || ' +/- ' || $3 || ' ms') $$;

create function performs_within(text, numeric, numeric, text) returns text
language sql
as $$ select @extschema@.performs_within($1, $2, $3, 10, $4) $$;

create function performs_within(text, numeric, numeric) returns text
language sql
as $$ select @extschema@.performs_within($1, $2, $3, 10) $$;

-- Row by row: what differs first, empty where nothing does.
create function pgassay_difference(have refcursor, want refcursor) returns text
language plpgsql
as $$
declare
    here record;
    there record;
    is_here boolean;
    is_there boolean;
    number integer := 1;
begin
    loop
        fetch have into here;
        is_here := found;
        fetch want into there;
        is_there := found;

        if not is_here and not is_there then
            return '';
        end if;

        if is_here <> is_there or here is distinct from there then
            return format(
                E'    Results differ beginning at row %s:\n        have: %s\n        want: %s',
                number,
                case when is_here then here::text else 'NULL' end,
                case when is_there then there::text else 'NULL' end
            );
        end if;

        number := number + 1;
    end loop;
exception
    when datatype_mismatch then
        return '    Number of columns or their types differ between the queries'
        || case
            when here::text = there::text then ''
            else format(E':\n        have: %s\n        want: %s', here, there)
        end
        || E'\n        ERROR: ' || sqlerrm;
end;
$$;

create function pgassay_open(text) returns refcursor
language plpgsql
as $$
declare
    opened refcursor;
begin
    open opened for execute @extschema@.pgassay_statement($1);

    return opened;
end;
$$;

create function pgassay_open(anyarray) returns refcursor
language plpgsql
as $$
declare
    opened refcursor;
begin
    open opened for select * from unnest($1);

    return opened;
end;
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select h.type as have, w.type as want, h.made as have_made, w.made as want_made
        from
            (values ('text', '@extschema@.pgassay_open($1)'), ('refcursor', '$1')) as h (type, made)
            cross join (values
                ('text', '@extschema@.pgassay_open($2)'),
                ('refcursor', '$2'),
                ('anyarray', '@extschema@.pgassay_open($2)')
            ) as w (type, made)
    loop
        execute format(
            $f$
            create function results_eq(%1$s, %2$s, text) returns text
            language plpgsql
            as $b$
            declare
                told constant text := @extschema@.pgassay_difference(%3$s, %4$s);
            begin
                return @extschema@.pgassay_told(told = '', $3, told);
            end;
            $b$;

            create function results_eq(%1$s, %2$s) returns text
            language plpgsql
            as 'begin return @extschema@.results_eq($1, $2, null); end';

            create function results_ne(%1$s, %2$s, text) returns text
            language plpgsql
            as $b$
            declare
                told constant text := @extschema@.pgassay_difference(%3$s, %4$s);
            begin
                return @extschema@.pgassay_told(
                    told like '    Results %%', $3, case when told <> '' then told end
                );
            end;
            $b$;

            create function results_ne(%1$s, %2$s) returns text
            language plpgsql
            as 'begin return @extschema@.results_ne($1, $2, null); end';
            $f$,
            spec.have, spec.want, spec.have_made, spec.want_made
        );
    end loop;
end;
$generate$;

-- The rows of a statement or an array in a table of the session, and the types of its columns.
create function pgassay_kept(name text, statement text) returns text
language plpgsql
set client_min_messages = 'warning'
as $$
begin
    execute format('create temporary table %I as %s', name, @extschema@.pgassay_statement(statement));

    return (
        select '(' || string_agg(format_type(a.atttypid, null), ',' order by a.attnum) || ')'
        from pg_attribute as a
        where a.attrelid = to_regclass('pg_temp.' || name) and a.attnum > 0
    );
end;
$$;

create function pgassay_kept(name text, elements anyarray) returns text
language plpgsql
as $$
begin
    execute format('create temporary table %I as select unnest from unnest(%L::%s)', name, elements, pg_typeof(elements));

    return '(' || format_type((
        select a.atttypid from pg_attribute as a where a.attrelid = to_regclass('pg_temp.' || name) and a.attnum = 1
    ), null) || ')';
end;
$$;

-- The rows that a query of both tables gives, each on a line; empty without any.
create function pgassay_listed(heading text, query text) returns text
language plpgsql
as $$
declare
    line record;
    listed text := '';
begin
    for line in execute query loop
        listed := listed || E'\n        ' || line::text;
    end loop;

    return case when listed = '' then '' else E'\n    ' || heading || ' records:' || listed end;
end;
$$;

-- Compare the rows of two tables of the session, which are dropped: "all" counts equal ones.
create function pgassay_compared(how text, every text, have_types text, want_types text, description text) returns text
language plpgsql
as $$
declare
    have constant text := 'select * from pg_temp.pgassay_have';
    want constant text := 'select * from pg_temp.pgassay_want';
    told text := '';
begin
    if have_types <> want_types then
        told := format(E'\n    Columns differ between queries:\n        have: %s\n        want: %s', have_types, want_types);
    elsif how = 'hasnt' then
        told := @extschema@.pgassay_listed('Extra', have || ' intersect' || every || ' ' || want);
    else
        if how <> 'has' then
            told := @extschema@.pgassay_listed('Extra', have || ' except' || every || ' ' || want);
        end if;

        told := told || @extschema@.pgassay_listed('Missing', want || ' except' || every || ' ' || have);
    end if;

    drop table pg_temp.pgassay_have, pg_temp.pgassay_want;

    return case
        when how = 'ne' and have_types = want_types then @extschema@.ok(told <> '', description)
        else @extschema@.pgassay_told(told = '', description, substr(told, 2))
    end;
end;
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select f.name, f.every, h.how, w.type
        from
            (values ('set', ''), ('bag', ' all')) as f (name, every)
            cross join (values ('eq'), ('ne'), ('has'), ('hasnt')) as h (how)
            cross join (values ('text'), ('anyarray')) as w (type)
        where w.type = 'text' or h.how in ('eq', 'ne')
    loop
        execute format(
            $f$
            create function %1$I(text, %2$s, text) returns text
            language plpgsql
            as $b$
            begin
                return @extschema@.pgassay_compared(
                    %3$L, %4$L, @extschema@.pgassay_kept('pgassay_have', $1), @extschema@.pgassay_kept('pgassay_want', $2), $3
                );
            end;
            $b$;

            create function %1$I(text, %2$s) returns text
            language plpgsql
            as 'begin return @extschema@.%1$I($1, $2, null); end';
            $f$,
            spec.name || '_' || spec.how, spec.type, spec.how, spec.every
        );
    end loop;
end;
$generate$;

create function pgassay_rows(sql text) returns text
language plpgsql
as $$
begin
    return @extschema@.pgassay_listed('Unexpected', @extschema@.pgassay_statement(sql));
end;
$$;

create function is_empty(text, text) returns text
language plpgsql
as $$
declare
    listed constant text := @extschema@.pgassay_rows($1);
begin
    return @extschema@.pgassay_told(listed = '', $2, substr(listed, 2));
end;
$$;

create function is_empty(text) returns text
language sql
as $$ select @extschema@.is_empty($1, null) $$;

create function isnt_empty(text, text) returns text
language plpgsql
as $$
begin
    return @extschema@.ok(@extschema@.pgassay_rows($1) <> '', $2);
end;
$$;

create function isnt_empty(text) returns text
language sql
as $$ select @extschema@.isnt_empty($1, null) $$;

create function row_eq(text, anyelement, text) returns text
language plpgsql
as $$
declare
    have record;
begin
    execute @extschema@.pgassay_statement($1) into have;

    return @extschema@.pgassay_told(
        have is not distinct from $2,
        $3,
        '        have: ' || case when have is null and have::text ~ '^\(,*\)$' then 'NULL' else have::text end
        || E'\n        want: ' || coalesce($2::text, 'NULL')
    );
end;
$$;

create function row_eq(text, anyelement) returns text
language plpgsql
as $$ begin return @extschema@.row_eq($1, $2, null); end $$;

create function pg_version() returns text
language sql
as $$ select current_setting('server_version') $$;

create function pg_version_num() returns integer
language sql
as $$ select current_setting('server_version_num')::integer $$;

create function pgtap_version() returns numeric
language sql
as 'select 1.2';

-- From here on, what is in the catalog. A name of which the schema is not told is looked up as the caller would.

-- The name of something, with its schema where that is told.
create function pgassay_named(schema_name name, object name) returns text
language sql immutable
return coalesce(quote_ident(schema_name) || '.', '') || quote_ident(object);

create function pgassay_relation(kinds text, schema_name name, object name) returns oid
language sql stable
as $$
select c.oid
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where
    c.relname = object
    and strpos(kinds, c.relkind::text) > 0
    and case when schema_name is null then pg_table_is_visible(c.oid) else n.nspname = schema_name end
$$;

create function pgassay_type(kinds text, schema_name name, object name) returns oid
language sql stable
as $$
select t.oid
from pg_type as t
inner join pg_namespace as n on t.typnamespace = n.oid
left join pg_class as c on t.typrelid = c.oid
where
    t.typname = object
    and t.typisdefined
    and strpos(kinds, t.typtype::text) > 0
    and (c.oid is null or c.relkind = 'c')
    and case when schema_name is null then pg_type_is_visible(t.oid) else n.nspname = schema_name end
$$;

create function pgassay_constrained(kind text, schema_name name, table_name name) returns boolean
language sql stable
as $$
select exists (
    select
    from pg_constraint as k
    where k.contype::text = kind and k.conrelid = @extschema@.pgassay_relation('rpf', schema_name, table_name)
)
$$;

create function pgassay_is_there(kind text, schema_name name, object name) returns boolean
language plpgsql stable
as $$
begin
    return case kind
        when 'table' then @extschema@.pgassay_relation('rp', schema_name, object) is not null
        when 'partitioned' then @extschema@.pgassay_relation('p', schema_name, object) is not null
        when 'view' then @extschema@.pgassay_relation('v', schema_name, object) is not null
        when 'materialized view' then @extschema@.pgassay_relation('m', schema_name, object) is not null
        when 'sequence' then @extschema@.pgassay_relation('S', schema_name, object) is not null
        when 'foreign table' then @extschema@.pgassay_relation('f', schema_name, object) is not null
        when 'relation' then @extschema@.pgassay_relation('rpvmSfci', schema_name, object) is not null
        when 'composite' then @extschema@.pgassay_relation('c', schema_name, object) is not null
        when 'type' then @extschema@.pgassay_type('bcderm', schema_name, object) is not null
        when 'enum' then @extschema@.pgassay_type('e', schema_name, object) is not null
        when 'domain' then @extschema@.pgassay_type('d', schema_name, object) is not null
        when 'inherited' then exists (
            select from pg_inherits as i
            where i.inhparent = @extschema@.pgassay_relation('rp', schema_name, object)
        )
        when 'primary key' then @extschema@.pgassay_constrained('p', schema_name, object)
        when 'foreign key' then @extschema@.pgassay_constrained('f', schema_name, object)
        when 'unique' then @extschema@.pgassay_constrained('u', schema_name, object)
        when 'check' then @extschema@.pgassay_constrained('c', schema_name, object)
        when 'opclass' then exists (
            select
            from pg_opclass as o
            inner join pg_namespace as n on o.opcnamespace = n.oid
            where
                o.opcname = object
                and case when schema_name is null then pg_opclass_is_visible(o.oid) else n.nspname = schema_name end
        )
        when 'extension' then exists (
            select
            from pg_extension as e
            inner join pg_namespace as n on e.extnamespace = n.oid
            where e.extname = object and (schema_name is null or n.nspname = schema_name)
        )
        when 'schema' then exists (select from pg_namespace as n where n.nspname = object)
        when 'role' then exists (select from pg_roles as r where r.rolname = object)
        when 'user' then exists (select from pg_user as u where u.usename = object)
        when 'group' then exists (select from pg_group as g where g.groname = object)
        when 'language' then exists (select from pg_language as l where l.lanname = object)
        when 'tablespace' then exists (select from pg_tablespace as t where t.spcname = object)
    end;
end;
$$;

do $generate$
declare
    spec record;
begin
    -- variants: with how many of schema, name and description there is a function
    for spec in
        select
            v.function,
            v.kind,
            v.positive,
            a.arguments,
            a.described,
            case
                when v.kind = 'extension' and a.arguments = 'name, name'
                    then 'Extension %2$s should ' || v.said || ' in schema %3$s'
                else v.label || ' %1$s should ' || v.said
            end as label
        from (values
            ('has_table', 'table', 'Table', true, 'exist', '4'),
            ('hasnt_table', 'table', 'Table', false, 'not exist', '4'),
            ('has_view', 'view', 'View', true, 'exist', '4'),
            ('hasnt_view', 'view', 'View', false, 'not exist', '4'),
            ('has_materialized_view', 'materialized view', 'Materialized view', true, 'exist', '3'),
            ('hasnt_materialized_view', 'materialized view', 'Materialized view', false, 'not exist', '3'),
            ('has_relation', 'relation', 'Relation', true, 'exist', '3'),
            ('hasnt_relation', 'relation', 'Relation', false, 'not exist', '3'),
            ('has_sequence', 'sequence', 'Sequence', true, 'exist', '4'),
            ('hasnt_sequence', 'sequence', 'Sequence', false, 'not exist', '3'),
            ('has_foreign_table', 'foreign table', 'Foreign table', true, 'exist', '4'),
            ('hasnt_foreign_table', 'foreign table', 'Foreign table', false, 'not exist', '4'),
            ('has_composite', 'composite', 'Composite type', true, 'exist', '3'),
            ('hasnt_composite', 'composite', 'Composite type', false, 'not exist', '3'),
            ('has_type', 'type', 'Type', true, 'exist', '4'),
            ('hasnt_type', 'type', 'Type', false, 'not exist', '4'),
            ('has_enum', 'enum', 'Enum', true, 'exist', '4'),
            ('hasnt_enum', 'enum', 'Enum', false, 'not exist', '4'),
            ('has_domain', 'domain', 'Domain', true, 'exist', '4'),
            ('hasnt_domain', 'domain', 'Domain', false, 'not exist', '4'),
            ('has_opclass', 'opclass', 'Operator class', true, 'exist', '4'),
            ('hasnt_opclass', 'opclass', 'Operator class', false, 'not exist', '4'),
            ('has_extension', 'extension', 'Extension', true, 'exist', '4'),
            ('hasnt_extension', 'extension', 'Extension', false, 'not exist', '4'),
            ('has_inherited_tables', 'inherited', 'Table', true, 'have descendents', '4'),
            ('hasnt_inherited_tables', 'inherited', 'Table', false, 'not have descendents', '4'),
            ('is_partitioned', 'partitioned', 'Table', true, 'be partitioned', '4'),
            ('isnt_partitioned', 'partitioned', 'Table', false, 'not be partitioned', '4'),
            ('has_pk', 'primary key', 'Table', true, 'have a primary key', '3'),
            ('hasnt_pk', 'primary key', 'Table', false, 'not have a primary key', '3'),
            ('has_fk', 'foreign key', 'Table', true, 'have a foreign key constraint', '3'),
            ('hasnt_fk', 'foreign key', 'Table', false, 'not have a foreign key constraint', '3'),
            ('has_unique', 'unique', 'Table', true, 'have a unique constraint', '3'),
            ('has_check', 'check', 'Table', true, 'have a check constraint', '3'),
            ('has_schema', 'schema', 'Schema', true, 'exist', '2'),
            ('hasnt_schema', 'schema', 'Schema', false, 'not exist', '2'),
            ('has_role', 'role', 'Role', true, 'exist', '2'),
            ('hasnt_role', 'role', 'Role', false, 'not exist', '2'),
            ('has_user', 'user', 'User', true, 'exist', '2'),
            ('hasnt_user', 'user', 'User', false, 'not exist', '2'),
            ('has_group', 'group', 'Group', true, 'exist', '2'),
            ('hasnt_group', 'group', 'Group', false, 'not exist', '2'),
            ('has_language', 'language', 'Procedural language', true, 'exist', '2'),
            ('hasnt_language', 'language', 'Procedural language', false, 'not exist', '2'),
            ('has_tablespace', 'tablespace', 'Tablespace', true, 'exist', '2'),
            ('hasnt_tablespace', 'tablespace', 'Tablespace', false, 'not exist', '2')
        ) as v (function, kind, label, positive, said, variants)
        inner join (values
            ('name, name, text', '34', '$3'),
            ('name, name', '4', null),
            ('name, text', '234', '$2'),
            ('name', '234', null)
        ) as a (arguments, variants, described) on strpos(a.variants, v.variants) > 0
    loop
        execute format(
            'create function %I(%s) returns text language sql as %L',
            spec.function,
            case when spec.kind = 'unique' then replace(spec.arguments, 'name', 'text') else spec.arguments end,
            format(
                'select @extschema@.ok(%s @extschema@.pgassay_is_there(%L, %s), %s)',
                case when spec.positive then '' else 'not' end,
                spec.kind,
                case when spec.arguments like 'name, name%' then '$1::name, $2::name' else 'null, $1::name' end,
                coalesce(spec.described, case spec.arguments
                    when 'name' then format('format(%L, quote_ident($1))', spec.label)
                    else format(
                        'format(%L, @extschema@.pgassay_named($1, $2), quote_ident($2), quote_ident($1))', spec.label
                    )
                end)
            )
        );
    end loop;
end;
$generate$;

-- Names in an order that no locale changes.
create function pgassay_lines(names text[]) returns text
language sql immutable
return (
    select string_agg('        ' || w.name, E'\n' order by w.name collate "C") from unnest(names) as w (name)
);

-- Whether two lists name the same, told by what there is too much and too little.
create function pgassay_same(what text, have text[], want text[], description text) returns text
language plpgsql
as $$
declare
    extra constant text[] := array(select unnest(have) except select unnest(want));
    missing constant text[] := array(select unnest(want) except select unnest(have));
begin
    return @extschema@.pgassay_told(
        extra = '{}' and missing = '{}',
        description,
        concat_ws(
            E'\n',
            '    Extra ' || what || E':\n' || @extschema@.pgassay_lines(extra),
            '    Missing ' || what || E':\n' || @extschema@.pgassay_lines(missing)
        )
    );
end;
$$;

create function pgassay_quoted(names name[]) returns text[]
language sql immutable
return array(select quote_ident(w.name) from unnest(names) as w (name));

-- The names of all of a kind, of one schema or of all that are searched but the system's.
create function pgassay_all(kind text, schema_name name) returns text[]
language plpgsql stable
as $$
begin
    return array(
        select distinct quote_ident(f.name)
        from (
            select
                case c.relkind
                    when 'r' then 'tables' when 'p' then 'tables' when 'v' then 'views' when 'S' then 'sequences'
                    when 'm' then 'materialized views' when 'f' then 'foreign tables'
                end as kind,
                c.relname as name, c.relnamespace as schema, pg_table_is_visible(c.oid) as visible
            from pg_class as c
            union all
            select k.kind, t.typname, t.typnamespace, pg_type_is_visible(t.oid)
            from pg_type as t
            left join pg_class as c on t.typrelid = c.oid
            inner join (values ('types', 'bcderm'), ('enums', 'e'), ('domains', 'd')) as k (kind, types)
                on strpos(k.types, t.typtype::text) > 0
            where t.typelem = 0 and (c.oid is null or c.relkind = 'c')
            union all
            select 'functions', p.proname, p.pronamespace, pg_function_is_visible(p.oid) from pg_proc as p
            union all
            select 'extensions', e.extname, e.extnamespace, true from pg_extension as e
            union all
            select 'operator classes', o.opcname, o.opcnamespace, pg_opclass_is_visible(o.oid) from pg_opclass as o
        ) as f
        inner join pg_namespace as n on f.schema = n.oid
        where
            f.kind = pgassay_all.kind
            and case
                when schema_name is not null then n.nspname = schema_name
                when f.kind = 'extensions' then true
                else f.visible and n.nspname not in ('pg_catalog', 'information_schema')
            end
    );
end;
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select *
        from (values
            ('tables_are', 'tables', 'tables'),
            ('views_are', 'views', 'views'),
            ('materialized_views_are', 'materialized views', 'Materialized views'),
            ('sequences_are', 'sequences', 'sequences'),
            ('foreign_tables_are', 'foreign tables', 'foreign tables'),
            ('types_are', 'types', 'types'),
            ('enums_are', 'enums', 'types'),
            ('domains_are', 'domains', 'types'),
            ('functions_are', 'functions', 'functions'),
            ('extensions_are', 'extensions', 'extensions'),
            ('opclasses_are', 'operator classes', 'operator classes')
        ) as v (function, kind, what)
    loop
        execute format(
            $f$
            create function %1$I(name, name[], text) returns text
            language sql
            as $b$
            select @extschema@.pgassay_same(
                %3$L, @extschema@.pgassay_all(%2$L, $1), @extschema@.pgassay_quoted($2), $3
            )
            $b$;

            create function %1$I(name, name[]) returns text
            language sql
            as $b$
            select @extschema@.%1$I($1, $2, 'Schema ' || quote_ident($1) || ' should have the correct ' || %2$L)
            $b$;

            create function %1$I(name[], text) returns text
            language sql
            as $b$
            select @extschema@.pgassay_same(
                %3$L, @extschema@.pgassay_all(%2$L, null), @extschema@.pgassay_quoted($1), $2
            )
            $b$;

            create function %1$I(name[]) returns text
            language sql
            as $b$
            select @extschema@.%1$I(
                $1,
                case
                    when %2$L = 'extensions' then 'Should have the correct extensions'
                    else 'Search path ' || current_setting('search_path') || ' should have the correct ' || %2$L
                end
            )
            $b$;
            $f$,
            spec.function, spec.kind, spec.what
        );
    end loop;

    for spec in
        select *
        from (values
            ('roles', 'select r.rolname from pg_roles as r'),
            ('users', 'select u.usename from pg_user as u'),
            ('groups', 'select g.groname from pg_group as g'),
            ('languages', 'select l.lanname from pg_language as l where l.lanispl'),
            ('tablespaces', 'select t.spcname from pg_tablespace as t'),
            ('schemas', 'select n.nspname from pg_namespace as n where n.nspname !~ ''^(pg_|information_schema$)''')
        ) as v (what, query)
    loop
        execute format(
            $f$
            create function %1$I(name[], text) returns text
            language sql
            as $b$
            select @extschema@.pgassay_same(
                %2$L, @extschema@.pgassay_quoted(array(%3$s)), @extschema@.pgassay_quoted($1), $2
            )
            $b$;

            create function %1$I(name[]) returns text
            language sql
            as $b$ select @extschema@.%1$I($1, 'There should be the correct ' || %2$L) $b$;
            $f$,
            spec.what || '_are', spec.what, spec.query
        );
    end loop;
end;
$generate$;

-- A function for each way in which something of a table may be named. "template" has a body, in which %1$s stands for
-- the schema or null, %2$s for the table, %3$s for the column, or what else it is, and %4$s for the description.
create function pgassay_of_tables(
    function name, third text, more text, template text, described text, variants text[]
) returns void
language plpgsql
as $$
declare
    variant text;
    first integer;
    taken integer := case when more = '' then 0 else array_length(string_to_array(more, ','), 1) end;
begin
    foreach variant in array variants loop
        first := case when variant like 'schema%' then 2 else 1 end;
        execute format(
            'create function %I(%s) returns text language plpgsql as %L',
            function,
            case when first = 2 then 'name, ' else '' end || 'name, ' || third
            || case when more = '' then '' else ', ' || more end
            || case when variant like '%described' then ', text' else '' end,
            'begin return '
            || format(
                template,
                case when first = 2 then '$1' else 'null' end,
                '$' || first,
                '$' || (first + 1),
                case
                    when variant like '%described' then '$' || (first + 2 + taken)
                    else format(
                        described, case when first = 2 then '$1' else 'null' end, '$' || first, '$' || (first + 1),
                        '', '$' || (first + 2), '$' || (first + 3)
                    )
                end,
                '$' || (first + 2),
                '$' || (first + 3)
            )
            || '; end'
        );
    end loop;
end;
$$;

create function pgassay_attribute(schema_name name, table_name name, column_name name) returns pg_attribute
language sql stable
as $$
select a
from pg_attribute as a
where
    a.attrelid = @extschema@.pgassay_relation('rpvmfc', schema_name, table_name)
    and a.attname = column_name
    and a.attnum > 0
    and not a.attisdropped
$$;

create function pgassay_column(schema_name name, table_name name, column_name name) returns text
language sql immutable
return @extschema@.pgassay_named(schema_name, table_name) || '.' || quote_ident(column_name);

-- The result of a test of a column, which fails where there is none.
create function pgassay_of_column(
    passed boolean, schema_name name, table_name name, column_name name, description text
) returns text
language sql
as $$
select case
    when @extschema@.pgassay_attribute(schema_name, table_name, column_name) is null
        then @extschema@.pgassay_told(
            false,
            description,
            '    Column ' || @extschema@.pgassay_column(schema_name, table_name, column_name) || ' does not exist'
        )
    else @extschema@.ok(passed, description)
end
$$;

do $generate$
declare
    spec record;
    every constant text[] := array['schema described', 'described', ''];
begin
    for spec in
        select *
        from (values
            ('has_column', '@extschema@.ok((%1$s).attnum is not null, %2$s)', 'exist'),
            ('hasnt_column', '@extschema@.ok((%1$s).attnum is null, %2$s)', 'not exist'),
            ('col_has_default', '@extschema@.pgassay_of_column((%1$s).atthasdef, %3$s, %2$s)', 'have a default'),
            ('col_hasnt_default', '@extschema@.pgassay_of_column(not (%1$s).atthasdef, %3$s, %2$s)', 'not have a default')
        ) as v (function, template, said)
    loop
        perform @extschema@.pgassay_of_tables(
            spec.function,
            'name',
            '',
            format(
                spec.template,
                '@extschema@.pgassay_attribute(%1$s, %2$s, %3$s)', '%4$s', '%1$s, %2$s, %3$s'
            ),
            '''Column '' || @extschema@.pgassay_column(%1$s, %2$s, %3$s) || '' should ' || spec.said || '''',
            every
        );
    end loop;

    for spec in
        select *
        from (values ('col_not_null', '', 'be NOT NULL'), ('col_is_null', 'not', 'allow NULL')) as v (function, negated, said)
    loop
        execute format(
            $f$
            create function %1$I(
                schema_name name, table_name name, column_name name, description text default null
            ) returns text
            language sql
            as $b$
            select @extschema@.pgassay_of_column(
                %2$s (@extschema@.pgassay_attribute($1, $2, $3)).attnotnull, $1, $2, $3,
                coalesce($4, 'Column ' || @extschema@.pgassay_column($1, $2, $3) || ' should %3$s')
            )
            $b$;

            create function %1$I(table_name name, column_name name, description text default null) returns text
            language sql
            as $b$
            select @extschema@.pgassay_of_column(
                %2$s (@extschema@.pgassay_attribute(null, $1, $2)).attnotnull, null, $1, $2,
                coalesce($3, 'Column ' || @extschema@.pgassay_column(null, $1, $2) || ' should %3$s')
            )
            $b$;
            $f$,
            spec.function, spec.negated, spec.said
        );
    end loop;
end;
$generate$;

-- A default that is a value is compared as a value of the column's type, another one as it is written.
create function pgassay_default_is(
    schema_name name, table_name name, column_name name, want text, description text
) returns text
language plpgsql
as $$
declare
    has constant pg_attribute := @extschema@.pgassay_attribute(schema_name, table_name, column_name);
    written constant text := (
        select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef as d where d.adrelid = has.attrelid and d.adnum = has.attnum
    );
    type constant text := format_type(has.atttypid, has.atttypmod);
    found text := written;
    wanted text := want;
begin
    if has is null or not has.atthasdef then
        return @extschema@.pgassay_told(
            false,
            description,
            '    Column ' || @extschema@.pgassay_column(schema_name, table_name, column_name)
            || case when has is null then ' does not exist' else ' has no default' end
        );
    end if;

    if written !~ '^[^'']*[(]' then
        execute format('select (%s)::%s::text, %L::%s::text', written, type, want, type) into found, wanted;
    end if;

    return @extschema@.pgassay_is(found, wanted, description);
end;
$$;

do $generate$
declare
    type text;
begin
    foreach type in array array['anyelement', 'text'] loop
        perform @extschema@.pgassay_of_tables(
            'col_default_is',
            'name',
            type,
            '@extschema@.pgassay_default_is(%1$s, %2$s, %3$s, %5$s::text, %4$s)',
            '''Column '' || @extschema@.pgassay_column(%1$s, %2$s, %3$s) || '' should default to '' '
            '|| coalesce(quote_literal(%5$s::text), ''NULL'')',
            array['schema described', 'described', '']
        );
    end loop;
end;
$generate$;

create function pgassay_type_is(
    schema_name name, table_name name, column_name name, type_schema name, type_name text, description text
) returns text
language plpgsql
as $$
declare
    has constant pg_attribute := @extschema@.pgassay_attribute(schema_name, table_name, column_name);
    home constant name := (
        select n.nspname from pg_type as t inner join pg_namespace as n on t.typnamespace = n.oid where t.oid = has.atttypid
    );
    written constant text := format_type(has.atttypid, has.atttypmod);
    bare constant text := case
        when starts_with(written, quote_ident(home) || '.') then substr(written, length(quote_ident(home)) + 2)
        else written
    end;
begin
    if has is null then
        return @extschema@.pgassay_told(
            false,
            description,
            '   Column ' || @extschema@.pgassay_column(schema_name, table_name, column_name) || ' does not exist'
        );
    end if;

    return case
        when type_schema is null then @extschema@.pgassay_is(written, type_name, description)
        else @extschema@.pgassay_is(
            quote_ident(home) || '.' || bare, quote_ident(type_schema) || '.' || type_name, description
        )
    end;
end;
$$;

do $generate$
begin
    perform @extschema@.pgassay_of_tables(
        'col_type_is', 'name', 'text',
        '@extschema@.pgassay_type_is(%1$s, %2$s, %3$s, null, %5$s, %4$s)',
        '''Column '' || @extschema@.pgassay_column(%1$s, %2$s, %3$s) || '' should be type '' || %5$s',
        array['schema described', 'schema', 'described', '']
    ),
    @extschema@.pgassay_of_tables(
        'col_type_is', 'name', 'name, text',
        '@extschema@.pgassay_type_is(%1$s, %2$s, %3$s, %5$s, %6$s, %4$s)',
        '''Column '' || @extschema@.pgassay_column(%1$s, %2$s, %3$s) || '' should be type '' || quote_ident(%5$s) || ''.'' || %6$s',
        array['schema described', 'schema']
    ),
    @extschema@.pgassay_of_tables(
        'columns_are', 'name[]', '',
        '@extschema@.pgassay_same(''columns'', array('
        'select quote_ident(a.attname) from pg_attribute as a '
        'where a.attrelid = @extschema@.pgassay_relation(''rpvmfc'', %1$s, %2$s) and a.attnum > 0 and not a.attisdropped'
        '), @extschema@.pgassay_quoted(%3$s), %4$s)',
        '''Table '' || @extschema@.pgassay_named(%1$s, %2$s) || '' should have the correct columns''',
        array['schema described', 'schema', 'described', '']
    );
end;
$generate$;

-- The columns of each constraint of a kind, in the order in which it has them.
create function pgassay_keys(kind text, schema_name name, table_name name) returns setof name[]
language sql stable
as $$
select array(
    select a.attname
    from unnest(k.conkey) with ordinality as c (number, place)
    inner join pg_attribute as a on a.attnum = c.number and a.attrelid = k.conrelid
    order by c.place
)
from pg_constraint as k
where k.contype::text = kind and k.conrelid = @extschema@.pgassay_relation('rpf', schema_name, table_name)
order by 1
$$;

create function pgassay_listed_columns(columns name[]) returns text
language sql immutable
return array_to_string(@extschema@.pgassay_quoted(columns), ', ');

create function pgassay_column_is(
    kind text, positive boolean, schema_name name, table_name name, columns name[], description text
) returns text
language plpgsql
as $$
declare
    there constant boolean := exists (
        select from @extschema@.pgassay_keys(kind, schema_name, table_name) as k (columns)
        where k.columns = pgassay_column_is.columns
    );
    all_keys constant text[] := array(
        select k.columns::text from @extschema@.pgassay_keys(kind, schema_name, table_name) as k (columns)
    );
begin
    if kind = 'p' and not positive then
        return @extschema@.pgassay_told(
            not there,
            description,
            '        have: ' || coalesce(all_keys[1], 'NULL') || E'\n        want: anything else'
        );
    elsif kind = 'p' then
        return @extschema@.pgassay_is(all_keys[1], columns::text, description);
    elsif kind = 'f' then
        return @extschema@.pgassay_told(
            there = positive,
            description,
            case
                when not positive then null
                when all_keys = '{}'
                    then '    Table ' || @extschema@.pgassay_named(schema_name, table_name) || ' has no foreign key columns'
                else '    Table ' || @extschema@.pgassay_named(schema_name, table_name)
                    || E' has foreign key constraints on these columns:\n        '
                    || (
                        select string_agg(@extschema@.pgassay_listed_columns(k.columns), E'\n        ')
                        from @extschema@.pgassay_keys(kind, schema_name, table_name) as k (columns)
                    )
            end
        );
    end if;

    return @extschema@.pgassay_told(
        there,
        description,
        '        have: ' || array_to_string(all_keys, E'\n              ') || E'\n        want: ' || columns::text
    );
end;
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select *
        from (values
            ('col_is_pk', 'p', 'true', 'be a primary key'),
            ('col_isnt_pk', 'p', 'false', 'not be a primary key'),
            ('col_is_fk', 'f', 'true', 'be a foreign key'),
            ('col_isnt_fk', 'f', 'false', 'not be a foreign key'),
            ('col_is_unique', 'u', 'true', 'have a unique constraint'),
            ('col_has_check', 'c', 'true', 'have a check constraint')
        ) as v (function, kind, positive, said)
        cross join (values ('name', 'array[%3$s]'), ('name[]', '%3$s')) as t (type, made)
    loop
        perform @extschema@.pgassay_of_tables(
            spec.function,
            spec.type,
            '',
            format('@extschema@.pgassay_column_is(%L, %s, %%1$s, %%2$s, %s, %%4$s)', spec.kind, spec.positive, spec.made),
            'case when cardinality(' || spec.made || ') = 1 then ''Column '' else ''Columns '' end || quote_ident(%2$s) '
            '|| ''('' || @extschema@.pgassay_listed_columns(' || spec.made || ') || '') should ' || spec.said || '''',
            array['schema described', 'described', '']
            || case when spec.function = 'col_is_unique' then array['schema'] else '{}' end
        );
    end loop;
end;
$generate$;

create function pgassay_reference(
    schema_name name, table_name name, columns name[], there_schema name, there name, there_columns name[]
) returns text
language sql immutable
return @extschema@.pgassay_named(schema_name, table_name) || '(' || @extschema@.pgassay_listed_columns(columns)
    || ') REFERENCES ' || coalesce(
        @extschema@.pgassay_named(there_schema, there)
        || '(' || @extschema@.pgassay_listed_columns(there_columns) || ')',
        'NOTHING'
    );

create function pgassay_fk_ok(
    schema_name name, table_name name, columns name[], there_schema name, there name, there_columns name[],
    description text
) returns text
language plpgsql
as $$
declare
    found record;
begin
    select
        n.nspname,
        c.relname,
        array(
            select a.attname
            from unnest(k.confkey) with ordinality as u (number, place)
            inner join pg_attribute as a on a.attnum = u.number and a.attrelid = k.confrelid
            order by u.place
        ) as columns
    into found
    from pg_constraint as k
    inner join pg_class as c on k.confrelid = c.oid
    inner join pg_namespace as n on c.relnamespace = n.oid
    where
        k.contype = 'f'
        and k.conrelid = @extschema@.pgassay_relation('rpf', schema_name, table_name)
        and pgassay_fk_ok.columns = array(
            select a.attname
            from unnest(k.conkey) with ordinality as u (number, place)
            inner join pg_attribute as a on a.attnum = u.number and a.attrelid = k.conrelid
            order by u.place
        );

    return @extschema@.pgassay_is(
        @extschema@.pgassay_reference(
            schema_name, table_name, columns,
            case when there_schema is null then null else found.nspname end, found.relname, found.columns
        ),
        @extschema@.pgassay_reference(schema_name, table_name, columns, there_schema, there, there_columns),
        coalesce(
            description,
            replace(
                @extschema@.pgassay_reference(schema_name, table_name, columns, there_schema, there, there_columns),
                ' REFERENCES ',
                ' should reference '
            )
        )
    );
end;
$$;

create function fk_ok(name, name, name[], name, name, name[], text) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok($1, $2, $3, $4, $5, $6, $7) $$;

create function fk_ok(name, name, name[], name, name, name[]) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok($1, $2, $3, $4, $5, $6, null) $$;

create function fk_ok(name, name[], name, name[], text) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok(null, $1, $2, null, $3, $4, $5) $$;

create function fk_ok(name, name[], name, name[]) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok(null, $1, $2, null, $3, $4, null) $$;

create function fk_ok(name, name, name, name, name, name, text) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok($1, $2, array[$3], $4, $5, array[$6], $7) $$;

create function fk_ok(name, name, name, name, name, text) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok($1, $2, array[$3], $4, $5, array[$6::name], null) $$;

create function fk_ok(name, name, name, name, text) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok(null, $1, array[$2], null, $3, array[$4], $5) $$;

create function fk_ok(name, name, name, name) returns text
language sql
as $$ select @extschema@.pgassay_fk_ok(null, $1, array[$2], null, $3, array[$4], null) $$;

create function pgassay_index(schema_name name, table_name name, index_name name) returns pg_index
language sql stable
as $$
select i
from pg_index as i
inner join pg_class as c on i.indexrelid = c.oid
where
    c.relname = index_name
    and case
        when table_name is null then pg_table_is_visible(c.oid)
        else i.indrelid = @extschema@.pgassay_relation('rpm', schema_name, table_name)
    end
$$;

create function pgassay_indexed(index_oid oid) returns text[]
language sql stable
as $$
select array_agg(pg_get_indexdef(i.indexrelid, n.number, false) order by n.number)
from pg_index as i
cross join generate_series(1, i.indnkeyatts::integer) as n (number)
where i.indexrelid = index_oid
$$;

create function pgassay_has_index(
    schema_name name, table_name name, index_name name, columns name[], description text
) returns text
language plpgsql
as $$
declare
    found constant oid := (@extschema@.pgassay_index(schema_name, table_name, index_name)).indexrelid;
    place constant text := quote_ident(index_name) || ' ON ' || @extschema@.pgassay_named(schema_name, table_name);
    have constant text := array_to_string(@extschema@.pgassay_indexed(found), ', ');
    want constant text := array_to_string(columns, ', ');
begin
    return case
        when columns is null then @extschema@.ok(found is not null, description)
        when found is null then @extschema@.pgassay_told(false, description, 'Index ' || place || ' not found')
        else @extschema@.pgassay_is(place || '(' || have || ')', place || '(' || want || ')', description)
    end;
end;
$$;

-- A first name is that of a schema where there is such a one.
create function pgassay_has_index(one name, two name, three name, description text) returns text
language sql
as $$
select case
    when to_regnamespace(quote_ident(one)) is not null
        then @extschema@.pgassay_has_index(one, two, three, null, description)
    else @extschema@.pgassay_has_index(null, one, two, array[three], description)
end
$$;

create function has_index(name, name, name, name[], text) returns text
language sql
as $$ select @extschema@.pgassay_has_index($1, $2, $3, $4, $5) $$;

create function has_index(name, name, name, name[]) returns text
language sql
as $$ select @extschema@.pgassay_has_index($1, $2, $3, $4, 'Index ' || quote_ident($3) || ' should exist') $$;

create function has_index(name, name, name, name, text) returns text
language sql
as $$ select @extschema@.pgassay_has_index($1, $2, $3, array[$4], $5) $$;

create function has_index(name, name, name, name) returns text
language sql
as $$ select @extschema@.pgassay_has_index($1, $2, $3, array[$4], 'Index ' || quote_ident($3) || ' should exist') $$;

create function has_index(name, name, name[], text) returns text
language sql
as $$ select @extschema@.pgassay_has_index(null, $1, $2, $3, $4) $$;

create function has_index(name, name, name[]) returns text
language sql
as $$ select @extschema@.pgassay_has_index(null, $1, $2, $3, 'Index ' || quote_ident($2) || ' should exist') $$;

create function has_index(name, name, name, text) returns text
language sql
as $$ select @extschema@.pgassay_has_index($1, $2, $3, $4) $$;

create function has_index(name, name, name) returns text
language sql
as $$
select @extschema@.pgassay_has_index(
    $1, $2, $3,
    'Index ' || quote_ident(case when to_regnamespace(quote_ident($1)) is null then $2 else $3 end) || ' should exist'
)
$$;

create function has_index(name, name, text) returns text
language sql
as $$ select @extschema@.pgassay_has_index(null, $1, $2, null, $3) $$;

create function has_index(name, name) returns text
language sql
as $$ select @extschema@.pgassay_has_index(null, $1, $2, null, 'Index ' || quote_ident($2) || ' should exist') $$;

create function pgassay_indexes(schema_name name, table_name name) returns setof oid
language sql stable
as $$
select i.indexrelid from pg_index as i where i.indrelid = @extschema@.pgassay_relation('rpm', schema_name, table_name)
$$;

create function pgassay_is_indexed(
    schema_name name, table_name name, columns name[], description text
) returns text
language sql
as $$
select @extschema@.ok(
    exists (
        select from @extschema@.pgassay_indexes(schema_name, table_name) as i (oid)
        where @extschema@.pgassay_indexed(i.oid) = @extschema@.pgassay_quoted(columns)
    ),
    description
)
$$;

create function is_indexed(name, name) returns text
language sql
as $$ select @extschema@.pgassay_is_indexed(null, $1, array[$2], null) $$;

do $generate$
declare
    spec record;
    named constant text := '@extschema@.pgassay_named(%1$s, %2$s)';
begin
    perform @extschema@.pgassay_of_tables(
        'hasnt_index', 'name', '',
        '@extschema@.ok((@extschema@.pgassay_index(%1$s, %2$s, %3$s)).indexrelid is null, %4$s)',
        '''Index '' || quote_ident(%3$s) || '' should not exist''',
        array['schema described', 'schema', 'described', '']
    ),
    @extschema@.pgassay_of_tables(
        'is_indexed', 'name[]', '',
        '@extschema@.pgassay_is_indexed(%1$s, %2$s, %3$s, %4$s)',
        '''Should have an index on '' || ' || named || ' || ''('' || array_to_string(%3$s, '', '') || '')''',
        array['schema described', 'schema', 'described', '']
    ),
    @extschema@.pgassay_of_tables(
        'is_indexed', 'name', '',
        '@extschema@.pgassay_is_indexed(%1$s, %2$s, array[%3$s], %4$s)',
        '''Should have an index on '' || ' || named || ' || ''('' || quote_ident(%3$s) || '')''',
        array['schema described', 'schema']
    ),
    @extschema@.pgassay_of_tables(
        'indexes_are', 'name[]', '',
        '@extschema@.pgassay_same(''indexes'', array('
        'select quote_ident(c.relname) from pg_class as c '
        'where c.oid in (select @extschema@.pgassay_indexes(%1$s, %2$s))), @extschema@.pgassay_quoted(%3$s), %4$s)',
        '''Table '' || ' || named || ' || '' should have the correct indexes''',
        array['schema described', 'schema', 'described', '']
    ),
    @extschema@.pgassay_of_tables(
        'index_is_type', 'name', 'name',
        '@extschema@.pgassay_is((select m.amname::text from pg_class as c inner join pg_am as m on c.relam = m.oid '
        'where c.oid = (@extschema@.pgassay_index(%1$s, %2$s, %3$s)).indexrelid), %5$s, %4$s)',
        '''Index '' || quote_ident(%3$s) || '' should be a '' || quote_ident(%5$s) || '' index''',
        array['schema described', 'schema', '']
    );

    execute $f$
        create function index_is_type(name, name) returns text
        language sql
        as $b$ select @extschema@.index_is_type(null::name, null::name, $1, $2) $b$
    $f$;

    for spec in
        select *
        from (values
            ('index_is_unique', 'indisunique', '''Index '' || quote_ident(%3$s) || '' should be unique'''),
            ('index_is_primary', 'indisprimary', '''Index '' || quote_ident(%3$s) || '' should be on a primary key'''),
            (
                'is_clustered',
                'indisclustered',
                '''Table '' || ' || named || ' || '' should be clustered on index '' || quote_ident(%3$s)'
            )
        ) as v (function, flag, said)
    loop
        perform @extschema@.pgassay_of_tables(
            spec.function,
            'name',
            '',
            '@extschema@.ok(coalesce((@extschema@.pgassay_index(%1$s, %2$s, %3$s)).' || spec.flag || ', false), %4$s)',
            spec.said,
            array['schema described', 'schema', '']
        );
        execute format(
            'create function %1$I(name) returns text language sql as $b$ select @extschema@.ok('
            'coalesce((@extschema@.pgassay_index(null, null, $1)).%2$I, false), %3$s) $b$',
            spec.function,
            spec.flag,
            case
                when spec.function = 'is_clustered'
                    then '''Table should be clustered on index '' || quote_ident($1)'
                else format(spec.said, '', '', '$1')
            end
        );
    end loop;
end;
$generate$;

-- A function, by its arguments if these are told, else one of those that have its name; null without any.
create function pgassay_function(schema_name name, function_name name, arguments name[]) returns pg_proc
language sql stable
as $$
select p
from pg_proc as p
inner join pg_namespace as n on p.pronamespace = n.oid
where
    p.proname = function_name
    and case when schema_name is null then pg_function_is_visible(p.oid) else n.nspname = schema_name end
    and (
        arguments is null
        or array(select t.type from unnest(p.proargtypes::oid[]) with ordinality as t (type, place) order by t.place)
        = array(
            select to_regtype(a.name::text)::oid from unnest(arguments) with ordinality as a (name, place) order by a.place
        )
    )
order by p.oid
limit 1
$$;

create function pgassay_called(schema_name name, function_name name, arguments name[]) returns text
language sql immutable
return @extschema@.pgassay_named(schema_name, function_name) || '(' || coalesce(array_to_string(arguments, ', '), '') || ')';

create function pgassay_volatility(text) returns text
language sql immutable
return case lower(left($1, 1)) when 'i' then 'IMMUTABLE' when 's' then 'STABLE' when 'v' then 'VOLATILE' else $1 end;

create function pgassay_function_is(
    what text, positive boolean, schema_name name, function_name name, arguments name[], want text, description text
) returns text
language plpgsql
as $$
declare
    found constant pg_proc := @extschema@.pgassay_function(schema_name, function_name, arguments);
    lacks constant text
    := '    Function ' || @extschema@.pgassay_called(schema_name, function_name, arguments) || ' does not exist';
begin
    if what = 'there' then
        return @extschema@.ok((found.oid is not null) = positive, description);
    elsif what = 'definer' then
        return @extschema@.ok(found.prosecdef = positive, description);
    elsif what = 'strict' then
        return @extschema@.ok(found.proisstrict = positive, description);
    elsif found.oid is null then
        return @extschema@.pgassay_told(false, description, lacks);
    end if;

    return case what
        when 'language' then @extschema@.pgassay_is(
            (select l.lanname::text from pg_language as l where l.oid = found.prolang), want, description
        )
        when 'returns' then @extschema@.pgassay_is(
            case when found.proretset then 'setof ' else '' end || format_type(found.prorettype, null), want, description
        )
        when 'volatility' then @extschema@.pgassay_is(
            @extschema@.pgassay_volatility(found.provolatile::text), @extschema@.pgassay_volatility(want), description
        )
        when 'owner' then @extschema@.pgassay_is(pg_get_userbyid(found.proowner)::text, want, description)
        else @extschema@.ok((found.prokind::text = what) = positive, description)
    end;
end;
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select
            v.function,
            v.what,
            v.positive,
            v.said,
            v.wanted,
            s.arguments || a.arguments || case when v.wanted = '' then '' else ', ' || v.wanted end || d.arguments
                as arguments,
            case when s.taken = 1 then '$1' else 'null' end as schema,
            '$' || (s.taken + 1) as name,
            case when a.taken = 1 then '$' || (s.taken + 2) else 'null' end as types,
            case when v.wanted = '' then 'null' else '$' || (s.taken + a.taken + 2) end as want,
            case when d.arguments <> '' then '$' || (s.taken + a.taken + 2 + (v.wanted <> '')::integer) end as described
        from (values
            ('has_function', 'there', true, 'exist', ''),
            ('hasnt_function', 'there', false, 'not exist', ''),
            ('is_definer', 'definer', true, 'be security definer', ''),
            ('isnt_definer', 'definer', false, 'not be security definer', ''),
            ('is_strict', 'strict', true, 'be strict', ''),
            ('isnt_strict', 'strict', false, 'not be strict', ''),
            ('is_aggregate', 'a', true, 'be an aggregate function', ''),
            ('isnt_aggregate', 'a', false, 'not be an aggregate function', ''),
            ('is_procedure', 'p', true, 'be a procedure', ''),
            ('isnt_procedure', 'p', false, 'not be a procedure', ''),
            ('is_normal_function', 'f', true, 'be a normal function', ''),
            ('isnt_normal_function', 'f', false, 'not be a normal function', ''),
            ('is_window', 'w', true, 'be a window function', ''),
            ('isnt_window', 'w', false, 'not be a window function', ''),
            ('function_lang_is', 'language', true, 'be written in ', 'name'),
            ('function_returns', 'returns', true, 'return ', 'text'),
            ('volatility_is', 'volatility', true, 'be ', 'text'),
            ('function_owner_is', 'owner', true, 'be owned by ', 'name')
        ) as v (function, what, positive, said, wanted)
        cross join (values ('name, name', 1), ('name', 0)) as s (arguments, taken)
        cross join (values (', name[]', 1), ('', 0)) as a (arguments, taken)
        cross join (values (', text'), ('')) as d (arguments)
        where v.what <> 'owner' or a.taken = 1
    loop
        execute format(
            'create function %I(%s) returns text language sql as %L',
            spec.function,
            spec.arguments,
            format(
                'select @extschema@.pgassay_function_is(%L, %L, %s, %s, %s, %s, %s)',
                spec.what,
                spec.positive,
                spec.schema,
                spec.name,
                spec.types,
                spec.want,
                coalesce(
                    spec.described,
                    format(
                        '''Function '' || @extschema@.pgassay_called(%s, %s, %s) || '' should %s''%s',
                        spec.schema,
                        spec.name,
                        spec.types,
                        spec.said,
                        case
                            when spec.what = 'volatility' then ' || @extschema@.pgassay_volatility(' || spec.want || ')'
                            when spec.wanted <> '' then ' || ' || spec.want
                            else ''
                        end
                    )
                )
            )
        );
    end loop;
end;
$generate$;

create function can(name, name[], text) returns text
language plpgsql
as $$
declare
    missing constant text := (
        select string_agg('    ' || @extschema@.pgassay_called($1, w.name, null) || ' missing', E'\n' order by w.place)
        from unnest($2) with ordinality as w (name, place)
        where (@extschema@.pgassay_function($1, w.name, null)).oid is null
    );
begin
    return @extschema@.pgassay_told(missing is null, $3, missing);
end;
$$;

create function can(name, name[]) returns text
language sql
as $$ select @extschema@.can($1, $2, 'Schema ' || quote_ident($1) || ' can') $$;

create function can(name[], text) returns text
language sql
as $$ select @extschema@.can(null, $1, $2) $$;

create function can(name[]) returns text
language sql
as $$
select @extschema@.can($1, 'Schema ' || array_to_string(current_schemas(true), ' or ') || ' can')
$$;

create function pgassay_trigger(schema_name name, table_name name, trigger_name name) returns pg_trigger
language sql stable
as $$
select t
from pg_trigger as t
where
    t.tgname = trigger_name
    and not t.tgisinternal
    and t.tgrelid = @extschema@.pgassay_relation('rpvf', schema_name, table_name)
$$;

create function pgassay_rule(schema_name name, table_name name, rule_name name) returns pg_rewrite
language sql stable
as $$
select r
from pg_rewrite as r
where r.rulename = rule_name and r.ev_class = @extschema@.pgassay_relation('rpvm', schema_name, table_name)
$$;

create function pgassay_policy(schema_name name, table_name name, policy_name name) returns pg_policy
language sql stable
as $$
select p
from pg_policy as p
where p.polname = policy_name and p.polrelid = @extschema@.pgassay_relation('rp', schema_name, table_name)
$$;

create function pgassay_trigger_calls(
    schema_name name, table_name name, trigger_name name, function_schema name, function_name name, description text
) returns text
language sql
as $$
select @extschema@.pgassay_is(
    (
        select @extschema@.pgassay_named(case when function_schema is null then null else n.nspname end, p.proname)
        from pg_proc as p
        inner join pg_namespace as n on p.pronamespace = n.oid
        where p.oid = (@extschema@.pgassay_trigger(schema_name, table_name, trigger_name)).tgfoid
    ),
    @extschema@.pgassay_named(function_schema, function_name),
    description
)
$$;

create function pgassay_event(text) returns text
language sql immutable
return case lower(left($1, 1)) when '1' then 'SELECT' when 's' then 'SELECT' when '2' then 'UPDATE'
    when 'u' then 'UPDATE' when '3' then 'INSERT' when 'i' then 'INSERT' when '4' then 'DELETE' when 'd' then 'DELETE'
    else upper($1) end;

create function pgassay_command(text) returns text
language sql immutable
return case $1 when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE'
    when '*' then 'ALL' end;

do $generate$
declare
    every constant text[] := array['schema described', 'schema', 'described', ''];
    named constant text := '@extschema@.pgassay_named(%1$s, %2$s)';
    a_rule constant text := '(@extschema@.pgassay_rule(%1$s, %2$s, %3$s))';
    a_policy constant text := '(@extschema@.pgassay_policy(%1$s, %2$s, %3$s))';
begin
    perform @extschema@.pgassay_of_tables(
        'has_trigger', 'name', '',
        '@extschema@.ok((@extschema@.pgassay_trigger(%1$s, %2$s, %3$s)).oid is not null, %4$s)',
        '''Table '' || ' || named || ' || '' should have trigger '' || quote_ident(%3$s)', every
    ),
    @extschema@.pgassay_of_tables(
        'hasnt_trigger', 'name', '',
        '@extschema@.ok((@extschema@.pgassay_trigger(%1$s, %2$s, %3$s)).oid is null, %4$s)',
        '''Table '' || ' || named || ' || '' should not have trigger '' || quote_ident(%3$s)', every
    ),
    @extschema@.pgassay_of_tables(
        'trigger_is', 'name', 'name, name',
        '@extschema@.pgassay_trigger_calls(%1$s, %2$s, %3$s, %5$s, %6$s, %4$s)',
        '''Trigger '' || quote_ident(%3$s) || '' should call '' || @extschema@.pgassay_named(%5$s, %6$s) || ''()''',
        array['schema described', 'schema']
    ),
    @extschema@.pgassay_of_tables(
        'trigger_is', 'name', 'name',
        '@extschema@.pgassay_trigger_calls(%1$s, %2$s, %3$s, null, %5$s, %4$s)',
        '''Trigger '' || quote_ident(%3$s) || '' should call '' || quote_ident(%5$s) || ''()''',
        array['described', '']
    ),
    @extschema@.pgassay_of_tables(
        'triggers_are', 'name[]', '',
        '@extschema@.pgassay_same(''triggers'', array(select quote_ident(t.tgname) from pg_trigger as t '
        'where not t.tgisinternal and t.tgrelid = @extschema@.pgassay_relation(''rpvf'', %1$s, %2$s)), '
        '@extschema@.pgassay_quoted(%3$s), %4$s)',
        '''Table '' || ' || named || ' || '' should have the correct triggers''', every
    ),
    @extschema@.pgassay_of_tables(
        'has_rule', 'name', '', '@extschema@.ok(' || a_rule || '.oid is not null, %4$s)',
        '''Relation '' || ' || named || ' || '' should have rule '' || quote_ident(%3$s)', every
    ),
    @extschema@.pgassay_of_tables(
        'hasnt_rule', 'name', '', '@extschema@.ok(' || a_rule || '.oid is null, %4$s)',
        '''Relation '' || ' || named || ' || '' should not have rule '' || quote_ident(%3$s)', every
    ),
    @extschema@.pgassay_of_tables(
        'rule_is_instead', 'name', '',
        '@extschema@.pgassay_told(coalesce(' || a_rule || '.is_instead, false), %4$s, '
        'case when ' || a_rule || '.oid is null then ''    Rule '' || quote_ident(%3$s) || '' does not exist'' end)',
        '''Rule '' || quote_ident(%3$s) || '' on relation '' || ' || named || ' || '' should be an INSTEAD rule''', every
    ),
    @extschema@.pgassay_of_tables(
        'rule_is_on', 'name', 'text',
        'case when ' || a_rule || '.oid is null then @extschema@.pgassay_told(false, %4$s, ''    Rule '' '
        '|| quote_ident(%3$s) || '' does not exist on '' || ' || named || ') else @extschema@.pgassay_is('
        '@extschema@.pgassay_event(' || a_rule || '.ev_type::text), @extschema@.pgassay_event(%5$s), %4$s) end',
        '''Rule '' || quote_ident(%3$s) || '' should be on '' || @extschema@.pgassay_event(%5$s) || '' to '' || ' || named,
        every
    ),
    @extschema@.pgassay_of_tables(
        'rules_are', 'name[]', '',
        '@extschema@.pgassay_same(''rules'', array(select quote_ident(r.rulename) from pg_rewrite as r '
        'where r.ev_class = @extschema@.pgassay_relation(''rpvm'', %1$s, %2$s)), @extschema@.pgassay_quoted(%3$s), %4$s)',
        '''Relation '' || ' || named || ' || '' should have the correct rules''', every
    ),
    @extschema@.pgassay_of_tables(
        'policies_are', 'name[]', '',
        '@extschema@.pgassay_same(''policies'', array(select quote_ident(p.polname) from pg_policy as p '
        'where p.polrelid = @extschema@.pgassay_relation(''rp'', %1$s, %2$s)), @extschema@.pgassay_quoted(%3$s), %4$s)',
        '''Table '' || ' || named || ' || '' should have the correct policies''', every
    ),
    @extschema@.pgassay_of_tables(
        'policy_roles_are', 'name', 'name[]',
        '@extschema@.pgassay_same(''policy roles'', array(select quote_ident(r.rolname) from pg_roles as r '
        'where r.oid = any(' || a_policy || '.polroles)), @extschema@.pgassay_quoted(%5$s), %4$s)',
        '''Policy '' || quote_ident(%3$s) || '' for table '' || ' || named || ' || '' should have the correct roles''', every
    ),
    @extschema@.pgassay_of_tables(
        'policy_cmd_is', 'name', 'text',
        '@extschema@.pgassay_is(@extschema@.pgassay_command(' || a_policy || '.polcmd::text), upper(%5$s), %4$s)',
        '''Policy '' || quote_ident(%3$s) || '' for table '' || ' || named || ' || '' should apply to '' || upper(%5$s) '
        '|| '' command''',
        every
    );
end;
$generate$;

create function pgassay_told_of(
    kind text, named text, found boolean, have text, want text, description text, lack text default ' does not exist'
) returns text
language sql
as $$
select case
    when found then @extschema@.pgassay_is(have, want, description)
    else @extschema@.pgassay_told(false, description, '    ' || kind || ' ' || named || lack)
end
$$;

create function is_superuser(name, text) returns text
language sql
as $$
select @extschema@.pgassay_told(
    coalesce((select r.rolsuper from pg_roles as r where r.rolname = $1), false),
    $2,
    case when to_regrole(quote_ident($1)) is null then '    User ' || quote_ident($1) || ' does not exist' end
)
$$;

create function is_superuser(name) returns text
language sql
as $$ select @extschema@.is_superuser($1, 'User ' || quote_ident($1) || ' should be a super user') $$;

create function isnt_superuser(name, text) returns text
language sql
as $$
select @extschema@.pgassay_told(
    coalesce((select not r.rolsuper from pg_roles as r where r.rolname = $1), false),
    $2,
    case when to_regrole(quote_ident($1)) is null then '    User ' || quote_ident($1) || ' does not exist' end
)
$$;

create function isnt_superuser(name) returns text
language sql
as $$ select @extschema@.isnt_superuser($1, 'User ' || quote_ident($1) || ' should not be a super user') $$;

create function language_is_trusted(name, text) returns text
language sql
as $$
select @extschema@.pgassay_told(
    coalesce((select l.lanpltrusted from pg_language as l where l.lanname = $1), false),
    $2,
    case
        when not exists (select from pg_language as l where l.lanname = $1)
            then '    Procedural language ' || quote_ident($1) || ' does not exist'
    end
)
$$;

create function language_is_trusted(name) returns text
language sql
as $$
select @extschema@.language_is_trusted($1, 'Procedural language ' || quote_ident($1) || ' should be trusted')
$$;

create function pgassay_member_of(positive boolean, role name, members name[], description text) returns text
language plpgsql
as $$
declare
    wrong constant text[] := array(
        select quote_ident(w.name)
        from unnest(members) as w (name)
        where positive <> exists (
            select
            from pg_auth_members as m
            inner join pg_roles as r on m.member = r.oid
            where m.roleid = to_regrole(quote_ident(role)) and r.rolname = w.name
        )
    );
begin
    if to_regrole(quote_ident(role)) is null then
        return @extschema@.pgassay_told(false, description, '    Role ' || quote_ident(role) || ' does not exist');
    end if;

    return @extschema@.pgassay_told(
        wrong = '{}',
        description,
        case
            when positive then '    Members missing from the ' || quote_ident(role) || E' role:\n'
            else '    Members, who should not be in ' || quote_ident(role) || E' role:\n'
        end || @extschema@.pgassay_lines(wrong)
    );
end;
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select *
        from (values ('is_member_of', 'true', 'have'), ('isnt_member_of', 'false', 'not have')) as v (function, positive, said)
        cross join (values ('name', 'array[$2]'), ('name[]', '$2')) as t (type, made)
    loop
        execute format(
            $f$
            create function %1$I(name, %2$s, text) returns text
            language sql
            as $b$ select @extschema@.pgassay_member_of(%3$s, $1, %4$s, $3) $b$;

            create function %1$I(name, %2$s) returns text
            language sql
            as $b$ select @extschema@.%1$I($1, $2, 'Should %5$s members of role ' || quote_ident($1)) $b$;
            $f$,
            spec.function, spec.type, spec.positive, spec.made, spec.said
        );
    end loop;
end;
$generate$;

create function pgassay_domain_is(
    positive boolean, schema_name name, domain name, type_schema name, type_name text, description text
) returns text
language plpgsql
as $$
declare
    want constant text := coalesce(quote_ident(type_schema) || '.', '') || type_name;
    have text;
begin
    select coalesce(case when type_schema is not null then quote_ident(n.nspname) || '.' end, '')
        || format_type(b.oid, t.typtypmod)
    into have
    from pg_type as t
    inner join pg_type as b on t.typbasetype = b.oid
    inner join pg_namespace as n on b.typnamespace = n.oid
    where t.oid = @extschema@.pgassay_type('d', schema_name, domain);

    return case
        when have is null then @extschema@.pgassay_told(
            false, description, '   Domain ' || @extschema@.pgassay_named(schema_name, domain) || ' does not exist'
        )
        when positive then @extschema@.pgassay_is(have, want, description)
        else @extschema@.isnt(have, want, description)
    end;
end;
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select
            v.function, v.positive, a.arguments, a.domain, a.type, a.named,
            coalesce(a.described, '''Domain '' || @extschema@.pgassay_named(' || a.domain || ') || '' should ' || v.said
            || 'extend type '' || ' || a.named) as described
        from (values ('domain_type_is', 'true', ''), ('domain_type_isnt', 'false', 'not ')) as v (function, positive, said)
        cross join (values
            ('name, text, name, text, text', '$1, $2::name', '$3, $4', '', '$5'),
            ('name, text, name, text', '$1, $2::name', '$3, $4', 'quote_ident($3) || ''.'' || $4', null),
            ('name, text, text, text', '$1, $2::name', 'null, $3', '', '$4'),
            ('name, text, text', '$1, $2::name', 'null, $3', '$3', null),
            ('text, text, text', 'null, $1::name', 'null, $2', '', '$3'),
            ('text, text', 'null, $1::name', 'null, $2', '$2', null)
        ) as a (arguments, domain, type, named, described)
    loop
        execute format(
            'create function %I(%s) returns text language sql '
            'as $b$ select @extschema@.pgassay_domain_is(%s, %s, %s, %s) $b$',
            spec.function, spec.arguments, spec.positive, spec.domain, spec.type, spec.described
        );
    end loop;
end;
$generate$;

-- Who owns something; null where it is not there.
create function pgassay_owner(kind text, schema_name name, object name) returns text
language plpgsql stable
as $$
begin
    return pg_get_userbyid(case kind
        when 'Schema' then (select n.nspowner from pg_namespace as n where n.nspname = object)
        when 'Database' then (select d.datdba from pg_database as d where d.datname = object)
        when 'Language' then (select l.lanowner from pg_language as l where l.lanname = object)
        when 'Tablespace' then (select t.spcowner from pg_tablespace as t where t.spcname = object)
        when 'Type' then (
            select t.typowner from pg_type as t where t.oid = @extschema@.pgassay_type('bcderm', schema_name, object)
        )
        when 'Operator class' then (
            select o.opcowner
            from pg_opclass as o
            inner join pg_namespace as n on o.opcnamespace = n.oid
            where o.opcname = object and coalesce(n.nspname = schema_name, pg_opclass_is_visible(o.oid))
            limit 1
        )
        else (
            select c.relowner
            from pg_class as c
            where c.oid = @extschema@.pgassay_relation(
                case kind
                    when 'Table' then 'rp'
                    when 'View' then 'v'
                    when 'Materialized view' then 'm'
                    when 'Sequence' then 'S'
                    when 'Composite type' then 'c'
                    when 'Foreign table' then 'f'
                    when 'Relation' then 'rpvmSfc'
                end,
                schema_name,
                object
            )
        )
    end);
end;
$$;

create function pgassay_owned(kind text, schema_name name, object name, owner name, description text) returns text
language sql
as $$
select @extschema@.pgassay_told_of(
    kind,
    @extschema@.pgassay_named(schema_name, object),
    f.owner is not null,
    f.owner,
    pgassay_owned.owner::text,
    description,
    case when kind in ('Type', 'Operator class') then ' not found' else ' does not exist' end
)
from (select @extschema@.pgassay_owner(kind, schema_name, object)) as f (owner)
$$;

do $generate$
declare
    every constant text[] := array['schema described', 'schema', 'described', ''];
    spec record;
begin
    for spec in
        select *
        from (values
            ('table', 'Table'), ('view', 'View'), ('materialized_view', 'Materialized view'), ('sequence', 'Sequence'),
            ('composite', 'Composite type'), ('foreign_table', 'Foreign table'), ('relation', 'Relation'),
            ('type', 'Type'), ('opclass', 'Operator class')
        ) as v (what, kind)
    loop
        perform @extschema@.pgassay_of_tables(
            spec.what || '_owner_is',
            'name',
            '',
            format('@extschema@.pgassay_owned(%L, %%1$s, %%2$s, %%3$s, %%4$s)', spec.kind),
            format(
                '%L || @extschema@.pgassay_named(%%1$s, %%2$s) || '' should be owned by '' || quote_ident(%%3$s)',
                spec.kind || ' '
            ),
            every
        );
    end loop;

    for spec in
        select *
        from (values
            ('schema', 'Schema'), ('db', 'Database'), ('language', 'Language'), ('tablespace', 'Tablespace')
        ) as v (what, kind)
    loop
        execute format(
            $f$
            create function %1$I(name, name, text) returns text
            language sql
            as $b$ select @extschema@.pgassay_owned(%2$L, null, $1, $2, $3) $b$;

            create function %1$I(name, name) returns text
            language sql
            as $b$
            select @extschema@.%1$I(
                $1, $2, %2$L || ' ' || quote_ident($1) || ' should be owned by ' || quote_ident($2)
            )
            $b$;
            $f$,
            spec.what || '_owner_is', spec.kind
        );
    end loop;

    perform @extschema@.pgassay_of_tables(
        'index_owner_is', 'name', 'name',
        '@extschema@.pgassay_told_of(''Index'', quote_ident(%3$s) || '' ON '' || @extschema@.pgassay_named(%1$s, %2$s), '
        '(@extschema@.pgassay_index(%1$s, %2$s, %3$s)).indexrelid is not null, '
        '(select pg_get_userbyid(c.relowner)::text from pg_class as c '
        'where c.oid = (@extschema@.pgassay_index(%1$s, %2$s, %3$s)).indexrelid), %5$s::text, %4$s, '' not found'')',
        '''Index '' || quote_ident(%3$s) || '' ON '' || @extschema@.pgassay_named(%1$s, %2$s) || '' should be owned by '' '
        '|| quote_ident(%5$s)',
        every
    ),
    @extschema@.pgassay_of_tables(
        'enum_has_labels', 'name[]', '',
        '@extschema@.pgassay_is(array(select e.enumlabel from pg_enum as e '
        'where e.enumtypid = @extschema@.pgassay_type(''e'', %1$s, %2$s) order by e.enumsortorder)::text, %3$s::text, %4$s)',
        '''Enum '' || @extschema@.pgassay_named(%1$s, %2$s) || '' should have labels ('' || array_to_string(%3$s, '', '') || '')''',
        every
    );
end;
$generate$;

-- What a role may do with something; null where that, or the role, is not there.
create function pgassay_may(kind text, role name, object oid, column_name name default null) returns text[]
language plpgsql stable
as $$
declare
    known constant text[] := case kind
        when 'table' then '{DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE}'
        when 'column' then '{INSERT,REFERENCES,SELECT,UPDATE}'
        when 'any column' then '{INSERT,REFERENCES,SELECT,UPDATE}'
        when 'sequence' then '{SELECT,UPDATE,USAGE}'
        when 'schema' then '{CREATE,USAGE}'
        when 'database' then '{CONNECT,CREATE,TEMPORARY}'
        when 'tablespace' then '{CREATE}'
        when 'function' then '{EXECUTE}'
        else '{USAGE}'
    end;
begin
    return array(
        select k.privilege
        from unnest(known) as k (privilege)
        where case kind
            when 'table' then has_table_privilege(role, object, k.privilege)
            when 'column' then has_column_privilege(role, object, column_name, k.privilege)
            when 'any column' then has_any_column_privilege(role, object, k.privilege)
            when 'sequence' then has_sequence_privilege(role, object, k.privilege)
            when 'schema' then has_schema_privilege(role, object, k.privilege)
            when 'database' then has_database_privilege(role, object, k.privilege)
            when 'tablespace' then has_tablespace_privilege(role, object, k.privilege)
            when 'function' then has_function_privilege(role, object, k.privilege)
            when 'language' then has_language_privilege(role, object, k.privilege)
            when 'FDW' then has_foreign_data_wrapper_privilege(role, object, k.privilege)
            when 'server' then has_server_privilege(role, object, k.privilege)
        end
    );
end;
$$;

create function pgassay_privileges(
    kind text, named text, object oid, role name, privileges name[], description text, column_name name default null
) returns text
language plpgsql
as $$
declare
    said constant text := coalesce(
        description,
        'Role ' || quote_ident(role) || ' should be granted '
        || coalesce(nullif(array_to_string(privileges, ', '), ''), 'no privileges')
        || ' on ' || kind || case when kind = 'any column' then ' in ' else ' ' end || named
    );
    label constant text := case kind when 'any column' then 'Table' else upper(left(kind, 1)) || substr(kind, 2) end;
begin
    return case
        when to_regrole(quote_ident(role)) is null
            then @extschema@.pgassay_told(false, said, '    Role ' || quote_ident(role) || ' does not exist')
        when object is null then @extschema@.pgassay_told(false, said, '    ' || label || ' ' || named || ' does not exist')
        else @extschema@.pgassay_same(
            'privileges', @extschema@.pgassay_may(kind, role, object, column_name), privileges::text[], said
        )
    end;
end;
$$;

do $generate$
declare
    every constant text[] := array['schema described', 'schema', 'described', ''];
    spec record;
begin
    for spec in
        select *
        from (values
            ('table_privs_are', 'table', 'rpvmf'),
            ('any_column_privs_are', 'any column', 'rpvmf'),
            ('sequence_privs_are', 'sequence', 'S')
        ) as v (function, kind, kinds)
    loop
        perform @extschema@.pgassay_of_tables(
            spec.function,
            'name',
            'name[]',
            format(
                '@extschema@.pgassay_privileges(%L, @extschema@.pgassay_named(%%1$s, %%2$s), '
                '@extschema@.pgassay_relation(%L, %%1$s, %%2$s), %%3$s, %%5$s, %%4$s)',
                spec.kind, spec.kinds
            ),
            'null',
            every
        );
    end loop;

    perform @extschema@.pgassay_of_tables(
        'column_privs_are', 'name', 'name, name[]',
        '@extschema@.pgassay_privileges(''column'', @extschema@.pgassay_column(%1$s, %2$s, %3$s), '
        '(@extschema@.pgassay_attribute(%1$s, %2$s, %3$s)).attrelid, %5$s, %6$s, %4$s, %3$s)',
        'null',
        every
    );

    for spec in
        select *
        from (values
            ('schema', 'schema', '(select n.oid from pg_namespace as n where n.nspname = $1)'),
            ('database', 'database', '(select d.oid from pg_database as d where d.datname = $1)'),
            ('language', 'language', '(select l.oid from pg_language as l where l.lanname = $1)'),
            ('tablespace', 'tablespace', '(select t.oid from pg_tablespace as t where t.spcname = $1)'),
            ('fdw', 'FDW', '(select w.oid from pg_foreign_data_wrapper as w where w.fdwname = $1)'),
            ('server', 'server', '(select s.oid from pg_foreign_server as s where s.srvname = $1)')
        ) as v (what, kind, found)
        cross join (values (', text', '$4'), ('', 'null')) as d (argument, described)
    loop
        execute format(
            'create function %I(name, name, name[]%s) returns text language sql '
            'as $b$ select @extschema@.pgassay_privileges(%L, quote_ident($1), %s, $2, $3, %s) $b$',
            spec.what || '_privs_are', spec.argument, spec.kind, spec.found, spec.described
        );
    end loop;

    for spec in
        select *
        from (values
            ('name, name, name[], name, name[], text', '$1, $2, $3', '$4, $5, $6'),
            ('name, name, name[], name, name[]', '$1, $2, $3', '$4, $5, null'),
            ('name, name[], name, name[], text', 'null, $1, $2', '$3, $4, $5'),
            ('name, name[], name, name[]', 'null, $1, $2', '$3, $4, null')
        ) as v (arguments, called, rest)
    loop
        execute format(
            'create function function_privs_are(%1$s) returns text language sql as $b$ '
            'select @extschema@.pgassay_privileges(''function'', @extschema@.pgassay_called(%2$s), '
            '(@extschema@.pgassay_function(%2$s)).oid, %3$s) $b$',
            spec.arguments, spec.called, spec.rest
        );
    end loop;
end;
$generate$;

-- How many steps of inheritance lie between two tables; null where neither comes from the other.
create function pgassay_steps(ancestor oid, descendent oid) returns integer
language sql stable
as $$
with recursive found as (
    select i.inhrelid, 1 as steps from pg_inherits as i where i.inhparent = ancestor
    union all
    select i.inhrelid, f.steps + 1 from pg_inherits as i inner join found as f on i.inhparent = f.inhrelid
)

select min(f.steps) from found as f where f.inhrelid = descendent
$$;

do $generate$
declare
    spec record;
    one text;
    other text;
    steps text;
begin
    for spec in
        select *
        from (values
            ('is_ancestor_of', true, 'be an ancestor of ', 'be ancestor ', ' for '),
            ('isnt_ancestor_of', false, 'not be an ancestor of ', 'not be ancestor ', ' for '),
            ('is_descendent_of', true, 'be a descendent of ', 'be descendent ', ' from '),
            ('isnt_descendent_of', false, 'not be a descendent of ', 'not be descendent ', ' from ')
        ) as v (function, positive, said, said_steps, toward)
        cross join (values ('name, name, name, name', '$1, $2', '$3, $4', 4), ('name, name', 'null, $1', 'null, $2', 2))
            as t (arguments, one, other, taken)
        cross join (values (', integer', 1), ('', 0)) as s (argument, number)
        cross join (values (', text', true), ('', false)) as d (text_argument, is_described)
    loop
        one := '@extschema@.pgassay_named(' || spec.one || ')';
        other := '@extschema@.pgassay_named(' || spec.other || ')';
        steps := case
            when spec.function like '%ancestor_of'
                then format(
                    '@extschema@.pgassay_steps(@extschema@.pgassay_relation(''rpf'', %s), '
                    '@extschema@.pgassay_relation(''rpf'', %s))', spec.one, spec.other
                )
            else format(
                '@extschema@.pgassay_steps(@extschema@.pgassay_relation(''rpf'', %2$s), '
                '@extschema@.pgassay_relation(''rpf'', %1$s))', spec.one, spec.other
            )
        end;
        execute format(
            'create function %I(%s) returns text language sql as $b$ select @extschema@.ok(%s, %s) $b$',
            spec.function,
            spec.arguments || spec.argument || spec.text_argument,
            format(
                case when spec.positive then '%s' else 'not (%s)' end,
                case
                    when spec.number = 1 then 'coalesce(' || steps || ' = $' || (spec.taken + 1) || ', false)'
                    else steps || ' is not null'
                end
            ),
            case
                when spec.is_described then '$' || (spec.taken + spec.number + 1)
                when spec.number = 1 then format(
                    '''Table '' || %s || '' should %s'' || $%s || ''%s'' || %s',
                    one, spec.said_steps, spec.taken + 1, spec.toward, other
                )
                else format('''Table '' || %s || '' should %s'' || %s', one, spec.said, other)
            end
        );
    end loop;

    for spec in
        select *
        from (values ('name, name, name, name', '$1, $2', '$3, $4', '$5'), ('name, name', 'null, $1', 'null, $2', '$3'))
            as t (arguments, one, other, described)
        cross join (values (', text', true), ('', false)) as d (argument, is_described)
    loop
        execute format(
            'create function is_partition_of(%1$s) returns text language sql as $b$ select @extschema@.ok(exists ('
            'select from pg_inherits as i inner join pg_class as c on i.inhrelid = c.oid where c.relispartition '
            'and i.inhrelid = @extschema@.pgassay_relation(''rpf'', %2$s) '
            'and i.inhparent = @extschema@.pgassay_relation(''p'', %3$s)), %4$s) $b$',
            spec.arguments || spec.argument,
            spec.one,
            spec.other,
            case
                when spec.is_described then spec.described
                else format(
                    '''Table '' || @extschema@.pgassay_named(%s) || '' should be a partition of '' '
                    '|| @extschema@.pgassay_named(%s)',
                    spec.one, spec.other
                )
            end
        );
    end loop;

    perform @extschema@.pgassay_of_tables(
        'partitions_are', 'name[]', '',
        '@extschema@.pgassay_same(''partitions'', array(select quote_ident(case when pg_table_is_visible(c.oid) '
        'then c.relname::text else n.nspname || ''.'' || c.relname end) from pg_inherits as i '
        'inner join pg_class as c on i.inhrelid = c.oid inner join pg_namespace as n on c.relnamespace = n.oid '
        'where c.relispartition and i.inhparent = @extschema@.pgassay_relation(''p'', %1$s, %2$s)), '
        '@extschema@.pgassay_quoted(%3$s), %4$s)',
        '''Table '' || @extschema@.pgassay_named(%1$s, %2$s) || '' should have the correct partitions''',
        array['schema described', 'schema', 'described', '']
    );
end;
$generate$;

create function findfuncs(name, text, text) returns text[]
language sql
as $$
select array(
    select distinct quote_ident(n.nspname) || '.' || quote_ident(p.proname)
    from pg_proc as p
    inner join pg_namespace as n on p.pronamespace = n.oid
    where n.nspname = $1 and p.proname ~ $2 and ($3 is null or p.proname !~ $3)
    order by 1
)
$$;

create function findfuncs(name, text) returns text[]
language sql
as $$ select @extschema@.findfuncs($1, $2, null) $$;

create function findfuncs(text, text) returns text[]
language sql
as $$
select array(
    select distinct quote_ident(n.nspname) || '.' || quote_ident(p.proname)
    from pg_proc as p
    inner join pg_namespace as n on p.pronamespace = n.oid
    where pg_function_is_visible(p.oid) and p.proname ~ $1 and ($2 is null or p.proname !~ $2)
    order by 1
)
$$;

create function findfuncs(text) returns text[]
language sql
as $$ select @extschema@.findfuncs($1, null::text) $$;

create function pgassay_do_tap(functions text[]) returns setof text
language plpgsql
as $$
declare
    called text;
begin
    foreach called in array functions loop
        return next @extschema@.diag(called || '()');
        return query execute 'select * from ' || called || '()';
    end loop;
end;
$$;

create function do_tap(name, text) returns setof text
language sql
as $$ select * from @extschema@.pgassay_do_tap(@extschema@.findfuncs($1, $2)) $$;

create function do_tap(name) returns setof text
language sql
as $$ select * from @extschema@.pgassay_do_tap(@extschema@.findfuncs($1, '^test')) $$;

create function do_tap(text) returns setof text
language sql
as $$ select * from @extschema@.pgassay_do_tap(@extschema@.findfuncs($1)) $$;

create function do_tap() returns setof text
language sql
as $$ select * from @extschema@.pgassay_do_tap(@extschema@.findfuncs('^test')) $$;

-- Have as many tests counted as there were at another time.
create function pgassay_recount(run integer, failed integer) returns void
language plpgsql
as $$
begin
    perform setval('pg_temp.pgassay_tap_run', greatest(run, 1), run > 0),
        setval('pg_temp.pgassay_tap_failed', greatest(failed, 1), failed > 0);
end;
$$;

-- One function of tests between those before and after it: all lines, and what it did is undone.
create function pgassay_subtest(called text, before text[], after text[]) returns text[]
language plpgsql
as $$
declare
    run constant integer := @extschema@.pgassay_counted('run');
    failed constant integer := @extschema@.pgassay_counted('failed');
    lines text[] := array['    # Subtest: ' || called || '()'];
    function text;
    line text;
    ran integer;
    wrong integer;
begin
    perform @extschema@.pgassay_recount(0, 0);

    begin
        foreach function in array before || called || after loop
            for line in execute 'select * from ' || function || '()' loop
                lines := lines || ('    ' || replace(line, E'\n', E'\n    '));
            end loop;
        end loop;

        raise exception using errcode = 'P0T01';
    exception
        when sqlstate 'P0T01' then null;
    end;

    ran := @extschema@.pgassay_counted('run');
    wrong := @extschema@.pgassay_counted('failed');
    lines := lines || ('    1..' || ran);

    if wrong > 0 then
        lines := lines || format('    # Looks like you failed %s tests of %s', wrong, ran);
    end if;

    perform @extschema@.pgassay_recount(run, failed);

    return lines || @extschema@.ok(wrong = 0, called);
end;
$$;

create function pgassay_run(
    startup text[], shutdown text[], setup text[], teardown text[], tests text[]
) returns setof text
language plpgsql
as $$
declare
    called text;
begin
    perform * from @extschema@.no_plan();

    foreach called in array startup loop
        return query execute 'select * from ' || called || '()';
    end loop;

    foreach called in array tests loop
        return query select unnest(@extschema@.pgassay_subtest(called, setup, teardown));
    end loop;

    foreach called in array shutdown loop
        return query execute 'select * from ' || called || '()';
    end loop;

    return query select * from @extschema@.finish();
end;
$$;

create function runtests(name, text) returns setof text
language sql
as $$
select *
from @extschema@.pgassay_run(
    @extschema@.findfuncs($1, '^startup'),
    @extschema@.findfuncs($1, '^shutdown'),
    @extschema@.findfuncs($1, '^setup'),
    @extschema@.findfuncs($1, '^teardown'),
    @extschema@.findfuncs($1, $2, '^(startup|shutdown|setup|teardown)')
)
$$;

create function runtests(name) returns setof text
language sql
as $$ select * from @extschema@.runtests($1, '^test') $$;

create function runtests(text) returns setof text
language sql
as $$
select *
from @extschema@.pgassay_run(
    @extschema@.findfuncs('^startup'),
    @extschema@.findfuncs('^shutdown'),
    @extschema@.findfuncs('^setup'),
    @extschema@.findfuncs('^teardown'),
    @extschema@.findfuncs($1, '^(startup|shutdown|setup|teardown)')
)
$$;

create function runtests() returns setof text
language sql
as $$ select * from @extschema@.runtests('^test'::text) $$;

create function check_test(text, boolean, text, text, text, boolean) returns setof text
language plpgsql
as $$
declare
    passed constant boolean := $1 not like 'not %';
    is_todo constant boolean := $1 ~ '^(not )?ok \d+[^\n]* # TODO ';
    lines constant text[] := string_to_array($1, E'\n');
    named constant text := coalesce(nullif($3, '') || ' ', 'Test ');
    said constant text := coalesce(substring(lines[1] from '^(?:not )?ok \d+ - (.*?)(?: # TODO .*)?$'), '');
    diagnosis constant text := coalesce(
        (
            select string_agg(substr(l.line, 3), E'\n' order by l.place)
            from unnest(lines) with ordinality as l (line, place)
            where l.place > case when passed then 1 else 2 end
        ),
        ''
    );
begin
    perform @extschema@.pgassay_recount(
        @extschema@.pgassay_counted('run') - 1,
        @extschema@.pgassay_counted('failed') - (not passed and not is_todo)::integer
    );

    return next @extschema@.is(passed, $2, named || 'should ' || case when $2 then 'pass' else 'fail' end);

    if $4 is not null then
        return next @extschema@.is(said, $4, named || 'should have the proper description');
    end if;

    if $5 is not null then
        return next case
            when $6 then @extschema@.matches(diagnosis, $5, named || 'should have the proper diagnostics')
            else @extschema@.is(diagnosis, $5, named || 'should have the proper diagnostics')
        end;
    end if;
end;
$$;

create function check_test(text, boolean, text, text, text) returns setof text
language sql
as $$ select * from @extschema@.check_test($1, $2, $3, $4, $5, false) $$;

create function check_test(text, boolean, text, text) returns setof text
language sql
as $$ select * from @extschema@.check_test($1, $2, $3, $4, null, false) $$;

create function check_test(text, boolean, text) returns setof text
language sql
as $$ select * from @extschema@.check_test($1, $2, $3, null, null, false) $$;

create function check_test(text, boolean) returns setof text
language sql
as $$ select * from @extschema@.check_test($1, $2, null, null, null, false) $$;

-- An operator as pgTAP writes it.
create function pgassay_operator(schema_name name, operator name, left_type text, right_type text, result text)
returns text
language sql immutable
return coalesce(quote_ident(schema_name) || '.', '') || operator || '(' || coalesce(left_type, 'NONE') || ','
    || coalesce(right_type, 'NONE') || ')' || coalesce(' RETURNS ' || result, '');

-- The type of an operand: 0 where there is none, null where the text is no type.
create function pgassay_operand(type text) returns oid
language plpgsql stable
as $$
begin
    return case when type is null then 0 else to_regtype(type)::oid end;
exception
    when syntax_error then return null;
end;
$$;

create function pgassay_has_operator(
    positive boolean, kind text, left_type name, schema_name name, operator name, right_type name, result name,
    description text
) returns text
language sql
as $$
select @extschema@.ok(
    positive = exists (
        select
        from pg_operator as o
        inner join pg_namespace as n on o.oprnamespace = n.oid
        where
            o.oprname = operator
            and case when schema_name is null then pg_operator_is_visible(o.oid) else n.nspname = schema_name end
            and o.oprleft = @extschema@.pgassay_operand(left_type::text)
            and o.oprright = @extschema@.pgassay_operand(right_type::text)
            and (result is null or o.oprresult = @extschema@.pgassay_operand(result::text))
    ),
    coalesce(
        description,
        kind || ' ' || @extschema@.pgassay_operator(schema_name, operator, left_type, right_type, result)
        || ' should ' || case when positive then 'exist' else 'not exist' end
    )
)
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select
            f.prefix || a.stem as function, f.positive, a.kind, a.arguments || d.arguments as arguments, a.called,
            case when d.arguments = '' then 'null' else '$' || (a.taken + 1) end as described
        from (values ('has_', 'true'), ('hasnt_', 'false')) as f (prefix, positive)
        cross join (values
            ('operator', 'Operator', 'name, name, name, name, name', '$1, $2, $3, $4, $5', 5),
            ('operator', 'Operator', 'name, name, name, name', '$1, null, $2, $3, $4', 4),
            ('operator', 'Operator', 'name, name, name', '$1, null, $2, $3, null', 3),
            ('leftop', 'Left operator', 'name, name, name, name', 'null, $1, $2, $3, $4', 4),
            ('leftop', 'Left operator', 'name, name, name', 'null, null, $1, $2, $3', 3),
            ('leftop', 'Left operator', 'name, name', 'null, null, $1, $2, null', 2),
            ('rightop', 'Right operator', 'name, name, name, name', '$1, $2, $3, null, $4', 4),
            ('rightop', 'Right operator', 'name, name, name', '$1, null, $2, null, $3', 3),
            ('rightop', 'Right operator', 'name, name', '$1, null, $2, null, null', 2)
        ) as a (stem, kind, arguments, called, taken)
        cross join (values (', text'), ('')) as d (arguments)
    loop
        execute format(
            'create function %I(%s) returns text language sql '
            'as $b$ select @extschema@.pgassay_has_operator(%s, %L, %s, %s) $b$',
            spec.function, spec.arguments, spec.positive, spec.kind, spec.called, spec.described
        );
    end loop;
end;
$generate$;

create function pgassay_operators(schema_name name) returns text[]
language sql stable
as $$
select array(
    select @extschema@.pgassay_operator(
        null,
        o.oprname,
        case when o.oprleft <> 0 then format_type(o.oprleft, null) end,
        case when o.oprright <> 0 then format_type(o.oprright, null) end,
        format_type(o.oprresult, null)
    )
    from pg_operator as o
    inner join pg_namespace as n on o.oprnamespace = n.oid
    where case
        when schema_name is not null then n.nspname = schema_name
        else pg_operator_is_visible(o.oid) and n.nspname not in ('pg_catalog', 'information_schema')
    end
)
$$;

create function operators_are(name, text[], text) returns text
language sql
as $$ select @extschema@.pgassay_same('operators', @extschema@.pgassay_operators($1), $2, $3) $$;

create function operators_are(name, text[]) returns text
language sql
as $$ select @extschema@.operators_are($1, $2, 'Schema ' || quote_ident($1) || ' should have the correct operators') $$;

create function operators_are(text[], text) returns text
language sql
as $$ select @extschema@.pgassay_same('operators', @extschema@.pgassay_operators(null), $1, $2) $$;

create function operators_are(text[]) returns text
language sql
as $$ select @extschema@.operators_are($1, 'There should be the correct operators') $$;

create function pgassay_cast(source name, target name, schema_name name, function_name name) returns pg_cast
language sql stable
as $$
select c
from pg_cast as c
left join pg_proc as p on c.castfunc = p.oid
left join pg_namespace as n on p.pronamespace = n.oid
where
    c.castsource = to_regtype(source::text)
    and c.casttarget = to_regtype(target::text)
    and (function_name is null or p.proname = function_name)
    and (schema_name is null or n.nspname = schema_name)
$$;

do $generate$
declare
    spec record;
begin
    for spec in
        select
            f.function, f.operator, a.arguments || d.arguments as arguments, a.called,
            case
                when d.arguments = '' then format(
                    '''Cast ('' || quote_ident($1) || '' AS '' || quote_ident($2) || '') %sshould %s''',
                    a.with_function, f.said
                )
                else '$' || (a.taken + 1)
            end as described
        from (values ('has_cast', 'is not null', 'exist'), ('hasnt_cast', 'is null', 'not exist'))
            as f (function, operator, said)
        cross join (values
            (
                'name, name, name, name',
                '$1, $2, $3, $4',
                'WITH FUNCTION '' || quote_ident($3) || ''.'' || quote_ident($4) || ''() ',
                4
            ),
            ('name, name, name', '$1, $2, null, $3', 'WITH FUNCTION '' || quote_ident($3) || ''() ', 3),
            ('name, name', '$1, $2, null, null', '', 2)
        ) as a (arguments, called, with_function, taken)
        cross join (values (', text'), ('')) as d (arguments)
    loop
        execute format(
            'create function %I(%s) returns text language sql '
            'as $b$ select @extschema@.ok((@extschema@.pgassay_cast(%s)).oid %s, %s) $b$',
            spec.function, spec.arguments, spec.called, spec.operator, spec.described
        );
    end loop;
end;
$generate$;

create function cast_context_is(name, name, text, text) returns text
language sql
as $$
select @extschema@.pgassay_told_of(
    'Cast',
    '(' || quote_ident($1) || ' AS ' || quote_ident($2) || ')',
    f.context is not null,
    case f.context when 'i' then 'implicit' when 'a' then 'assignment' when 'e' then 'explicit' end,
    case lower(left($3, 1)) when 'i' then 'implicit' when 'a' then 'assignment' when 'e' then 'explicit' else $3 end,
    $4
)
from (select (@extschema@.pgassay_cast($1, $2, null, null)).castcontext) as f (context)
$$;

create function cast_context_is(name, name, text) returns text
language sql
as $$
select @extschema@.cast_context_is(
    $1, $2, $3,
    'Cast (' || quote_ident($1) || ' AS ' || quote_ident($2) || ') context should be '
    || case lower(left($3, 1)) when 'i' then 'implicit' when 'a' then 'assignment' when 'e' then 'explicit' else $3 end
)
$$;

create function casts_are(text[], text) returns text
language sql
as $$
select @extschema@.pgassay_same(
    'casts',
    array(select format_type(c.castsource, null) || ' AS ' || format_type(c.casttarget, null) from pg_cast as c),
    $1,
    $2
)
$$;

create function casts_are(text[]) returns text
language sql
as $$ select @extschema@.casts_are($1, 'There should be the correct casts') $$;

select pgassay.add_refusals('pgtap', array['has_tablespace(name, text, text) returns text', 'os_name() returns text']);
