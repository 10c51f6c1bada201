"""Tenancy: who owns which rows, inferred from foreign keys, names and the comparisons of the schema's own SQL.

An inference is stated with its evidence for a person to confirm. What the schema does not settle is a question.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pgassay.catalog import ForeignKey, Relation
from pgassay.config import Claim, Membership, Share, Tenancy
from pgassay.hints import OBJECTS, Column, Facts, Hints, Way

USERS = "auth.users"

_MEMBERS = re.compile(r"member|staff|employ|participant|(^|_)users?(_|$)|people|crew|mitglied|belong|affiliat", re.I)
_SHARES = re.compile(r"shar(e|ing)|access|permission|collaborat|grant|viewer|guest|(^|_)acl", re.I)
_TENANTS = re.compile(
    r"org|team|tenant|account|workspace|compan|club|shop|store|business|client|group|household|famil|school|studio"
    r"|agenc|firm|room|conversation|channel",
    re.I,
)
_OWNERS = ("user_id", "owner_id", "author_id", "creator_id", "profile_id", "owner", "created_by", "user", "id")
"""Names of a column for whom a row belongs to, the likeliest first."""
_WRITTEN_BY_USERS = "user_metadata"


@dataclass(frozen=True)
class Question:
    """What only a person can say of ``object``.

    ``path`` leads from its rows to the tenant, ``share`` names its columns for a row and a user, as the configuration
    has them. Without either, the object may be everybody's.
    """

    object: str
    text: str
    path: str = ""
    share: str = ""


@dataclass(frozen=True)
class Candidate:
    """A tenancy that may be meant: its tenants, who belongs to them, and what speaks for it."""

    tenant: str
    member: Membership | Claim | None
    evidence: str

    @property
    def written(self) -> str:
        """``member`` as the configuration has it."""
        return written(self.member)


@dataclass(frozen=True)
class Inference:
    """What was inferred. ``tenancy`` is None where the schema does not settle it: then ``doubt`` says why.

    ``evidence`` has a sentence for each of ``tenant``, ``member`` and ``column``; ``users`` are the tables whose rows
    are a user's and no tenant's. ``questions`` do not stand in the way, but what they ask about is not judged.
    ``openings`` ask whether what is a tenant's is open to others on purpose; until that is said, it is not.
    """

    tenancy: Tenancy | None
    evidence: Mapping[str, str] = field(default_factory=dict)
    users: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    openings: tuple[Question, ...] = ()
    notes: tuple[str, ...] = ()
    doubt: str = ""
    candidates: tuple[Candidate, ...] = ()


def written(member: Membership | Claim | None) -> str:
    """``member`` as the configuration has it."""
    match member:
        case Membership():
            return f"{member.table}({member.tenant}, {member.user})"
        case Claim():
            return f"claim:{'.'.join(member.path)}"
    return "self"


def infer(
    relations: Iterable[Relation], hints: Hints, tenant: str | None = None, member: str | None = None
) -> Inference:
    """Infer the tenancy of a schema.

    ``tenant`` and ``member`` are what a person has said already of the table of tenants, and of who belongs to them.
    """
    schema = _Schema(tuple(relations), hints)
    candidates, doubt = _settled(schema) if tenant is None and member is None else _said(schema, tenant, member)
    if len(candidates) != 1 or doubt:
        return Inference(None, doubt=doubt, candidates=tuple(_shown(schema, found) for found in candidates))
    return _Rules(schema, candidates[0]).inference()


def references(relations: Iterable[Relation], hints: Hints, tenancy: Tenancy) -> tuple[str, ...]:
    """The tables of reference: from which nothing leads to a tenant or user, written by nobody, and read by all."""
    schema = _Schema(tuple(relations), hints)
    member = tenancy.member
    owned = {tenancy.tenant, USERS, *tenancy.tables, *([member.table] if isinstance(member, Membership) else [])}
    owned |= {share.table for share in tenancy.shared}
    owned |= {
        name
        for name, table in schema.tables.items()
        if table.column(tenancy.column_of(name)) is not None or schema.users_of(name)
    }
    while more := {
        name
        for name, table in schema.tables.items()
        if name not in owned and any(key.target in owned for key in table.foreign_keys)
    }:
        owned |= more
    open_to_all = [name for name in schema.tables if name in hints.open]
    return tuple(name for name in open_to_all if name not in {*owned, *hints.written, *tenancy.public})


@dataclass(frozen=True)
class _Candidate:
    """A candidate with the tables whose policies bear it out, and whether it may as well be something else."""

    tenant: str
    member: Membership | Claim | None
    support: frozenset[str]
    pair: bool = False
    unsure: str = ""
    is_share: bool = False


class _Schema:
    """What follows from catalog and hints before anything is decided."""

    def __init__(self, relations: tuple[Relation, ...], hints: Hints) -> None:
        self.hints = hints
        self.relations = relations
        self.tables = {relation.full_name: relation for relation in relations if relation.kind == "table"}
        self.facts = {name: self._closure(name) for name in hints.policies}
        self.compared = set(hints.elsewhere.callers).union(*(facts.callers for facts in hints.policies.values()))
        self.user_columns = self._user_columns()
        self.routes: dict[Any, dict[str, list[tuple[str, ...]]]] = {}
        self.memberships = tuple(_memberships(self))
        self.shares: tuple[Membership, ...] = tuple(_opened(found) for found in self.memberships if found.is_share)

    def unique(self, table: str) -> tuple[frozenset[str], ...]:
        return self.hints.unique.get(table, ())

    def users_of(self, table: str) -> list[str]:
        """The columns of ``table`` that hold the id of a user, in order."""
        return [c.name for c in self.tables[table].columns if Column(table, c.name) in self.user_columns]

    def is_of_users(self, table: str) -> bool:
        """Whether a table has one row a user under the user's own id, as a table of profiles has."""
        return table == USERS or any({name} in self.unique(table) for name in self.users_of(table))

    def direct(self, table: str) -> list[str]:
        """The columns for users of ``table`` that its own policies compare with the caller."""
        own = self.hints.policies.get(table, Facts()).callers
        return [name for name in self.users_of(table) if Column(table, name) in own]

    def owners(self, table: str) -> list[str]:
        """The columns by which users own the rows of ``table``."""
        return [
            name
            for name in self.users_of(table)
            if Column(table, name) in self.compared or Column(table, name) in self.hints.defaults
        ]

    def support(self, column: Column, but: str) -> frozenset[str]:
        """The tables other than ``but`` whose policies look the caller up in ``column``."""
        return frozenset(name for name, facts in self.facts.items() if name != but and column in facts.callers)

    def is_referred_to(self, user_table: str, tenant: str) -> bool:
        """Whether other tables than that of users refer to what looks like a table of tenants."""
        return bool(_TENANTS.search(tenant.partition(".")[2])) and any(
            key.target == tenant
            for name, table in self.tables.items()
            if name != user_table and not self.is_of_users(name)
            for key in table.foreign_keys
        )

    def _closure(self, table: str) -> Facts:
        """The facts of a table's policies, and of those of the tables that they read."""
        found, seen, left = Facts(), set(), [table]
        while left:
            name = left.pop()
            if name in seen:
                continue
            seen.add(name)
            facts = self.hints.policies.get(name, Facts())
            found.add(facts)
            left += [column.relation for column in facts.columns]
        return found

    def _user_columns(self) -> set[Column]:
        found: set[Column] = set()
        keys = [(table, key) for table in self.tables.values() for key in table.foreign_keys if len(key.columns) == 1]

        def follow() -> None:
            before = -1
            while before != len(found):
                before = len(found)
                for table, key in keys:
                    ((here, there),) = key.columns
                    target = Column(key.target, there)
                    if key.target == USERS or (target in found and {there} in self.unique(key.target)):
                        found.add(Column(table.full_name, here))

        follow()
        linked = {Column(table.full_name, here) for table, key in keys for here, _ in key.columns}
        bare = {column for column in self.compared | self.hints.defaults if column not in linked}
        bare = {column for column in bare if column.relation in self.tables}
        found |= {column for column in bare if {column.name} not in self.unique(column.relation)}
        tenants = {
            key.target for table, key in keys if key.target not in self._of_users(found) and self._joins(table, found)
        }
        found |= {column for column in bare if column.relation not in tenants}
        follow()
        return found

    def _of_users(self, found: set[Column]) -> set[str]:
        return {USERS, *(c.relation for c in found if {c.name} in self.unique(c.relation))}

    def _joins(self, table: Relation, found: set[Column]) -> bool:
        users = {column.name for column in found if column.relation == table.full_name}
        return any(unique & users and len(unique) > 1 for unique in self.unique(table.full_name))


