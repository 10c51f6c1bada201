"""Read everything of the project's own that behaviour hangs on: a query a kind of object, all of them on the catalog.

The result is the same on every version and whatever the locale: names are sorted here, values are written under fixed
settings, and what a version has beyond the oldest is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import PLATFORM
from pgassay.checks.isolation import OPERATIONS, Matrix
from pgassay.checks.snapshot import further, layout, platform, queries
from pgassay.checks.snapshot.state import Object, State, name, state
from pgassay.platforms import DEFAULT

Connection = psycopg.Connection[Any]
Row = Mapping[str, Any]

OWNER = "owner"
"""What the role is called that the migrations are applied as, whose name differs from server to server."""
ALL = "ALL"
_NOTHING = "nothing"
_PUBLIC = "public"

_SHARED = DEFAULT.shared
"""Schemas of the platform in which projects write policies, triggers and functions."""
_PLATFORM = tuple(schema for schema in PLATFORM if schema not in ("extensions", "pgassay"))
"""Schemas of the platform, but for those whose objects are extensions'."""
_PLATFORM_ROLES = DEFAULT.own_roles
RIGHTS = {
    "table": frozenset(("select", "insert", "update", "delete", "truncate", "references", "trigger")),
    "sequence": frozenset(("usage", "select", "update")),
    "function": frozenset(("execute",)),
    "schema": frozenset(("usage", "create")),
    "type": frozenset(("usage",)),
    "foreign data wrapper": frozenset(("usage",)),
    "foreign server": frozenset(("usage",)),
}
"""A full set of rights; MAINTAIN, which came with PostgreSQL 17, is in none."""
_DEFAULT_KINDS = {"r": "table", "S": "sequence", "f": "function", "T": "type", "n": "schema"}
_RELATION_KINDS = {
    "r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view",
}  # fmt: skip
_ENABLED = {"O": "", "D": "disabled", "R": "enabled for replicas only", "A": "enabled always"}


def read(connection: Connection) -> State:
    """All objects of the database that are not the platform's, nor an extension's."""
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        cursor.execute(queries.SETTINGS)
        reader = _Reader(cursor)
        rows, untold = platform.contents(reader.ask)
        return state([*reader.objects(), *rows], untold=untold)


def access(matrix: Matrix) -> list[Object]:
    """What was observed of who reaches whose rows, an object a relation; of roles, also which of their own tenant's."""
    found: dict[str, dict[str, str]] = {}
    told = [(line, line.identity) for line in (*matrix.lines, *matrix.of_roles)]
    told += [(line, f"{line.identity}, within A") for line in matrix.rights]
    for line, who in told:
        reached = ", ".join(f"{operation} {line.reach[operation].value}" for operation in OPERATIONS)
        found.setdefault(name(*line.relation.split(".", 1)), {})[who] = reached
    return [Object("access", relation, entries) for relation, entries in found.items()]


