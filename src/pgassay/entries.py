"""Entries of the configuration: values of the kind that is wanted, and a sentence where one is not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pgassay.errors import ConfigError

_QUOTED = re.compile(r'(^|[.(,:])(\s*)"([^"]+)"(?=\s*(?:[.),=\[]|$))')
"""A whole part of a name, in the quotes of SQL."""
_COLUMN = re.compile(r"(?P<table>[^.]+\.[^.]+)\.(?P<column>[^.]+)")


def refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise `ConfigError` for a key that is not ``known``, with one that may be meant."""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise ConfigError(
                f"{where} has the unknown key {key!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"Known keys are: {', '.join(known)}.",
            )


def text(table: Mapping[str, Any], key: str, where: str) -> str | None:
    """The string under ``key``; None without it."""
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{where}: {key} must be a string, not {value!r}.")
    return value


def texts(table: Mapping[str, Any], key: str, where: str) -> list[str]:
    """The list of strings under ``key``; empty without it."""
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ConfigError(f"{where}: {key} must be a list of strings, not {value!r}.")
    return value


def relation(name: str, where: str) -> str:
    """A relation, as ``schema.name``."""
    name = unquoted(name)
    if not re.fullmatch(r"[^.]+\.[^.]+", name.strip()):
        raise ConfigError(f"{where}: {name!r} must be written schema.name.")
    return name.strip()


def column(name: str, where: str) -> tuple[str, str]:
    """A column, as its table, ``schema.name``, and its name."""
    found = _COLUMN.fullmatch(name.strip())
    if found is None:
        raise ConfigError(f"{where}: {name!r} must be written schema.table.column.")
    return found["table"], found["column"]


def unquoted(value: Any) -> Any:
    """An entry, or a table or list of them, without the quotes around names as SQL has them: ``public."Show"``.

    Names here are told apart by dots, brackets and parentheses, so that they need none.
    """
    if isinstance(value, str):
        return _QUOTED.sub(r"\1\2\3", value)
    if isinstance(value, list):
        return [unquoted(each) for each in value]
    if isinstance(value, dict):
        return {unquoted(name): unquoted(each) for name, each in value.items()}
    return value
