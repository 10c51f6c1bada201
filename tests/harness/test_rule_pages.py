"""The documentation of the rules: a page each, whose SQL is found, and mended, as the page says."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from dataclasses import replace

import pytest

from pgassay import catalog, checks
from pgassay.checks import isolation, relations, rules
from pgassay.config import Membership, Tenancy
from pgassay.identity import Databases
from pgassay.within import read_within
from tests.harness import schemas
from tests.harness.test_cli import ROOT, SCHEMA

PAGES = ROOT / "docs" / "rules"
TENANCY = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
INDEXES = "create index on public.members (user_id); create index on public.notes (org_id);"
TRIED = sorted({*isolation.RULES, "rls-disabled", "definer-search-path", "definer-view", "policy-per-row-auth",
                "fk-without-index", "not-judged", "relation-missing", "policy-error", "broken-function",
                 "role-escalation", "role-right", "row-state", "chosen-request", "secret-column"})  # fmt: skip


def rule_ids() -> set[str]:
    """What looks like a rule's id among the constants of the checks: alone, in a tuple, or as a value of a mapping."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(checks.__path__, f"{checks.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            found |= {word for word in values if isinstance(word, str) and re.fullmatch(r"[a-z]+(-[a-z]+)+", word)}
    return found


def section(rule: str, title: str) -> str:
    page = (PAGES / f"{rule}.md").read_text(encoding="utf-8")
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def sql_in(text: str) -> str:
    return "\n".join(re.findall(r"```sql\n(.*?)```", text, re.DOTALL))


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == rule_ids()


def test_the_index_has_every_page() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\[(.*?)\]\(\1\.md\)", index)) == sorted(rule_ids())


@pytest.mark.parametrize("rule", sorted(rule_ids()))
def test_a_page_says_problem_why_instead_and_how(rule: str) -> None:
    page = (PAGES / f"{rule}.md").read_text(encoding="utf-8")
    assert re.findall(r"^#+ (.*)$", page, re.MULTILINE) == [rule, "Problem", "Why", "Instead", "How"]
    assert all(section(rule, title).strip() for title in ("Problem", "Why", "Instead", "How"))


def declared_in(text: str) -> Tenancy:
    """What a page declares of roles, states and secret columns."""
    content = "\n".join(re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    declared = tomllib.loads(content).get("tool", {}).get("pgassay", {})
    columns = (name.rpartition(".") for name in declared.get("tenancy", {}).get("secret", []))
    secret = tuple((table, column) for table, _, column in columns)
    return replace(TENANCY, within=read_within(declared, "[tool.pgassay]"), secret=secret)


def found_in(databases: Databases, *texts: str, tenancy: Tenancy) -> set[str]:
    with schemas.database(databases, SCHEMA + INDEXES, *texts) as clone:
        (observed,) = schemas.observe_in(databases, clone, tenancy)
        established = {line.relation for line in observed.lines} - {finding.object for finding in observed.findings}
        session = clone.connect_as_owner()
        found = [*observed.findings, *rules.check(session, frozenset(established))]
        found += relations.check(["public.notes", "public.summaries"], catalog.read(session))
    return {finding.rule for finding in found} | ({"not-judged"} if observed.unjudged else set())


@pytest.mark.parametrize("rule", TRIED)
def test_what_a_page_calls_a_problem_is_found_and_not_what_it_says_instead(pg_databases: Databases, rule: str) -> None:
    problem, instead = sql_in(section(rule, "Problem")), sql_in(section(rule, "Instead"))
    tenancy = declared_in(section(rule, "Problem"))
    assert rule in found_in(pg_databases, *filter(None, [problem]), tenancy=tenancy)
    if rule == "not-judged":
        return  # it is waived
    clean = {"relation-missing"} - {rule}  # the relation is declared for all pages, and made in one
    assert found_in(pg_databases, *filter(None, [problem, instead]), tenancy=tenancy) == clean