class _Reader:
    """Reads one database, within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        found = cursor.execute(
            "select d.datdba, pg_get_userbyid(d.datdba) as name from pg_database as d "
            "where d.datname = current_database()"
        ).fetchone()
        assert found is not None
        self._owner = found["name"]
        self._parameters: dict[str, Any] = {"owner": found["datdba"]}
        schemas = self._ask(queries.NAMESPACES, acl=_acl("n.nspacl", "n", "n.nspowner"))
        self._schemas = [row for row in schemas if row["nspname"] not in PLATFORM]
        self._parameters["own"] = [row["oid"] for row in self._schemas]
        self._parameters["platform"] = [row["oid"] for row in schemas if row["nspname"] in _PLATFORM]
        self._parameters["shared"] = [row["oid"] for row in schemas if row["nspname"] in _SHARED]

    def objects(self) -> list[Object]:
        """Everything, in no order."""
        return [
            *(self._schema(row) for row in self._schemas),
            *(
                Object("extension", name(row["name"]), {"schema": name(row["schema"])})
                for row in self._ask(queries.EXTENSIONS)
            ),
            *self._types(),
            *self._relations(),
            *map(self._sequence, self._mine(queries.SEQUENCES, "c", "pg_class", "rel", acl="relacl", letter="s")),
            *map(self._function, self._mine(queries.FUNCTIONS, "p", "pg_proc", "pro", acl="proacl", letter="f")),
            *map(self._operator, self._mine(queries.OPERATORS, "o", "pg_operator", "opr")),
            *map(self._collation, self._mine(queries.COLLATIONS, "k", "pg_collation", "coll")),
            *map(_cast, self._ask(queries.CASTS)),
            *map(self._publication, self._ask(queries.PUBLICATIONS)),
            *map(self._event_trigger, self._ask(queries.EVENT_TRIGGERS)),
            *self._default_privileges(),
            *platform.rights(self.ask, self._grants),
            *further.read(further.Tools(self.ask, self._mine, self._role, self._grants)),
        ]

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query that names no kind of objects."""
        return self._ask(query)

    # what is written the same way for every kind

    def _ask(self, query: str, **parts: sql.Composable) -> list[dict[str, Any]]:
        composed = sql.SQL(query).format(**parts)
        return self._cursor.execute(composed, self._parameters).fetchall()

    def _mine(
        self, query: str, alias: str, table: str, prefix: str, acl: str = "", letter: str = ""
    ) -> list[dict[str, Any]]:
        parts: dict[str, sql.Composable] = {"mine": _mine(alias, table, prefix)}
        if acl:
            parts["acl"] = _acl(f"{alias}.{acl}", letter, f"{alias}.{prefix}owner")
        return self._ask(query, **parts)

    def _role(self, role: str | None) -> str:
        return _PUBLIC if role is None else OWNER if role == self._owner else name(role)

    def _common(self, row: Row, comment: str = "comment") -> dict[str, str]:
        found = {"owner": self._role(row["owner"])}
        return found | _comment(row, comment)

    def _grants(self, kind: str, row: Row, columns: Iterable[Row] = ()) -> dict[str, str]:
        """An entry a role. The owner's own are told only where some are missing, and usage of types likewise."""
        whole: dict[str | None, dict[str, bool]] = {}
        for grantee, privilege, grantable in row["acl"] or ():
            whole.setdefault(grantee, {})[privilege.lower()] = grantable
        parts: dict[str | None, dict[str, list[tuple[str, bool]]]] = {}
        for column in columns:
            for grantee, privilege, grantable in column["acl"] or ():
                if privilege.lower() not in whole.get(grantee, {}):
                    parts.setdefault(grantee, {}).setdefault(privilege.lower(), []).append((column["name"], grantable))
        written = {
            grantee: _rights(kind, whole.get(grantee, {}), parts.get(grantee, {})) for grantee in {*whole, *parts}
        }
        expected = {row["owner"]: _rights(kind, dict.fromkeys(RIGHTS[kind], False), {})}
        if kind == "type":
            expected[None] = "usage"
        for grantee, rights in expected.items():
            if written.get(grantee) == rights:
                del written[grantee]
            else:
                written.setdefault(grantee, _NOTHING)
        return {
            f"grant to {role}": text for role, text in sorted((self._role(g), t) for g, t in written.items()) if text
        }

    # a method a kind

    def _schema(self, row: Row) -> Object:
        return Object("schema", name(row["nspname"]), self._common(row) | self._grants("schema", row))

    def _relations(self) -> list[Object]:
        rows = self._ask(queries.RELATIONS, mine=_mine("c", "pg_class", "rel"), acl=_acl("c.relacl", "r", "c.relowner"))
        self._parameters["relations"] = [row["oid"] for row in rows]
        below = {
            query: _by(self._ask(query), "relation")
            for query in (
                queries.COLUMNS,
                queries.CONSTRAINTS,
                queries.INDEXES,
                queries.TRIGGERS,
                queries.POLICIES,
                queries.RULES,
            )
        }
        found = []
        for row in rows:
            columns, constraints, indexes, triggers, policies, rules = (
                below[query].get(row["oid"], []) for query in below
            )
            made = [trigger for trigger in triggers if trigger["mine"] and not trigger["cloned"]]
            guards = _named(policies, self._policy) | _named(made, _trigger)
            guards |= {
                f"cloned trigger {name(trigger['name'])}": _ENABLED[trigger["enabled"]] or "enabled"
                for trigger in triggers
                if trigger["mine"] and trigger["cloned"]
            }
            if row["mine"]:
                entries = self._relation(row) | self._columns(row, columns)
                entries |= _named(_renumbered(constraints), _constraint) | _named(_renumbered(indexes), _index)
                entries |= guards | _named(rules, _rule) | self._grants("table", row, columns)
            elif guards:
                entries = guards
            else:
                continue
            found.append(
                Object(_RELATION_KINDS[row["kind"]], name(row["schema"], row["name"]), entries, not row["mine"])
            )
        return found

    def _relation(self, row: Row) -> dict[str, str]:
        entries = self._common(row)
        if row["kind"] in "rpf":
            forced = ", forced" if row["forced"] else ""
            entries["row level security"] = ("enabled" if row["secured"] else "off") + forced
        if row["persistence"] == "u":
            entries["unlogged"] = ""
        if row["options"]:
            entries["options"] = ", ".join(sorted(row["options"]))
        if row["partitioned_by"]:
            entries["partitioned by"] = layout.flat(row["partitioned_by"])
        if row["bound"]:
            entries["partition of"] = f"{row['parents'][0]} {layout.flat(row['bound'])}"
        elif row["parents"]:
            entries["inherits"] = ", ".join(row["parents"])
        if row["replica_identity"] != "d" and row["kind"] in "rpm":
            entries["replica identity"] = {"f": "full", "n": "nothing", "i": "an index"}[row["replica_identity"]]
        if row["server"]:
            entries["server"] = name(row["server"])
            entries["server options"] = ", ".join(sorted(row["foreign_options"] or ()))
        if row["definition"]:
            entries["definition"] = layout.select(row["definition"])
        return entries

    def _columns(self, row: Row, columns: list[dict[str, Any]]) -> dict[str, str]:
        """In the order of their names, as migrations in another order leave them in another; of a view, in its own."""
        if row["kind"] not in "vm":
            columns = sorted(columns, key=lambda column: str(column["name"]))
        return _named(columns, _column) | dict(_kept(columns))

    def _policy(self, row: Row) -> tuple[str, str]:
        commands = {"*": "all", "r": "select", "a": "insert", "w": "update", "d": "delete"}
        roles = ", ".join(sorted(map(self._role, row["roles"])))
        lines = [f"{'' if row['permissive'] else 'as restrictive '}for {commands[row['command']]} to {roles}"]
        lines += [
            _clause(word, row[key]) for word, key in (("using", "qual"), ("with check", "with_check")) if row[key]
        ]
        return "policy", "\n".join(lines)

    def _sequence(self, row: Row) -> Object:
        entries = self._common(row)
        values = [row["type"], *(f"{key} {row[key]}" for key in ("start", "increment", "min", "max", "cache"))]
        entries["options"] = " ".join([*values, *(["cycle"] if row["cycle"] else [])])
        if row["owned_by"]:
            entries["owned by"] = name(*row["owned_by"])
        return Object("sequence", name(row["schema"], row["name"]), entries | self._grants("sequence", row))

    def _types(self) -> list[Object]:
        rows = self._mine(queries.TYPES, "t", "pg_type", "typ", acl="typacl", letter="T")
        self._parameters["domains"] = [row["oid"] for row in rows if row["kind"] == "d"]
        self._parameters["relations"] = []
        constraints = _by(self._ask(queries.CONSTRAINTS), "domain")
        return [self._type(row, constraints.get(row["oid"], [])) for row in rows]

    def _type(self, row: Row, constraints: list[dict[str, Any]]) -> Object:
        entries = self._common(row)
        if row["kind"] == "e":
            kind = "enum"
            entries["values"] = "\n".join(map(_literal, row["labels"]))
        elif row["kind"] == "d":
            kind = "domain"
            entries["type"] = row["base"] + (f" collate {row['collation']}" if row["collation"] else "")
            if row["not_null"]:
                entries["not null"] = ""
            if row["expression"]:
                entries["default"] = layout.expression(row["expression"])
            entries |= _named(_renumbered(constraints, row["name"]), _constraint)
        elif row["kind"] == "c":
            kind = "composite type"
            entries["attributes"] = "\n".join(
                f"{name(attribute)} {type_}" for attribute, type_ in row["attributes"] or ()
            )
        else:
            kind = "range type"
            entries["of"] = row["subtype"]
        return Object(kind, name(row["schema"], row["name"]), entries | self._grants("type", row))

    def _function(self, row: Row) -> Object:
        entries = self._common(row)
        signature = f"{name(row['schema'], row['name'])}({', '.join(row['types'])})"
        entries["arguments"] = layout.flat(row["arguments"])
        entries["returns"] = layout.flat(row["result"] or "")
        if row["aggregate"] is not None:
            entries |= {key: value for key, value in row["aggregate"].items() if value is not None}
            return Object("aggregate", signature, entries | self._grants("function", row))
        kinds = {"p": "procedure ", "w": "window function "}
        entries["language"] = kinds.get(row["kind"], "") + row["language"]
        volatility = {"v": "volatile", "s": "stable", "i": "immutable"}[row["volatility"]]
        entries["volatility"] = volatility
        entries["security"] = "definer" if row["definer"] else "invoker"
        entries["parallel"] = {"u": "unsafe", "r": "restricted", "s": "safe"}[row["parallel"]]
        entries |= {key: "" for key in ("leakproof", "strict") if row[key]}
        usual = 1 if row["language"] in ("c", "internal") else 100
        if row["cost"] != usual:
            entries["cost"] = f"{row['cost']:g}"
        if row["rows"] not in (0, 1000):
            entries["rows"] = f"{row['rows']:g}"
        for setting in sorted(row["settings"]):
            key, _, value = setting.partition("=")
            entries[f"set {key}"] = _literal(value) if value in ("", '""') else value
        if row["library"]:
            entries["library"] = row["library"]
        source = row["sql_body"] or row["source"]
        entries["body"] = layout.body(source, "sql" if row["sql_body"] else row["language"])
        return Object("function", signature, entries | self._grants("function", row))

    def _operator(self, row: Row) -> Object:
        entries = self._common(row) | {"function": row["function"]}
        return Object("operator", f"{name(row['schema'])}.{row['name']} ({', '.join(row['types'])})", entries)

    def _collation(self, row: Row) -> Object:
        providers = {"c": "libc", "i": "icu", "b": "builtin", "d": "default"}
        found = row["found"]
        locale = next((found[key] for key in ("colllocale", "colliculocale", "collcollate") if found.get(key)), "")
        entries = {"owner": self._role(row["owner"]), "provider": providers[row["provider"]], "locale": locale}
        if not row["deterministic"]:
            entries["deterministic"] = "false"
        return Object("collation", name(row["schema"], row["name"]), entries)

    def _publication(self, row: Row) -> Object:
        entries = self._common(row)
        entries["publishes"] = ", ".join(word for word in ("insert", "update", "delete", "truncate") if row[word])
        entries |= {key: "" for key, wanted in (("all tables", "everything"), ("via root", "via_root")) if row[wanted]}
        for schema in sorted(row["schemas"]):
            entries[f"tables of {name(schema)}"] = ""
        for table in sorted(row["tables"] or (), key=lambda table: (table["schema"], table["name"])):
            columns = f"({', '.join(sorted(map(name, table['columns'])))})" if table["columns"] else ""
            where = f"where {layout.flat(table['where'])}" if table["where"] else ""
            entries[f"table {name(table['schema'], table['name'])}"] = " ".join(filter(None, (columns, where)))
        return Object("publication", name(row["name"]), entries)

    def _event_trigger(self, row: Row) -> Object:
        entries = self._common(row) | {"on": row["event"], "function": row["function"]}
        if row["tags"]:
            entries["tags"] = ", ".join(sorted(row["tags"]))
        if _ENABLED[row["enabled"]]:
            entries["fires"] = _ENABLED[row["enabled"]]
        return Object("event trigger", name(row["name"]), entries)

    def _default_privileges(self) -> list[Object]:
        """What new objects of a role give to others; without a schema, what everybody has is told where it is taken."""
        found: dict[str, dict[str, str]] = {}
        for row in self._ask(queries.DEFAULT_PRIVILEGES):
            if row["role"].startswith(_PLATFORM_ROLES):
                continue
            kind = _DEFAULT_KINDS[row["kind"]]
            rights: dict[str | None, dict[str, bool]] = {}
            for grantee, privilege, grantable in row["acl"] or ():
                rights.setdefault(grantee, {})[privilege.lower()] = grantable
            rights.pop(row["role"], None)
            if row["schema"] is None and kind in ("function", "type"):
                if None in rights:
                    del rights[None]
                else:
                    rights[None] = {}
            where = f" in schema {name(row['schema'])}" if row["schema"] is not None else ""
            entries = found.setdefault(f"of {self._role(row['role'])}{where}", {})
            for role, text in sorted((self._role(g), _rights(kind, r, {}) or _NOTHING) for g, r in rights.items()):
                entries[f"grant on {kind}s to {role}"] = text
        return [Object("default privileges", whose, entries) for whose, entries in found.items() if entries]


