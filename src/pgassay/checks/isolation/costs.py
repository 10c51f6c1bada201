"""What a failure costs: the verdict of the object at hand, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from pgassay.errors import PgassayError, internal_error
from pgassay.identity import Session
from pgassay.patience import Stopped
from pgassay.rows import Unfilled


@contextmanager
def only(name: str, unjudged: dict[str, str], again: Callable[[], None] = lambda: None) -> Iterator[None]:
    """A block that judges ``name``: whatever it raises is the reason why that is not judged, and the run goes on.

    ``again`` mends what the failure has broken, as a session that it ended; what that raises, ends the run. So does an
    error that is a sentence for a person, as one of the configuration.
    """
    try:
        yield
    except (Unfilled, psycopg.Error, Stopped) as error:
        again()
        unjudged[name] = error.message if isinstance(error, Stopped) else str(error).strip().splitlines()[0]
    except PgassayError:
        raise
    except Exception as error:
        again()
        unjudged[name] = internal_error(error)


def go_on(session: Session) -> None:
    """Raises where the session is lost, without which nothing can be tried any more."""
    session.execute("select 1")
