"""What is said of a migration before it is applied to a database that is not ours: what is not undone with it.

It is read from the parse tree; what cannot be parsed is applied as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgassay.migrations import Script, Statement, split

_ROLE, _SESSION = "role", "session_authorization"


def warnings(script: Script, *, superuser: bool) -> Iterator[str]:
    """A sentence for each thing of ``script`` that a person has to know before, with the file and the line.

    ``superuser`` says whether whoever applies it is one.
    """
    statements = split(script.sql)
    ending = next((statement for statement in statements if statement.ends_transaction), None)
    if ending is not None:
        yield (
            f"{_at(script, ending)} {ending.verb} ends the file's own transaction. The file is applied statement by "
            "statement: if one fails, those before it stay."
        )
    for statement in statements:
        name, role = _assumed(statement)
        if name == _ROLE:
            yield (
                f"{_at(script, statement)} set role {role}: what follows in this file is done with the rights of "
                f"{role}, and belongs to it. The role is set back before the ledger is written."
            )
        elif name == _SESSION:
            yield (
                f"{_at(script, statement)} set session authorization {role}: what follows in this file is done as "
                f"{role}, and belongs to it. "
                + ("It is set back before the ledger is written." if superuser else "Only a superuser may do that.")
            )


def _at(script: Script, statement: Statement) -> str:
    return f"{script.name}:{statement.code_line}:"


def _assumed(statement: Statement) -> tuple[str, str]:
    """The setting by which a statement becomes somebody else, and that role; nothing where it does not."""
    node = statement.node
    if node is None or node.WhichOneof("node") != "variable_set_stmt":
        return "", ""
    found = node.variable_set_stmt
    if found.name not in (_ROLE, _SESSION) or not found.args:
        return "", ""
    role = found.args[0].a_const.sval.sval
    return (found.name, role) if role != "none" else ("", "")
