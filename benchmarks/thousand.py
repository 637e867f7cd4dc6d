"""Does a class of a thousand get through in one run, one in a hundred of it hostile or broken?

    python -m benchmarks.thousand                 # half an hour on 2 cores

Grades a course of two tests with `autograder autograde`; fails if a submission is lost, graded twice or has no
score, if an honest one has other points than it deserves, or if the exit status does not tell that some could not be graded.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from autograder.cohort.run import ALL_GRADED, SOME_NOT
from autograder.course import nbgrader
from benchmarks import measure
from benchmarks.bench import ENVIRONMENT, ROOT, SCRIPTS
from tests.redteam import ATTACKS, NOTHING, tiny
from tests.test_grade import GOOD

BAD_EVERY = 100
NO_NOTEBOOK = "no notebook"
ROLES = {"worker": "multiprocessing", "fork server and kernels": "forkserver"}


def hand_in(course: Path, n: int) -> dict[str, float | None]:
    """Write the submissions; return student → points that it deserves, None where it is not honest."""
    bad = itertools.cycle([NO_NOTEBOOK, *list(ATTACKS)[:: max(1, BAD_EVERY * len(ATTACKS) // n)]])
    deserved: dict[str, float | None] = {}
    for i in range(n):
        student = f"s{i:05}"
        path = course / "submitted" / student / "tiny" / "tiny.ipynb"
        path.parent.mkdir(parents=True)
        if i % BAD_EVERY == BAD_EVERY // 2:
            attack = next(bad)
            deserved[student] = None
            if attack == NO_NOTEBOOK:
                path.write_text('{"cells": [', encoding="utf-8")
                continue
            source = ATTACKS[attack]
        else:
            right = i % 4 != 3
            deserved[student] = 20.0 if right else 10.0
            source = GOOD["mask"] if right else NOTHING
        nbformat.write(tiny(source), path)
    return deserved


def points(course: Path) -> list[tuple[str, float | None]]:
    """Return student and points of every submission in the gradebook; None if a cell has no score."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        found = []
        for submission in gradebook.assignment_submissions("tiny"):
            scores = [grade.auto_score for book in submission.notebooks for grade in book.grades]
            whole = scores and None not in scores
            found.append((submission.student_id, sum(scores) if whole else None))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thousand-") as directory:
        course = Path(directory).resolve()
        (course / "source" / "tiny").mkdir(parents=True)
        (course / "nbgrader_config.py").write_text((ROOT / "nbgrader_config.py").read_text())
        nbformat.write(tiny(GOOD["mask"]), course / "source" / "tiny" / "tiny.ipynb")
        nbgrader(course, "generate_assignment", "tiny")
        deserved = hand_in(course, options.n)
        command = [f"{SCRIPTS}/autograder", "autograde", "tiny", "--workers", str(options.workers)]
        usage = measure.run(command, course, ENVIRONMENT)
        log = (course / "log.txt").read_text(errors="replace")
        print(log[log.rfind(f"{options.n} submissions:") :])
        found = points(course)
        names = [student for student, _points in found]
        assert sorted(names) == sorted(deserved), "lost or twice"
        for student, reached in found:
            assert reached is not None, f"{student} has no score"
            if deserved[student] is not None:
                assert reached == deserved[student], f"{student}: {reached}"
            assert (course / "autograded" / student / "tiny" / "tiny.ipynb").exists(), student
        expected = SOME_NOT if None in deserved.values() else ALL_GRADED
        assert usage.status == expected, f"exit status {usage.status}"
    print(f"exit status {usage.status}; none lost, none twice")
    print(f"{usage.wall:.0f} s, {60 * options.n / usage.wall:.0f} per minute, "
          f"{usage.cpu / options.n:.2f} CPU-s each, {options.workers} workers")  # fmt: skip
    for role, word in ROLES.items():
        print(f"largest {role}: {usage.largest(word) / 1e6:.0f} MB resident")
    print(f"all processes together, shared pages counted once: {usage.peak / 1e6:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
