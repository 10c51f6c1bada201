-- pg_jsonschema: the keywords of JSON Schema that are common in CHECK constraints; any other is an error.

create function jsonb_matches_schema(schema json, instance jsonb) returns boolean
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    rules constant jsonb := schema::jsonb;
    kind constant text := jsonb_typeof(instance);
    keyword text;
    rule jsonb;
    holds boolean;
begin
    if jsonb_typeof(rules) = 'boolean' then
        return rules::boolean;
    end if;

    for keyword, rule in select r.key, r.value from jsonb_each(rules) as r loop
        case
            when keyword in (
                '$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'format', 'definitions',
                '$defs'
            ) then
                holds := true;
            when keyword = 'type' then
                holds := exists (
                    select
                    from jsonb_array_elements_text(
                        case when jsonb_typeof(rule) = 'array' then rule else jsonb_build_array(rule) end
                    ) as t (name)
                    where
                        t.name = kind
                        or t.name = 'integer' and kind = 'number' and trunc(instance::numeric) = instance::numeric
                );
            when keyword = 'enum' then
                holds := exists (select from jsonb_array_elements(rule) as e (allowed) where e.allowed = instance);
            when keyword = 'const' then
                holds := rule = instance;
            when keyword in ('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf') then
                holds := kind <> 'number' or case keyword
                    when 'minimum' then instance::numeric >= rule::numeric
                    when 'maximum' then instance::numeric <= rule::numeric
                    when 'exclusiveMinimum' then instance::numeric > rule::numeric
                    when 'exclusiveMaximum' then instance::numeric < rule::numeric
                    else instance::numeric % rule::numeric = 0
                end;
            when keyword in ('minLength', 'maxLength') then
                holds := kind <> 'string' or case keyword
                    when 'minLength' then length(instance #>> '{}') >= rule::integer
                    else length(instance #>> '{}') <= rule::integer
                end;
            when keyword = 'pattern' then
                holds := kind <> 'string' or (instance #>> '{}') ~ (rule #>> '{}');
            when keyword = 'required' then
                holds := kind <> 'object' or not exists (
                    select from jsonb_array_elements_text(rule) as r (name) where not instance ? r.name
                );
            when keyword = 'properties' then
                holds := kind <> 'object' or not exists (
                    select
                    from jsonb_each(rule) as p
                    where
                        instance ? p.key
                        and not @extschema@.jsonb_matches_schema(p.value::json, instance -> p.key)
                );
            when keyword = 'additionalProperties' then
                holds := kind <> 'object' or not exists (
                    select
                    from jsonb_each(instance) as p
                    where
                        not coalesce(rules -> 'properties', '{}') ? p.key
                        and not @extschema@.jsonb_matches_schema(rule::json, p.value)
                );
            when keyword = 'items' and jsonb_typeof(rule) <> 'array' then
                holds := kind <> 'array' or not exists (
                    select
                    from jsonb_array_elements(case when kind = 'array' then instance else '[]' end) as i (item)
                    where not @extschema@.jsonb_matches_schema(rule::json, i.item)
                );
            when keyword in ('minItems', 'maxItems', 'uniqueItems') then
                holds := kind <> 'array' or case keyword
                    when 'minItems' then jsonb_array_length(instance) >= rule::integer
                    when 'maxItems' then jsonb_array_length(instance) <= rule::integer
                    else not rule::boolean or jsonb_array_length(instance) = (
                        select count(distinct i.item) from jsonb_array_elements(instance) as i (item)
                    )
                end;
            when keyword in ('allOf', 'anyOf', 'oneOf') then
                holds := (
                    select case keyword
                        when 'allOf' then bool_and(m.matches)
                        when 'anyOf' then bool_or(m.matches)
                        else count(*) filter (where m.matches) = 1
                    end
                    from (
                        select @extschema@.jsonb_matches_schema(a.alternative::json, instance)
                        from jsonb_array_elements(rule) as a (alternative)
                    ) as m (matches)
                );
            when keyword = 'not' then
                holds := not @extschema@.jsonb_matches_schema(rule::json, instance);
            else
                raise exception 'the stand-in for pg_jsonschema cannot judge the keyword "%"', keyword
                using errcode = 'feature_not_supported';
        end case;

        if not holds then
            return false;
        end if;
    end loop;

    return true;
end;
$$;

create function json_matches_schema(schema json, instance json) returns boolean
language sql immutable strict parallel safe
return jsonb_matches_schema(schema, instance::jsonb);

create function jsonschema_is_valid(schema json) returns boolean
language sql immutable strict parallel safe
return json_typeof(schema) in ('object', 'boolean');

select pgassay.add_refusals('pg_jsonschema', array[
    'jsonschema_validation_errors(schema json, instance json) returns text[]'
]);
