"""Configuration: the command line, then ``PGASSAY_…`` variables, then ``[tool.pgassay]`` in a file of the project.

The first of the three that names a value wins. The file is a pyproject.toml, or a pgassay.toml.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pgassay import config_toml
from pgassay.entries import column as _column
from pgassay.entries import refuse_unknown as _refuse_unknown
from pgassay.entries import relation as _relation
from pgassay.entries import text as _text
from pgassay.entries import texts as _texts
from pgassay.entries import unquoted as _unquoted
from pgassay.errors import ConfigError
from pgassay.platforms import DEFAULT, Platform
from pgassay.within import Within, read_within

BACKENDS = ("auto", "container", "embedded", "system")
OLDEST_MAJOR = 15
NO_TABLE = "none"
"""The table of tenants where no table lists them: a tenant is a value then."""

_KEYS = (
    "migrations", "before", "seed", "pg", "pg_version", "pg_image", "relations", "tenancy", "waive", "snapshot",
    "fail_on", "timeout", "rows", "roles", "states", "format", "migrate", "migrate_inputs", "pgtap", "pgtap_sql",
)  # fmt: skip
_TENANCY_KEYS = ("tenant", "member", "column", "public", "shared", "published", "tables", "trusted", "secret")
_PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+)*(\[[1-9]\d*\])?")
_LINK = re.compile(r"(?P<table>[^()]+)\((?P<row>[^(),]+)\)")
_PUBLISHED = re.compile(r"(?P<table>[^.=]+\.[^.=]+)\.((?P<key>[^.=]+)\.)?(?P<column>[^.=]+)(=(?P<value>.+))?")
_MEMBER = re.compile(r"(?P<table>[^()]+)\((?P<tenant>[^(),]+),(?P<user>[^(),]+)\)")
GRADES = ("adds", "changes", "breaks", "loosens")
FILES = ("pgassay.toml", "pyproject.toml")
"""The files of a project that ``[tool.pgassay]`` may stand in."""
_SNAPSHOT = "pgassay.snapshot"
_FOLDERS = ("migrations", "supabase/migrations", "sql/migrations", "db/migrations", "prisma/migrations", "drizzle")
_SQL_FILE = "*.sql"
_MIGRATION = "[0-9]*_*.sql"
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Membership:
    """A table by which users belong to tenants: its name, and its columns for the tenant and the user."""

    table: str
    tenant: str
    user: str


@dataclass(frozen=True)
class Claim:
    """A claim of the JWT that names the user's tenant: the keys that lead to it, as ``("app_metadata", "org_id")``."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Share:
    """A table by which an owner opens a row to a user: its name, and its columns for the row and the user.

    Without a column for the user, the row is open to everybody who has the link.
    """

    table: str
    row: str
    user: str = ""

    @property
    def written(self) -> str:
        """As the configuration has it."""
        return f"{self.table}({self.row}, {self.user})" if self.user else f"{self.table}({self.row})"


NULL = "null"
"""In ``published``, the value of a column that has none."""


@dataclass(frozen=True)
class Published:
    """A column that says of a row that everybody may read it: where it has that ``value``, else where it opens it.

    The value ``null`` is NULL. With ``key``, the column is one of the row to which that one refers by this column of
    its own.
    """

    table: str
    column: str
    value: str = ""
    key: str = ""

    @property
    def is_null(self) -> bool:
        """Whether it says so by NULL."""
        return self.value == NULL

    @property
    def written(self) -> str:
        """As the configuration has it."""
        names = ".".join(filter(None, (self.table, self.key, self.column)))
        return names + (f" = {self.value}" if self.value else "")


