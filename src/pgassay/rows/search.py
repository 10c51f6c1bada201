"""The search for rows that constraints let in: candidates from here, the verdict from PostgreSQL.

Each column, or group of columns that go together, has options. One query combines them and asks the constraints, as
PostgreSQL prints them, which combinations they let in; its planner asks each as soon as its columns are there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Check, Column, DataType, Relation
from pgassay.rows import hints as reading
from pgassay.rows import values
from pgassay.rows.hints import Hints

Row = dict[str, Any]

_FEW, _COMBINATIONS = 2_000, 30_000
_OPTIONS = 400
_HEAVY = 1000
_RESAMPLED = 4
_ERRORS = 400
"""After so many questions that ended in an error, a search is content with what it has found."""


class Unfilled(Exception):
    """No row could be made: says what is in the way."""


class Left:
    """The option to leave a column out, so that it gets its default."""

    def __repr__(self) -> str:
        return "its default"


LEFT_OUT = Left()


@dataclass(frozen=True)
class Rule:
    """What a row is held to: ``holds`` is a condition on ``columns``, true or NULL where the row is let in.

    ``kind`` is not null, check, length, domain, unique, exclusion or foreign key; ``name`` the constraint's, or the
    column's where it has none; ``sqlstate`` that of the error.
    """

    kind: str
    name: str
    definition: str
    sqlstate: str
    columns: tuple[str, ...] = ()
    holds: sql.Composable = field(default_factory=lambda: sql.SQL("true"), repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.definition}"


@dataclass
class Variable:
    """Columns that get values together, and the values: a tuple for each option, the best first.

    ``heavy`` is that another option is only taken when all of those of other variables are used up.
    """

    columns: tuple[str, ...]
    options: list[tuple[Any, ...]]
    heavy: bool = False


@dataclass
class Part:
    """Variables that rules hold together, and the values that were found for them."""

    variables: list[Variable]
    rules: list[Rule]
    solutions: list[Row] = field(default_factory=list)

    @property
    def is_light(self) -> bool:
        """Whether its solutions differ in values that mean nothing."""
        return any(not variable.heavy for variable in self.variables)


def check_rules(relation: Relation) -> list[Rule]:
    """A rule for each CHECK constraint of a relation, and for its partitions."""
    return [_check_rule(relation, check) for check in relation.check_constraints if check.enforced]


def _check_rule(relation: Relation, check: Check) -> Rule:
    columns = check.columns or tuple(column.name for column in relation.columns)
    kind = "partition" if check.partitioned else "check"
    return Rule(kind, check.name, check.definition, "23514", columns, as_sql(f"({check.expression})"))


def as_sql(expression: str) -> sql.SQL:
    """SQL that PostgreSQL has printed: an expression or a type."""
    return sql.SQL(expression)


class Pools:
    """Values by type, asked of one database: which ones domains let in, and which ones an unknown type reads."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._valid: dict[tuple[str, Hints], list[Any]] = {}

    def valid(self, data_type: DataType, hints: Hints = Hints()) -> list[Any]:  # noqa: B008 - it is frozen
        """Values of a type, those first that the hints of a constraint point to."""
        key = (data_type.declared, hints)
        if key not in self._valid:
            own = reading.read(source for domain in data_type.domains for source in _sources(domain.checks))
            if own != Hints():
                hints = Hints((*hints.numbers, *own.numbers), (*hints.texts, *own.texts))
            candidates = [
                *values.hinted(data_type, hints, self.valid),
                *(values.fresh(data_type, "a", number) for number in (1, 2)),
                *values.tried(data_type, self.valid),
            ]
            self._valid[key] = self.let_in(data_type, candidates)
        return self._valid[key]

    def reads(self, data_type: DataType, value: Any) -> bool:
        """Whether the type can have that value, or NULL."""
        given = sql.Literal(value if isinstance(value, list) else values.sql_text(value))
        try:
            self.ask(sql.SQL("select {}::{}").format(given, as_sql(data_type.declared)))
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError):
                raise
            return False
        return True

    def let_in(self, data_type: DataType, candidates: Iterable[Any]) -> list[Any]:
        """Those of ``candidates`` that are values of the type, each once."""
        return self._holding(data_type, candidates, [check for d in data_type.domains for check in d.checks])

    def _holding(self, data_type: DataType, candidates: Iterable[Any], checks: Sequence[Check]) -> list[Any]:
        fitting: dict[str, Any] = {}
        for value in candidates:
            if value is not None and values.fits(data_type, value):
                fitting.setdefault(values.sql_text(value) or "", value)
        texts = list(fitting)[:_OPTIONS]
        if not texts or (not checks and values.is_sure(data_type)):
            return [fitting[text] for text in texts]
        conditions = [sql.SQL("({}) is not false").format(as_sql(check.expression)) for check in checks]

        def statement(chosen: Sequence[str]) -> sql.Composed:
            return sql.SQL(
                "select u.n from pg_catalog.unnest({}::pg_catalog.text[]) with ordinality as u (t, n) "
                "cross join lateral (select u.t::{} as value) as v where v.value is not null and {}"
            ).format(
                sql.Literal(list(chosen)),
                as_sql(data_type.base.declared),
                sql.SQL(" and ").join([sql.SQL("true"), *conditions]),
            )

        def ask(chosen: Sequence[str]) -> list[str]:
            return [chosen[n - 1] for (n,) in self.ask(statement(chosen))]

        let_in = set(_surviving(texts, ask))
        return [fitting[text] for text in texts if text in let_in]

    def refused(self, data_type: DataType, check: Check) -> list[Any]:
        """Values of the type below the domains that this check of one of them refuses, and no other."""
        others = tuple(
            replace(domain, checks=tuple(c for c in domain.checks if c != check)) for domain in data_type.domains
        )
        hints = reading.read(_sources([check]))
        candidates = [
            *values.hinted(data_type, hints, self.valid),
            *(values.fresh(data_type, "a", number) for number in (1, 2)),
            *values.tried(data_type, self.valid),
        ]
        checks = [
            Check("", "", f"({check.expression}) is false", True, True, (), ()),
            *(c for domain in others for c in domain.checks),
        ]
        return self._holding(data_type, candidates, checks)

    def ask(self, statement: sql.Composed) -> list[tuple[Any, ...]]:
        """The rows of a query; an error leaves the transaction as it was.

        There are no parameters: in expressions that PostgreSQL has printed, ``%`` is no placeholder.
        """
        with self.connection.transaction(), self.connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
            return cursor.execute(statement).fetchall()


