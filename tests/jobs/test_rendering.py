"""Section 7, ``render_template``: what a value can bring into a subject or a body, and what it cannot."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pgassay import Clone, Session
from pgassay.fixtures import Example
from tests.jobs.cast import one

RENDER = "select public.render_template(%s, %s)"
BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}

ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")  # all that JSON in PostgreSQL can hold
FRAGMENTS = [
    "{{", "}}", "{", "}", "{{other}}", "{{ x }}", "x",  # of templates
    "\\1", "\\&", "\\\\", "\\0", "$1", "%", "%s", "%1$s",  # of replacements and formats
    "&", "&amp;", "&#39;", "&lt", "<", ">", '"', "'", "</a>", "<!--", "]]>",  # of HTML
    *BREAKS, " ", "\t", "\U0001f600",
]  # fmt: skip
TRICKY = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)
VALUES = st.text(ANY) | TRICKY
NAMES = st.sampled_from(["x", "other", "first_name", "a.b", "\\1", "%s", "Ä", "two words", "<b>", "&amp;"]) | st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="{}"), min_size=1, max_size=5
)
BLANKS = st.text(" \t\n", max_size=2)
LITERALS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{}")) | st.sampled_from(
    ["\\1", "\\&", "&", '<p class="a">it\'s</p>', "%", "$1", "\n"]
)


def render(db: Session, template: object, variables: object) -> Any:
    return one(db, RENDER, [Jsonb(template), Jsonb(variables)])


def refusal(db: Session, template: object, variables: object) -> str:
    """The message of the PT400 that this is refused with."""
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        render(db, template, variables)
    assert caught.value.sqlstate == "PT400"
    return caught.value.diag.message_primary or ""


@dataclass(frozen=True)
class Variable:
    """A place in a template for a value: its name, and the blanks around it inside the braces."""

    name: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{{{{{self.before}{self.name}{self.after}}}}}"


Pieces = list[str | Variable]
PIECES: st.SearchStrategy[Pieces] = st.lists(LITERALS | st.builds(Variable, NAMES, BLANKS, BLANKS), max_size=6)


def written(pieces: Pieces) -> str:
    return "".join(map(str, pieces))


def rendered(pieces: Pieces, values: Mapping[str, str]) -> str:
    """The model: literal text as it is, a value character by character."""
    return "".join(
        piece if isinstance(piece, str) else "".join(ENTITIES.get(c, c) for c in values[piece.name]) for piece in pieces
    )


def names_in(*templates: Pieces) -> list[str]:
    return sorted({piece.name for pieces in templates for piece in pieces if isinstance(piece, Variable)})


@given(data=st.data(), subject=PIECES, body=PIECES)
def test_templates_are_filled_as_the_model_fills_them(
    example: Example, data: st.DataObject, subject: Pieces, body: Pieces
) -> None:
    values = {name: data.draw(VALUES, name) for name in names_in(subject, body)}
    for name in names_in(subject):  # what becomes of line breaks there is another test's
        values[name] = re.sub(f"[{BREAKS}]", "", values[name])
    with example() as db:
        result = render(db, {"subject": written(subject), "body": written(body)}, {**values, "not asked for": "!"})
    assert result == {"subject": rendered(subject, values), "body": rendered(body, values)}


@given(value=VALUES)
def test_a_value_is_escaped_so_that_unescaping_gives_it_back(example: Example, value: str) -> None:
    with example() as db:
        body = render(db, {"subject": "", "body": "{{x}}"}, {"x": value})["body"]
    assert html.unescape(body) == value
    assert not set("<>\"'") & set(body)
    assert all(body.startswith(tuple(ENTITIES.values()), at.start()) for at in re.finditer("&", body))


@pytest.mark.parametrize("field", ["subject", "body"])
def test_the_five_characters_are_escaped_and_nothing_else_is(db: Session, field: str) -> None:
    template = {"subject": "", "body": "", field: "<{{x}}>"}
    assert (
        render(db, template, {"x": "a<b>&\"c\" 'd'\t/`=;"})[field] == "<a&lt;b&gt;&amp;&quot;c&quot; &#39;d&#39;\t/`=;>"
    )
    assert render(db, template, {"x": "&amp;"})[field] == "<&amp;amp;>"


class Elements(HTMLParser):
    """What a document consists of: start tags with their attributes, end tags, text, and anything else."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ends: list[str] = []
        self.text = ""
        self.others: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.ends.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        self.others.append(decl)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


