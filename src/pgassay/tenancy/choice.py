"""The choice among candidates: the one tenancy that the schema settles, or several, or none, and why."""

from __future__ import annotations

from pgassay.catalog import Relation
from pgassay.config import NO_TABLE, Claim, Membership
from pgassay.hints import OBJECTS, Column
from pgassay.tenancy import unlisted
from pgassay.tenancy.claims import WRITTEN_BY_USERS, of_claims
from pgassay.tenancy.model import USERS, Found, written
from pgassay.tenancy.names import MEMBERS, TENANTS
from pgassay.tenancy.observed import Observed
from pgassay.tenancy.routes import itself, routes


def each_alone(schema: Observed) -> Found:
    """Each user is a tenant."""
    return Found(USERS, None, frozenset(name for name in schema.tables if schema.direct(name)))


def said(schema: Observed, tenant: str | None, member: str | None) -> tuple[list[Found], str]:
    """The candidates that agree with what a person has said."""
    found = [
        candidate
        for candidate in (*schema.memberships, *of_claims(schema), *unlisted.candidates(schema), each_alone(schema))
        if tenant in (None, candidate.tenant) and member in (None, written(candidate.member))
    ]
    chosen = _best(found)
    if chosen:
        return chosen, _several(chosen) if len(chosen) > 1 else ""
    said = " and ".join(f"{key} {value}" for key, value in (("tenant", tenant), ("member", member)) if value)
    return [], f"Nothing in the schema speaks for {said}."


def settled(schema: Observed) -> tuple[list[Found], str]:
    """The one candidate, or several or none, and why."""
    alone = each_alone(schema)
    has_owners = any(schema.users_of(name) for name in schema.tables)
    found = [*(found for found in schema.memberships if not found.is_share), *of_claims(schema)]
    found = [candidate for candidate in found if not _is_a_catalog(schema, candidate, alone)]
    found = _best(_highest(schema, found)) or _best(unlisted.candidates(schema))
    found = [c for c in found if not _is_part(schema, c, found)]
    sure = [candidate for candidate in found if not candidate.unsure]
    if len(sure) == 1 and len(found) == 1:
        (candidate,) = sure
        above = _above(schema, candidate) if candidate.tenant in schema.tables else None
        if above:
            return [candidate, *([alone] if has_owners else [])], (
                f"{candidate.tenant} belongs to {above}, and nothing says who is a member there: "
                f"are the rows of each of {candidate.tenant} to be kept apart?"
            )
        covered = set(routes(schema, candidate)) - itself(candidate)
        owned = {name for name in alone.support if name not in covered} - itself(candidate)
        if not TENANTS.search(candidate.tenant.partition(".")[2]) and len(owned) > len(covered):
            return [candidate, alone], _several([candidate, alone])
        return sure, ""
    if not found:
        return _without_tenants(schema, alone, has_owners)
    if len(found) == 1:
        return [*found, alone], found[0].unsure
    return found, _several(found)


def _is_a_catalog(schema: Observed, candidate: Found, alone: Found) -> bool:
    """Whether its tenants are no more than entries of a list that everybody may read.

    Unless more tables look the caller up in who belongs to them than hold rows to their own user.
    """
    if candidate.tenant not in schema.hints.open or not alone.support:
        return False
    ours = candidate.support | itself(candidate)
    if isinstance(candidate.member, Claim):
        return False
    others = {name for name, facts in schema.facts.items() if name in schema.tables and facts.callers} - ours
    return len(candidate.support - {candidate.tenant}) <= len(others)


def _without_tenants(schema: Observed, alone: Found, has_owners: bool) -> tuple[list[Found], str]:
    for facts in (*schema.hints.policies.values(), schema.hints.elsewhere):
        for column, path in sorted(facts.claims):
            if path[0] == WRITTEN_BY_USERS:
                return [], (
                    f"{column.relation} compares {column.name} with the claim {'.'.join(path)}, which users write "
                    "themselves: it cannot say whose member they are."
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
        f"No table joins {USERS} with a table of tenants, no policy compares a column with a claim, and no table has "
        "a column for its user."
    )


