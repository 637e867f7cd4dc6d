"""What does grading cost beyond the student's own computation? CPU seconds, side by side in one run.

    python -m benchmarks.overhead                 # two minutes

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
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import nbformat  # noqa: E402
from jupyter_client.manager import KernelManager  # noqa: E402

from autograder import assignments  # noqa: E402
from autograder.accuracy import training_data  # noqa: E402
from autograder.examiner import cells  # noqa: E402
from autograder.examiner.grade import Course, grade  # noqa: E402
from benchmarks.floor import floor, functions_of  # noqa: E402
from benchmarks.measure import cpu_of, descendants  # noqa: E402

ROOT = Path(__file__).parents[1]


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
                own, passed = floor(*functions_of(path, name))
                assert passed, name
                start = time.process_time() + kernels.seconds
                report = grade(path, course, name, f"student {run}")
                took = time.process_time() + kernels.seconds - start
                assert report.points == report.max_points, report
                if run:  # the first one warms up
                    floors.append(own)
                    graded.append(took)
        low, high = statistics.median(floors), statistics.median(graded)
        print(f"{name:12} {low:8.2f} {high:8.2f} {high - low:9.2f}")


if __name__ == "__main__":
    main()