# who belongs to whom


def _alone(schema: _Schema) -> _Candidate:
    """Each user is a tenant."""
    return _Candidate(USERS, None, frozenset(name for name in schema.tables if schema.direct(name)))


def _said(schema: _Schema, tenant: str | None, member: str | None) -> tuple[list[_Candidate], str]:
    """The candidates that agree with what a person has said."""
    found = [
        candidate
        for candidate in (*schema.memberships, *_claims(schema), _alone(schema))
        if tenant in (None, candidate.tenant) and member in (None, written(candidate.member))
    ]
    chosen = _best(found)
    if chosen:
        return chosen, _several(chosen) if len(chosen) > 1 else ""
    said = " and ".join(f"{key} {value}" for key, value in (("tenant", tenant), ("member", member)) if value)
    return [], f"Nothing in the schema speaks for {said}."


def _settled(schema: _Schema) -> tuple[list[_Candidate], str]:
    """The one candidate, or several or none, and why."""
    alone = _alone(schema)
    has_owners = any(schema.users_of(name) for name in schema.tables)
    found = [*(found for found in schema.memberships if not found.is_share), *_claims(schema)]
    found = [candidate for candidate in found if not _is_a_catalog(schema, candidate, alone)]
    found = _best(_highest(schema, found))
    found = [c for c in found if not _is_part(schema, c, found)]
    sure = [candidate for candidate in found if not candidate.unsure]
    if len(sure) == 1 and len(found) == 1:
        (candidate,) = sure
        above = _above(schema, candidate)
        if above:
            return [candidate, *([alone] if has_owners else [])], (
                f"{candidate.tenant} belongs to {above}, and nothing says who is a member there: "
                f"are the rows of each of {candidate.tenant} to be kept apart?"
            )
        covered = set(_routes(schema, candidate)) - _itself(candidate)
        owned = {name for name in alone.support if name not in covered} - _itself(candidate)
        if not _TENANTS.search(candidate.tenant.partition(".")[2]) and len(owned) > len(covered):
            return [candidate, alone], _several([candidate, alone])
        return sure, ""
    if not found:
        return _without_tenants(schema, alone, has_owners)
    if len(found) == 1:
        return [*found, alone], found[0].unsure
    return found, _several(found)


