"""What policies say of files, topics and headers, read from their trees, however it is written."""

from __future__ import annotations

import pytest

from pgassay.schema import headers, paths, topics
from pgassay.schema.sources import Condition, Function, Sources

IN_DOCS = "create function public.in_docs(b text) returns boolean language sql as $$ select lower($1) = 'docs' $$"
KNOWN = """create function public.known(folder text) returns boolean language plpgsql as $$
begin return exists (select from public.tasks as t where t.id::text = folder); end $$"""
OUTER = "create function public.outer_of(b text) returns boolean language sql as $$ select public.in_docs(b) $$"


def of_paths(policy: str) -> Sources:
    """Three functions, and a policy on files."""
    functions = [("in_docs", "b", IN_DOCS), ("known", "folder", KNOWN), ("outer_of", "b", OUTER)]
    return Sources(
        tuple(Function("public", name, (parameter,), text) for name, parameter, text in functions),
        conditions=(Condition("storage.objects", "policy", policy),),
    )


def of_headers(sources: list[tuple[str, str]]) -> Sources:
    """Functions by their names, and the conditions of policies, which have none."""
    return Sources(
        tuple(Function("public", name.removeprefix("public."), ("k",), text) for name, text in sources if name),
        conditions=tuple(Condition("public.docs", "policy", text) for name, text in sources if not name),
    )


@pytest.mark.parametrize(
    "policy",
    [
        "bucket_id = 'docs'::text",
        "'docs'::text = bucket_id",
        "bucket_id ~~ 'docs%'::text",
        "bucket_id ~ '^docs$'::text",
        "bucket_id = ANY (ARRAY['docs'::text])",
        "starts_with(bucket_id, 'docs'::text)",
        "public.in_docs(bucket_id)",
        "public.outer_of((objects.bucket_id)::text)",
    ],
)
def test_a_bucket_is_read_however_it_is_compared(policy: str) -> None:
    (found,) = paths.read(of_paths(policy))
    assert [*found.buckets] == ["docs"]


@pytest.mark.parametrize(
    ("policy", "fixed", "free"),
    [
        ("(storage.foldername(name))[1] = (auth.uid())::text", {}, {1}),
        ("(auth.uid())::text = split_part(name, '/'::text, 2)", {}, {2}),
        ("path_tokens[2] IN (SELECT o::text FROM public.my_orgs() o)", {}, {2}),
        ("(storage.foldername(name))[1] = 'a'::text AND public.known((string_to_array(name, '/'))[2])", {1: "a"}, {2}),
        ("name ~~ 'a/b/%'::text", {1: "a", 2: "b"}, set()),
        ("storage.filename(name) = 'x'::text AND storage.extension(name) = 'png'::text", {}, set()),
    ],
)  # fmt: skip
def test_folders_are_fixed_or_free(policy: str, fixed: dict[int, str], free: set[int]) -> None:
    (found,) = paths.read(of_paths(policy))
    assert (found.fixed, found.free) == (fixed, free)


def test_the_tables_of_a_policy_are_those_of_its_functions_too() -> None:
    (found,) = paths.read(of_paths("public.known((storage.foldername(name))[1])"))
    assert "public.tasks" in found.tables


@pytest.mark.parametrize(
    ("policy", "form"),
    [
        ("realtime.topic() = ('org:'::text || org_id)", ("org:", "")),
        ("realtime.topic() ~~ 'room-%'::text", ("room-", "")),
        ("realtime.topic() = (org_id || ':chat'::text)", ("", ":chat")),
        ("split_part(realtime.topic(), ':'::text, 1) = 'room'::text", ("room:", "")),
        ("extension = 'broadcast'::text", ("", "")),
    ],
)
def test_a_topic_has_the_form_that_policies_give_it(policy: str, form: tuple[str, str]) -> None:
    found = topics.read(Sources(conditions=(Condition("realtime.messages", "policy", policy),)))
    assert form in found.forms


SENT = "create function public.sent(k text) returns text language sql as $$ select {} ->> k $$"
READING = "(current_setting('request.headers'::text, true))::json"


@pytest.mark.parametrize(
    ("sources", "read"),
    [
        ([("", f"({READING} ->> 'x-org'::text)")], {"request.headers": (("x-org",),)}),
        (
            [("", "public.sent('X-Org'::text) = 'a'"), ("public.sent", SENT.format(READING))],
            {"request.headers": (("x-org",),)},
        ),
        (
            [("", "current_setting('request.cookies', true)::jsonb #>> '{Session,role}' = 'staff'")],
            {"request.cookies": (("Session", "role"),)},
        ),
        ([("", "auth.jwt() ->> 'sub'")], {}),
    ],
)
def test_headers_and_cookies_are_read_by_their_keys(
    sources: list[tuple[str, str]], read: dict[str, tuple[tuple[str, ...], ...]]
) -> None:
    assert headers.read(of_headers(sources)).paths == read


def test_constants_that_are_long_are_not_guessed() -> None:
    text = f"{READING} ->> 'x-key' in ('short', 'long enough that nobody can guess it')"
    assert headers.read(of_headers([("", text)])).constants == ("short",)
