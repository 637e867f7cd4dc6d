"""What is done for one submission, wherever that is? All that it needs travels, and all of its result.

A worker needs this package and the data set, but neither the course, nor its gradebook, nor its secret.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.examiner.cells import parse_notebook
from autograder.examiner.kernel import Limits
from autograder.examiner.outputs import examine_into, notebook_or_reason, rebuilt_notebook
from autograder.examiner.sandbox import Isolation
from autograder.student import datasets

_ONE_AT_A_TIME = threading.Lock()  # checks use NumPy's global generator and standard output


@dataclass(frozen=True)
class Work:
    """One submission to examine.

    Attributes
    ----------
    student, assignment:
        Whose and what it is.
    submitted:
        The bytes of the file that was handed in.
    course:
        The text of the course's own notebook, with hidden tests.
    key:
        What the student's hidden cases are drawn from; see :func:`autograder.secret.student_key`.
    dataset:
        The data set to train on: ``"mnist"`` or ``"digits"``.
    limits, isolation:
        See :func:`autograder.examiner.grade.examine`.
    """

    student: str
    assignment: str
    submitted: bytes
    course: str
    key: str
    dataset: str
    limits: Limits
    isolation: Isolation

    def address(self) -> str:
        """Return the name of the result: equal for equal work, done by the same version of this package."""
        digest = hashlib.sha256(code_digest().encode())
        rest = [self.assignment, self.course, self.key, self.dataset, self.isolation]
        digest.update(json.dumps([*rest, asdict(self.limits)]).encode())
        digest.update(self.submitted)
        return digest.hexdigest()


@dataclass(frozen=True)
class Graded:
    """The grade of one cell, as plain data; see :class:`autograder.examiner.grade.CellGrade`."""

    id: str
    points: float
    max_points: float
    state: str
    says: str


@dataclass(frozen=True)
class Done:
    """The result of one piece of work: the examined notebook as JSON text, and its grades."""

    notebook: str
    grades: tuple[Graded, ...]
    remarks: tuple[str, ...]
    seconds: float

    @property
    def points(self) -> float:
        """Points reached."""
        return sum(g.points for g in self.grades)

    @property
    def max_points(self) -> float:
        """Points of all automatically graded cells."""
        return sum(g.max_points for g in self.grades)


def examine_work(work: Work) -> Done:
    """Examine one submission.

    Raises
    ------
    NoSandbox, DatasetError
        If this machine lacks what grading needs. What a submission holds never makes this raise.
    """
    with _ONE_AT_A_TIME:
        start = time.monotonic()
        if os.environ.get("AUTOGRADER_DATASET") != work.dataset:
            os.environ["AUTOGRADER_DATASET"] = work.dataset
            datasets.load.cache_clear()
        datasets.load(n_train=1)
        submitted = notebook_or_reason(lambda: parse_notebook(work.submitted))
        rebuilt = rebuilt_notebook(_course(work.course), submitted, work.assignment)
        grades = examine_into(rebuilt.notebook, work.limits, work.isolation, work.key)
        return Done(
            json.dumps(rebuilt.notebook),
            tuple(Graded(g.id, g.points, g.max_points, g.state.value, g.says) for g in grades),
            tuple(rebuilt.remarks),
            time.monotonic() - start,
        )


@functools.lru_cache(maxsize=4)
def _course(text: str) -> NotebookNode:
    return nbformat.reads(text, as_version=4)


@functools.cache
def code_digest() -> str:
    """Return a digest of this package's code: another version may grade differently."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".json", ".mo"):
            digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()
