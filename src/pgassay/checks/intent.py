"""Intent: the tenancy to judge by. The declared one, else what can be inferred, said aloud and with what is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from pgassay import hints, platforms, tenancy
from pgassay.catalog import Function, Relation
from pgassay.config import Tenancy
from pgassay.errors import internal_error
from pgassay.hints import Hints
from pgassay.tenancy import Inference

OBJECT = "isolation"
"""What is not judged where no tenancy is known."""


@dataclass(frozen=True)
class Intent:
    """The tenancy, None where none is known; ``inferred`` is None where it is declared.

    ``unjudged`` has what is asked of a person, by object: that is not judged until it is answered. ``notes`` are facts
    that nobody must act on.
    """

    tenancy: Tenancy | None
    inferred: Inference | None = None
    unjudged: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def of(
    declared: Tenancy | None,
    connection: psycopg.Connection[Any],
    relations: tuple[Relation, ...],
    functions: Iterable[Function] = (),
) -> Intent:
    """The tenancy to judge by: ``declared``, else what is inferred from the database that ``relations`` are of."""
    try:
        known = hints.read(connection, relations)
        callers = frozenset(platforms.of(connection).roles.callers)
        called = any(function.roles & callers and not function.immutable for function in functions)
        return _of(declared, relations, known, called)
    except psycopg.Error:
        raise
    except Exception as error:
        why = internal_error(error)
        if declared is None:
            return Intent(None, None, {OBJECT: why})
        return Intent(declared, notes=(f"Tables of reference were not looked for: {why}",))


def _of(declared: Tenancy | None, relations: tuple[Relation, ...], known: Hints, called: bool) -> Intent:
    if declared is not None:
        listed = tenancy.references(relations, known, declared)
        return Intent(replace(declared, public=declared.public | set(listed)), notes=_noted(declared, listed))
    found = tenancy.infer(relations, known)
    if found.tenancy is None:
        nobodys = Tenancy(tenancy.USERS, None, "user_id")
        listed = tenancy.references(relations, known, nobodys)
        if not called and _is_closed(known, listed):
            return Intent(replace(nobodys, public=frozenset(listed)), notes=_noted(nobodys, listed))
        why = f"no tenancy is declared, and the schema does not settle it. {found.doubt} pgassay init tells more."
        if found.forgeable is None:
            return Intent(None, found, {OBJECT: why})
        listed = tenancy.references(relations, known, found.forgeable)
        claimed = replace(found.forgeable, public=found.forgeable.public | set(listed))
        return Intent(claimed, found, {OBJECT: why}, _noted(claimed, listed))
    listed = tenancy.references(relations, known, found.tenancy)
    # whether these are everybody's is asked, so that it is no finding that everybody reads them
    questions = [question for question in found.questions if question.object not in listed]
    asked = {question.object for question in questions if not question.path}
    return Intent(
        replace(found.tenancy, public=found.tenancy.public | asked | set(listed)),
        found,
        {**known.unread, **{question.object: question.text for question in questions}},
        _noted(found.tenancy, listed),
    )


def _is_closed(known: Hints, but: Iterable[str]) -> bool:
    """Whether the API reaches no row of any relation, whoever owns it, ``but`` in some."""
    return not known.reached - set(but) and hints.OBJECTS not in known.policies


def _noted(declared: Tenancy, listed: tuple[str, ...]) -> tuple[str, ...]:
    if not listed:
        return ()
    line = ", ".join(f'"{name}"' for name in sorted({*declared.public, *listed}))
    return (
        f"tables of reference, which everybody reads and nobody writes: {', '.join(listed)}. To say that this is "
        f"meant: public = [{line}] in [tool.pgassay.tenancy]",
    )


def infer(
    connection: psycopg.Connection[Any],
    relations: tuple[Relation, ...],
    tenant: str | None = None,
    member: str | None = None,
) -> Inference:
    """What the database that ``relations`` are of tells of its tenancy; ``tenant`` and ``member`` are as declared."""
    return tenancy.infer(relations, hints.read(connection, relations), tenant, member)