def _is_a_catalog(schema: _Schema, candidate: _Candidate, alone: _Candidate) -> bool:
    """Whether its tenants are no more than entries of a list that everybody may read.

    Unless more tables look the caller up in who belongs to them than hold rows to their own user.
    """
    if candidate.tenant not in schema.hints.open or not alone.support:
        return False
    ours = candidate.support | _itself(candidate)
    if isinstance(candidate.member, Claim):
        return False
    others = {name for name, facts in schema.facts.items() if name in schema.tables and facts.callers} - ours
    return len(candidate.support - {candidate.tenant}) <= len(others)


def _without_tenants(schema: _Schema, alone: _Candidate, has_owners: bool) -> tuple[list[_Candidate], str]:
    forged = [
        (column, path)
        for facts in (*schema.hints.policies.values(), schema.hints.elsewhere)
        for column, path in facts.claims
    ]
    for column, path in sorted(forged):
        claim = ".".join(path)
        if path[0] == _WRITTEN_BY_USERS:
            return [], (
                f"{column.relation} compares {column.name} with the claim {claim}, which users write themselves: "
                "it cannot say whose member they are."
            )
        if Column(column.relation, column.name) not in schema.user_columns and column.name.endswith("_id"):
            return [], (
                f"{column.relation} compares {column.name} with the claim {claim}, but it is no foreign key, so the "
                "table of tenants is not known."
            )
    for name, table in schema.tables.items():
        for key in table.foreign_keys:
            (here, there), *more = key.columns
            if not more and _stands_for_users(schema, key.target, there) and _joined(schema, table, here):
                return [], (
                    f"{name}.{here} refers to {key.target}.{there}, which is not the user's id: who belongs to whom "
                    "cannot be written as a table with a column for the user."
                )
    if has_owners:
        return [alone], _unclaimed(schema)
    if OBJECTS in schema.hints.policies:  # there is nothing but files, which users upload
        return [alone], ""
    return [], (
        "No table joins auth.users with a table of tenants, no policy compares a column with a claim, and no table has "
        "a column for its user."
    )


def _unclaimed(schema: _Schema) -> str:
    """A doubt where a table looks like that of tenants, but nothing says who belongs to whom."""
    for name in schema.tables:
        if not _TENANTS.search(name.partition(".")[2]) or schema.is_of_users(name) or name in schema.hints.open:
            continue
        if schema.owners(name) or schema.users_of(name):
            continue
        below = [
            other
            for other, table in schema.tables.items()
            if other != name and any(key.target == name for key in table.foreign_keys)
        ]
        if below:
            verb = "refers" if len(below) == 1 else "refer"
            return f"{', '.join(below)} {verb} to {name}, and nothing says who belongs there."
    return ""


def _stands_for_users(schema: _Schema, table: str, key: str) -> bool:
    """Whether a table has one row a user, under a key that is not the user's id."""
    return (
        table in schema.tables
        and {key} in schema.unique(table)
        and Column(table, key) not in schema.user_columns
        and schema.is_of_users(table)
    )


def _joined(schema: _Schema, table: Relation, user: str) -> bool:
    return any(
        user in unique and len(unique) > 1 and _MEMBERS.search(table.name) for unique in schema.unique(table.full_name)
    )


def _opened(candidate: _Candidate) -> Membership:
    assert isinstance(candidate.member, Membership)
    return candidate.member


