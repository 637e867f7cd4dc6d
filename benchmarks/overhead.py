"""What does grading cost beyond the student's own computation? CPU seconds, side by side in one run.

    python benchmarks/overhead.py                 # two minutes

For each assignment, its solved notebook is graded in a warm process ``--runs`` times. The CPU time of that
process and of its kernels is compared with the time that the same process spent inside the student's
functions and training loops when it called them directly (the floor). Medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import nbformat  # noqa: E402
from jupyter_client.manager import KernelManager  # noqa: E402

from autograder import assignments  # noqa: E402
from autograder.accuracy import training_data  # noqa: E402
from autograder.engine.run import run_check  # noqa: E402
from autograder.examiner import cells, watch  # noqa: E402
from autograder.examiner.grade import Course, grade  # noqa: E402
from autograder.secret import hidden_seed  # noqa: E402

ROOT = Path(__file__).parents[1]


class Stopwatch:
    """Adds up the CPU time that is spent in student code; nested calls count once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function while the watch runs."""
        self._depth += 1
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.seconds += time.process_time() - start


class Timed:
    """A student function with a stopwatch around it, and around the training beside it."""

    def __init__(self, function: Callable[..., Any], watch: Stopwatch) -> None:
        self.function, self.watch, self.__name__ = function, watch, function.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.watch.run(self.function, *args, **kwargs)

    def colocated(
        self, work: Callable[..., Any], functions: tuple[Timed, ...], arguments: dict[str, Any]
    ) -> Any:
        return self.watch.run(work, *(f.function for f in functions), **arguments)


def floor(name: str) -> float:
    """Return the CPU seconds inside the student's functions and training when all checks run here."""
    solution: dict[str, Any] = {}
    exec((ROOT / "reference" / name / "solution.py").read_text("utf-8"), solution)
    stopwatch = Stopwatch()
    for check in assignments.checks(name).values():
        functions = tuple(Timed(solution[f], stopwatch) for f in check.takes)
        for seed in (None, hidden_seed(name, "somebody")):
            result = run_check(check, functions, seed)
            assert result.passed, result.text()
    return stopwatch.seconds


class KernelTime:
    """CPU seconds of all kernels, read just before they are killed (a killed sandbox reports none)."""

    def __init__(self) -> None:
        self.seconds = 0.0
        shutdown = KernelManager.shutdown_kernel

        def noting(manager: Any, *args: Any, **kwargs: Any) -> Any:
            roots = manager.provisioner.roots
            self.seconds += sum(cpu_of(pid) for root in roots for pid in descendants(root))
            return shutdown(manager, *args, **kwargs)

        KernelManager.shutdown_kernel = noting


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started."""
    return [pid, *(d for child in watch.children(pid) for d in descendants(child))]


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and of those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def solved(course: Course, name: str) -> nbformat.NotebookNode:
    """Return the notebook with solutions, as a student would hand it in."""
    notebook = course.read(name)
    for cell in notebook.cells:
        cell.source = cells.public_part(cell.source)
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=assignments.names())
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    course = Course(ROOT)
    training_data()

    kernels = KernelTime()
    print(
        f"{'assignment':12} {'floor':>8} {'graded':>8} {'overhead':>9}   CPU-s, median of {options.runs}"
    )
    for name in options.names:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / f"{name}.ipynb"
            nbformat.write(solved(course, name), path)
            floors, graded = [], []
            for run in range(options.runs + 1):
                own = floor(name)
                start = time.process_time() + kernels.seconds
                report = grade(path, course, name)
                took = time.process_time() + kernels.seconds - start
                assert report.points == report.max_points, report
                if run:  # the first one warms up
                    floors.append(own)
                    graded.append(took)
        low, high = statistics.median(floors), statistics.median(graded)
        print(f"{name:12} {low:8.2f} {high:8.2f} {high - low:9.2f}")


if __name__ == "__main__":
    main()
