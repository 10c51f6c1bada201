"""A run: all checks of `pgassay check`, and everything that a report says about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from pgassay import __version__, catalog, migrations, rows
from pgassay.catalog import Function, Relation
from pgassay.checks import intent, isolation, places, relations, rules, snapshot, waivers
from pgassay.checks.finding import ERROR, QUESTION, Finding
from pgassay.checks.intent import Intent
from pgassay.checks.isolation import Access, Matrix
from pgassay.checks.waivers import Verdict, Waived
from pgassay.checks.ways import Way
from pgassay.config import NO_TABLE, Config, Membership, Tenancy
from pgassay.errors import ConfigError, MigrationError, NoTenants, PgassayError, internal_error, without_passwords
from pgassay.identity import Databases, Session
from pgassay.migrations import Applied, Folder, Script
from pgassay.schema.states import Proposed, proposed
from pgassay.servers.server import Server
from pgassay.templates import Template
from pgassay.tenancy import Inference
from pgassay.within import Proposal

FOUND = 1
"""Exit code: findings."""
NOT_JUDGED = 2
"""Exit code: the schema, or a part of it, could not be judged."""
PLATFORM_REFUSES = "platform-refuses"
_NAMED = 5
_UNSEEN = Matrix((), (), {}, 0)


@dataclass(frozen=True)
class Migration:
    """A file of SQL and what became of it: ``applied``, ``autocommit``, ``failed`` or ``skipped``.

    ``error`` says why it failed or was skipped. ``version`` is empty for files that are no migrations. ``stand_ins``
    are the extensions that it asked for and something else stood in for, ``left_out`` the indexes that those cannot
    make.
    """

    name: str
    file: str
    status: str
    version: str = ""
    seconds: float = 0.0
    error: str = ""
    stand_ins: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerFacts:
    """The PostgreSQL of a run: its backend, its version, and why it was this one."""

    backend: str
    version: str
    why: str


@dataclass(frozen=True)
class Probes:
    """How many statements were ``run``, and at which doors they proved nothing, were not tried, or were not judged."""

    run: int = 0
    vacuous: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Door:
    """A way to rows, and what came of trying it.

    ``verdict`` is ``isolated``, ``findings``, ``waived`` (all that was found, or its not being judged), ``vacuous``,
    ``not judged`` or ``skipped``; ``why`` is the reason of the last three.
    """

    name: str
    kind: str
    verdict: str
    why: str = ""


@dataclass(frozen=True)
class Run:
    """A run of ``pgassay check`` that is over: the one object that every report is made from.

    ``started`` is a time in UTC (ISO 8601). ``folder`` is that of the migrations; ``before`` are files that were
    applied before the first one. ``declared`` are the relations that must be there. ``unjudged`` says why, by object.
    ``error`` is what ended the run early and ``hint`` what to do then; both are empty otherwise. ``inferred`` is the
    tenancy that was gone by where none is declared. Files are relative to the directory that the run was started in,
    where they lie in it. ``rights`` are those of each declared role within its tenant. ``notes`` are facts that nobody
    must act on. ``ways`` are those that the schema leaves open.
    """

    version: str
    started: str
    seconds: float
    exit_code: int
    folder: str = ""
    server: ServerFacts | None = None
    before: tuple[Migration, ...] = ()
    migrations: tuple[Migration, ...] = ()
    declared: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    functions: tuple[Function, ...] = ()
    matrix: tuple[Access, ...] = ()
    rights: tuple[Access, ...] = ()
    probes: Probes = Probes()
    findings: tuple[Finding, ...] = ()
    unjudged: dict[str, str] = field(default_factory=dict)
    waived: tuple[Waived, ...] = ()
    error: str = ""
    hint: str = ""
    inferred: Inference | None = None
    notes: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()

    @property
    def identities(self) -> list[str]:
        """The identities of the matrix in the order in which they were tried."""
        return list(dict.fromkeys(line.identity for line in self.matrix))

    @property
    def doors(self) -> list[Door]:
        """Relations, then functions, each with its verdict."""
        kinds = {relation.full_name: relation.kind for relation in self.relations}
        kinds |= {line.relation: "table" for line in self.matrix if line.relation not in kinds}  # of the platform
        kinds |= {function.signature: "function" for function in self.functions}
        return [Door(name, kind, *self._verdict(name)) for name, kind in kinds.items()]

    def _verdict(self, name: str) -> tuple[str, str]:
        if any(finding.object == name for finding in self.findings):
            return "findings", ""
        if name in self.unjudged:
            return "vacuous" if name in self.probes.vacuous else "not judged", self.unjudged[name]
        left = [way.name for way in self.ways if way.object == name and way.name in self.unjudged]
        if left:
            return "not judged", f"{'; '.join(left)}: {self.unjudged[left[0]]}"
        if any(waived.object == name for waived in self.waived):
            return "waived", ""
        if name in self.probes.skipped:
            return "skipped", "The API does not reach it."
        if not self.probes.run:
            return "not judged", "Nothing was tried."
        return "isolated", ""


@dataclass
class Outcome:
    """What the checks came to: every check adds its findings, and what it could not judge (object → reason).

    ``inferred`` is the tenancy that was gone by where none is declared.
    """

    relations: tuple[Relation, ...] = ()
    functions: tuple[Function, ...] = ()
    matrix: Matrix = _UNSEEN
    inferred: Inference | None = None
    findings: list[Finding] = field(default_factory=list)
    unjudged: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def check(
    databases: Databases,
    template: Template,
    settings: Config,
    *,
    keep: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Carry out all checks on clones of ``template``; ``progress`` is told in words of each step before it is taken.

    ``keep`` leaves the database with the rows that were tried to the end of the run.
    """
    progress("Reading the catalog")
    with databases.copy(template) as clone, ThreadPoolExecutor(max_workers=1) as aside:
        session = clone.connect_as_owner()
        outcome, intended = _read(session, settings)
        state = None
        if settings.snapshot.exists():  # read while the probes wait for the server
            state = aside.submit(snapshot.read, databases, clone, template, migrations.scripts(settings.before))
        outcome.inferred, outcome.unjudged = intended.inferred, dict(intended.unjudged)
        outcome.notes = intended.notes
        outcome.findings += relations.check(settings.relations, outcome.relations)
        observed = None
        if intended.tenancy is not None:
            with _costing(intent.OBJECT, outcome.unjudged):
                observed = outcome.matrix = _isolation(
                    databases, template, intended.tenancy, outcome, settings, progress, keep=keep
                )
                outcome.findings += [_with_script(finding, observed) for finding in observed.findings]
                outcome.unjudged = observed.unjudged | outcome.unjudged
        progress("Applying the rules that the catalog tells of")
        with _costing("rules", outcome.unjudged):
            outcome.findings += _rules(session, outcome)
        if state is not None:
            progress("Comparing with the snapshot")
            with _costing("snapshot", outcome.unjudged):
                found = snapshot.with_access(state.result(), observed)
                outcome.findings += snapshot.check(settings.snapshot, settings.fail_on, found)
    return outcome


