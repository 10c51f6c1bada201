"""Files for psql: statements of SQL, and lines that begin with a backslash, with psql's variables put in.

It reads as psql's own scanner does, which comes before the server's: quotes, comments, parentheses and variables are
all that it knows of SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pgassay.migrations import Statement
from pgassay.sqltree import trees

_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* )
    | (?P<block> /\* )
    | (?P<text> [eE]'(?: [^'\\] | \\. | '' )*(?: ' | \Z ) | '(?: [^'] | '' )*(?: ' | \Z ) | "[^"]*(?: " | \Z ) )
    | (?P<dollars> \$(?P<tag> (?: [^\W\d]\w* )? )\$ .*? (?: \$(?P=tag)\$ | \Z ) )
    | (?P<word> [^\W\d][\w$]* | \d[\w.]* )
    | (?P<operator> :: | := )
    | (?P<variable> : (?: '(?P<literal> \w+ )' | "(?P<identifier> \w+ )" | (?P<plain> \w+ ) ) )
    | (?P<command> \\ )
    | (?P<open> [(\[] )
    | (?P<close> [)\]] )
    | (?P<end> ; )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMAND = re.compile(r"\\(?P<name>[^\s\\]*)(?P<rest>[^\n]*)")
_ARGUMENT = re.compile(
    r"""'(?P<quoted>(?:[^'\\]|\\.|'')*)' | "(?P<name>[^"]*)" | :(?P<variable>\w+) | (?P<plain>[^\s'":]+|.)""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_MARKS = re.compile(r"\\(.)|''")
_BLOCK_MARK = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Command:
    """A line for psql itself: its name without the backslash, its arguments, its line, and its text.

    ``statement`` is the SQL before it that no semicolon has ended, as before ``gset``; None where there is none.
    """

    name: str
    arguments: tuple[str, ...]
    line: int
    text: str
    statement: Statement | None = None


def steps(text: str, variables: Mapping[str, str]) -> Iterator[Statement | Command]:
    """What psql does with a file of this text, in order.

    ``variables`` are looked up when a step is read, so a step may set those of the next.
    """
    buffer: list[str] = []
    position, line, begun, depth = 0, 1, 1, 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        assert token is not None
        kind, said, position = token.lastgroup, token[0], token.end()
        if token["block"]:
            said, position = _comment(text, token.start())
        elif token["command"]:
            command = _COMMAND.match(text, token.start())
            assert command is not None
            yield _command(command, line, _statement(buffer, begun), variables)
            buffer, depth = ([] if command["name"] in ENDS_STATEMENT else buffer), 0
            position = command.end()
            continue
        elif token["variable"]:
            said = _value(token, variables)
        if not buffer and kind == "other" and said.isspace():
            line += said.count("\n")
            continue
        begun = line if not buffer else begun
        buffer.append(said)
        line += text.count("\n", token.start(), position)
        depth += (token["open"] is not None) - (token["close"] is not None)
        if token["end"] and depth <= 0 and _is_whole("".join(buffer)):
            yield Statement("".join(buffer), begun)
            buffer, depth = [], 0
    rest = _statement(buffer, begun)
    if rest is not None:
        yield rest


ENDS_STATEMENT = ("g", "gx", "gset", "gexec", "gdesc", "crosstabview", "watch", "r", "reset")
"""Commands that send, or throw away, the statement before them."""


def _statement(buffer: list[str], line: int) -> Statement | None:
    """What was read and not sent; None where it is no more than space and comments."""
    found = Statement("".join(buffer), line)
    return found if found.verb or found.words else None


def _is_whole(statement: str) -> bool:
    """Whether a semicolon ends it: not that of a statement in a body that begins with BEGIN ATOMIC."""
    return re.search(r"\batomic\b", statement, re.IGNORECASE) is None or trees.parsed(statement) is not None


def _comment(text: str, start: int) -> tuple[str, int]:
    """A comment that may have others in it, and where it ends."""
    depth = 0
    for mark in _BLOCK_MARK.finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return text[start : mark.end()], mark.end()
    return text[start:], len(text)


def _value(token: re.Match[str], variables: Mapping[str, str]) -> str:
    """What stands for a variable; psql leaves one as it is that is not set."""
    name = token["literal"] or token["identifier"] or token["plain"]
    value = variables.get(name)
    if value is None:
        return token[0]
    if token["literal"]:
        escaped = value.replace("'", "''")
        return f"'{escaped}'" if "\\" not in value else " E'{}'".format(escaped.replace("\\", "\\\\"))
    if token["identifier"]:
        return '"{}"'.format(value.replace('"', '""'))
    return value


def _command(found: re.Match[str], line: int, statement: Statement | None, variables: Mapping[str, str]) -> Command:
    return Command(found["name"], tuple(_arguments(found["rest"], variables)), line, found[0].strip(), statement)


def _arguments(rest: str, variables: Mapping[str, str]) -> Iterator[str]:
    words: list[str] | None = None
    position = 0
    while position < len(rest):
        if rest[position].isspace():
            if words is not None:
                yield "".join(words)
            words = None
            position += 1
            continue
        part = _ARGUMENT.match(rest, position)
        assert part is not None
        words = [] if words is None else words
        if part["quoted"] is not None:
            words.append(_MARKS.sub(lambda mark: _ESCAPES.get(mark[1], mark[1]) if mark[1] else "'", part["quoted"]))
        elif part["variable"] is not None:
            words.append(variables.get(part["variable"], part[0]))
        else:
            words.append(part[0])
        position = part.end()
    if words is not None:
        yield "".join(words)