def _surviving(items: Sequence[Any], ask: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
    """What ``ask`` gives for the items, but for those at which it fails."""
    try:
        return ask(items)
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError):
            raise
        if len(items) == 1:
            return []
    half = len(items) // 2
    return [*_surviving(items[:half], ask), *_surviving(items[half:], ask)]


def _sources(checks: Iterable[Check]) -> Iterable[str]:
    for check in checks:
        yield check.expression
        yield from check.sources


def hints_for(relation: Relation, column: str, more: Iterable[str] = ()) -> Hints:
    """What the CHECK constraints that name a column tell of its values."""
    checks = [check for check in relation.check_constraints if not check.columns or column in check.columns]
    return reading.read([*_sources(checks), *more])


class Search:
    """Looks for rows of one relation, of which the values ``known`` are given."""

    def __init__(self, pools: Pools, relation: Relation, known: Mapping[str, Any], rules: Sequence[Rule]) -> None:
        self._pools = pools
        self._relation = relation
        self._columns = {column.name: column for column in relation.columns}
        self._known = known
        self._rules = rules
        self._errors = 0

    def parts(self, variables: Sequence[Variable], limit: int, *, mixed: bool = False) -> list[Part]:
        """The variables as rules hold them together, with up to ``limit`` solutions each.

        ``mixed`` solutions are taken from everywhere, others are in the order of the options. Raises `Unfilled` where
        there is none.
        """
        parts = self._divided(variables)
        for part in parts:
            part.solutions = self._solve(part, limit, mixed)
            if not part.solutions:
                raise Unfilled(self._reason(part))
        return parts

    def _reason(self, part: Part) -> str:
        empty = [name for variable in part.variables if not variable.options for name in variable.columns]
        if empty and not part.rules:
            column = self._columns[empty[0]]
            return f"no value is known for {column.name}, which is {column.data_type.declared}" + _domain_words(column)
        words = "; ".join(f"{rule.name}: {rule.definition}" for rule in part.rules)
        named = [name for variable in part.variables for name in variable.columns]
        columns = ", ".join(named or dict.fromkeys(name for rule in part.rules for name in rule.columns))
        return f"no values for {columns} were found that are let in by {words}"

    def _divided(self, variables: Sequence[Variable]) -> list[Part]:
        parts = [Part([variable], []) for variable in variables]
        for rule in self._rules:
            wanted = self._named_by(rule)
            joined = [part for part in parts if any(wanted & set(v.columns) for v in part.variables)]
            if not joined:
                joined = [Part([], [])]
            rest = [part for part in parts if part not in joined]
            merged = Part([v for part in joined for v in part.variables], [r for part in joined for r in part.rules])
            merged.rules.append(rule)
            parts = [*rest, merged]
        return parts

    def _named_by(self, rule: Rule) -> set[str]:
        """The columns that a rule depends on: for a generated one, all that are not."""
        if any(self._columns[name].generated for name in rule.columns if name in self._columns):
            return {name for name, column in self._columns.items() if not column.generated} | set(rule.columns)
        return set(rule.columns)

    def _solve(self, part: Part, limit: int, mixed: bool) -> list[Row]:
        if not part.rules:
            (variable,) = part.variables
            return [self._row([variable], [n]) for n in range(min(limit, len(variable.options)))]
        if not part.variables:
            return [{}] if self._asked([], part.rules, 1, mixed) else []
        for variable in part.variables:
            alone = [rule for rule in part.rules if self._is_alone(rule, variable, part)]
            if alone and len(variable.options) > 1:
                found = self._asked([variable], alone, _OPTIONS, mixed=False)
                variable.options = [variable.options[numbers[0]] for numbers in sorted(found)]
        if not all(variable.options for variable in part.variables):
            return []
        together = part.rules
        if len(part.variables) == 1 and all(self._is_alone(rule, part.variables[0], part) for rule in together):
            chosen = list(range(len(part.variables[0].options)))
            if mixed:
                random.Random(0).shuffle(chosen)  # noqa: S311 - the same values in every run
            if len(chosen) > 1 or self._asked(part.variables, together, 1, mixed):
                return [self._row(part.variables, [n]) for n in chosen[:limit]]
            return []
        shuffled = random.Random(0)  # noqa: S311 - the same values in every run
        first = [(shuffled, _COMBINATIONS)] if mixed else [(None, _FEW), (None, _COMBINATIONS)]
        for chance, most in [*first, *[(shuffled, _COMBINATIONS)] * _RESAMPLED]:
            variables = _reduced(part.variables, chance, most)
            found = self._asked(variables, together, limit, mixed)
            is_all = all(len(a.options) == len(b.options) for a, b in zip(variables, part.variables, strict=True))
            # of those that come first there are mostly enough
            if is_all or len(found) == limit or (found and most != _FEW):
                return [self._row(variables, numbers) for numbers in found]
        return []

    def _is_alone(self, rule: Rule, variable: Variable, part: Part) -> bool:
        """Whether a rule asks for nothing that another variable of the part decides."""
        wanted = self._named_by(rule)
        return not any(wanted & set(other.columns) for other in part.variables if other is not variable)

    def _row(self, variables: Sequence[Variable], numbers: Sequence[int]) -> Row:
        return {
            name: value
            for variable, number in zip(variables, numbers, strict=True)
            for name, value in zip(variable.columns, variable.options[number], strict=True)
            if value is not LEFT_OUT
        }

    def _asked(self, variables: Sequence[Variable], rules: Sequence[Rule], limit: int, mixed: bool) -> list[list[int]]:
        """The numbers of the options, for each combination that the rules let in."""
        try:
            rows = self._pools.ask(self._question(variables, rules, limit, mixed))
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError):
                raise
            self._errors += 1
            longest = max(variables, key=lambda variable: len(variable.options), default=None)
            if longest is None or len(longest.options) == 1:
                return []
            return self._in_halves(variables, longest, rules, limit, mixed)
        return [list(row) for row in rows]

    def _in_halves(
        self, variables: Sequence[Variable], longest: Variable, rules: Sequence[Rule], limit: int, mixed: bool
    ) -> list[list[int]]:
        """The same where some combination ends in an error: asked of each half of the options of one variable."""
        place, half = variables.index(longest), len(longest.options) // 2
        found: list[list[int]] = []
        for start, options in ((0, longest.options[:half]), (half, longest.options[half:])):
            if len(found) < limit and self._errors < _ERRORS:
                divided = [replace(v, options=options) if v is longest else v for v in variables]
                found += [
                    [number + start if n == place else number for n, number in enumerate(numbers)]
                    for numbers in self._asked(divided, rules, limit - len(found), mixed)
                ]
        return found

    def _question(self, variables: Sequence[Variable], rules: Sequence[Rule], limit: int, mixed: bool) -> sql.Composed:
        wanted = set().union(*(self._named_by(rule) for rule in rules))
        sources: list[sql.Composable] = []
        numbers: list[sql.Composable] = []
        expressions: dict[str, sql.Composable] = {}
        for n, variable in enumerate(variables):
            names = [sql.Identifier(f"pgassay {n} {m}") for m in range(len(variable.columns))]
            number = sql.Identifier(f"pgassay {n}")
            numbers.append(number)
            chosen = [[option[m] for option in variable.options] for m in range(len(names))]
            arrays = sql.SQL(", ").join(
                sql.SQL("pg_catalog.unnest({}::pg_catalog.text[])").format(
                    sql.Literal([None if value is LEFT_OUT else values.sql_text(value) for value in column])
                )
                for column in chosen
            )
            sources.append(
                sql.SQL("rows from ({}) with ordinality as {} ({})").format(
                    arrays, sql.Identifier(f"pgassay options {n}"), sql.SQL(", ").join([*names, number])
                )
            )
            for m, column in enumerate(variable.columns):
                given = sql.SQL("{}::{}").format(names[m], _declared(self._columns[column]))
                left = [place for place, value in enumerate(chosen[m], 1) if value is LEFT_OUT]
                if left:
                    given = sql.SQL("case when {} = any({}) then {} else {} end").format(
                        number, sql.Literal(left), self._default(column), given
                    )
                expressions[column] = given
        given_columns = sql.SQL(", ").join(
            sql.SQL("{} as {}").format(expressions.get(name) or self._given(name), sql.Identifier(name))
            for name, column in self._columns.items()
            if name in wanted and not column.generated
        )
        alias = sql.Identifier(self._relation.name)
        sources.append(sql.SQL("lateral (select {}) as {}").format(given_columns, alias))
        generated = [
            sql.SQL("({}) as {}").format(as_sql(column.default or "null"), sql.Identifier(name))
            for name, column in self._columns.items()
            if name in wanted and column.generated
        ]
        if generated:
            sources.append(sql.SQL("lateral (select {}) as {}").format(sql.SQL(", ").join(generated), alias_of(alias)))
        order = (
            sql.SQL(" + ").join(
                sql.SQL("{} * {}").format(sql.Literal(_HEAVY if v.heavy else 1), number)
                for v, number in zip(variables, numbers, strict=True)
            )
            if not mixed
            else sql.SQL("pg_catalog.md5({})").format(
                sql.SQL(" || ',' || ").join(sql.SQL("{}::pg_catalog.text").format(number) for number in numbers)
            )
        )
        return sql.SQL("select {} from {} where {} {} limit {}").format(
            sql.SQL(", ").join(sql.SQL("({} - 1)::pg_catalog.int4").format(number) for number in numbers),
            sql.SQL(" cross join ").join(sources),
            sql.SQL(" and ").join(sql.SQL("({}) is not false").format(rule.holds) for rule in rules),
            sql.SQL("order by {}, {}").format(order, sql.SQL(", ").join(numbers)) if numbers else sql.SQL(""),
            sql.Literal(limit),
        )

    def _given(self, name: str) -> sql.Composable:
        """The value of a column that is not searched for: known, or what it gets when it is left out."""
        if name in self._known:
            value = self._known[name]
            value = values.sql_text(value) if isinstance(value, dict | list) and not self._is_array(name) else value
            return sql.SQL("{}::{}").format(sql.Literal(value), _declared(self._columns[name]))
        return self._default(name)

    def _is_array(self, name: str) -> bool:
        return self._columns[name].data_type.base.kind == "array"

    def _default(self, name: str) -> sql.Composable:
        column = self._columns[name]
        if column.default is None or "nextval(" in column.default:  # a number that is taken is gone
            return sql.SQL("null::{}").format(_declared(column))
        return sql.SQL("({})::{}").format(as_sql(column.default), _declared(column))


