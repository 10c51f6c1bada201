"""Files as doors: rows of ``storage.objects`` in the folders of each tenant, where the project has made policies."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay.checks.isolation import costs
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor, Verdict
from pgassay.checks.isolation.moves import Moves
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import Write
from pgassay.config import Membership
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled
from pgassay.schema import paths
from pgassay.schema.paths import Paths

OBJECTS = "storage.objects"
BUCKETS = "storage.buckets"
_INSERT: LiteralString = """
insert into storage.objects (bucket_id, name, owner, owner_id) values (%s, %s, %s, %s) returning *
"""
_UPSERT = sql.SQL("""
insert into storage.objects (bucket_id, name, owner, owner_id, version) values (%s, %s, %s, %s, %s)
on conflict (bucket_id, name) do update set
    owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version
""").format()
_DEEPEST = 8
"""Folders further down are not made."""
_CHILDREN = 3
"""Folders of rows of so many tables are made for one policy."""


def fill(world: World) -> dict[str, str]:
    """Make a bucket for each that a policy names, if it is not there, and files of each tenant in every bucket.

    A file lies in the folder of its tenant, or of the tenant's member; one has an owner, as the platform sets it, and
    one has none, as those that a back end put there. Gives for those tables of storage that could not be filled why.
    """
    unfilled: dict[str, str] = {}
    with costs.only(BUCKETS, unfilled):
        _fill_buckets(world, unfilled)
    with costs.only(OBJECTS, unfilled):
        _fill_objects(world, unfilled)
    return unfilled


def _fill_buckets(world: World, unfilled: dict[str, str]) -> None:
    if OBJECTS not in world.relations and BUCKETS not in world.relations:
        return
    connection = world.connection
    named = {bucket for asked in paths.read(world.sources) for bucket in asked.buckets}
    for bucket in sorted(named):
        with costs.only(_files_in(bucket), unfilled):
            connection.execute(
                "insert into storage.buckets (id, name) values (%s, %s) on conflict do nothing", [bucket] * 2
            )
    if not connection.execute("select from storage.buckets").rowcount:
        connection.execute("insert into storage.buckets (id, name) values ('files', 'files')")
    if BUCKETS in world.relations:
        for name in ("pgassay-1", "pgassay-2", "pgassay-3"):
            connection.execute("insert into storage.buckets (id, name) values (%s, %s)", [name] * 2)


def _files_in(bucket: str) -> str:
    """What is not judged where a bucket, or the files in it, cannot be made."""
    return f"{OBJECTS}, bucket {bucket}"


def _fill_objects(world: World, unfilled: dict[str, str]) -> None:
    if OBJECTS not in world.relations:
        return
    world.more[OBJECTS] = []
    asked = paths.read(world.sources)
    rows = world.connection.execute('select id from storage.buckets order by id collate "C"').fetchall()
    refused: dict[str, str] = {}
    for (bucket,) in rows:
        with costs.only(_files_in(bucket), refused):
            with world.connection.transaction():
                made = list(_files(world, bucket, asked))
                for folder in _folders_of_nobody(world, asked):
                    _put(world, world.member("A"), [bucket, f"{folder}/nobodys.png", None, None])
            world.more[OBJECTS] += made
    if not world.more[OBJECTS] and refused:
        raise Unfilled(next(iter(refused.values())))
    unfilled |= refused
    world.tenants.rows[OBJECTS] = {}
    for label, row in world.more[OBJECTS]:
        world.tenants.rows[OBJECTS].setdefault(label, row)


def _files(world: World, bucket: str, asked: list[Paths]) -> Iterator[tuple[str, Row]]:
    """Make the files of each tenant in a bucket."""
    for label in LABELS:
        user = world.tenants.users[label]
        for number, folder in enumerate(folders(world, label, asked)):
            for owner in (user, None):
                name = f"{folder}/{label}{number}{'' if owner else '-unowned'}.png"
                yield label, _put(world, world.member(label), [bucket, name, owner, owner and str(owner)])


def _put(world: World, member: Actor, values: list[Any]) -> Row:
    """Insert a file; by the API, as the platform does for a user or a back end, where it cannot be done otherwise."""
    refused: psycopg.Error | None = None
    for identity in (None, member.identity, world.platform.back_end()):
        session = world.connection
        try:
            with (
                session.transaction() if identity is None else session.acting_as(identity),
                session.cursor(row_factory=dict_row) as cursor,
            ):
                row = cursor.execute(_INSERT, values).fetchone()
            if row is not None:
                return row
        except psycopg.Error as error:
            if session.closed:
                raise
            refused = refused or error
    if refused is None:
        raise Unfilled("a trigger refuses the row without an error")
    raise refused


def folders(world: World, label: str, asked: list[Paths]) -> list[str]:
    """Where the tenant's files lie: by the declared rule, else in its own folder and in that of its member.

    Where a policy or its functions read other tables, files lie in folders of the tenant's rows there, too. Where it
    compares two folders, there is one within the other.
    """
    tenant, user = str(world.tenants.ids[label]), str(world.tenants.users[label])
    declared = _place(world)
    place = declared or 1
    found: dict[str, None] = {}
    for policy in asked or [Paths()]:
        for whose in [tenant] if declared else [tenant, user]:
            found.setdefault(_path(policy, {place: whose}))
            for other in sorted(policy.free - {place}) if not declared else ():
                found.setdefault(_path(policy, {other: whose}))
        children = [*itertools.islice(_children(world, label, policy), _CHILDREN)]
        for child in children:
            for other in sorted(policy.free or {place}):
                found.setdefault(_path(policy, {other: child}))
        for first, second in itertools.permutations(sorted(policy.free), 2):
            for within in (user, *children):
                found.setdefault(_path(policy, {first: tenant, second: within}))
    return [*found]


def _place(world: World) -> int | None:
    """The folder that names the tenant, as declared."""
    declared = re.search(r"\[(\d+)\]", world.tenancy.tables.get(OBJECTS, ""))
    return int(declared[1]) if declared else None


def _folders_of_nobody(world: World, asked: list[Paths]) -> list[str]:
    """Folders for which a policy asks where the tenant's name should stand: what lies there is no tenant's."""
    place = _place(world) or 1
    found = (
        "/".join(policy.fixed.get(number, "x") for number in range(1, place + 1))
        for policy in asked
        if place in policy.fixed
    )
    return [*dict.fromkeys(found)]


def _path(policy: Paths, whose: Mapping[int, str]) -> str:
    """The folders for which a policy asks, with whose it is at these places."""
    deepest = max([*whose, *(number for number in policy.fixed if number <= _DEEPEST)])
    return "/".join(whose.get(n) or policy.fixed.get(n, "x") for n in range(1, deepest + 1))


def _children(world: World, label: str, policy: Paths) -> Iterator[str]:
    """Keys of the tenant's rows in tables that the policy reads, but for those of the tenants and their members."""
    member = world.tenancy.member
    apart = {world.tenancy.tenant, *world.tenancy.public, *([member.table] if isinstance(member, Membership) else [])}
    for name, relation in sorted(world.relations.items()):
        row = world.tenants.rows.get(name, {}).get(label)
        if row is None or name in apart or not {name, relation.name} & policy.tables or name.startswith("storage."):
            continue
        if len(relation.primary_key) == 1:
            yield str(row[relation.primary_key[0]])


