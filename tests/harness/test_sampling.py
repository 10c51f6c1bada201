"""The sample of a long list is another one with each commit, until all of it was tried."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import sampling


def commit(folder: Path) -> None:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, "commit", "--quiet", "--allow-empty", "-m", "more"], check=True)


def test_ten_commits_in_a_row_try_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(sampling, "ROOT", tmp_path)
    monkeypatch.setattr(sampling, "settings", SimpleNamespace(get_current_profile_name=lambda: "ci"))
    seen: list[int] = []
    for _ in range(10):
        commit(tmp_path)
        sampling.offset.cache_clear()
        sample = sampling.some(range(37), dev=14, ci=10)
        assert not set(sample) & set(seen)
        seen += sample
    assert sorted(seen) == list(range(37))
    assert len(sampling.some([1, 2, 3], dev=14, ci=10)) == 1


def test_without_git_the_sample_begins_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ROOT", tmp_path)
    monkeypatch.setattr(sampling, "settings", SimpleNamespace(get_current_profile_name=lambda: "dev"))
    assert sampling.some(range(10), dev=5) == [0, 5]