def alias_of(alias: sql.Identifier) -> sql.Identifier:
    """Another name than ``alias``, for the generated columns beside it."""
    return sql.Identifier(f"{alias.as_string(None)} generated")


def _declared(column: Column) -> sql.Composable:
    return as_sql(column.data_type.base.declared)


def _domain_words(column: Column) -> str:
    checks = [check.definition for domain in column.data_type.domains for check in domain.checks]
    return f" with {'; '.join(checks)}" if checks else ""


def _reduced(variables: Sequence[Variable], shuffled: random.Random | None, most: int) -> list[Variable]:
    """Fewer options where there are more than ``most`` combinations; the first ones, or half of them any ones."""
    sizes = [len(variable.options) for variable in variables]
    total = 1
    for size in sizes:
        total *= size
    while total > most:
        longest = sizes.index(max(sizes))
        total = total // sizes[longest] * (sizes[longest] * 3 // 4)
        sizes[longest] = sizes[longest] * 3 // 4
    return [
        variable
        if len(variable.options) == size
        else replace(
            variable,
            options=variable.options[:size]
            if shuffled is None
            else [*variable.options[: size // 2], *shuffled.sample(variable.options[size // 2 :], size - size // 2)],
        )
        for variable, size in zip(variables, sizes, strict=True)
    ]
