"""Rows: for any table rows that its constraints let in, for several tenants or as strategies of Hypothesis."""

from pgassay.rows.maker import USERS, Maker, Tenants, insert_statement
from pgassay.rows.search import Row, Rule, Unfilled
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
