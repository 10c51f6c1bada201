"""A job's templates, filled as a worker would fill them."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from campaigns import problems
from campaigns.database import Connection, first

Row = dict[str, Any]


async def preview(connection: Connection, job: Row) -> list[Row]:
    """Each template of a job, filled for the first contact of its target group, or the reason why it cannot be."""
    params = job["params"]
    cursor = await connection.execute(
        "select first_name, last_name, company, email from public.contacts "
        "where org_id = %s and target_group = %s order by id limit 1",
        [job["org_id"], params.get("target_group")],
    )
    contact = await cursor.fetchone()
    shown: list[Row] = []
    for name, template in params.get("templates", {}).items():
        if contact is None:
            shown.append({"name": name, **template, "to": None})
        else:
            shown.append({"name": name, **template, **await _filled(connection, template, contact)})
    return shown


async def _filled(connection: Connection, template: Row, contact: Row) -> Row:
    try:
        async with connection.transaction():
            cursor = await connection.execute(
                "select public.render_template(%s, %s) as filled", [Jsonb(template), Jsonb(contact)]
            )
            return {**(await first(cursor))["filled"], "to": contact["email"]}
    except psycopg.Error as error:
        problem = problems.of(error)
        if problem is None or problem.status != 400:
            raise
        return {"to": contact["email"], "error": problem.detail}