def _memberships(schema: _Schema) -> Iterator[_Candidate]:
    for name, table in schema.tables.items():
        users = schema.users_of(name)
        pairs: list[_Candidate] = []
        for key in table.foreign_keys:
            if len(key.columns) != 1 or key.target == name or key.target not in schema.tables:
                continue
            ((here, there),) = key.columns
            if schema.tables[key.target].primary_key != (there,) or Column(name, here) in schema.user_columns:
                continue
            made = [_membership(schema, name, here, user, key.target) for user in users]
            pairs.extend(found for found in made if found is not None)
        if any(found.pair for found in pairs):
            pairs = [found for found in pairs if found.pair]
        yield from pairs


def _membership(schema: _Schema, name: str, here: str, user: str, tenant: str) -> _Candidate | None:
    """What a table with a foreign key to a possible tenant and a column for users comes to."""
    member = Membership(name, here, user)
    column = Column(name, user)
    support = schema.support(column, name)
    called = column in schema.hints.elsewhere.callers
    pair = any({here, user} <= unique for unique in schema.unique(name))
    is_named = bool(_MEMBERS.search(name.partition(".")[2]))
    if not pair:
        single = {user} in schema.unique(name)
        if single and not support and not called and schema.is_referred_to(name, tenant):
            return _Candidate(tenant, member, support, pair, f"Are users members of {tenant} by {name}?")
        # a table of its own content with an author, or a user's settings, is none that says who belongs to whom
        if not (support - {tenant} or (support and (single or is_named)) or (called and (single or is_named))):
            return None
        if not single and not is_named and tenant not in support:
            return None
    is_share = bool(_SHARES.search(name.partition(".")[2]))
    is_tenant = bool(_TENANTS.search(tenant.partition(".")[2]))
    found = _Candidate(tenant, member, support, pair)
    if schema.owners(tenant):
        if is_share and not is_tenant:
            return replace(found, is_share=True)
        if (is_named or is_tenant) and not is_share:
            return found
        rest = {
            table
            for table in support & set(schema.tables) - {tenant}
            if not schema.direct(table) and any(key.target == tenant for key in schema.tables[table].foreign_keys)
        }
        if rest or (is_share and is_tenant):
            doubt = (
                f"Are users members of {tenant} by {name}, or do the owners of its rows open them to others with it?"
            )
            return replace(found, unsure=doubt)
        return replace(found, is_share=True) if tenant in support and not is_tenant else None
    if support or called or is_named:
        return found
    if is_tenant and pair:
        return replace(found, unsure=f"Are users members of {tenant} by {name}?")
    return None


def _claims(schema: _Schema) -> list[_Candidate]:
    found: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    sources = [*schema.facts.items(), ("", schema.hints.elsewhere)]
    for name, facts in sources:
        for column, path in facts.claims:
            tenant = _tenant_of(schema, column)
            if tenant is not None and path[0] != _WRITTEN_BY_USERS:
                found.setdefault((tenant, path), set()).update({name} - {""})
    return [_Candidate(tenant, Claim(path), frozenset(support), True) for (tenant, path), support in found.items()]


def _tenant_of(schema: _Schema, column: Column) -> str | None:
    """The table whose key ``column`` is, or refers to."""
    table = schema.tables.get(column.relation)
    if table is None or column in schema.user_columns:
        return None
    if table.primary_key == (column.name,):
        return table.full_name
    for key in table.foreign_keys:
        if key.columns[0][0] == column.name and len(key.columns) == 1 and not schema.is_of_users(key.target):
            return key.target
    return None


def _best(candidates: list[_Candidate]) -> list[_Candidate]:
    """Of those for the same tenants, the one that policies bear out; two where both are."""
    left: list[_Candidate] = []
    for tenant in dict.fromkeys(candidate.tenant for candidate in candidates):
        rivals = [candidate for candidate in candidates if candidate.tenant == tenant]
        sure = [rival for rival in rivals if not rival.unsure] or rivals

        def weight(rival: _Candidate) -> tuple[bool, int, bool, bool]:
            is_named = isinstance(rival.member, Membership) and bool(_MEMBERS.search(rival.member.table))
            return bool(rival.support), len(rival.support), rival.pair, is_named

        best = max(sure, key=weight)
        kinds = {type(rival.member) for rival in sure if rival.support}
        equals = [rival for rival in sure if weight(rival) == weight(best)]
        left += [rival for rival in sure if rival.support] if len(kinds) > 1 else equals
    return left


def _highest(schema: _Schema, candidates: list[_Candidate]) -> list[_Candidate]:
    """Without those whose tenants themselves belong to other candidates' tenants, as teams do to organisations."""
    return [
        candidate
        for candidate in candidates
        if not any(
            other.tenant != candidate.tenant
            and candidate.tenant in _routes(schema, other)
            and other.tenant not in _routes(schema, candidate)
            and not other.unsure
            for other in candidates
        )
    ]


