"""Migrations: find them, put them in order, apply them."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, LiteralString, Protocol

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from pgassay.errors import MigrationError, PartlyApplied
from pgassay.patience import Stopped
from pgassay.sqltree import trees, words
from pgassay.substitutes import Substitutes

# https://supabase.com/docs/guides/deployment/database-migrations: files with another name are passed over
_FILE_NAME = re.compile(r"([0-9]+)_(.*)\.sql")
_TRANSACTION_CONTROL = ("begin", "start", "commit", "end", "rollback", "abort")
_DATA = ("insert", "update", "delete", "select", "with", "values", "merge", "table", "copy")
"""Verbs of statements about rows, of which a file may have any number: nothing has to be known of them."""
_WRITES = ("insert", "update", "delete")
_AT_ONCE = 200
"""So many statements that write rows go in one message: a file may have thousands."""
_SHOWN_LINES = 12
_SAID_LINES = 20
"""Of what PostgreSQL says, as the context of an error."""
_DEFERRABLE = """
select distinct n.nspname, k.conname, k.condeferred
from pg_catalog.pg_constraint as k
join pg_catalog.pg_namespace as n on k.connamespace operator(pg_catalog.=) n.oid
where k.condeferrable
"""
BACK_TO_ONESELF: tuple[LiteralString, ...] = ("reset session authorization", "reset role")
"""What makes a session that of whoever logged in, whatever a migration has set."""
_WORD = re.compile(r"\w*")

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Script:
    """A file of SQL: ``name`` is how messages call it, ``sql`` its text."""

    path: Path
    name: str
    sql: str
    version: str | None = None


@dataclass(frozen=True)
class Folder:
    """What a folder of migrations holds: the migrations in order, and the names of files that are passed over."""

    path: Path
    migrations: tuple[Script, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Applied:
    """A script that went in: in ``seconds``, in one transaction or, where that is impossible, in ``autocommit``.

    ``stand_ins`` names the extensions that it asked for and the server lacks, ``left_out`` the indexes that those
    cannot make, ``without`` what else was left out. ``refused`` is what the platform would not have taken, each with
    its line.
    """

    script: Script
    seconds: float
    autocommit: bool
    stand_ins: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Statement:
    """A statement of a script, with the comments before it, and the line that it begins at."""

    text: str
    line: int

    @property
    def code_line(self) -> int:
        """The line of its first word."""
        return self.line + _code_offset(self.text)

    @cached_property
    def verb(self) -> str:
        """Its first word, in lower case."""
        return _first_word(self.text).lower()

    @property
    def ends_transaction(self) -> bool:
        """Whether it begins or ends a transaction."""
        return _is_transaction_control(self)

    @cached_property
    def words(self) -> list[str]:
        """Its tokens in lower case, without comments; none where it cannot be read."""
        return _words(self.text)

    @cached_property
    def node(self) -> Any:
        """The statement as the parser reads it; None where it is about rows, cannot be read, or is several."""
        if self.verb in _DATA:
            return None
        parsed = trees.parsed(self.text) or []
        return parsed[0] if len(parsed) == 1 else None


class Watch(Protocol):
    """Looks on while a script is applied."""

    def begin(self) -> None:
        """The script is applied from its first statement; a second time where it cannot run in one transaction."""

    def look(self, statement: Statement, *, alone: bool) -> None:
        """``statement`` is done, and the transaction that it ran in, if it can run in one, has not ended yet.

        ``alone`` says that this transaction is the statement's own.
        """


def discover(path: Path) -> Folder:
    """Read the migrations in ``path`` as the Supabase CLI does: named ``<digits>_<name>.sql``, sorted by version.

    Versions are compared as text: ``1`` comes before ``10``, and that before ``9`` (seen with version 3.1 of the CLI).

    Raises `MigrationError` when there are none, when two have the same version, or one is not UTF-8.
    """
    files = sorted((entry for entry in path.glob("*.sql") if entry.is_file()), key=lambda entry: entry.name)
    migrations = []
    skipped = []
    by_version: dict[str, str] = {}
    for file in files:
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            skipped.append(file.name)
            continue
        version = match[1]
        if version in by_version:
            raise MigrationError(
                f"Two migrations in {path} have the version {version}: {by_version[version]} and {file.name}.",
                hint="Give one of them a version of its own: a ledger holds each version once.",
            )
        by_version[version] = file.name
        migrations.append(_read(file, version))
    migrations.sort(key=lambda script: script.version or "")
    if not migrations:
        raise MigrationError(
            f"There are no migrations in {path}"
            + (f": {', '.join(skipped)} {'is' if len(skipped) == 1 else 'are'} passed over." if skipped else "."),
            hint="A migration is a file named <version>_<name>.sql, as 20251103000000_create_jobs.sql.",
        )
    return Folder(path, tuple(migrations), tuple(skipped))


def scripts(paths: Iterable[Path]) -> tuple[Script, ...]:
    """Read files of SQL, and those in folders in the order of their names, whatever their names are."""
    files: list[Path] = []
    for path in paths:
        files.extend(sorted(path.glob("*.sql")) if path.is_dir() else [path])
    return tuple(_read(file) for file in files)


def apply(
    connection: Connection,
    script: Script,
    then: Callable[[], None] = lambda: None,
    *,
    watch: Watch | None = None,
) -> Applied:
    """Apply ``script`` through ``connection``, which is in autocommit: in one transaction, else leave nothing of it.

    A script that ends its own transaction, or that PostgreSQL refuses in one (25001), is applied statement by
    statement. ``then`` is called at its end, in the same transaction where there is one. Raises `MigrationError` with
    the file, the line, the statement and PostgreSQL's words.
    """
    started = time.perf_counter()
    statements = split(script.sql)
    autocommit = any(map(_is_transaction_control, statements))
    if not autocommit:
        try:
            with connection.transaction():
                substitutes = _run(connection, script, statements, watch)
                then()
        except MigrationError as error:
            if not isinstance(error.__cause__, psycopg.errors.ActiveSqlTransaction):
                raise
            autocommit = True
        except psycopg.Error as error:  # at the commit, as of a deferred constraint
            raise MigrationError(f"{script.path}: PostgreSQL refused the commit:\n\n" + _said(error)) from error
        except Stopped as error:
            raise MigrationError(f"{script.path}: at its commit: {error.why}", hint=error.hint) from error
    if autocommit:
        kept: list[Statement] = []
        try:
            substitutes = _run(connection, script, statements, watch, kept)
        except MigrationError as error:
            if not connection.closed:
                connection.rollback()  # of a transaction that the file has begun itself
            raise _partly(error, script, statements, kept) from error.__cause__
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.rollback()
            raise MigrationError(f"{script.name} begins a transaction and does not end it.")
        then()
    stand_ins = substitutes.stand_ins
    connection.execute("reset all")
    return Applied(
        script,
        time.perf_counter() - started,
        autocommit,
        stand_ins,
        tuple(substitutes.left_out),
        tuple(substitutes.without),
        tuple(substitutes.refused),
    )


def run_within(connection: Connection, script: Script) -> None:
    """Run ``script`` in the transaction that ``connection`` is in, up to what is deferred to its commit.

    Who and what the session is afterwards is what it was before. Raises `MigrationError`, and leaves nothing then.
    """
    with connection.transaction():
        _run(connection, script, split(script.sql), None)
        try:
            _come_to_the_commit(connection)
        except psycopg.Error as error:
            raise MigrationError(f"{script.path}: PostgreSQL would refuse the commit:\n\n" + _said(error)) from error
        for reset in BACK_TO_ONESELF:
            connection.execute(reset)
        connection.execute("reset all")


def _come_to_the_commit(connection: Connection) -> None:
    """Check what is deferred to it, and let it be deferred again.

    Each constraint is named: ALL would hold for those, too, that are made later in the transaction.
    """
    found = connection.execute(_DEFERRABLE).fetchall()
    for mode, names in (
        ("immediate", [sql.Identifier(*name) for *name, _ in found]),
        ("deferred", [sql.Identifier(*name) for *name, deferred in found if deferred]),
    ):
        if names:
            connection.execute(sql.SQL("set constraints {} {}").format(sql.SQL(", ").join(names), sql.SQL(mode)))


def statements_of(text: str) -> list[Statement] | None:
    """The statements of ``text``; None where the parser does not know the syntax."""
    return None if words.split(text) is None else split(text)


def statements(text: str) -> list[str]:
    """The statements of ``text`` as the Supabase CLI writes them into its ledger: with the comments before each."""
    found = []
    start = position = 0
    for statement in split(text):
        position = text.index(statement.text, position) + len(statement.text)
        found.append(text[start:position].lstrip(";").strip().removesuffix(";").rstrip())
        start = position
    rest = text[start:].lstrip(";").strip()
    return [*found, rest] if rest else found


def _read(file: Path, version: str | None = None) -> Script:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MigrationError(f"{file} is not UTF-8: {error.reason} at byte {error.start}.") from error
    if "\0" in text:
        raise MigrationError(f"{file} has a NUL byte in it: it is no SQL, or is not in UTF-8.")
    return Script(file, file.name, text, version)


def split(text: str) -> list[Statement]:
    """The statements of ``text``; all of it as one where the parser does not know the syntax: the server judges.

    The server's simple protocol takes several statements at once.
    """
    return list(_split(text))


@lru_cache(maxsize=64)
def _split(text: str) -> tuple[Statement, ...]:
    parts = words.split(text)
    if parts is None:
        parts = [text]
    statements = []
    position = counted = 0
    line = 1
    for part in parts:
        position = text.index(part, position)
        body = part.lstrip()
        start = position + len(part) - len(body)
        line += text.count("\n", counted, start)
        statements.append(Statement(body, line))
        position, counted = position + len(part), start
    return tuple(statements)


def _partly(
    error: MigrationError, script: Script, statements: Sequence[Statement], kept: Sequence[Statement]
) -> PartlyApplied:
    """The same error, with what of the file stays: ``kept`` are statements after which no transaction was open."""
    cannot = f"{script.name} cannot run in one transaction"
    if not kept:
        return PartlyApplied(f"{error.message}\n\n{cannot}, but nothing of it has been applied.", 0, hint=error.hint)
    until = kept[-1].line + kept[-1].text.rstrip().count("\n")
    following = statements[statements.index(kept[-1]) + 1 :]
    begun = bool(following) and following[0].ends_transaction
    stays = (
        f"what stands in it up to line {until} has been applied, and what it began after that was rolled back."
        if begun
        else "what stands before this statement in it has been applied."
    )
    return PartlyApplied(f"{error.message}\n\n{cannot}: {stays}", until, hint=error.hint)


def _run(
    connection: Connection,
    script: Script,
    statements: Sequence[Statement],
    watch: Watch | None,
    kept: list[Statement] | None = None,
) -> Substitutes:
    """Run ``statements``; those after which no transaction is open are put into ``kept``: nothing takes them back."""
    substitutes = Substitutes(connection)
    if watch is not None:
        watch.begin()
    for several, group in _in_groups(statements):
        try:
            if several and watch is None and _sent_at_once(connection, group):
                continue
        except psycopg.Error as error:
            raise _explained(error, script, group[0], as_written=False) from error
        except Stopped as error:
            raise _stopped(error, script, group[0]) from error
        for statement in group:
            _run_one(connection, script, statement, substitutes, watch)
            if kept is not None and connection.info.transaction_status == TransactionStatus.IDLE:
                kept.append(statement)
    return substitutes


def _run_one(
    connection: Connection, script: Script, statement: Statement, substitutes: Substitutes, watch: Watch | None
) -> None:
    _refuse_what_no_migration_does(script, statement)
    calls: Sequence[sql.Composed] = ()
    try:
        if statement.node is not None:
            calls = substitutes.calls(statement.node, statement.code_line)
        if watch is None or _is_transaction_control(statement):
            _send(connection, substitutes, statement, calls)
        else:
            _send_watched(connection, substitutes, statement, calls, watch)
    except psycopg.Error as error:
        raise _explained(error, script, statement, as_written=not calls) from error
    except Stopped as error:
        raise _stopped(error, script, statement) from error


def _in_groups(statements: Sequence[Statement]) -> Iterator[tuple[bool, Sequence[Statement]]]:
    """The statements in order, those that write rows up to so many at once, and whether it is such a group."""
    for writes, found in itertools.groupby(statements, lambda statement: statement.verb in _WRITES):
        group = list(found)
        if not writes:
            yield False, group
        for first in range(0, len(group) if writes else 0, _AT_ONCE):
            yield True, group[first : first + _AT_ONCE]


def _sent_at_once(connection: Connection, group: Sequence[Statement]) -> bool:
    """Send statements that write rows in one message; False, and nothing is done, where one fails, or all take long.

    Sent one after the other, they then tell which one it is. Raises the error only where the session is lost.
    """
    if len(group) == 1 or connection.info.transaction_status != TransactionStatus.INTRANS:
        return False
    try:
        with connection.transaction():
            connection.execute("\n;\n".join(statement.text for statement in group).encode())
    except (psycopg.Error, Stopped):
        if connection.closed:
            raise
        return False
    return True


def _refuse_what_no_migration_does(script: Script, statement: Statement) -> None:
    if _copies_to_client(statement):
        line = statement.code_line
        raise MigrationError(
            f"{script.path}:{line}: COPY from stdin or to stdout does not work in a migration:\n\n"
            + _excerpt(statement, line),
            hint="Write rows as INSERT (pg_dump --inserts does): supabase db push takes no COPY either.",
        )
    if statement.verb in ("create", "drop") and statement.words[1:2] == ["database"]:
        line = statement.code_line
        raise MigrationError(
            f"{script.path}:{line}: a migration belongs to one database, and this makes or drops another:\n\n"
            + _excerpt(statement, line)
        )


def _send(
    connection: Connection, substitutes: Substitutes, statement: Statement, calls: Sequence[sql.Composed]
) -> None:
    for call in calls:
        connection.execute(call)
    if calls:
        return
    text = statement.text.encode()  # bytes: the text is a file of the user's, sent as it is, and without parameters
    if statement.node is None:
        connection.execute(text)
        return
    with substitutes.executing(statement.node):
        connection.execute(text)
    for call in substitutes.afterwards(statement.node):
        connection.execute(call)


def _send_watched(
    connection: Connection,
    substitutes: Substitutes,
    statement: Statement,
    calls: Sequence[sql.Composed],
    watch: Watch,
) -> None:
    """Send ``statement``, and have it looked at before its transaction ends.

    Outside of one, it would be over before anybody can look. So it is given a transaction that ends as its own would,
    unless PostgreSQL refuses that: nothing has been done then, and it is sent as it is.
    """
    alone = connection.info.transaction_status == TransactionStatus.IDLE
    if alone:
        try:
            with connection.transaction():
                _send(connection, substitutes, statement, calls)
                watch.look(statement, alone=True)
        except (psycopg.errors.ActiveSqlTransaction, psycopg.errors.InvalidTransactionTermination):
            pass
        else:
            return
    _send(connection, substitutes, statement, calls)
    watch.look(statement, alone=alone)


def _explained(error: psycopg.Error, script: Script, statement: Statement, *, as_written: bool) -> MigrationError:
    line = statement.code_line
    position = error.diag.statement_position
    if position is not None and as_written:
        line = statement.line + statement.text.count("\n", 0, int(position) - 1)
    return MigrationError(
        f"{script.path}:{line}: PostgreSQL refused this statement:\n\n{_excerpt(statement, line)}\n\n{_said(error)}",
        hint=_hint(error, statement),
    )


def _said(error: psycopg.Error) -> str:
    """PostgreSQL's own words."""
    said = [f"{error.diag.severity or 'ERROR'}: {error.diag.message_primary or str(error).strip()}"]
    if error.sqlstate:
        said[0] += f" (SQLSTATE {error.sqlstate})"
    for label, told in (
        ("DETAIL", error.diag.message_detail),
        ("HINT", error.diag.message_hint),
        ("CONTEXT", error.diag.context),
    ):
        if told:
            said.append(f"{label}: {_cut(told)}")
    return "\n".join(said)


