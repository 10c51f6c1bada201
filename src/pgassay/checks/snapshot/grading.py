"""Differences between two states of a schema, each graded by what it means to those who rely on it.

A grade is given by what a change may do: where its form does not show that access became no wider, it loosens.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pgassay.checks.snapshot import layout
from pgassay.checks.snapshot.reading import ALL, OWNER, RIGHTS
from pgassay.checks.snapshot.state import DROPPED, GONE, KINDS, Object, State

_API = frozenset(("public", "anon", "authenticated"))
"""Who is told apart by what they may: service_role passes row level security anyway."""
_RENAMED = ("constraint", "index", "policy", "trigger")
_COLLECTIONS = ("default privileges",)
"""Kinds that are no more than their entries: there is no difference between none and an empty one."""
_COLUMN = re.compile(
    r"(?P<type>.+?)(?P<collation> collate \S+)?(?P<not_null> not null)?"
    r"(?: default (?P<default>.+)| generated (?P<generated>.+))?",
    re.DOTALL,
)
_POLICY = re.compile(
    r"(?P<restrictive>as restrictive )?for (?P<command>\w+) to (?P<roles>[^\n]*)"
    r"(?:\nusing\s(?P<using>.*?))?(?:\nwith check\s(?P<check>.*))?",
    re.DOTALL,
)
_TRIGGER = re.compile(
    r"(?P<timing>(?:constraint )?(?:before|after|instead of)) (?P<events>.+?) on (?P<rest>.+?)"
    r"(?: when \((?P<when>.*)\))? execute (?:function|procedure) (?P<function>.+?)"
    r"(?: (?P<fires>disabled|enabled for replicas only|enabled always))?",
    re.DOTALL,
)
_RIGHT = re.compile(r'(\w+)(?: \(((?:[^()"]|"(?:[^"]|"")*+")*)\))?( with grant option)?(?:, |$)')
_COLUMN_NAME = re.compile(r'"(?:[^"]|"")*+"|[^,\s]+')
_CALL = re.compile(r'((?:"(?:[^"]|"")++"|[\w$]+)(?:\.(?:"(?:[^"]|"")++"|[\w$]+))?)\(')
_REACH = {"none": 0, "own": 1, "some": 2, "all": 3}


class Grade(enum.IntEnum):
    """What a difference means, from harmless to dangerous."""

    ADDS = 1
    CHANGES = 2
    BREAKS = 3
    LOOSENS = 4

    @property
    def word(self) -> str:
        """As it is written in the configuration and in rules."""
        return self.name.lower()


@dataclass(frozen=True)
class Difference:
    """One difference: at ``object``, of its entry ``key`` or of all of it where that is empty, in words in ``what``.

    ``before`` and ``after`` are the texts of the entry, None where there is none.
    """

    grade: Grade
    object: Object
    key: str
    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class _Change:
    """An entry that differs, and where it is."""

    old: Object
    new: Object
    key: str
    before: str | None
    after: str | None
    guards: frozenset[str]
    state: State

    @property
    def kind(self) -> str:
        return self.new.kind


Graded = tuple[Grade, str]


def compare(before: State, after: State) -> list[Difference]:
    """The differences in the order of the objects."""
    if not (any(kind == "access" for kind, _ in before.objects) and any(kind == "access" for kind, _ in after.objects)):
        before, after = before.without(["access"]), after.without(["access"])
    guards = _guards(before) | _guards(after)
    found: list[Difference] = []
    keys = sorted({**before.objects, **after.objects}, key=lambda key: (KINDS.index(key[0]), key[1]))
    for key in keys:
        old, new = before.objects.get(key), after.objects.get(key)
        if key[0] in _COLLECTIONS or any(thing is not None and thing.partial for thing in (old, new)):
            nothing = Object(*key, {}, partial=all(thing is None or thing.partial for thing in (old, new)))
            old, new = _comparable(old or nothing, new or nothing)
        if old is None:
            assert new is not None
            if key[0] != "access" or any((kind, key[1]) in before.objects for kind in ("table", "view")):
                found.append(_new(new, after))
        elif new is None:
            if key[0] != "access" or any((kind, key[1]) in after.objects for kind in ("table", "view")):
                found.append(_lost(old))
        else:
            found += _entries(old, new, guards, after)
    return found


def _comparable(old: Object, new: Object) -> tuple[Object, Object]:
    """Two of which one at least is told in part: what the other takes away was there, and the rest is not looked at."""
    if old.partial != new.partial:
        told = {key.removeprefix(GONE) for key in (old if old.partial else new).entries}
        old, new = (
            replace(thing, entries={k: v for k, v in thing.entries.items() if k.removeprefix(GONE) in told})
            for thing in (old, new)
        )
    sides = []
    for one, other in ((old, new), (new, old)):
        entries = {key: text for key, text in one.entries.items() if not key.startswith(GONE)}
        for key, text in other.entries.items():
            if key.startswith(GONE) and key not in one.entries and one.partial:
                entries.setdefault(key.removeprefix(GONE), text)
        sides.append(replace(one, entries=entries))
    return sides[0], sides[1]


def _entries(old: Object, new: Object, guards: frozenset[str], state: State) -> Iterator[Difference]:
    keys = [key for key in {**old.entries, **new.entries} if old.entries.get(key) != new.entries.get(key)]
    keys = [DROPPED] if DROPPED in keys else keys
    renamed = dict(_renames(old, new, keys))
    comments = {f"comment on {key}" for pair in renamed.items() for key in pair}
    for key in keys:
        if key in renamed.values() or key in comments:
            continue
        before, after = old.entries.get(key), new.entries.get(key)
        if key in renamed:
            what = f"{key} is now called {renamed[key].split(' ', 1)[1]}"
            yield Difference(Grade.CHANGES, new, key, what, before, new.entries[renamed[key]])
            continue
        grade, what = _grade(_Change(old, new, key, before, after, guards, state))
        yield Difference(grade, new, key, what, before, after)


def _renames(old: Object, new: Object, keys: list[str]) -> Iterator[tuple[str, str]]:
    """Entries that went under one name and came under another, with nothing else changed."""
    came = {key for key in keys if key not in old.entries}
    for key in keys:
        word = key.split(" ", 1)[0]
        if key in new.entries or word not in _RENAMED:
            continue
        same = sorted(k for k in came if k.startswith(f"{word} ") and new.entries[k] == old.entries[key])
        if same:
            came.discard(same[0])
            yield key, same[0]


def _grade(change: _Change) -> Graded:
    if change.kind == "access":
        return _access(change)
    for beginning, judge in _JUDGES:
        if change.key == beginning or change.key.startswith(f"{beginning} "):
            return judge(change)
    return _plain(change)


def _plain(change: _Change) -> Graded:
    if change.before is None:
        return (Grade.ADDS if change.key.startswith("comment") else Grade.CHANGES), f"{change.key} is new"
    if change.after is None:
        return Grade.CHANGES, f"{change.key} was dropped"
    return Grade.CHANGES, f"{change.key} was changed"


# whole objects


def _new(new: Object, state: State) -> Difference:
    grade, what = Grade.ADDS, f"{new.kind} is new"
    readers = " and ".join(sorted(_reaching(new, state)))
    if readers and new.kind == "view" and not _is_invoker(new):
        grade, what = Grade.LOOSENS, f"view is new, reads with its owner's rights, and {readers} may use it"
    elif readers and new.kind == "materialized view":
        grade, what = Grade.LOOSENS, f"materialized view is new, knows no row level security, and {readers} may use it"
    elif readers and _is_definer(new):
        grade, what = (
            Grade.LOOSENS,
            f"function is new, has its owner's rights (SECURITY DEFINER), and {readers} may call it",
        )
    return Difference(grade, new, "", what, None, _text(new))


def _lost(old: Object) -> Difference:
    grade = {"event trigger": Grade.LOOSENS, "access": Grade.CHANGES, "default privileges": Grade.CHANGES}
    return Difference(
        grade.get(old.kind, Grade.BREAKS),
        old,
        "",
        "it is not judged any more" if old.kind == "access" else f"{old.kind} was dropped",
        _text(old),
        None,
    )


def _text(thing: Object) -> str:
    return "\n".join(line.removeprefix("    ") for line in thing.lines()[1:])


def _dropped(change: _Change) -> Graded:
    if change.after is None:
        return Grade.ADDS, f"{change.kind} stays, which was dropped before"
    return Grade.BREAKS, f"{change.kind} was dropped"


# what an API role reaches


def _is_invoker(view: Object) -> bool:
    return _truth(_options(view.entries.get("options", "")).get("security_invoker"))


def _is_definer(function: Object) -> bool:
    returns = function.entries.get("returns", "")
    return function.entries.get("security") == "definer" and returns not in ("trigger", "event_trigger")


def _reaching(thing: Object, state: State) -> set[str]:
    """The API roles that have a right on the object, and usage of its schema."""
    schema = state.objects.get(("schema", _split(thing.name)[0]))
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


def _split(qualified: str) -> list[str]:
    return re.findall(r'"(?:[^"]|"")*+"|[^."(]+', qualified)


def _options(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(", ") if "=" in part)


def _truth(value: str | None) -> bool:
    return value is not None and value.lower() in ("true", "on", "1", "yes", "t", "y")


def _guards(state: State) -> frozenset[str]:
    """The names of functions that policies, views and constraints rely on, through others too.

    Besides them, what is true or false to a function that has its owner's rights: it decides who may what there.
    """
    functions: dict[str, list[Object]] = {}
    for thing in state.objects.values():
        if thing.kind == "function":
            qualified = thing.name.split("(", 1)[0]
            functions.setdefault(qualified, []).append(thing)
            functions.setdefault(_split(qualified)[-1], []).append(thing)
    found: set[str] = set()
    waiting: list[str] = []
    for thing in state.objects.values():
        for key, text in thing.entries.items():
            if key.startswith(("policy ", "constraint ")) or key == "definition":
                waiting.append(text)
            elif key == "body" and thing.entries.get("security") == "definer":
                called = {name for name in _CALL.findall(text) if name in functions}
                helpers = [function for name in called for function in functions[name]]
                waiting += [helper.name for helper in helpers if helper.entries.get("returns") == "boolean"]
    while waiting:
        for called in _CALL.findall(waiting.pop()):
            for function in functions.get(called, []):
                if function.name not in found:
                    found.add(function.name)
                    waiting.append(function.entries.get("body", ""))
    return frozenset(found)


# an entry of a kind each


def _owner(change: _Change) -> Graded:
    grade = Grade.CHANGES if change.after == OWNER else Grade.LOOSENS
    return grade, f"it belongs to {change.after} now, and not to {change.before}"


def _row_level_security(change: _Change) -> Graded:
    before, after = change.before or "", change.after or ""
    if after.startswith("off") and not before.startswith("off"):
        return Grade.LOOSENS, "row level security was switched off"
    if "forced" in before and "forced" not in after:
        return Grade.LOOSENS, "row level security does not hold for its owner any more"
    return Grade.CHANGES, f"row level security is {after} now"


def _column(change: _Change) -> Graded:
    if change.after is None:
        return Grade.BREAKS, f"{change.key} was dropped"
    after = _COLUMN.fullmatch(change.after)
    assert after is not None
    if change.before is None:
        if after["not_null"] and not after["default"] and not after["generated"] and change.kind == "table":
            return Grade.BREAKS, f"{change.key} is new, and an insert that leaves it out fails"
        return Grade.ADDS, f"{change.key} is new"
    before = _COLUMN.fullmatch(change.before)
    assert before is not None
    if before["type"] != after["type"]:
        return Grade.BREAKS, f"{change.key} is {after['type']} now, and not {before['type']}"
    if before["not_null"] and not after["not_null"]:
        return Grade.LOOSENS, f"{change.key} may be NULL"
    if after["generated"] and not before["generated"]:
        return Grade.BREAKS, f"{change.key} is generated now"
    if after["not_null"] and before["default"] and not after["default"]:
        return Grade.BREAKS, f"{change.key} has no default any more, and an insert that leaves it out fails"
    return Grade.CHANGES, f"{change.key} was changed"


def _constraint(change: _Change) -> Graded:
    if change.before is None:
        return Grade.CHANGES, f"{change.key} is new, and refuses more rows"
    if change.after is None:
        return _gone_with_column(change) or (Grade.LOOSENS, f"{change.key} was dropped")
    before, after = (layout.flat(text) for text in (change.before, change.after))
    if after.endswith(" not valid") and not before.endswith(" not valid"):
        return Grade.LOOSENS, f"{change.key} does not hold for the rows that are there"
    ends = (" not valid", " no inherit", " not enforced")
    checks = [_without_ends(text, ends) for text in (before, after)]
    if all(text.startswith("check (") for text in checks) and "not enforced" not in after:
        narrower = layout.implies(*(text.removeprefix("check ") for text in reversed(checks)))
        return (
            (Grade.CHANGES, f"{change.key} refuses more rows")
            if narrower
            else (Grade.LOOSENS, f"{change.key} may let in what it refused")
        )
    keys = [
        re.fullmatch(r"(foreign key \(.*?\) references \S+?\(.*?\)(?: match full)?)(.*)", text)
        for text in (before, after)
    ]
    if keys[0] is not None and keys[1] is not None and keys[0][1] == keys[1][1] and "not enforced" not in after:
        return Grade.CHANGES, f"{change.key} does something else when the row that it refers to goes or changes"
    uniques = [
        re.fullmatch(r"(?:unique|primary key)(?: nulls not distinct)? ?\((.*?)\).*", text) for text in (before, after)
    ]
    if uniques[0] is not None and uniques[1] is not None:
        columns = [set(layout.parts(unique[1])) for unique in uniques if unique is not None]
        nulls = ["nulls not distinct" in text for text in (before, after)]
        if columns[1] <= columns[0] and nulls[0] <= nulls[1]:
            return Grade.CHANGES, f"{change.key} refuses more rows, or refuses them at another time"
    return Grade.LOOSENS, f"{change.key} may let in what it refused"


def _without_ends(text: str, ends: tuple[str, ...]) -> str:
    for _ in ends:
        for end in ends:
            text = text.removesuffix(end)
    return text


def _index(change: _Change) -> Graded:
    unique = [text is not None and text.startswith("unique ") for text in (change.before, change.after)]
    if change.before is None:
        if unique[1]:
            return Grade.CHANGES, f"{change.key} is new, and refuses more rows"
        return Grade.ADDS, f"{change.key} is new"
    if unique[0] and change.after is None:
        return _gone_with_column(change) or (Grade.LOOSENS, f"{change.key} was dropped")
    if unique[0]:
        return Grade.LOOSENS, f"{change.key} may let in what it refused"
    return _plain(change)


def _gone_with_column(change: _Change) -> Graded | None:
    """How that grades what was dropped because a column is no more, which it named."""
    words = {token.text for token in layout.tokens(change.before or "") or ()}
    lost = {key.removeprefix("column ") for key in change.old.entries if key not in change.new.entries}
    return (Grade.BREAKS, f"{change.key} went with its column") if words & lost else None


def _policy(change: _Change) -> Graded:
    if change.after is None:
        return Grade.LOOSENS, f"{change.key} was dropped"
    after = _POLICY.fullmatch(change.after)
    assert after is not None
    if change.before is None:
        if after["restrictive"]:
            return Grade.CHANGES, f"{change.key} is new, and narrows what others allow"
        if change.old.entries.get("row level security", "").startswith("off"):
            return Grade.ADDS, f"{change.key} is new, on a table that was open to all"
        return Grade.LOOSENS, f"{change.key} is new, and allows what was not allowed"
    before = _POLICY.fullmatch(change.before)
    assert before is not None
    wider = _policy_widened(before, after)
    if wider:
        return Grade.LOOSENS, f"{change.key} {wider}"
    return Grade.CHANGES, f"{change.key} is narrower"


def _policy_widened(before: re.Match[str], after: re.Match[str]) -> str:
    """How a policy may let through more than it did; nothing where it cannot."""
    if before["restrictive"] and not after["restrictive"]:
        return "is restrictive no more: it adds to what others allow"
    if after["restrictive"] and not before["restrictive"]:
        return ""
    sets = []
    for found in (before, after):
        roles = set(found["roles"].split(", "))
        commands = {"select", "insert", "update", "delete"} if found["command"] == "all" else {found["command"]}
        sets.append((roles, commands))
    small, large = (sets[0], sets[1]) if before["restrictive"] else (sets[1], sets[0])
    if "public" not in large[0] and not small[0] <= large[0]:
        return "holds for fewer roles" if before["restrictive"] else f"holds for {after['roles']} now"
    if not small[1] <= large[1]:
        return "holds for fewer commands" if before["restrictive"] else f"holds for {after['command']} now"
    if not layout.implies(after["using"] or "true", before["using"] or "true"):
        return "may let other rows through"
    checks = [found["check"] or found["using"] or "true" for found in (before, after)]
    if not layout.implies(checks[1], checks[0]):
        return "may let other rows be written"
    return ""


def _trigger(change: _Change) -> Graded:
    if change.before is None:
        return Grade.ADDS, f"{change.key} is new"
    if change.after is None:
        return Grade.LOOSENS, f"{change.key} was dropped"
    before, after = (_TRIGGER.fullmatch(layout.flat(text)) for text in (change.before, change.after))
    if before is None or after is None:
        return Grade.LOOSENS, f"{change.key} was changed"
    if after["fires"] in ("disabled", "enabled for replicas only") and before["fires"] != after["fires"]:
        return Grade.LOOSENS, f"{change.key} does not fire any more"
    events = [_events(found["events"]) for found in (before, after)]
    if not all(any(_covers(one, other) for one in events[1]) for other in events[0]):
        return Grade.LOOSENS, f"{change.key} does not fire on all that it fired on"
    if not layout.implies(before["when"] or "true", after["when"] or "true"):
        return Grade.LOOSENS, f"{change.key} may not fire when it did"
    return Grade.CHANGES, f"{change.key} was changed"


def _events(text: str) -> list[tuple[str, frozenset[str]]]:
    found = []
    for event in text.split(" or "):
        word, _, columns = event.partition(" of ")
        found.append((word, frozenset(layout.parts(columns))))
    return found


def _covers(one: tuple[str, frozenset[str]], other: tuple[str, frozenset[str]]) -> bool:
    return one[0] == other[0] and (not one[1] or (bool(other[1]) and other[1] <= one[1]))


def _rule(change: _Change) -> Graded:
    if change.before is None:
        return Grade.CHANGES, f"{change.key} is new"
    return Grade.LOOSENS, f"{change.key} was {'dropped' if change.after is None else 'changed'}"


def _view_options(change: _Change) -> Graded:
    before, after = (_options(text or "") for text in (change.before, change.after))
    if change.kind == "view":
        if _truth(before.get("security_invoker")) and not _truth(after.get("security_invoker")):
            return Grade.LOOSENS, "it reads with its owner's rights now (security_invoker is gone)"
        if _truth(before.get("security_barrier")) and not _truth(after.get("security_barrier")):
            return Grade.LOOSENS, "conditions of its readers see rows before it filters them (security_barrier is gone)"
        order = (None, "local", "cascaded")
        if order.index(after.get("check_option")) < order.index(before.get("check_option")):
            return Grade.LOOSENS, "rows can be written through it that it does not show (check_option)"
    return Grade.CHANGES, f"its options are {change.after or 'none'} now"


def _definition(change: _Change) -> Graded:
    before, after = (layout.source(text or "") for text in (change.before, change.after))
    readers = " and ".join(sorted(_reaching(change.new, change.state)))
    shown = change.kind == "materialized view" or not _is_invoker(change.new)
    if readers and shown:
        same = before is not None and after is not None and before[0] == after[0]
        if not same or before is None or after is None or not layout.implies(after[1], before[1]):
            return Grade.LOOSENS, f"it may show other rows to {readers}, past row level security"
    return Grade.CHANGES, "its query was changed"


def _grant(change: _Change) -> Graded:
    role = change.key.rsplit(" to ", 1)[1]
    kind = change.kind if change.kind in ("schema", "sequence") else "table"
    kind = "function" if change.kind in ("function", "aggregate") else kind
    kind = "type" if change.kind in ("enum", "domain", "composite type", "range type") else kind
    missing = ""
    if role == OWNER:
        missing = ALL if len(RIGHTS[kind]) > 1 else next(iter(RIGHTS[kind]))
    elif kind == "type" and role == "public":
        missing = "usage"
    before, after = (_rights(text if text is not None else missing, kind) for text in (change.before, change.after))
    more = sorted(right for right in after if not _has(before, right))
    if more:
        return Grade.LOOSENS, f"{role} may {_rights_in_words(more)} now"
    less = sorted(right for right in before if not _has(after, right))
    return Grade.BREAKS, f"{role} may not {_rights_in_words(less)} any more"


Right = tuple[str, str, bool]


def _rights(text: str, kind: str) -> set[Right]:
    """Rights as (right, column or nothing, whether they may be passed on)."""
    found: set[Right] = set()
    for right, columns, option in _RIGHT.findall("" if text == "nothing" else text):
        for one in RIGHTS[kind] if right == ALL else (right,):
            for column in _COLUMN_NAME.findall(columns) or ("",):
                found |= {(one, column, False)} | ({(one, column, True)} if option else set())
    return found


def _has(rights: set[Right], wanted: Right) -> bool:
    return wanted in rights or (wanted[0], "", wanted[2]) in rights


def _rights_in_words(rights: list[Right]) -> str:
    parts: dict[str, list[str]] = {}
    for right, column, option in rights:
        parts.setdefault("pass on " * option + right, []).append(column)
    return ", ".join(f"{right} ({', '.join(columns)})" if any(columns) else right for right, columns in parts.items())


def _default_grant(change: _Change) -> Graded:
    found = re.fullmatch(r"grant on (\w+)s to (.*)", change.key)
    assert found is not None
    before, after = (_rights(text or "", found[1]) for text in (change.before, change.after))
    if change.before == "nothing" or any(not _has(before, right) for right in after):
        return Grade.LOOSENS, f"{found[2]} gets rights on {found[1]}s that are made from now on"
    return Grade.CHANGES, f"{found[2]} gets fewer rights on {found[1]}s that are made from now on"


def _arguments(change: _Change) -> Graded:
    before, after = (
        [re.split(r" default ", argument, maxsplit=1) for argument in layout.parts(text or "")]
        for text in (change.before, change.after)
    )
    if [argument[0] for argument in before] != [argument[0] for argument in after]:
        return Grade.BREAKS, f"its arguments are ({change.after}) now"
    if any(len(one) > len(other) for one, other in zip(before, after, strict=True)):
        return Grade.BREAKS, "an argument lost its default"
    return Grade.CHANGES, "a default of its arguments was changed"


def _returns(change: _Change) -> Graded:
    return Grade.BREAKS, f"it returns {change.after or 'nothing'} now, and not {change.before or 'nothing'}"


def _security(change: _Change) -> Graded:
    if change.after == "definer":
        return Grade.LOOSENS, "it has its owner's rights now (SECURITY DEFINER)"
    return Grade.CHANGES, "it has its caller's rights now (SECURITY INVOKER)"


def _setting(change: _Change) -> Graded:
    setting = change.key.removeprefix("set ")
    if setting == "search_path":
        definer = change.new.entries.get("security") == "definer"
        if change.after is None:
            return Grade.LOOSENS, "it has no search_path of its own any more"
        if change.before is not None and definer:
            return Grade.LOOSENS, f"it has its owner's rights, and its search_path is {change.after} now"
    elif setting in ("role", "row_security") and change.after is not None:
        return Grade.LOOSENS, f"it runs with {setting} = {change.after}"
    return Grade.CHANGES, f"{setting} is {change.after} in it now" if change.after else f"{setting} is not set in it"


def _leakproof(change: _Change) -> Graded:
    if change.after is not None:
        return Grade.LOOSENS, "it sees rows before a security barrier filters them (LEAKPROOF)"
    return Grade.CHANGES, "it is leakproof no more"


def _body(change: _Change) -> Graded:
    if change.new.name in change.guards:
        return Grade.LOOSENS, f"its {change.key} was changed, and policies or checks of access rely on it"
    return Grade.CHANGES, f"its {change.key} was changed"


def _values(change: _Change) -> Graded:
    before, after = ((text or "").split("\n") for text in (change.before, change.after))
    lost = [value for value in before if value not in after]
    if lost:
        return Grade.BREAKS, f"it has no {', '.join(lost)} any more"
    if [value for value in after if value in before] != before:
        return Grade.CHANGES, "its values sort in another order"
    return Grade.ADDS, f"it has {', '.join(value for value in after if value not in before)} now"


def _attributes(change: _Change) -> Graded:
    before, after = ((text or "").split("\n") for text in (change.before, change.after))
    if set(before) <= set(after):
        return Grade.CHANGES, "it has another attribute, or another order of them"
    return Grade.BREAKS, "an attribute of it went away or has another type"


def _not_null(change: _Change) -> Graded:
    if change.after is None:
        return Grade.LOOSENS, "it may be NULL"
    return Grade.CHANGES, "it may not be NULL"


def _type(change: _Change) -> Graded:
    return Grade.BREAKS, f"it is {change.after} now, and not {change.before}"


def _sequence_or_options(change: _Change) -> Graded:
    if change.kind != "sequence":
        return _view_options(change)
    types = [(text or "").split(" ", 1)[0] for text in (change.before, change.after)]
    if types[0] != types[1]:
        return Grade.BREAKS, f"it is {types[1]} now, and not {types[0]}"
    return Grade.CHANGES, f"it runs {change.after} now"


def _published(change: _Change) -> Graded:
    if change.before is None:
        return Grade.LOOSENS, f"{change.key} is published now"
    if change.after is None:
        return Grade.BREAKS, f"{change.key} is not published any more"
    return Grade.CHANGES, f"of {change.key} something else is published now"


def _publishes(change: _Change) -> Graded:
    before, after = (set((text or "").split(", ")) for text in (change.before, change.after))
    return (Grade.CHANGES if before <= after else Grade.BREAKS), f"it publishes {change.after or 'nothing'} now"


def _moved(change: _Change) -> Graded:
    return Grade.BREAKS, f"it is in the schema {change.after} now, and not in {change.before}"


def _fires(change: _Change) -> Graded:
    if change.after in ("disabled", "enabled for replicas only"):
        return Grade.LOOSENS, "it does not fire any more"
    return Grade.CHANGES, "it fires now"


def _access(change: _Change) -> Graded:
    if change.before is None or change.after is None:
        return Grade.CHANGES, f"{change.key} was {'not ' * (change.before is None)}tried before"
    before, after = (_reaches(text) for text in (change.before, change.after))
    wider = [word for word, reach in after.items() if reach > before.get(word, 0)]
    if wider:
        return Grade.LOOSENS, f"{change.key} reaches more rows now with {', '.join(wider)}"
    return Grade.BREAKS, f"{change.key} reaches fewer rows now"


def _reaches(text: str) -> dict[str, int]:
    words = (part.split(" ", 1) for part in text.split(", "))
    return {operation: _REACH.get(reach, 0) for operation, reach in words}


_JUDGES: tuple[tuple[str, Callable[[_Change], Graded]], ...] = (
    (DROPPED, _dropped),
    ("owner", _owner),
    ("row level security", _row_level_security),
    ("column", _column),
    ("constraint", _constraint),
    ("index", _index),
    ("policy", _policy),
    ("trigger", _trigger),
    ("rule", _rule),
    ("options", _sequence_or_options),
    ("definition", _definition),
    ("grant to", _grant),
    ("grant on", _default_grant),
    ("arguments", _arguments),
    ("returns", _returns),
    ("security", _security),
    ("set", _setting),
    ("leakproof", _leakproof),
    ("body", _body),
    ("language", _body),
    ("values", _values),
    ("attributes", _attributes),
    ("not null", _not_null),
    ("type", _type),
    ("of", _type),
    ("table", _published),
    ("tables of", _published),
    ("all tables", _published),
    ("publishes", _publishes),
    ("schema", _moved),
    ("fires", _fires),
)
