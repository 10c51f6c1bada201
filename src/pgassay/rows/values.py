"""Values: for each type, ones that differ from each other, and ones worth trying.

Numbers, texts, times, identifiers and bytes are Python's; all else is the text that PostgreSQL reads.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from pgassay.catalog import DataType
from pgassay.rows import hints as reading
from pgassay.rows.hints import Hints

Parts = Callable[[DataType], Sequence[Any]]
"""Gives values for a type within another one."""

INTEGERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
"""Types of integers, and the first number that is too great for each."""
_TEXTS = ("text", "character varying", "bpchar", "character", "name", "citext", "extensions.citext", "public.citext")
ORDERED = (*INTEGERS, "numeric", "date", "timestamp without time zone", "timestamp with time zone")
"""Types whose values Python puts in the same order as PostgreSQL."""
_DAY = datetime(2022, 11, 3)
"""Long ago for every number that a seed may lead to: policies ask whether a time is over."""
_TRIED_TEXTS = [
    "a", "ab", "abc", "abcdef", "ABC", "ABC-123", "A1", "abc-def", "abc_def", "someone@example.org", "12345",
    "https://example.org/x", "2025-11-03", "+431234567", "en", "EUR", "#a1b2c3", "0.1.0", "a.b", "draft",
    "abcdefghijklmnopqrstuvwxyz012345", "AB", "1", "0", "Abc", "Abc def", "de-AT", "10:30", "/a/b",
    "AT611904300234573201", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "",
]  # fmt: skip
_TRIED_NUMBERS = [1, 0, 2, 3, 5, 10, 42, 50, 99, 100, 500, 1000, 2025, 10_000, -1, -100, 1_000_000]
_TRIED_JSON = ["{}", "[]", '"a"', "1", "true", "null", '["a"]', '{"a": 1}', "[1]", "[{}]"]
_ANYTHING = [
    "0", "1", "a", "", "{}", "[]", "()", "(0,0)", "(1,1)", "a=>1", "[1]", "{1}", "a.b", "2025-11-03", "1 day", "$",
    "<a/>", "10.0.0.1", "true", "00000000-0000-0000-0000-000000000001", "POINT(1 1)", "{(0,0)}", "1/1",
]  # fmt: skip
"""What may be read by a type that nothing is known of."""


def _bits(data_type: DataType, number: int) -> str:
    length = data_type.modifier[0] if data_type.modifier else 8
    return format(number % 2**length, f"0{length}b")


def _decimal(data_type: DataType, number: int) -> Decimal | int:
    if not data_type.modifier:
        return number
    precision, scale = (*data_type.modifier, 0)[:2]
    if precision > scale:
        return number % int(10 ** (precision - scale))
    return Decimal(number % int(10**precision)).scaleb(-scale)


def _ip(number: int) -> str:
    return str(ipaddress.IPv4Address("10.0.0.0") + number % 2**24)


_FRESH: dict[str, Callable[[DataType, int], Any]] = {
    "uuid": lambda _, __: uuid4(),
    "boolean": lambda _, __: False,
    "bytea": lambda _, n: str(n).encode(),
    "smallint": lambda _, n: n % 2**15,
    "integer": lambda _, n: n,
    "bigint": lambda _, n: n,
    "real": lambda _, n: n,
    "double precision": lambda _, n: n,
    "numeric": _decimal,
    "money": lambda _, n: str(n),
    "oid": lambda _, n: n,
    "json": lambda _, __: "{}",
    "jsonb": lambda _, __: "{}",
    '"char"': lambda _, n: chr(97 + n % 26),
    "date": lambda _, n: (_DAY + timedelta(days=n)).date(),
    "timestamp without time zone": lambda _, n: _DAY + timedelta(days=n),
    "timestamp with time zone": lambda _, n: _DAY.replace(tzinfo=UTC) + timedelta(days=n),
    "time without time zone": lambda _, n: time(n // 60 % 24, n % 60),
    "time with time zone": lambda _, n: time(n // 60 % 24, n % 60, tzinfo=UTC),
    "interval": lambda _, n: timedelta(hours=n),
    "inet": lambda _, n: _ip(n),
    "cidr": lambda _, n: f"{_ip(n)}/32",
    "macaddr": lambda _, n: "02:00:00:" + (n % 2**24).to_bytes(3).hex(":"),
    "macaddr8": lambda _, n: "02:00:00:00:00:" + (n % 2**24).to_bytes(3).hex(":"),
    '"bit"': _bits,
    "bit varying": _bits,
    "xml": lambda _, n: f"<a>{n}</a>",
    "tsvector": lambda _, n: f"'word{n}'",
    "tsquery": lambda _, n: f"'word{n}'",
    "jsonpath": lambda _, n: f'$."a{n}"',
    "point": lambda _, n: f"({n},{n})",
    "line": lambda _, n: f"{{1,-1,{n}}}",
    "lseg": lambda _, n: f"[({n},0),({n},1)]",
    "box": lambda _, n: f"({n}.9,{n}.9),({n},{n})",
    "path": lambda _, n: f"(({n},0),({n},1),({n}.5,1))",
    "polygon": lambda _, n: f"(({n},0),({n},1),({n}.5,1))",
    "circle": lambda _, n: f"<({n},0),0.4>",
    "pg_lsn": lambda _, n: f"0/{n:X}",
    "xid": lambda _, n: str(n),
    "xid8": lambda _, n: str(n),
    "cid": lambda _, n: str(n),
    "tid": lambda _, n: f"({n},1)",
    "pg_snapshot": lambda _, n: f"{n}:{n}:",
    "txid_snapshot": lambda _, n: f"{n}:{n}:",
    "refcursor": lambda _, n: f"cursor {n}",
    "int2vector": lambda _, n: str(n % 2**15),
    "oidvector": lambda _, n: str(n),
}
REFERENCES = (
    "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
    "regprocedure", "regrole", "regtype",
)  # fmt: skip
"""Types that refer to something in the catalog, and read 0 as nothing."""


def is_text(data_type: DataType) -> bool:
    """Whether its values are texts of any content."""
    return data_type.name in _TEXTS


def sql_text(value: Any) -> str | None:
    """The text that PostgreSQL reads ``value`` from."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case bytes():
            return "\\x" + value.hex()
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
        case dict() | list():
            return json.dumps(value)
    return str(value)


