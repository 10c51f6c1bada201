"""Extensions in migrations: what makes their statements work where the server lacks one, or wants a superuser for it.

A statement about such an extension is replaced by a call of a function of ``sql/supabase/extensions.sql``, which has
the rights to make it or has a stand-in for it. On a platform's own server a hook of its does so.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import postgast
import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]

_MENTIONED = re.compile(r"\bextension\b", re.IGNORECASE)
_IN_A_BLOCK = re.compile(
    r"\bcreate\s+extension\s+(?:if\s+not\s+exists\s+)?(?P<name>\"[^\"]+\"|\w+)"
    r"(?:\s+(?:with\s+)?schema\s+(?P<schema>\"[^\"]+\"|\w+))?",
    re.IGNORECASE,
)
_INDEX_OF_AN_EXTENSION = re.compile(
    r"\bcreate\s+(?:unique\s+)?index\b.*?\busing\s+\"?(?:gin|gist|spgist|hnsw|ivfflat|rum)\b", re.IGNORECASE | re.DOTALL
)
_THERE = "select pg_catalog.to_regproc('pgassay.create_extension') is not null"


class Extensions:
    """The extensions that one script asks for, through ``connection``, which applies it.

    ``stand_ins`` names those that are stand-ins, ``left_out`` the indexes that these cannot make.
    """

    def __init__(self, connection: Connection, text: str) -> None:
        self._connection = connection
        self._asked: list[str] = []
        self.left_out: list[str] = []
        relevant = _MENTIONED.search(text) or _INDEX_OF_AN_EXTENSION.search(text)
        self._there = bool(relevant) and bool(self._ask(_THERE))

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The extensions that the script asked for so far and got a stand-in of."""
        if not self._asked:
            return ()
        return tuple(self._ask("select pgassay.stand_ins_among(%s)", [self._asked]))

    def calls(self, statement: str) -> list[sql.Composed]:
        """What to execute in place of ``statement``; nothing where the server takes it as it is."""
        if not self._there or not _MENTIONED.search(statement):
            return []
        try:
            (parsed,) = postgast.parse(statement).stmts
        except (postgast.PgQueryError, ValueError):
            return []
        kind = parsed.stmt.WhichOneof("node")
        node = getattr(parsed.stmt, kind)
        if kind == "create_extension_stmt":
            self._asked.append(node.extname)
            return self._if_taken(node.extname, _creation(node))
        if kind == "do_stmt":
            self._prepare_block(statement)
            return []
        if kind == "alter_extension_stmt":
            version = _options(node).get("new_version")
            return self._if_taken(node.extname, _call("update_extension", node.extname, version))
        if kind == "alter_object_schema_stmt" and node.object_type == postgast.pg_query_pb2.OBJECT_EXTENSION:
            name = node.object.string.sval
            return self._if_taken(name, _call("move_extension", name, node.newschema))
        if kind == "comment_stmt" and node.objtype == postgast.pg_query_pb2.OBJECT_EXTENSION:
            name = node.object.string.sval
            return self._if_taken(name, _call("comment_on_extension", name, node.comment or None))
        if kind == "drop_stmt" and node.remove_type == postgast.pg_query_pb2.OBJECT_EXTENSION:
            return self._drops([item.string.sval for item in node.objects], node)
        return []

    @contextlib.contextmanager
    def leaving_out(self, statement: str) -> Iterator[None]:
        """A block that executes ``statement``; where it makes an index that no stand-in can, it is left out.

        An index changes how long a query takes, and not what it finds, so the rest is as it would be.
        """
        if not self._there or not _INDEX_OF_AN_EXTENSION.match(_bare(statement)) or not self._any_stand_in():
            yield
            return
        try:
            with self._savepoint():
                yield
        except psycopg.errors.UndefinedObject:
            self.left_out.append(_index_name(statement))

    @contextlib.contextmanager
    def _savepoint(self) -> Iterator[None]:
        """A savepoint where there is a transaction; without one, there is nothing to undo."""
        if self._connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
            with self._connection.transaction():
                yield
        else:
            yield

    def _if_taken(self, name: str, call: sql.Composed) -> list[sql.Composed]:
        return [call] if self._ask("select pgassay.takes(%s)", [name]) else []

    def _drops(self, names: list[str], node: Any) -> list[sql.Composed]:
        if not any(self._ask("select pgassay.takes(%s)", [name]) for name in names):
            return []
        cascades = node.behavior == postgast.pg_query_pb2.DROP_CASCADE
        drops = []
        for name in names:
            if self._ask("select pgassay.takes(%s)", [name]):
                drops.append(_call("drop_extension", name, bool(node.missing_ok), cascades))
            else:
                plain = "drop extension {}{}{}"
                condition, end = "if exists " if node.missing_ok else "", " cascade" if cascades else ""
                drops.append(sql.SQL(plain).format(sql.SQL(condition), sql.Identifier(name), sql.SQL(end)))
        return drops

    def _prepare_block(self, statement: str) -> None:
        """Make beforehand the extensions that a DO block may make: what it does by itself cannot be replaced."""
        for found in _IN_A_BLOCK.finditer(statement):
            name, schema = (part and _unquoted(part) for part in (found["name"], found["schema"]))
            assert name is not None
            self._asked.append(name)
            for call in self._if_taken(name, _call("create_extension", name, schema, _CURRENT, None, False, True)):
                # where this fails, so does the block, or it handles that
                with contextlib.suppress(psycopg.Error), self._savepoint():
                    self._connection.execute(call)

    def _any_stand_in(self) -> bool:
        return bool(
            self._ask(
                "select exists (select from pg_catalog.pg_extension as e where e.extversion = 'stand-in' "
                "and e.extname not in ('pgcrypto', 'uuid-ossp'))"
            )
        )

    def _ask(self, query: str, parameters: list[Any] | None = None) -> Any:
        row = self._connection.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row[0]


_CURRENT = sql.SQL("pg_catalog.current_schema()::text")


def _call(function: str, *arguments: Any) -> sql.Composed:
    given = [argument if isinstance(argument, sql.Composable) else sql.Literal(argument) for argument in arguments]
    return sql.SQL("select {}({})").format(sql.Identifier("pgassay", function), sql.SQL(", ").join(given))


def _creation(node: Any) -> sql.Composed:
    options = _options(node)
    schema, version = options.get("schema"), options.get("new_version")
    cascades = "cascade" in options
    return _call("create_extension", node.extname, schema, _CURRENT, version, cascades, bool(node.if_not_exists))


def _options(node: Any) -> dict[str, str]:
    return {option.def_elem.defname: option.def_elem.arg.string.sval for option in node.options}


def _unquoted(name: str) -> str:
    return name[1:-1] if name.startswith('"') else name.lower()


def _bare(statement: str) -> str:
    """``statement`` without what stands before its first word."""
    try:
        tokens = postgast.scan(statement).tokens
    except postgast.PgQueryError:
        return statement
    encoded = statement.encode()
    for token in tokens:
        if not encoded[token.start : token.end].startswith((b"--", b"/*")):
            return encoded[token.start :].decode()
    return statement


def _index_name(statement: str) -> str:
    try:
        (parsed,) = postgast.parse(statement).stmts
        node = parsed.stmt.index_stmt
        return str(node.idxname or f"on {node.relation.relname}")
    except (postgast.PgQueryError, ValueError):
        return statement.strip().splitlines()[0]
