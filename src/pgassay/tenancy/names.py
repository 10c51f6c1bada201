"""What names of tables and columns suggest. They decide only between what the schema's own SQL leaves open."""

from __future__ import annotations

import re

MEMBERS = re.compile(r"member|staff|employ|participant|(^|_)users?(_|$)|people|crew|mitglied|belong|affiliat", re.I)
SHARES = re.compile(r"shar(e|ing)|access|permission|collaborat|grant|viewer|guest|(^|_)acl", re.I)
TENANTS = re.compile(
    r"org|team|tenant|account|workspace|compan|club|shop|store|business|client|group|household|famil|school|studio"
    r"|agenc|firm|room|conversation|channel",
    re.I,
)
OWNERS = ("user_id", "owner_id", "author_id", "creator_id", "profile_id", "owner", "created_by", "user", "id")
"""Names of a column for whom a row belongs to, the likeliest first."""


def is_named_after(column: str, table: str) -> bool:
    """Whether a column has the name of a table, as ``org_id`` has that of ``orgs``."""
    stem = column.removesuffix("_id")
    return table in (stem, f"{stem}s", f"{stem}es", f"{stem[:-1]}ies")