def _is_part(schema: _Schema, candidate: _Candidate, candidates: list[_Candidate]) -> bool:
    """Whether all that belongs to its tenants belongs to another candidate's as well."""
    covered = set(_routes(schema, candidate)) - _itself(candidate)
    return any(
        other.tenant != candidate.tenant
        and not other.unsure
        and covered < set(_routes(schema, other)) - _itself(other)
        and candidate.tenant in _routes(schema, other)
        for other in candidates
    )


def _above(schema: _Schema, candidate: _Candidate) -> str | None:
    """The table to which the tenants themselves belong, if there is one that looks like a tenant, too."""
    targets = [key.target for key in schema.tables[candidate.tenant].foreign_keys if key.target in schema.tables]
    return next(
        (
            target
            for target in targets
            if target != candidate.tenant
            and not schema.is_of_users(target)
            and _TENANTS.search(target.partition(".")[2])
        ),
        None,
    )


def _itself(candidate: _Candidate) -> set[str]:
    member = candidate.member
    return {candidate.tenant, *([member.table] if isinstance(member, Membership) else [])}


def _several(candidates: list[_Candidate]) -> str:
    tenants = list(dict.fromkeys(candidate.tenant for candidate in candidates))
    if len(tenants) == 1 and len(candidates) > 1:
        return f"Who belongs to {tenants[0]}: what {' or what '.join(written(c.member) for c in candidates)} says?"
    return f"Whose are the rows: is the tenant {' or '.join(tenants)}?"


def _shown(schema: _Schema, candidate: _Candidate) -> Candidate:
    return Candidate(candidate.tenant, candidate.member, _evidence_of_member(schema, candidate))


def _evidence_of_member(schema: _Schema, candidate: _Candidate) -> str:
    looks = _count(len(candidate.support), "table")
    match candidate.member:
        case Membership() as member:
            text = f"Its foreign keys join auth.users with {candidate.tenant}"
            if not any(key.columns[0][0] == member.user for key in schema.tables[member.table].foreign_keys):
                text = f"It joins the caller's id with {candidate.tenant}"
            if {member.user} in schema.unique(member.table):
                text += ", one for each user"
            elif candidate.pair:
                text += ", one row for each pair"
            if candidate.support:
                text += f"; the policies of {looks} look the caller up in it"
            elif Column(member.table, member.user) in schema.hints.elsewhere.callers:
                text += "; views or functions look the caller up in it"
            return text + "."
        case Claim():
            return (
                f"The policies of {looks} compare it with the tenant."
                if candidate.support
                else ("Views or functions compare it with the tenant.")
            )
    if candidate.support:
        return f"No table says who belongs to a tenant; the policies of {looks} compare a column with auth.uid()."
    return "No table says who belongs to a tenant, and tables have a column for their user."


# how the rows of each table lead to the tenant


def _tenant_columns(schema: _Schema, candidate: _Candidate) -> dict[str, list[str]]:
    """The columns that hold the tenant's key, by table."""
    if candidate.tenant == USERS:
        return {name: owned for name in schema.tables if (owned := _owner_columns(schema, name))}
    found: dict[str, list[str]] = {}
    (key_column,) = schema.tables[candidate.tenant].primary_key
    known = {Column(candidate.tenant, key_column)}
    before = 0
    while before != len(known):
        before = len(known)
        for name, table in schema.tables.items():
            for key in table.foreign_keys:
                for here, there in key.columns:
                    if Column(key.target, there) in known and name != candidate.tenant:
                        known.add(Column(name, here))
    names = {column.name for column in known if column.relation != candidate.tenant}
    kind = schema.tables[candidate.tenant].column(key_column)
    for name, table in schema.tables.items():
        linked = table.referring
        for column in table.columns:
            is_bare = (
                column.name in names and column.name not in linked and kind is not None and column.type == kind.type
            )
            if name != candidate.tenant and column.name != "id" and is_bare:
                known.add(Column(name, column.name))
    if isinstance(candidate.member, Claim):
        for facts in (*schema.hints.policies.values(), schema.hints.elsewhere):
            known |= {column for column, path in facts.claims if path == candidate.member.path}
    for name, table in schema.tables.items():
        columns = [column.name for column in table.columns if Column(name, column.name) in known]
        if columns and name != candidate.tenant:
            found[name] = columns
    return found


def _owner_columns(schema: _Schema, table: str) -> list[str]:
    """The column for the user whose the rows are; several where that is not settled, none where others decide."""
    users = schema.users_of(table)
    direct = schema.direct(table)
    asks_owner = table in schema.hints.policies and _asks_owner(schema, table)
    if asks_owner and (not direct or any(share.table == table for share in schema.shares)):
        return []
    if direct:
        return direct
    owners = schema.owners(table) or users
    named = [name for name in _OWNERS if name in owners]
    return named[:1] or owners


