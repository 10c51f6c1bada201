"""Values within values: what is JSON, claims, and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def leaves(value: Any) -> Iterator[str]:
    """The values in a row, and in what is JSON or an array in it."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        yield str(value)
        return
    for part in value:
        yield from leaves(part)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Claims of both, within claims of the same name as well; those of ``other`` where both have one."""
    found = dict(one)
    for key, value in other.items():
        mine = found.get(key)
        found[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return found


def claimed(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """The values under their paths."""
    found: dict[str, Any] = {}
    for path, value in values.items():
        found = merged(found, nested(path, value))
    return found


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    """``value`` under the keys of ``path``."""
    for key in reversed(path):
        value = {key: value}
    return dict(value)
