"""How much time did the student's process use? What it computed, slept and waited for, but not for a processor.

On a machine that is busy with something else, a process stands in a queue for a processor. The system counts that time
(the second number in ``/proc/<pid>/task/<thread>/schedstat``, in nanoseconds), and it is not the student's. Where
the system does not tell (macOS), wall time is counted.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from autograder.examiner import watch

TICK = 0.25  # seconds between two looks at all threads
NANO = 1e-9


class Meter:
    """A clock that runs only while somebody waits for the student's process, and only as fast as it could work.

    Parameters
    ----------
    roots:
        Processes with all of the student's processes below them, or the student's process itself.

    Attributes
    ----------
    seconds:
        The time used so far. Of many threads, the one that waited longest for a processor counts, unless
        all of them together computed for longer: who starves himself with his own threads gains nothing.
    """

    def __init__(self, roots: Sequence[int]) -> None:
        self.roots = list(roots)
        self.seconds = 0.0
        self._main = _open_statistics(main_process(self.roots))
        self._marked = 0.0
        self._main_waited = 0.0
        self._threads: dict[int, tuple[float, float]] | None = None

    def close(self) -> None:
        """Close what is open; the meter then counts wall time."""
        if self._main is not None:
            os.close(self._main)
            self._main = None

    def start(self) -> None:
        """Begin to count."""
        self._marked, self._main_waited = time.monotonic(), self._waited()
        self._threads = None

    def tick(self) -> float:
        """Count the time since the last call, and return all that was counted."""
        now, waited = time.monotonic(), self._waited()
        wall, in_queue, computed = now - self._marked, waited - self._main_waited, 0.0
        if wall >= TICK:
            before, self._threads = self._threads, self._look()
            for thread, (ran, stood) in self._threads.items():
                old_ran, old_stood = (before or {}).get(thread, (ran, stood))
                computed += ran - old_ran
                in_queue = max(in_queue, stood - old_stood)
        self._marked, self._main_waited = now, waited
        self.seconds += min(wall, max(wall - in_queue, computed, 0.0))
        return self.seconds

    def threads(self) -> set[int]:
        """Return the ids of all threads of all processes below the roots, and of the roots."""
        return {int(path.name) for path in self._tasks()}

    def _waited(self) -> float:
        if self._main is not None:
            with contextlib.suppress(OSError, ValueError, IndexError):
                return int(os.pread(self._main, 100, 0).split()[1]) * NANO
        return 0.0

    def _look(self) -> dict[int, tuple[float, float]]:
        """Return the seconds that each thread ran, and those that it stood in the queue."""
        found = {}
        for path in self._tasks():
            with contextlib.suppress(OSError, ValueError):
                ran, stood, _turns = (path / "schedstat").read_text("ascii").split()
                found[int(path.name)] = int(ran) * NANO, int(stood) * NANO
        return found

    def _tasks(self) -> list[Path]:
        found, todo = [], list(self.roots)
        while todo:
            pid = todo.pop()
            with contextlib.suppress(OSError):
                for path in Path(f"/proc/{pid}/task").iterdir():
                    found.append(path)
                    with contextlib.suppress(OSError):
                        todo += map(int, (path / "children").read_text("ascii").split())
        return found


def main_process(roots: Sequence[int]) -> int:
    """Return the process of the kernel: the last one of the chain of only children below the last root."""
    pid = roots[-1]
    while len(below := watch.children(pid)) == 1:
        pid = below[0]
    return pid


def _open_statistics(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.open(f"/proc/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    return None
