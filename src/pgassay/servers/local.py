"""Start PostgreSQL from binaries on this machine: the shared part of the backends ``embedded`` and ``system``.

The figures and the traps behind each step are in `harness.md`, "Backends".
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pgassay.errors import Unavailable
from pgassay.servers.guard import Guard
from pgassay.servers.server import ADMIN, MAINTENANCE, SETTINGS, Server, free_the_name_postgres, new_token

START_SECONDS = 60
_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, and only a directory of our own is made in it
_MEMORY_WANTED = 512 * 1024 * 1024
_SOCKET_PATH_BYTES = 103
_CLEAN_ENV = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


@dataclass(frozen=True)
class Binaries:
    """An installation of PostgreSQL: its ``bin`` directory and its version, as 180006.

    ``trees`` are the directories that can be moved together, keeping their places to each other; none where the
    binaries are bound to their place.
    """

    bin: Path
    version: int
    trees: tuple[Path, ...] = ()


def read_version(postgres: Path) -> int | None:
    """The version of a ``postgres`` binary as 180006, or None when it cannot be run or is a development build."""
    try:
        answer = subprocess.run(
            [postgres, "--version"], capture_output=True, text=True, env=_CLEAN_ENV, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", answer)
    return None if match is None else int(match[1]) * 10000 + int(match[2])


@dataclass(frozen=True)
class _Account:
    """The operating system's user that runs the server: PostgreSQL refuses to run as root."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def choose(cls) -> _Account:
        if os.geteuid() != 0:
            return cls()
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise Unavailable("PostgreSQL does not run as root, and there is neither a user postgres nor nobody here.")

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def run(self, command: list[str | Path], *, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=_CLEAN_ENV,
            cwd=cwd,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            check=False,
        )

    def can_read(self, path: Path) -> bool:
        """Whether the account can reach and read ``path``, judged by the permissions for others."""
        if self.uid is None:
            return True
        if not path.stat().st_mode & stat.S_IROTH:
            return False
        return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


