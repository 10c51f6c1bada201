"""What API roles reach of the objects of a schema, and which functions decide about that."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pgassay.checks.snapshot import entries
from pgassay.checks.snapshot.reading import ALL
from pgassay.checks.snapshot.state import Object, State, parts_of
from pgassay.platforms import DEFAULT

_API = frozenset(("public", *DEFAULT.roles.callers))
"""Who is told apart by what they may: service_role passes row level security anyway."""


def bypassing(state: State) -> frozenset[str]:
    """The roles that no row level security holds: service_role, and those of the project's own that are made so."""
    own = (
        thing.name
        for thing in state.objects.values()
        if thing.kind == "role" and thing.entries.get("bypassrls") == "yes"
    )
    return frozenset((DEFAULT.roles.back_end, *own))


def rest(roles: Iterable[str], held: Collection[str], state: State) -> set[str]:
    """The roles that are none of those ``held``, nor have the rights of one by the project's own memberships."""
    found = set()
    for role in roles:
        waiting, seen = [role], {role}
        while waiting:
            told = state.objects.get(("role", waiting.pop()))
            if told is not None and told.entries.get("inherit") != "no":
                joined = {key.removeprefix("member of ") for key, text in told.entries.items() if _inherits(key, text)}
                waiting += joined - seen
                seen |= joined
        if seen.isdisjoint(held):
            found.add(role)
    return found


def _inherits(key: str, text: str) -> bool:
    return key.startswith("member of ") and text != "no" and "inherit false" not in text


def is_invoker(view: Object) -> bool:
    """Whether a view reads with the rights of who asks it."""
    return is_on(options(view.entries.get("options", "")).get("security_invoker"))


def is_definer(function: Object) -> bool:
    """Whether a function that can be called has the rights of its owner."""
    returns = function.entries.get("returns", "")
    return function.entries.get("security") == "definer" and returns not in ("trigger", "event_trigger")


def reaching(thing: Object, state: State) -> set[str]:
    """The API roles that have a right on the object, and usage of its schema."""
    schema = state.objects.get(("schema", parts_of(thing.name)[0]))
    roles = {role for role in _API if thing.entries.get(f"grant to {role}", "nothing") != "nothing"}
    if schema is None or schema.partial:  # one that was there before, as public
        return roles
    allowed = {role for role in _API if "usage" in schema.entries.get(f"grant to {role}", "").lower()}
    allowed |= {role for role in _API if schema.entries.get(f"grant to {role}", "").startswith(ALL)}
    return (
        roles
        if "public" in allowed
        else {role for role in roles if role in allowed} | (allowed if "public" in roles else set())
    )


def options(text: str) -> dict[str, str]:
    """The options of a view by their names."""
    return dict(part.split("=", 1) for part in text.split(", ") if "=" in part)


def is_on(value: str | None) -> bool:
    """Whether an option is set."""
    return value is not None and value.lower() in ("true", "on", "1", "yes", "t", "y")


def guards(state: State) -> frozenset[str]:
    """The names of functions that policies, views and constraints rely on, through others too.

    Besides them, what is true or false to a function that has its owner's rights: it decides who may what there.
    """
    functions: dict[str, list[Object]] = {}
    for thing in state.objects.values():
        if thing.kind == "function":
            qualified = thing.name.split("(", 1)[0]
            functions.setdefault(qualified, []).append(thing)
            functions.setdefault(parts_of(qualified)[-1], []).append(thing)
    found: set[str] = set()
    waiting: list[str] = []
    for thing in state.objects.values():
        for key, text in thing.entries.items():
            if key.startswith(("policy ", "constraint ")) or key == "definition":
                waiting.append(text)
            elif key == "function" and thing.kind == "operator":
                waiting.append(text)  # conditions may be written with it
            elif key == "body" and thing.entries.get("security") == "definer":
                called = {name for name in entries.calls(text) if name in functions}
                helpers = [function for name in called for function in functions[name]]
                waiting += [helper.name for helper in helpers if helper.entries.get("returns") == "boolean"]
    while waiting:
        for name in entries.calls(waiting.pop()):
            for function in functions.get(name, []):
                if function.name not in found:
                    found.add(function.name)
                    waiting.append(function.entries.get("body", ""))
    return frozenset(found)
