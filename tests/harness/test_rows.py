"""Generated rows go in, those that are to break one rule are refused with it, and what cannot be filled is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import Phase, find, given, settings

from pgassay import Session, catalog, rows
from pgassay.catalog import Relation
from pgassay.config import Membership, Tenancy
from pgassay.fixtures import OwnDatabase
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.rows import Maker, Rule, Unfilled, hints
from tests.harness import schemas

TYPES = """
smallint, integer, bigint, numeric, numeric(7, 3), numeric(4, 0), real, double precision, money, text, varchar,
varchar(1), varchar(12), char(1), char(9), bpchar, name, "char", bytea, timestamp, timestamptz, timestamp(0),
    date, time,
timetz, time(3), interval, interval day to second, boolean, point, line, lseg, box, path, polygon, circle, cidr, inet,
macaddr, macaddr8, bit, bit(5), bit varying, bit varying(6), tsvector, tsquery, uuid, json, jsonb, jsonpath, oid,
regclass, regproc, regtype, regrole, regnamespace, pg_lsn, xid, xid8, cid, tid, pg_snapshot, txid_snapshot, refcursor,
int2vector, oidvector, int4range, int8range, numrange, tsrange, tstzrange, daterange, int4multirange, nummultirange,
datemultirange, tstzmultirange, integer[], text[], uuid[], timestamptz[], jsonb[], boolean[], varchar(3)[],
    box[], point[],
