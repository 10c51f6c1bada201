"""Policies with one change: what may let in more, and the same written otherwise. And an oracle for the first.

The oracle knows nothing of the checks. It fills a schema with rows of two tenants, and asks PostgreSQL as whom a
condition is true for which row, before the change and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from pgassay import Clone, Identity, catalog, sqltree
from pgassay.config import Tenancy
from pgassay.errors import PgassayError
from pgassay.identity import Databases, Session
from pgassay.rows import Maker, callers
from pgassay.sqltree import AND, NOT, OR, Node, trees, words
from tests.harness import schemas

Local = Callable[[Node], Iterator[tuple[str, Node]]]
COMMANDS = ("select", "insert", "update", "delete")
OF_NEW_ROWS = ("insert", "update")
CLAUSES = {"qual": "using", "with_check": "with check"}


@dataclass(frozen=True)
class Condition:
    """A condition of a permissive policy, and the commands for which it counts."""

    policy: str
    table: tuple[str, str]
    text: str
    doors: frozenset[str]


@dataclass(frozen=True)
class Mutant:
    """A policy in which one condition was changed; ``sql`` is the whole schema with that.

    ``others`` are the conditions of other policies of its table. ``held`` is what the policy asks besides, if it is for
    updates alone: of the new row, or of the old one.
    """

    policy: str
    schema: str
    table: str
    clause: str
    command: str
    restrictive: bool
    roles: frozenset[str]
    what: str
    before: str
    after: str
    sql: str
    others: tuple[Condition, ...]
    held: str = ""

    def __str__(self) -> str:
        return f"policy {self.policy} on {self.schema}.{self.table}, {self.clause}: {self.what}: {self.after}"

    @property
    def doors(self) -> frozenset[str]:
        """The commands for which the condition counts."""
        return _doors(self.command, self.clause)


def _doors(command: str, clause: str) -> frozenset[str]:
    commands = COMMANDS if command == "all" else (command,)
    return frozenset(c for c in commands if (c in OF_NEW_ROWS if clause == "with check" else c != "insert"))


def wider(schema: str) -> Iterator[Mutant]:
    """Each policy of a schema without each of its branches and conditions."""

    def less(condition: Node, _: str) -> Iterator[tuple[str, Node]]:
        yield "without its condition", sqltree.expression("true")
        yield from everywhere(condition, removals)

    return _mutants(schema, less)


def otherwise(schema: str) -> Iterator[Mutant]:
    """Each policy of a schema written otherwise."""

    def written(condition: Node, table: str) -> Iterator[tuple[str, Node]]:
        yield from everywhere(condition, rewritings)
        yield from memberships(condition, table)

    return _mutants(schema, written)


def _mutants(schema: str, changes: Callable[[Node, str], Iterator[tuple[str, Node]]]) -> Iterator[Mutant]:
    policies = [(text, trees.only(text, "CreatePolicyStmt")) for text in words.split(schema) or ()]
    known = [condition for _, policy in policies if policy is not None for condition in _conditions(policy)]
    for statement, policy in policies:
        if policy is None:
            continue
        others = tuple(c for c in known if c.table == _table(policy) and c.policy != policy.policy_name)
        for name, clause in CLAUSES.items():
            if not policy.HasField(name):
                continue
            condition = sqltree.unwrapped(getattr(policy, name))
            for what, changed in changes(condition, policy.table.relname):
                mutated = type(policy)()
                mutated.CopyFrom(policy)
                getattr(mutated, name).CopyFrom(sqltree.wrapped(changed))
                text, before, after = trees.written(mutated), sqltree.deparsed(condition), sqltree.deparsed(changed)
                if text is None or before is None or after is None or schema.count(statement) != 1:
                    continue
                yield Mutant(
                    policy.policy_name,
                    *_table(policy),
                    clause,
                    policy.cmd_name,
                    not policy.permissive,
                    frozenset(role.role_spec.rolename or "public" for role in policy.roles),
                    what,
                    before,
                    after,
                    schema.replace(statement, text),
                    others,
                    _held(policy, name),
                )


def _held(policy: Node, changed: str) -> str:
    """The other condition of a policy for updates alone."""
    other = next(name for name in CLAUSES if name != changed)
    if policy.cmd_name != "update" or not policy.HasField(other):
        return ""
    return sqltree.deparsed(sqltree.unwrapped(getattr(policy, other))) or ""


def _table(policy: Node) -> tuple[str, str]:
    return policy.table.schemaname or "public", policy.table.relname


def _conditions(policy: Node) -> Iterator[Condition]:
    for name, clause in CLAUSES.items():
        text = sqltree.deparsed(sqltree.unwrapped(getattr(policy, name))) if policy.HasField(name) else None
        if policy.permissive and text is not None:
            yield Condition(policy.policy_name, _table(policy), text, _doors(policy.cmd_name, clause))


def everywhere(node: Node, local: Local) -> Iterator[tuple[str, Node]]:
    """The tree with one node changed: each change of each node in it."""
    yield from local(node)
    for descriptor, value in node.ListFields():
        if descriptor.message_type is None:
            continue
        for number, part in enumerate(value if descriptor.is_repeated else [value]):
            below = sqltree.unwrapped(part)
            for what, changed in everywhere(below, local) if below is not None else ():
                made = type(node)()
                made.CopyFrom(node)
                there = getattr(made, descriptor.name)
                place = there[number] if descriptor.is_repeated else there
                place.CopyFrom(sqltree.wrapped(changed) if sqltree.kind(part) == "Node" else changed)
                yield what, made


def removals(node: Node) -> Iterator[tuple[str, Node]]:
    """Each branch and each condition left out."""
    for operator, word in ((AND, "condition"), (OR, "branch")):
        parts = sqltree.operands(node, operator)
        for number, part in enumerate(parts):
            left = [*parts[:number], *parts[number + 1 :]]
            yield (
                f"without the {word} {sqltree.deparsed(part)}",
                left[0] if len(left) == 1 else sqltree.joined(left, operator),
            )
    if sqltree.kind(node) == "SelectStmt" and node.HasField("where_clause"):
        made = type(node)()
        made.CopyFrom(node)
        made.ClearField("where_clause")
        yield "a subquery without WHERE", made


def rewritings(node: Node) -> Iterator[tuple[str, Node]]:
    """The same written otherwise."""
    compared = sqltree.comparison(node)
    if compared is not None and compared[0] in MIRRORED and trees.choice(node, "kind") == "AEXPR_OP":
        yield "its sides exchanged", operation(MIRRORED[compared[0]], compared[2][0], compared[1])
        if compared[0] == "=":
            yield "as NOT (a <> b)", sqltree.joined([operation("<>", compared[1], compared[2][0])], NOT)
    if compared is not None and compared[0] == "in":
        text = "array[" + ", ".join(sqltree.deparsed(value) or "" for value in compared[2]) + "]"
        made: Any = sqltree.expression(f"a = any ({text})")
        made.lexpr.CopyFrom(sqltree.wrapped(compared[1]))
        yield "IN as = ANY", made
    if sqltree.called(node).startswith("auth."):
        yield "in (select …)", sqltree.selecting(node)
        if sqltree.called(node) == "auth.uid":
            yield "with a cast", sqltree.expression("auth.uid()::uuid")


MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def operation(name: str, left: Node, right: Node) -> Node:
    made: Any = sqltree.expression(f"a {name} b")
    made.lexpr.CopyFrom(sqltree.wrapped(left))
    made.rexpr.CopyFrom(sqltree.wrapped(right))
    return made


def memberships(node: Node, table: str) -> Iterator[tuple[str, Node]]:
    """``a in (select b from …)`` as EXISTS, where that is a branch or a condition: NULL there is as good as false."""
    for operator in (AND, OR):
        parts = sqltree.operands(node, operator)
        for number, part in enumerate(parts):
            for what, changed in memberships(part, table):
                yield what, sqltree.joined([*parts[:number], changed, *parts[number + 1 :]], operator)
    sought: Any = sqltree.sought(node)
    select = sqltree.unwrapped(node.subselect) if sqltree.kind(sought) == "ColumnRef" else None
    plain = {"target_list", "from_clause", "where_clause", "limit_option", "op"}
    if select is None or len(node.oper_name) or {f.name for f, _ in select.ListFields()} - plain:
        return
    sources: list[Any] = [sqltree.unwrapped(source) for source in select.from_clause]
    if not sources or any(sqltree.kind(f) != "RangeVar" or table in (f.relname, f.alias.aliasname) for f in sources):
        return  # a name in it might stand for another column then
    outer: Any = sqltree.expression("t.a")
    outer.fields[1].CopyFrom(sought.fields[-1])
    outer.fields[0].string.sval = table
    made: Any = sqltree.expression("exists (select from t where a = b)")
    asked = operation("=", sqltree.unwrapped(select.target_list[0].res_target.val), outer)
    where = [sqltree.unwrapped(select.where_clause)] if select.HasField("where_clause") else []
    inner = type(select)()
    inner.CopyFrom(select)
    inner.ClearField("target_list")
    inner.where_clause.CopyFrom(sqltree.wrapped(sqltree.joined([*where, asked], AND) if where else asked))
    made.subselect.CopyFrom(sqltree.wrapped(inner))
    yield "EXISTS for IN", made


# the oracle


@dataclass(frozen=True)
class Caller:
    """Somebody who asks, with the tenants that they are of."""

    name: str
    own: frozenset[str]
    identity: Identity


@dataclass(frozen=True)
class Answer:
    """Of a row and a caller: whether the condition let it in, whether it does now, whether another policy does so for
    the same commands, and whether any policy does for some command.
    """

    before: bool
    after: bool
    open: bool
    known: bool


_COLUMNS = """
select
    a.attname,
    case when has_column_privilege(%(role)s, a.attrelid, a.attnum, 'update') and a.attgenerated = '' and not exists (
        select from pg_index as i where i.indrelid = a.attrelid and i.indisunique and i.indkey::text = a.attnum::text
    ) then 'mine' else 'theirs' end
