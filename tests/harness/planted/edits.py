"""Statements that change one piece of what the catalog holds: a constraint, a policy, a view.

Each fails when the piece is not there, so that no fault is planted in name only.
"""

from __future__ import annotations


def _changed(definition: str, old: str, new: str, statement: str) -> str:
    """Run ``statement``, in which ``%s`` is the definition that the query gives, with ``new`` in place of ``old``."""
    return f"""do $fault$
declare
    definition text := ({definition});
begin
    if definition is null or position($old${old}$old$ in definition) = 0 then
        raise exception 'the fault cannot be planted: there is no %% in %%', $old${old}$old$, definition;
    end if;
    execute format($statement${statement}$statement$, replace(definition, $old${old}$old$, $new${new}$new$));
end
$fault$""".replace("%%", "%")


def constraint(table: str, name: str, old: str, new: str) -> str:
    """A constraint of that table with ``new`` in place of ``old`` in its definition, as PostgreSQL writes it."""
    return _changed(
        "select pg_get_constraintdef(oid) from pg_constraint "
        f"where conrelid = 'public.{table}'::regclass and conname = '{name}'",
        old,
        new,
        f"alter table public.{table} drop constraint {name}, add constraint {name} %s",
    )


def policy(table: str, name: str, old: str, new: str) -> str:
    """A policy of that table with ``new`` in place of ``old`` in its USING and WITH CHECK alike."""
    return _changed(
        "select pg_get_expr(polqual, polrelid) from pg_policy "
        f"where polrelid = 'public.{table}'::regclass and polname = '{name}'",
        old,
        new,
        f"alter policy {name} on public.{table} using (%1$s) with check (%1$s)",
    )


def view(name: str, old: str, new: str) -> str:
    """A view that keeps its columns and ``security_barrier``, with ``new`` in place of ``old`` in its query."""
    return _changed(
        f"select pg_get_viewdef('public.{name}'::regclass)",
        old,
        new,
        f"create or replace view public.{name} with (security_barrier) as %s",
    )