@dataclass(frozen=True)
class Tenancy:
    """The declared rule for who owns which rows (`harness.md`, "Isolation check").

    ``tenant`` is the table of tenants, ``auth.users`` where each user is one, `NO_TABLE` where a tenant is no more
    than a value of ``column`` that members have in a claim or in a table; ``member`` says who belongs to which
    tenant, None where users are tenants themselves. ``column`` is the column that names the tenant in a relation
    that has it, empty where there is none that many have; other relations belong to the tenant that their foreign
    keys lead to. Everybody may read the relations in ``public``. Relations are written ``schema.name``.

    ``tables`` are rules for single relations: another column, a path of foreign keys that ends in one
    (``task_id.project_id.org_id``), or an element of an array (``path_tokens[1]``). ``shared`` are the tables by
    which an owner opens a row to others, ``published`` the columns by which a row is open to everybody,
    ``following`` those of other rows to which it refers. ``within`` says who may what within a tenant. ``trusted``
    are roles of the API that may all, as a back end's own. The columns in ``secret``, each as its table and its name,
    are for none but these and ``service_role``.
    """

    tenant: str
    member: Membership | Claim | None
    column: str
    public: frozenset[str] = frozenset()
    shared: tuple[Share, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    following: tuple[Published, ...] = ()
    within: Within = field(default_factory=Within)
    trusted: frozenset[str] = frozenset()
    secret: tuple[tuple[str, str], ...] = ()

    def column_of(self, relation: str) -> str:
        """The column that names the tenant in that relation, if it has it; empty where the rule is no mere column."""
        rule = self.tables.get(relation, self.column)
        return "" if "." in rule or "[" in rule else rule


@dataclass(frozen=True)
class Waiver:
    """Findings at ``object``, or its not being judged, are accepted for ``reason``; only those of ``rule`` if given.

    With ``way``, that is what is accepted alone: that nobody takes the way which this branch of a policy opens.
    """

    object: str
    reason: str
    rule: str | None = None
    way: str | None = None


@dataclass(frozen=True)
class Config:
    """All that a run is told, checked.

    ``pg`` is one of `BACKENDS` or the URL of a server. ``pg_version`` is a major version that must be had;
    ``project_version`` one that the project's ``config.toml`` names: taken where it can be had. ``api`` is what that
    says of the API, as settings of PostgREST's.
    ``migrations`` is None when no folder was named and none lies where one is usually found. ``before`` and ``seed``
    are files and folders of SQL that go in before the first migration and after the last; ``rows`` those that bring the
    rows which are made to try the doors with into states that some functions ask for. ``snapshot`` is the file of
    the accepted state, which need not be there; ``fail_on`` the grade, one of `GRADES`, from which on a difference from
    it is an error. ``within`` says who may what within a tenant; a declared ``tenancy`` has it too. ``timeout`` is how
    many seconds a statement of the project's own may take. ``pgtap`` are patterns of files with tests in SQL below
    ``root``, None where none are named; ``pgtap_sql`` is a script that makes pgTAP.

    ``root`` is the folder of the project: that of ``file``, which ``[tool.pgassay]`` was looked for in, else the one
    that the migrations belong to. ``configured`` is the folder of migrations that the file names, and ``passed_over``
    one of the current folder that was not taken, because the file names another. ``migrations`` may be one file of SQL.

    ``format`` is the name of the migrations' format, None where their looks decide. ``migrate`` is a command that
    applies them in place of pgassay, and ``migrate_inputs`` are patterns of the files that it goes by, below ``root``.
    """

    root: Path
    migrations: Path | None = None
    before: tuple[Path, ...] = ()
    seed: tuple[Path, ...] = ()
    seed_is_the_projects: bool = False
    rows: tuple[Path, ...] = ()
    pg: str = "auto"
    pg_version: int | None = None
    project_version: int | None = None
    api: Mapping[str, str] = field(default_factory=dict)
    pg_image: str | None = None
    relations: tuple[str, ...] = ()
    tenancy: Tenancy | None = None
    within: Within = field(default_factory=Within)
    waivers: tuple[Waiver, ...] = ()
    snapshot: Path = Path(_SNAPSHOT)
    fail_on: str = "adds"
    timeout: float = _TIMEOUT_SECONDS
    platform: Platform = DEFAULT
    pgtap: tuple[str, ...] | None = None
    pgtap_sql: Path | None = None
    file: Path | None = None
    configured: Path | None = None
    passed_over: Path | None = None
    format: str | None = None
    migrate: str | None = None
    migrate_inputs: tuple[str, ...] = ()

    @property
    def url(self) -> str | None:
        """The URL of the server that is to be used, if one is given."""
        return None if self.pg in BACKENDS else self.pg


def load(
    directory: str | os.PathLike[str] | None = None,
    *,
    pg: str | None = None,
    pg_version: str | int | None = None,
    pg_image: str | None = None,
    seed: Sequence[str | os.PathLike[str]] = (),
    timeout: str | float | None = None,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> Config:
    """Read the configuration of a run.

    ``directory`` is DIR of the command line; ``pg``, ``pg_version``, ``pg_image``, ``seed`` and ``timeout`` are its
    options. The file is the nearest pyproject.toml or pgassay.toml at or above ``directory``, without which it is
    looked for from the current folder on. Where there is none, nothing of another project is taken.

    Raises `ConfigError` for a folder that is not there, an unknown key, or a value of the wrong kind.
    """
    here = cwd or Path.cwd()
    named = None if directory is None else here / directory
    if named is not None and not _may_be_migrations(named):
        what = "is a file" if named.exists() else "does not exist"
        raise ConfigError(
            f"{_shown(named, here)} {what}: a folder of migrations is wanted.",
            hint="Name a folder of SQL migrations, or one that has migrations/, supabase/migrations/ or "
            "sql/migrations/ in it; or one file that makes the whole schema, as schema.sql.",
        )

    file, table = _nearest_file(named or here)
    where = f"[tool.pgassay] in {_shown(file, here)}" if file else ""
    _refuse_unknown(table, _KEYS, where)

    configured = _configured(_text(table, "migrations", where), file, where, needed=named is None)
    migrations = migrations_in(named) if named is not None else configured or _found(here)
    root = file.parent if file is not None else project_of(migrations or here)
    migrate = _migrate(table, where, taken=named is None or named.resolve() == root.resolve())

    before, seeds, rows = (
        tuple(root / entry for entry in _texts(table, key, where)) for key in ("before", "seed", "rows")
    )
    seeds = tuple(here / entry for entry in seed) or seeds
    for key, paths in {"before": before, "seed": seeds, "rows": rows}.items():
        for path in paths:
            if not path.exists():
                given = "--seed" if key == "seed" and seed else f"{where}: {key}"
                raise ConfigError(f"{given} names {_shown(path, here)}, which does not exist.")

    chosen_pg = pg or environ.get("PGASSAY_PG") or _text(table, "pg", where) or "auto"
    if chosen_pg not in BACKENDS and not chosen_pg.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            _no_backend(chosen_pg),
            hint=f"Backends are {', '.join(BACKENDS)}, or a URL such as postgresql://user@host:5432/postgres.",
        )
    image = pg_image or environ.get("PGASSAY_PG_IMAGE") or _text(table, "pg_image", where)
    if image and chosen_pg not in ("auto", "container"):
        raise ConfigError(
            f"An image ({image}) goes with the backend container, but the backend asked for is {chosen_pg}."
        )
    version = pg_version or environ.get("PGASSAY_PG_VERSION") or table.get("pg_version")
    project = config_toml.read(migrations, OLDEST_MAJOR)
    within = read_within(table, where)
    tenancy = replace(_tenancy(table["tenancy"], where), within=within) if "tenancy" in table else None
    return Config(
        root=root,
        migrations=migrations,
        before=before,
        seed=seeds or project.seed,
        seed_is_the_projects=not seeds and bool(project.seed),
        rows=rows,
        pg=chosen_pg,
        pg_version=None if version is None else _major(version),
        project_version=project.major,
        api=project.api,
        pg_image=image,
        relations=tuple(_relation(name, where) for name in _texts(table, "relations", where)),
        tenancy=tenancy,
        within=within,
        waivers=_waivers(table.get("waive", []), where),
        snapshot=_snapshot(root, _text(table, "snapshot", where), migrations, configured),
        fail_on=_grade(table, where),
        timeout=_seconds(timeout or environ.get("PGASSAY_TIMEOUT") or table.get("timeout", _TIMEOUT_SECONDS)),
        pgtap=tuple(_texts(table, "pgtap", where)) if "pgtap" in table else None,
        pgtap_sql=None if (script := _text(table, "pgtap_sql", where)) is None else root / script,
        file=file,
        configured=configured,
        format=_text(table, "format", where),
        migrate=migrate,
        migrate_inputs=tuple(_texts(table, "migrate_inputs", where)),
        passed_over=_passed_over(here, root, migrations, (*before, *seeds, *rows)) if named is None else None,
    )


def _may_be_migrations(path: Path) -> bool:
    """Whether it is a folder, or a file of SQL."""
    return path.is_dir() or (path.is_file() and path.suffix == ".sql")


def _migrate(table: Mapping[str, Any], where: str, *, taken: bool) -> str | None:
    """The command that applies the migrations, if it is ``taken``: not where another folder of them was named."""
    command = _text(table, "migrate", where)
    if command is not None and "format" in table:
        raise ConfigError(f"{where} has both migrate and format: files that a command applies are not read.")
    if command is None and "migrate_inputs" in table:
        raise ConfigError(f"{where} has migrate_inputs without migrate.")
    return command if taken else None


def _no_backend(text: str) -> str:
    """What is said of it, without what may be a password."""
    scheme, is_url, _ = text.partition("://")
    if is_url:
        return f"A URL that begins with {scheme}:// is no backend."
    return f"{text!r} is no backend." if re.fullmatch(r"[\w.-]+", text) else "The backend that is named is none."


def _configured(folder: str | None, file: Path | None, where: str, *, needed: bool) -> Path | None:
    """The folder of migrations that the file names; one that is not there is an error where it is ``needed``."""
    if folder is None or file is None:
        return None
    named = file.parent / folder
    if _may_be_migrations(named):
        return migrations_in(named)
    if needed:
        what = "is a file" if named.exists() else "does not exist"
        raise ConfigError(f"{where} names the folder of migrations {folder!r}, which {what}.")
    return None


def _snapshot(root: Path, name: str | None, migrations: Path | None, configured: Path | None) -> Path:
    """The file of the accepted state: beside the project that it is of, which is not always the one that was read."""
    if configured is None or migrations is None or migrations.resolve() == configured.resolve():
        return root / (name or _SNAPSHOT)
    return project_of(migrations) / _SNAPSHOT


def _found(here: Path) -> Path | None:
    """The folder of migrations that the current folder is, or has in it."""
    found = migrations_in(here)
    return found if found != here or any(here.glob(_SQL_FILE)) else None


def _passed_over(here: Path, root: Path, taken: Path | None, others: Iterable[Path]) -> Path | None:
    """Migrations of the current folder that are not ``taken``, where another folder's file decides that."""
    found = migrations_in(here)
    if taken is None or here.resolve() == root.resolve() or not any(found.glob(_MIGRATION)):
        return None
    known = {path.resolve() for path in (taken, *others)}
    return None if known & {found.resolve(), *found.resolve().parents} else found


def project_of(migrations: Path) -> Path:
    """The folder of the project that a folder of migrations belongs to: the one in which it lies as is usual."""
    folder = migrations.resolve()
    folder = folder.parent if folder.is_file() else folder
    for room in sorted((Path(name) for name in _FOLDERS), key=lambda room: -len(room.parts)):
        if folder.parts[-len(room.parts) :] == room.parts:
            return folder.parents[len(room.parts) - 1]
    return folder


def migrations_in(directory: Path) -> Path:
    """The folder of migrations that ``directory`` stands for: itself, or the usual one in it."""
    for name in _FOLDERS:
        if (directory / name).is_dir():
            return directory / name
    return directory


def _nearest_file(start: Path) -> tuple[Path | None, dict[str, Any]]:
    """The file of the project that ``start`` lies in, and its table: empty where it says nothing of pgassay."""
    for directory in (start.resolve(), *start.resolve().parents):
        files = [directory / name for name in FILES if (directory / name).is_file()]
        tables = {file: _read_table(file) for file in files}
        told = [file for file in files if tables[file]]
        if len(told) > 1:
            raise ConfigError(
                f"Both files in {directory} have [tool.pgassay]: {' and '.join(FILES)}.",
                hint="Keep it in one of them.",
            )
        if files:
            file = (told or files)[0]
            return file, tables[file]
    return None, {}


def _read_table(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    outside = [] if file.name == "pyproject.toml" else [key for key in content if key != "tool"]
    if outside:
        raise ConfigError(f"{file}: {outside[0]} stands outside of [tool.pgassay].", hint="Begin with [tool.pgassay].")
    tools = content.get("tool", {})
    table = tools.get("pgassay", {}) if isinstance(tools, dict) else None
    if not isinstance(table, dict):
        raise ConfigError(f"tool.pgassay in {file} must be a table.")
    return table


def _grade(table: Mapping[str, Any], where: str) -> str:
    grade = _text(table, "fail_on", where) or GRADES[0]
    if grade not in GRADES:
        raise ConfigError(f"{where}: fail_on must be one of {', '.join(GRADES)}, not {grade!r}.")
    return grade


def _major(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d+", text):
        raise ConfigError(
            f"{text!r} is no major version of PostgreSQL.", hint=f"Name one such as {OLDEST_MAJOR}, 17 or 18."
        )
    if int(text) < OLDEST_MAJOR:
        raise ConfigError(f"PostgreSQL {text} is too old: pgassay works with {OLDEST_MAJOR} and later.")
    return int(text)


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = math.nan
    if isinstance(value, bool) or not 0 < seconds < math.inf:
        raise ConfigError(f"{value!r} is no timeout: a number of seconds above 0 is wanted.")
    return seconds


def _tenancy(table: object, where: str) -> Tenancy:
    inside = where.replace("tool.pgassay", "tool.pgassay.tenancy")
    table = _unquoted(table)
    if not isinstance(table, dict):
        raise ConfigError(f"{inside} must be a table.")
    _refuse_unknown(table, _TENANCY_KEYS, inside)
    values = {key: _text(table, key, inside) for key in ("tenant", "member", "column")}
    optional = () if values["tenant"] == NO_TABLE else ("column",)
    missing = [key for key, value in values.items() if value is None and key not in optional]
    if missing:
        raise ConfigError(f"{inside} lacks {' and '.join(missing)}.")
    tenant, member = (values["tenant"] or "").strip(), _member((values["member"] or "").strip(), inside)
    if tenant == NO_TABLE and member is None:
        raise ConfigError(
            f'{inside}: tenant is "{NO_TABLE}" and member is "self".',
            hint=f'Where each user is a tenant, write tenant = "{DEFAULT.users.table}".',
        )
    published = [_published(text, inside) for text in _texts(table, "published", inside)]
    return Tenancy(
        tenant=tenant if tenant == NO_TABLE else _relation(tenant, inside),
        member=member,
        column=values["column"] or "",
        public=frozenset(_relation(name, inside) for name in _texts(table, "public", inside)),
        shared=tuple(_share(text, inside) for text in _texts(table, "shared", inside)),
        tables=_rules(table.get("tables", {}), inside),
        published=tuple(each for each in published if not each.key),
        following=tuple(each for each in published if each.key),
        trusted=frozenset(_texts(table, "trusted", inside)),
        secret=tuple(_column(name, inside) for name in _texts(table, "secret", inside)),
    )


def _share(text: str, where: str) -> Share:
    link = _LINK.fullmatch(text.strip())
    if link is not None:
        return Share(_relation(link["table"], where), link["row"].strip())
    share = _MEMBER.fullmatch(text.strip())
    if share is None:
        raise ConfigError(
            f"{where}: shared names {text!r}.",
            hint="Write the table with its columns for the row that is shared and the user that it is opened to, as "
            '"public.shares(document_id, user_id)"; or with the first alone, where it is open to all who have the '
            'link: "public.links(document_id)".',
        )
    return Share(_relation(share["table"], where), share["tenant"].strip(), share["user"].strip())


def _published(text: str, where: str) -> Published:
    found = _PUBLISHED.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"{where}: published names {text!r}.",
            hint='Write the column that says so, as "public.posts.is_published", and the value that it has then where '
            'it is no flag: "public.posts.state = live"; for rows that refer to such a one, the column that does so: '
            '"public.comments.post_id.is_published".',
        )
    value, key = (found["value"] or "").strip(), (found["key"] or "").strip()
    return Published(_relation(found["table"], where), found["column"].strip(), value, key)


def _rules(table: object, where: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: tables must be a table of rules by relation, not {table!r}.")
    for name, rule in table.items():
        if not isinstance(rule, str) or not _PATH.fullmatch(rule):
            raise ConfigError(
                f"{where}: the rule of {name} in tables is {rule!r}.",
                hint='Write the column that names the tenant, as "team_id", the foreign keys that lead to it, as '
                '"task_id.project_id.org_id", or an element of an array, as "path_tokens[1]".',
            )
    return {_relation(name, where): rule for name, rule in table.items()}


def _waivers(entries: object, where: str) -> tuple[Waiver, ...]:
    inside = where.replace("tool.pgassay]", "tool.pgassay.waive]")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{inside} must be a list of tables: [[tool.pgassay.waive]].")
    found = []
    for entry in entries:
        _refuse_unknown(entry, ("object", "reason", "rule", "way"), inside)
        what, reason = _text(entry, "object", inside), _text(entry, "reason", inside)
        if not what or not reason or not reason.strip():
            raise ConfigError(f"{inside} needs an object and a reason, and has {entry!r}.")
        rule, way = _text(entry, "rule", inside), _text(entry, "way", inside)
        if rule is not None and way is not None:
            raise ConfigError(f"{inside} is for a rule or for a way, and has {entry!r}.")
        found.append(Waiver(what, reason, rule, way))
    return tuple(found)


def _member(text: str, where: str) -> Membership | Claim | None:
    if text == "self":
        return None
    if text.startswith("claim:"):
        path = tuple(text.removeprefix("claim:").split("."))
        if path[0] == "user_metadata":
            raise ConfigError(f"{where}: users write user_metadata themselves, so it cannot say whose member they are.")
        if all(path):
            return Claim(path)
    member = _MEMBER.fullmatch(text)
    if member is None:
        raise ConfigError(
            f"{where}: member is {text!r}.",
            hint='Write the table of memberships with its two columns, as "public.members(organization_id, user_id)", '
            'a claim of the JWT, as "claim:app_metadata.org_id", or "self" where each user is a tenant.',
        )
    return Membership(_relation(member["table"], where), member["tenant"].strip(), member["user"].strip())


def _shown(path: Path, cwd: Path) -> str:
    """``path`` as a person in ``cwd`` would write it."""
    try:
        return str(path.relative_to(cwd)) if path != cwd else "."
    except ValueError:
        return str(path)


def read_tenancy(table: object, where: str) -> Tenancy:
    """The tenancy that ``[tool.pgassay.tenancy]`` declares; ``where`` is said in errors."""
    return _tenancy(table, where)