from pg_attribute as a
where a.attrelid = %(table)s::regclass and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
_CHANGED = "a trigger may change the new row"
_LEFT_OUT = {
    "row level security is off": "select not relrowsecurity from pg_class where oid = %s::regclass",
    "a restrictive policy decides, too": "select exists (select from pg_policy where not polpermissive and "
    "polrelid = %s::regclass)",
    _CHANGED: "select exists (select from pg_trigger where tgrelid = %s::regclass and tgtype & 3 = 3)",
}


@dataclass
class Oracle:
    """Rows of two tenants in a schema, and who is who."""

    session: Session
    callers: list[Caller]
    why_not: dict[str, int] = field(default_factory=dict)
    """Changes of which it cannot be shown that they let in more, by the reason."""

    def lets_in_more(self, mutant: Mutant) -> bool:
        """Whether somebody takes a row by it which is another tenant's, and which was closed to them before.

        A row is another tenant's if conditions gave it before to members of that one, and to nobody of one's own: this
        condition, or all of the table.
        """
        reason = self._reason(mutant)
        if reason:
            self.why_not[reason] = self.why_not.get(reason, 0) + 1
        return not reason

    def _reason(self, mutant: Mutant) -> str:
        if mutant.restrictive:
            return "restrictive: others decide, too"
        with suppress(psycopg.Error), self.session.transaction(force_rollback=True):
            for reason, query in _LEFT_OUT.items():
                row = self.session.execute(query, [_name(mutant).as_string(None)]).fetchone()
                if row is not None and row[0] and (reason != _CHANGED or mutant.clause == "with check"):
                    return reason
            answers = self._answers(mutant)
            if not answers:
                return "it ends with an error"
            gained = [*self._gains(answers)]
            if not gained:
                return "no row of others is reached by it that was not"
            if mutant.held and mutant.clause == "using" and not any(self._passes(mutant, *each) for each in gained):
                return "the new row is not let in"
            if mutant.held and mutant.clause == "with check" and not self._is_given_away(mutant):
                return "no row of one's own becomes another's"
            return ""
        return "it ends with an error"

    def _answers(self, mutant: Mutant) -> dict[str, list[Answer]]:
        """For each caller whom the policy holds, what is so of each row."""
        table = _name(mutant)
        shared = [condition.text for condition in mutant.others if condition.doors >= mutant.doors]
        columns = {
            "before": [mutant.before],
            "after": [mutant.after],
            "open": shared,
            "known": [mutant.before, *(condition.text for condition in mutant.others)],
        }
        statement = sql.SQL(
            "create schema oracle; grant usage on schema oracle to public;"
            "create function oracle.rows() returns setof {table} language sql security definer as {body};"
            "create view oracle.asked with (security_invoker = true) as select {columns} "
            "from oracle.rows() as {alias}; grant select on oracle.asked to public"
        ).format(
            table=table,
            body=sql.Literal(sql.SQL("select * from {} as t order by t.*::text").format(table).as_string(None)),
            columns=sql.SQL(", ").join(
                sql.SQL("({}) is true as {}").format(
                    sql.SQL(" or ").join(sql.SQL(f"({text})") for text in texts or ["false"]), sql.Identifier(name)
                )
                for name, texts in columns.items()
            ),
            alias=sql.Identifier(mutant.table),
        )
        self.session.execute(statement.as_string(None).encode())
        found = {}
        for caller in self.callers:
            if {"public", caller.identity.role} & mutant.roles and self._may(mutant, caller):
                with suppress(psycopg.Error), self.session.posing_as(caller.identity):
                    rows = self.session.execute("select before, after, open, known from oracle.asked").fetchall()
                    found[caller.name] = [Answer(*row) for row in rows]
        return found

    def _may(self, mutant: Mutant, caller: Caller) -> bool:
        """Whether the caller has a right for which the policy is asked."""
        rights = ", ".join(mutant.doors - {"delete"}) or "update"
        row = self.session.execute(
            "select has_schema_privilege(%(role)s, %(schema)s, 'usage') and (%(any)s and has_any_column_privilege("
            "%(role)s, %(table)s, %(rights)s) or %(deletes)s and has_table_privilege(%(role)s, %(table)s, 'delete'))",
            {
                "role": caller.identity.role,
                "schema": mutant.schema,
                "table": _name(mutant).as_string(None),
                "rights": rights,
                "any": bool(mutant.doors - {"delete"}),
                "deletes": "delete" in mutant.doors,
            },
        ).fetchone()
        return row is not None and bool(row[0])

    def _gains(self, answers: dict[str, list[Answer]]) -> Iterator[tuple[str, int]]:
        """Who reaches what more: the name of a caller, and the number of a row."""
        tenants = {caller.name: caller.own for caller in self.callers}
        for name, rows in answers.items():
            for number, row in enumerate(rows):
                by_this = {t for other, asked in answers.items() if asked[number].before for t in tenants[other]}
                by_any = {t for other, asked in answers.items() if asked[number].known for t in tenants[other]}
                is_anothers = any(had and not had & tenants[name] for had in (by_this, by_any))
                if row.after and not row.before and not row.open and is_anothers:
                    yield name, number

    def _passes(self, mutant: Mutant, name: str, number: int) -> bool:
        """Whether the row is let in as it is, or with what stands in another row, but for its keys, in its place."""
        caller = self._caller(name)
        asked = sql.SQL("select old, new from {} where old = {} and {} order by new <> old").format(
            self._mixed(mutant, caller), sql.Literal(number), sql.SQL(f"({mutant.held})")
        )
        return any(self._fits(mutant, caller, *pair) for pair in self._asked(caller, asked))

    def _is_given_away(self, mutant: Mutant) -> bool:
        """Whether a row of one's own becomes another tenant's, with what stands in another row but for its keys."""
        numbered = sql.SQL("(select row_number() over () - 1 as old, r.* from oracle.rows() as r) as {}").format(
            sql.Identifier(mutant.table)
        )
        mine = sql.SQL("select old from {} where {}").format(numbered, sql.SQL(f"({mutant.held})"))
        let_in = sql.SQL("({}) and ({}) is not true").format(sql.SQL(mutant.after), sql.SQL(mutant.before))
        known = [mutant.before, *(condition.text for condition in mutant.others)]
        anothers = sql.SQL(" or ").join(sql.SQL(f"({text})") for text in known)
        for caller in self.callers:
            rows = self._mixed(mutant, caller)
            own = [number for (number,) in self._asked(caller, mine)]
            pairs = sql.SQL("select old, new from {} where {}")
            given = {pair for pair in self._asked(caller, pairs.format(rows, let_in)) if pair[0] in own}
            for other in self.callers:
                both = given & {*self._asked(other, pairs.format(rows, anothers))} if other.own - caller.own else ()
                if any(self._fits(mutant, caller, *pair) for pair in sorted(both)):
                    return True
        return False

    def _fits(self, mutant: Mutant, caller: Caller, old: int, new: int) -> bool:
        """Whether keys and checks let a row have what stands in another one in the columns that a caller may change."""
        names = [name for name, whose in self._columns(mutant, caller) if whose == "mine"]
        statement = sql.SQL(
            "update {table} as t set {sets} from (select * from oracle.rows() offset {new} limit 1) as mine "
            "where t.*::text = (select r.*::text from oracle.rows() as r offset {old} limit 1)"
        ).format(
            table=_name(mutant),
            sets=sql.SQL(", ").join(sql.SQL("{0} = mine.{0}").format(sql.Identifier(name)) for name in names),
            new=sql.Literal(new),
            old=sql.Literal(old),
        )
        with suppress(psycopg.Error), self.session.transaction(force_rollback=True):
            self.session.execute("set constraints all immediate")
            self.session.execute(statement.as_string(None).encode())
            return True
        return False

    def _columns(self, mutant: Mutant, caller: Caller) -> list[tuple[str, str]]:
        known = {"table": _name(mutant).as_string(None), "role": caller.identity.role}
        return self.session.execute(_COLUMNS, known).fetchall()

    def _mixed(self, mutant: Mutant, caller: Caller) -> sql.Composed:
        """Each row as ``old``, with what stands in each ``new`` one in the columns that the caller may change."""
        columns = self._columns(mutant, caller)
        numbered = sql.SQL("(select row_number() over () - 1 as number, r.* from oracle.rows() as r)")
        return sql.SQL(
            "(select theirs.number as old, mine.number as new, {columns} "
            "from {rows} as theirs, {rows} as mine) as {alias}"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier(whose, column) for column, whose in columns),
            rows=numbered,
            alias=sql.Identifier(mutant.table),
        )

    def _caller(self, name: str) -> Caller:
        return next(caller for caller in self.callers if caller.name == name)

    def _asked(self, caller: Caller, statement: sql.Composed) -> list[tuple[Any, ...]]:
        with self.session.posing_as(caller.identity):
            return self.session.execute(statement.as_string(None).encode()).fetchall()


def _name(mutant: Mutant) -> sql.Identifier:
    return sql.Identifier(mutant.schema, mutant.table)


@contextmanager
def oracle(databases: Databases, schema: str, tenancy: Tenancy) -> Iterator[Oracle | None]:
    """An oracle for a schema; None where its tenants cannot be made without more ado."""
    with schemas.database(databases, schema) as clone:
        yield _filled(clone, tenancy)


def _filled(clone: Clone, tenancy: Tenancy) -> Oracle | None:
    with clone.connect_as_owner() as owner:
        relations = catalog.read(owner)
        maker = Maker(owner, relations, tenancy)
        try:
            made = maker.fill(("A", "B"))
        except (psycopg.Error, PgassayError):
            return None
    people = [
        Caller(label, frozenset((label,)), callers.caller(user, "x@example.org", tenancy, made.ids.get(label)))
        for label, user in made.users.items()
    ]
    stranger = "3f0e4b0c-0000-4000-8000-00000000f00d"
    people += [Caller("stranger", frozenset(), Identity.user(stranger)), Caller("anon", frozenset(), Identity.anon())]
    return Oracle(clone.connect(), people)
