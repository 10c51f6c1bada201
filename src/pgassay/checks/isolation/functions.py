"""Functions as doors: calls with the values of another tenant, what they give back, tell and change."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import replace

import psycopg

from pgassay.catalog import Function
from pgassay.checks.finding import ERROR, WARNING
from pgassay.checks.isolation import arranged, collided, costs, secrets
from pgassay.checks.isolation.answered import Answered
from pgassay.checks.isolation.arguments import (
    Answer,
    Call,
    Words,
    answers,
    calls_of,
    distinct,
    mixed,
    tells_something,
    with_texts,
)
from pgassay.checks.isolation.controls import Controls
from pgassay.checks.isolation.exchanged import exchanged
from pgassay.checks.isolation.failures import Faults, broken_call, is_broken, is_endless
from pgassay.checks.isolation.injected import Injected
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.outbound import Outbound
from pgassay.checks.isolation.read_as import ReadAs
from pgassay.checks.isolation.relations import Found
from pgassay.checks.isolation.secrets import Secrets
from pgassay.checks.isolation.world import World
from pgassay.identity import Clone, Session
from pgassay.patience import Stopped

_GENERATED = re.compile(r"UUID\('[^']+'\)|datetime\.datetime\([^)]+\)")
"""What is another one in every answer, as the id and the time of a row that a function makes."""

_LIKELIEST = 8
"""So many calls are tried with each state of a row, to see whether anything comes of it."""
_OF_THE_API = """
select pg_catalog.max(pg_catalog.split_part(entry, '=', 2))
from pg_catalog.pg_db_role_setting as s
join pg_catalog.pg_roles as r on s.setrole = r.oid and r.rolname = %s
left join pg_catalog.pg_database as d on s.setdatabase = d.oid
cross join lateral pg_catalog.unnest(s.setconfig) as entry
where
    (d.oid is null or d.datname = pg_catalog.current_database())
    and pg_catalog.split_part(entry, '=', 1) = %s
"""
"""What a setting of PostgREST's is, as the role that logs in has it."""


