"""Blind sets: each hole that others have thought of is found where it is, and no bait is taken (`blind/README.md`)."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.harness import command
from tests.sampling import some

SETS = Path(__file__).parent / "blind"
NOT_YET = {
    "03-marketplace h2": "not judged: no row of coupon_redemptions, whose trigger asks for the code of a coupon",
    "01-translation terms-foreign-glossary": "a warning: it points to a row of another tenant",
    "03-podcast audio-shadowed-name": "not judged: no file whose name is also that of a show",
    "04-church prayer-thread-clergy-only": "within a tenant, by a column that is not declared",
    "06-coworking CW4": "not judged: no space is named after a folder that is its own slug",
    "03-league 03-3": "two calls, of which the second is of what the first made",
    "10-tandem 10-1": "a warning: no two others have agreed where it is tried",
}
"""What is missed, and why."""
FOLLOWS = {
    "01-codereview public.repo_activity": "what one reads as the member that hole CR4 lets anybody become",
    "05-chat public.reactions": "what one reads as the member of a channel that hole h2 made one",
    "02-farmcoop public.create_farm(text, text)": "its caller is a manager then: hole harvests-any-manager",
    "06-guilds public.redeem_invite(text)": "whose codes hole h4 lets everybody read",
    "10-wiki public.page_by_link(uuid)": "whose tokens hole h1 lets everybody read",
}
"""Baits at which a hole elsewhere shows."""


@pytest.mark.parametrize("folder", some(sorted(SETS.glob("*/[0-9]*")), dev=15, ci=10), ids=lambda folder: folder.name)
def test_each_hole_is_found_and_no_bait_is_taken(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "project")
    report = tmp_path / "report.json"
    done = command.run("check", "--pg", "embedded", "--report", f"json={report}", cwd=tmp_path / "project")
    found = json.loads(report.read_text())["findings"]
    right = tomllib.loads((folder / "right.toml").read_text(encoding="utf-8"))
    missed = [f"{folder.name} {hole['id']}" for hole in right["hole"] if not _is_found(hole, found)]
    assert missed == [name for name in NOT_YET if name.startswith(folder.name)], done.stdout
    baits = {bait["object"] for bait in right["bait"] if f"{folder.name} {bait['object']}" not in FOLLOWS}
    assert [one["observed"] for one in found if one["object"] in baits and one["severity"] == "error"] == []


def _is_found(hole: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    objects = {hole["object"], *hole.get("also", ())}
    return any(one["object"] in objects and one["severity"] in ("error", "question") for one in found)
