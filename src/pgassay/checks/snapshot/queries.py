"""The queries of `reading`: a kind of object each, on the catalog alone, under ``search_path = pg_catalog, pg_temp``.

``{acl}`` stands for rights as a list of [role or null, right, whether it may be passed on], ``{mine}`` for whether an
object is the project's own.
"""

SETTINGS = """
select
    set_config('search_path', 'pg_catalog, pg_temp', true),
    set_config('timezone', 'UTC', true),
    set_config('datestyle', 'ISO, YMD', true),
    set_config('intervalstyle', 'postgres', true),
    set_config('extra_float_digits', '1', true),
    set_config('bytea_output', 'hex', true),
    set_config('standard_conforming_strings', 'on', true),
    set_config('quote_all_identifiers', 'off', true)
"""

NAMESPACES = """
select n.oid, n.nspname, pg_get_userbyid(n.nspowner) as owner, obj_description(n.oid, 'pg_namespace') as comment,
    {acl} as acl
from pg_namespace as n
where
    n.nspname <> 'information_schema'
    and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_namespace'::regclass and x.objid = n.oid and x.deptype = 'e'
    )
"""

# %(own)s are the project's namespaces, %(shared)s those in which only what its owner has is taken for its own
MINE = """
({object}.{namespace} = any(%(own)s::oid[])
    or {object}.{namespace} = any(%(shared)s::oid[]) and {object}.{owner} = %(owner)s)
and not exists (
    select from pg_depend as x where x.classid = {catalog}::regclass and x.objid = {object}.oid and x.deptype = 'e'
)
"""

RELATIONS = """
select
    c.oid, n.nspname as schema, c.relname as name, c.relkind::text as kind, pg_get_userbyid(c.relowner) as owner,
    c.relpersistence::text as persistence, c.relrowsecurity as secured, c.relforcerowsecurity as forced,
    coalesce(c.reloptions, '{{}}') as options, c.relreplident::text as replica_identity,
    pg_get_partkeydef(c.oid) as partitioned_by, pg_get_expr(c.relpartbound, c.oid, true) as bound,
    array(
        select format('%%I.%%I', pn.nspname, p.relname)
        from pg_inherits as i
        join pg_class as p on i.inhparent = p.oid
        join pg_namespace as pn on p.relnamespace = pn.oid
        where i.inhrelid = c.oid order by i.inhseqno
    ) as parents,
    obj_description(c.oid, 'pg_class') as comment,
    case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid, true) end as definition,
    (
        select s.srvname from pg_foreign_table as f join pg_foreign_server as s on f.ftserver = s.oid
        where f.ftrelid = c.oid
    ) as server,
    (select f.ftoptions from pg_foreign_table as f where f.ftrelid = c.oid) as foreign_options,
    {mine} as mine,
    {acl} as acl
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
where
    c.relkind in ('r', 'p', 'v', 'm', 'f')
    and c.relnamespace = any(%(own)s::oid[] || %(shared)s::oid[])
    and not exists (
        select from pg_depend as x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e'
    )
"""

COLUMNS = """
select
    a.attrelid as relation, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
    case when a.attcollation <> t.typcollation then
        (select format('%%I.%%I', n.nspname, k.collname) from pg_collation as k
            join pg_namespace as n on k.collnamespace = n.oid where k.oid = a.attcollation)
    end as collation,
    a.attnotnull as not_null, a.attidentity::text as identity, a.attgenerated::text as generated,
    pg_get_expr(d.adbin, d.adrelid, true) as expression, col_description(a.attrelid, a.attnum) as comment,
    a.attstorage::text as storage, t.typstorage::text as usual_storage, a.attcompression::text as compression,
    nullif(a.attstattarget, -1) as target, a.attoptions as options,
    (
        select json_agg(json_build_array(
            case when x.grantee <> 0 then pg_get_userbyid(x.grantee) end, x.privilege_type, x.is_grantable
        ))
        from aclexplode(a.attacl) as x
    ) as acl
from pg_attribute as a
join pg_type as t on a.atttypid = t.oid
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = any(%(relations)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""

# NOT NULL is a constraint of its own since 18, and stands with its column; what partitions have from their parent is
# made anew with them.
CONSTRAINTS = """
select
    k.conrelid as relation, k.contypid as domain, k.conname as name, k.contype::text as kind,
    pg_get_constraintdef(k.oid, true) as definition, obj_description(k.oid, 'pg_constraint') as comment,
    c.relname as of,
    array(
        select a.attname::text from unnest(k.conkey) with ordinality as u (attnum, position)
        join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.attnum order by u.position
    ) as columns
