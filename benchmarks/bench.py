"""How fast is a class graded? Stock nbgrader, Otter and this project, side by side in one run.

    python -m benchmarks.bench                    # an hour; `make bench` runs it and draws the chart

For each assignment and each of two comparisons (function checks; everything, with training, which is the same compute
in every system: ours and the floor only): the same notebook without experiments, the same synthetic class, the same
checks on public and hidden cases. One process per batch, or ours with one and with two workers. The slow systems get
the first ``--n-slow`` students of the class, the others ``--n``. Medians of ``--repeat`` batches. *Steady* is from
each worker's first result to the last (without imports, starting and ending the cluster, PyTorch's first calls);
*batch* is the whole command. The floor is the CPU time inside the
student's functions and training when the same checks call them directly in one warm process.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook

from autograder import assignments
from autograder.student import datasets
from benchmarks import classroom, measure

ROOT = Path(__file__).parents[1]
STOCK = "c = get_config()\nc.CourseDirectory.root = '.'\n"
COMPARISONS = {"functions": False, "everything": True}  # name -> with training
SCRIPTS = str(Path(sys.executable).parent)
ENVIRONMENT = {
    "PATH": os.pathsep.join([SCRIPTS, os.environ.get("PATH", "")]),
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "ignore",
    "JUPYTER_PLATFORM_DIRS": "1",
}

Finished = dict[str, tuple[float, bool]]
"""Student → time of the result, and whether it is full marks."""


@dataclass(frozen=True)
class System:
    """A way to grade a class.

    Attributes
    ----------
    name, command:
        What it is called, and what is run in the course for it; the assignment's name is appended.
    configuration:
        The ``nbgrader_config.py`` of its course.
    finished:
        Reads from the course what was graded, and when.
    workers:
        How many submissions it grades at once.
    slow:
        Whether it gets fewer submissions.
    """

    name: str
    command: tuple[str, ...]
    configuration: str
    finished: Callable[[Path, str], Finished]
    workers: int = 1
    slow: bool = False


def in_gradebook(course: Path, name: str) -> Finished:
    """Read nbgrader's gradebook; a submission is done when its autograded notebook is there."""
    found: Finished = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for submission in gradebook.assignment_submissions(name):
            student = submission.student_id
            path = course / "autograded" / student / name / f"{name}.ipynb"
            grades = [g for n in submission.notebooks for g in n.grades if g.auto_score is not None]
            full = bool(grades) and all(g.auto_score == g.max_score_gradecell for g in grades)
            if path.exists():
                found[student] = path.stat().st_mtime, full
    return found


def by_otter(course: Path, name: str) -> Finished:
    """Read what benchmarks.otter_batch wrote."""
    done = json.loads((course / "otter.json").read_text())
    return {
        student: (d["time"], d["possible"] > 0 and d["total"] == d["possible"])
        for student, d in done.items()
    }


def systems() -> list[System]:
    """Return the systems that are compared."""
    python = sys.executable
    ours = (ROOT / "nbgrader_config.py").read_text("utf-8")
    autograde = (f"{SCRIPTS}/autograder", "autograde", "--workers")
    return [
        System("stock nbgrader", (python, "-m", "nbgrader", "autograde"), STOCK, in_gradebook, slow=True),
        System("Otter", (python, "-m", "benchmarks.otter_batch"), STOCK, by_otter, slow=True),
        System("ours, 1 worker", (*autograde, "1"), ours, in_gradebook),
        System("ours, 2 workers", (*autograde, "2"), ours, in_gradebook, workers=2),
    ]  # fmt: skip


