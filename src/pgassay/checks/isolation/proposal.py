"""What roles within a tenant do today, as a proposal for the configuration: observed, for a person to confirm."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pgassay.catalog import Relation
from pgassay.checks.isolation import people
from pgassay.checks.isolation.people import Person
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.rights import Reached, Whose
from pgassay.checks.isolation.roles import Outcomes, outcomes_of
from pgassay.checks.isolation.world import World
from pgassay.config import Membership, Tenancy
from pgassay.identity import Databases, Session
from pgassay.rows import Unfilled
from pgassay.schema import conditions, policies
from pgassay.templates import Template
from pgassay.within import OPERATIONS, Proposal, Right, Roles, Within

_FEWEST, _MOST = 2, 12
"""A column with fewer values, or with more, is not taken for that of roles."""
Profiles = Mapping[str, Mapping[str, Right]]
"""What each role was seen to do, by role and table."""


def propose(
    databases: Databases, template: Template, relations: tuple[Relation, ...], tenancy: Tenancy
) -> Proposal | None:
    """What members of each role do in each table, by the column of the membership that makes the greatest difference.

    None where no column makes any. Raises `PgassayError` where no tenants can be made.
    """
    if not isinstance(tenancy.member, Membership):
        return None
    with databases.copy(template) as clone:
        owner = clone.connect_as_owner()
        world = World(owner, relations, tenancy)
        made = [(column, *_people(world, column, words)) for column, words in _candidates(world, tenancy.member)]
        world.install()
        api = clone.connect_as_authenticator()
        targets = [*_targets(world)]
        seen = [(column, _profiles(world, api, roles, persons, targets)) for column, roles, persons in made]
    column, profiles = max(seen, key=lambda each: _differences(each[1]), default=("", {}))
    if _differences(profiles) < _FEWEST:
        return None
    return _proposal((tenancy.member.table, column), profiles)


def _candidates(world: World, member: Membership) -> Iterator[tuple[str, list[str]]]:
    """The columns of a membership with the words that each may have: listed, looked up, or compared in policies."""
    relation = world.relations[member.table]
    asked: dict[str, dict[str, None]] = {}
    for policy in policies.read(world.ask):
        for branch in (branch for branches in policy.branches.values() for branch in branches):
            for kind in conditions.asked_of(branch.key, member.table):
                for name, value in kind.items():
                    if isinstance(value, str):
                        asked.setdefault(name, {})[value] = None
    for column in relation.columns:
        if column.name in (member.tenant, member.user) or column.generated:
            continue
        listed = world.maker.listed_of(member.table).get(column.name) or people.words_of(world, relation, column.name)
        words = listed or [*asked.get(column.name, ())]
        if _FEWEST <= len(words) <= _MOST:
            yield column.name, words


def _people(world: World, column: str, words: list[str]) -> tuple[Roles, list[Person]]:
    """A member by each word, with rows in the name of each where one column names users."""
    member = world.tenancy.member
    assert isinstance(member, Membership)
    tables: dict[str, dict[str, Right]] = {}
    for name, relation in world.relations.items():
        users = dict.fromkeys(world.maker.users_in(relation))
        is_owned = len(users) == 1 and name not in (member.table, world.tenancy.tenant)
        if relation.kind == "table" and relation.primary_key and name not in world.tenants.unfilled:
            tables[name] = {words[0]: Right(own=True, owner=next(iter(users)))} if is_owned else {}
    roles = Roles(((member.table, column),), others=tuple(words), tables=tables)
    world.tenancy = replace(world.tenancy, within=Within(roles))
    return roles, people.make(world, [])


def _targets(world: World) -> Iterator[Target]:
    for relation in [*world.relations.values()]:
        if relation.kind == "table" and relation.primary_key and relation.full_name not in world.tenancy.public:
            try:
                yield Target(world, relation)
            except Unfilled:
                continue


def _profiles(
    world: World, api: Session, roles: Roles, persons: Iterable[Person], targets: Iterable[Target]
) -> Profiles:
    found: dict[str, dict[str, Right]] = {}
    for person in persons:
        found[person.role] = {}
        for target in targets:
            name = target.relation.full_name
            if name in roles.tables:
                owner = roles.owner_in(name)
                reached = Reached(world, target.relation, owner, person)
                with person.actor.enter(api):
                    found[person.role][name] = _right(outcomes_of(target, reached, person.actor, api), owner)
    return found


def _right(outcomes: Outcomes, owner: str) -> Right:
    """The right that was seen; one's own rows count where a column names their owner."""
    whole = frozenset(operation for operation in OPERATIONS if outcomes[operation, Whose.OTHERS].succeeded)
    own = any(outcomes[operation, Whose.OWN].succeeded for operation in OPERATIONS if operation not in whole)
    return Right(whole, own and bool(owner), owner if own else "")


def _differences(profiles: Profiles) -> int:
    """How many roles do not do the same; none where one reaches nothing: then the column says who is a member."""
    told = {tuple(sorted((name, right.written) for name, right in of.items())) for of in profiles.values()}
    is_state = any(all(right == Right() for right in of.values()) for of in profiles.values())
    return 0 if is_state else len(told)


def _proposal(column: tuple[str, str], profiles: Profiles) -> Proposal:
    order = sorted(profiles, key=lambda role: sum(_weight(right) for right in profiles[role].values()))
    tables = dict.fromkeys(sorted({name for of in profiles.values() for name in of}))
    apart = [
        (table, lower, higher)
        for lower, higher in itertools.pairwise(order)
        for table in tables
        if not _includes(profiles[higher][table], profiles[lower][table])
    ]
    # one table that is an exception is asked about; more of them, and there is no order
    is_order = len({table for table, _, _ in apart}) <= 1
    questions = tuple(
        f"In {table}, {lower} has the right {profiles[lower][table].written}, and {higher}, who has more elsewhere, "
        f"{profiles[higher][table].written}. Do policies and helpers not agree, or does {higher} stand in no order?"
        for table, lower, higher in (apart if is_order else ())
    )
    rights = {table: {role: of[table] for role, of in profiles.items()} for table in tables}
    told = {table: _added(of_table, order) if is_order else of_table for table, of_table in rights.items()}
    told = {table: of for table, of in told.items() if any(right != Right() for right in of.values())}
    roles = Roles((column,), tuple(order) if is_order else (), () if is_order else tuple(order), told)
    return Proposal(roles, questions)


def _added(rights: Mapping[str, Right], order: Iterable[str]) -> dict[str, Right]:
    """The rights that do not follow from those of roles before."""
    found: dict[str, Right] = {}
    before = Right()
    for role in order:
        if not _includes(before, rights[role]):
            found[role] = rights[role]
        before |= rights[role]
    return found


def _weight(right: Right) -> int:
    return 2 * len(right.operations) + right.own


def _includes(one: Right, other: Right) -> bool:
    return other.operations <= one.operations and (not other.own or one.own or len(one.operations) == len(OPERATIONS))