from pg_constraint as k
left join pg_class as c on k.conrelid = c.oid
where
    (k.conrelid = any(%(relations)s::oid[]) or k.contypid = any(%(domains)s::oid[]))
    and k.contype in ('c', 'u', 'p', 'f', 'x')
    and k.conparentid = 0
    and (k.conislocal or k.coninhcount = 0)
"""

INDEXES = """
select
    i.indrelid as relation, c.relname as name, i.indisunique as is_unique, i.indisvalid as valid,
    i.indisreplident as identifies, pg_get_indexdef(c.oid) as definition, obj_description(c.oid, 'pg_class') as comment,
    format('%%I', c.relname) as quoted, t.relname as of,
    array(select pg_get_indexdef(c.oid, p, true) from generate_series(1, i.indnkeyatts) as p) as columns,
    exists (select from pg_constraint as k where k.conindid = c.oid and k.contype in ('u', 'p', 'x')) as constrains
from pg_index as i
join pg_class as c on i.indexrelid = c.oid
join pg_class as t on i.indrelid = t.oid
where i.indrelid = any(%(relations)s::oid[]) and not c.relispartition
"""

TRIGGERS = """
select
    t.tgrelid as relation, t.tgname as name, t.tgenabled::text as enabled, pg_get_triggerdef(t.oid, true) as definition,
    format('%%I', t.tgname) as quoted, obj_description(t.oid, 'pg_trigger') as comment,
    p.pronamespace = any(%(own)s::oid[]) or p.proowner = %(owner)s as mine, t.tgparentid <> 0 as cloned
from pg_trigger as t
join pg_proc as p on t.tgfoid = p.oid
left join pg_trigger as parent on t.tgparentid = parent.oid
where
    t.tgrelid = any(%(relations)s::oid[]) and not t.tgisinternal
    -- what partitions have from their parent is told where it is another one there
    and (parent.oid is null or parent.tgenabled <> t.tgenabled)
"""

POLICIES = """
select
    p.polrelid as relation, p.polname as name, p.polpermissive as permissive, p.polcmd::text as command,
    array(select case when r <> 0 then pg_get_userbyid(r)::text end from unnest(p.polroles) as r) as roles,
    pg_get_expr(p.polqual, p.polrelid, true) as qual, pg_get_expr(p.polwithcheck, p.polrelid, true) as with_check,
    obj_description(p.oid, 'pg_policy') as comment
from pg_policy as p
where p.polrelid = any(%(relations)s::oid[])
"""

RULES = """
select r.ev_class as relation, r.rulename as name, pg_get_ruledef(r.oid, true) as definition,
    r.ev_enabled::text as enabled, obj_description(r.oid, 'pg_rewrite') as comment
