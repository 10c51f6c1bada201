"""How a command ends: its exit code, and the sentence for what stopped it."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from pgassay.checks.run import FOUND, NOT_JUDGED, sentence
from pgassay.checks.snapshot import grading
from pgassay.cli import interruption
from pgassay.errors import PgassayError
from pgassay.leaving import leave
from pgassay.report import terminal


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Print what stops a run as a sentence, and exit with the right code.

    Within the block, Ctrl-C ends the run, and SIGTERM is left cleaning up.
    """

    def terminate(signum: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signum)

    # It warns of transactions that cannot be rolled back, since Ctrl-C came in the middle of a statement.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    before = signal.signal(signal.SIGTERM, terminate)
    err = terminal.console(stderr=True)
    try:
        with interruption.ends_the_run():
            yield
    except PgassayError as error:
        err.print(f"pgassay: {error.message}", soft_wrap=True)
        if error.hint is not None:
            err.print(error.hint, soft_wrap=True)
        sys.exit(NOT_JUDGED)
    except Exception as error:
        err.print(f"pgassay: {sentence(error)}", soft_wrap=True)
        sys.exit(NOT_JUDGED)
    except KeyboardInterrupt:
        leave("what it had started is stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(differences: Iterable[grading.Difference], fail_on: str) -> int:
    """That of a comparison: whether one of ``differences`` is of the grade ``fail_on`` or worse."""
    return FOUND if any(difference.grade >= grading.Grade[fail_on.upper()] for difference in differences) else 0
