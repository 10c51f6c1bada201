"""Who owns which rows: inferred as the corpus declares it, or asked; never stated wrongly."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgassay import Session, catalog, hints, tenancy
from pgassay.catalog import Relation
from pgassay.checks import intent
from pgassay.config import NO_TABLE, Claim, Membership, Tenancy, read_tenancy
from pgassay.hints import Column, Hints
from pgassay.hints.facts import OBJECTS
from pgassay.identity import Databases
from pgassay.templates import Template
from pgassay.tenancy import Inference, Question
from tests.harness import schemas
from tests.sampling import some

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus").glob("*.toml"))
OTHERS = sorted((HERE / "tenancies").glob("*.toml"))

Read = Callable[[str], Hints]
Infer = Callable[..., Inference]
Compare = Callable[[str, Tenancy], str]


@pytest.fixture
def read(session: Session) -> Read:
    """The hints of a schema."""

    def reads(schema: str) -> Hints:
        with session.example():
            session.execute(schema.encode())
            return hints.read(session, catalog.read(session))

    return reads


@pytest.fixture
def infer(session: Session) -> Infer:
    """What is inferred of a schema."""

    def infers(schema: str, **said: str) -> Inference:
        with session.example():
            session.execute(schema.encode())
            relations = catalog.read(session)
            return tenancy.infer(relations, hints.read(session, relations), **said)

    return infers


def loaded(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


@pytest.fixture
def compare(session: Session, pg_databases: Databases) -> Compare:
    """What the inference of a schema is, where that tenancy is meant."""

    def infers(there: Session, declared: Tenancy) -> str:
        relations = catalog.read(there)
        return compared(tenancy.infer(relations, hints.read(there, relations)), declared, relations)

    def compares(schema: str, declared: Tenancy) -> str:
        try:
            with session.example():
                session.execute(schema.encode())
                return infers(session, declared)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
            # what the platform lets migrations do, and not the owner alone, or what has a stand-in
            with schemas.database(pg_databases, schema) as clone:
                return infers(clone.connect_as_owner(), declared)

    return compares


def compared(found: Inference, declared: Tenancy, relations: Iterable[Relation]) -> str:
    """``exact``, ``equivalent``, ``asked`` or ``wrong``: what an inference is, where ``declared`` is meant."""
    if found.tenancy is None:
        return "asked"
    inferred = found.tenancy
    if inferred == declared:
        return "exact"
    if (inferred.tenant, inferred.member, inferred.column) != (declared.tenant, declared.member, declared.column):
        return "wrong"
    asked = {question.object for question in found.questions}
    if any(OBJECTS in note for note in found.notes):  # it says that the files are users' own: no word of tenants
        asked.add(OBJECTS)
    offered = asked | {question.object for question in found.openings}
    named = {relation.full_name: relation for relation in relations}
    rules = inferred.tables.keys() | declared.tables.keys()
    differ = {name for name in rules if not is_same_rule(named, name, inferred, declared)}
    unsaid = {share.table for share in declared.shared} - {share.table for share in inferred.shared}
    if not differ <= asked or not unsaid | declared.public <= offered or set(inferred.shared) - set(declared.shared):
        return "wrong"
    return "asked" if differ | unsaid else "equivalent"


def is_same_rule(relations: Mapping[str, Relation], name: str, inferred: Tenancy, declared: Tenancy) -> bool:
    """Whether two tenancies say the same of a table: by the same rule, or one by a foreign key and the other by none.

    Without a rule, and without the usual column, a row is whose its foreign keys lead to.
    """
    rules = [rule for rule in (inferred.tables.get(name), declared.tables.get(name)) if rule is not None]
    if len(rules) == 2:
        return rules[0] == rules[1]
    relation = relations.get(name)
    if relation is None or relation.column(declared.column) is not None:
        return False
    return follows_foreign_keys(relations, relation, rules[0], declared)


def follows_foreign_keys(relations: Mapping[str, Relation], relation: Relation, path: str, declared: Tenancy) -> bool:
    """Whether each row leads to a tenant by that path, and no other foreign key is as good as its first."""
    step, _, rest = path.partition(".")
    column = relation.column(step)
    guests = {share.user for share in declared.shared if share.table == relation.full_name}
    keys = {here: key.target for key in relation.foreign_keys for here, _ in key.columns if here not in guests}
    target = keys.pop(step, None)
    if column is None or not column.not_null or target is None or {target, declared.tenant} & set(keys.values()):
        return False
    if not rest:
        return target == declared.tenant
    if rest == declared.tables.get(target, declared.column) and relations[target].column(rest) is not None:
        return True
    return follows_foreign_keys(relations, relations[target], rest, declared)


def is_right(databases: Databases, content: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> bool:
    """Whether what is inferred, once it is said which of the tables are everybody's, leads to the right verdicts.

    Another tenancy than the declared one may come to the same, as where each user owns one project.
    """
    texts = [content["schema"], *([extra["sql"]] if extra else [])]
    with schemas.database(databases, *texts) as clone:
        there = clone.connect_as_owner()
        relations = catalog.read(there)
        inferred = tenancy.infer(relations, hints.read(there, relations)).tenancy
        there.close()  # a database is copied where nobody is connected to it
        assert inferred is not None
        declared = read_tenancy(content["tenancy"], "the file")
        (found,) = schemas.observe_in(databases, clone, replace(inferred, public=declared.public))
    if extra is not None and "object" in extra:
        return extra["object"] in {one.object for one in found.findings if one.severity in ("error", "question")}
    return not any(one.severity == "error" for one in found.findings)


def test_the_corpus_is_inferred_as_it_is_declared(
    compare: Compare, pg_databases: Databases, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for file in CORPUS:
        content = loaded(file)
        declared = read_tenancy(content["tenancy"], str(file))
        came_to = compare(content["schema"], declared)
        counts[came_to] += 1
        if came_to == "wrong" and not is_right(pg_databases, content):
            wrong.append(file.stem)
    with capsys.disabled():
        print(f"\ntenancy of {len(CORPUS)} schemas: {', '.join(f'{n} {what}' for what, n in counts.items())}")
    assert wrong == []
    assert counts["exact"] + counts["equivalent"] >= 0.9 * len(CORPUS)


@pytest.mark.parametrize("file", some(CORPUS, dev=4, ci=2), ids=lambda file: file.stem)
def test_a_hole_or_a_bait_does_not_mislead(compare: Compare, pg_databases: Databases, file: Path) -> None:
    content = loaded(file)
    declared = read_tenancy(content["tenancy"], str(file))
    extras = [*content.get("hole", []), *content.get("bait", [])]
    assert extras
    came_to = {extra["name"]: compare(content["schema"] + extra["sql"], declared) for extra in extras}
    wrong = [extra for extra in extras if came_to[extra["name"]] == "wrong"]
    assert [extra["name"] for extra in wrong if not is_right(pg_databases, content, extra)] == []


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: file.stem)
def test_schemas_of_other_styles(infer: Infer, file: Path) -> None:
    content = loaded(file)
    expected = content["expected"]
    found = infer(content["schema"])
    if "doubt" in expected:
        assert found.tenancy is None
        assert expected["doubt"] in found.doubt
        assert [candidate.tenant for candidate in found.candidates] == expected["candidates"]
        return
    rule = {key: expected[key] for key in ("tenant", "member", "column", "tables", "shared") if key in expected}
    assert found.tenancy == read_tenancy(rule, str(file))
    assert [question.object for question in found.questions] == expected.get("asks", [])
    assert list(found.users) == expected.get("users", [])


UNTAKEN = {
    "accounts_with_roles": {
        'policy "n" on public.notifications, using: … or account_id = (SELECT auth.uid() AS uid)',
        'policy "s" on public.subscriptions, using: … or account_id = (SELECT auth.uid() AS uid)',
    }
}
"""Ways that nobody takes: an account with the id of its user is not made yet."""


@pytest.mark.parametrize(
    "file", [file for file in OTHERS if "tenant" in loaded(file)["expected"]], ids=lambda f: f.stem
)
def test_what_is_inferred_is_something_to_judge_by(pg_databases: Databases, file: Path) -> None:
    content = loaded(file)
    with schemas.database(pg_databases, content["schema"]) as clone:
        with clone.connect() as connection:
            intended = intent.of(None, connection, catalog.read(connection))
        assert intended.tenancy is not None
        (matrix,) = schemas.observe_in(pg_databases, clone, intended.tenancy)
    leaks = {finding.object for finding in matrix.findings if finding.severity == "error"}
    assert leaks == set(content["expected"].get("open", []))
    assert matrix.unjudged.keys() - intended.unjudged.keys() == UNTAKEN.get(file.stem, set())


def test_the_jobs_system(pg_databases: Databases, pg_template: Template) -> None:
    with pg_databases.copy(pg_template) as clone:
        connection = clone.connect()
        relations = catalog.read(connection)
        found = tenancy.infer(relations, hints.read(connection, relations))
    declared = loaded(HERE.parents[1] / "pyproject.toml")["tool"]["pgassay"]["tenancy"]
    assert found.tenancy is not None
    assert (found.tenancy.tenant, tenancy.written(found.tenancy.member), found.tenancy.column) == (
        declared["tenant"], declared["member"], declared["column"],
    )  # fmt: skip
    assert found.questions == ()


ORGS = """
create table public.orgs (id uuid primary key, name text);
create table public.docs (id uuid primary key, org_id uuid not null references public.orgs, body text);
alter table public.docs enable row level security;
"""
MEMBERS = """
create table public.members (org_id uuid references public.orgs, user_id uuid references auth.users,
    primary key (org_id, user_id));