_FORMS = {
    "mail": "someone{}@example.org",
    "url": "https://example.org/{}",
    "phone": "+43660{:07}",
    "slug": "slug-{}",
}  # fmt: skip
"""What texts look like in columns that are called so: constraints that no one can read ask for it."""


def fresh(data_type: DataType, name: str, number: int) -> Any:
    """Another value for each ``number`` where the type has as many, later or greater ones for greater numbers.

    None where nothing is known of the type.
    """
    base = data_type.base
    match base.kind:
        case "enum":
            return base.labels[0] if base.labels else None
        case "array":
            return "{}"
        case "composite":
            return composite([fresh(part, attribute, number) for attribute, part in base.attributes])
        case "range":
            assert base.part is not None
            return _range(base.part, fresh(base.part, name, number), fresh(base.part, name, number + 1))
        case "multirange":
            assert base.part is not None
            return f"{{{fresh(base.part, name, number)}}}"
    if base.name in _TEXTS:
        form = next((form for word, form in _FORMS.items() if word in name), None)
        text = f"{name} {number}" if form is None else form.format(number)
        return _fitted(text, number, 63 if base.name == "name" else length_of(base))
    if base.name in REFERENCES:
        return "0"
    made = _FRESH.get(base.name)
    return None if made is None else made(base, number)


def length_of(data_type: DataType) -> int | None:
    """The length that a text or bits may have, None where there is no limit."""
    return data_type.modifier[0] if data_type.modifier else None


def _fitted(text: str, number: int, length: int | None) -> str:
    if length is None or len(text) <= length:
        return text
    digits = str(number)
    return (text[: max(0, length - len(digits))] + digits)[-length:]


def _range(part: DataType, low: Any, high: Any) -> str:
    if part.base.name in ORDERED:
        return f"[{quoted(low)},{quoted(high)})"
    return f"[{quoted(low)},{quoted(low)}]"


def quoted(value: Any) -> str:
    """A part of an array, a row or a range, as PostgreSQL reads it within."""
    text = sql_text(value)
    if text is None:
        return ""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def array(elements: Iterable[Any], delimiter: str = ",") -> str:
    """An array as PostgreSQL reads it."""
    return "{" + delimiter.join("NULL" if value is None else quoted(value) for value in elements) + "}"


