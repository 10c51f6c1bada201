"""Migrations of any tool: find them, put them in order, apply them.

`formats` knows how each tool lays out its files; what comes from them is a `Script` each. `applying` carries them out,
`explaining` says what an author is told of one that fails, `command` lets a tool do it itself.
"""

from __future__ import annotations

from pgassay.migrations.applying import BACK_TO_ONESELF, Applied, Connection, Watch, apply, run_within
from pgassay.migrations.command import Command
from pgassay.migrations.finding import discover, of, scripts
from pgassay.migrations.script import Folder, Script
from pgassay.migrations.statement import Statement, split, statements, statements_of

__all__ = [
    "BACK_TO_ONESELF", "Applied", "Command", "Connection", "Folder", "Script", "Statement", "Watch", "apply",
    "discover", "of", "run_within", "scripts", "split", "statements", "statements_of",
]  # fmt: skip