"""
ASKS_MEMBERS = """
create policy member on public.docs using (org_id in (
    select m.org_id from public.members as m where m.user_id = auth.uid()));
"""


def test_evidence_is_given_for_every_line(infer: Infer) -> None:
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS)
    assert found.evidence == {
        "tenant": "1 of 1 other table has a column for it.",
        "member": "Its foreign keys join auth.users with public.orgs, one row for each pair; the policies of 1 table "
        "look the caller up in it.",
        "column": "1 table has this column.",
    }


def test_the_usual_column_is_the_one_of_most_tables_and_the_others_have_rules(infer: Infer) -> None:
    more = """
    create table public.a (id uuid primary key, org_id uuid not null references public.orgs);
    create table public.b (id uuid primary key, organization_id uuid not null references public.orgs);
    """
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + more)
    assert found.tenancy == Tenancy(
        "public.orgs",
        Membership("public.members", "org_id", "user_id"),
        "org_id",
        tables={"public.b": "organization_id"},
    )


def test_a_table_of_nobody_is_a_question_unless_nobody_reaches_it(infer: Infer) -> None:
    countries = "create table public.countries (code text primary key);"
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + countries)
    assert [(question.object, question.path) for question in found.questions] == [("public.countries", "")]
    assert "Whose are the rows of public.countries?" in found.questions[0].text
    closed = countries + "alter table public.countries enable row level security;"
    assert infer(ORGS + MEMBERS + ASKS_MEMBERS + closed).questions == ()


def test_what_everybody_reads_by_a_policy_is_suggested_as_public(infer: Infer) -> None:
    plans = """
    create table public.plans (id uuid primary key);
    alter table public.plans enable row level security;
    create policy everybody on public.plans for select using (true);
    """
    (question,) = infer(ORGS + MEMBERS + ASKS_MEMBERS + plans).questions
    assert question.text == (
        'Is public.plans meant for everybody? Its policy "everybody" lets everybody read it, and it does not belong '
        "to a tenant."
    )


def test_what_a_tenant_owns_is_judged_as_its_own_until_a_person_says_that_it_is_public(infer: Infer) -> None:
    leak = "create policy everybody on public.docs for select using (true);"
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + leak)
    assert found.questions == ()
    (opening,) = found.openings
    assert opening == Question(
        "public.docs",
        'Is public.docs meant for everybody? It belongs to tenants, and by its policy "everybody" everybody reads it.',
    )


def test_a_table_with_a_foreign_key_of_two_columns_follows_it_without_a_rule(infer: Infer) -> None:
    more = """
    create table public.pages (doc uuid references public.docs, number int, primary key (doc, number));
    create table public.lines (id uuid primary key, doc uuid not null, page int not null,
        foreign key (doc, page) references public.pages (doc, number));
    """
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + more)
    assert found.tenancy is not None
    assert (found.tenancy.tables, found.questions) == ({"public.pages": "doc.org_id"}, ())


def test_two_foreign_keys_to_the_tenant_are_a_question_unless_policies_ask_for_one(infer: Infer) -> None:
    moves = """
    create table public.moves (id uuid primary key, source uuid not null references public.orgs,
        target uuid not null references public.orgs);
    """
    (question,) = infer(ORGS + MEMBERS + ASKS_MEMBERS + moves).questions
    assert (question.object, question.path) == ("public.moves", "source")
    policy = """
    alter table public.moves enable row level security;
    create policy member on public.moves using (target in (select m.org_id from public.members as m));
    """
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + moves + policy)
    assert found.tenancy is not None
    assert (found.tenancy.tables, found.questions) == ({"public.moves": "target"}, ())


BOTH = "rows are read by group_id and person_id together"
GROUPS = """
create table public.people (id uuid primary key, org_id uuid not null references public.orgs);
create table public.groups (id uuid primary key, org_id uuid not null references public.orgs);
create table public.joined (group_id uuid not null references public.groups, person_id uuid not null
    references public.people, primary key (group_id, person_id));
