"""The pytest plugin: fixtures that give every test a real database with the migrations applied."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pgassay import config as configuration
from pgassay import environment, fixtures, migrations, mutants, pgtap
from pgassay.config import Config
from pgassay.errors import PgassayError
from pgassay.fixtures import ApiDatabase, Example, Interleave, OwnDatabase, stage
from pgassay.identity import Clone, Databases, EndedTransaction, Session
from pgassay.pgtap import source, telling
from pgassay.pgtap.items import TapFile
from pgassay.pgtap.suite import ENDINGS, Suite
from pgassay.servers import Server, running
from pgassay.templates import Template

_OPTIONS = {"pg": "pg", "pg_version": "pg_version", "pg_image": "pg_image", "timeout": "pg_timeout"}
"""What `config.load` takes, and the option of pytest that says it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command ``pgassay``, for pytest."""
    group = parser.getgroup("pgassay", "a PostgreSQL with the project's migrations")
    group.addoption("--pg", metavar="BACKEND", help="auto, container, embedded, system, or the URL of a server")
    group.addoption("--pg-version", metavar="MAJOR", help="major version of PostgreSQL that is wanted, as 17")
    group.addoption("--pg-image", metavar="IMAGE", help="image for the backend container, as postgres:17")
    group.addoption(
        "--pg-timeout", metavar="SECONDS", help="how long a statement of the migrations may take, 60 if unsaid"
    )
    group.addoption(
        "--pg-keep",
        action="store_true",
        help="keep the clones of failed tests, print their URLs, and hold the server until Ctrl-C",
    )
    group.addoption("--pg-faults", action="store_true", help="print which planted fault was noticed by which test")


class SharedServer:
    """The one server of a test run: started when the first test needs it, stopped when the run is over.

    Under pytest-xdist it belongs to the controlling process, which workers ask through a connection on the loopback
    interface. Whoever else is on this machine can connect there too, so each side has to know a key.
    """

    def __init__(self, read_config: Callable[[], Config]) -> None:
        self._read_config = read_config
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._listener: Listener | None = None
        self._failure: PgassayError | None = None
        self.server: Server | None = None

    def get(self) -> Server:
        """The running server. Raises `PgassayError` when it cannot be had, the same one every time."""
        with self._lock:
            if self.server is None and self._failure is None:
                try:
                    config = self._read_config()
                    self.server = environment.prepare(
                        self._stack.enter_context(running(config)), config.platform, settings=config.api
                    )
                except PgassayError as error:
                    self._failure = error
            if self._failure is not None:
                raise self._failure
            assert self.server is not None
            return self.server

    def offer(self) -> dict[str, Any]:
        """Where workers can ask for the server, and with which key; plain data."""
        if self._listener is None:
            self._key = secrets.token_bytes(16)
            self._listener = Listener(("127.0.0.1", 0))
            threading.Thread(target=self._listen, args=[self._listener], name="pgassay-server", daemon=True).start()
        return {"address": self._listener.address, "key": self._key.hex()}

    def close(self) -> None:
        """Stop the server."""
        if self._listener is not None:
            self._listener.close()
        self._stack.close()

    def _listen(self, listener: Listener) -> None:
        while True:
            try:
                connection = listener.accept()
            except OSError:
                return  # closed
            # each in a thread of its own: one that says nothing keeps nobody waiting
            threading.Thread(target=self._answer, args=[connection], name="pgassay-answer", daemon=True).start()

    def _answer(self, connection: Connection) -> None:
        with connection, contextlib.suppress(OSError, EOFError, AuthenticationError):
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
            try:
                connection.send({"server": self.get()})
            except PgassayError as error:
                connection.send({"message": error.message, "hint": error.hint})


def _ask_for_server(offer: dict[str, Any]) -> Server:
    with Client(tuple(offer["address"]), authkey=bytes.fromhex(offer["key"])) as connection:
        answer = connection.recv()
    if "server" in answer:
        server: Server = answer["server"]
        return server
    raise PgassayError(answer["message"], hint=answer["hint"])


_SHARED = pytest.StashKey[SharedServer]()
_FAILED = pytest.StashKey[bool]()
_TAP_FILES = pytest.StashKey[list[Path]]()
_TAP_SUITE = pytest.StashKey[Suite]()


def _config(config: pytest.Config) -> Config:
    options = {name: config.getoption(option) for name, option in _OPTIONS.items()}
    return configuration.load(None, cwd=config.rootpath, **options)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare a server, without starting it: many runs need none."""
    config.stash[_SHARED] = SharedServer(lambda: _config(config))
    config.add_cleanup(config.stash[_SHARED].close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where to ask for the server."""
    node.workerinput["pgassay"] = node.config.stash[_SHARED].offer()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which tests failed, for ``--pg-keep``."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which server it was, and hold it if databases of failed tests are kept."""
    server = config.stash[_SHARED].server
    if server is not None:
        terminalreporter.write_line(f"pgassay: {server}")
    said = [
        (name, value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
    ]
    faults = sorted({tuple(value) for name, value in said if name == "pgassay_fault"})
    if faults and config.getoption("--pg-faults"):
        from pgassay.report import terminal  # here, since it brings all checks with it, which no test needs

        terminalreporter.section("planted faults")
        terminal.console().print(terminal.faults(faults))
    kept = {str(value) for name, value in said if name == "pgassay_kept"}
    if kept and not hasattr(config, "workerinput"):
        terminalreporter.section("databases of failed tests")
        for url in sorted(kept):
            terminalreporter.write_line(f"psql '{url}'")
        terminalreporter.write_line("The server runs until Ctrl-C.")
        terminalreporter.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def _fail(error: PgassayError) -> NoReturn:
    raise pytest.fail.Exception(str(error), pytrace=False) from None


def _server(config: pytest.Config) -> Server:
    offer = getattr(config, "workerinput", {}).get("pgassay")
    return config.stash[_SHARED].get() if offer is None else _ask_for_server(offer)


def _template(pytest_config: pytest.Config, server: Server, *, seeded: bool = False) -> Template:
    """The template; with ``seeded``, rows are in it that config.toml alone names.

    They are for developers to look at: no business of tests in Python, and what tests in SQL are written for.
    """
    config = _config(pytest_config)
    folder = migrations.of(config)
    seeds = () if config.seed_is_the_projects and not seeded else migrations.scripts(config.seed)
    # The sessions of tests have all the time that they take: those who wait for a lock, or for a timeout, mean it.
    with Databases(replace(server, timeout=config.timeout), Session) as patient:
        return patient.template(migrations.scripts(config.before), (*folder.migrations, *seeds))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the project's tests in SQL, where pytest is to look for tests."""
    if file_path.suffix not in ENDINGS or not _is_tap_file(parent.config, file_path):
        return None
    return TapFile.from_parent(parent, path=file_path, suite=partial(_tap_suite, parent.config))


def _is_tap_file(config: pytest.Config, path: Path) -> bool:
    """Whether it is one; where the configuration does not tell, for an error, one in the usual place fails with it."""
    try:
        return path.resolve() in _tap_files(config)
    except PgassayError:
        return pgtap.is_in_the_usual_place(path)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so where there are tests in SQL that this run passes over, since nobody told pytest to look there."""
    try:
        files = _tap_files(config)
    except PgassayError as error:
        return f"pgassay: {error}"
    if config.args_source != pytest.Config.ArgsSource.TESTPATHS:
        return None
    folders = [Path(config.rootpath, argument.split("::")[0]).resolve() for argument in config.args]
    missed = [file for file in files if not any(file.is_relative_to(folder) for folder in folders)]
    if not missed:
        return None
    place = telling.shown(missed[0].parent, config.rootpath)
    return f"pgassay: testpaths leaves out tests for pgTAP in {place}: {len(missed)} file{'s' * (len(missed) > 1)}"


def _tap_files(config: pytest.Config) -> list[Path]:
    if _TAP_FILES not in config.stash:
        config.stash[_TAP_FILES] = [path.resolve() for path in pgtap.files(_config(config))]
    return config.stash[_TAP_FILES]


def _tap_suite(config: pytest.Config) -> Suite:
    """What runs them in this process, made when the first is run. Raises `PgassayError`."""
    if _TAP_SUITE not in config.stash:
        server = _server(config)
        settings = _config(config)
        server = replace(server, timeout=settings.timeout)
        template = _template(config, server, seeded=True)
        stack = ExitStack()
        databases = stack.enter_context(Databases(server, Session))
        chosen = source.choose(server, settings.pgtap_sql)
        config.stash[_TAP_SUITE] = stack.enter_context(Suite(databases, template, _tap_files(config), chosen))
        config.add_cleanup(stack.close)
    return config.stash[_TAP_SUITE]


@pytest.fixture(scope="session")
def pg_server(pytestconfig: pytest.Config) -> Server:
    """The running PostgreSQL, with the roles of Supabase: one for the whole run, all workers included."""
    try:
        return _server(pytestconfig)
    except PgassayError as error:
        _fail(error)


@pytest.fixture(scope="session")
def pg_databases(pg_server: Server) -> Iterator[Databases]:
    """Templates and clones on that server; for tests that build a template of their own."""
    with Databases(pg_server, Session) as databases:
        yield databases


@pytest.fixture(scope="session")
def pg_template(pytestconfig: pytest.Config, pg_server: Server) -> Template:
    """The database with environment and migrations applied. Not to be connected to: it is what clones are made of."""
    try:
        return _template(pytestconfig, pg_server)
    except PgassayError as error:
        _fail(error)


@pytest.fixture(scope="session")
def example(pg_databases: Databases, pg_template: Template) -> Iterator[Example]:
    """``with example() as db:`` gives the database of `db` and undoes what the block does; for examples of Hypothesis.

    A savepoint within a test that has `db`, a transaction in one that has not. Hypothesis has nothing against it in a
    test with ``@given``, since it is no fixture of the function.
    """
    with OwnDatabase(pg_databases, pg_template) as own:
        yield own.example


@pytest.fixture
def db(example: Example) -> Iterator[Session]:
    """A session of the owner in a transaction that is rolled back after the test. See `Session` for identities."""
    try:
        with example() as session:
            yield session
    except EndedTransaction as error:
        _fail(error)


@pytest.fixture(scope="session")
def interleave(pg_databases: Databases, pg_template: Template) -> Interleave:
    """``with interleave() as stage:`` gives a database of its own in which several sessions play. See `Stage`.

    Hypothesis has nothing against it in a test with ``@given``, since it is no fixture of the function.
    """
    return partial(stage, pg_databases, pg_template)


@pytest.fixture(scope="session")
def api_database(pg_databases: Databases, pg_template: Template) -> Callable[[], AbstractContextManager[ApiDatabase]]:
    """``with api_database() as database:`` gives a database to an application: ``database.url`` is authenticator's.

    For a test, a module or a run, as long as the block lasts. ``database.clone.connect()`` is the owner's session.
    """
    return partial(fixtures.api_database, pg_databases, pg_template)


@pytest.fixture
def clone(request: pytest.FixtureRequest, pg_databases: Databases, pg_template: Template) -> Iterator[Clone]:
    """A database of the test's own: ``clone.connect()`` as often as wanted, commits allowed. Dropped afterwards."""
    own = pg_databases.clone(pg_template)
    yield own
    own.close()
    if request.config.getoption("--pg-keep") and request.node.stash.get(_FAILED, False):
        request.node.user_properties.append(("pgassay_kept", own.url))
    else:
        pg_databases.drop_later(own)


@pytest.fixture
def plant(
    request: pytest.FixtureRequest, pg_databases: Databases, pg_template: Template
) -> Callable[[mutants.Fault], None]:
    """``plant(fault)`` puts a fault into a copy of the schema and fails unless its test notices. See `Fault`."""

    def plant(fault: mutants.Fault) -> None:
        try:
            with mutants.make(pg_databases, pg_template, fault) as mutant:
                noticed = mutants.is_noticed(fault.noticed_by, pg_databases, mutant)
        except PgassayError as error:
            _fail(error)
        if not noticed:
            pytest.fail(f"Planted: {fault}. It was not noticed by {fault.test_name}.", pytrace=False)
        request.node.user_properties.append(("pgassay_fault", (fault.name, fault.test_name, fault.remark)))

    return plant