class Files(Target):
    """``storage.objects``: a row is whose folder it lies in. What is in a public bucket everybody may read."""

    def _find_rows(self) -> tuple[tuple[str, ...], dict[Any, str]]:
        return ("id",), {(row["id"],): label for label, row in self.world.more[OBJECTS]}

    @property
    def is_whole(self) -> bool:
        """There are public buckets in it."""
        return not self._public

    @cached_property
    def _public(self) -> set[Any]:
        rows = self.world.ask(
            "select o.id from storage.objects as o join storage.buckets as b on o.bucket_id = b.id where b.public"
        )
        return {key for (key,) in rows}

    def read(self, session: Session) -> set[str]:
        """See `Target`; files of public buckets are everybody's."""
        rows = [tuple(row) for row in self._rows(session)]
        if session is self.world.connection:
            return {self._label_of[row] for row in rows if row in self._label_of}
        return {self._label_of[row] for row in rows if row in self._label_of and row[0] not in self._public}

    def insertions(self, label: str, actor: Actor) -> Iterator[Row]:
        """A new file in each folder of the tenant: beside others, and in a folder below with the actor's id."""
        for _, row in self._of(label):
            folder, _, _ = row["name"].rpartition("/")
            for below in ("", f"{actor.user}/") if actor.user else ("",):
                values: Row = {"bucket_id": row["bucket_id"], "name": f"{folder}/{below}new.png"}
                yield values
                if actor.user is not None:
                    yield {**values, "owner": actor.user, "owner_id": str(actor.user)}
            for own in actor.own - {label}:  # by a policy that looks at another part of the path
                yield {"bucket_id": row["bucket_id"], "name": f"{folder}/{self.world.tenants.ids[own]}/new.png"}

    def _of(self, label: str) -> list[tuple[str, Row]]:
        """One row of that tenant for each bucket and folder; a row may be there that has no name."""
        found = {
            (row["bucket_id"], row["name"].rpartition("/")[0]): (whose, row)
            for whose, row in self.world.more[OBJECTS]
            if whose == label and row["name"] is not None
        }
        return list(found.values())

    def sweeping(self, actor: Actor, operation: str) -> Iterator[tuple[sql.Composed, list[Any]]]:
        """Statements without WHERE; names and buckets are left, which are unique."""
        if operation == "delete":
            yield from super().sweeping(actor, operation)
        else:
            yield sql.SQL("update {} set {} = %s").format(self._table, sql.Identifier("version")), ["1"]

    def _update(self, api: Session, actor: Actor) -> set[str]:
        return self._each(api, actor, "update", sql.SQL("update {} set version = version").format(self._table))[0]

    def try_crossing(self, api: Session, actor: Actor) -> Iterator[Found]:
        """Move a file of one's own to a folder of B, and one of B's to one's own; upload onto one of B's.

        Storage changes name and bucket where a file is moved, and names the caller as the owner.
        """
        moves = Moves(self)
        for changes in self._places("B", "moved.png", actor):
            moved = moves.changes_with(api, actor, changes)
            if moved is not None:
                what = "moves a file of its own to a folder of another tenant"
                yield moves.crossed(actor, api, moved, moves.changes_with, changes, what)
                break
        (own,) = actor.own
        for changes in self._places(own, "taken.png", actor):
            taken = moves.takes(api, actor, changes)
            if taken is not None:
                what = "moves a file of another tenant to a folder of its own"
                yield moves.crossed(actor, api, taken, moves.takes, changes, what, Verdict.WRITES_ACROSS)
                return
        yield from self._overwritten(api, actor)

    def _places(self, label: str, name: str, actor: Actor) -> Iterator[Row]:
        """Where a file may be moved in folders of a tenant: by name, in each bucket, and with the caller as owner."""
        owner: Row = {} if actor.user is None else {"owner": actor.user, "owner_id": str(actor.user)}
        for _, row in self._of(label):
            to = {"name": f"{row['name'].rpartition('/')[0]}/{name}"}
            yield to
            yield {**to, "bucket_id": row["bucket_id"]}
            if owner:
                yield {**to, "bucket_id": row["bucket_id"], **owner}

    def _overwritten(self, api: Session, actor: Actor) -> Iterator[Found]:
        """An upload with upsert onto a file of B's."""
        for _, row in [(label, row) for label, row in self.world.more[OBJECTS] if label == "B" and row["name"]]:
            values: Row = {"bucket_id": row["bucket_id"], "name": row["name"]}
            values |= {"owner": actor.user, "owner_id": actor.user and str(actor.user), "version": "1"}
            write = self._overwrites(api, actor, values)
            if write is not None:
                what = "overwrites a file of another tenant by an upload with upsert"
                yield Moves(self).crossed(actor, api, write, self._overwrites, values, what, Verdict.WRITES_ACROSS)
                return

    def _overwrites(self, api: Session, _actor: Actor, values: Row) -> Write | None:
        """The upload, if it changes a file that was there."""
        write = Write(_UPSERT, [*values.values()])
        self.probes += 1
        try:
            touched = self.world.touched_by(api, write.statement, write.values)
        except psycopg.Error:
            if api.closed:
                raise
            return None
        gone = any(name == OBJECTS and "B" in whose and not there for name, _, whose, there in touched)
        return write if gone else None

    def vacuous(self) -> str | None:
        """Policies that let nobody in are no fault of the probes."""
        return None


class Buckets(Target):
    """``storage.buckets``: they are nobody's, so everybody may read, and whoever may write there writes for all."""

    def _find_rows(self) -> tuple[tuple[str, ...], dict[Any, str]]:
        rows = self.world.connection.execute('select id from storage.buckets order by id collate "C"').fetchall()
        return ("id",), {(key,): LABELS[number % len(LABELS)] for number, (key,) in enumerate(rows)}

    @property
    def is_whole(self) -> bool:
        """Everybody may see which buckets there are."""
        return False

    def judge(self, api: Session, actor: Actor, reached: Mapping[str, set[str]]) -> Iterator[Found]:
        """All but reading."""
        return super().judge(api, actor, {name: labels for name, labels in reached.items() if name != "select"})

    def insertions(self, _label: str, _actor: Actor) -> Iterator[Row]:
        """A new bucket."""
        yield {"id": "pgassay-new", "name": "pgassay-new"}

    def try_crossing(self, _api: Session, _actor: Actor) -> Iterator[Found]:
        """There is nothing to move."""
        yield from ()

    def vacuous(self) -> str | None:
        """Policies that let nobody in are no fault of the probes."""
        return None
