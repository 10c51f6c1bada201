"""Runs made up for the tests of reports, with any text where a schema's own could stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pgassay.catalog import Argument, Column, DataType, ForeignKey, Function, Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import OPERATIONS, Access, Reach
from pgassay.checks.run import Migration, Probes, Run, ServerFacts
from pgassay.checks.waivers import Waived
from pgassay.config import Tenancy
from pgassay.tenancy import Inference

IDENTITIES = ("anon", "stranger", "member of A", "service_role")


def relation(name: str, *targets: str, kind: str = "table") -> Relation:
    columns = tuple(
        Column(column, "uuid", "U", True, False, DataType("uuid", "base", "U", "uuid"))
        for column in ("id", *(f"{target.partition('.')[2]}_id" for target in targets))
    )
    keys = tuple(ForeignKey(target, ((f"{target.partition('.')[2]}_id", "id"),)) for target in targets)
    return Relation("public", name, kind, columns, ("id",), keys, ())


def function(name: str) -> Function:
    return Function("public", name, (Argument("a", "uuid", False),), True, False, False, False, frozenset({"anon"}))


def access(name: str, **wider: Reach) -> list[Access]:
    """A line an identity: members reach their own rows, service_role all, and those named what is said."""
    usual = {"member of A": Reach.OWN, "service_role": Reach.ALL}
    return [
        Access(name, identity, dict.fromkeys(OPERATIONS, wider.get(identity, usual.get(identity, Reach.NONE))))
        for identity in IDENTITIES
    ]


def full(text: Callable[[str], str] = str) -> Run:
    """A run with something of every kind; ``text`` makes each of its texts from a word that tells which it is."""
    leaky, odd, unknown = text("leaky"), text("odd"), text("unknown")
    call = f"public.{text('tell')}(uuid)"
    leak = Finding(
        "tenant-isolation",
        f"public.{leaky}",
        f"anon can select {text('observed')}",
        text("mend"),
        "error",
        "anon",
        text("statement"),
        "select",
        text("expected"),
        text("culprit"),
        f"{text('file')}:12",
        text("script"),
    )
    tells = Finding("tenant-isolation", call, text("told"), text("mend it"), "warning", "stranger", text("call"))
    accepted = replace(leak, object=f"public.{odd}", observed=text("accepted"))
    return Run(
        version="0.1.0",
        started="2025-11-03T12:00:00+00:00",
        seconds=2.5,
        exit_code=1,
        folder=text("folder"),
        server=ServerFacts("embedded", "18.6", text("why")),
        before=(Migration(text("host"), text("host.sql"), "applied", seconds=0.25),),
        migrations=(
            Migration(text("one"), text("one.sql"), "applied", "1", 0.5, "", (text("vector"),), (text("index"),)),
            Migration(text("two"), text("two.sql"), "autocommit", "2", 0.5),
            Migration(text("three"), text("three.sql"), "skipped", error=text("passed over")),
        ),
        declared=(f"public.{leaky}",),
        relations=(
            relation(text("orgs")),
            relation(leaky, f"public.{text('orgs')}", f"public.{leaky}", "auth.users"),
            relation(odd, f"public.{leaky}"),
            relation(unknown),
            relation(text("view"), kind="view"),
        ),
        functions=(function(text("tell")), function(text("fine"))),
        matrix=(
            *access(f"public.{text('orgs')}"),
            *access(f"public.{leaky}", anon=Reach.ALL),
            *access(f"public.{odd}", anon=Reach.SOME),
        ),
        rights=(
            Access(f"public.{leaky}", text("viewer"), dict.fromkeys(OPERATIONS, Reach.OWN)),
            Access(f"public.{leaky}", text("owner"), dict.fromkeys(OPERATIONS, Reach.ALL)),
        ),
        probes=Probes(123, (), (f"public.{text('view')}",), (f"public.{unknown}",)),
        findings=(leak, replace(leak, identity="stranger", observed=f"stranger can select {text('observed')}"), tells),
        unjudged={f"public.{unknown}": text("no row could be made")},
        waived=(
            Waived(f"public.{odd}", accepted.observed, text("on purpose"), accepted),
            Waived(f"public.{text('fine')}(uuid)", f"not judged: {text('no call')}", text("called elsewhere")),
        ),
        inferred=Inference(Tenancy(f"public.{text('orgs')}", None, text("org_id"))),
        notes=(text("note"),),
    )


def clean() -> Run:
    """A run in which nothing was found."""
    return replace(
        full(),
        exit_code=0,
        rights=(),
        findings=(),
        unjudged={},
        waived=(),
        probes=Probes(123),
        matrix=tuple(access("public.orgs")),
    )


def stopped() -> Run:
    """A run whose second migration failed."""
    return Run(
        version="0.1.0",
        started="2025-11-03T12:00:00+00:00",
        seconds=0.5,
        exit_code=2,
        server=ServerFacts("system", "15.18", ""),
        migrations=(
            Migration("1_a.sql", "m/1_a.sql", "applied", "1", 0.25),
            Migration("2_b.sql", "m/2_b.sql", "failed", "2", error="m/2_b.sql:1: refused"),
            Migration("3_c.sql", "m/3_c.sql", "skipped", "3", error="The run ended before it."),
        ),
        error="m/2_b.sql:1: refused",
        hint="Mend it.",
    )
