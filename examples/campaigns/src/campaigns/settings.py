"""What the environment says: the database, the secret of the tokens, and the bounds of the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SHORTEST_SECRET = 32
"""Bytes. A shorter key is weaker than HS256 itself (RFC 7518, section 3.2)."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message is a sentence for the operator."""


@dataclass(frozen=True)
class Settings:
    """The settings of a process. ``dev`` allows sample users and requests without a token, on loopback only."""

    database: str
    secret: str
    dev: bool = False
    host: str = "127.0.0.1"
    port: int = 9002
    pool_size: int = 10
    pool_wait: float = 5.0
    statement_seconds: float = 8.0
    body_bytes: int = 1_000_000
    streams: int = 200
    streams_per_caller: int = 20


def read(environment: Mapping[str, str]) -> Settings:
    """The settings that `environment` gives. Raises `SettingsError`."""
    return Settings(
        database=_needed(environment, "CAMPAIGNS_DATABASE"),
        secret=secret(environment),
        dev=is_dev(environment),
        port=port(environment),
    )


def secret(environment: Mapping[str, str]) -> str:
    """The secret that tokens are signed with. Raises `SettingsError`."""
    found = _needed(environment, "CAMPAIGNS_JWT_SECRET")
    if len(found.encode()) < SHORTEST_SECRET:
        raise SettingsError(f"CAMPAIGNS_JWT_SECRET must have at least {SHORTEST_SECRET} bytes.")
    return found


def is_dev(environment: Mapping[str, str]) -> bool:
    """Whether CAMPAIGNS_DEV is 1."""
    value = environment.get("CAMPAIGNS_DEV", "0")
    if value not in ("0", "1"):
        raise SettingsError(f"CAMPAIGNS_DEV is {value!r}, and must be 0 or 1.")
    return value == "1"


def port(environment: Mapping[str, str]) -> int:
    """The port to serve on. Raises `SettingsError`."""
    value = environment.get("PORT") or "9002"
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise SettingsError(f"PORT is {value!r}, and must be a number from 1 to 65535.")
    return int(value)


def _needed(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set.")
    return value
