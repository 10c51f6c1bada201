"""Entries that are written otherwise and mean the same: by their trees, whoever wrote or dumped them."""

from __future__ import annotations

from collections.abc import Callable

from pgassay import sqltree
from pgassay.checks.snapshot import bodies, entries, layout
from pgassay.checks.snapshot.reach import options
from pgassay.checks.snapshot.state import Object
from pgassay.sqltree import canonical, trees


def is_same(old: Object, new: Object, key: str) -> bool:
    """Whether the entry ``key`` of both objects, whose texts differ, means the same; False where that is not known."""
    if key == "body":
        return bodies.same(old, new)
    if key == "options" and new.kind != "sequence":
        return _same_options(old.entries[key], new.entries[key])
    for beginning, read in _READERS.items():
        if key == beginning or key.startswith(f"{beginning} "):
            before, after = (read(thing.entries[key]) for thing in (old, new))
            return before is not None and before == after
    return False


def _statement(beginning: str, kind: str) -> Callable[[str], object]:
    """The reader of what follows the beginning of a statement of that kind."""

    def read(text: str) -> object:
        node = trees.only(beginning + text, kind)
        return None if node is None else canonical.key_of(node)

    return read


def _with_ending(reader: Callable[[str], object], endings: tuple[str, ...]) -> Callable[[str], object]:
    """The reader of a text after which a word may stand that is no SQL."""

    def read(text: str) -> object:
        for ending in endings:
            if text.endswith(ending):
                found = read(text.removesuffix(ending))
                return None if found is None else (found, ending)
        return reader(text)

    return read


def _policy(text: str) -> object:
    policy = entries.policy(text)
    if policy is None:
        return None
    conditions = [None if node is None else canonical.key_of(node) for node in (policy.using, policy.check)]
    if None in conditions:
        return None
    return policy.restrictive, policy.commands, policy.roles, *conditions


def _index(text: str) -> object:
    unique = "unique " if text.startswith("unique ") else ""
    return _statement(f"create {unique}index i on t ", "IndexStmt")(text.removeprefix(unique))


def _trigger(text: str) -> object:
    trigger = entries.trigger(text)
    if trigger is None:
        return None
    return canonical.key_of(trigger.node), trigger.fires


def _same_options(before: str, after: str) -> bool:
    """Whether options are the same by their names. On and off have several words; 1 and 0 may be numbers as well."""
    old, new = options(before), options(after)
    return old.keys() == new.keys() and all(_same_option(old[name], new[name]) for name in old)


def _same_option(before: str, after: str) -> bool:
    words = _TRUTH.get(before.lower()), _TRUTH.get(after.lower())
    return before == after or (words[0] is not None and words[0] is words[1] and not (before + after).isdigit())


_TRUTH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


def _published(text: str) -> object:
    found = layout.clauses(text, ("where",))
    return found.get("", ""), canonical.key(found["where"]) if "where" in found else ""


def _view(text: str) -> object:
    node = next(iter(sqltree.statements(text)), None)
    return None if node is None else canonical.key_of(node)


_READERS: dict[str, Callable[[str], object]] = {
    "policy": _policy,
    "constraint": _statement("alter table t add constraint c ", "AlterTableStmt"),
    "column": _statement("alter table t add column c ", "AlterTableStmt"),
    "index": _with_ending(_index, (" invalid", " replica identity")),
    "trigger": _trigger,
    "rule": _with_ending(_statement("", "RuleStmt"), ("\ndisabled", "\nenabled always", "\nenabled for replicas only")),
    "definition": _view,
    "default": canonical.key,
    "arguments": lambda text: _statement(
        f"create function f({text}) returns void language sql as ", "CreateFunctionStmt"
    )("''"),
    "table": _published,
}
"""How what an entry says is read, by how its key begins; None where it cannot be."""