@contextmanager
def start(binaries: Binaries, *, backend: str, why: str, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a new server from ``binaries`` until the block is left; nothing of it is left afterwards.

    ``settings`` are PostgreSQL's, as an extension that has to be loaded at the start needs them.
    Raises `Unavailable` when it does not start, with the end of its log.
    """
    account = _Account.choose()
    with Guard() as guard:
        home = _free_space() / f"pgassay-{new_token()}"
        guard.remove(home)
        try:
            home.mkdir(mode=0o700)
            account.own(home)
            server = _serve(binaries, home, account, guard, backend, why, settings or {})
        except OSError as error:
            raise Unavailable(
                f"The {backend} server could not be set up in {home.parent}: {error.strerror or error}.",
                hint="Free some space there, or set TMPDIR to a directory that has some.",
            ) from error
        yield server


def _serve(
    binaries: Binaries,
    home: Path,
    account: _Account,
    guard: Guard,
    backend: str,
    why: str,
    more_settings: Mapping[str, str],
) -> Server:
    sockets = home
    # libpq takes a comma for the end of a host
    if len(os.fsencode(home / ".s.PGSQL.5432")) > _SOCKET_PATH_BYTES or "," in str(home):
        sockets = Path("/tmp") / home.name  # noqa: S108 - the one place that is short everywhere
        guard.remove(sockets)
        sockets.mkdir(mode=0o700)
        account.own(sockets)
    bin_directory = _readable(binaries, account, guard)
    data = home / "data"
    _initialise(Binaries(bin_directory, binaries.version), data, account, guard)

    log = home / "log"
    settings = {
        **SETTINGS,
        "listen_addresses": "",
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        # in the data directory: a shared memory file elsewhere would outlive a server that is killed
        "dynamic_shared_memory_type": "mmap",
        **more_settings,
    }
    command = [str(bin_directory / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    guard.start(command, env=_CLEAN_ENV, cwd=str(home), user=account.uid, group=account.gid, log=str(log))
    _await_ready(data / "postmaster.pid", guard, log)

    server = Server(
        backend=backend,
        version=binaries.version,
        params={"host": str(sockets), "port": "5432", "user": ADMIN},
        admin=ADMIN,
        maintenance=MAINTENANCE,
        why=why,
        trusted=True,
        log=str(log),
    )
    free_the_name_postgres(server)
    return server


def _free_space() -> Path:
    """Where the data directory goes: memory where there is enough of it, else the usual temporary directory."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK):
        usage = os.statvfs(_MEMORY)
        if usage.f_bavail * usage.f_frsize >= _MEMORY_WANTED:
            return _MEMORY
    return Path(tempfile.gettempdir())


def _readable(binaries: Binaries, account: _Account, guard: Guard) -> Path:
    """``binaries.bin`` where the account can read it, else that of a copy which it can, made of hard links.

    Nobody's permissions are changed: a file that others may not read is copied.
    """
    if account.can_read(binaries.bin / "postgres") or not binaries.trees:
        return binaries.bin
    copy = Path(tempfile.gettempdir()) / f"pgassay-{new_token()}"
    guard.remove(copy)
    copy.mkdir(mode=0o755)

    def link_or_copy(source: str, target: str) -> str:
        if os.stat(source).st_mode & stat.S_IROTH:
            try:
                os.link(source, target)
            except OSError:  # another file system, or one without hard links
                pass
            else:
                return target
        shutil.copyfile(source, target)
        mode = 0o755 if os.stat(source).st_mode & stat.S_IXUSR else 0o644
        os.chmod(target, mode)
        return target

    common = Path(os.path.commonpath(binaries.trees))
    common = common.parent if common in binaries.trees else common
    for tree in binaries.trees:
        shutil.copytree(tree, copy / tree.relative_to(common), copy_function=link_or_copy)
    for directory, _, _ in os.walk(copy):
        os.chmod(directory, 0o755)  # noqa: S103 - our own copy of public binaries
    return copy / binaries.bin.relative_to(common)


def _initialise(binaries: Binaries, data: Path, account: _Account, guard: Guard) -> None:
    """Make a data directory: a copy of the one that initdb made the first time."""
    arguments = ["-U", ADMIN, "--auth=trust", "--no-sync", "--encoding=UTF8", "--wal-segsize=1"]
    if binaries.version >= 170000:
        arguments += ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    elif sys.platform == "linux":
        arguments += ["--lc-collate=C", "--lc-ctype=C.UTF-8", "--lc-messages=C"]
    else:
        arguments += ["--no-locale"]

    initdb = binaries.bin / "initdb"
    made_by = (binaries.bin / "postgres").stat()
    key = repr((binaries.version, made_by.st_mtime_ns, made_by.st_size, arguments))
    cached = _cache_path(f"data-{hashlib.sha256(key.encode()).hexdigest()[:16]}")
    if cached is not None and cached.is_dir():
        _copy(cached, data, account)
        return

    made = account.run([initdb, "-D", data, *arguments], cwd=data.parent)
    if made.returncode != 0:
        raise Unavailable(f"initdb failed:\n{(made.stderr or made.stdout).strip()}", hint=_disk_hint(made.stderr, data))
    if cached is None:
        return
    partial = cached.with_name(f"{cached.name}-{new_token()}")
    guard.remove(partial)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        _copy(data, partial, _Account())
        partial.rename(cached)
    except OSError:
        return  # a cache that cannot be written, or was written by another run just now: slower, not wrong


def _cache_path(name: str) -> Path | None:
    """Where ``name`` is kept for the next run; nowhere for a user without a home, as a bare number in a container."""
    try:
        return platformdirs.user_cache_path("pgassay") / name
    except RuntimeError:
        return None


def _disk_hint(message: str, data: Path) -> str | None:
    return f"{data.parent.parent} is full: free some space there." if "No space left" in message else None


def _copy(source: Path, target: Path, account: _Account) -> None:
    # Half the time of shutil.copytree: about a thousand small files, none of whose times or modes matter.
    for directory, _, files in os.walk(source):
        copied = target / Path(directory).relative_to(source)
        copied.mkdir(mode=0o700)
        account.own(copied)
        for name in files:
            reader = os.open(os.path.join(directory, name), os.O_RDONLY)
            try:
                writer = os.open(copied / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                try:
                    while block := os.read(reader, 1 << 20):
                        os.write(writer, block)
                    if account.uid is not None and account.gid is not None:
                        os.fchown(writer, account.uid, account.gid)
                finally:
                    os.close(writer)
            finally:
                os.close(reader)


def _await_ready(pid_file: Path, guard: Guard, log: Path) -> None:
    """Wait until line 8 of ``postmaster.pid`` says that the server takes connections."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            lines = pid_file.read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return
        if guard.exited(wait_seconds=0.001):
            raise Unavailable(f"PostgreSQL did not start:\n{_tail(log)}", hint=_disk_hint(_tail(log), pid_file.parent))
    raise Unavailable(f"PostgreSQL was not ready after {START_SECONDS} s:\n{_tail(log)}")


def _tail(log: Path, lines: int = 8) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(it wrote no log)"