def grade_class(
    system: System, template: Path, name: str, n: int, passing: set[str]
) -> dict[str, float]:
    """Have a class graded once; return what it cost.

    Raises
    ------
    RuntimeError
        If others than those ``passing`` got full marks.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
        course = Path(directory).resolve() / "course"
        shutil.copytree(template, course)
        handed_in = set(classroom.hand_in(course, name, n))
        usage = measure.run([*system.command, name], course, ENVIRONMENT)
        try:
            finished = system.finished(course, name)
        except Exception:
            finished = {}
        full = {s for s, (_moment, all_points) in finished.items() if all_points}
        if full != passing & handed_in:
            log = (course / "log.txt").read_text(errors="replace")[-3000:]
            raise RuntimeError(
                f"{system.name}: full marks for {full ^ passing & handed_in}?\n{log}"
            )
    moments = sorted(moment for moment, _full in finished.values())
    first, last = moments[system.workers - 1], moments[-1]
    steady = len(moments) - system.workers
    return {
        "n": n,
        "batch per minute": 60 * n / usage.wall,
        "steady per minute": 60 * steady / (last - first),
        "start and end": usage.wall - (last - first),
        "batch CPU-s each": usage.cpu / n,
        "steady CPU-s each": usage.cpu_between(first, last) / steady,
        "peak MB": usage.peak / 1e6,
    }


def floor(template: Path, name: str, n: int) -> tuple[dict[str, float], set[str]]:
    """Return what the student's functions cost when they are called directly, and who passes all checks."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        course = Path(directory).resolve() / "course"
        shutil.copytree(template, course)
        classroom.hand_in(course, name, n)
        command = [sys.executable, "-m", "benchmarks.floor", name]
        usage = measure.run(command, course, ENVIRONMENT)
        if usage.status:
            raise RuntimeError((course / "log.txt").read_text())
        found = json.loads((course / "floor.json").read_text())
    each = sum(found["seconds"].values()) / n
    return {"n": n, "steady per minute": 60 / each, "steady CPU-s each": each}, set(found["full"])


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}


def compare(name: str, training: bool, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure all systems on one assignment; return system → figures."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        templates: dict[str, Path] = {}
        for configuration in (s.configuration for s in systems()):
            if configuration not in templates:
                course = Path(directory).resolve() / str(len(templates))
                course.mkdir()
                classroom.make_course(course, name, training, configuration)
                templates[configuration] = course
        runs: dict[str, list[dict[str, float]]] = {}
        chosen = [
            s for s in systems() if not options.only or any(w in s.name for w in options.only)
        ]
        if training:  # which is the same compute in every system
            chosen = [s for s in chosen if not s.slow]
        ours = options.n_training if training else options.n
        for _repeat in range(options.repeat):
            direct, passing = floor(templates[STOCK], name, ours)
            runs.setdefault("floor", []).append(direct)
            for system in chosen:
                n = options.n_slow if system.slow else ours
                run = grade_class(system, templates[system.configuration], name, n, passing)
                runs.setdefault(system.name, []).append(run)
                print(f"  {system.name}: {medians([run])}", file=sys.stderr, flush=True)
        return {system: medians(found) for system, found in runs.items()}


def table(results: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    """Return the results as text."""
    columns = ("steady per minute", "batch per minute", "start and end", "steady CPU-s each",
               "batch CPU-s each", "peak MB")  # fmt: skip
    heads = ("per minute", "with start", "start+end s", "CPU-s each", "with start", "peak MB")
    lines = []
    for comparison, by_name in results.items():
        for name, by_system in by_name.items():
            lines += ["", f"{name}, {comparison}"]
            lines.append(f"{'':18}" + "".join(f"{head:>12}" for head in heads))
            for system, figures in by_system.items():
                values = [f"{figures[c]:12.2f}" if c in figures else f"{'':12}" for c in columns]
                lines.append(f"{system:18}" + "".join(values))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=assignments.names())
    parser.add_argument("--n", type=int, default=40, help="submissions for ours and the floor")
    parser.add_argument("--n-slow", type=int, default=7, help="for stock nbgrader and Otter")
    parser.add_argument(
        "--n-training", type=int, default=5, help="for ours and the floor, with training"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="systems, by a part of their names")
    parser.add_argument("--comparison", nargs="*", default=list(COMPARISONS), choices=COMPARISONS)
    parser.add_argument("--json", type=Path, help="write the results there")
    options = parser.parse_args()
    machine = {**measure.machine(), "data": datasets.load(n_train=1).name}
    results: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for comparison in options.comparison:
        for name in options.names:
            print(f"{name}, {comparison}", file=sys.stderr, flush=True)
            figures = compare(name, COMPARISONS[comparison], options)
            results.setdefault(comparison, {})[name] = figures
            if options.json:
                found = {"machine": machine, "repeat": options.repeat, "results": results}
                options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(machine))
    print(table(results))


if __name__ == "__main__":
    main()
