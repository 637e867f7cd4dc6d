"""How many processes does a sandbox run? Needed where the system does not count: when grading as root.

The limit on processes is the system's (``RLIMIT_NPROC``), but it does not hold for root. There, a thread looks
at the sandbox five times a second and kills all of it at once when it has too many processes or threads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

SECONDS = 0.2


@contextlib.contextmanager
def processes(roots: Sequence[int], limit: int) -> Iterator[None]:
    """Kill a sandbox when it runs more than ``limit`` processes and threads; only needed as root.

    Parameters
    ----------
    roots:
        The processes outside of it that have all of its processes below them, bubblewrap first.
    limit:
        How many threads there may be below these.
    """
    if os.geteuid() != 0:
        yield
        return
    done = threading.Event()

    def look() -> None:
        while not done.wait(SECONDS):
            if sum(threads_below(root) for root in roots) > limit:
                for child in children(roots[0]):  # its init: the whole namespace dies with it
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)

    watcher = threading.Thread(target=look, name="autograder-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def innermost(pid: int, seconds: float) -> int | None:
    """Return the process that bubblewrap (``pid``) runs in its sandbox, None if it ends before.

    It is bubblewrap's grandchild, behind the sandbox's init, and its namespaces are complete when it
    has replaced the image of bubblewrap.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for child in children(pid):
            for inner in children(child):
                with contextlib.suppress(OSError):
                    if not os.readlink(f"/proc/{inner}/exe").endswith("bwrap"):
                        return inner
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z":
                return None
        time.sleep(0.002)
    return None


def threads_below(pid: int) -> int:
    """Return the number of threads of all descendants of a process."""
    count, todo = 0, children(pid)
    while todo:
        child = todo.pop()
        with contextlib.suppress(OSError):
            count += len(os.listdir(f"/proc/{child}/task"))
            todo += children(child)
    return count


def children(pid: int) -> list[int]:
    """Return the ids of a process's children; none of one that has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (path / "children").read_text("ascii").split())
    return found