from pg_rewrite as r
where r.ev_class = any(%(relations)s::oid[]) and r.rulename <> '_RETURN'
"""

SEQUENCES = """
select
    n.nspname as schema, c.relname as name, pg_get_userbyid(c.relowner) as owner, format_type(s.seqtypid, null) as type,
    s.seqstart as start, s.seqincrement as increment, s.seqmin as min, s.seqmax as max, s.seqcache as cache,
    s.seqcycle as cycle, obj_description(c.oid, 'pg_class') as comment,
    (
        select json_build_array(tn.nspname, t.relname, a.attname)
        from pg_depend as d
        join pg_class as t on d.refobjid = t.oid
        join pg_namespace as tn on t.relnamespace = tn.oid
        join pg_attribute as a on a.attrelid = t.oid and a.attnum = d.refobjsubid
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
            and d.deptype in ('a', 'i')
    ) as owned_by,
    {acl} as acl
from pg_sequence as s
join pg_class as c on s.seqrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
where {mine}
"""

TYPES = """
select
    t.oid, n.nspname as schema, t.typname as name, t.typtype::text as kind, pg_get_userbyid(t.typowner) as owner,
    obj_description(t.oid, 'pg_type') as comment,
    case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end as base, t.typnotnull as not_null,
    pg_get_expr(t.typdefaultbin, 0, true) as expression,
    case when
        t.typtype = 'd'
        and t.typcollation <> (select b.typcollation from pg_type as b where b.oid = t.typbasetype)
        then (select format('%%I.%%I', kn.nspname, k.collname) from pg_collation as k
            join pg_namespace as kn on k.collnamespace = kn.oid where k.oid = t.typcollation)
    end as collation,
    array(select e.enumlabel::text from pg_enum as e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
    (
        select json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum)
        from pg_attribute as a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) as attributes,
    (select format_type(r.rngsubtype, null) from pg_range as r where r.rngtypid = t.oid) as subtype,
    {acl} as acl
from pg_type as t
join pg_namespace as n on t.typnamespace = n.oid
where
    (t.typtype in ('e', 'd', 'r')
        or t.typtype = 'c' and exists (select from pg_class as c where c.oid = t.typrelid and c.relkind = 'c'))
    and {mine}
"""

FUNCTIONS = """
select
    p.oid, n.nspname as schema, p.proname as name, p.prokind::text as kind, pg_get_userbyid(p.proowner) as owner,
    array(
        select format_type(u.type, null) from unnest(p.proargtypes) with ordinality as u (type, position)
        order by u.position
    ) as types,
    pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result, l.lanname as language,
    p.provolatile::text as volatility, p.prosecdef as definer, p.proleakproof as leakproof, p.proisstrict as strict,
    p.proparallel::text as parallel, p.procost as cost, p.prorows as rows, coalesce(p.proconfig, '{{}}') as settings,
    p.prosrc as source, p.probin as library, pg_get_function_sqlbody(p.oid) as sql_body,
    obj_description(p.oid, 'pg_proc') as comment,
    (
        select json_build_object(
            'state function', g.aggtransfn::regprocedure::text, 'state', format_type(g.aggtranstype, null),
            'final function', nullif(g.aggfinalfn, 0)::regprocedure::text, 'initial value', g.agginitval,
            'combine function', nullif(g.aggcombinefn, 0)::regprocedure::text
        )
        from pg_aggregate as g where g.aggfnoid = p.oid
    ) as aggregate,
    {acl} as acl
from pg_proc as p
join pg_namespace as n on p.pronamespace = n.oid
join pg_language as l on p.prolang = l.oid
where
    {mine}
    -- what a range type brings belongs to it
    and not exists (
        select from pg_depend as x where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'i'
    )
"""

OPERATORS = """
select
    n.nspname as schema, o.oprname as name, o.oprcode::regprocedure::text as function,
    array(select format_type(a, null) from unnest(array[o.oprleft, o.oprright]) as a where a <> 0) as types,
    pg_get_userbyid(o.oprowner) as owner, obj_description(o.oid, 'pg_operator') as comment
from pg_operator as o
join pg_namespace as n on o.oprnamespace = n.oid
where {mine}
"""

CASTS = """
select
    format_type(k.castsource, null) as source, format_type(k.casttarget, null) as target,
    case k.castmethod when 'f' then k.castfunc::regprocedure::text when 'i' then 'text' else 'none' end as function,
    k.castcontext::text as context
