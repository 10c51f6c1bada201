"""Schema regression: planted changes are found and graded, equivalent rewrites do not show, servers write alike."""

from __future__ import annotations

import contextlib
import functools
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import postgast
import pytest

from pgassay import migrations
from pgassay.checks import snapshot
from pgassay.checks.snapshot import grading, reading, state
from pgassay.checks.snapshot.state import State
from pgassay.errors import MigrationError
from pgassay.identity import Databases, Session
from pgassay.migrations import Script
from pgassay.templates import Template

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "snapshots"
REWRITES = tomllib.loads((HERE / "rewrites.toml").read_text(encoding="utf-8"))["rewrite"]
SPELLINGS = tomllib.loads((HERE / "spellings.toml").read_text(encoding="utf-8"))["spelling"]
CHANGES = tomllib.loads((HERE / "changes.toml").read_text(encoding="utf-8"))["change"]


def scripts(*texts: str) -> tuple[Script, ...]:
    return tuple(Script(Path(f"{n}_x.sql"), f"{n}_x.sql", text) for n, text in enumerate(texts, start=1))


HOST = migrations.scripts([ROOT / "sql" / "host"])
JOBS = migrations.discover(ROOT / "sql" / "migrations").migrations
ZOO = scripts((HERE / "zoo.sql").read_text(encoding="utf-8"))
PLAIN = (HERE / "plain.sql").read_text(encoding="utf-8")
BASES = {"zoo": ((), ZOO), "jobs": (HOST, JOBS), "plain": ((), scripts(PLAIN))}


@dataclass
class Bench:
    """A database in which migrations are applied and undone, and the ground that they stand on."""

    session: Session
    ground: State
    before: tuple[Script, ...]
    there: tuple[Script, ...]
    _found: dict[tuple[Script, ...], State] = field(default_factory=dict)

    def after(self, *applied: Script) -> State:
        """The state once ``applied`` are; looked at once, since a hundred tests compare with the same one."""
        if applied not in self._found:
            with self.session.transaction(force_rollback=True):
                for script in applied:
                    migrations.apply(self.session, script)
                found = state.since(reading.read(self.session), self.ground)
            self._found[applied] = snapshot.with_roles(found, self.before, (*self.there, *applied))
        return self._found[applied]


@pytest.fixture(scope="module")
def make(pg_databases: Databases) -> Iterator[Callable[..., Bench]]:
    """A bench on which ``there`` is applied already; ``before`` is its ground."""
    opened_ones = contextlib.ExitStack()

    def opened(template: Template) -> Session:
        return opened_ones.enter_context(pg_databases.copy(template)).connect()

    @functools.cache
    def make(before: tuple[Script, ...], there: tuple[Script, ...] = ()) -> Bench:
        with opened(pg_databases.template(before, ())) as session:
            ground = reading.read(session)
        return Bench(opened(pg_databases.template(before, there)), ground, before, there)

    with opened_ones:
        yield make


@pytest.mark.parametrize("change", CHANGES, ids=[change["sql"].splitlines()[0] for change in CHANGES])
def test_a_planted_change_is_found_where_it_is_and_graded(make: Callable[..., Bench], change: dict[str, Any]) -> None:
    on = make(*BASES[change.get("base", "zoo")])
    if on.session.info.server_version // 10000 < change.get("since", 0):
        with pytest.raises(MigrationError):
            on.after(*scripts(change["sql"]))
        return
    found = grading.compare(on.after(), on.after(*scripts(change["sql"])))
    assert found
    worst = max(difference.grade for difference in found)
    places = {(str(difference.object), difference.key) for difference in found if difference.grade == worst}
    assert (worst.word, (change["object"], change.get("key", ""))) == (
        change["grade"],
        next((place for place in places if place == (change["object"], change.get("key", ""))), places),
    )
    assert {str(difference.object) for difference in found} <= {change["object"], *change.get("also", ())}


@pytest.mark.parametrize("rewrite", REWRITES, ids=[rewrite["name"] for rewrite in REWRITES])
def test_a_rewrite_does_not_show(make: Callable[..., Bench], rewrite: dict[str, Any]) -> None:
    text = PLAIN
    for old, new in (("replace", "by"), ("forget", "remember")):
        if old in rewrite:
            assert rewrite[old] in text + rewrite.get("then", "")
            text = text.replace(rewrite[old], rewrite[new])
    then = rewrite.get("then", "").replace(rewrite.get("forget", "\0"), rewrite.get("remember", ""))
    assert text + then != PLAIN
    on = make(())
    assert str(on.after(*scripts(text, then))) == str(on.after(*scripts(PLAIN)))


@pytest.mark.parametrize("spelling", SPELLINGS, ids=[spelling["name"] for spelling in SPELLINGS])
def test_another_spelling_is_no_difference(make: Callable[..., Bench], spelling: dict[str, str]) -> None:
    on = make((), scripts(PLAIN))
    one, other = (on.after(*scripts(spelling[side])) for side in ("one", "other"))
    assert str(one) != str(other) != str(on.after())
    assert grading.compare(one, other) == grading.compare(other, one) == []


