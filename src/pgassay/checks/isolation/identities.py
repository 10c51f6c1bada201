"""Who tries: anonymous, signed in, members by each role and token, who forges claims, and who is entitled to all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from pgassay.checks.isolation import costs, own_roles
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.nesting import claimed, merged, nested
from pgassay.config import Claim, Membership
from pgassay.identity import Identity
from pgassay.platforms import DEFAULT
from pgassay.rows import Unfilled
from pgassay.schema import tokens

if TYPE_CHECKING:
    from pgassay.checks.isolation.world import World

_EMAIL = DEFAULT.words.email
_KINDS_OF_TOKENS: Mapping[tuple[str, ...], tuple[str, Mapping[str, Any]]] = {
    ("aal", "amr"): ("with a second factor", {"aal": "aal2"}),
    ("is_anonymous",): ("anonymous sign-in", {"is_anonymous": True}),
    (_EMAIL,): ("without an email address", {"email": ""}),
}
"""Further callers, where a policy, function or view reads one of the words."""
BOTH = "member of both"
_FORGED = 4
"""With how many values of each claim it is tried."""


class Identities:
    """The callers of a world, with tokens as the platform makes them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._platform = world.platform
        self.of_roles: frozenset[str] = frozenset()
        """The names of members of A by each role and flag that a membership can have."""

    def actors(self) -> list[Actor]:
        """Everybody who tries, and last those who are entitled."""
        member = self._world.tenants.users["A"]
        some_tenant = str(self._world.tenants.ids["B"])
        column = self._world.tenancy.column
        forged = {
            "user_metadata": {**({column: some_tenant} if column else {}), "role": "admin"},
            "role": self._platform.roles.signed_in,
        }
        if isinstance(self._world.tenancy.member, Claim):
            path = self._world.tenancy.member.path
            forged["user_metadata"] = nested(path[1:] or path, some_tenant)
        found = [
            self.anonymous,
            self.stranger,
            *(
                Actor(
                    "forged claims",
                    frozenset(),
                    self._signed_in(self._world.nobody, **claims),
                    self._world.nobody,
                    shown=False,
                    forged=True,
                )
                for claims in self._forged(forged)
            ),
            self.member("A", "member of A", member),
            *self._strangers_with_claims(),
            *self._with_claims("A"),
        ]
        if self._world.both != self._world.nobody:
            found.append(Actor(BOTH, frozenset("AB"), self._signed_in(self._world.both), self._world.both))
        of_roles = self._by_role("A")
        self.of_roles = frozenset(actor.name for actor in of_roles)
        found += of_roles
        found += self._of_own_roles()
        self._world.entitled = [
            *self._by_role("B"),
            *self._with_claims("B"),
            *self._invited("B"),
            *self._staff(),
            *self._of_own_roles("B"),
        ]
        found += [
            Actor(f"guest of A by {table}", frozenset("A"), self._signed_in(user), user, shown=False)
            for table, user in self._world.guests.items()
        ]
        return [*found, self.back_end]

    def _of_own_roles(self, label: str = "A") -> Iterator[Actor]:
        """Tokens with a role of the project's own: of nobody in particular, and of a member; one if it is trusted."""
        for role in self._world.roles:
            if role in self._platform.roles.api:
                continue
            name, member = f"role {role}", self.member(label)
            if role in self._world.tenancy.trusted:
                if label == "B":
                    yield Actor(name, frozenset(LABELS), own_roles.identity(role), shown=False)
                continue
            if label == "A":
                yield Actor(name, frozenset(), own_roles.identity(role))
            of_member = own_roles.identity(role, member.identity)
            yield replace(member, name=f"{name}, {member.name}", identity=of_member, shown=False)

    @property
    def anonymous(self) -> Actor:
        """Somebody who has not signed in."""
        return Actor(self._platform.roles.anonymous, frozenset(), self._platform.anonymous())

    @property
    def back_end(self) -> Actor:
        """The application's own back end, which is entitled to all."""
        return Actor(self._platform.roles.back_end, frozenset(), self._platform.back_end(), may_all=True)

    @cached_property
    def stranger(self) -> Actor:
        """Somebody who has signed in, and is no member of any tenant."""
        return Actor("stranger", frozenset(), self._signed_in(self._world.nobody), self._world.nobody)

    def outsider(self, name: str, user: UUID) -> Actor:
        """A user who is no member of any tenant, as far as the declared tenancy tells."""
        return Actor(name, frozenset(), self._signed_in(user), user, shown=False)

    def _forged(self, claims: dict[str, Any]) -> list[dict[str, Any]]:
        """``claims`` with what the schema reads from the metadata that users write, as it stands in rows of B."""
        read: dict[tuple[str, ...], list[str]] = {}
        ids = [str(self._world.tenants.ids["B"]), str(self._world.tenants.users["B"])]
        for path in self._token.metadata:
            ends = (path[-1], path[-1].removesuffix("s"))
            read[path] = [
                str(value)
                for relation, label, row in self._world.made()
                if label == "B" and relation not in self._world.tenancy.public
                for name, value in row.items()
                if name.endswith(ends) and value is not None
            ] or ids
        several = {path: list(dict.fromkeys(values)) for path, values in read.items() if values}
        count = min(_FORGED, max(map(len, several.values()), default=1))
        forged = [claimed({path: values[n % len(values)] for path, values in several.items()}) for n in range(count)]
        if several:
            forged.append(claimed(several))  # each as a list, too
        if read:
            forged.append(claimed(dict.fromkeys(read, True)))
        return [{**claims, "user_metadata": merged(metadata, claims["user_metadata"])} for metadata in forged]

    def _by_role(self, label: str) -> list[Actor]:
        """Members by each value to which a column of their membership is held, as ``role`` is, and by each flag."""
        membership = self._world.tenancy.member
        if not isinstance(membership, Membership) or membership.table == self._world.tenancy.tenant:
            return []
        usual = self._world.tenants.rows.get(membership.table, {}).get(label, {})
        roles: dict[str, list[Any]] = {**self._world.maker.listed_of(membership.table)}
        for column in self._world.relations[membership.table].columns:
            if column.category == "B" and not column.generated and isinstance(usual.get(column.name), bool):
                roles[column.name] = [not usual[column.name]]
        found = []
        for name, values in roles.items():
            for value in values if name not in (membership.tenant, membership.user) else ():
                who = f"member of {label}, {name} {str(value).lower() if isinstance(value, bool) else value}"
                is_usual = str(usual.get(name)) == str(value)  # then there is a member already who has it
                with costs.only(who, {} if is_usual else self._world.unjudged, self._world.go_on):
                    with self._world.connection.transaction():
                        user = self._world.maker.user()
                        self._world.join(user, label, **{name: value})
                    found.append(Actor(who, frozenset(label), self._signed_in(user), user, shown=False))
        return found

    def _staff(self) -> Iterator[Actor]:
        for what, user in self._world.maker.staff():
            yield Actor(what, frozenset(LABELS), self._signed_in(user), user, shown=False)

    def _invited(self, label: str) -> Iterator[Actor]:
        """Users whose address stands in a row of the tenant, as that of somebody who is invited does."""
        for relation, rows in list(self._world.tenants.rows.items()):
            for name, value in rows.get(label, {}).items():
                if "mail" in name and isinstance(value, str) and value not in self._world.emails.values():
                    try:
                        with self._world.connection.transaction():
                            user = self._world.maker.user(value)
                    except (psycopg.Error, Unfilled):
                        continue
                    self._world.emails[user] = value
                    who = f"whose {name} stands in {relation} of {label}"
                    yield Actor(who, frozenset(), self._signed_in(user), user, shown=False)

    def member(self, label: str, name: str = "", user: UUID | None = None, **claims: Any) -> Actor:
        """A member of one tenant, with more ``claims`` in their token."""
        user = user or self._world.tenants.users[label]
        if isinstance(self._world.tenancy.member, Claim):
            claims = merged(claims, nested(self._world.tenancy.member.path, str(self._world.tenants.ids[label])))
        return Actor(name or f"member of {label}", frozenset(label), self._signed_in(user, **claims), user)

    @cached_property
    def _tokens(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The kinds of token that the schema tells from the usual one: what each is, and its claims."""
        read = self._token
        is_email = ("email",) in read.paths
        return [
            kind for words, kind in _KINDS_OF_TOKENS.items() if read.reads(*words) or (is_email and _EMAIL in words)
        ]

    @cached_property
    def _token(self) -> tokens.Token:
        """What the schema reads of the caller's token."""
        return tokens.read(self._world.sources)

    def _with_claims(self, label: str) -> Iterator[Actor]:
        """A member with each kind of token."""
        for what, claims in self._tokens:
            yield replace(self.member(label, f"member of {label}, {what}", **claims), shown=False)

    def _strangers_with_claims(self) -> Iterator[Actor]:
        for what, claims in self._tokens:
            stranger = self._signed_in(self._world.nobody, **claims)
            yield Actor(f"stranger, {what}", frozenset(), stranger, self._world.nobody, shown=False)

    def _signed_in(self, user: UUID, **claims: Any) -> Identity:
        """The token that a user gets at sign-in, with more ``claims``; those of the metadata come besides."""
        row = self._world.connection.execute(self._platform.users.signed_up, [user]).fetchone()
        if row is None:
            return self._platform.user(user, **claims)
        email, phone, app, own = row
        for name, metadata in (("app_metadata", app), ("user_metadata", own)):
            claims[name] = {**(metadata or {}), **claims.get(name, {})}
        return self._platform.user(user, **{"email": email or "", "phone": phone or "", **claims})
