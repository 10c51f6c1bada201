"""Declaration: an inferred tenancy as commented lines of the configuration, for a person to confirm."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomlkit

from pgassay import config
from pgassay.config import Config, Tenancy
from pgassay.errors import ConfigError, PgassayError
from pgassay.schema.states import HIDDEN, Proposed
from pgassay.tenancy import USERS, Inference, Question, written
from pgassay.within import Proposal

FILE = "pgassay.toml"
"""The file of a project that has none as yet: one with a pyproject.toml is Python, and this one need not be."""
_WIDTH = 100
_ROOMS = ("supabase/migrations", "sql/migrations", "migrations")
"""Where migrations lie in a project, the longer names first."""


def place(settings: Config, directory: str | None, cwd: Path) -> Path:
    """The file that a declaration goes into: the one that was read, else a new one in the folder of the project."""
    if settings.file is not None:
        return settings.file
    folder = cwd if directory is None else cwd / directory
    if folder.is_file():
        return folder.parent / FILE
    if settings.migrations == folder:  # the migrations themselves were named
        parts = folder.resolve().parts
        for room in map(Path, _ROOMS):
            if parts[-len(room.parts) :] == room.parts:
                return folder.resolve().parents[len(room.parts) - 1] / FILE
        return (cwd if directory is not None and folder.resolve().is_relative_to(cwd.resolve()) else folder) / FILE
    return folder / FILE


def lines(inference: Inference) -> str:
    """``[tool.pgassay.tenancy]`` with the evidence for each line, and questions as comments.

    Raises `PgassayError` where names of the schema cannot be written so that they are read as what they are.
    """
    tenancy = inference.tenancy
    assert tenancy is not None
    parts = [
        _comment("Who owns which rows, as pgassay init read it from the schema: confirm each line."),
        "[tool.pgassay.tenancy]\n",
        _comment(inference.evidence["tenant"]),
        _pair("tenant", tenancy.tenant),
        _comment(inference.evidence["member"]),
        _pair("member", written(tenancy.member)),
        _comment(inference.evidence["column"]),
        _pair("column", tenancy.column),
    ]
    shared = [share.written for share in tenancy.shared]
    if shared:
        parts.append(_comment("By rows of these, owners open theirs to other users."))
        parts.append(_pair("shared", shared))
    opened = [question for question in inference.openings if question.share]
    parts += _asked("shared", opened, [*shared, *(question.share for question in opened)])
    if inference.users:
        parts.append(_comment(f"Rows of these are a user's, and no tenant's: {', '.join(inference.users)}."))
    parts += [_comment(note) for note in inference.notes]
    asked = [
        question for question in (*inference.questions, *inference.openings) if not (question.path or question.share)
    ]
    parts += _asked("public", asked, [question.object for question in asked])
    parts.append(_tables(inference, tenancy))
    text = "".join(parts)
    _refuse_other_than(text, tenancy)
    return text


def roles(proposal: Proposal | None, why: str = "") -> str:
    """``[tool.pgassay.roles]`` as it was observed, in comments, with questions; or ``why`` it could not be."""
    if proposal is None:
        return "\n" + _comment(f"What members of each role do could not be seen: {why}") if why else ""
    found = proposal.roles
    columns = [".".join(column) for column in found.columns]
    parts = [_pair("column", columns[0] if len(columns) == 1 else columns)]
    parts.append(_pair("order", [*found.order]) if found.order else _pair("roles", [*found.others]))
    parts.append("\n[tool.pgassay.roles.tables]\n")
    for table, rights in found.tables.items():
        of_roles = tomlkit.inline_table()
        of_roles.update({role: right.written for role, right in rights.items()})
        parts.append(_pair(table, of_roles))
    text = "[tool.pgassay.roles]\n" + "".join(parts)
    return (
        "\n"
        + _comment(
            "Who may what within a tenant, as pgassay init saw it done by a member of each role. That is so today: "
            "correct it to what is meant, and take the # away. Words are select, insert, update, delete, all, own "
            "(rows in one's own name) and none."
        )
        + "".join(_comment(f"Question: {question}") for question in proposal.questions)
        + "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
    )


def states(proposed: Iterable[Proposed], why: str = "") -> str:
    """``[tool.pgassay.states]`` as policies ask for them: questions, each with the line that answers it with yes.

    Or ``why`` they could not be read.
    """
    if why:
        return "\n" + _comment(f"Which states of rows policies ask for could not be read: {why}")
    asked: list[str] = []
    for state in proposed:
        if state.kind == HIDDEN:
            text = f"Are rows of {state.table} the back end's alone where {state.condition}?"
        else:
            text = f"Do rows of {state.table} open nothing any more unless {state.condition}?"
        line = tomlkit.inline_table()
        line.update({state.kind: state.condition})
        asked += [_comment(f"Question: {text}"), f"# {_pair(state.table, line)}"]
    if not asked:
        return ""
    first = _comment("States of rows, as policies and functions ask for them. Where it is so, take the # away.")
    return "".join(["\n", first, "# [tool.pgassay.states]\n", *asked])


def _asked(key: str, questions: Iterable[Question], answer: list[str]) -> list[str]:
    """Questions, and the line that answers all of them with yes."""
    parts = [_comment(f"Question: {question.text}") for question in questions]
    return [*parts, f"# {_pair(key, answer)}"] if parts else []


def _tables(inference: Inference, tenancy: Tenancy) -> str:
    asked = [question for question in inference.questions if question.path]
    if not tenancy.tables and not asked:
        return ""
    whom = "its user" if tenancy.tenant == USERS else "its tenant"
    parts = [
        "\n",
        _comment(f"Tables with another column, or with foreign keys instead, and what leads from each to {whom}."),
        "[tool.pgassay.tenancy.tables]\n",
    ]
    parts += [_pair(table, path, inference.evidence.get(table, "")) for table, path in tenancy.tables.items()]
    for question in asked:
        parts.append(_comment(f"Question: {question.text}"))
        parts.append(f"# {_pair(question.object, question.path)}")
    return "".join(parts)


def add(file: Path, settings: Config, block: str) -> None:
    """Put ``block``, which `lines` made, into ``file``, with the folder of migrations where that names none.

    Raises `ConfigError` where that cannot be done; then nothing was changed.
    """
    folder = settings.migrations or settings.root  # which a command that applies them need not name
    migrations = Path(os.path.relpath(folder, file.parent)).as_posix()
    try:
        write(file, joined(text_of(file), migrations, block))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def joined(text: str, migrations: str, block: str) -> str:
    """``text`` of a configuration with ``block`` at its end, and the folder of migrations where none is named.

    All that was there stays as it was. Raises `ConfigError` where ``block`` cannot be put in.
    """
    before = tomllib.loads(text)
    known = before.get("tool", {}).get("pgassay")
    if known is None:
        block = f"[tool.pgassay]\n{_pair('migrations', migrations)}\n{block}"
    elif "migrations" not in known and "migrate" not in known:
        document = tomlkit.parse(text)
        document["tool"]["pgassay"].add("migrations", migrations)
        text = tomlkit.dumps(document)
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text.strip() else newline if text.endswith("\n") else newline * 2
    result = text + gap + block.replace("\n", newline)
    try:
        after = tomllib.loads(result)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"[tool.pgassay.tenancy] cannot be put at the end of it: {error}",
            hint="Nothing was changed. Write [tool.pgassay] as a table with a header of its own, and try again.",
        ) from error
    added = after["tool"]["pgassay"]
    added.pop("tenancy")
    if known is None or "migrations" not in known:
        added.pop("migrations")
    if known is None:
        after["tool"].pop("pgassay")
    if "tool" not in before:
        after.pop("tool")
    if after != before:
        raise ConfigError("It could not be changed without a change to what was there.", hint="Nothing was changed.")
    return result


def write(file: Path, text: str) -> None:
    """Replace ``file`` at once: who reads it finds the old text or the new one. Its mode and owner stay.

    Where ``file`` is a symbolic link, what it points to is replaced. Raises `ConfigError` where that cannot be done.
    """
    target = Path(os.path.realpath(file))
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        known = target.stat() if target.exists() else None
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        with open(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if known is not None:
            with contextlib.suppress(PermissionError):
                os.chown(draft, known.st_uid, known.st_gid)
            draft.chmod(stat.S_IMODE(known.st_mode))
        os.replace(draft, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ConfigError(
            f"{target} cannot be written: {error.strerror or error}. Nothing was changed.",
            hint="See what would be written with: pgassay init --print",
        ) from error


def text_of(file: Path) -> str:
    """The text of a configuration, with its line ends; empty where there is none."""
    try:
        with open(file, encoding="utf-8", newline="") as source:
            return source.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def _refuse_other_than(text: str, tenancy: Tenancy) -> None:
    try:
        read = config.read_tenancy(tomllib.loads(text)["tool"]["pgassay"]["tenancy"], "[tool.pgassay]")
    except ConfigError as error:
        raise PgassayError(
            f"The tenancy was inferred, but names in it cannot be written in the configuration: {error.message}"
        ) from error
    if read != tenancy:
        raise PgassayError(
            "The tenancy was inferred, but names in it cannot be written in the configuration.",
            hint="Dots, commas and brackets in names of tables and columns are taken for what separates these.",
        )


def _comment(text: str) -> str:
    wrapped = textwrap.wrap(_printable(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in wrapped)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _pair(key: str, value: Any, evidence: str = "") -> str:
    line = f"{tomlkit.key(key).as_string()} = {tomlkit.item(value).as_string()}"
    return f"{line}  # {_printable(evidence)}\n" if evidence else f"{line}\n"
