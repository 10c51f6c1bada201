"""Drawn values: for each type a strategy of Hypothesis for all of them, in the form that `values` gives them."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from pgassay.catalog import DataType
from pgassay.rows.values import INTEGERS, ORDERED, REFERENCES, Parts, array, composite, is_text, length_of, quoted

_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
_COORDINATES = st.integers(-1000, 1000) | st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
_POINTS = st.tuples(_COORDINATES, _COORDINATES).map(lambda p: f"({p[0]},{p[1]})")
_WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)


def _json() -> st.SearchStrategy[str]:
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-(10**15), 10**15)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(_CHARACTERS)
    )
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(_CHARACTERS), inner, max_size=4)
    )
    return values.map(json.dumps)


def _network(parts: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]) -> str:
    address, length = parts
    return (
        str(ipaddress.ip_network((int(address), min(length, address.max_prefixlen)), strict=False))
        if (address.version == 4 or int(address) >= 2**32)
        else f"{address}/128"
    )


def _polygons(least: int) -> st.SearchStrategy[str]:
    return st.lists(_POINTS, min_size=least, max_size=5).map(lambda points: f"({','.join(points)})")


_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    **{name: st.integers(-limit, limit - 1) for name, limit in INTEGERS.items()},
    "real": st.floats(width=32),
    "double precision": st.floats(),
    "money": st.integers(-(10**12), 10**12).map(str),
    "oid": st.integers(0, 2**32 - 1),
    "boolean": st.booleans(),
    "uuid": st.uuids(),
    "bytea": st.binary(max_size=40),
    '"char"': st.characters(min_codepoint=32, max_codepoint=126),
    "date": st.dates(),
    "timestamp without time zone": st.datetimes(),
    "timestamp with time zone": st.datetimes(
        min_value=datetime(1, 1, 2),
        max_value=datetime(9999, 12, 30),
        timezones=st.just(UTC),
    ),
    "time without time zone": st.times(),
    "time with time zone": st.times(timezones=st.just(UTC)),
    "interval": st.timedeltas(timedelta(days=-100_000), timedelta(days=100_000)),
    "json": _json(),
    "jsonb": _json(),
    "inet": st.ip_addresses().map(str),
    "cidr": st.tuples(st.ip_addresses(), st.integers(0, 128)).map(_network),
    "macaddr": st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":")),
    "macaddr8": st.binary(min_size=8, max_size=8).map(lambda octets: octets.hex(":")),
    "xml": _WORDS.map(lambda word: f"<a>{word}</a>") | st.just("<a/>"),
    "tsvector": st.lists(_WORDS, max_size=5).map(" ".join),
    "tsquery": st.lists(_WORDS, min_size=1, max_size=4).map(" & ".join),
    "jsonpath": _WORDS.map(lambda word: f'$."{word}"') | st.sampled_from(["$", "$.*", "$[*] ? (@ > 1)", "strict $.a"]),
    "point": _POINTS,
    "line": st.tuples(st.integers(1, 99), _COORDINATES, _COORDINATES).map(lambda n: f"{{{n[0]},{n[1]},{n[2]}}}"),
    "lseg": st.tuples(_POINTS, _POINTS).map(lambda ends: f"[{ends[0]},{ends[1]}]"),
    "box": st.tuples(_POINTS, _POINTS).map(",".join),
    "path": _polygons(1) | _polygons(1).map(lambda points: f"[{points[1:-1]}]"),
    "polygon": _polygons(1),
    "circle": st.tuples(_POINTS, st.integers(0, 1000)).map(lambda parts: f"<{parts[0]},{parts[1]}>"),
    "pg_lsn": st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda n: f"{n[0]:X}/{n[1]:X}"),
    "xid": st.integers(0, 2**32 - 1).map(str),
    "xid8": st.integers(0, 2**63).map(str),
    "cid": st.integers(0, 2**32 - 1).map(str),
    "tid": st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)).map(lambda n: f"({n[0]},{n[1]})"),
    "pg_snapshot": st.integers(1, 2**32 - 1).map(lambda number: f"{number}:{number}:"),
    "txid_snapshot": st.integers(1, 2**32 - 1).map(lambda number: f"{number}:{number}:"),
    "refcursor": st.text(_CHARACTERS, max_size=20),
    "int2vector": st.lists(st.integers(0, 2**15 - 1), max_size=5).map(lambda numbers: " ".join(map(str, numbers))),
    "oidvector": st.lists(st.integers(0, 2**32 - 1), max_size=5).map(lambda numbers: " ".join(map(str, numbers))),
    "name": st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=63),
}


def strategy(data_type: DataType, parts: Parts) -> st.SearchStrategy[Any]:
    """All values of a type but NULL. Of domains, and of types that nothing is known of, those that ``parts`` gives."""
    length = length_of(data_type)
    match data_type.kind:
        case "enum":
            return st.sampled_from(data_type.labels)
        case "array":
            return _arrays(data_type, parts)
        case "composite":
            inner = [strategy(attribute, parts) for _, attribute in data_type.attributes]
            return st.tuples(*(part | st.none() for part in inner)).map(composite)
        case "range":
            assert data_type.part is not None
            return _range_strategy(data_type.part, parts)
        case "multirange":
            assert data_type.part is not None
            return st.lists(strategy(data_type.part, parts), max_size=3).map(lambda ranges: f"{{{','.join(ranges)}}}")
        case "base" if data_type.name == "numeric":
            return _decimals(data_type)
        case "base" if data_type.name == '"bit"':
            return st.text("01", min_size=length or 1, max_size=length or 1)
        case "base" if data_type.name == "bit varying":
            return st.text("01", max_size=length or 40)
        case "base" if data_type.name in _STRATEGIES:
            return _STRATEGIES[data_type.name]
        case "base" if is_text(data_type):
            return st.text(_CHARACTERS, max_size=length)
    if data_type.name in REFERENCES:
        return st.just("0")
    return st.deferred(lambda: st.sampled_from(list(parts(data_type))))


def _decimals(data_type: DataType) -> st.SearchStrategy[Decimal]:
    if not data_type.modifier:
        return st.decimals(-(10**20), 10**20, allow_nan=False, places=6) | st.integers(-(10**30), 10**30).map(Decimal)
    precision, scale = (*data_type.modifier, 0)[:2]
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda number: Decimal(number).scaleb(-scale))


def _arrays(data_type: DataType, parts: Parts) -> st.SearchStrategy[str]:
    assert data_type.part is not None
    element = strategy(data_type.part, parts)
    if not any(domain.not_null or domain.checks for domain in data_type.part.domains):
        element = element | st.none()
    delimiter = data_type.part.base.delimiter
    return st.lists(element, max_size=4).map(lambda elements: array(elements, delimiter))


def _range_strategy(part: DataType, parts: Parts) -> st.SearchStrategy[str]:
    bounds = strategy(part, parts)
    if part.kind == "base" and part.name in INTEGERS:
        bounds = st.integers(-(10**4), 10**4)  # the end of a canonical range is one more than its last number
    if part.kind == "base" and part.name == "date":
        bounds = st.dates(date(1, 1, 2), date(9998, 12, 30))
    if part.base.name in ORDERED:
        pairs = st.tuples(bounds, bounds).map(lambda pair: sorted(pair))
        closed = st.tuples(pairs, st.sampled_from(["[)", "[]", "(]", "()"])).map(
            lambda made: f"{made[1][0]}{quoted(made[0][0])},{quoted(made[0][1])}{made[1][1]}"
        )
    else:
        closed = bounds.map(lambda bound: f"[{quoted(bound)},{quoted(bound)}]")
    return closed | bounds.map(lambda bound: f"[{quoted(bound)},)") | st.sampled_from(["empty", "(,)"])