def _unclaimed(schema: Observed) -> str:
    """A doubt where a table looks like that of tenants, but nothing says who belongs to whom."""
    for name in schema.tables:
        if not TENANTS.search(name.partition(".")[2]) or schema.is_of_users(name) or name in schema.hints.open:
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
    covered = routes(schema, each_alone(schema)).keys()
    hints = schema.hints
    left = [name for name in schema.tables if name in hints.reached and name not in covered and name not in hints.open]
    if len(left) > len(covered):
        return f"Nothing says whose the rows of {', '.join(left)} are: users own fewer tables than that."
    return ""


def _stands_for_users(schema: Observed, table: str, key: str) -> bool:
    """Whether a table has one row a user, under a key that is not the user's id."""
    return (
        table in schema.tables
        and {key} in schema.unique(table)
        and Column(table, key) not in schema.user_columns
        and schema.is_of_users(table)
    )


def _joined(schema: Observed, table: Relation, user: str) -> bool:
    return any(
        user in unique and len(unique) > 1 and MEMBERS.search(table.name) for unique in schema.unique(table.full_name)
    )


def _best(candidates: list[Found]) -> list[Found]:
    """Of those for the same tenants, the one that policies bear out; two where both are."""
    left: list[Found] = []
    for tenant in dict.fromkeys(candidate.tenant for candidate in candidates):
        rivals = [candidate for candidate in candidates if candidate.tenant == tenant]
        sure = [rival for rival in rivals if not rival.unsure] or rivals

        def weight(rival: Found) -> tuple[bool, int, bool, bool]:
            is_named = isinstance(rival.member, Membership) and bool(MEMBERS.search(rival.member.table))
            return bool(rival.support), len(rival.support), rival.pair, is_named

        best = max(sure, key=weight)
        kinds = {type(rival.member) for rival in sure if rival.support}
        equals = [rival for rival in sure if weight(rival) == weight(best)]
        left += [rival for rival in sure if rival.support] if len(kinds) > 1 else equals
    return left


def _highest(schema: Observed, candidates: list[Found]) -> list[Found]:
    """Without those whose tenants themselves belong to other candidates' tenants, as teams do to organisations."""
    return [
        candidate
        for candidate in candidates
        if not any(
            other.tenant != candidate.tenant
            and candidate.tenant in routes(schema, other)
            and other.tenant not in routes(schema, candidate)
            and not other.unsure
            for other in candidates
        )
    ]


def _is_part(schema: Observed, candidate: Found, candidates: list[Found]) -> bool:
    """Whether all that belongs to its tenants belongs to another candidate's as well."""
    covered = set(routes(schema, candidate)) - itself(candidate)
    return any(
        other.tenant != candidate.tenant
        and not other.unsure
        and covered < set(routes(schema, other)) - itself(other)
        and candidate.tenant in routes(schema, other)
        for other in candidates
    )


def _above(schema: Observed, candidate: Found) -> str | None:
    """The table to which the tenants themselves belong, if there is one that looks like a tenant, too."""
    targets = [key.target for key in schema.tables[candidate.tenant].foreign_keys if key.target in schema.tables]
    return next(
        (
            target
            for target in targets
            if target != candidate.tenant
            and not schema.is_of_users(target)
            and TENANTS.search(target.partition(".")[2])
        ),
        None,
    )


def _several(candidates: list[Found]) -> str:
    tenants = list(dict.fromkeys(candidate.tenant for candidate in candidates))
    if len(tenants) == 1 and len(candidates) > 1:
        whom = "a tenant" if tenants[0] == NO_TABLE else tenants[0]
        return f"Who belongs to {whom}: what {' or what '.join(written(c.member) for c in candidates)} says?"
    return f"Whose are the rows: is the tenant {' or '.join(tenants)}?"
