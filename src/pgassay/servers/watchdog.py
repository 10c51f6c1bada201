"""Run as a script: outlives the process that started it, however that one dies, and then cleans up.

It reads orders, one JSON object a line, from its standard input, and takes the end of the input as the end of that
process, SIGKILL included. Only the standard library is used, and no site-packages: it has to be up at once.

    {"remove": DIR}                          at the end, remove the directory
    {"at_end": ARGV, "input": TEXT}          at the end, run a command
    {"start": ARGV, "user": UID, "group": GID, "log": FILE}
                                             start a PostgreSQL now; at the end, stop it

It answers `{"exited": STATUS}` when that PostgreSQL ends before its time. What a command prints at the end is passed
on, so that the process that waits for the watchdog can report it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

STOP_SECONDS = 20
ASK_SECONDS = 0.2


def start(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    with open(order["log"], "ab") as log:
        child = subprocess.Popen(
            order["start"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=order["env"],
            cwd=order["cwd"],
            user=order["user"],
            group=order["group"],
            extra_groups=None if order["user"] is None else [],
            start_new_session=True,
        )

    def report_end() -> None:
        said = json.dumps({"exited": child.wait()})
        with contextlib.suppress(OSError):  # whoever started it is gone, and nobody reads
            os.write(sys.stdout.fileno(), f"{said}\n".encode())

    threading.Thread(target=report_end, daemon=True).start()
    return child


def stop(child: subprocess.Popen[bytes]) -> None:
    # PostgreSQL's immediate shutdown: its data are thrown away. Again and again, since one that has only just been
    # started ignores it, as this process does.
    for _ in range(int(STOP_SECONDS / ASK_SECONDS)):
        child.send_signal(signal.SIGQUIT)
        try:
            child.wait(ASK_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    orders = []
    children = []
    for line in sys.stdin.buffer:
        if not line.endswith(b"\n"):
            break  # the writer died in the middle of it
        order = json.loads(line)
        if "start" in order:
            children.append(start(order))
        else:
            orders.append(order)
    for child in children:
        stop(child)
    for order in reversed(orders):
        if "at_end" in order:
            subprocess.run(order["at_end"], input=order["input"], text=True, check=False)
        else:
            shutil.rmtree(order["remove"], ignore_errors=True)


if __name__ == "__main__":
    main()
