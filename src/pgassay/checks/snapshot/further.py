"""Kinds of objects that few projects have: text search, statistics, foreign servers, labels, settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pgassay.checks.snapshot.state import Object, name

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Tools:
    """How a reader asks: a query, a query of what is the project's own, and what is written alike for every kind."""

    ask: Callable[[str], list[dict[str, Any]]]
    mine: Callable[[str, str, str, str], list[dict[str, Any]]]
    role: Callable[[str | None], str]
    grants: Callable[[str, Row], dict[str, str]]


def read(tools: Tools) -> Iterable[Object]:
    """All objects of these kinds. Most projects have none, so it is asked first of which there are any."""
    (there,) = tools.ask(_THERE)
    for kind, reader in _READERS.items():
        if there[kind]:
            yield from reader(tools)


def _configurations(tools: Tools) -> Iterable[Object]:
    for row in tools.mine(_CONFIGURATIONS, "k", "pg_ts_config", "cfg"):
        entries = {"owner": tools.role(row["owner"]), "parser": row["parser"]}
        entries |= {f"token {token}": words for token, words in sorted((row["tokens"] or {}).items())}
        yield Object("text search configuration", name(row["schema"], row["name"]), entries)


def _dictionaries(tools: Tools) -> Iterable[Object]:
    for row in tools.mine(_DICTIONARIES, "k", "pg_ts_dict", "dict"):
        entries = {"owner": tools.role(row["owner"]), "template": row["template"]}
        entries |= {"options": row["options"]} if row["options"] else {}
        yield Object("text search dictionary", name(row["schema"], row["name"]), entries)


def _statistics(tools: Tools) -> Iterable[Object]:
    for row in tools.mine(_STATISTICS, "k", "pg_statistic_ext", "stx"):
        entries = {
            "owner": tools.role(row["owner"]),
            "measures": f"{row['kinds']} on {row['columns']} from {row['of']}",
        }
        entries |= {"statistics": str(row["target"])} if row["target"] is not None else {}
        yield Object("statistics", name(row["schema"], row["name"]), entries)


def _wrappers(tools: Tools) -> Iterable[Object]:
    for row in tools.ask(_WRAPPERS):
        # owned by whoever may do what a superuser may, which differs from server to server
        entries = _options(row) | tools.grants("foreign data wrapper", row)
        yield Object("foreign data wrapper", name(row["name"]), entries)


def _servers(tools: Tools) -> Iterable[Object]:
    for row in tools.ask(_SERVERS):
        entries = {"owner": tools.role(row["owner"]), "wrapper": name(row["wrapper"])}
        entries |= {key: row[key] for key in ("type", "version") if row[key]} | _options(row)
        yield Object("foreign server", name(row["name"]), entries | tools.grants("foreign server", row))
    for row in tools.ask(_MAPPINGS):
        # its options are passwords, which are shown to few
        yield Object("user mapping", f"of {tools.role(row['role'])} on {name(row['server'])}", {})


def _labels(tools: Tools) -> Iterable[Object]:
    for row in tools.ask(_LABELS):
        yield Object("security label", f"on {row['what']}", dict(sorted(row["labels"].items())))


def _settings(tools: Tools) -> Iterable[Object]:
    for row in tools.ask(_SETTINGS):
        settings = dict(setting.split("=", 1) for setting in row["settings"])
        whose = "of the database" if row["role"] is None else f"of {tools.role(row['role'])} in the database"
        yield Object("settings", whose, {f"set {key}": value for key, value in sorted(settings.items())})


def _options(row: Row) -> dict[str, str]:
    return {"options": ", ".join(sorted(row["options"]))} if row["options"] else {}