@contextmanager
def _costing(part: str, unjudged: dict[str, str]) -> Iterator[None]:
    """A block of a part of the check, which is not judged where it fails for a reason that no person can mend."""
    try:
        yield
    except NoTenants as error:
        unjudged[part] = f"{error.message} {error.hint or ''}".strip()
    except PgassayError:
        raise
    except psycopg.Error as error:
        unjudged[part] = without_passwords(f"PostgreSQL said: {str(error).strip()}")
    except Exception as error:
        unjudged[part] = internal_error(error)


def _with_script(finding: Finding, observed: Matrix) -> Finding:
    tried = finding in observed.demonstrations and finding.statement
    return replace(finding, script=observed.script(finding)) if tried else finding


def observe(
    databases: Databases, template: Template, settings: Config, *, progress: Callable[[str], None] = lambda _: None
) -> Matrix | None:
    """Who reaches whose rows, where a tenancy is declared."""
    if settings.tenancy is None:
        return None
    with databases.copy(template) as clone:
        outcome, _ = _read(clone.connect_as_owner(), settings)
    return _isolation(databases, template, settings.tenancy, outcome, settings, progress)


def infer(databases: Databases, template: Template, tenant: str | None, member: str | None) -> Inference:
    """The tenancy as ``template`` tells it; ``tenant`` and ``member`` are what a person has said of it, as declared."""
    with databases.copy(template) as clone:
        session = clone.connect_as_owner()
        return intent.infer(session, catalog.read(session), tenant, member)