def composite(values: Iterable[Any]) -> str:
    """A row as PostgreSQL reads it."""
    return "(" + ",".join(map(quoted, values)) + ")"


def tried(data_type: DataType, parts: Parts) -> Iterator[Any]:
    """Values worth trying where it is not known which ones are let in. Not each need be a value of the type."""
    base = data_type.base
    match base.kind:
        case "enum":
            yield from base.labels
        case "array":
            assert base.part is not None
            elements = list(parts(base.part))[:6]
            yield array([])
            for count in (1, 2, 3):
                for n in range(len(elements)):
                    yield array((elements * 2)[n : n + count], base.part.base.delimiter)
        case "composite":
            for row in itertools.islice(zip(*map(_endless(parts), (a for _, a in base.attributes)), strict=False), 12):
                yield composite(row)
        case "range":
            assert base.part is not None
            yield from _ranges(base.part, parts)
        case "multirange":
            assert base.part is not None
            yield "{}"
            for value in list(parts(base.part))[:12]:
                yield f"{{{value}}}"
        case _:
            yield from _tried_of(base)


def _endless(parts: Parts) -> Callable[[DataType], Iterator[Any]]:
    return lambda part: itertools.cycle(list(parts(part))[:12] or [None])


def _ranges(part: DataType, parts: Parts) -> Iterator[str]:
    bounds = list(parts(part))[:12]
    if part.base.name in ORDERED:
        bounds = sorted(set(bounds))
        for low, high in itertools.pairwise(bounds):
            yield f"[{quoted(low)},{quoted(high)})"
    for bound in bounds[:4]:
        yield f"[{quoted(bound)},{quoted(bound)}]"
        yield f"[{quoted(bound)},)"
        yield f"(,{quoted(bound)})"
    yield from ("empty", "(,)")


def _tried_of(base: DataType) -> Iterator[Any]:
    if base.name in _TEXTS:
        yield from _TRIED_TEXTS
    elif base.name in INTEGERS or base.name in ("numeric", "real", "double precision", "oid"):
        yield from _TRIED_NUMBERS
        if base.name in ("numeric", "real", "double precision"):
            yield from map(Decimal, ("0.5", "0.01", "0.1", "1.5", "-0.5"))
    elif base.name == "money":
        yield from map(str, _TRIED_NUMBERS)
    elif base.name == "boolean":
        yield from (True, False)
    elif base.name in ("json", "jsonb"):
        yield from _TRIED_JSON
    elif base.name == "interval":
        yield from (timedelta(), timedelta(minutes=1), timedelta(days=1), timedelta(days=30), timedelta(days=-1))
    elif base.name in ("date", "timestamp without time zone", "timestamp with time zone"):
        for day in (*range(8), 28, 59, 59 + 31, -(365 * 30), 365 * 100):
            moment = datetime(2025, 11, 1) + timedelta(days=day)
            yield _as_moment(base, moment)
    elif base.name in _FRESH:
        for number in range(1, 9):
            yield fresh(base, "", number)
    elif base.name in REFERENCES:
        yield "0"
    else:
        yield from _ANYTHING
        for length in base.modifier[:1]:
            yield f"[{','.join(['1'] * length)}]"


def _as_moment(base: DataType, moment: datetime) -> Any:
    if base.name == "date":
        return moment.date()
    return moment.replace(tzinfo=UTC) if base.name == "timestamp with time zone" else moment.replace(tzinfo=None)


