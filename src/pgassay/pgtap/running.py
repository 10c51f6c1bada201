"""One pgTAP file, run as psql would run it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus

from pgassay import migrations
from pgassay.errors import MigrationError, PgassayError
from pgassay.migrations import Statement
from pgassay.patience import Stopped
from pgassay.pgtap import psql
from pgassay.pgtap.psql import Command
from pgassay.pgtap.tap import Line, Place
from pgassay.substitutes import Substitutes

Connection = psycopg.Connection[Any]

_OFF = ("", "0", "off", "false", "no", "f", "n")
_DEEPEST = 16
"""So many files may include each other, one in the other."""
_SILENT = ("timing", "encoding", "errverbose", "unset")
"""Commands that change nothing of what is printed here; ``unset`` is carried out as well."""
_FORMATS = {
    "format": ("unaligned",),
    "tuples_only": ("on", "true", "1", "t", "yes"),
    "pager": ("off", "false", "0"),
    "footer": ("off", "on"),
    "border": ("0", "1", "2"),
    "null": ("",),
    "linestyle": ("ascii", "unicode"),
}
"""What ``\\pset`` may set, as pg_prove itself does or without a difference for lines of TAP."""


@dataclass
class Output:
    """What a file printed. ``aborted`` is why it did not come to its end, None where it did.

    ``unknown`` says that pgassay lacks what the file needs, so that this is no answer about the file.
    """

    lines: list[Line] = field(default_factory=list)
    aborted: str | None = None
    unknown: bool = False


class _Aborted(Exception):
    """The file ends here."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


def run(connection: Connection, path: Path) -> Output:
    """Run the file at ``path`` through ``connection``, in autocommit, which is the file's own.

    As pg_prove runs it: aligned by nothing, rows alone, and the first error ends it.
    """
    runner = _Runner(connection)
    try:
        runner.run_file(path)
    except _Aborted as error:
        runner.output.aborted, runner.output.unknown = str(error), error.unknown
    return runner.output


