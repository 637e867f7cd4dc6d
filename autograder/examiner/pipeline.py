"""How does a submission become a grade? Rebuild, examine, score: the same for every command.

Whatever a submission holds ends in a grade. What fails for another reason raises :class:`CouldNotGrade`: it is
never a grade, and another run tries again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.engine.messages import _
from autograder.examiner import cells, handed_in, sandbox
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.examine import Examined, Outcome, examine
from autograder.examiner.grade import CellGrade, NotebookGrade, State, score
from autograder.examiner.handed_in import UNREADABLE
from autograder.examiner.kernel import Limits
from autograder.examiner.outputs import harmless, verdict
from autograder.examiner.rebuild import Rebuilt, rebuild
from autograder.examiner.sandbox import Isolation, NoSandbox
from autograder.secret import course_secret, hidden_cases, student_key
from autograder.student.datasets import DatasetError

MAX_OUTPUT_BYTES = 100_000_000  # of all cells of a notebook


class Course:
    """The notebooks of a course: from ``source/``, or from ``release/`` where there is no source."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.has_source = any(self.root.glob("source/*/*.ipynb"))
        folder = "source" if self.has_source else "release"
        self.notebooks = {
            path.parent.name: path for path in sorted(self.root.glob(f"{folder}/*/*.ipynb"))
        }

    def read(self, assignment: str) -> NotebookNode:
        """Return the course's notebook of an assignment."""
        return nbformat.read(self.notebooks[assignment], as_version=4)

    def assignment_of(self, submitted: NotebookNode) -> str | None:
        """Return the assignment that most cells of a submission belong to, or None."""
        counts = {name: rebuild(self.read(name), submitted).recognised for name in self.notebooks}
        best = max(counts, key=lambda name: counts[name], default=None)
        return best if best and counts[best] else None


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Turn what goes wrong in the body into :class:`CouldNotGrade`, with the place where it did.

    :class:`NoSandbox` and :class:`DatasetError` pass: without a sandbox or data nothing can be graded at all.
    """
    try:
        yield
    except (CouldNotGrade, NoSandbox, DatasetError):
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise CouldNotGrade(
            _("the grader failed ({error}, in {file}, line {line}); run the command again").format(
                error=f"{type(error).__name__}: {error}"[:300],
                file=Path(place.filename).name,
                line=place.lineno,
            )
        ) from error


def grade(
    path: Path,
    course: Course,
    assignment: str | None = None,
    student: str = "",
    limits: Limits | None = None,
    isolation: Isolation = "sandbox",
) -> NotebookGrade:
    """Grade one notebook, outside a gradebook.

    Parameters
    ----------
    path:
        The submission.
    course:
        Where the assignment's own notebook comes from.
    assignment:
        Its name, or None to find it by the cells of the submission.
    student:
        Decides which hidden cases are drawn.
    limits:
        Limits on time, output and resources.
    isolation:
        ``"sandbox"``, or ``"process"`` where bubblewrap cannot run: then student code is kept apart from
        tests and answers, but the file system is not protected.

    Raises
    ------
    NoSandbox, DatasetError
        If nothing can be graded here.
    CouldNotGrade
        If this notebook could not, for a reason that is not its own.
    """
    sandbox.require(isolation)
    if assignment is not None and assignment not in course.notebooks:
        reason = _("there is no assignment {name} in {root}")
        return NotebookGrade(
            assignment, reason=reason.format(name=assignment, root=course.root), ours=True
        )
    with ours():
        submitted = handed_in.notebook_or_reason(lambda: handed_in.read_notebook(path))
        name = assignment or course.assignment_of(submitted)
        if name is None:
            reason = _("no cell of it belongs to an assignment of this course")
            return NotebookGrade(reason=submitted.metadata.get(UNREADABLE, reason))
        key = student_key(course_secret(course.root), student) if course.has_source else ""
        theirs = course.read(name)
    return grade_submission(theirs, submitted, name, key, limits or Limits(), isolation)


def grade_submission(
    course: NotebookNode,
    submitted: NotebookNode,
    assignment: str,
    key: str,
    limits: Limits,
    isolation: Isolation,
) -> NotebookGrade:
    """Grade what was handed in.

    Parameters
    ----------
    course:
        The course's own notebook of the assignment.
    submitted:
        What :func:`autograder.examiner.handed_in.notebook_or_reason` returned.
    assignment:
        Its name.
    key:
        The student's key, from which hidden cases are drawn; see :mod:`autograder.secret`.
    limits, isolation:
        See :func:`autograder.examiner.examine.examine`.

    Raises
    ------
    NoSandbox, DatasetError, CouldNotGrade
        See :func:`grade`.
    """
    start = time.monotonic()
    rebuilt = put_together(course, submitted, assignment)
    graded = examine_notebook(rebuilt.notebook, limits, isolation, key)
    with ours():
        return NotebookGrade(
            assignment,
            tuple(graded),
            tuple(rebuilt.remarks),
            rebuilt.notebook.metadata.get(UNREADABLE, ""),
            notebook=json.dumps(rebuilt.notebook),
            seconds=time.monotonic() - start,
        )


def put_together(course: NotebookNode, submitted: NotebookNode, assignment: str) -> Rebuilt:
    """Rebuild a submission; where it cannot be graded, its notebook's metadata say why.

    Raises
    ------
    CouldNotGrade
        If that failed.
    """
    with ours():
        result = rebuild(course, submitted)
        reason = submitted.metadata.get(UNREADABLE) or result.refusal(assignment)
        if reason:
            result.notebook.metadata[UNREADABLE] = str(reason)
            result.remarks = []
        return result


def examine_notebook(
    nb: NotebookNode, limits: Limits, isolation: Isolation, key: str
) -> list[CellGrade]:
    """Examine a rebuilt notebook, write outputs into its cells, and return the grades of its graded cells.

    Parameters
    ----------
    nb:
        The notebook, changed in place.
    limits, isolation, key:
        See :func:`grade_submission`.

    Raises
    ------
    NoSandbox, DatasetError, CouldNotGrade
        See :func:`grade`. The notebook is of no use then.
    """
    with ours(), hidden_cases(key):
        reason = nb.metadata.get(UNREADABLE)
        code = sum(cell.cell_type == "code" for cell in nb.cells)
        per_cell = min(limits.output_bytes, MAX_OUTPUT_BYTES // max(1, code))
        within = dataclasses.replace(limits, output_bytes=per_cell)
        done = Examined() if reason else examine(nb.cells, within, isolation)
        grades = []
        for i, cell in enumerate(nb.cells):
            if cells.is_test(cell) or cells.is_manual(cell):
                refused = Outcome(state=State.NOT_GRADED, says=str(reason)) if reason else None
                grades.append(score(cell, refused or done.tests.get(i)))
            if cells.is_test(cell):
                cell.outputs = verdict(grades[-1])
            elif i in done.executions:
                cell.outputs = harmless(done.executions[i])
        return grades
