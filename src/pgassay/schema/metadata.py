"""Metadata of users: what a schema reads of what each user writes there, at sign-up and later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from pgassay import sqltree
from pgassay.schema.sources import Ask, Sources

_COLUMN = "raw_user_meta_data"
_TRIGGERS: LiteralString = """
select
    pg_catalog.concat(n.nspname, '.', p.proname),
    pg_catalog.min(t.tgname::pg_catalog.text collate "C") filter (where not t.tgisinternal and t.tgenabled <> 'D'),
    pg_catalog.bool_or((t.tgtype operator(pg_catalog.&) 16::pg_catalog.int2) > 0)
from pg_catalog.pg_trigger as t
join pg_catalog.pg_proc as p on t.tgfoid = p.oid
join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
where t.tgrelid = pg_catalog.to_regclass(%(users)s)
group by 1
"""


@dataclass(frozen=True)
class Reader:
    """What reads the metadata of users: the paths of its keys.

    ``trigger`` is one on ``auth.users``, if it is that; ``is_later`` says whether it reads them after the sign-up too.
    """

    trigger: str
    is_later: bool
    name: str
    paths: tuple[tuple[str, ...], ...]


def readers(ask: Ask, sources: Sources) -> list[Reader]:
    """All that reads keys of the metadata, in the order of their names."""
    triggers = {
        name: (trigger, is_later) for name, trigger, is_later in ask(_TRIGGERS, {"users": sources.platform.users.table})
    }
    named: list[tuple[str, str, bool, str, list[sqltree.Node]]] = []
    for function in sources.functions:
        trigger, is_later = (None, True) if function.parameters else triggers.get(function.full_name, (None, True))
        named.append((f"{function.full_name}()", trigger or "", is_later, function.definition, function.trees))
    named += [(view.full_name, "", True, view.definition, view.trees) for view in sources.views]
    named += [(one.relation, "", True, one.text, one.trees) for one in sources.conditions]
    found = []
    for name, trigger, is_later, text, trees in sorted(named, key=lambda one: (one[0], one[1], one[3])):
        paths = {path for node in trees for path in sqltree.keys(node)} if _COLUMN in text else ()
        if paths:
            found.append(Reader(trigger, is_later, name, tuple(sorted(paths))))
    return found
