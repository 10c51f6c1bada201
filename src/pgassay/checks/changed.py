"""Which files of a repository a revision, or the work tree, has changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pgassay.errors import ConfigError


def since(text: str, folder: Path) -> frozenset[Path]:
    """The files that were added or changed since the revision ``text``, or between two: ``main..HEAD``.

    What the other side has got meanwhile does not count. Since one revision, files count that are not committed yet.
    Raises `ConfigError` where ``folder`` is in no repository, or it knows no such revision.
    """
    first, is_range, last = text.partition("..")
    if last.startswith("."):
        last = last[1:]
    try:
        root = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise ConfigError(f"--since {text}: {folder} is in no repository of git.") from error
    start = _revision(folder, first or "HEAD", text)
    end = _revision(folder, last or "HEAD", text)
    try:
        base = _git(folder, "merge-base", start, end).decode().strip()
    except subprocess.CalledProcessError:  # the two have no history in common
        base = start
    range_ = [base, end] if is_range else [base]
    names = _git(root, "diff", "--name-only", "--diff-filter=d", "-z", *range_, "--")
    if not is_range:
        names += _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset((root / os.fsdecode(name)).resolve() for name in names.split(b"\0") if name)


def _revision(folder: Path, name: str, text: str) -> str:
    try:
        found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except subprocess.CalledProcessError as error:
        raise ConfigError(
            f"--since {text}: git knows no revision {name}.",
            hint="Name a commit, branch or tag, or two as main..HEAD. CI has to fetch more than one commit.",
        ) from error
    return found.decode().strip()


def _git(folder: Path, *arguments: str) -> bytes:
    """What git prints. It takes no lock, and nothing of the work tree is touched."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, env=environment).stdout
