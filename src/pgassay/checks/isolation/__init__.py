"""Isolation by experiment: who reaches whose rows, through every table, view and function of the API.

Rows are made for two tenants, A and B, and for one that nobody here belongs to, so that *own* and *all* differ for a
member of both. Every probe is a statement, run as an identity on a session that logged in as the API does, and what it
reached is compared with whose rows they are. Each has its negative control: somebody who is entitled to the row must
reach it the same way, or nothing is proved.
"""

from pgassay.checks.isolation.check import observe
from pgassay.checks.isolation.matrix import OPERATIONS, RULES, Access, Actor, Matrix, Probe, Reach, Verdict
from pgassay.checks.isolation.own_roles import callers
from pgassay.checks.isolation.proposal import propose

__all__ = [
    "OPERATIONS",
    "RULES",
    "Access",
    "Actor",
    "Matrix",
    "Probe",
    "Reach",
    "Verdict",
    "callers",
    "observe",
    "propose",
]
