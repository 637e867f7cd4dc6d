"""What does a sandbox use as a whole? Needed because the system's limits are those of one process.

A thread looks at the sandbox five times a second, and kills all of it at once when it has too many processes or threads,
open files, or too much memory. Memory is what its processes hold, what lies in its /tmp and /dev/shm, and what was put into
shared memory and is not mapped by anybody at the moment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.engine.messages import _

SECONDS = 0.2
OPEN_FILES = 16_384  # of all its processes; a socket or pipe holds up to 200 kB in the system
BYTES_OF_INODE = 1024


@dataclass(frozen=True)
class Limits:
    """What a sandbox may use as a whole; 0 is no limit.

    Attributes
    ----------
    processes:
        Processes and threads.
    memory:
        Bytes.
    """

    processes: int = 0
    memory: int = 0


@contextlib.contextmanager
def guarded(
    roots: Sequence[int], limits: Limits, places: Sequence[Path], tell: Callable[[str], None]
) -> Iterator[None]:
    """Kill a sandbox when it uses more than its limits.

    Parameters
    ----------
    roots:
        The processes outside of it that have all of its processes below them, bubblewrap first.
    limits:
        What it may use.
    places:
        Its directories that lie in memory.
    tell:
        Called with the reason when it is killed.
    """
    done = threading.Event()

    def look(exceeded: Callable[[], str]) -> None:
        while not done.wait(SECONDS):
            if reason := exceeded():
                tell(reason)
                for child in children(roots[0]):  # its init: the whole namespace dies with it
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)

    # Of two threads: asking for the memory of processes that multiply takes seconds.
    watchers = [
        threading.Thread(target=look, args=[exceeded], name="autograder-watch", daemon=True)
        for exceeded in (lambda: too_many(roots, limits), lambda: too_much(roots, limits, places))
    ]
    for watcher in watchers:
        watcher.start()
    try:
        yield
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()


def too_many(roots: Sequence[int], limits: Limits) -> str:
    """Return which limit on processes and open files a sandbox exceeds, as a sentence; an empty string if none."""
    inside = [pid for root in roots for pid in below(root, limits.processes)]
    if limits.processes and sum(map(threads, inside)) > limits.processes:
        return _("it ran more than {n} processes and threads").format(n=limits.processes)
    if sum(map(open_files, inside)) > OPEN_FILES:
        return _("it had more than {n} files open").format(n=OPEN_FILES)
    return ""


def too_much(roots: Sequence[int], limits: Limits, places: Sequence[Path]) -> str:
    """Return whether a sandbox uses too much memory, as a sentence; an empty string if not."""
    inside = [pid for root in roots for pid in below(root, limits.processes)]
    if limits.memory and memory(inside, places, limits.memory) > limits.memory:
        return _("it used more than {n} bytes of memory").format(n=limits.memory)
    return ""


def memory(processes: Sequence[int], places: Sequence[Path], enough: int) -> int:
    """Return the bytes that processes and the files in ``places`` hold.

    Asks first for an upper bound, which is quick: address space. If that is not more than ``enough``, it is returned.
    """
    files = sum(bytes_in(place) for place in places)
    bound = files + sum(map(address_space, processes))
    if bound <= enough:
        return bound
    shared: dict[str, int] = {}
    for pid in processes:
        shared |= shared_memory(pid)
    return files + sum(map(resident, processes)) + sum(shared.values())


def bytes_in(place: Path) -> int:
    """Return the bytes of memory that a file system in memory takes, its directories included."""
    with contextlib.suppress(OSError):
        about = os.statvfs(place)
        used = (about.f_blocks - about.f_bfree) * about.f_frsize
        return used + (about.f_files - about.f_ffree) * BYTES_OF_INODE
    return 0


def address_space(pid: int) -> int:
    """Return the bytes that a process has mapped."""
    with contextlib.suppress(OSError):
        pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[0]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0


def resident(pid: int) -> int:
    """Return a process's bytes in memory: its share of pages that others map too, and its page tables."""
    total = 0
    with contextlib.suppress(OSError):
        about = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
        total += next(int(x.split()[1]) for x in about.splitlines() if x.startswith("Pss:"))
        about = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
        total += next((int(x.split()[1]) for x in about.splitlines() if x.startswith("VmPTE:")), 0)
    return total * 1024


def shared_memory(pid: int) -> dict[str, int]:
    """Return the sizes of the memory that a process made to share with its children, by inode."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines():
            if "/dev/zero (deleted)" in line:
                addresses, *_other, inode, _file, _deleted = line.split()
                first, last = (int(address, 16) for address in addresses.split("-"))
                found[inode] = found.get(inode, 0) + last - first
    return found


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


def below(pid: int, most: int = 0) -> list[int]:
    """Return the ids of all descendants of a process; one more than ``most`` is enough.

    Processes may be made faster than they can be counted.
    """
    found: list[int] = []
    todo = children(pid)
    while todo and not 0 < most < len(found):
        found.append(todo.pop())
        todo += children(found[-1])
    return found


def threads(pid: int) -> int:
    """Return the number of threads of a process."""
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0


def open_files(pid: int) -> int:
    """Return the number of files that a process has open."""
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def children(pid: int) -> list[int]:
    """Return the ids of a process's children; none of one that has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (path / "children").read_text("ascii").split())
    return found