_READERS: Mapping[str, Callable[[Tools], Iterable[Object]]] = {
    "configurations": _configurations,
    "dictionaries": _dictionaries,
    "statistics": _statistics,
    "wrappers": _wrappers,
    "servers": _servers,
    "labels": _labels,
    "settings": _settings,
}
_THERE = """
select
    exists (select from pg_ts_config where cfgnamespace = any(%(own)s::oid[] || %(shared)s::oid[])) as configurations,
    exists (select from pg_ts_dict where dictnamespace = any(%(own)s::oid[] || %(shared)s::oid[])) as dictionaries,
    exists (select from pg_statistic_ext) as statistics,
    exists (select from pg_foreign_data_wrapper) as wrappers,
    exists (select from pg_foreign_server) as servers,
    exists (select from pg_seclabel) as labels,
    exists (
        select from pg_db_role_setting
        where setdatabase = (select d.oid from pg_database as d where d.datname = current_database())
    ) as settings
"""
_CONFIGURATIONS = """
select n.nspname as schema, k.cfgname as name, pg_get_userbyid(k.cfgowner) as owner, p.prsname::text as parser,
    (
        select json_object_agg(token, words)
        from (
            select t.alias as token,
                string_agg(case when dn.nspname = 'pg_catalog' then quote_ident(d.dictname)
                    else format('%%I.%%I', dn.nspname, d.dictname) end, ', ' order by m.mapseqno) as words
            from pg_ts_config_map as m
            join pg_ts_dict as d on m.mapdict = d.oid
            join pg_namespace as dn on d.dictnamespace = dn.oid
            join ts_token_type(k.cfgparser) as t on t.tokid = m.maptokentype
            where m.mapcfg = k.oid
            group by t.alias
        ) as mapped
    ) as tokens
from pg_ts_config as k
join pg_namespace as n on k.cfgnamespace = n.oid
join pg_ts_parser as p on k.cfgparser = p.oid
where {mine}
"""
_DICTIONARIES = """
select n.nspname as schema, k.dictname as name, pg_get_userbyid(k.dictowner) as owner, t.tmplname::text as template,
    k.dictinitoption as options
from pg_ts_dict as k
join pg_namespace as n on k.dictnamespace = n.oid
join pg_ts_template as t on k.dicttemplate = t.oid
where {mine}
"""
_STATISTICS = """
select n.nspname as schema, k.stxname as name, pg_get_userbyid(k.stxowner) as owner,
    pg_get_statisticsobjdef_columns(k.oid) as columns, format('%%I.%%I', tn.nspname, t.relname) as of,
    (
        select string_agg(case kind when 'd' then 'ndistinct' when 'f' then 'dependencies' when 'm' then 'mcv'
            else 'expressions' end, ', ' order by kind)
        from unnest(k.stxkind::text[]) as s (kind)
    ) as kinds,
    nullif(k.stxstattarget, -1) as target
from pg_statistic_ext as k
join pg_namespace as n on k.stxnamespace = n.oid
join pg_class as t on k.stxrelid = t.oid
join pg_namespace as tn on t.relnamespace = tn.oid
where {mine}
"""
_WRAPPERS = """
select w.fdwname as name, pg_get_userbyid(w.fdwowner) as owner, w.fdwoptions as options,
    (
        select json_agg(json_build_array(
            case when x.grantee <> 0 then pg_get_userbyid(x.grantee) end, x.privilege_type, x.is_grantable
        ))
        from aclexplode(coalesce(w.fdwacl, acldefault('F', w.fdwowner))) as x
    ) as acl
from pg_foreign_data_wrapper as w
where not exists (
    select from pg_depend as d
    where d.classid = 'pg_foreign_data_wrapper'::regclass and d.objid = w.oid and d.deptype = 'e'
)
"""
_SERVERS = """
select s.srvname as name, pg_get_userbyid(s.srvowner) as owner, w.fdwname as wrapper, s.srvtype as type,
    s.srvversion as version, s.srvoptions as options,
    (
        select json_agg(json_build_array(
            case when x.grantee <> 0 then pg_get_userbyid(x.grantee) end, x.privilege_type, x.is_grantable
        ))
        from aclexplode(coalesce(s.srvacl, acldefault('S', s.srvowner))) as x
    ) as acl
from pg_foreign_server as s
join pg_foreign_data_wrapper as w on s.srvfdw = w.oid
where not exists (
    select from pg_depend as d
    where d.classid = 'pg_foreign_server'::regclass and d.objid = s.oid and d.deptype = 'e'
)
"""
_MAPPINGS = """
select m.srvname as server, case when m.umuser <> 0 then pg_get_userbyid(m.umuser) end as role
from pg_user_mappings as m
"""
_LABELS = """
select i.type || ' ' || i.identity as what, json_object_agg(l.provider, l.label) as labels
from pg_seclabel as l
cross join lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) as i
where i.schema = any(select n.nspname from pg_namespace as n where n.oid = any(%(own)s::oid[]))
    or l.classoid = 'pg_namespace'::regclass and l.objoid = any(%(own)s::oid[])
group by i.type, i.identity
"""
_SETTINGS = """
select case when s.setrole <> 0 then pg_get_userbyid(s.setrole) end as role, s.setconfig as settings
from pg_db_role_setting as s
join pg_database as d on s.setdatabase = d.oid
where d.datname = current_database()
"""
