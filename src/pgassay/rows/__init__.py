"""Rows: for any table rows that its constraints let in, for several tenants or as strategies of Hypothesis."""

from pgassay.rows.maker import USERS, Maker, Tenants, insert_statement
from pgassay.rows.search import Row, Unfilled

__all__ = ["USERS", "Maker", "Row", "Tenants", "Unfilled", "insert_statement"]
