"""Callers who forge headers and cookies: in every key that the schema reads stands an id of B, or what it compares.

Nobody but the caller vouches for a header, so what trusts one is open to everybody.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.nesting import merged, nested
from pgassay.checks.isolation.secrets import Secrets
from pgassay.checks.isolation.world import World
from pgassay.schema import headers
from pgassay.schema.headers import Path, Read

_REQUESTS = 6
"""So many requests are tried by each caller."""
_CONSTANTS = 2
"""So many constants are tried beside an id."""


def add(world: World, actors: list[Actor]) -> None:
    """Put callers with such requests among ``actors``, if the schema reads any of it: forged, and in one's own name."""
    read = headers.read(world.sources)
    if not read.paths:
        return
    forged = [*itertools.islice(_requests(world, read, "B", is_own=False), _REQUESTS)]
    own, others = ([*itertools.islice(_requests(world, read, of, is_own=True), _REQUESTS)] for of in "AB")
    member = world.member("A", "member of A")
    callers = [world.anonymous, world.stranger, member]
    keys = ", ".join(dict.fromkeys(path[-1] for paths in read.paths.values() for path in paths))
    found = [_sending(caller, f"forging {keys}", sent, n) for caller in callers for n, sent in enumerate(forged, 1)]
    found += [_sending(member, f"with {keys}", sent, n, forged=False) for n, sent in enumerate(own, 1)]
    actors[-1:-1] = found
    other = world.member("B")
    world.entitled += [_sending(other, f"with {keys}", sent, n, forged=False) for n, sent in enumerate(others, 1)]


def _sending(actor: Actor, what: str, sent: dict[str, Any], number: int, *, forged: bool = True) -> Actor:
    identity = replace(actor.identity, sent=json.dumps(sent))
    return replace(actor, name=f"{actor.name}, {what} ({number})", identity=identity, shown=False, forged=forged)


def _requests(world: World, read: Read, label: str, *, is_own: bool) -> Iterator[dict[str, Any]]:
    """What is sent, by setting: the ids of a tenant in every key; beside one, in other keys, what is compared there."""
    places = [(setting, path) for setting, paths in read.paths.items() for path in paths]
    tenants = world.tenants
    ids = [str(tenants.ids[label]), str(tenants.users[label])]
    yield _sent(dict.fromkeys(places, ids[0]))
    named = {place: found[0] for place in places if (found := [*_named(world, place[1], label, is_own=is_own)])}
    if named:
        yield _sent({**dict.fromkeys(places, ids[0]), **named})
    yield _sent(dict.fromkeys(places, ids[1]))
    for constant in read.constants[:_CONSTANTS]:
        yield _sent(dict.fromkeys(places, constant))
        for place in places if len(places) > 1 else ():
            yield _sent({**dict.fromkeys(places, constant), place: named.get(place, ids[0])})


def _named(world: World, path: Path, label: str, *, is_own: bool) -> Iterator[str]:
    """Values of that tenant's rows in columns called like the last word of a key; secrets too if they are one's own.

    What a client sends with each request is one where its column holds nothing that can be guessed, unique or not.
    """
    word = path[-1].replace("_", "-").rpartition("-")[2].lower()
    secrets = Secrets(world)
    for name, whose, row in world.made():
        relation = world.relations.get(name)
        if whose == label and name not in world.tenancy.public and relation is not None:
            for column in relation.columns:
                value = row.get(column.name)
                if not column.name.lower().endswith(word) or not isinstance(value, str):
                    continue
                if is_own or not (value in secrets.all or secrets.refuses_short(relation, column)):
                    yield value


def _sent(values: dict[tuple[str, Path], str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (setting, path), value in values.items():
        found = merged(found, {setting: nested(path, value)})
    return found
