"""Questions: rows that others read because of a flag or a link. Whether that is meant, the configuration says.

What is open is tried with the flag taken back, and without the links, in a savepoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from pgassay.checks import culprit
from pgassay.checks.finding import ERROR, QUESTION, Finding
from pgassay.checks.isolation import costs
from pgassay.checks.isolation.matrix import Probe, Verdict
from pgassay.checks.isolation.purpose import Opening, Openings, setting
from pgassay.checks.isolation.world import World
from pgassay.config import Membership, Published, Share
from pgassay.identity import Session
from pgassay.rows import USERS


class Questions:
    """Tells what is open on purpose, it may be, from what is a hole; on a superuser's ``session``."""

    def __init__(self, session: Session, world: World, failed: dict[str, str]) -> None:
        self._session = session
        self._failed = failed
        self._world = world
        self._openings = Openings(world)

    def ask(self, named: culprit.Named) -> culprit.Named:
        """The same, in which findings are questions that a declaration may answer, each with the line that does."""
        answers: dict[int, Published | Share] = {}
        tried: dict[tuple[str, str], Published | Share | None] = {}
        for number, (finding, probe, found) in enumerate(named):
            answer = probe.answer
            if self._may_be_meant(finding):
                place = (finding.object, finding.identity if found is None else found.statement)
                if place not in tried and probe.actor.shown and not probe.actor.own:  # whoever it is, without forging
                    tried[place] = None
                    what = f"flags and links of {finding.object}"
                    with costs.only(what, self._failed, lambda: costs.go_on(self._session)):
                        tried[place] = self._answer(finding, probe)
                answer = tried.get(place)
            if answer is not None:
                answers[number] = answer
        links = {answer.table: answer for answer in answers.values() if isinstance(answer, Share)}
        for number, (finding, _, _) in enumerate(named):
            if self._may_be_meant(finding) and finding.object in links:
                answers.setdefault(number, links[finding.object])
        lines = self._lines(answers.values())
        return [
            (_asked(finding, lines[type(answers[number])], found), probe, None)
            if number in answers
            else (_through(finding, found), probe, None)
            if finding.severity == QUESTION
            else (finding, probe, found)
            for number, (finding, probe, found) in enumerate(named)
        ]

    def _may_be_meant(self, finding: Finding) -> bool:
        return (
            finding.severity == ERROR
            and finding.door == "select"
            and finding.rule == Verdict.LEAKS.rule
            and ";" not in finding.statement  # what one changes first is no opening of an owner's
            and finding.object in self._world.relations
            and not finding.object.startswith("storage.")  # a bucket is a constant, too
        )

    def _answer(self, finding: Finding, probe: Probe) -> Published | Share | None:
        if not probe.shows(self._session):
            return None
        for opening in self._openings.of(finding.object):
            closes = partial(self._closes, opening, probe)
            if closes(opening.value) or not any(closes(value) for value in (sql.DEFAULT, *opening.others)):
                continue  # it is open or closed whatever stands in the column
            if opening.is_on_purpose(closes):
                return opening.published
        for share in self._links(finding.object):
            if self._is_closed(self._without(share.table), probe):
                return share
        return None

    def _closes(self, opening: Opening, probe: Probe, value: Any) -> bool:
        return self._is_closed(setting(opening.published, value).as_string(None), probe)

    def _links(self, name: str) -> Iterator[Share]:
        """The tables that may be links: they refer to rows of that relation, or to what these refer to, and no user."""
        tenancy, relations = self._world.tenancy, self._world.relations
        member = tenancy.member
        itself = {tenancy.tenant, USERS, *([member.table] if isinstance(member, Membership) else [])}
        above = {name}
        while (
            more := {key.target for each in above & relations.keys() for key in relations[each].foreign_keys}
            - above
            - itself
        ):
            above |= more
        for table, relation in relations.items():
            if relation.kind != "table" or table in above | itself | tenancy.public or not relation.primary_key:
                continue
            if relation.schema == "storage" or list(self._world.maker.users_in(relation)):
                continue
            for key in relation.foreign_keys:
                if len(key.columns) == 1 and key.target in above:
                    yield Share(table, key.columns[0][0])

    def _without(self, table: str) -> str:
        schema, _, name = table.partition(".")
        return sql.SQL("delete from {}").format(sql.Identifier(schema, name)).as_string(None)

    def _is_closed(self, change: str, probe: Probe) -> bool:
        try:
            with self._session.transaction(force_rollback=True):
                self._past_triggers(change)
                return not probe.shows(self._session)
        except psycopg.Error:
            if self._session.closed:
                raise
            return False

    def _past_triggers(self, change: str) -> None:
        """Carry out a change; triggers fire on a server whose admin may not pass over them."""
        try:
            with self._session.transaction():
                self._session.execute("set local session_replication_role = replica")
                self._session.execute(change.encode())
                self._session.execute("set local session_replication_role = origin")
        except psycopg.errors.InsufficientPrivilege:
            self._session.execute(change.encode())

    def _lines(self, answers: Iterable[Published | Share]) -> dict[type, str]:
        """The lines of the configuration that answer all with yes, with what stands there already."""
        tenancy = self._world.tenancy
        found = [*answers]
        published = [
            *tenancy.published,
            *tenancy.following,
            *(answer for answer in found if isinstance(answer, Published)),
        ]
        shared = [*tenancy.shared, *(answer for answer in found if isinstance(answer, Share))]
        return {
            Published: f"published = [{_quoted(each.written for each in published)}]",
            Share: f"shared = [{_quoted(each.written for each in shared)}]",
        }


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in dict.fromkeys(texts))


def _through(finding: Finding, found: culprit.Culprit | None) -> Finding:
    return finding if found is None else replace(finding, culprit=found.what)


def _asked(finding: Finding, line: str, found: culprit.Culprit | None) -> Finding:
    return replace(
        _through(finding, found),
        severity=QUESTION,
        mend=f"Is this meant? Then say so in [tool.pgassay.tenancy]: {line}. If it is not, hold the policy to the "
        "caller's tenants.",
    )
