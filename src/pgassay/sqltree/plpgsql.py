"""Functions in PL/pgSQL, as libpg_query has them in JSON.

It reads no type in a schema but ``public``, and no array of rows. What a type is plays no part in what is read of a
body. So where it fails, each type that the function takes, gives or declares becomes one of ``public``, and no
array.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import postgast

from pgassay.sqltree import trees, words
from pgassay.sqltree.words import Word

_tree = postgast.pg_query_pb2
_KNOWN = ("pg_catalog", "public")
_ENDS = (";", ":=", "=", "default", "not", "collate")
"""What follows the type of a variable."""
_OTHERS = ("alias", "cursor", "no", "scroll")
"""What follows the name of what is no variable."""


def parsed(definition: str) -> Any:
    """What a function or block in PL/pgSQL consists of, as JSON has it; None where it is not understood."""
    found = _parsed(definition)
    if found is None and (plainer := _plainer(definition)) is not None:
        found = _parsed(plainer)
    return found


def _parsed(definition: str) -> Any:
    try:
        return postgast.parse_plpgsql(definition)
    except json.JSONDecodeError as error:  # libpg_query closes the records of a trigger once too often
        try:
            return json.loads(error.doc.replace("{}},", "{},"))
        except ValueError:
            return None
    except (postgast.PgQueryError, ValueError):
        return None


def parts(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every part of what `parsed` gives, with its kind."""
    if isinstance(tree, dict):
        for what, part in tree.items():
            yield what, part
            yield from parts(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from parts(part)


def _plainer(definition: str) -> str | None:
    """The same function with plainer types; None where it is no CREATE FUNCTION that can be written."""
    created = trees.only(definition, "CreateFunctionStmt")
    if created is None:
        return None
    made = type(created)()
    made.CopyFrom(created)
    for part in made.parameters:
        _simplify(part.function_parameter.arg_type)
        if part.function_parameter.mode == _tree.FUNC_PARAM_VARIADIC:
            part.function_parameter.mode = _tree.FUNC_PARAM_IN
    _simplify(made.return_type)
    for option in made.options:
        if option.def_elem.defname == "as":
            source = option.def_elem.arg.list.items[0].string
            source.sval = _declared(source.sval)
    return trees.written(made)


def _simplify(name: Any) -> None:
    """Change the name of a type, where it is one that is not read."""
    del name.array_bounds[:]
    if name.pct_type:
        name.pct_type = False
        del name.names[:-1]
        name.names[0].string.sval = "text"
    elif len(name.names) > 1 and name.names[0].string.sval not in _KNOWN:
        name.names[0].string.sval = "public"


def _declared(body: str) -> str:
    """The body with plainer types of its variables."""
    encoded = body.encode()
    for start, end, text in reversed([*_types(words.said(body))]):
        encoded = encoded[:start] + text.encode() + encoded[end:]
    return encoded.decode()


def _types(said: Sequence[Word]) -> Iterator[tuple[int, int, str]]:
    """Where in a body a type is to be another one, and which."""
    is_declaring = begins = False
    for position, word in enumerate(said):
        is_declaring = word.kind == "DECLARE" or (is_declaring and word.kind != "BEGIN_P")
        if is_declaring and begins:
            named = [*_of_variable(said[position + 1 :])]
            if named and named[0].text.lower() not in _OTHERS and "%" not in {each.text for each in named}:
                yield named[0].start, named[-1].end, _plain(named)
        begins = word.kind == "DECLARE" or word.text == ";"


def _of_variable(said: Sequence[Word]) -> Iterator[Word]:
    """The words of a type, which stand after the name of a variable."""
    for position, word in enumerate(said):
        if word.text.lower() in _ENDS:
            return
        if position or word.text.lower() != "constant":
            yield word


def _plain(named: Sequence[Word]) -> str:
    end = next((n for n, word in enumerate(named) if word.text == "[" or word.kind == "ARRAY"), len(named))
    parts = [word.text for word in named[:end]]
    return " ".join(["public", *parts[1:]] if parts[1:2] == ["."] and parts[0] not in _KNOWN else parts)
