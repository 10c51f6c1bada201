"""After a migration has failed on a database that is not ours: what is applied, what is not, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from pgassay import indexes
from pgassay.errors import MigrationError, PartlyApplied
from pgassay.migrations import Script


def told(connection: psycopg.Connection[Any], scripts: Sequence[Script], number: int, error: MigrationError) -> str:
    """What is applied, what is not, and what to do next, where the migration of that number has failed."""
    failed = scripts[number].name
    if connection.closed:
        return (
            f"The connection was lost at {failed}. What is in the ledger is applied, and what is not is not: "
            "pgassay apply --dry-run lists what is left."
        )
    until = error.until if isinstance(error, PartlyApplied) else 0
    stays = f"but for its lines up to {until}, which stay" if until else "nothing of it is in the database"
    lines = [
        f"Applied: {', '.join(script.name for script in scripts[:number]) or 'none'}.",
        f"Not applied: {'; '.join([f'{failed} ({stays})', *(script.name for script in scripts[number + 1 :])])}.",
    ]
    next_ = f"Next: mend {failed}, and apply again. It goes on with that file."
    if until:
        next_ = (
            f"Next: take the lines up to {until} out of {failed}, or undo by hand what they did; mend the rest, and "
            "apply again. It goes on with that file."
        )
    left = [
        f"The index {index} is invalid. Remove it first: {index.drop(connection)}"
        for index in indexes.invalid(connection)
    ]
    return "\n".join([*lines, *left, next_])
