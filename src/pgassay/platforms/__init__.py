"""Platforms: all that pgassay knows of those who call a database. A module each, and nobody else names their roles.

A run's `Config` has the platform. From there it goes to the server, which hands it to the sessions on it, and so to
whoever asks one (`of`). Modules that have neither take the words of `DEFAULT`.
"""

from __future__ import annotations

from typing import Any

import psycopg

from pgassay.platforms.platform import Platform, Roles, Users, Words
from pgassay.platforms.supabase import SUPABASE

__all__ = ["DEFAULT", "Platform", "Roles", "Users", "Words", "of"]

DEFAULT = SUPABASE
"""The platform of a project that names none."""


def of(connection: psycopg.Connection[Any]) -> Platform:
    """The platform of the database that a connection is to; one that no server of a run has made tells of none."""
    found = getattr(connection, "platform", DEFAULT)
    return found if isinstance(found, Platform) else DEFAULT
