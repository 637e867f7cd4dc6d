"""What does a command cost? Wall time, CPU time and memory of a process and of all that it starts.

A killed sandbox reports no usage to its parent, so the CPU time is read from ``/proc`` while the processes live:
twenty times a second, the last value of each counts. What a process does in its last 50 ms is missed. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from autograder.examiner import watch

INTERVAL = 0.05
MEMORY_EVERY = 40  # samples; summing up the pages of a process takes milliseconds of our cores
TICK = os.sysconf("SC_CLK_TCK")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Process:
    """What was seen of one process: CPU seconds, largest resident set in bytes, command line."""

    cpu: float = 0.0
    rss: int = 0
    command: str = ""


@dataclass
class Usage:
    """What a command used.

    Attributes
    ----------
    status, wall:
        Exit status, and seconds from start to end.
    processes:
        What each process used, by id and time of its start.
    cpu_until:
        Pairs of wall-clock time and the CPU seconds that were used up to then.
    peak:
        Largest memory of all of them together in bytes; shared pages count once (PSS).
    """

    status: int = 0
    wall: float = 0.0
    processes: dict[tuple[int, int], Process] = field(default_factory=dict)
    cpu_until: list[tuple[float, float]] = field(default_factory=list)
    peak: int = 0

    @property
    def cpu(self) -> float:
        """CPU seconds of all processes."""
        return sum(p.cpu for p in self.processes.values())

    def cpu_between(self, start: float, end: float) -> float:
        """Return the CPU seconds that were used between two moments, as ``time.time()`` gives them."""
        used = [
            max((c for t, c in self.cpu_until if t <= moment), default=0.0)
            for moment in (start, end)
        ]
        return used[1] - used[0]

    def largest(self, word: str) -> int:
        """Return the largest resident set among the processes whose command line has a word in it."""
        return max((p.rss for p in self.processes.values() if word in p.command), default=0)


def run(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Usage:
    """Run a command in a directory, one thread per process, and measure it; its output goes to a log there."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans stay below this process
    usage = Usage()
    start = time.monotonic()
    with (directory / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **ONE_THREAD, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        for count in range(1 << 62):
            sample(usage, process.pid, memory=count % MEMORY_EVERY == 0)
            try:
                usage.status = process.wait(INTERVAL)
                break
            except subprocess.TimeoutExpired:
                continue
    usage.wall = time.monotonic() - start
    return usage


def sample(usage: Usage, root: int, memory: bool) -> None:
    """Note what the processes below ``root`` have used so far."""
    shared = 0
    for pid in descendants(root):
        try:
            fields = (
                Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            )
            seen = usage.processes.setdefault((pid, int(fields[19])), Process())
            seen.cpu = (int(fields[11]) + int(fields[12])) / TICK
            if memory:
                rss, pss = memory_of(pid)
                seen.rss, shared = max(seen.rss, rss), shared + pss
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                seen.command = line.replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError, IndexError):
            continue
    usage.peak = max(usage.peak, shared)
    usage.cpu_until.append((time.time(), usage.cpu))


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started."""
    return [pid, *(d for child in watch.children(pid) for d in descendants(child))]


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and of those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK


def memory_of(pid: int) -> tuple[int, int]:
    """Return the bytes that are resident, all of them and with shared pages divided among their users."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    sizes = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return tuple(int(sizes[name].split()[0]) * 1024 for name in ("Rss", "Pss"))  # type: ignore[return-value]


def machine() -> dict[str, Any]:
    """Describe where and with what was measured."""
    packages = ("nbgrader", "otter-grader", "torch", "numpy", "ipykernel", "distributed")
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[0] if model else platform.processor(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "packages": {name: version(name) for name in packages},
    }