def _acl(column: str, kind: str, owner: str) -> sql.Composable:
    return sql.SQL(
        "(select json_agg(json_build_array(case when x.grantee <> 0 then pg_get_userbyid(x.grantee) end, "
        "x.privilege_type, x.is_grantable)) from aclexplode(coalesce({}, acldefault({}, {}))) as x)"
    ).format(sql.Identifier(*column.split(".")), sql.Literal(kind), sql.Identifier(*owner.split(".")))


def _mine(alias: str, table: str, prefix: str) -> sql.Composable:
    return sql.SQL(queries.MINE).format(
        object=sql.Identifier(alias),
        namespace=sql.Identifier(f"{prefix}namespace"),
        owner=sql.Identifier(f"{prefix}owner"),
        catalog=sql.Literal(table),
    )


def _rights(kind: str, whole: Mapping[str, bool], parts: Mapping[str, list[tuple[str, bool]]]) -> str:
    """Rights on an object, and on columns of it; a full set of several is ALL."""
    full = RIGHTS[kind]
    written: list[str] = []
    if len(full) > 1 and full <= set(whole) and len({whole[right] for right in full}) == 1:
        return ALL + _option(whole["select" if "select" in full else "usage"])
    written = [right + _option(whole[right]) for right in full & set(whole)]
    for right, columns in parts.items():
        for grantable in {option for _, option in columns}:
            names = ", ".join(sorted(name(column) for column, option in columns if option == grantable))
            written.append(f"{right} ({names}){_option(grantable)}")
    return ", ".join(sorted(written))