def _cut(text: str) -> str:
    """Its first lines: a function that calls itself has thousands of lines of context."""
    lines = text.splitlines()
    left = len(lines) - _SAID_LINES
    return text if left <= 0 else "\n".join([*lines[:_SAID_LINES], f"… and {left} more line{'s' * (left > 1)}"])


def _stopped(error: Stopped, script: Script, statement: Statement) -> MigrationError:
    line = statement.line + _code_offset(statement.text)
    return MigrationError(f"{script.path}:{line}: {error.why}\n\n{_excerpt(statement, line)}", hint=error.hint)


def _code_offset(text: str) -> int:
    """How many lines of comments and space stand before the first word of ``text``."""
    first = next(iter(words.said(text)), None)
    return 0 if first is None else text.encode()[: first.start].count(b"\n")


def _excerpt(statement: Statement, line: int) -> str:
    """The statement, or the part of a long one that is around ``line``, with line numbers."""
    lines = statement.text.rstrip().splitlines()
    at = line - statement.line
    first = max(0, min(at - _SHOWN_LINES // 2, len(lines) - _SHOWN_LINES))
    first = max(first, _code_offset(statement.text)) if at >= _code_offset(statement.text) else first
    shown = lines[first : first + _SHOWN_LINES]
    numbered = [
        f"{'>' if first + offset == at else ' '} {statement.line + first + offset:>4} | {words}".rstrip()
        for offset, words in enumerate(shown)
    ]
    if first + len(shown) < len(lines):
        numbered.append("       | …")
    return "\n".join(numbered)


def _hint(error: psycopg.Error, statement: Statement) -> str | None:
    message = error.diag.message_primary or ""
    missing = re.search(r'extension "(.+)" is not available', message)
    if missing:
        return (
            f"This server does not have the extension {missing[1]}. A server that has it can be used with --pg system "
            "(on Debian: postgresql-contrib or a package of the extension's own) or with a container image that has "
            "it: --pg container --pg-image IMAGE."
        )
    setting = re.search(r'permission denied to set parameter "(.+)"', message)
    if setting:
        return (
            f"Supabase lets its owner set {setting[1]}, and so does a server that pgassay starts. This one is not its "
            f"own: let a superuser grant it (grant set on parameter {setting[1]} to whoever applies the migrations), "
            "or use another backend, as --pg auto."
        )
    if statement.text.lstrip().startswith("\\") or 'at or near "\\"' in message:
        return (
            "Lines that begin with a backslash are psql's own commands: PostgreSQL, and supabase db push, refuse them."
        )
    return None


def _copies_to_client(statement: Statement) -> bool:
    if statement.verb != "copy":
        return False
    pairs = set(itertools.pairwise(statement.words))
    return not pairs.isdisjoint({("from", "stdin"), ("to", "stdout")})


def _is_transaction_control(statement: Statement) -> bool:
    if statement.verb == "prepare":
        return statement.words[1:2] == ["transaction"]
    return statement.verb in _TRANSACTION_CONTROL


def _first_word(text: str) -> str:
    """The first word of a statement, after the comments before it."""
    start = 0
    while start < len(text):
        if text[start].isspace():
            start += 1
        elif text.startswith("--", start):
            start = (text.find("\n", start) + 1) or len(text)
        elif text.startswith("/*", start):
            start = _end_of_comment(text, start)
        else:
            break
    return _WORD.match(text, start)[0]  # type: ignore[index]


def _end_of_comment(text: str, start: int) -> int:
    """The end of a comment in slashes and asterisks, which may have others in it."""
    depth, position = 0, start
    while position < len(text):
        pair = text[position : position + 2]
        depth += (pair == "/*") - (pair == "*/")
        position += 2 if pair in ("/*", "*/") else 1
        if not depth:
            break
    return position


def _words(text: str) -> list[str]:
    """The tokens of ``text`` in lower case, without comments; none where it cannot be read."""
    return [word.text.lower() for word in words.said(text)]
