"""Values by the type of an argument: each is of the type, whatever rows it comes from.

A value of a row may have another type than the argument that is named after it: the id of a row for an argument that
is a text, a row for one that is JSON. It is written as the argument's type reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from pgassay.catalog import Argument, DataType
from pgassay.checks.isolation.world import World
from pgassay.rows import values
from pgassay.rows.search import Pools

PAYLOADS = ("json", "jsonb")
TEXTS = ("text", "character varying", "bpchar", "citext", "name")
_CAST = "smallint"
"""The type that a number is not taken for by itself."""
_ROWS = 12
"""As how many rows an argument of a composite type is tried."""

Candidates = Callable[[Argument], list[Any]]
"""Gives values for an argument."""


def base_of(argument: Argument) -> str:
    """The type of an argument, below its domains."""
    return argument.data_type.base.name if argument.data_type is not None else argument.type


def kind_of(argument: Argument) -> str:
    """What kind of type that is: base, enum, array, composite, range or multirange."""
    if argument.data_type is None:
        return "array" if argument.type.endswith("[]") else "base"
    return argument.data_type.base.kind


def element_of(argument: Argument) -> Argument:
    """An argument for one element of an argument that is an array."""
    name = argument.name.removesuffix("s")
    part = argument.data_type.base.part if argument.data_type is not None else None
    return Argument(name, part.name if part is not None else argument.type[:-2], argument.has_default, part)


def is_cast(argument: Argument) -> bool:
    """Whether a literal has to be cast, since it would be taken for another type, or for another function."""
    return kind_of(argument) != "base" or base_of(argument) != argument.type or argument.type == _CAST


def is_text(argument: Argument) -> bool:
    """Whether its values are texts."""
    return base_of(argument).removeprefix("extensions.").removeprefix("public.") in TEXTS


def fitting(value: Any, argument: Argument) -> Any:
    """The value as the type of the argument reads it."""
    base = base_of(argument)
    if value is None or (isinstance(value, UUID) and base == "uuid"):
        return value
    if base in PAYLOADS or isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return str(value) if isinstance(value, UUID) or is_text(argument) else value


def sample(argument: Argument) -> Any:
    """Some value of the type, where no row has one; None where nothing is known of it."""
    found = _SAMPLES.get(base_of(argument))
    if found is None and argument.data_type is not None:
        return values.fresh(argument.data_type, argument.name, 1)
    return found


def let_in(argument: Argument, world: World, found: list[Any]) -> list[Any]:
    """Those values that the checks of a domain let in, and more that they do; with the labels of an enum."""
    data_type = argument.data_type
    if data_type is None or kind_of(argument) not in ("base", "enum"):
        return found
    if any(domain.checks for domain in data_type.domains):
        pools = Pools(world.connection)
        return pools.let_in(data_type, [*found, *pools.valid(data_type)])
    return [*found, *data_type.base.labels]


def composites(argument: Argument, world: World, label: str, of: Candidates) -> Iterator[str]:
    """Values of a composite type: rows of the tenant that have all of its attributes, then made of parts."""
    assert argument.data_type is not None
    parts = [Argument(name, part.name, False, part) for name, part in argument.data_type.base.attributes]
    rows = [row for _, whose, row in world.made() if whose == label and all(part.name in row for part in parts)]
    for row in rows[:_ROWS]:
        yield _composite(row, parts)
    pools = [of(part) for part in parts]
    for place in range(min(_ROWS, max(map(len, pools), default=0))):
        row = {part.name: pool[min(place, len(pool) - 1)] for part, pool in zip(parts, pools, strict=True)}
        yield _composite(row, parts)


def _composite(row: Mapping[str, Any], parts: list[Argument]) -> str:
    return values.composite(_text(row[part.name], part.data_type) for part in parts)


def _text(value: Any, data_type: DataType | None) -> Any:
    """The text of a part; None of NULL."""
    base = data_type.base if data_type is not None else None
    if base is not None and base.kind == "array" and isinstance(value, list):
        return values.array((_text(each, base.part) for each in value), base.delimiter)
    return json.dumps(value, default=str) if isinstance(value, dict | list) else values.sql_text(value)


_SAMPLES: Mapping[str, Any] = {
    "text": "sample", "character varying": "sample", "jsonb": "{}", "json": "{}", "numeric": 1,
    "double precision": 1, "real": 1, "smallint": 1, "date": "2025-11-03", "timestamp with time zone": "2025-11-03",
    "timestamp without time zone": "2025-11-03", "interval": "1 day", "int4range": "[1,2)", "int8range": "[1,2)",
    "numrange": "[1,2)", "daterange": "[2025-11-03,2025-11-04)",
}  # fmt: skip
