"""Intent: the tenancy to judge by. The declared one, else what can be inferred, said aloud and with what is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from pgassay import hints, tenancy
from pgassay.catalog import Relation
from pgassay.config import Tenancy
from pgassay.errors import internal_error
from pgassay.tenancy import Inference

OBJECT = "isolation"
"""What is not judged where no tenancy is known."""


@dataclass(frozen=True)
class Intent:
    """The tenancy, None where none is known; ``inferred`` is None where it is declared.

    ``unjudged`` has what is asked of a person, by object: that is not judged until it is answered.
    """

    tenancy: Tenancy | None
    inferred: Inference | None = None
    unjudged: dict[str, str] = field(default_factory=dict)


def of(declared: Tenancy | None, connection: psycopg.Connection[Any], relations: Iterable[Relation]) -> Intent:
    """The tenancy to judge by: ``declared``, else what is inferred from the database that ``relations`` are of."""
    if declared is not None:
        return Intent(declared)
    known = tuple(relations)
    try:
        read = hints.read(connection, known)
        found = tenancy.infer(known, read)
    except psycopg.Error:
        raise
    except Exception as error:
        return Intent(None, None, {OBJECT: internal_error(error)})
    if found.tenancy is None:
        why = f"no tenancy is declared, and the schema does not settle it. {found.doubt} pgassay init tells more."
        return Intent(None, found, {OBJECT: why})
    # whether these are everybody's is asked, so that it is no finding that everybody reads them
    asked = {question.object for question in found.questions if not question.path}
    return Intent(
        replace(found.tenancy, public=found.tenancy.public | asked),
        found,
        {**read.unread, **{question.object: question.text for question in found.questions}},
    )


def infer(
    connection: psycopg.Connection[Any],
    relations: tuple[Relation, ...],
    tenant: str | None = None,
    member: str | None = None,
) -> Inference:
    """What the database that ``relations`` are of tells of its tenancy; ``tenant`` and ``member`` are as declared."""
    return tenancy.infer(relations, hints.read(connection, relations), tenant, member)
