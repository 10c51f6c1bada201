"""Platforms: all that pgassay knows of those who call a database. A module each, and nobody else names their roles.

A run's `Config` has the platform. From there it goes to the server, which hands it to the sessions on it, and so to
whoever asks one. Readers of SQL and names that are the same for a whole run take those of `DEFAULT`.
"""

from __future__ import annotations

from pgassay.platforms.platform import Platform, Roles, Users, Words
from pgassay.platforms.supabase import SUPABASE

__all__ = ["DEFAULT", "Platform", "Roles", "Users", "Words"]

DEFAULT = SUPABASE
"""The platform of a project that names none."""
