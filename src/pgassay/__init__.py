"""pgassay: a schema test harness for PostgreSQL and Supabase."""

from pgassay.errors import ConfigError, MigrationError, PgassayError, Unavailable
from pgassay.identity import Clone, Session

__all__ = ["Clone", "ConfigError", "MigrationError", "PgassayError", "Session", "Unavailable"]
