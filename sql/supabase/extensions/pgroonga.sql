-- pgroonga: its operators and functions, which search without an index. Leaves out its index method and its syntax.

create function pgassay_matches(target text, query text) returns boolean
language sql immutable strict parallel safe
return strpos(lower(target), lower(query)) > 0;

create function pgassay_matches(targets text [], query text) returns boolean
language sql immutable strict parallel safe
return exists (select from unnest(targets) as t (target) where pgassay_matches(t.target, query));

create function pgassay_matches(target varchar, query varchar) returns boolean
language sql immutable strict parallel safe
return pgassay_matches(target::text, query::text);

create function pgassay_matches(target jsonb, query text) returns boolean
language sql immutable strict parallel safe
return pgassay_matches(target::text, query);

create function pgassay_matches_any(target text, queries text []) returns boolean
language sql immutable strict parallel safe
return exists (select from unnest(queries) as q (query) where pgassay_matches(target, q.query));

create function pgassay_begins(target text, query text) returns boolean
language sql immutable strict parallel safe
return starts_with(lower(target), lower(query));

do $do$
declare
    wanted text;
begin
    foreach wanted in array array['&@', '&@~', '&@*', '@@'] loop
        if wanted <> '@@' then
            execute format('create operator %s (function = pgassay_matches, leftarg = text, rightarg = text)', wanted);
            execute format(
                'create operator %s (function = pgassay_matches, leftarg = varchar, rightarg = varchar)', wanted
            );
        end if;

        execute format('create operator %s (function = pgassay_matches, leftarg = text[], rightarg = text)', wanted);
        execute format('create operator %s (function = pgassay_matches, leftarg = jsonb, rightarg = text)', wanted);
    end loop;

    foreach wanted in array array['&@|', '&@~|'] loop
        execute format('create operator %s (function = pgassay_matches_any, leftarg = text, rightarg = text[])', wanted);
    end loop;
end;
$do$;

create operator &^ (function = pgassay_begins, leftarg = text, rightarg = text);
create operator &^~ (function = pgassay_begins, leftarg = text, rightarg = text);

create function pgroonga_score(tableoid oid, ctid tid) returns double precision
language sql stable strict
return 1;

create function pgroonga_score(found anyelement) returns double precision
language sql stable strict
as 'select 1::double precision';

create function pgroonga_escape(value text) returns text
language sql immutable strict
return '"' || replace(replace(value, '\', '\\'), '"', '\"') || '"';

create function pgroonga_query_escape(query text) returns text
language sql immutable strict
return regexp_replace(query, '([\\"()<>~*:+-])', '\\\1', 'g');

create function pgroonga_normalize(target text) returns text
language sql immutable strict
return lower(target);

create function pgroonga_query_extract_keywords(query text) returns text []
language sql immutable strict
return regexp_split_to_array(query, '\s+');

create function pgroonga_highlight_html(target text, keywords text []) returns text
language sql immutable strict
return target;

create function pgroonga_snippet_html(target text, keywords text [], width integer default 200) returns text []
language sql immutable strict
return array[left(target, width)];

create function pgroonga_match_positions_character(target text, keywords text []) returns integer []
language sql immutable strict
as 'select ''{}''::integer[]';

select pgassay.add_refusals('pgroonga', array[
    'pgroonga_command(groonga_command text) returns text',
    'pgroonga_command(groonga_command text, arguments text[]) returns text',
    'pgroonga_table_name(indexname regclass) returns text'
]);
