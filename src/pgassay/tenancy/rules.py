"""The rule for each table, once it is settled who the tenants are."""

from __future__ import annotations

from collections import Counter

from pgassay.config import NO_TABLE, Membership, Share, Tenancy
from pgassay.hints import OBJECTS, Column
from pgassay.platforms import DEFAULT
from pgassay.tenancy.evidence import have, of_column, of_member
from pgassay.tenancy.memberships import opened
from pgassay.tenancy.model import USERS, Found, Inference, Question, written
from pgassay.tenancy.names import SHARES
from pgassay.tenancy.observed import Observed
from pgassay.tenancy.paths import Paths
from pgassay.tenancy.routes import itself, routes, tenant_columns
from pgassay.wording import count


class Rules:
    """The rule for each table, once it is settled who the tenants are."""

    def __init__(self, schema: Observed, candidate: Found) -> None:
        self._schema = schema
        self._candidate = candidate
        self._columns = tenant_columns(schema, candidate)
        self._routes = routes(schema, candidate)
        self._paths = Paths(schema, candidate)
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
            if name in itself(self._candidate):
                continue
            path = self._path(name, column)
            if path is not None:
                if path != column:
                    tables[name] = path
            elif name not in self._routes and self._has_like_others(name, column):
                self._notes.append(f"{name} has a column {column} without a foreign key, taken for the tenant's.")
            elif name not in self._routes or self._paths.is_users_own(name):
                self._ownerless(name, users)
        self._storage(tables)
        self._views()
        self._open_to_all()
        return Inference(
            Tenancy(self._candidate.tenant, self._candidate.member, column, shared=self._shares(), tables=tables),
            {
                "tenant": self._evidence_of_tenant(),
                "member": of_member(self._schema, self._candidate),
                "column": of_column(count),
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
        ours = itself(self._candidate)
        own = {table: names for table, names in self._columns.items() if table not in ours}
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
        if self._paths.is_users_own(table):
            return None
        chosen = self._paths.likeliest(table, column)
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
        read_by = self._paths.asked_of_all(table, {first, *others})
        if read_by > {first}:
            also = " and ".join(name for name in others if name in read_by)
            self._evidence[table] = f"rows are read by {first} and {also} together"
        elif others:
            how = "rows are read by" if read_by else "its policies name"
            self._evidence[table] = f"{how} {first}, not {' or '.join(others)}"

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
                        f"Is {relation.full_name} meant for everybody? {DEFAULT.roles.anonymous} was given to read it, "
                        "and it has no column for the tenant.",
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
            member = opened(found)
            if found.is_share or found.unsure or not found.support or member.table in itself(self._candidate):
                continue
            if found.tenant == self._candidate.tenant:
                self._openings.append(
                    Question(
                        member.table,
                        f"Does {member.table} open rows of {found.tenant} to users who are no members? Policies look "
                        "into it as well.",
                        share=written(member),
                    )
                )
                continue
            if found.tenant not in self._routes:
                continue
            if SHARES.search(member.table):
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
        ours = itself(self._candidate)
        tables = [name for name in self._schema.tables if name not in ours]
        near = sum(name in self._columns for name in tables)
        far = sum(name in self._routes for name in tables) - near
        of_users = self._candidate.tenant == USERS
        unlisted = "No table lists them. " if self._candidate.tenant == NO_TABLE else ""
        if self._candidate.by_name:
            unlisted = "It is taken for their table by its name alone: no foreign key and no policy says so. "
        if not tables:
            return unlisted + "There are no other tables."
        total = count(len(tables), "table" if of_users else "other table")
        text = f"{unlisted}{near} of {total} {have(near)} a column for {'the user' if of_users else 'it'}"
        return text + (f", and {far} more {'leads' if far == 1 else 'lead'} to it by foreign keys." if far else ".")
