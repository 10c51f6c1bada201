"""The rule that only a platform's own modules name its roles, users and claims.

``python -m tests.harness.platform_names`` is a part of ``make lint``. It reads the names and string constants of the
code. Docstrings and comments are prose, and may say what they like.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pgassay.platforms import DEFAULT, Platform

SOURCES = Path(__file__).parents[2] / "src" / "pgassay"
OWN = SOURCES / "platforms"


def words(platform: Platform) -> re.Pattern[str]:
    """What nobody else may write: as a name, or within a constant."""
    named = (
        *platform.roles.api,
        platform.roles.login,
        platform.users.table,
        *platform.words.functions,
        platform.words.claims,
    )
    whole, begun = "|".join(map(re.escape, named)), re.escape(platform.words.claim_prefix)
    return re.compile(rf"(?<![\w.])((?:{whole})(?!\w)|{begun})")


def named(text: str, platform: Platform = DEFAULT) -> list[tuple[int, str]]:
    """The line and the word of each name and constant in the text of a module which the platform alone may have."""
    wanted, tree = words(platform), ast.parse(text)
    prose = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return sorted(
        (getattr(node, "lineno", 0), said.strip())
        for node in ast.walk(tree)
        if node not in prose
        for said in _said(node)
        if said == platform.users.schema or wanted.search(said)
    )


def _said(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
            yield name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
            yield name


def everywhere() -> list[str]:
    """A line for each such name or constant outside of the platforms' own modules."""
    return [
        f"{file.relative_to(SOURCES.parents[1])}:{line}: {word[:80]!r} is a platform's (pgassay.platforms)"
        for file in sorted(SOURCES.rglob("*.py"))
        if OWN not in file.parents
        for line, word in named(file.read_text(encoding="utf-8"))
    ]


if __name__ == "__main__":
    lines = everywhere()
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(bool(lines))
