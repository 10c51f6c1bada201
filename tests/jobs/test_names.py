"""Sections 3 and 9: a job's name has 1 to 200 characters, and is not blank by Unicode.

Blank is a name that has nothing but White_Space, Default_Ignorable_Code_Point (Unicode's files PropList.txt and
DerivedCoreProperties.txt) and the blank pattern of Braille.
"""

from __future__ import annotations

import unicodedata
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pgassay import Session
from pgassay.fixtures import Example
from tests.jobs.cast import PARAMS, new_job, outcome, settle

WHITE_SPACE = [
    (0x9, 0xD), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
]  # fmt: skip
DEFAULT_IGNORABLE = [
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]  # fmt: skip
BRAILLE_BLANK = [(0x2800, 0x2800)]
RANGES = [*WHITE_SPACE, *DEFAULT_IGNORABLE, *BRAILLE_BLANK]
BLANK = "".join(chr(code) for first, last in RANGES for code in range(first, last + 1))
NEIGHBOURS = [chr(code) for first, last in RANGES for code in (first - 1, last + 1) if chr(code) not in BLANK]

INSERT = "insert into public.jobs (org_id, name) values (%(org)s, %(name)s)"
UPDATE = "update public.jobs set name = %(name)s where id = %(job)s"
CREATE = "select (public.create_job(%(org)s, %(name)s, null, %(params)s)).id"
WAYS = {"insert": INSERT, "update": UPDATE, "create_job": CREATE}


def naming(db: Session, way: str, names: list[str | None]) -> dict[str | None, str]:
    """What a member is told who gives a job each of these names in that way."""
    cast = settle(db)
    job: UUID = new_job(db, cast.org_a)
    told = {}
    with db.as_user(cast.member_a):
        for name in names:
            values = {"org": cast.org_a, "job": job, "name": name, "params": Jsonb(PARAMS)}
            told[name] = outcome(db, WAYS[way], values)
    return told


def refusal(way: str) -> str:
    return "PT400" if way == "create_job" else "23514"


def test_what_is_listed_here_is_what_python_knows_of_unicode() -> None:
    """White_Space is `str.isspace` but for four separators of files, groups, records and units; no letter is blank."""
    spaces = {chr(code) for first, last in WHITE_SPACE for code in range(first, last + 1)}
    everything = map(chr, range(0x110000))
    assert spaces == {character for character in everything if character.isspace()} - set("\x1c\x1d\x1e\x1f")
    letters = {character for character in BLANK if unicodedata.category(character).startswith("L")}
    assert letters == set("\u115f\u1160\u3164\uffa0"), "fillers, which are letters that show nothing"
    assert len(BLANK) == len(set(BLANK)) == 4200


@pytest.mark.parametrize("way", WAYS)
def test_a_name_of_blank_characters_alone_is_refused(db: Session, way: str) -> None:
    """All of them, 200 at a time: were one not blank, its name would be taken."""
    names: list[str | None] = [BLANK[at : at + 200] for at in range(0, len(BLANK), 200)]
    names += ["\u200c", "\u200d", "\u2060", "\u00ad", "\u2800", "\u3164", "\u180e", " ", "\t\n", "\U000e0041"]
    assert set(naming(db, way, names).values()) == {refusal(way)}


@pytest.mark.parametrize("way", WAYS)
def test_a_name_with_one_character_that_shows_is_taken(db: Session, way: str) -> None:
    """Those that stand next to a blank one in Unicode; and any among blank ones, at either end."""
    names: list[str | None] = [
        *NEIGHBOURS,
        "x",
        "ä",
        "名",
        "🙂",
        "\u2801",
        " x",
        "x ",
        "\u200dx\u00ad",
        "\\",
        "]",
        "^",
        "-",
    ]
    told = naming(db, way, [name for name in names if name and not 0xD800 <= ord(name[0]) <= 0xDFFF])
    assert told == dict.fromkeys(told, "ok")


@pytest.mark.parametrize("way", WAYS)
def test_a_name_has_1_to_200_characters_which_are_not_bytes(db: Session, way: str) -> None:
    told = naming(db, way, ["", "x" * 201, "名" * 201, " " * 201, "x" + " " * 200])
    assert told == dict.fromkeys(told, refusal(way))
    told = naming(db, way, ["x", "x" * 200, "名" * 200, "🙂" * 200, " " * 199 + "x"])
    assert told == dict.fromkeys(told, "ok")


@given(name=st.text(st.sampled_from(BLANK[:40] + "\u3164\u2060ab"), min_size=1, max_size=6))
def test_a_name_is_blank_when_all_of_its_characters_are(example: Example, name: str) -> None:
    with example() as db:
        cast = settle(db)
        expected = "23514" if all(character in BLANK for character in name) else "ok"
        assert outcome(db, INSERT, {"org": cast.org_a, "name": name}) == expected