daterange[], numeric(5, 2)[], zoo.mood, zoo.mood[], zoo.place, zoo.place[], zoo.code, zoo.code[], zoo.deep, zoo.span,
zoo.crate, bytea[], interval[], inet[]
"""

ZOO = Path(__file__).parent / "zoo.sql"

TABLES = [
    "lists", "numbers", "texts", "pairs", "one_of", "either", "needs_other_than_default", "documents", "generated",
    "functions", "raising", "months", "regions", "buckets", "children", "uniques", "domains",
    'Odd "names", 100% {of} them', "nothing", "longs", "parents",
]  # fmt: skip


def _types() -> list[str]:
    found = [""]
    for part in TYPES.replace("\n", " ").split(","):
        found[-1] = f"{found[-1]},{part}" if found[-1] else part
        if found[-1].count("(") == found[-1].count(")"):
            found.append("")
    return [name.strip() for name in found if name.strip()]


def _schema() -> str:
    tables = [f"create table zoo.t{n} (plain {name}, needed {name} not null);" for n, name in enumerate(_types())]
    return ZOO.read_text() + "\n".join(tables)


class Zoo:
    """The zoo in a database of its own: its relations by name, and blocks that are undone."""

    def __init__(self, own: OwnDatabase) -> None:
        self.example = own.example
        with own.example() as session:
            self.relations = {r.name: r for r in catalog.read(session) if r.schema == "zoo"}

    def __getitem__(self, name: str) -> Relation:
        return self.relations[name]


@pytest.fixture(scope="module")
def zoo(pg_databases: Databases) -> Iterator[Zoo]:
    template = pg_databases.template((), (Script(Path("1_zoo.sql"), "1_zoo.sql", _schema()),))
    with OwnDatabase(pg_databases, template) as own:
        yield Zoo(own)


def insert(session: Session, relation: Relation, row: rows.Row) -> None:
    session.execute(rows.insert_statement(relation, row), list(row.values()))


def every_row_goes_in(example: Any, relation: Relation, known: rows.Row | None = None) -> list[rows.Row]:
    """Insert rows drawn from the strategy, each by itself."""
    drawn: list[rows.Row] = []
    with example() as db:
        strategy = rows.strategy(relation, db, known)

        @given(strategy)
        def goes_in(row: rows.Row) -> None:
            with example() as session:
                insert(session, relation, row)
            drawn.append(row)

        goes_in()
    return drawn


@pytest.mark.parametrize("number", range(len(_types())), ids=_types())
def test_every_value_of_a_type_goes_in(zoo: Zoo, number: int) -> None:
    drawn = every_row_goes_in(zoo.example, zoo[f"t{number}"])
    assert all(row["needed"] is not None for row in drawn)


@pytest.mark.parametrize("table", TABLES)
def test_every_generated_row_goes_in(zoo: Zoo, table: str) -> None:
    every_row_goes_in(zoo.example, zoo[table])


@pytest.mark.parametrize("table", [name for name in TABLES if name != "nothing"])
def test_every_row_that_breaks_a_rule_is_refused_with_its_error(zoo: Zoo, table: str) -> None:
    relation = zoo[table]
    with zoo.example() as db:
        found = rows.breaches(relation, db)
    refused = 0
    for rule, broken in found.items():
        for row in broken:
            assert refusal(zoo, relation, row) == expected(rule), (str(rule), row)
            refused += 1
    assert refused > 0


def refusal(zoo: Zoo, relation: Relation, row: rows.Row) -> tuple[str | None, str | None]:
    """SQLSTATE and the name of the constraint or column with which a row is refused."""
    try:
        with zoo.example() as session:
            insert(session, relation, row)
    except psycopg.Error as error:
        return error.sqlstate, error.diag.constraint_name or error.diag.column_name
    return None, None


def expected(rule: Rule) -> tuple[str, str | None]:
    unnamed = rule.kind in ("length", "partition") or rule.name == "even"  # a domain's NOT NULL names no column
    return rule.sqlstate, None if unnamed else rule.name


RULES = {
    "lists": {"not null status", "check lists_status_check", "check lists_kind_check", "check lists_level_check",
        "length kind", "length level"},
    "numbers": {f"check numbers_{c}_check" for c in "abcde"} | {f"not null {c}" for c in "abd"}
        | {f"length {c}" for c in "abde"},
    "texts": {f"check texts_{c}_check" for c in ("name", "reference", "email", "phone", "slug", "colour", "posix")}
    | {f"not null {c}" for c in ("name", "reference", "email")} | {"length name", "length colour"},
    "one_of": {"check one_of_check", "length a"},
    "children": {
        "not null id", "not null tenant", "not null parent", "foreign key children_tenant_parent_fkey",
            "length tenant",
        "length parent", "length other", "foreign key children_other_fkey", "foreign key children_code_fkey",
        "check children_check",
    },
    "uniques": {
        "not null id", "not null email", "not null mood", "not null slot", "not null active", "length id",
            "unique emails",
        "unique lowered", "unique uniques_pkey", "exclusion uniques_slot_excl",
    },
    "domains": {"not null code", "not null even", "domain code_check", "domain positive_check",
        "domain deep_check", "length even", "length code", "length maybe"},
    "months": {"not null amount", "length amount", "partition partitions of months"},
}  # fmt: skip


@pytest.mark.parametrize("table", RULES)
def test_every_rule_of_a_table_is_broken(zoo: Zoo, table: str) -> None:
    with zoo.example() as db:
        found = rows.breaches(zoo[table], db)
    assert {f"{rule.kind} {rule.name}" for rule in found} == RULES[table]


@pytest.mark.parametrize("table", ["pairs", "uniques"])
def test_breaking_draws_a_row_and_the_rule_that_it_breaks(zoo: Zoo, table: str) -> None:
    relation = zoo[table]
    seen = set()
    with zoo.example() as db:
        strategy = rows.breaking(relation, db)

        @given(strategy)
        def is_refused(drawn: tuple[rows.Row, Rule]) -> None:
            row, rule = drawn
            assert refusal(zoo, relation, row) == expected(rule)
            seen.add(rule.kind)

        is_refused()
    assert {"not null", "check" if table == "pairs" else "unique"} <= seen


def test_a_rule_that_follows_from_another_is_not_broken_alone(pg_databases: Databases) -> None:
    sql = "create table public.t (a integer not null check (a > 10), constraint weaker check (a > 5))"
    with database(pg_databases, sql) as (db, relations):
        found = rows.breaches(relations["t"], db)
    assert {rule.name for rule in found if rule.kind == "check"} == {"t_a_check"}


def test_columns_are_left_out_and_given_null_and_filled(zoo: Zoo) -> None:
    with zoo.example() as db:
        pairs = rows.strategy(zoo["pairs"], db)
        longs = rows.strategy(zoo["longs"], db)
    wanted = settings(max_examples=500, derandomize=True, database=None, phases=[Phase.generate])
    for strategy, condition in [
        (pairs, lambda row: "discount" not in row),
        (pairs, lambda row: row.get("discount") is not None),
        (pairs, lambda row: row.get("status") == "cancelled"),
        (pairs, lambda row: "status" not in row),
        (longs, lambda row: "i" not in row),
        (longs, lambda row: row.get("i") is not None),
        (longs, lambda row: "i" in row and row["i"] is None),
        (longs, lambda row: row["b"] is None),
        (longs, lambda row: row["h"] is not None and row["h"] > 1000),
    ]:
        find(strategy, condition, settings=wanted)


def test_known_values_stay_and_the_others_fit_them(zoo: Zoo) -> None:
    drawn = every_row_goes_in(zoo.example, zoo["children"], {"tenant": 2})
    assert {row["tenant"] for row in drawn} == {2}
    assert {row["parent"] for row in drawn} == {3}
    every_row_goes_in(zoo.example, zoo["either"], {"kind": "major"})


# Faults: the strategies as they are must notice when the table is not what they were made for.


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("numbers", "alter table zoo.numbers add check (a <> 20)"),
        ("texts", "alter table zoo.texts add check (phone is not null)"),
        ("t1", "alter table zoo.t1 alter plain set not null"),
        ("lists", "alter table zoo.lists alter kind set not null"),
    ],
)
def test_a_rule_that_the_strategy_does_not_know_is_noticed(zoo: Zoo, table: str, fault: str) -> None:
    with zoo.example() as db:
        db.execute(fault)
        with pytest.raises((psycopg.errors.IntegrityError, BaseExceptionGroup)):
            every_row_goes_in(zoo.example, zoo[table])
    every_row_goes_in(zoo.example, zoo[table])


@pytest.mark.parametrize(
    ("table", "rule", "fault"),
    [
        ("lists", "not null status", "alter table zoo.lists alter status drop not null"),
        ("lists", "check lists_kind_check", "alter table zoo.lists drop constraint lists_kind_check"),
        ("longs", "length a", "alter table zoo.longs alter a type varchar(30)"),
        ("uniques", "unique emails", "alter table zoo.uniques drop constraint emails"),
        ("uniques", "exclusion uniques_slot_excl", "alter table zoo.uniques drop constraint uniques_slot_excl"),
        ("children", "foreign key children_code_fkey", "alter table zoo.children drop constraint children_code_fkey"),
        ("domains", "domain deep_check", "alter domain zoo.deep drop constraint deep_check"),
    ],
)
def test_a_rule_that_is_gone_lets_its_rows_in(zoo: Zoo, table: str, rule: str, fault: str) -> None:
    relation = zoo[table]
    with zoo.example() as db:
        found = {f"{broken.kind} {broken.name}": rows for broken, rows in rows.breaches(relation, db).items()}
        db.execute(fault)
        for row in found[rule]:
            assert refusal(zoo, relation, row) == (None, None), row


# The maker


@contextmanager
def database(databases: Databases, sql: str) -> Iterator[tuple[Session, dict[str, Relation]]]:
    """A database with this schema, and its relations by name."""
    with schemas.database(databases, sql) as clone:
        session = clone.connect()
        yield session, {relation.name: relation for relation in catalog.read(session)}


ORGS = """
create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
create table public.members (org_id uuid not null references public.orgs, user_id uuid not null references auth.users,
    primary key (org_id, user_id));
