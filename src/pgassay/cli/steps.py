"""The step under way: shown on standard error while it lasts, where that is a terminal, and gone afterwards."""

from __future__ import annotations

import os
import stat
import sys
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from pgassay.report import terminal
from pgassay.report.visible import in_a_line


def _is_watched() -> bool:
    """Whether somebody looks at standard error alone: what standard output is piped to may write beside it.

    rich would take FORCE_COLOR, which CI sets, for somebody.
    """
    return sys.stderr.isatty() and not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)


class Steps:
    """Called with each step in words before it is taken. A context manager: nothing of it stays on the terminal.

    ``out`` is where the command prints to, by `print`, so that the two do not mix.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self.height = 0
        """How many lines of the terminal `print` has taken."""
        console = terminal.console(stderr=True)
        self._shown = Progress(
            SpinnerColumn(),
            # the words may hold names of a schema that nobody has read
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not (console.is_interactive and _is_watched()),
        )
        self._task = self._shown.add_task("", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()

    def __call__(self, step: str) -> None:
        """Show ``step`` in place of the one before it."""
        self._shown.update(self._task, description=in_a_line(step))
        self._shown.start()
        self._shown.refresh()

    def print(self, what: RenderableType = "") -> None:
        """Print what is to stay."""
        self._shown.stop()
        self.height += len(self._out.render_lines(what, pad=False)) if what else 1
        self._out.print(what, crop=False)