def _option(grantable: bool) -> str:
    return " with grant option" if grantable else ""


def _by(rows: Iterable[dict[str, Any]], key: str) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _named(rows: Iterable[Row], write: Any) -> dict[str, str]:
    """Entries called by what they are and their names, each with its comment."""
    entries: dict[str, str] = {}
    rows = list(rows)
    if rows and "type" not in rows[0]:  # columns come in the order that they are wanted in
        rows.sort(key=lambda row: str(row["name"]))
    for row in rows:
        kind, text = write(row)
        entries[f"{kind} {name(row['name'])}"] = text.replace("\r\n", "\n")
        entries |= _comment(row, f"comment on {kind} {name(row['name'])}")
    return entries


def _comment(row: Row, key: str) -> dict[str, str]:
    return {} if row["comment"] is None else {key: _literal(row["comment"]).replace("\r\n", "\n")}


def _literal(text: str) -> str:
    return "'" + ("" if text == '""' else text).replace("'", "''") + "'"


def _column(row: Row) -> tuple[str, str]:
    parts = [row["type"]]
    if row["collation"]:
        parts.append(f"collate {row['collation']}")
    if row["not_null"]:
        parts.append("not null")
    if row["identity"]:
        parts.append(f"generated {'always' if row['identity'] == 'a' else 'by default'} as identity")
    elif row["generated"]:
        kind = "stored" if row["generated"] == "s" else "virtual"
        parts.append(f"generated always as ({layout.expression(row['expression'])}) {kind}")
    elif row["expression"]:
        parts.append(f"default {layout.expression(row['expression'])}")
    return "column", " ".join(parts)