def _asks_owner(schema: _Schema, table: str) -> bool:
    """Whether the policies of a table ask who owns a row that its foreign keys lead to."""
    above: set[str] = set()
    left = [table]
    while left:
        for key in schema.tables[left.pop()].foreign_keys:
            if key.target in schema.tables and key.target not in above and not schema.is_of_users(key.target):
                above.add(key.target)
                left.append(key.target)
    return any(column.relation in above - {table} for column in schema.facts[table].callers)


def _routes(schema: _Schema, candidate: _Candidate) -> dict[str, list[tuple[str, ...]]]:
    """For each table that belongs to the tenant: the shortest paths of columns that lead there."""
    key = (candidate.tenant, candidate.member)
    if key not in schema.routes:
        schema.routes[key] = _found_routes(schema, candidate)
    return schema.routes[key]


def _found_routes(schema: _Schema, candidate: _Candidate) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {candidate.tenant: [()]} if candidate.tenant != USERS else {}
    for name, columns in _tenant_columns(schema, candidate).items():
        found[name] = [(column,) for column in columns]
    through = {name for name in schema.tables if schema.is_of_users(name)}
    if isinstance(candidate.member, Membership):
        through.add(candidate.member.table)
    while True:
        new = _next(schema, found, through)
        if not new and candidate.tenant == USERS:
            new = _next(schema, found, set())  # by way of a profile, where nothing else leads there
        if not new:
            return found
        found |= new


def _next(
    schema: _Schema, found: Mapping[str, list[tuple[str, ...]]], barred: set[str]
) -> dict[str, list[tuple[str, ...]]]:
    """The tables that lead to those in ``found`` by one foreign key more, but not to those in ``barred``."""
    new: dict[str, list[tuple[str, ...]]] = {}
    for name, table in schema.tables.items():
        if name not in found:
            keys = [key for key in table.foreign_keys if key.target in found and key.target not in barred]
            for key in _required(table, keys):
                step = key.columns[0][0] if len(key.columns) == 1 else ""  # of several columns none can be written
                new.setdefault(name, []).extend((step, *path) for path in found[key.target])
    return new


def _required(table: Relation, keys: list[ForeignKey]) -> list[ForeignKey]:
    """The foreign keys that every row has; all where there is none."""
    needed = [key for key in keys if {here for here, _ in key.columns} <= _filled(table)]
    return needed or keys


def _filled(table: Relation) -> set[str]:
    return {column.name for column in table.columns if column.not_null}


