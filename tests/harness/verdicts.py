"""Compare what this checkout says of each case of the corpus with what another commit says of it (``make verdicts``).

The cases are this checkout's, so that both are asked the same. Each commit answers in a process of its own, which runs
this file with the other one's ``src`` and ``tests`` before the rest: from them it takes nothing but ``config.load``,
``environment``, ``servers`` and ``tests/harness/schemas.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import tomlkit

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "harness" / "corpus"
KINDS = ("hole", "bait")
DECLARED = ("tenancy", "roles", "states")
CANNOT_RUN = 2
"""Exit code: there is no such commit, or one of the two did not come to the end."""

Case = tuple[str, dict[str, Any], list[str]]
"""Its name, what ``[tool.pgassay]`` declares for it, and the texts that make it."""


def cases(part: str) -> Iterator[Case]:
    """Each clean schema, hole and bait whose name has ``part`` in it."""
    for file in sorted(CORPUS.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        every = [(file.stem, [content["schema"]])]
        for kind in KINDS:
            every += [
                (f"{file.stem}: {kind} {extra['name']}", [content["schema"], extra["sql"]])
                for extra in content.get(kind, [])
            ]
        declared = {key: content[key] for key in DECLARED if key in content}
        yield from ((name, declared, texts) for name, texts in every if part in name)


def said(matrix: Any) -> list[str]:
    """What was found, who reaches whose rows, and what was not judged: a line each."""
    found = {f"{f.object}: {f.severity} {f.rule}, {f.door or 'no door'} as {f.identity}" for f in matrix.findings}
    found |= {f"{name}: not judged" for name in matrix.unjudged}
    for line in matrix.lines:
        reached = ", ".join(f"{operation} {reach.value}" for operation, reach in line.reach.items())
        found.add(f"{line.relation}: {line.identity} reaches {reached}")
    return sorted(found)


def answer(pg: str, part: str) -> None:
    """Print the verdicts of the checkout that is imported here: a line of JSON for each case."""
    from pgassay import environment
    from pgassay.config import load
    from pgassay.identity import Databases, Session
    from pgassay.servers import running
    from tests.harness import schemas

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = folder / "pyproject.toml"
        settings.write_text("[tool.pgassay]\n")
        server = environment.prepare(stack.enter_context(running(load(cwd=folder, environ={}, pg=pg))))
        databases = stack.enter_context(Databases(server, Session))
        for name, declared, texts in cases(part):
            settings.write_text(tomlkit.dumps({"tool": {"pgassay": declared}}))
            try:
                tenancy = load(cwd=folder, environ={}).tenancy
                assert tenancy is not None
                lines = said(schemas.observe(databases, *texts, tenancy=tenancy))
            except Exception as error:  # an answer as well: a commit is compared with one that may fail
                lines = [f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"]
            print(json.dumps([name, lines]), flush=True)


@contextmanager
def answers(tree: Path, pg: str, part: str) -> Iterator[Iterator[tuple[str, set[str]]]]:
    """The verdicts of the checkout in ``tree``, as they come."""
    paths = os.pathsep.join(map(str, (tree / "src", tree)))
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--answer", "--pg", pg, "-k", part]
    environ = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(command, cwd=tree, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield ((name, set(lines)) for name, lines in map(json.loads, process.stdout))
        except BaseException:
            process.terminate()
            raise


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """A checkout of another commit, gone when the block is left."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def compare(base: str, pg: str, part: str) -> int:
    """Print each verdict that is another one in this checkout than in ``base``."""
    wanted = [name for name, *_ in cases(part)]
    count = changed = 0
    with checkout(base) as tree, answers(tree, pg, part) as before, answers(ROOT, pg, part) as now:
        for (name, old), (_, new) in zip(before, now, strict=False):
            count += 1
            if old != new:
                changed += 1
                print(name)
                lines = [f"  - {line}" for line in sorted(old - new)] + [f"  + {line}" for line in sorted(new - old)]
                print("\n".join(lines), flush=True)
    print(f"{changed} of {count} cases have other verdicts than in {base}")
    if count < len(wanted):
        print(f"{len(wanted) - count} cases are left: one of the two ended early", file=sys.stderr)
        return CANNOT_RUN
    return 0


def main() -> int:
    """See `compare`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="HEAD~1", help="the commit to compare with (HEAD~1)")
    parser.add_argument("--pg", default="embedded", help="the server, as of pgassay check (embedded)")
    parser.add_argument("-k", dest="part", default="", help="only cases with this in their names")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.answer:
        answer(wanted.pg, wanted.part)
        return 0
    try:
        return compare(wanted.base, wanted.pg, wanted.part)
    except subprocess.CalledProcessError:
        return CANNOT_RUN  # git has said why


if __name__ == "__main__":
    sys.exit(main())