"""
TENANCY = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")


def filled(databases: Databases, sql: str, tenancy: Tenancy = TENANCY, *, orgs: str = ORGS) -> rows.Tenants:
    with database(databases, orgs + sql) as (session, relations):
        return Maker(session, tuple(relations.values()), tenancy).fill(("A", "B", "C"))


FILLED = {
    "circle, not null and deferred": """
        create table public.a (id bigint generated always as identity primary key, org_id uuid not null,
            b bigint not null);
        create table public.b (id uuid primary key default gen_random_uuid(), a bigint not null references public.a);
        alter table public.a alter b type uuid using null, add foreign key (b) references public.b deferrable;
    """,
    "circle, not null and not deferrable": """
        create table public.a (id serial primary key, org_id uuid not null, b integer not null,
            x text not null check (x ~ '^z+$'));
        create table public.b (id integer primary key, a integer not null references public.a);
        alter table public.a add foreign key (b) references public.b;
    """,
    "itself, not null": """
        create table public.a (id uuid primary key default gen_random_uuid(),
            org_id uuid not null references public.orgs,
            root uuid not null references public.a);
    """,
    "exclusion": """
        create table public.a (id int primary key, org_id uuid not null references public.orgs, t tstzrange not null,
            check (upper(t) - lower(t) <= interval '1 day'), exclude using gist (t with &&));
    """,
    "trigger that refuses": """
        create table public.a (id int primary key, org_id uuid not null references public.orgs,
            score integer not null, word text);
        create function public.refuse() returns trigger language plpgsql as $$
        begin if new.score < 7000 or new.word is distinct from 'sesame' then raise exception 'no'; end if;
            return new; end $$;
        create trigger refuse before insert on public.a for each row execute function public.refuse();
    """,
    "trigger that refuses without an error": """
        create table public.a (id int primary key, org_id uuid not null references public.orgs,
            score integer not null);
        create function public.refuse() returns trigger language plpgsql as $$
        begin if new.score < 7000 then return null; end if; return new; end $$;
        create trigger refuse before insert on public.a for each row execute function public.refuse();
    """,
    "unique values under a pattern": """
        create table public.a (id int primary key, org_id uuid not null references public.orgs,
            slug text not null unique check (slug ~ '^[a-z]{2}[0-9]$'));
    """,
    "one of several references": """
        create table public.posts (id int primary key, org_id uuid not null references public.orgs);
        create table public.notes (id int primary key, org_id uuid not null references public.orgs);
        create table public.a (id int primary key, org_id uuid not null references public.orgs,
            post integer references public.posts, note integer references public.notes, check (num_nonnulls(post,
                note) = 1));
    """,
    "partitions": """
        create table public.a (org_id uuid not null references public.orgs, at date not null,
            primary key (org_id, at))
            partition by range (at);
        create table public.a_1 partition of public.a for values from ('1980-01-01') to ('1981-01-01');
    """,
    "types that need a search": """
        create domain public.iban as text not null check (value ~ '^[A-Z]{2}[0-9]{18}$');
        create table public.a (id int primary key, org_id uuid not null references public.orgs, iban public.iban,
            ibans public.iban[] not null, bits bit(3) not null, at point not null, v int4multirange not null);
    """,
    "generated column under a check": """
        create table public.a (id int primary key, org_id uuid not null references public.orgs, n integer not null,
            twice integer generated always as (n * 2) stored check (twice > 5000));
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", FILLED)
def test_every_table_is_filled_for_every_tenant(pg_databases: Databases, name: str) -> None:
    tenants = filled(pg_databases, FILLED[name])
    assert tenants.unfilled == {}
    assert set(tenants.rows["public.a"]) == {"A", "B", "C"}


