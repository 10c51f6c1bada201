"""What the pytest fixtures hand to tests, made from any template."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from pgassay.identity import Clone, Databases, Session
from pgassay.interleavings import Stage
from pgassay.templates import Template

Example = Callable[[], AbstractContextManager[Session]]
Interleave = Callable[[], AbstractContextManager[Stage]]


class OwnDatabase:
    """A database in which tests run one after the other and leave no trace: the one of `db` and `example`."""

    def __init__(self, databases: Databases, template: Template) -> None:
        self._databases = databases
        self._template = template
        self._clone: Clone | None = None
        self._session: Session | None = None

    def __enter__(self) -> Self:
        self._open()  # now, and not within the first example, whose time Hypothesis takes
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    @contextmanager
    def example(self) -> Iterator[Session]:
        """A session of the owner in a block that is undone at its end; blocks may be nested."""
        session = self._session if self._session is not None and not self._session.closed else self._open()
        outermost = session.info.transaction_status == TransactionStatus.IDLE
        try:
            with session.example():
                yield session
        finally:
            if outermost and session.ended_transaction:
                self._open()  # something may have been committed: the next test gets a new one
            elif outermost and not session.closed:
                session.row_factory = tuple_row
                session.execute("select pg_catalog.pg_advisory_unlock_all()")

    def _open(self) -> Session:
        self._discard()
        self._clone = self._databases.clone(self._template)
        self._session = self._clone.connect()
        return self._session

    def _discard(self) -> None:
        if self._clone is not None:
            self._clone.close()
            self._databases.drop_later(self._clone)
        self._clone = self._session = None


@contextmanager
def stage(databases: Databases, template: Template) -> Iterator[Stage]:
    """A stage in a clone of its own, which is dropped afterwards."""
    with databases.copy(template) as clone, Stage(clone) as made:
        yield made


@dataclass(frozen=True)
class ApiDatabase:
    """A database for an application under test.

    ``url`` is how the application connects, as `authenticator`. ``clone`` is for the test, which writes rows as the
    owner and looks at what the application has done.
    """

    clone: Clone
    url: str


@contextmanager
def api_database(databases: Databases, template: Template) -> Iterator[ApiDatabase]:
    """A clone of its own for an application, which is dropped afterwards."""
    with databases.copy(template) as clone:
        yield ApiDatabase(clone, clone.server.url(clone.name, user=clone.server.platform.roles.login))
