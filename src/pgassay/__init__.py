"""pgassay: a schema test harness for PostgreSQL and Supabase."""

from pgassay.errors import ConfigError, MigrationError, PgassayError, Unavailable
from pgassay.identity import Clone, Identity, Session
from pgassay.interleavings import History, Stage, every_schedule, schedules
from pgassay.mutants import Edit, Fault

__all__ = [
    "Clone",
    "ConfigError",
    "Edit",
    "Fault",
    "History",
    "Identity",
    "MigrationError",
    "PgassayError",
    "Session",
    "Stage",
    "Unavailable",
    "every_schedule",
    "schedules",
]