@given(x=VALUES, y=VALUES, z=VALUES)
def test_a_value_cannot_break_out_of_an_attribute_or_an_element(example: Example, x: str, y: str, z: str) -> None:
    """HTMLParser takes CR and form feed as they come; a browser makes LF of CR, in an attribute and in text alike."""
    template = {"subject": "", "body": "<a href=\"{{x}}\" title='{{y}}'>{{z}}</a>"}
    with example() as db:
        found = Elements(render(db, template, {"x": x, "y": y, "z": z})["body"])
    assert found.tags == [("a", {"href": x, "title": y})]
    assert found.text == z
    assert found.ends == ["a"]
    assert found.others == []


@given(value=TRICKY, other=TRICKY)
def test_what_a_value_brings_is_not_expanded_again(example: Example, value: str, other: str) -> None:
    """Nor what two values make together, nor a reference of a regular expression's replacement."""
    field = "{{x}}{{other}} {{other}}{{x}}"
    with example() as db:
        body = render(db, {"subject": field, "body": field}, {"x": value, "other": other})["body"]
    assert html.unescape(body) == f"{value}{other} {other}{value}"


@pytest.mark.parametrize("value", ["{{other}}", "{{", "}}", "{{x}}", "{{nowhere}}", "\\1", "\\&", "\\\\1", "$1", "%s"])
def test_a_value_without_html_in_it_comes_out_literally(db: Session, value: str) -> None:
    template = {"subject": "a {{x}} b", "body": "{{other}}{{x}}{{other}}"}
    result = render(db, template, {"x": value, "other": "o"})
    escaped = value.replace("&", "&amp;")
    assert result == {"subject": f"a {escaped} b", "body": f"o{escaped}o"}


@given(value=VALUES | st.text(BREAKS + " a&"))
def test_a_subject_gets_no_line_break_from_a_value(example: Example, value: str) -> None:
    """And loses nothing else: what stands in a break's place may be nothing or a space."""
    with example() as db:
        subject = render(db, {"subject": "{{x}}", "body": ""}, {"x": value})["subject"]
    assert not set(subject) & set(BREAKS)
    if not set(value) & set(BREAKS):
        assert html.unescape(subject) == value
    without = str.maketrans("", "", BREAKS + " ")
    assert html.unescape(subject).translate(without) == value.translate(without)


@pytest.mark.parametrize("value", [f"a{mark}b" for mark in BREAKS] + ["a\r\nBcc: b@example.org"])
def test_every_kind_of_line_break_stays_out_of_the_subject_and_in_the_body(db: Session, value: str) -> None:
    result = render(db, {"subject": "{{x}}", "body": "{{x}}"}, {"x": value})
    assert not set(result["subject"]) & set(BREAKS)
    assert result["body"] == value


@given(data=st.data(), pieces=PIECES, name=NAMES, field=st.sampled_from(["subject", "body"]))
def test_an_unknown_variable_is_an_error_that_names_it(
    example: Example, data: st.DataObject, pieces: Pieces, name: str, field: str
) -> None:
    values = {known: "x" for known in names_in(pieces) if known != name}
    place = data.draw(st.integers(0, len(pieces)))
    template = {"subject": "", "body": "", field: written([*pieces[:place], Variable(name), *pieces[place:]])}
    with example() as db:
        assert re.fullmatch(rf"p_template\.{field} .*\W{re.escape(name)}", refusal(db, template, values))
        render(db, template, {**values, name: "x"})


def test_names_are_told_apart_by_case_and_nothing_stands_for_a_missing_one(db: Session) -> None:
    template = {"subject": "{{Name}}", "body": ""}
    assert "Name" in refusal(db, template, {"name": "x", "": "x", "subject": "x"})
    assert "unknown variable" in refusal(db, {"subject": "{{}}", "body": ""}, {"x": "x"})


DECIMALS = st.decimals(-(10**9), 10**9, places=3).map(lambda number: f"{number + 0:f}")  # + 0: no negative zero


@given(value=st.sampled_from(["true", "false"]) | st.integers().map(str) | DECIMALS)
def test_numbers_and_booleans_come_out_as_their_json(example: Example, value: str) -> None:
    template = Jsonb({"subject": "[{{x}}]", "body": "{{x}}"})
    with example() as db:
        result = one(db, "select public.render_template(%s, %s::jsonb)", [template, f'{{"x": {value}}}'])
    assert result == {"subject": f"[{value}]", "body": value}


