"""Rows: for any table rows that its constraints let in, for several tenants; in `strategies`, for Hypothesis."""

from pgassay.rows.maker import USERS, Maker, Tenants, insert_statement
from pgassay.rows.search import Row, Rule, Unfilled

__all__ = ["USERS", "Maker", "Row", "Rule", "Tenants", "Unfilled", "insert_statement"]