def hinted(data_type: DataType, hints: Hints, parts: Callable[[DataType, Hints], Sequence[Any]]) -> Iterator[Any]:
    """Values that the constants of a constraint point to."""
    base = data_type.base
    if base.kind == "enum":
        yield from (text for text in hints.texts if text in base.labels)
    elif base.kind == "array":
        assert base.part is not None
        elements = [value for value in parts(base.part, hints) if value is not None][:40]
        yield from (array([value], base.part.base.delimiter) for value in elements)
        yield array(elements[:2], base.part.base.delimiter)
        for length in hints.lengths:
            if elements and length <= 100:
                yield array((elements * length)[:length], base.part.base.delimiter)
    elif base.kind == "range":
        assert base.part is not None
        yield from _ranges(base.part, lambda part: parts(part, hints)[:20])
    elif base.kind == "composite":
        for number in range(20):
            row = [parts(attribute, hints) for _, attribute in base.attributes]
            yield composite(values[(number * 7 + n) % len(values)] if values else None for n, values in enumerate(row))
    elif base.name in _TEXTS:
        yield from reading.texts(hints)
    elif base.name in INTEGERS or base.name == "oid":
        yield from (int(number) for number in reading.numbers(hints) if number == int(number))
    elif base.name in ("numeric", "real", "double precision"):
        yield from reading.numbers(hints)
    elif base.name in ("json", "jsonb"):
        yield from _hinted_json(hints)
    elif base.name in ("date", "timestamp without time zone", "timestamp with time zone"):
        yield from _hinted_moments(base, hints)
    else:
        yield from hints.texts


def _hinted_json(hints: Hints) -> Iterator[str]:
    words = hints.texts[:6]
    contents: list[Any] = ["a", 1, True, {}, [], ["a"], None, *words, *map(float, hints.numbers[:3])]
    for value in contents:
        yield json.dumps(dict.fromkeys(words, value))
    for word in words:
        for value in contents:
            yield json.dumps({word: value})
    for length in hints.lengths:
        if length <= 100:
            yield json.dumps(["a"] * length)
    yield from words


def _hinted_moments(base: DataType, hints: Hints) -> Iterator[Any]:
    for text in hints.texts:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            continue
        for step in (timedelta(), timedelta(days=1), timedelta(days=-1), timedelta(hours=1)):
            yield _as_moment(base, moment + step)


def fits(data_type: DataType, value: Any) -> bool:
    """Whether a value lies within the type's length or limits, as far as that is easily said."""
    base = data_type.base
    if value is None:
        return True
    if base.name in _TEXTS:
        length = 63 if base.name == "name" else length_of(base)
        return isinstance(value, str) and "\0" not in value and (length is None or len(value) <= length)
    if base.name in INTEGERS:
        limit = INTEGERS[base.name]
        return isinstance(value, int) and -limit <= value < limit
    if base.name == "numeric":
        return _fits_numeric(base, value)
    return base.name != "oid" or (isinstance(value, int) and 0 <= value < 2**32)


def is_known(data_type: DataType) -> bool:
    """Whether this type of the server's own has values that need no search."""
    return data_type.name in _TEXTS or data_type.name in REFERENCES or data_type.name in _FRESH


def is_sure(data_type: DataType) -> bool:
    """Whether candidates for the type that `fits` are values of it."""
    sure = (*_TEXTS, *INTEGERS, "numeric", "real", "double precision", "oid", "boolean", "json", "date")
    moments = ("timestamp without time zone", "timestamp with time zone")
    return data_type.base.kind == "enum" or data_type.base.name in (*sure, *moments)


def beyond(data_type: DataType) -> Iterator[Any]:
    """What is too long or too great for a type."""
    base = data_type.base
    length = length_of(base)
    if base.name in INTEGERS:
        yield from (INTEGERS[base.name], -INTEGERS[base.name] - 1)
    elif base.name == "numeric" and base.modifier:
        precision, scale = (*base.modifier, 0)[:2]
        yield from (Decimal(10) ** (precision - scale), -(Decimal(10) ** (precision - scale)))
    elif length is not None and base.name in ("character varying", "bpchar"):
        yield from ("a" * (length + 1), "ü" * (length + 7))
    elif length is not None and base.name in ('"bit"', "bit varying"):
        yield "1" * (length + 1)


def beyond_state(data_type: DataType) -> str:
    """The SQLSTATE that such a value is refused with."""
    name = data_type.base.name
    if name == '"bit"':
        return "22026"
    return "22001" if name in ("character varying", "bpchar", "bit varying") else "22003"


def _fits_numeric(base: DataType, value: Any) -> bool:
    if not base.modifier:
        return True
    precision, scale = (*base.modifier, 0)[:2]
    try:
        number = Decimal(value)
        return number == round(number, scale) and abs(number) < Decimal(10) ** (precision - scale)
    except (InvalidOperation, ValueError, TypeError):
        return False
