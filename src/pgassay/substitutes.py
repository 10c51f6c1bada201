"""What is executed in place of a statement of a migration, on a server that is not the platform it was written for.

`extensions` and `privileged` say which calls stand for which statement; here they are found in scripts and DO blocks,
and what cannot be had at all is left out, with a note.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql

from pgassay import blocktext, extensions, hosted, privileged

Connection = psycopg.Connection[Any]

_THERE = "select pg_catalog.to_regproc('pgassay.create_extension') is not null"
_ANY_STAND_IN = (
    "select exists (select from pg_catalog.pg_extension as e where e.extversion = 'stand-in' "
    "and e.extname not in ('pgcrypto', 'uuid-ossp'))"
)
_LEFT_OUT: dict[str, tuple[type[psycopg.Error], ...]] = {
    "index_stmt": (psycopg.errors.UndefinedObject,),
    "sec_label_stmt": (psycopg.errors.InvalidParameterValue,),
    # from a wrapper without a handler, from a server of the network's
    "import_foreign_schema_stmt": (
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.SqlclientUnableToEstablishSqlconnection,
        psycopg.errors.FdwNoSchemas,
        psycopg.errors.FdwUnableToEstablishConnection,
    ),
}


class Substitutes:
    """The substitutes of one script, through ``connection``, which applies it.

    ``stand_ins`` names the extensions that are stand-ins, ``left_out`` the indexes that these cannot make, ``without``
    what else was left out, and ``refused`` what the platform would not have taken, each with its line.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked: list[str] = []
        self._is_there: bool | None = None
        self.left_out: list[str] = []
        self.without: list[str] = []
        self.refused: list[tuple[int, str]] = []

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The extensions that the script asked for so far and got a stand-in of."""
        if not self._asked:
            return ()
        return tuple(self._ask("select pgassay.stand_ins_among(%s)", [self._asked]))

    def calls(self, node: Any, line: int) -> list[sql.Composed]:
        """What to execute in place of the statement ``node``, of ``line``; nothing where the server takes it as is."""
        if not self._there:
            return []
        if node.WhichOneof("node") == "do_stmt":
            body, language = blocktext.body_of(node.do_stmt)
            text = (
                blocktext.rewritten(body, lambda inner: self._of_a_block(inner, line))
                if language == "plpgsql"
                else None
            )
            return [] if text is None else [extensions.raw(text)]
        return self._calls(node, line)

    def afterwards(self, node: Any) -> list[sql.Composed]:
        """What to execute once the statement is done."""
        kind = node.WhichOneof("node")
        if kind not in privileged.AFTERWARDS or not self._there:
            return []
        return privileged.AFTERWARDS[kind](getattr(node, kind), self._ask)

    @contextlib.contextmanager
    def executing(self, node: Any) -> Iterator[None]:
        """A block that executes the statement ``node``; what no stand-in can make is left out, with a note.

        An index changes how long a query takes, and not what it finds; labels and imports change nothing of the rows.
        A setting that only a superuser may give is given in another way.
        """
        kind = node.WhichOneof("node")
        setting = privileged.setting(node)
        if not (setting or kind in _LEFT_OUT) or not self._there:
            yield
            return
        if kind == "index_stmt" and not (_is_special(node.index_stmt) and self._ask(_ANY_STAND_IN)):
            yield
            return
        try:
            with self._savepoint():
                yield
        except psycopg.errors.InsufficientPrivilege:
            if not setting:
                raise
            self._connection.execute(privileged.setting_call(node))
        except psycopg.Error as error:
            if not isinstance(error, _LEFT_OUT.get(kind, ())):
                raise
            if kind == "index_stmt":
                self.left_out.append(node.index_stmt.idxname or f"on {node.index_stmt.relation.relname}")
            else:
                self.without.append(_name(node))

    def _calls(self, node: Any, line: int) -> list[sql.Composed]:
        if asked := extensions.created(node):
            self._asked.append(asked)
        self._note(node, line)
        return extensions.calls(node, self._ask) or privileged.calls(node, self._ask)

    def _of_a_block(self, node: Any, line: int) -> Sequence[sql.Composed]:
        found = self._calls(node, line)
        return [privileged.setting_call(node)] if not found and privileged.setting(node) else found

    def _note(self, node: Any, line: int) -> None:
        what = hosted.refused(node)
        setting = privileged.setting(node)
        if what is None and setting is not None and not privileged.is_the_platforms(setting):
            what = f"setting {setting}"
        if what is not None:
            self.refused.append((line, what))

    @contextlib.contextmanager
    def _savepoint(self) -> Iterator[None]:
        """A savepoint where there is a transaction; without one, there is nothing to undo."""
        if self._connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
            with self._connection.transaction():
                yield
        else:
            yield

    @property
    def _there(self) -> bool:
        """Whether this is a database with the environment in it, and not one of the platform's own."""
        if self._is_there is None:
            self._is_there = bool(self._ask(_THERE))
        return self._is_there

    def _ask(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        row = self._connection.execute(query.encode(), parameters or None).fetchone()
        assert row is not None
        return row[0]


def _is_special(index: Any) -> bool:
    """Whether an index has a method or an operator class of an extension, it may be."""
    return index.access_method not in ("btree", "hash", "brin") or any(
        part.index_elem.opclass for part in index.index_params
    )


def _name(node: Any) -> str:
    kind = node.WhichOneof("node")
    if kind == "sec_label_stmt":
        return f"security label of {node.sec_label_stmt.provider}"
    return f"foreign schema {node.import_foreign_schema_stmt.remote_schema}"