class _Rules:
    """The rule for each table, once it is settled who the tenants are."""

    def __init__(self, schema: _Schema, candidate: _Candidate) -> None:
        self._schema = schema
        self._candidate = candidate
        self._columns = _tenant_columns(schema, candidate)
        self._routes = _routes(schema, candidate)
        self._questions: list[Question] = []
        self._openings: list[Question] = []
        self._evidence: dict[str, str] = {}
        self._notes: list[str] = []

    def inference(self) -> Inference:
        """All that follows."""
        column, count = self._column()
        tables: dict[str, str] = {}
        users: list[str] = []
        for name in self._schema.tables:
            if name in _itself(self._candidate):
                continue
            path = self._path(name, column)
            if path is not None:
                if path != column:
                    tables[name] = path
            elif name not in self._routes and self._has_like_others(name, column):
                self._notes.append(f"{name} has a column {column} without a foreign key, taken for the tenant's.")
            elif name not in self._routes or self._is_users_own(name):
                self._ownerless(name, users)
        self._storage(tables)
        self._views()
        self._open_to_all()
        return Inference(
            Tenancy(self._candidate.tenant, self._candidate.member, column, shared=self._shares(), tables=tables),
            {
                "tenant": self._evidence_of_tenant(),
                "member": _evidence_of_member(self._schema, self._candidate),
                "column": _evidence_of_column(count),
                **self._evidence,
            },
            tuple(users),
            tuple(self._questions),
            tuple(self._openings),
            tuple(self._notes),
        )

    def _has_like_others(self, table: str, column: str) -> bool:
        """Whether it has the tenant's column of other tables by name and type, though no key says what it is."""
        here = self._schema.tables[table].column(column)
        there = [
            known
            for name, columns in self._columns.items()
            if column in columns and (known := self._schema.tables[name].column(column)) is not None
        ]
        return column != "id" and here is not None and any(here.type == known.type for known in there)

    def _column(self) -> tuple[str, int]:
        """The name that most tables give to the column for the tenant, and how many do."""
        itself = _itself(self._candidate)
        own = {table: names for table, names in self._columns.items() if table not in itself}
        settled = {table: names for table, names in own.items() if len(names) == 1} or own
        counts = Counter(name for names in settled.values() for name in names)
        for name, table in self._schema.tables.items():
            # in every table that has it, it must be the tenant's: the keys of other tables are called id, too
            for column in table.columns:
                if column.name == "id" and "id" not in self._columns.get(name, []):
                    counts.pop("id", None)
        member = self._candidate.member
        usual = member.tenant if isinstance(member, Membership) else member.path[-1] if member else "user_id"
        if not counts:
            return usual, 0
        name = max(counts, key=lambda each: (counts[each], each == usual, each))
        return name, counts[name]

    def _path(self, table: str, column: str) -> str | None:
        """The path that leads from a table to its tenant; where there are several, a question."""
        if self._is_users_own(table):
            return None
        chosen = self._likeliest(table, column)
        if chosen == [(column,)]:
            return column
        if not chosen:
            return None
        if any("" in route for route in chosen):
            return column  # what has no rule follows its foreign keys
        if len(chosen) > 1:
            paths = " or ".join(".".join(route) for route in chosen)
            answers = ".".join(chosen[0])
            self._questions.append(Question(table, f"Whose are the rows of {table}: do they follow {paths}?", answers))
            return None
        if self._schema.tables[table].column(column) is not None:
            self._notes.append(f"{table} has a column {column}, too, that is not the tenant's.")
        self._tell_why(table, chosen[0][0])
        return ".".join(chosen[0])

    def _tell_why(self, table: str, first: str) -> None:
        """Why a table goes by a column, where it might have gone by others."""
        others = dict.fromkeys(route[0] for route in self._routes[table] if route[0] != first)
        read_by = self._asked_of_all(table, {first, *others})
        if read_by > {first}:
            also = " and ".join(name for name in others if name in read_by)
            self._evidence[table] = f"rows are read by {first} and {also} together"
        elif others:
            how = "rows are read by" if read_by else "its policies name"
            self._evidence[table] = f"{how} {first}, not {' or '.join(others)}"

    def _likeliest(self, table: str, column: str) -> list[tuple[str, ...]]:
        """Of the paths that lead from a table to its tenant those that its policies, or those further on, go by."""
        routes = list(dict.fromkeys(self._routes.get(table, [])))
        routes = [
            route
            for route in routes
            if len(route) < 2 or route[1:] in self._likeliest(self._next(table, route), column)
        ]
        asked = [route for route in routes if Column(table, route[0]) in self._used(table)]
        return self._read_by(table, asked) or asked or ([(column,)] if (column,) in routes else routes)

    def _read_by(self, table: str, routes: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """The path by which rows are read; none where that is not the same for all who read them.

        Where each of several has to lead to a tenant of the reader's, as both columns of a table that joins two, they
        lead to the same one.
        """
        asked = self._asked_of_all(table, {route[0] for route in routes})
        first = next((column.name for column in self._schema.tables[table].columns if column.name in asked), "")
        return [route for route in routes if first and route[0] == first]

    def _asked_of_all(self, table: str, columns: set[str]) -> frozenset[str]:
        """Those of some columns for which each condition by which rows are read asks, one by one.

        None where rows are written by others of them: what one sends and another reads may be either's.
        """

        def asked(ways: Iterable[Way]) -> set[frozenset[str]]:
            return {
                frozenset(name for named in way if len(named & columns) == 1 for name in named & columns)
                for way in ways
                if any(named & columns for named in way)
            }

        hints = self._schema.hints
        read = asked(hints.ways.get(table, ()))
        found = read.pop() if len(read) == 1 else frozenset()
        return found if all(found & each for each in asked(hints.entries.get(table, ())) if each) else frozenset()

    def _next(self, table: str, route: tuple[str, ...]) -> str:
        """The table that the first step of a path leads to, which has that path's rest among its own."""
        return next(
            key.target
            for key in self._schema.tables[table].foreign_keys
            if route[1:] in self._routes.get(key.target, [])
            and (key.columns[0][0] if len(key.columns) == 1 else "") == route[0]
        )

    def _is_users_own(self, table: str) -> bool:
        """Whether the policies of a table ask for its user alone, and for no member of a tenant."""
        member = self._candidate.member
        return (
            member is not None
            and bool(self._schema.direct(table))
            and table not in self._candidate.support
            and not any(Column(table, route[0]) in self._used(table) for route in self._routes.get(table, []))
        )

    def _used(self, table: str) -> set[Column]:
        return self._schema.hints.policies.get(table, Facts()).columns

    def _ownerless(self, table: str, users: list[str]) -> None:
        """A table that does not lead to the tenant: a user's rows, everybody's, or a question."""
        hints = self._schema.hints
        if table in hints.open:
            self._questions.append(
                Question(
                    table,
                    f'Is {table} meant for everybody? Its policy "{hints.open[table]}" lets everybody read it, and '
                    "it does not belong to a tenant.",
                )
            )
        elif self._candidate.tenant != USERS and self._schema.users_of(table):
            users.append(table)
        elif table in hints.reached:
            self._questions.append(
                Question(
                    table,
                    f"Whose are the rows of {table}? It has no column for the tenant, and no foreign key leads to one.",
                )
            )

    def _storage(self, tables: dict[str, str]) -> None:
        facts = self._schema.hints.policies.get(OBJECTS)
        if facts is None:
            return
        free = facts.folders - facts.fixed_folders
        folders = free - facts.own_folders if self._candidate.tenant != USERS else facts.own_folders
        if len(folders) == 1:
            tables[OBJECTS] = f"path_tokens[{next(iter(folders))}]"
            whom = "the caller" if self._candidate.tenant == USERS else "the tenant"
            self._evidence[OBJECTS] = f"policies compare this folder with {whom}"
            return
        owners = [name for name in ("owner_id", "owner") if Column(OBJECTS, name) in facts.callers]
        if owners and self._candidate.tenant == USERS:
            tables[OBJECTS] = owners[0]
        elif not folders and (owners or facts.own_folders):
            self._notes.append("The policies of storage.objects are about the users' own files.")
        else:
            self._questions.append(
                Question(
                    OBJECTS,
                    "Whose are the files in storage.objects? Their policies do not compare one folder of the path "
                    "with the tenant.",
                    "path_tokens[1]",
                )
            )

    def _views(self) -> None:
        """Views that anon was given to read, and nothing else: said on purpose, it seems."""
        for relation in self._schema.relations:
            if relation.kind == "table" or relation.full_name not in self._schema.hints.shown:
                continue
            names = {name for names in self._columns.values() for name in names}
            if not names & {column.name for column in relation.columns}:
                self._questions.append(
                    Question(
                        relation.full_name,
                        f"Is {relation.full_name} meant for everybody? anon was given to read it, and it has no column "
                        "for the tenant.",
                    )
                )

    def _open_to_all(self) -> None:
        """Tables of tenants that a policy lets everybody read: a hole, or a shop window."""
        asked = {question.object for question in self._questions}
        whose = f"It belongs to {'users' if self._candidate.tenant == USERS else 'tenants'}"
        for table, policy in self._schema.hints.open.items():
            if table in self._routes and table not in asked:
                text = f'{whose}, and by its policy "{policy}" everybody reads it.'
                self._openings.append(Question(table, f"Is {table} meant for everybody? {text}"))

    def _shares(self) -> tuple[Share, ...]:
        """The tables that open rows to others. Of tenants within tenants, which are not told apart, there is a note."""
        shares = list(self._schema.shares)
        for found in self._schema.memberships:
            member = _opened(found)
            if found.is_share or found.unsure or not found.support or member.table in _itself(self._candidate):
                continue
            if found.tenant == self._candidate.tenant or found.tenant not in self._routes:
                continue
            if _SHARES.search(member.table):
                shares.append(member)
            elif self._is_read_without(found.tenant):
                self._openings.append(
                    Question(
                        member.table,
                        f"Does {member.table} open rows of {found.tenant} to users who are no members of "
                        f"{self._candidate.tenant}? Whoever is in it reads them, and so do members.",
                        share=written(member),
                    )
                )
            else:
                self._notes.append(
                    f"{member.table} says who belongs to {found.tenant}, within {self._candidate.tenant}: these are "
                    "not told apart."
                )
        return tuple(Share(share.table, share.tenant, share.user) for share in shares)

    def _is_read_without(self, table: str) -> bool:
        """Whether rows are read by what leads to the tenant, and in another way by their key alone."""
        steps = {route[0] for route in self._routes[table]}
        ways = [frozenset().union(*way) for way in self._schema.hints.ways.get(table, ())]
        key = set(self._schema.tables[table].primary_key)
        return any(way & steps for way in ways) and any(way & key and not way & steps for way in ways)

    def _evidence_of_tenant(self) -> str:
        itself = _itself(self._candidate)
        tables = [name for name in self._schema.tables if name not in itself]
        near = sum(name in self._columns for name in tables)
        far = sum(name in self._routes for name in tables) - near
        of_users = self._candidate.tenant == USERS
        if not tables:
            return "There are no other tables."
        total = _count(len(tables), "table" if of_users else "other table")
        text = f"{near} of {total} {_have(near)} a column for {'the user' if of_users else 'it'}"
        return text + (f", and {far} more {'leads' if far == 1 else 'lead'} to it by foreign keys." if far else ".")


def _evidence_of_column(count: int) -> str:
    if not count:
        return "No other table has a column for the tenant."
    return f"{_count(count, 'table')} {_have(count)} this column."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
