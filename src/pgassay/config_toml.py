"""The ``config.toml`` of the Supabase CLI, beside the folder of migrations: what it says of the database."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgassay.errors import ConfigError


@dataclass(frozen=True)
class Project:
    """What it says: the major version of the project's database, and its files of seed, in order.

    ``api`` is what it says of the API, as settings of PostgREST's.
    """

    major: int | None = None
    seed: tuple[Path, ...] = ()
    api: Mapping[str, str] = field(default_factory=dict)


def read(migrations: Path | None, oldest: int) -> Project:
    """What the file beside ``migrations`` says. Raises `ConfigError`, which names file and key.

    A version may be written with its minor part, as ``15.8``. Below ``oldest`` is an error.
    """
    file = None if migrations is None else migrations.parent / "config.toml"
    if file is None or not file.is_file():
        return Project()
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not a valid config.toml: {error}") from error
    database = _table(content, "db", file, "[db]")
    api = _table(content, "api", file, "[api]")
    return Project(_major(database.get("major_version"), file, oldest), _seed(database, file), _api(api, file))


def _table(content: dict[str, Any], key: str, file: Path, shown: str) -> dict[str, Any]:
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{file} is not a valid config.toml: {shown} must be a table, not {table!r}.")
    return table


def _major(value: object, file: Path, oldest: int) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d+)(\.\d+)*", str(value))
    if found is None or isinstance(value, bool):
        raise ConfigError(
            f"{file}: [db] major_version is {value!r}, which is no major version of PostgreSQL.",
            hint=f"Name one such as {oldest}, 17 or 18; show server_version; tells that of the project's database.",
        )
    if int(found[1]) < oldest:
        raise ConfigError(
            f"{file}: [db] major_version is {value}, and PostgreSQL {found[1]} is too old: pgassay works with {oldest} "
            "and later."
        )
    return int(found[1])


def _seed(database: dict[str, Any], file: Path) -> tuple[Path, ...]:
    """The files that ``[db.seed]`` names. As with the CLI, a pattern that matches nothing is no error."""
    table = _table(database, "seed", file, "[db.seed]")
    if table.get("enabled", True) is not True:
        return ()
    found: dict[Path, None] = {}
    for pattern in _texts(table, "sql_paths", file, "[db.seed]"):
        found |= dict.fromkeys(path for path in _matching(file.parent, pattern) if path.is_file())
    return tuple(found)


def _api(table: dict[str, Any], file: Path) -> dict[str, str]:
    """The schemas that the API exposes, and those that are in its search path besides."""
    found = {}
    schemas = _texts(table, "schemas", file, "[api]")
    if schemas:
        found["pgrst.db_schemas"] = ",".join(schemas)
        more = [name for name in _texts(table, "extra_search_path", file, "[api]") if name not in schemas]
        if more:
            found["pgrst.db_extra_search_path"] = ",".join(more)
    return found


def _texts(table: dict[str, Any], key: str, file: Path, shown: str) -> list[str]:
    texts = table.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{file}: {shown} {key} must be a list of strings, not {texts!r}.")
    return texts


def _matching(root: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_absolute():
        root, pattern = Path(path.anchor), str(path.relative_to(path.anchor))
    literal = (root / pattern).resolve()
    if literal.exists():
        return [literal]
    parts = Path(pattern).parts
    while parts[:1] == ("..",):  # which pathlib's patterns do not know
        root, parts = root.parent, parts[1:]
    return sorted(root.glob(str(Path(*parts)))) if parts else []