alter table public.joined enable row level security;
create function public.sees_group(g uuid) returns boolean language sql as $$
select exists (select from public.groups as x join public.members as m using (org_id)
where x.id = g and m.user_id = auth.uid()) $$;
create function public.sees_person(p uuid) returns boolean language sql as $$
select exists (select from public.people as x join public.members as m using (org_id)
where x.id = p and m.user_id = auth.uid()) $$;
create function public.sees(g uuid, p uuid) returns boolean language sql as $$
select public.sees_group(g) or public.sees_person(p) $$;
"""


@pytest.mark.parametrize(
    ("condition", "evidence"),
    [
        ("public.sees_group(group_id)", "rows are read by group_id, not person_id"),
        ("public.sees_group(group_id) and public.sees_person(person_id)", BOTH),
        ("public.sees_person(person_id) and public.sees_group(group_id)", BOTH),
    ],
)
def test_a_table_that_joins_two_is_whose_its_readers_have_to_ask_for(
    infer: Infer, condition: str, evidence: str
) -> None:
    policies = f"""
    create policy read on public.joined for select using ({condition});
    create policy add on public.joined for insert with check (public.sees(group_id, person_id));
    """
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + GROUPS + policies)
    assert found.tenancy is not None
    assert (found.tenancy.tables, found.questions) == ({"public.joined": "group_id.org_id"}, ())
    assert found.evidence["public.joined"] == evidence


@pytest.mark.parametrize(
    "condition",
    [
        "public.sees_group(group_id) or public.sees_person(person_id)",
        "public.sees(group_id, person_id)",
        "person_id is not null and public.sees(group_id, person_id)",
        "exists (select from public.members as m join public.people as x using (org_id) "
        "where m.user_id = auth.uid() and x.id in (group_id, person_id))",
    ],
)
def test_where_either_of_two_is_enough_to_read_a_row_its_tenant_is_a_question(infer: Infer, condition: str) -> None:
    found = infer(
        ORGS + MEMBERS + ASKS_MEMBERS + GROUPS + f"create policy read on public.joined for select using ({condition});"
    )
    assert [question.object for question in found.questions] == ["public.joined"]


def test_what_one_tenant_sends_and_another_reads_is_a_question(infer: Infer) -> None:
    letters = """
    create table public.letters (id uuid primary key, sender uuid not null references public.orgs,
        receiver uuid not null references public.orgs);
    alter table public.letters enable row level security;
    create policy read on public.letters for select using (receiver in (select m.org_id from public.members as m));
    create policy send on public.letters for insert with check (sender in (select m.org_id from public.members as m));
    """
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + letters)
    assert [question.object for question in found.questions] == ["public.letters"]


def test_whoever_reads_a_part_of_a_tenant_by_that_part_alone_may_be_an_outsider(infer: Infer) -> None:
    parts = """
    create table public.participants (doc_id uuid references public.docs, user_id uuid references auth.users,
        primary key (doc_id, user_id));
    alter table public.participants enable row level security;
    create policy own on public.participants using (user_id = auth.uid());
    """
    takes_part = "exists (select from public.participants as p where p.doc_id = id and p.user_id = auth.uid())"
    inside = f"create policy part on public.docs as restrictive using ({takes_part});"
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + parts + inside)
    assert found.openings == ()
    assert found.notes == (
        "public.participants says who belongs to public.docs, within public.orgs: these are not told apart.",
    )
    outside = f"create policy part on public.docs for select using ({takes_part});"
    (opening,) = infer(ORGS + MEMBERS + ASKS_MEMBERS + parts + outside).openings
    assert (opening.object, opening.share) == ("public.participants", "public.participants(doc_id, user_id)")


def test_tenants_that_nobody_belongs_to_are_a_question(infer: Infer) -> None:
    notes = """
    create table public.notes (id uuid primary key, user_id uuid not null references auth.users);
    alter table public.notes enable row level security;
    create policy own on public.notes using (user_id = auth.uid());
    """
    found = infer(ORGS + notes)
    assert found.tenancy is None
    assert found.doubt == "public.docs refers to public.orgs, and nothing says who belongs there."
    assert infer(notes).tenancy == Tenancy("auth.users", None, "user_id")


def test_what_a_person_says_settles_it(infer: Infer) -> None:
    both = (
        ORGS
        + MEMBERS
        + ASKS_MEMBERS
        + """
    create policy claim on public.docs using (org_id = (auth.jwt() -> 'app_metadata' ->> 'org_id')::uuid);
    """
    )
    assert infer(both).tenancy is None
    claim = infer(both, member="claim:app_metadata.org_id").tenancy
    assert claim == Tenancy("public.orgs", Claim(("app_metadata", "org_id")), "org_id")
    members = infer(both, tenant="public.orgs", member="public.members(org_id, user_id)").tenancy
    assert members == Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
    assert "Nothing in the schema speaks for tenant public.teams" in infer(both, tenant="public.teams").doubt


UNLISTED = """
create table public.members (user_id uuid not null, org_id uuid not null, primary key (user_id, org_id));
create table public.notes (id uuid primary key, org_id uuid not null, author uuid);
alter table public.members enable row level security;
alter table public.notes enable row level security;
create policy own on public.members for select using (user_id = auth.uid());
create function public.mine() returns setof uuid language plpgsql as $$ begin
return query select m.org_id from public.members as m where m.user_id = auth.uid(); end $$;
create function public.list() returns uuid[] language sql as $$
select array_agg(org_id) from public.members where user_id = auth.uid() $$;
create function public.is_in(o uuid) returns boolean language sql as $$
select exists (select from public.members as m where m.org_id = $1 and m.user_id = auth.uid()) $$;
"""
JOINED = [
    "exists (select from public.members as m where m.user_id = auth.uid() and m.org_id = notes.org_id)",
    "org_id in (select m.org_id from public.members as m where m.user_id = auth.uid())",
    "(auth.uid(), org_id) in (select m.user_id, m.org_id from public.members as m)",
    "org_id in (select public.mine())",
    "org_id = any (public.list())",
    "public.is_in(org_id)",
]


@pytest.mark.parametrize("condition", JOINED)
def test_tenants_are_told_by_joins_where_no_foreign_key_and_no_table_says_so(infer: Infer, condition: str) -> None:
    found = infer(f"{UNLISTED} create policy p on public.notes using ({condition});")
    assert found.tenancy == Tenancy(NO_TABLE, Membership("public.members", "org_id", "user_id"), "org_id")
    assert found.evidence["tenant"].startswith("No table lists them.")
    assert found.evidence["member"].startswith("Policies and functions compare its org_id with that of public.notes")


def test_a_table_that_is_taken_for_that_of_tenants_by_its_name_alone_is_told(infer: Infer) -> None:
    orgs = "create table public.orgs (id uuid primary key);"
    found = infer(f"{UNLISTED} {orgs} create policy p on public.notes using ({JOINED[0]});")
    assert found.tenancy == Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
    assert "by its name alone" in found.evidence["tenant"]


def test_a_column_of_another_name_is_the_tenants_where_policies_join_it(infer: Infer) -> None:
    more = """
    create table public.tasks (id uuid primary key, workspace uuid not null);
    create policy p on public.tasks using (public.is_in(workspace));
    """
    found = infer(f"{UNLISTED} create policy p on public.notes using ({JOINED[0]}); {more}")
    assert found.tenancy is not None
    assert found.tenancy.tables == {"public.tasks": "workspace"}


CLAIMED = "create table public.notes (id uuid primary key, org {}, author uuid);"


@pytest.mark.parametrize(
    ("kind", "condition", "path"),
    [
        ("text", "org = (select auth.jwt()) ->> 'org_id'", ("org_id",)),
        ("bigint", "(auth.jwt() ->> 'org_id')::bigint = org", ("org_id",)),
        ("uuid", "org::text = auth.jwt() #>> '{app_metadata,team}'", ("app_metadata", "team")),
        ("uuid", "org = (select public.team())", ("app_metadata", "team")),
    ],
)
def test_a_tenant_may_be_a_claim_alone(infer: Infer, kind: str, condition: str, path: tuple[str, ...]) -> None:
    helper = """
    create function public.team() returns uuid language plpgsql as $$ begin
    return nullif(auth.jwt() -> 'app_metadata' ->> 'team', '')::uuid; end $$;
    """
    found = infer(f"{CLAIMED.format(kind)} {helper} create policy p on public.notes using ({condition});")
    assert found.tenancy == Tenancy(NO_TABLE, Claim(path), "org")


def test_what_every_token_has_is_no_tenant(infer: Infer) -> None:
    mails = "create policy p on public.notes using (org = auth.jwt() ->> 'email' or author = auth.uid());"
    found = infer(CLAIMED.format("text") + mails)
    assert found.tenancy == Tenancy("auth.users", None, "author")


def test_a_claim_that_users_write_is_no_tenancy_and_yet_something_to_try(infer: Infer) -> None:
    forged = "create policy p on public.notes using (org = auth.jwt() -> 'user_metadata' ->> 'org');"
    found = infer(CLAIMED.format("text") + forged)
    assert (found.tenancy, found.candidates) == (None, ())
    assert "which users write themselves" in found.doubt
    assert found.forgeable == Tenancy(NO_TABLE, Claim(("user_metadata", "org")), "org")


def test_files_belong_to_whom_their_folder_is_compared_with(infer: Infer) -> None:
    folder = "create policy p on storage.objects for select using ((storage.foldername(name))[2] in "
    found = infer(ORGS + MEMBERS + ASKS_MEMBERS + folder + "(select m.org_id::text from public.members as m));")
    assert found.tenancy is not None
    assert found.tenancy.tables == {"storage.objects": "path_tokens[2]"}
    assert found.evidence["storage.objects"] == "policies compare this folder with the tenant"
    fixed = folder.replace("(storage", "(storage.foldername(name))[1] = 'teams' and (storage")
    below = infer(ORGS + MEMBERS + ASKS_MEMBERS + fixed + "(select m.org_id::text from public.members as m));").tenancy
    assert below is not None
    assert below.tables == {"storage.objects": "path_tokens[2]"}
    whole = "create policy p on storage.objects for select using (bucket_id = 'x');"
    assert [question.object for question in infer(ORGS + MEMBERS + ASKS_MEMBERS + whole).questions] == [
        "storage.objects"
    ]


CALLER = [
    "user_id = auth.uid()",
    "auth.uid() = user_id",
    "user_id = (select auth.uid())",
    "user_id::text = auth.uid()::text",
    "user_id = (auth.jwt() ->> 'sub')::uuid",
    "user_id = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid",
    "user_id = nullif(current_setting('request.jwt.claim.sub', true), '')::uuid",
    "user_id = coalesce(public.me(), public.me())",
    "user_id in (select public.me())",
    "public.is_me(user_id)",
    "public.is_me_too(user_id)",
    "public.is_me_as_well(user_id)",
    "public.are_same(user_id, auth.uid())",
    "public.are_same(auth.uid(), user_id)",
]
NOT_CALLER = [
    "user_id <> auth.uid()",
    "user_id is not null and auth.uid() is not null",
    "public.are_same(user_id, user_id)",
    "user_id = 'e8ee2a1c-0000-4000-8000-000000000000'",
    "user_id = (auth.jwt() ->> 'session_id')::uuid",
]
FORMS = """
create function public.me() returns uuid language sql as $$ select auth.uid() $$;
create function public.is_me(u uuid) returns boolean language sql as $$ select $1 = public.me() $$;
create function public.is_me_too(u uuid) returns boolean language plpgsql as $$
declare caller uuid := auth.uid(); begin if u is null then return false; end if; return u = caller; end $$;
create function public.is_me_as_well(u uuid, caller uuid default auth.uid()) returns boolean begin atomic
select u = caller; end;
create function public.are_same(a uuid, b uuid) returns boolean language sql as $$ select a = b $$;
create table public.notes (id uuid primary key, user_id uuid);
"""


@pytest.mark.parametrize("expression", CALLER)
def test_a_comparison_with_the_caller_is_seen(read: Read, expression: str) -> None:
    facts = read(f"{FORMS} create policy p on public.notes using ({expression});").policies["public.notes"]
    assert facts.callers == {Column("public.notes", "user_id")}


@pytest.mark.parametrize("expression", NOT_CALLER)
def test_no_comparison_with_the_caller_is_made_up(read: Read, expression: str) -> None:
    facts = read(f"{FORMS} create policy p on public.notes using ({expression});").policies["public.notes"]
    assert facts.callers == set()


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("auth.jwt() ->> 'org'", ("org",)),
        ("auth.jwt() -> 'app_metadata' ->> 'org_id'", ("app_metadata", "org_id")),
        ("auth.jwt() #>> '{app_metadata,org_id}'", ("app_metadata", "org_id")),
        ("(auth.jwt())['app_metadata'] ->> 'org_id'", ("app_metadata", "org_id")),
        ("jsonb_extract_path_text(auth.jwt(), 'app_metadata', 'org_id')", ("app_metadata", "org_id")),
        ("current_setting('request.jwt.claims', true)::jsonb -> 'user_metadata' ->> 'o'", ("user_metadata", "o")),
        ("current_setting('request.jwt.claim.org', true)", ("org",)),
        ("current_setting('app.org', true)", None),
    ],
)
def test_a_comparison_with_a_claim_is_seen(read: Read, expression: str, path: tuple[str, ...] | None) -> None:
    facts = read(f"{ORGS} create policy p on public.docs using (org_id = ({expression})::uuid);")
    expected = set() if path is None else {(Column("public.docs", "org_id"), path)}
    assert facts.policies["public.docs"].claims == expected


def test_schemas_that_shadow_built_ins_do_not_mislead(infer: Infer) -> None:
    hostile = """
    create function public.pg_get_expr(pg_node_tree, oid) returns text language sql as $$ select 'true' $$;
    create function public.any_equal(text, text) returns boolean language sql as $$ select true $$;
    create operator public.<> (leftarg = text, rightarg = text, function = public.any_equal);
    set local search_path = public, pg_catalog;
    """
    assert infer(hostile + ORGS + MEMBERS + ASKS_MEMBERS).tenancy == Tenancy(
        "public.orgs", Membership("public.members", "org_id", "user_id"), "org_id"
    )
