"""What does grading cost beyond the student's own computation? CPU seconds, side by side in one run.

    python -m benchmarks.overhead                 # two minutes
    python -m benchmarks.overhead --functions     # without the test cells that train networks

For each assignment, its solved notebook is graded in a warm process ``--runs`` times, each time for another student, so
with other hidden cases. The CPU time of that process and of its kernels is compared with the time that the same process
spent inside the student's functions and training loops when it called them directly (the floor). Where it
goes: starting and ending the kernel, ordinary cells, and test cells on this side and on that of the kernel. Medians.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import nbformat  # noqa: E402

from autograder import assignments  # noqa: E402
from autograder.accuracy import training_data  # noqa: E402
from autograder.examiner import cells  # noqa: E402
from autograder.examiner import examine as examining  # noqa: E402
from autograder.examiner import grade as grading  # noqa: E402
from autograder.examiner.kernel import Kernel  # noqa: E402
from benchmarks.classroom import lesson  # noqa: E402
from benchmarks.floor import floor, functions_of  # noqa: E402
from benchmarks.measure import cpu_of, descendants  # noqa: E402

STAGES = ("kernel start", "cells", "tests here", "tests there")


class Stages:
    """CPU seconds of grading by stage; use as a context manager around it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.kernels = 0.0

    def __enter__(self) -> Stages:
        self._patches = contextlib.ExitStack()
        start, execute, run_test = examining.kernel, Kernel.execute, examining.run_test

        @contextlib.contextmanager
        def kernel(*args: Any) -> Iterator[Kernel]:
            before = time.process_time()
            with start(*args) as running:
                self.seconds["kernel start"] += time.process_time() - before + of(running)
                yield running
                self.kernels += of(running)
                before = time.process_time()
            self.seconds["kernel start"] += time.process_time() - before

        def cell(running: Kernel, *args: Any) -> Any:
            here, there, result = timed(lambda: execute(running, *args), running)
            self.seconds["cells"] += here + there
            return result

        def test(source: str, running: Kernel, seconds: float) -> Any:
            here, there, result = timed(lambda: run_test(source, running, seconds), running)
            self.seconds["tests here"] += here
            self.seconds["tests there"] += there
            return result

        for target, name, new in (
            (examining, "kernel", kernel), (Kernel, "execute", cell), (examining, "run_test", test),
        ):  # fmt: skip
            self._patches.enter_context(mock.patch.object(target, name, new))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._patches.close()


def of(running: Kernel) -> float:
    """Return the CPU seconds that a kernel has used (a killed sandbox reports none)."""
    roots = running._manager.provisioner.roots
    return sum(cpu_of(pid) for root in roots for pid in descendants(root))


def timed(work: Callable[[], Any], running: Kernel) -> tuple[float, float, Any]:
    """Do some work; return the CPU seconds of this process and of the kernel, and the result."""
    here, there = time.process_time(), of(running)
    result = work()
    return time.process_time() - here, of(running) - there, result


def solved(name: str, training: bool, to: Path) -> Path:
    """Write the source notebook of an assignment and, as a student would hand it in, the solved one."""
    notebook = lesson(name, training)
    (to / "source" / name).mkdir(parents=True)
    nbformat.write(notebook, to / "source" / name / f"{name}.ipynb")
    for cell in notebook.cells:
        cell.source = cells.public_part(cell.source)
    nbformat.write(notebook, to / f"{name}.ipynb")
    return to / f"{name}.ipynb"


def measure(path: Path, name: str, runs: int) -> dict[str, float]:
    """Return the medians of the floor, of the whole and of each stage."""
    course = grading.Course(path.parent)
    found: dict[str, list[float]] = {}
    for run in range(runs + 1):
        own, passed = floor(*functions_of(path, name))
        assert passed, name
        stages, start = Stages(), time.process_time()
        with stages:
            report = grading.grade(path, course, name, f"student {run}")
        graded = time.process_time() - start + stages.kernels
        assert report.points == report.max_points, report
        if run:  # the first one warms up
            for key, value in {"floor": own, "graded": graded, **stages.seconds}.items():
                found.setdefault(key, []).append(value)
    return {key: statistics.median(values) for key, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=assignments.names())
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--functions", action="store_true", help="leave training out")
    options = parser.parse_args()
    training_data()

    heads = ("floor", "graded", "overhead", *STAGES)
    print(
        f"{'':12}"
        + "".join(f"{head:>14}" for head in heads)
        + f"   CPU-s, median of {options.runs}"
    )
    for name in options.names:
        with tempfile.TemporaryDirectory() as directory:
            path = solved(name, not options.functions, Path(directory))
            figures = measure(path, name, options.runs)
        figures["overhead"] = figures["graded"] - figures["floor"]
        print(f"{name:12}" + "".join(f"{figures[head]:14.2f}" for head in heads), flush=True)


if __name__ == "__main__":
    main()