def test_a_circle_of_columns_that_may_be_null_is_closed(pg_databases: Databases) -> None:
    tenants = filled(
        pg_databases,
        """
        create table public.a (id int primary key, org_id uuid not null references public.orgs);
        create table public.b (id int primary key, a integer not null references public.a);
        alter table public.a add b integer references public.b;
        """,
    )
    for label in "ABC":
        a, b = tenants.rows["public.a"][label], tenants.rows["public.b"][label]
        assert (a["b"], b["a"]) == (b["id"], a["id"])


def test_second_rows_take_other_values_of_an_enumeration(pg_databases: Databases) -> None:
    tenants = filled(
        pg_databases,
        """
        create type public.v as enum ('a', 'b', 'c');
        create table public.a (id int primary key, org_id uuid not null references public.orgs, v public.v not null);
        """,
    )
    assert {row["v"] for row in tenants.rows["public.a"].values()} == {"a"}
    assert {row["v"] for row in tenants.others["public.a"].values()} == {"a", "b", "c"}


def test_a_sign_up_trigger_gets_the_metadata_that_it_reads(pg_databases: Databases) -> None:
    orgs = """
    create table public.profiles (id uuid primary key references auth.users,
        name text not null check (length(name) > 4));
    create function public.sign_up() returns trigger language plpgsql security definer set search_path = '' as $$
    begin insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'full_name'); return new; end $$;
    create trigger sign_up after insert on auth.users for each row execute function public.sign_up();
    create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
    create table public.members (org_id uuid not null references public.orgs,
        user_id uuid not null references public.profiles,
        primary key (org_id, user_id));
    """
    tenants = filled(pg_databases, "", orgs=orgs)
    assert tenants.unfilled == {}
    assert {row["id"] for row in tenants.rows["public.profiles"].values()} == set(tenants.users.values())