def propose(databases: Databases, template: Template, tenancy: Tenancy) -> tuple[Proposal | None, str]:
    """The roles within a tenant as they are seen to be, None where there are none; and why they could not be seen."""
    with databases.copy(template) as clone:
        known = catalog.read(clone.connect_as_owner())
    unjudged: dict[str, str] = {}
    try:
        with _costing("roles", unjudged):
            return isolation.propose(databases, template, known, tenancy), ""
    except PgassayError as error:
        return None, error.message
    return None, unjudged["roles"]


def states(databases: Databases, template: Template, tenancy: Tenancy) -> tuple[list[Proposed], str]:
    """States of rows that the schema asks for, and why they could not be read.

    None of who is a member: leaving a tenant is tried anyway.
    """
    found: list[Proposed] = []
    unread: dict[str, str] = {}
    with databases.copy(template) as clone, _costing("states", unread):
        owner = clone.connect_as_owner()
        owner.execute("set search_path = pg_catalog")
        found = proposed(lambda query, values: owner.execute(query, values).fetchall(), catalog.read(owner))
    members = tenancy.member.table if isinstance(tenancy.member, Membership) else ""
    return [state for state in found if state.table != members], unread.get("states", "")


def _read(session: Session, settings: Config) -> tuple[Outcome, Intent]:
    outcome = Outcome(catalog.read(session), catalog.read_functions(session, isolation.callers(session)))
    intended = intent.of(settings.tenancy, session, outcome.relations, outcome.functions)
    if intended.tenancy is not None:
        intended = replace(intended, tenancy=replace(intended.tenancy, within=settings.within))
    return outcome, intended


def _rules(session: Session, outcome: Outcome) -> list[Finding]:
    established = {line.relation for line in outcome.matrix.lines} - {finding.object for finding in outcome.findings}
    return rules.check(session, frozenset(established))


def _isolation(
    databases: Databases,
    template: Template,
    tenancy: Tenancy,
    found: Outcome,
    settings: Config,
    progress: Callable[[str], None],
    *,
    keep: bool = False,
) -> Matrix:
    _refuse_unknown_relations(tenancy, found.relations)
    return isolation.observe(
        databases,
        template,
        found.relations,
        found.functions,
        tenancy,
        arrangement=migrations.scripts(settings.rows),
        keep=keep,
        progress=progress,
    )


def _refuse_unknown_relations(tenancy: Tenancy, found: tuple[Relation, ...]) -> None:
    names = {relation.full_name for relation in found}
    member = [tenancy.member.table] if isinstance(tenancy.member, Membership) else []
    for name in (tenancy.tenant, *member, *sorted(tenancy.public)):
        if name not in names and name not in (rows.USERS, NO_TABLE):
            raise ConfigError(f"[tool.pgassay.tenancy] names {name}, which the migrations do not make.")
    known = {relation.full_name: relation for relation in found}
    for table, column in tenancy.secret:
        if table not in known or known[table].kind != "table":
            raise ConfigError(f"[tool.pgassay.tenancy]: secret names {table}, which is no table of the migrations.")
        if known[table].column(column) is None:
            raise ConfigError(f"[tool.pgassay.tenancy]: secret names the column {column}, which {table} does not have.")