class _Runner:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._substitutes = Substitutes(connection)
        self._variables = {"ON_ERROR_STOP": "1", "QUIET": "1"}
        self._open: list[Path] = []
        self.output = Output()

    def run_file(self, path: Path) -> None:
        if len(self._open) == _DEEPEST:
            raise _Aborted(f"{self._open[-1]} includes {path}, {_DEEPEST} files deep.")
        try:
            (script,) = migrations.scripts([path])
        except MigrationError as error:
            raise _Aborted(str(error)) from error
        except OSError as error:
            raise _Aborted(f"{path}: {error.strerror}") from error
        self._open.append(path)
        for step in psql.steps(script.sql, self._variables):
            if isinstance(step, Command):
                self._command(step, path)
            else:
                self._guarded(step, path)
        self._open.pop()

    def _command(self, command: Command, path: Path) -> None:
        name, arguments = command.name, command.arguments
        if name in ("i", "include", "ir", "include_relative") and len(arguments) == 1:
            base = path.parent if name in ("ir", "include_relative") else Path()
            self.run_file(base / arguments[0])
        elif name in ("echo", "qecho"):
            self._print(" ".join(argument for argument in arguments if argument != "-n"), _place(command, path))
        elif name == "set" and arguments:
            self._variables[arguments[0]] = "".join(arguments[1:])
        elif name in ("g", "gset") and command.statement is not None and len(arguments) <= (name == "gset"):
            self._guarded(command.statement, path, keep=(arguments or ("",))[0] if name == "gset" else None)
        elif name in ("q", "quit"):
            raise _Aborted(f"{path}:{command.line}: {command.text} ends the file.")
        elif name == "pset" and len(arguments) < 3 and _is_understood(*arguments):
            pass
        elif name in _SILENT:
            for argument in arguments if name == "unset" else ():
                self._variables.pop(argument, None)
        else:
            raise _Aborted(
                f"{path}:{command.line}: {command.text}: pgassay does not know this command of psql.", unknown=True
            )

    def _guarded(self, statement: Statement, path: Path, *, keep: str | None = None) -> None:
        """Run a statement; what its error does is what the variables say, as for psql."""
        stops = self._is_on("ON_ERROR_STOP")
        try:
            with self._kept() if self._is_on("ON_ERROR_ROLLBACK") and not stops else contextlib.nullcontext():
                self._run(statement, path, keep)
        except psycopg.Error as error:
            if stops or self._connection.broken:
                raise _Aborted(_said(error, statement, path), unknown=_is_ours(error)) from error
        except Stopped as error:
            raise _Aborted(f"{path}:{statement.code_line}: {error.why}", unknown=True) from error
        except PgassayError as error:
            raise _Aborted(f"{path}:{statement.code_line}: {error}", unknown=True) from error

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """A savepoint, where there is a transaction that an error would end."""
        inside = self._connection.info.transaction_status == TransactionStatus.INTRANS
        with self._connection.transaction() if inside else contextlib.nullcontext():
            yield

    def _run(self, statement: Statement, path: Path, keep: str | None) -> None:
        if statement.verb == "copy" and {"stdin", "stdout"} & set(statement.words):
            raise _Aborted(
                f"{path}:{statement.code_line}: pgassay does not read COPY from stdin, or to stdout, in a test.",
                unknown=True,
            )
        node = statement.node
        calls = [] if node is None else self._substitutes.calls(node, statement.code_line)
        for call in calls:
            self._connection.execute(call)
        if calls:
            return
        with contextlib.nullcontext() if node is None else self._substitutes.executing(node):
            cursor = self._connection.execute(statement.text.encode())
        place = Place(path, statement.code_line, _short(statement.text))
        while True:
            result = cursor.pgresult
            if result is not None and result.status == ExecStatus.TUPLES_OK:
                self._take(result, place, keep)
            if not cursor.nextset():
                break
        for call in [] if node is None else self._substitutes.afterwards(node):
            self._connection.execute(call)

    def _take(self, result: Any, place: Place, keep: str | None) -> None:
        if keep is not None and result.ntuples != 1:
            raise _Aborted(f"{place.path}:{place.line}: \\gset wants one row, and got {result.ntuples}.")
        for row in range(result.ntuples):
            values = [result.get_value(row, column) for column in range(result.nfields)]
            texts = ["" if value is None else value.decode() for value in values]
            if keep is None:
                self._print("|".join(texts), place)
                continue
            for column, value in enumerate(values):
                name = keep + result.fname(column).decode()
                if value is None:
                    self._variables.pop(name, None)
                else:
                    self._variables[name] = value.decode()

    def _print(self, text: str, place: Place) -> None:
        self.output.lines.extend(Line(line, place) for line in text.split("\n"))

    def _is_on(self, variable: str) -> bool:
        return self._variables.get(variable, "").lower() not in _OFF


def _place(command: Command, path: Path) -> Place:
    return Place(path, command.line, command.text)


def _is_understood(setting: str = "", value: str = "") -> bool:
    return value.lower() in _FORMATS.get(setting, ())


def _is_ours(error: psycopg.Error) -> bool:
    """Whether it says that a stand-in lacks something."""
    return error.sqlstate == "0A000" and (error.diag.message_primary or "").startswith("the stand-in for ")


def _said(error: psycopg.Error, statement: Statement, path: Path) -> str:
    line = statement.code_line
    if error.diag.statement_position is not None:
        line = statement.line + statement.text.count("\n", 0, int(error.diag.statement_position) - 1)
    said = [f"{path}:{line}: {error.diag.severity or 'ERROR'}: {error.diag.message_primary or str(error).strip()}"]
    for label, told in (("DETAIL", error.diag.message_detail), ("HINT", error.diag.message_hint)):
        if told:
            said.append(f"{label}: {told}")
    return "\n".join(said)


_SHOWN = 160


def _short(text: str) -> str:
    """The statement in a line, without the comments before it."""
    words = " ".join(_uncommented(text).split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"


def _uncommented(text: str) -> str:
    found = migrations.split(text)
    first = found[0] if found else Statement(text, 1)
    return "\n".join(text.splitlines()[first.code_line - 1 :])