from pg_cast as k
join pg_type as s on k.castsource = s.oid
join pg_type as t on k.casttarget = t.oid
left join pg_proc as p on k.castfunc = p.oid
where
    (s.typnamespace = any(%(own)s::oid[]) or t.typnamespace = any(%(own)s::oid[])
        or p.pronamespace = any(%(own)s::oid[]))
    and not exists (
        select from pg_depend as x
        where x.classid = 'pg_cast'::regclass and x.objid = k.oid and x.deptype in ('e', 'i')
    )
"""

COLLATIONS = """
select n.nspname as schema, k.collname as name, pg_get_userbyid(k.collowner) as owner,
    k.collprovider::text as provider, k.collisdeterministic as deterministic, to_jsonb(k) as found
from pg_collation as k
join pg_namespace as n on k.collnamespace = n.oid
where {mine}
"""

EXTENSIONS = """
select e.extname as name, n.nspname as schema
from pg_extension as e
join pg_namespace as n on e.extnamespace = n.oid
"""

PUBLICATIONS = """
select
    p.pubname as name, pg_get_userbyid(p.pubowner) as owner, p.puballtables as everything, p.pubviaroot as via_root,
    p.pubinsert as insert, p.pubupdate as update, p.pubdelete as delete, p.pubtruncate as truncate,
    obj_description(p.oid, 'pg_publication') as comment,
    (
        select json_agg(json_build_object(
            'schema', n.nspname, 'name', c.relname, 'where', pg_get_expr(r.prqual, r.prrelid, true),
            'columns', array(
                select a.attname from unnest(r.prattrs) as u (attnum)
                join pg_attribute as a on a.attrelid = c.oid and a.attnum = u.attnum
            )
        ))
        from pg_publication_rel as r
        join pg_class as c on r.prrelid = c.oid
        join pg_namespace as n on c.relnamespace = n.oid
        where r.prpubid = p.oid and n.oid = any(%(own)s::oid[])
    ) as tables,
    array(
        select n.nspname::text from pg_publication_namespace as s join pg_namespace as n on s.pnnspid = n.oid
        where s.pnpubid = p.oid
    ) as schemas
from pg_publication as p
where p.pubowner = %(owner)s or p.pubname = 'supabase_realtime'
"""

EVENT_TRIGGERS = """
-- In the environment, one of the project's calls a function that stands before the project's own.
select e.evtname as name, pg_get_userbyid(case when p.oid = e.evtfoid then e.evtowner else p.proowner end) as owner,
    e.evtevent as event, e.evttags as tags, e.evtenabled::text as enabled, p.oid::regprocedure::text as function,
    obj_description(e.oid, 'pg_event_trigger') as comment
from pg_event_trigger as e
join pg_proc as w on e.evtfoid = w.oid
join pg_proc as p on p.oid = case
    when w.pronamespace = to_regnamespace('pgassay') and w.proname ~ '^event_trigger_[0-9]+$'
        then substr(w.proname, 15)::oid
    else w.oid
end
where p.pronamespace = any(%(own)s::oid[])
"""

DEFAULT_PRIVILEGES = """
select
    pg_get_userbyid(d.defaclrole) as role, n.nspname as schema, d.defaclobjtype::text as kind,
    (
        select json_agg(json_build_array(
            case when x.grantee <> 0 then pg_get_userbyid(x.grantee) end, x.privilege_type, x.is_grantable
        ))
        from aclexplode(d.defaclacl) as x
    ) as acl
from pg_default_acl as d
left join pg_namespace as n on d.defaclnamespace = n.oid
where (d.defaclnamespace = 0 or d.defaclnamespace = any(%(own)s::oid[])) and d.defaclobjtype = any('{{r,S,f,T,n}}')
"""
