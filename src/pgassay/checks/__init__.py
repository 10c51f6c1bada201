"""Checks: each takes the catalog and a database, and gives findings."""