@dataclass
class Record:
    """A run while it goes on: whatever stops it, what is known by then makes a `Run`."""

    settings: Config | None = None
    server: Server | None = None
    before: tuple[Script, ...] = ()
    folder: Folder | None = None
    seeds: tuple[Script, ...] = ()
    applied: list[Applied] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.perf_counter)

    def finished(self, outcome: Outcome) -> Run:
        """The run that ended with ``outcome``."""
        assert self.settings is not None
        opened = outcome.matrix.ways
        verdict = self._placed(waivers.apply(self.settings.waivers, outcome.findings, outcome.unjudged, opened))
        severities = {finding.severity for finding in verdict.findings}
        is_open = bool(verdict.unjudged) or QUESTION in severities
        seen = outcome.matrix
        return replace(
            self._run(FOUND if ERROR in severities else NOT_JUDGED if is_open else 0),
            declared=self.settings.relations,
            relations=outcome.relations,
            functions=outcome.functions,
            matrix=seen.lines,
            rights=seen.rights,
            probes=Probes(
                seen.probes, tuple(sorted(seen.vacuous)), tuple(sorted(seen.skipped)), tuple(outcome.unjudged)
            ),
            findings=verdict.findings,
            unjudged=verdict.unjudged,
            waived=verdict.waived,
            ways=verdict.ways,
            inferred=outcome.inferred,
            notes=(*outcome.notes, *_left_out(self.applied), *_refused(self.applied), *seen.notes),
        )

    def stopped(self, error: Exception) -> Run:
        """The run that ``error`` ended."""
        refused = sentence(error) if isinstance(error, MigrationError) else ""
        run = self._run(NOT_JUDGED, refused)
        return replace(run, error=sentence(error), hint=getattr(error, "hint", None) or "")

    def _run(self, exit_code: int, refused: str = "") -> Run:
        scripts = self._scripts()
        by_name = {applied.script: applied for applied in self.applied}
        # Applying ends with the first file that fails: it comes after those that went in.
        files = [_migration(script, by_name.get(script)) for script in scripts]
        missing = [n for n, script in enumerate(scripts) if script not in by_name]
        if missing and refused:
            files[missing[0]] = replace(files[missing[0]], status="failed", error=refused)
        passed_over = []
        if self.folder is not None:
            folder = self.folder.path
            passed_over = [
                Migration(name, _shown(folder / name), "skipped", error=why)
                for name, why in self.folder.skipped.items()
            ]
        count = len(self.before)
        server = self.server
        return Run(
            version=__version__,
            started=self.started.isoformat(timespec="seconds"),
            seconds=time.perf_counter() - self._clock,
            exit_code=exit_code,
            folder=_shown(self.folder.path) if self.folder else "",
            server=None if server is None else ServerFacts(server.backend, server.release, server.why),
            before=tuple(files[:count]),
            migrations=(*files[count:], *passed_over),
        )

    def _scripts(self) -> tuple[Script, ...]:
        return (*self.before, *(self.folder.migrations if self.folder else ()), *self.seeds)

    def _placed(self, verdict: Verdict) -> Verdict:
        """The same with the places of what was found, where the migrations tell."""
        made = places.where_made(self._scripts())

        def shown(place: places.Place | None) -> str:
            return "" if place is None else f"{_shown(place.script.path)}:{place.line}"

        def placed(finding: Finding) -> Finding:
            location = finding.location or shown(places.place_of(finding.object, made))
            culprit = shown(made.get(places.as_culprit(finding.culprit)))
            return replace(finding, location=location, culprit_location=culprit)

        waived: Iterable[Waived] = (
            entry if entry.finding is None else replace(entry, finding=placed(entry.finding))
            for entry in verdict.waived
        )
        return replace(verdict, findings=tuple(map(placed, verdict.findings)), waived=tuple(waived))


def sentence(error: Exception) -> str:
    """What ended a run, for a person."""
    if isinstance(error, PgassayError):
        return error.message
    if not isinstance(error, psycopg.Error):
        return internal_error(error)
    return without_passwords(f"the check could not go on, since PostgreSQL said: {str(error).strip()}")


def _refused(applied: Iterable[Applied]) -> list[str]:
    """What the platform would not have taken, in one note."""
    found = [f"{what} ({script.script.name}:{line})" for script in applied for line, what in script.refused]
    if not found:
        return []
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return [
        f"{PLATFORM_REFUSES}: a hosted Supabase project of today refuses these, which older ones may have: "
        f"{', '.join(found[:_NAMED])}{more}"
    ]


def _left_out(applied: Iterable[Applied]) -> list[str]:
    found = dict.fromkeys(f"{what} ({script.script.name})" for script in applied for what in script.without)
    return [f"left out, since nothing here stands in for it: {what}" for what in found]


def _migration(script: Script, applied: Applied | None) -> Migration:
    file, version = _shown(script.path), script.version or ""
    if applied is None:
        return Migration(script.name, file, "skipped", version, error="The run ended before it.")
    status = "autocommit" if applied.autocommit else "applied"
    return Migration(script.name, file, status, version, applied.seconds, "", applied.stand_ins, applied.left_out)


def _shown(path: Path) -> str:
    """``path`` from here, with slashes; as it is where it lies elsewhere."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