def _kept(columns: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """How values of columns are kept and measured, where that is not what their types say.

    PostgreSQL has two options of columns, ``n_distinct`` and the same for children; a server of another maker has more.
    """
    for row in columns:
        said = {
            "storage": _STORAGE[row["storage"]] if row["storage"] != row["usual_storage"] else "",
            "compression": {"p": "pglz", "l": "lz4"}.get(row["compression"], ""),
            "statistics": "" if row["target"] is None else str(row["target"]),
            "options": ", ".join(sorted(part for part in row["options"] or () if part.startswith("n_distinct"))),
        }
        yield from ((f"{key} of {name(row['name'])}", text) for key, text in said.items() if text)


_STORAGE = {"p": "plain", "e": "external", "m": "main", "x": "extended"}


def _constraint(row: Row) -> tuple[str, str]:
    return "constraint", layout.expression(row["definition"])


def _index(row: Row) -> tuple[str, str]:
    using = row["definition"].index(" USING ", row["definition"].index(f"INDEX {row['quoted']} ON "))
    text = layout.expression(row["definition"][using + 1 :])
    text = f"unique {text}" if row["is_unique"] else text
    text += " replica identity" if row["identifies"] else ""
    return "index", text if row["valid"] else f"{text} invalid"


def _trigger(row: Row) -> tuple[str, str]:
    """Its definition after its name, and whether it fires."""
    start = row["definition"].index(f"TRIGGER {row['quoted']} ") + len(f"TRIGGER {row['quoted']} ")
    constraint = "constraint " if row["definition"].startswith("CREATE CONSTRAINT") else ""
    text = constraint + layout.expression(row["definition"][start:])
    enabled = _ENABLED[row["enabled"]]
    return "trigger", f"{text}\n{enabled}" if enabled else text


def _rule(row: Row) -> tuple[str, str]:
    enabled = _ENABLED[row["enabled"]]
    text = layout.expression(row["definition"].rstrip(";"))
    return "rule", f"{text}\n{enabled}" if enabled else text


def _cast(row: Row) -> Object:
    contexts = {"e": "explicit", "a": "in assignments", "i": "implicit"}
    entries = {"by": row["function"], "applied": contexts[row["context"]]}
    return Object("cast", f"{row['source']} as {row['target']}", entries)


def _clause(word: str, text: str) -> str:
    written = layout.expression(text)
    return (
        f"{word} {written}"
        if "\n" not in written
        else "\n".join([word, *(f"    {line}" for line in written.split("\n"))])
    )


def _renumbered(rows: list[dict[str, Any]], of: str | None = None) -> list[dict[str, Any]]:
    """Constraints and indexes that the server named alike, numbered by what they say, not by which came first."""
    rows = [row for row in rows if not row.get("constrains")]  # the index of a constraint
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        table = row["of"] if of is None else of
        ending = re.fullmatch(r"(.*_(?:check|key|fkey|excl|idx))(\d*)", row["name"], re.DOTALL)
        if ending is not None and ending[1].startswith(f"{table}_"):
            groups.setdefault(ending[1], []).append(row)
    for group in groups.values():
        if len(group) > 1:
            names = sorted(row["name"] for row in group)
            group.sort(key=lambda row: str(row["definition"]).replace(row.get("quoted", row["name"]), ""))
            for row, given in zip(group, names, strict=True):
                row["name"] = given
    return rows
