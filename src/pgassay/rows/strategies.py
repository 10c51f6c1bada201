"""Strategies of Hypothesis: rows that a table lets in, and rows that break exactly one of its rules.

What constraints speak of is found by a search when the strategy is made, so that drawing asks nothing of the database;
what they do not speak of is drawn from all values of its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from hypothesis import strategies as st
from psycopg import sql

from pgassay.catalog import Column, DataType, Exclusion, ForeignKey, Relation
from pgassay.rows import drawn, hints, values
from pgassay.rows.search import (
    LEFT_OUT,
    Part,
    Pools,
    Row,
    Rule,
    Search,
    Unfilled,
    Variable,
    as_sql,
    check_rules,
    hints_for,
)

_SOLUTIONS = 300
_BREACHES = 20
_SAMPLES = 40
_KEYS = 50


def strategy(
    relation: Relation, session: psycopg.Connection[Any], known: Mapping[str, Any] | None = None
) -> st.SearchStrategy[Row]:
    """Rows that ``relation`` lets in: columns that have a default left out or given, nullable ones NULL or not.

    ``known`` are columns whose values are to be these. Keys of other tables are taken from the rows that ``session``
    sees, and unique columns keep clear of those that are there, so make it after those rows. Each row is valid by
    itself; two of them may collide with each other. `insert_statement` makes the INSERT of a row.

    Raises `Unfilled` with the constraint or type in the way, when there is no such row.
    """
    table = _Table(relation, session, known or {})
    free, bound = table.divided()
    parts = Search(table.pools, relation, table.known, table.rules).parts(
        [table.variable(column) for column in bound] + table.references, _SOLUTIONS, mixed=True
    )
    unbound = st.fixed_dictionaries(
        {column.name: table.strategy_of(column) for column in free if not column.has_default},
        optional={column.name: table.strategy_of(column) for column in free if column.has_default},
    )
    found = [_solution(part) for part in parts if part.variables]
    return st.tuples(unbound, *found).map(
        lambda rows: {**{name: value for row in rows for name, value in row.items()}, **table.known}
    )


def _solution(part: Part) -> st.SearchStrategy[Row]:
    """A solution: first which columns are given and which of them NULL, so that each of these is likely."""
    kinds: dict[tuple[tuple[str, bool], ...], list[Row]] = {}
    for row in part.solutions:
        kinds.setdefault(tuple((name, value is None) for name, value in row.items()), []).append(row)
    return st.one_of([st.sampled_from(kinds[kind]) for kind in sorted(kinds, key=len)])


def breaking(
    relation: Relation, session: psycopg.Connection[Any], known: Mapping[str, Any] | None = None
) -> st.SearchStrategy[tuple[Row, Rule]]:
    """Rows that break exactly one rule of ``relation``, each with that rule, as `strategy` makes rows that break none.

    Rules are those of `breaches`. Raises `Unfilled` when there is none that can be broken alone.
    """
    found = breaches(relation, session, known)
    if not found:
        raise Unfilled(f"{relation.full_name} has no rule that can be broken alone")
    return st.sampled_from(list(found)).flatmap(lambda rule: st.tuples(st.sampled_from(found[rule]), st.just(rule)))


def breaches(
    relation: Relation, session: psycopg.Connection[Any], known: Mapping[str, Any] | None = None
) -> dict[Rule, list[Row]]:
    """For each rule of ``relation`` that can be broken alone, rows that do.

    NOT NULL, the lengths and limits of types, the checks of domains and tables, foreign keys, and, if the table has a
    row to repeat, unique and exclusion constraints. A rule that follows from another one cannot be broken alone.
    """
    table = _Table(relation, session, known or {})
    found: dict[Rule, list[Row]] = {}
    for rule, special in table.ways_to_break():
        rows = table.rows_breaking(rule, special)
        if rows:
            found.setdefault(rule, []).extend(rows)
    return found


@dataclass
class _Special:
    """How a rule is broken: ``variables`` with the options that do it, in the place of the columns' own.

    ``beyond`` is that the values are none of the column's type, so that constraints cannot be asked about it.
    """

    variables: list[Variable]
    beyond: bool = False


class _Table:
    """One relation with all of its rules, in the database of ``session``."""

    def __init__(self, relation: Relation, session: psycopg.Connection[Any], known: Mapping[str, Any]) -> None:
        self.relation = relation
        self.session = session
        self.known = dict(known)
        self.pools = Pools(session)
        self.columns = [
            column
            for column in relation.columns
            if not column.generated and not column.identity and column.name not in known
        ]
        self.keys = [(key, self._keys_of(key)) for key in relation.foreign_keys]
        self.rules = [
            *check_rules(relation),
            *(_exclusion_rule(relation, index) for index in relation.exclusions),
            *(_reference_rule(relation, key) for key in relation.foreign_keys),
        ]
        self.rules += [_not_null_rule(column) for column in self.columns if column.not_null and column.has_default]
        self.references = self._references()
        self._values: dict[str, list[Any]] = {}

    def divided(self) -> tuple[list[Column], list[Column]]:
        """The columns that no rule speaks of, and those that have to be searched."""
        ruled = {name for rule in self.rules for name in rule.columns}
        if any(column.generated and column.name in ruled for column in self.relation.columns):
            ruled = {column.name for column in self.columns}
        referring = {name for variable in self.references for name in variable.columns}
        left = [column for column in self.columns if column.name not in referring]
        bound = [c for c in left if c.name in ruled or c.data_type.domains or not _is_free(c.data_type)]
        return [column for column in left if column not in bound], bound

    def strategy_of(self, column: Column) -> st.SearchStrategy[Any]:
        """All values of a column that no rule speaks of."""
        made = drawn.strategy(column.data_type, self.pools.valid)
        return made if column.not_null else st.none() | made

    def variable(self, column: Column) -> Variable:
        """A column that is searched, with values that its type and the constants of constraints suggest."""
        options: list[tuple[Any, ...]] = [(value,) for value in self.values_of(column)]
        if not column.not_null:
            options.insert(1, (None,))
        if column.has_default:
            options.insert(0, (LEFT_OUT,))
        return Variable((column.name,), options)

    def values_of(self, column: Column) -> list[Any]:
        """Values to be searched through; found once, since each rule that is to be broken asks for them."""
        if column.name not in self._values:
            self._values[column.name] = self._new_values_of(column)
        return self._values[column.name]

    def _new_values_of(self, column: Column) -> list[Any]:
        suggested = self.pools.valid(column.data_type, hints_for(self.relation, column.name))
        sampled: list[Any] = []
        if not column.data_type.domains and (suggested or _is_free(column.data_type)):
            sampled = hints.samples(drawn.strategy(column.data_type, self.pools.valid), _SAMPLES)
        more = [values.fresh(column.data_type, column.name, number) for number in range(1, 9)]
        return self.pools.let_in(column.data_type, [*suggested, *more, *sampled])

    def _references(self) -> list[Variable]:
        """The columns of foreign keys, with the keys that there are. Those of two foreign keys go one by one."""
        found: list[Variable] = []
        taken: set[str] = set(self.known)
        free = {column.name: column for column in self.columns}
        for key, rows in self.keys:
            names = [here for here, _ in key.columns]
            places = [n for n, name in enumerate(names) if name not in taken and name in free]
            shared = any(set(names) & {here for here, _ in other.columns} for other, _ in self.keys if other is not key)
            for group in [[n] for n in places] if shared else [places] if places else []:
                chosen = tuple(names[n] for n in group)
                taken |= set(chosen)
                options = list(dict.fromkeys(tuple(row[n] for n in group) for row in rows))
                if all(not free[name].not_null for name in chosen):
                    options.append(tuple(None for _ in chosen))
                if all(free[name].has_default for name in chosen):
                    options.append(tuple(LEFT_OUT for _ in chosen))
                if not options:
                    raise Unfilled(f"it refers to {key.target} by {key.name}, and there is no row yet")
                found.append(Variable(chosen, options))
        return found

    def _keys_of(self, key: ForeignKey) -> list[tuple[Any, ...]]:
        """Keys that the foreign key may refer to."""
        columns = sql.SQL(", ").join(sql.Identifier(there) for _, there in key.columns)
        present = sql.SQL(" and ").join(
            sql.SQL("{} is not null").format(sql.Identifier(there)) for _, there in key.columns
        )
        statement = sql.SQL("select {} from {} where {} order by {} limit {}").format(
            columns, _target(key), present, columns, sql.Literal(_KEYS)
        )
        try:
            return self.pools.ask(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unfilled(f"the keys of {key.target} cannot be read: {error.diag.message_primary}") from error

    # rules broken

    def ways_to_break(self) -> Iterator[tuple[Rule, _Special]]:
        """Every rule, with what may break it."""
        for column in self.columns:
            yield from self._not_null(column)
            yield from self._beyond_type(column)
            yield from self._domain(column)
        for rule in self.rules:
            if rule.kind in ("check", "partition"):
                yield rule, _Special([])
        for index in relation_indexes(self.relation):
            yield from self._repeated(index)
        for key, _ in self.keys:
            yield from self._dangling(key)

    def _not_null(self, column: Column) -> Iterator[tuple[Rule, _Special]]:
        if column.not_null:
            yield _not_null_rule(column), _Special([Variable((column.name,), [(None,)])])

    def _beyond_type(self, column: Column) -> Iterator[tuple[Rule, _Special]]:
        options = list(values.beyond(column.data_type))
        if options:
            declared = column.data_type.base.declared
            rule = Rule("length", column.name, declared, values.beyond_state(column.data_type), (column.name,))
            yield rule, _Special([Variable((column.name,), [(option,) for option in options])], beyond=True)

    def _domain(self, column: Column) -> Iterator[tuple[Rule, _Special]]:
        for domain in column.data_type.domains:
            for check in domain.checks:
                options = self.pools.refused(column.data_type, check)
                if options:
                    rule = Rule("domain", check.name, check.definition, "23514", (column.name,))
                    yield rule, _Special([Variable((column.name,), [(option,) for option in options])], beyond=True)

    def _repeated(self, index: Exclusion) -> Iterator[tuple[Rule, _Special]]:
        """A row that agrees with one that is there in all columns of an index."""
        names = [name for name in index.columns if any(column.name == name for column in self.columns)]
        if set(names) | set(self.known) < set(index.columns):
            return
        statement = sql.SQL("select {} from {} order by pg_catalog.md5(row({})::pg_catalog.text) limit {}").format(
            sql.SQL(", ").join(sql.SQL("{}::pg_catalog.text").format(sql.Identifier(name)) for name in names),
            sql.Identifier(self.relation.schema, self.relation.name),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.Literal(_KEYS),
        )
        rows = self.pools.ask(statement) if names else []
        # an index on lower(email) refuses what one on email lets in
        cases = [
            tuple(change(value) if value else value for value in row)
            for change in (str.upper, str.lower)
            for row in rows
        ]
        texts = [
            values.is_text(column.data_type.base) for name in names for column in self.columns if column.name == name
        ]
        changed = [
            tuple(b if text else a for a, b, text in zip(row, case, texts, strict=True))
            for row, case in zip([*rows, *rows], cases, strict=True)
        ]
        if rows:
            options = list(dict.fromkeys([*rows, *changed]))
            yield _exclusion_rule(self.relation, index), _Special([Variable(tuple(names), options)])

    def _dangling(self, key: ForeignKey) -> Iterator[tuple[Rule, _Special]]:
        """A key that is nowhere: in as few columns as can be, so that others keep to their own foreign keys."""
        others = {here for other, _ in self.keys if other is not key for here, _ in other.columns}
        names = [here for here, _ in key.columns]
        free = {column.name: column for column in self.columns}
        own = [name for name in names if name not in others and name in free] or [n for n in names if n in free]
        special = []
        for name in own[:1]:
            column = free[name]
            fresh = [values.fresh(column.data_type, column.name, 2_000_000_000 - n) for n in range(5)]
            let_in = self.pools.let_in(column.data_type, [*fresh, *self.pools.valid(column.data_type)])
            special.append(Variable((name,), [(value,) for value in let_in]))
        if special:
            yield _reference_rule(self.relation, key), _Special(special)

    def rows_breaking(self, rule: Rule, special: _Special) -> list[Row]:
        """Rows that break this rule and keep all others."""
        fixed = {name for variable in special.variables for name in variable.columns}
        kept = [other for other in self.rules if other != rule]
        known = dict(self.known)
        if special.beyond:  # no constraint can be asked about what is no value of the type
            kept = [other for other in kept if not set(other.columns) & fixed]
        elif rule.kind != "not null":
            broken = sql.SQL("(({}) is false)").format(rule.holds)
            kept = [*kept, replace(rule, holds=broken)]
        free, bound = self.divided()
        variables = [self.variable(column) for column in bound if column.name not in fixed]
        variables += [_first(variable) for variable in map(self._plain, free) if not set(variable.columns) & fixed]
        for reference in self.references:
            rest = [n for n, name in enumerate(reference.columns) if name not in fixed]
            if rest:
                options = list(dict.fromkeys(tuple(option[n] for n in rest) for option in reference.options))
                variables.append(Variable(tuple(reference.columns[n] for n in rest), options))
        own = [] if special.beyond else special.variables
        try:
            parts = Search(self.pools, self.relation, known, kept).parts([*variables, *own], _BREACHES, mixed=True)
        except Unfilled:
            return []
        rows = []
        for n in range(_BREACHES):
            row: Row = {}
            for part in parts:
                row.update(part.solutions[n % len(part.solutions)])
            if special.beyond:
                for variable in special.variables:
                    row.update(zip(variable.columns, variable.options[n % len(variable.options)], strict=True))
            rows.append({**row, **known})
        return rows

    def _plain(self, column: Column) -> Variable:
        """A column that no rule speaks of but that of breaking it."""
        if column.has_default or not column.not_null:
            return Variable((column.name,), [(LEFT_OUT,)])
        return Variable((column.name,), [(value,) for value in self.pools.valid(column.data_type)])


def _first(variable: Variable) -> Variable:
    return replace(variable, options=variable.options[:1])


def relation_indexes(relation: Relation) -> Sequence[Exclusion]:
    """The unique indexes and exclusion constraints, each set of keys once."""
    return list({(index.keys, index.predicate): index for index in reversed(relation.exclusions)}.values())


def _is_free(data_type: DataType) -> bool:
    """Whether values are known without a search."""
    parts: Iterable[DataType] = [
        part for part in (data_type.part, *(attribute for _, attribute in data_type.attributes)) if part is not None
    ]
    own = data_type.kind != "base" or (values.is_known(data_type) and data_type.name != "xml")
    return own and data_type.kind != "domain" and all(_is_free(p) or bool(p.domains) for p in parts)


def _not_null_rule(column: Column) -> Rule:
    counted = "nextval(" in (column.default or "")  # what is left out is not asked for
    holds = sql.SQL("true") if counted else sql.SQL("{} is not null").format(sql.Identifier(column.name))
    return Rule("not null", column.name, "not null", "23502", (column.name,), holds)


def _target(key: ForeignKey) -> sql.Identifier:
    return sql.Identifier(*key.target.split(".", 1))


def _own(relation: Relation, name: str) -> sql.Composed:
    return sql.SQL("{}.{}").format(sql.Identifier(relation.name), sql.Identifier(name))


def _reference_rule(relation: Relation, key: ForeignKey) -> Rule:
    absent = [sql.SQL("{} is null").format(_own(relation, here)) for here, _ in key.columns]
    agreeing = [
        sql.SQL('"pgassay there".{} = {}').format(sql.Identifier(there), _own(relation, here))
        for here, there in key.columns
    ]
    itself = [sql.SQL("{} = {}").format(_own(relation, there), _own(relation, here)) for here, there in key.columns]
    holds = sql.SQL('({}) or exists (select from {} as "pgassay there" where {}){}').format(
        sql.SQL(" and " if key.full else " or ").join(absent),
        _target(key),
        sql.SQL(" and ").join(agreeing),
        sql.SQL(" or ({})").format(sql.SQL(" and ").join(itself)) if key.target == relation.full_name else sql.SQL(""),
    )
    names = [here for here, _ in key.columns]
    if key.target == relation.full_name:
        names += [there for _, there in key.columns if there not in names]
    definition = f"foreign key ({', '.join(here for here, _ in key.columns)}) references {key.target}"
    return Rule("foreign key", key.name, definition, "23503", tuple(names), holds)


def _exclusion_rule(relation: Relation, index: Exclusion) -> Rule:
    keys = [sql.Identifier(f"pgassay key {n}") for n in range(len(index.keys))]
    comparison = [
        sql.SQL("({} {} ({}){})").format(
            key,
            as_sql(operator),
            as_sql(expression),
            sql.SQL(" or ({} is null and ({}) is null)").format(key, as_sql(expression))
            if index.nulls_equal
            else sql.SQL(""),
        )
        for key, operator, expression in zip(keys, index.operators, index.keys, strict=True)
    ]
    predicate = as_sql(index.predicate or "true")
    holds = sql.SQL(
        'not (({}) and exists (select from (select {} from {} as {} where {}) as "pgassay there" where {}))'
    ).format(
        predicate,
        sql.SQL(", ").join(
            sql.SQL("({}) as {}").format(as_sql(expression), key)
            for key, expression in zip(keys, index.keys, strict=True)
        ),
        sql.Identifier(relation.schema, relation.name),
        sql.Identifier(relation.name),
        predicate,
        sql.SQL(" and ").join(comparison),
    )
    kind, state = ("exclusion", "23P01") if index.exclusion else ("unique", "23505")
    return Rule(kind, index.name, index.definition, state, index.columns, holds)
