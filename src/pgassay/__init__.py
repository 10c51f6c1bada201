"""pgassay: a schema test harness for PostgreSQL and Supabase."""

from __future__ import annotations

__version__ = "0.1.0"
TYPE_CHECKING = False
"""What it is in ``typing``, which takes as long to load as all else that ``pgassay --version`` needs."""
if TYPE_CHECKING:
    from typing import Any

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


def __getattr__(name: str) -> Any:
    """Load what is asked for: ``pgassay --version`` begins with this module, and needs nothing of it."""
    if name in __all__:
        from importlib import import_module

        for module in ("errors", "identity", "interleavings", "mutants"):
            contents = vars(import_module(f"pgassay.{module}"))
            if name in contents:
                return contents[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
