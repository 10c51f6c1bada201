"""What an author is told of a migration that fails: the file, the line, the statement and PostgreSQL's words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg

from pgassay.errors import MigrationError, PartlyApplied
from pgassay.migrations.script import Script
from pgassay.migrations.statement import Statement, code_offset
from pgassay.patience import Stopped

_SHOWN_LINES = 12
_SAID_LINES = 20
"""Of what PostgreSQL says, as the context of an error."""


def partly(
    error: MigrationError, script: Script, statements: Sequence[Statement], kept: Sequence[Statement]
) -> PartlyApplied:
    """The same error, with what of the file stays: ``kept`` are statements after which no transaction was open."""
    cannot = f"{script.name} cannot run in one transaction"
    if not kept:
        return PartlyApplied(f"{error.message}\n\n{cannot}, but nothing of it has been applied.", 0, hint=error.hint)
    until = kept[-1].line + kept[-1].text.rstrip().count("\n")
    following = statements[statements.index(kept[-1]) + 1 :]
    begun = bool(following) and following[0].ends_transaction
    stays = (
        f"what stands in it up to line {until} has been applied, and what it began after that was rolled back."
        if begun
        else "what stands before this statement in it has been applied."
    )
    return PartlyApplied(f"{error.message}\n\n{cannot}: {stays}", until, hint=error.hint)


def explained(error: psycopg.Error, script: Script, statement: Statement, *, as_written: bool) -> MigrationError:
    """What PostgreSQL refused, with the place; ``as_written`` says that its position is one in the statement."""
    line = statement.code_line
    position = error.diag.statement_position
    if position is not None and as_written:
        line = statement.line + statement.text.count("\n", 0, int(position) - 1)
    return MigrationError(
        f"{script.path}:{line}: PostgreSQL refused this statement:\n\n{excerpt(statement, line)}\n\n{said(error)}",
        hint=_hint(error, statement),
    )


def said(error: psycopg.Error) -> str:
    """PostgreSQL's own words."""
    said = [f"{error.diag.severity or 'ERROR'}: {error.diag.message_primary or str(error).strip()}"]
    if error.sqlstate:
        said[0] += f" (SQLSTATE {error.sqlstate})"
    for label, told in (
        ("DETAIL", error.diag.message_detail),
        ("HINT", error.diag.message_hint),
        ("CONTEXT", error.diag.context),
    ):
        if told:
            said.append(f"{label}: {_cut(told)}")
    return "\n".join(said)


def _cut(text: str) -> str:
    """Its first lines: a function that calls itself has thousands of lines of context."""
    lines = text.splitlines()
    left = len(lines) - _SAID_LINES
    return text if left <= 0 else "\n".join([*lines[:_SAID_LINES], f"… and {left} more line{'s' * (left > 1)}"])


def stopped(error: Stopped, script: Script, statement: Statement) -> MigrationError:
    """What took too long, or lost its session, with the place."""
    line = statement.line + code_offset(statement.text)
    return MigrationError(f"{script.path}:{line}: {error.why}\n\n{excerpt(statement, line)}", hint=error.hint)


def excerpt(statement: Statement, line: int) -> str:
    """The statement, or the part of a long one that is around ``line``, with line numbers."""
    lines = statement.text.rstrip().splitlines()
    at = line - statement.line
    first = max(0, min(at - _SHOWN_LINES // 2, len(lines) - _SHOWN_LINES))
    first = max(first, code_offset(statement.text)) if at >= code_offset(statement.text) else first
    shown = lines[first : first + _SHOWN_LINES]
    numbered = [
        f"{'>' if first + offset == at else ' '} {statement.line + first + offset:>4} | {words}".rstrip()
        for offset, words in enumerate(shown)
    ]
    if first + len(shown) < len(lines):
        numbered.append("       | …")
    return "\n".join(numbered)


def _hint(error: psycopg.Error, statement: Statement) -> str | None:
    message = error.diag.message_primary or ""
    missing = re.search(r'extension "(.+)" is not available', message)
    if missing:
        return (
            f"This server does not have the extension {missing[1]}. A server that has it can be used with --pg system "
            "(on Debian: postgresql-contrib or a package of the extension's own) or with a container image that has "
            "it: --pg container --pg-image IMAGE."
        )
    setting = re.search(r'permission denied to set parameter "(.+)"', message)
    if setting:
        return (
            f"Supabase lets its owner set {setting[1]}, and so does a server that pgassay starts. This one is not its "
            f"own: let a superuser grant it (grant set on parameter {setting[1]} to whoever applies the migrations), "
            "or use another backend, as --pg auto."
        )
    if statement.text.lstrip().startswith("\\") or 'at or near "\\"' in message:
        return (
            "Lines that begin with a backslash are psql's own commands: PostgreSQL, and supabase db push, refuse them."
        )
    return None