class Calls:
    """Calls of all functions: in ``clone``, and in ``other``, where there is nothing of any tenant but A."""

    def __init__(self, world: World, clone: Clone, other: Clone | None, controls: Controls) -> None:
        self.controls = controls
        self._world = world
        self._secrets = Secrets(world)
        bodies = world.bodies
        self._injected = Injected(world, bodies)
        self._read_as = ReadAs(world)
        self._outbound = Outbound(world, bodies, self._secrets)
        self._clones = clone, other
        self._log_in()
        self._offered = offered(world)
        self._answers = Answered(world, self._offered)
        self._count = 0
        self.unjudged: dict[str, str] = {}
        self.vacuous: list[str] = []
        self.skipped: list[str] = []
        self._ended = False
        self._stopped: Stopped | None = None
        """A call of the function that is tried, which did not end."""

    @property
    def probes(self) -> int:
        """How many probes there were."""
        return self._count + self._answers.probes

    def _log_in(self) -> None:
        clone, other = self._clones
        self._api = clone.connect_as_authenticator()
        self._alone = other.connect_as_authenticator() if other else None

    def _again(self) -> None:
        """Log in again where a call has ended a session; raises where nobody can."""
        self._world.go_on()
        if not self._ended and (self._api.closed or (self._alone is not None and self._alone.closed)):
            self._log_in()

    def end(self) -> None:
        """End the sessions, whatever they do, while somebody else waits for them."""
        self._ended = True
        for session in filter(None, (self._api, self._alone)):
            if session.end_session is not None and not session.closed:
                with suppress(psycopg.Error):
                    session.end_session(session.info.backend_pid)

    def try_all(
        self, functions: Iterable[Function], actors: Sequence[Actor], progress: Callable[[str], None]
    ) -> Iterator[Found]:
        """Call every function with the ids of B, as those who are not of B, until one is answered."""
        for function in functions:
            progress(function.signature)
            if not function.roles - {self._world.platform.roles.back_end} or function.immutable:
                self.skipped.append(function.signature)
                continue
            found = None
            with costs.only(function.signature, self.unjudged, self._again):
                found = self._try(function, actors)
                if function.signature in self.unjudged:
                    found = self._with_other_rows(function, actors) or found
                if found is None or found[0].severity != ERROR:
                    found = self._sending(function, actors) or found
            if found is not None:
                yield found

    def _try(self, function: Function, actors: Sequence[Actor]) -> Found | None:
        self._stopped = None
        refused = ""
        broken: dict[Actor, tuple[Call, psycopg.Error]] = {}
        succeeded: list[Call] = []
        told = False
        # last somebody who may become a member
        for entitled in (self._world.member("B"), *self._world.entitled, self._world.stranger):
            if entitled == self._world.stranger and any(is_endless(error) for _, error in broken.values()):
                break  # it takes long, and is no answer to those who are entitled
            with self._as(entitled):
                answered = self._tried(function)
                calls = [call for call, answer in answered if not isinstance(answer, str)]
                told = any(tells_something(answer) for _, answer in answered)
                doing = None
                if function.volatile and not told:
                    doing = next((call for call in calls if self._does_something(self._api, call)), None)
                    told = doing is not None
                if not told and not self._stopped and not _ends_nowhere(answered):
                    more, doing = self._with_texts(function)
                    calls += [call for call, answer in more if call == doing or tells_something(answer)]
                    told = doing is not None or any(tells_something(answer) for _, answer in more)
                    answered += more
                self._count += len(answered)
            succeeded = succeeded or calls
            if told:
                succeeded = calls
                self._keep(function, entitled, answered, doing)
            if told or self._stopped:
                break
            refused = refused or next((answer[6:] for _, answer in answered if isinstance(answer, str)), "")
            if (failure := _failure(answered)) is not None:
                broken[entitled] = failure
        if not succeeded and not self._stopped:
            if broken:
                return self._broken(function, *next(iter(broken.items())))
            self.unjudged[function.signature] = f"no call succeeded for a member: {refused}"
            return None
        found = self._first(function, succeeded, actors)
        if self._stopped and (found is None or found[0].severity != "error"):
            raise self._stopped
        if found is None and not told and not self._is_before_requests(function):
            self.vacuous.append(function.signature)
            self.unjudged[function.signature] = "no call gave a member anything, or changed anything"
        return found

    def _with_other_rows(self, function: Function, actors: Sequence[Actor]) -> Found | None:
        """The same with a row of B in another state, on the session of the rows' owner, where it is undone.

        The function is judged where it does something for such a row.
        """
        owner = self._world.connection
        for several in arranged.arrangements_for(self._world, function):
            other = copy(self)
            other._api, other._alone, other.controls = owner, None, Controls()
            other._count, other.unjudged, other.vacuous = 0, {}, []
            with owner.transaction(force_rollback=True):
                does = other._does(function, several)
                found = other._try(function, actors) if does else other._across(function, actors, several)
                is_judged = found is not None or (does and function.signature not in other.unjudged)
            self._world.forget_base(owner)
            self._count += other._count
            if is_judged:
                del self.unjudged[function.signature]
                self.vacuous = [name for name in self.vacuous if name != function.signature]
                done = ";\n".join(change.text(owner) for change in several)
                return found and (found[0], replace(found[1], arranged=done))
        return None

    def _across(self, function: Function, actors: Sequence[Actor], several: arranged.Arrangement) -> Found | None:
        """What somebody does to rows of others where nobody was seen to get anything by what is entitled to it."""
        others = [actor for actor in actors if actor.user and actor.own <= {"A"} and actor.shown and not actor.forged]
        found = self._first(function, [], others) if len(several) > 1 and function.volatile else None
        return found if found is not None and found[0].rule == Verdict.WRITES_ACROSS.rule else None

    def _does(self, function: Function, several: arranged.Arrangement) -> bool:
        """Whether somebody who is entitled gets something by a function, or changes something, after changes."""
        try:
            with self._api.transaction():
                for change in several:
                    self._api.execute(change.statement, change.values)
            self._world.forget_base(self._api)
        except psycopg.Error:
            if self._api.closed:
                raise
            return False
        for entitled in (self._world.member("B"), *self._world.entitled):
            with self._as(entitled):
                calls = itertools.chain(self._read_as.of(function, "B"), calls_of(function, self._world, "B"))
                answered = self._answered(itertools.islice(calls, _LIKELIEST))
                if any(tells_something(answer) for _, answer in answered):
                    return True
                ended = [call for call, answer in answered if not isinstance(answer, str)]
                if function.volatile and any(self._does_something(self._api, call) for call in ended):
                    return True
        return False

    def _sending(self, function: Function, actors: Sequence[Actor]) -> Found | None:
        """What somebody decides of the requests that the server sends."""
        found = self._outbound.try_all(self._api, function, actors)
        self._count += self._outbound.probes
        self._outbound.probes = 0
        if found is None or function.schema in self._offered or found[0].severity != ERROR:
            return found
        return replace(found[0], severity=WARNING), found[1]

    def _is_before_requests(self, function: Function) -> bool:
        """Whether the API calls it before each request: what it is for is to refuse, and to give settings."""
        ((named,),) = self._world.ask(_OF_THE_API, [self._world.platform.roles.login, "pgrst.db_pre_request"])
        return named in (function.name, f"{function.schema}.{function.name}")

    def _tried(self, function: Function) -> list[tuple[Call, Answer]]:
        """What the calls are answered; the first alone is enough where it comes to no end."""
        calls = list(calls_of(function, self._world, "B"))
        first = self._answered(calls[:1])
        if self._stopped or _ends_nowhere(first):
            return first
        return [*first, *self._answered(calls[1:])]

    def _with_texts(self, function: Function) -> tuple[list[tuple[Call, Answer]], Call | None]:
        """What calls are answered with texts of B, ids in texts, and SQL; and one of these that changes something."""
        texts = self._answered(with_texts(function, self._world, "B"))
        if self._stopped:
            return texts, None
        more = self._answered(itertools.chain(self._read_as.of(function, "B"), self._injected.of(function, "B")))
        found = [*texts, *more]
        if not function.volatile or any(tells_something(answer) for _, answer in found):
            return found, None
        ended = (call for call, answer in more if isinstance(answer, list))
        return found, next((call for call in ended if self._does_something(self._api, call)), None)

    def _broken(self, function: Function, actor: Actor, failure: tuple[Call, psycopg.Error]) -> Found:
        """The finding for a function that fails whoever calls it."""
        call, error = failure
        everybody = self._world.back_end
        with everybody.enter(self._api):  # whom no policy holds
            answer = call.answer(self._api)
        policies = is_endless(error) and not (isinstance(answer, Words) and answer.error.sqlstate == error.sqlstate)
        at_fault = Faults(self._world).of(function.signature, error) if policies else []

        def holds(session: Session) -> bool:
            now = call.answer(session)
            return isinstance(now, Words) and now.error.sqlstate == error.sqlstate

        statement = self._api.bound(call.statement, call.values)
        finding = broken_call(function.signature, error, statement, actor, policies=policies, at_fault=at_fault)
        return finding, Probe(actor, holds)

    def _keep(
        self, function: Function, entitled: Actor, answered: list[tuple[Call, Answer]], doing: Call | None
    ) -> None:
        """Keep what somebody entitled got by it: what tells something, else what is ``doing`` something."""
        if doing is not None:
            self.controls.answered(
                function.signature, entitled, doing, lambda session: self._does_something(session, doing)
            )
            return
        call = next(call for call, answer in answered if tells_something(answer))
        self.controls.answered(function.signature, entitled, call)

    def _does_something(self, session: Session, call: Call) -> bool:
        """Whether any row is another one after the call, or a request is sent; for whoever the session is."""
        try:
            touched = self._world.touched_by(session, call.statement, call.values)
            return bool(touched or self._outbound.sent(session, call))
        except psycopg.Error:
            if session.closed:
                raise
            return False

    def _first(self, function: Function, calls: list[Call], actors: Sequence[Actor]) -> Found | None:
        """The first finding that is an error, else the first of all."""
        first: Found | None = None
        for found in self._findings(function, calls, actors):
            if found[0].severity == "error":
                return found
            first = first or found
        return first

    def _findings(self, function: Function, calls: list[Call], actors: Sequence[Actor]) -> Iterator[Found]:
        """What is found by each call; only once for actors of the same tenants who are answered alike."""
        judged: set[tuple[frozenset[str], str]] = set()
        known: set[tuple[frozenset[str], tuple[str, ...]]] = set()
        for actor in actors:
            if actor.may_all or "B" in actor.own or actor.identity.role not in function.roles:
                continue
            own = self._own(function) if actor.own == {"A"} and not self._stopped else []
            with self._as(actor):
                kept = self._secrets.kept_from(self._api, actor)
                answered = {
                    repr(call.values) + _GENERATED.sub("", repr(answer)): (call, answer)
                    for call, answer in self._answered(secrets.without(distinct([*calls, *own]), kept))
                }
                new = [found for alike, found in answered.items() if (actor.own, alike) not in judged]
                judged |= {(actor.own, alike) for alike in answered}
                yield from self._judged(function, actor, new)
                if self._stopped:
                    calls = [call for call, _ in answered.values()]  # no more than those that are known to end
                    continue
                if (actor.own, tuple(answered)) in known:
                    continue  # to the function this is somebody who was here before
                known.add((actor.own, tuple(answered)))
                read_as = self._read_as.of(function, "B"), self._read_as.of(function, "B", beside="A")
                of_texts = *read_as, self._injected.of(function, "A")
                further = itertools.chain(mixed(function, self._world), *of_texts)
                if own:
                    mine = {repr(call.values) for call in own}
                    ended = [pair for pair in answered.values() if repr(pair[0].values) in mine]
                    further = itertools.chain(further, exchanged(self._world, ended))
                tried = distinct([*(call for call, _ in answered.values()), *further])
                more = self._answered(secrets.without(itertools.islice(tried, len(answered), None), kept))
                yield from self._judged(function, actor, more)
                others = secrets.without(collided.again(self._world, [*answered.values(), *more]), kept)
                yield from self._judged(function, actor, self._answered(others))

    def _own(self, function: Function) -> list[Call]:
        """Calls with values of A, which are its member's own."""
        return [*calls_of(function, self._world, "A"), *self._read_as.of(function, "A")]

    def _answered(self, calls: Iterable[Call]) -> list[tuple[Call, Answer]]:
        """What each is answered, up to one that does not end: the first such is noted, another one raises `Stopped`."""
        tried = list(calls)
        answered, stopped = answers(self._api, tried)
        if stopped and self._stopped:
            raise stopped
        self._stopped = self._stopped or stopped
        return list(zip(tried, answered, strict=False))

    def _judged(self, function: Function, actor: Actor, answered: list[tuple[Call, Answer]]) -> Iterator[Found]:
        others: list[Answer | None] = [None] * len(answered)
        if self._alone is not None:
            there, stopped = answers(self._alone, [call for call, _ in answered])
            if stopped:
                raise stopped
            others = [*there]
            self._count += len(others)
        sessions = self._api, self._alone
        for (call, answer), other in zip(answered, others, strict=True):
            if (found := self._answers.of(sessions, function, actor, call, answer, other)) is not None:
                yield found

    @contextmanager
    def _as(self, actor: Actor) -> Iterator[None]:
        """Be ``actor`` in both worlds."""
        with ExitStack() as stack:
            for session in filter(None, (self._api, self._alone)):
                stack.enter_context(actor.enter(session))
            yield