def test_null_becomes_nothing(db: Session) -> None:
    assert render(db, {"subject": "[{{x}}]", "body": "{{x}}"}, {"x": None}) == {"subject": "[]", "body": ""}


@pytest.mark.parametrize("value", [{}, [], {"a": "b"}, ["a"], [None]])
@pytest.mark.parametrize("field", ["subject", "body"])
def test_an_object_or_an_array_is_no_value(db: Session, field: str, value: object) -> None:
    assert "greeting" in refusal(db, {"subject": "", "body": "", field: "{{greeting}}"}, {"greeting": value})
    assert render(db, {"subject": "", "body": "x"}, {"greeting": value}) == {"subject": "", "body": "x"}


@pytest.mark.parametrize("text", ["", "{x}", "{ {x} }", "p{color:red}", "{", "}}", "a } b { c", "{{ x", "x }}"])
def test_text_without_a_variable_is_kept(db: Session, text: str) -> None:
    assert render(db, {"subject": text, "body": text}, {"x": "!"}) == {"subject": text, "body": text}


WELL_FORMED = {"subject": "s", "body": "b"}
OTHER_TYPES: list[object] = [None, True, 7, "text", [], [WELL_FORMED], {}]


@pytest.mark.parametrize("template", OTHER_TYPES)
def test_a_template_must_be_an_object_with_subject_and_body(db: Session, template: object) -> None:
    assert "p_template" in refusal(db, template, {})


@pytest.mark.parametrize("value", [value for value in OTHER_TYPES if not isinstance(value, str)])
@pytest.mark.parametrize("field", ["subject", "body"])
def test_subject_and_body_must_be_texts(db: Session, field: str, value: object) -> None:
    assert f"p_template.{field}" in refusal(db, WELL_FORMED | {field: value}, {})
    missing = {other: text for other, text in WELL_FORMED.items() if other != field}
    assert f"p_template.{field}" in refusal(db, missing, {})


@given(key=st.text(ANY).filter(lambda key: key not in WELL_FORMED), value=VALUES | st.none())
def test_an_unknown_key_of_a_template_is_named(example: Example, key: str, value: str | None) -> None:
    with example() as db:
        assert key in refusal(db, WELL_FORMED | {key: value}, {})


@pytest.mark.parametrize("variables", [value for value in OTHER_TYPES if value != {}])
def test_variables_must_be_an_object(db: Session, variables: object) -> None:
    assert "p_variables" in refusal(db, WELL_FORMED, variables)


@pytest.mark.parametrize(
    ("call", "named"), [("null, '{}'", "p_template must be an object"), ("'{}', null", "p_variables must be an object")]
)
def test_null_is_no_template_and_no_variables(db: Session, call: str, named: str) -> None:
    with pytest.raises(psycopg.Error, match=named) as caught:
        db.execute(f"select public.render_template({call})".encode())
    assert caught.value.sqlstate == "PT400"


@pytest.mark.parametrize("inside", [" " * 40_000, " a" * 40_000, " " * 40_000 + "a", "a" + " " * 40_000 + "a"])
def test_blanks_in_a_placeholder_cost_no_more_than_other_text(db: Session, inside: str) -> None:
    """The timeout is generous for a cost that is linear, and far from one that is quadratic."""
    db.execute("set local statement_timeout = '2s'")
    template = {"subject": "", "body": f"[{{{{{inside}}}}}]"}
    assert render(db, template, {inside.strip(): "x"})["body"] == "[x]"


def test_a_session_that_reads_literals_in_the_old_way_gets_the_same_and_leaves_nothing_wrong_behind(
    clone: Clone,
) -> None:
    """What a session of a pool has compiled, the next user of it gets."""
    template = {"subject": "s {{ s }} u000a", "body": "{{\ts \n}}"}
    expected = {"subject": "s a b&lt; u000a", "body": "a\r\nb&lt;"}
    with clone.connect() as session:
        for setting in ("off", "on"):
            with session.transaction():
                session.execute(f"set local standard_conforming_strings = {setting}".encode())
                assert render(session, template, {"s": "a\r\nb<"}) == expected