def test_members_have_the_profile_that_memberships_refer_to(pg_databases: Databases) -> None:
    orgs = """
    create table public.plans (id integer primary key, name text not null);
    create table public.profiles (id uuid primary key references auth.users, name text not null);
    create table public.orgs (id uuid primary key default gen_random_uuid(),
        plan integer not null references public.plans);
    create table public.roles (id integer primary key);
    create table public.members (org_id uuid not null references public.orgs,
        user_id uuid not null references public.profiles,
        role integer not null references public.roles, primary key (org_id, user_id));
    """
    tenants = filled(pg_databases, "", orgs=orgs)
    assert tenants.unfilled == {}
    assert {row["user_id"] for row in tenants.rows["public.members"].values()} == set(tenants.users.values())
    assert all(isinstance(value, UUID) for value in tenants.users.values())


UNFILLED = {
    "a CHECK that nothing meets": (
        "x text not null constraint never check (length(x) < 0)", ["never", "length(x) < 0"]
    ),
    "two CHECKs that exclude each other": (
        "x integer not null check (x > 10), y integer not null, constraint less check (y > x), "
        "constraint more check (x > y)",
        ["less", "more", "y > x"],
    ),
    "an opaque function": ("x text not null constraint magic check (md5(x) = 'x')", ["magic", "md5(x)"]),
    "a domain without values": ("x public.impossible not null", ["x", "public.impossible", "VALUE"]),
    "a type without input": ("x pg_node_tree not null", ["x", "pg_node_tree"]),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFILLED)
def test_what_cannot_be_filled_names_what_is_in_the_way(pg_databases: Databases, name: str) -> None:
    columns, words = UNFILLED[name]
    sql = f"""
    create domain public.impossible as text check (value is null);
    create table public.a (id int primary key, org_id uuid not null references public.orgs, {columns});
    create table public.b (id int primary key, a integer not null references public.a);
    """
    with database(pg_databases, ORGS + sql) as (session, relations):
        tenants = Maker(session, tuple(relations.values()), TENANCY).fill(("A", "B"))
        assert all(word in tenants.unfilled["public.a"] for word in words), tenants.unfilled
        assert "it refers to public.a, for which no row could be made" in tenants.unfilled["public.b"]
        with pytest.raises(Unfilled) as raised:
            rows.strategy(relations["a"], session)
        assert all(word in str(raised.value) for word in words), raised.value


def test_a_hundred_tables_take_few_round_trips(pg_databases: Databases) -> None:
    table = """
    create table public.t{n} (id uuid primary key default gen_random_uuid(),
        org_id uuid not null references public.orgs,
        name text not null check (char_length(name) between 3 and 80),
            slug text not null unique check (slug ~ '^[a-z0-9-]+$'),
        status text not null default 'open' check (status in ('open', 'done')), before uuid {references},
        price numeric(8, 2) check (price >= 0), starts_on date not null, ends_on date not null,
            check (ends_on >= starts_on));
    """
    sql = "".join(table.format(n=n, references=f"references public.t{n - 1}" if n else "") for n in range(100))
    with database(pg_databases, ORGS + sql) as (session, relations):
        waits = 0

        class Counted(psycopg.Cursor[Any]):
            def execute(self, *args: Any, **kwargs: Any) -> Any:
                nonlocal waits
                waits += 1
                return super().execute(*args, **kwargs)

        session.cursor_factory = Counted
        tenants = Maker(session, tuple(relations.values()), TENANCY).fill(("A", "B", "C"))
    assert tenants.unfilled == {}
    assert waits < 100 * 40


def test_the_same_pools_every_time() -> None:
    pattern = "^[a-z]{3}[0-9]$"
    assert hints.matching(pattern) == hints.matching.__wrapped__(pattern)
    assert len(hints.matching(pattern)) > 10