def offered(world: World) -> set[str]:
    """The schemas of which the API is taken to offer tables and functions.

    A setting of the role authenticator decides that. What config.toml says is of development alone, so that it only
    adds to those that look like it: the ones with tables that the API's roles have rights to.
    """
    ((decided,),) = world.ask(_OF_THE_API, [world.platform.roles.login, "pgrst.db_schemas"])
    ((of_development,),) = world.ask("select pg_catalog.current_setting('pgrst.db_schemas', true)")
    if decided:
        return set(map(str.strip, decided.split(",")))
    granted = {
        relation.schema
        for relation in world.relations.values()
        if any(
            world.granted(relation, role, privilege)
            for role in world.roles
            if role != world.platform.roles.back_end
            for privilege in ("select", "insert", "update")
        )
    }
    return {"public"} | granted | set(map(str.strip, (of_development or "").split(",")))


def _ends_nowhere(answered: Iterable[tuple[Call, Answer]]) -> bool:
    return any(isinstance(answer, Words) and is_endless(answer.error) for _, answer in answered)


def _failure(answered: Iterable[tuple[Call, Answer]]) -> tuple[Call, psycopg.Error] | None:
    """The first call and its error, where all of them fail since the function does."""
    failed = [(call, answer.error) for call, answer in answered if isinstance(answer, Words)]
    broken = [(call, error) for call, error in failed if is_broken(error)]
    return broken[0] if broken and len(broken) == len(list(answered)) else None
