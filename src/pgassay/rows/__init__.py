"""Rows: for any table rows that its constraints let in, for several tenants or as strategies of Hypothesis."""

from typing import TYPE_CHECKING, Any

from pgassay.rows.maker import USERS, Maker, Tenants, insert_statement
from pgassay.rows.search import Row, Rule, Unfilled

if TYPE_CHECKING:
    from pgassay.rows.strategies import breaches, breaking, strategy

__all__ = [
    "USERS",
    "Maker",
    "Row",
    "Rule",
    "Tenants",
    "Unfilled",
    "breaches",
    "breaking",
    "insert_statement",
    "strategy",
]


def __getattr__(name: str) -> Any:
    """Load the strategies when one is asked for: Hypothesis costs the command a third of its start, for nothing."""
    if name in ("breaches", "breaking", "strategy"):
        from pgassay.rows import strategies

        return getattr(strategies, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