def by_statement(text: str) -> list[str]:
    return [statement + ";" for statement in postgast.split(text)]


def tokens_of(text: str, change: Callable[[str, str], str], between: str = " ") -> str:
    """``text`` with each of its words changed by its kind, in the bodies of its functions too."""
    encoded = text.encode()
    words = []
    for token in postgast.scan(text).tokens:
        word = encoded[token.start : token.end].decode()
        kind = postgast.pg_query_pb2.KeywordKind.Name(token.keyword_kind)
        if word.startswith(("--", "/*")):
            continue
        body = re.fullmatch(r"(\$\w*\$)(.*)\1", word, re.DOTALL)
        words.append(body[1] + tokens_of(body[2], change, between) + body[1] if body else change(word, kind))
    return between.join(words)


def upper(word: str, kind: str) -> str:
    return word if word.startswith(("'", '"')) or kind == "NO_KEYWORD" else word.upper()


def same(word: str, kind: str) -> str:
    return word


def quoted(text: str) -> str:
    """Names in quotes, outside the bodies of functions, where PL/pgSQL's own words are names to the scanner."""
    encoded = text.encode()
    result, position = b"", 0
    for token in postgast.scan(text).tokens:
        word = encoded[token.start : token.end].decode()
        if postgast.pg_query_pb2.Token.Name(token.token) == "IDENT" and not word.startswith('"'):
            result += encoded[position : token.start] + f'"{word.lower()}"'.encode()
            position = token.end
    return (result + encoded[position:]).decode()


def twice(text: str) -> list[str]:
    """Functions that are replaced by themselves, and what can be made if it is not there yet, made once more."""
    again = []
    for statement in by_statement(text):
        again.append(statement)
        changed = re.sub(
            r"(?i)^(\s*(?:--.*\n\s*)*)create (function|procedure|view|trigger)", r"\1create or replace \2", statement
        )
        changed = re.sub(
            r"(?i)^(\s*(?:--.*\n\s*)*)create (table|unlogged table|schema|sequence) ",
            r"\1create \2 if not exists ",
            changed,
        )
        if changed != statement or re.match(r"(?i)\s*(grant|revoke|comment)", statement):
            again.append(changed)
    return again


ALL_AT_ONCE: dict[str, Callable[[str], list[str]]] = {
    "every statement is a file of its own": by_statement,
    "all words are on one line": lambda text: [tokens_of(text, same)],
    "every word is on a line of its own, with a comment": lambda text: [
        tokens_of(text, same, " -- this; is 'a comment\n")
    ],
    "every word has a comment of two lines after it": lambda text: [tokens_of(text, same, " /* a;\n$ b' */ ")],
    "keywords are in upper case": lambda text: [tokens_of(text, upper)],
    "names are in quotes": lambda text: [quoted(text)],
    "lines end as on Windows": lambda text: [text.replace("\n", "\r\n")],
    "what can be made again is made twice": twice,
}


@pytest.mark.parametrize("rewrite", ALL_AT_ONCE)
@pytest.mark.parametrize("base", BASES)
def test_a_rewrite_of_everything_does_not_show(make: Callable[..., Bench], base: str, rewrite: str) -> None:
    before, after = BASES[base]
    on = make(before)
    text = "\n".join(script.sql for script in after)
    changed = ALL_AT_ONCE[rewrite](text)
    assert changed != [text]
    assert str(on.after(*scripts(*changed))) == str(on.after(*after))


HOSTILE = """
create function public.pg_get_userbyid(oid) returns name language sql immutable as $$ select 'nobody'::name $$;
create function public.format_type(oid, integer) returns text language sql immutable as $$ select 'secret' $$;
create function public.never(name, name) returns boolean language sql immutable as $$ select false $$;
create operator public.= (leftarg = name, rightarg = name, function = public.never);
create view public.pg_class as select 1 as oid;
create table public.pg_policy ();
create domain public.text as integer;
set search_path = public, pg_catalog;
create temporary table pg_trigger (tgname name);
"""


def test_names_that_shadow_the_catalog_hide_nothing(make: Callable[..., Bench]) -> None:
    on = make((), ZOO)
    found = grading.compare(on.after(), on.after(*scripts(HOSTILE)))
    assert {difference.grade.word for difference in found} == {"adds", "loosens"}  # the view is a definer's
    assert {difference.what.split(",")[0] for difference in found} == {
        "function is new", "operator is new", "view is new", "table is new", "domain is new",
    }  # fmt: skip


def test_what_was_there_before_and_is_dropped_breaks(make: Callable[..., Bench]) -> None:
    on = make(scripts("create table public.old (x integer check (x > 0));"))
    touched = on.after(*scripts("alter table public.old add y text;"))
    dropped = on.after(*scripts("drop table public.old;"))
    for before in (on.after(), touched):
        found = grading.compare(before, dropped)
        assert [(d.grade.word, str(d.object), d.what) for d in found] == [
            ("breaks", "table public.old", "table was dropped")
        ]
