"""How does nbgrader reach all this? Parts that ``nbgrader_config.py`` names, in the order of their use."""

from __future__ import annotations

import os
from logging import LogRecord
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from tornado.log import LogFormatter
from traitlets import Enum, Float, Integer

from autograder.assignments import all_checks
from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.grade import State
from autograder.examiner.handed_in import UNREADABLE
from autograder.examiner.kernel import Limits
from autograder.examiner.pipeline import examine_notebook, put_together
from autograder.examiner.sandbox import Isolation
from autograder.foreign import line, lines
from autograder.nbgrader_converter import READ_BY_US
from autograder.reports import feedback
from autograder.secret import SECRET, STUDENT, student_key

Result = tuple[NotebookNode, dict[str, Any]]

DEFAULTS = Limits()


class CheckSource(NbGraderPreprocessor):  # type: ignore[misc]
    """Refuse to release an assignment whose grading would fail on grading day.

    First among ``GenerateAssignment.preprocessors``.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Return the notebook as it is.

        Raises
        ------
        ValueError
            If a graded cell depends on an experiment, or calls a check that does not exist.
        """
        problems = [
            _(
                "cell {cell} uses {names}, which only experiments define: not there in grading"
            ).format(cell=cell, names=", ".join(names))
            for cell, names in cells.depending_on_experiments(nb).items()
        ]
        problems += [
            _("cell {cell} calls check.{name}, which does not exist").format(
                cell=cells.grade_id(cell), name=name
            )
            for cell in nb.cells
            if cells.is_test(cell)
            for name in cells.check_calls(cell.source)
            if name not in all_checks()
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return nb, resources


class Rebuild(NbGraderPreprocessor):  # type: ignore[misc]
    """Put the student's cells into the instructor's notebook, before anything else looks at them.

    Must come first among ``Autograde.sanitize_preprocessors``.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Return the rebuilt notebook.

        Raises
        ------
        CouldNotGrade
            If the notebook was not read by our converter, within limits, or something else is wrong here.
        """
        about = resources["nbgrader"]
        if READ_BY_US not in about:
            raise CouldNotGrade(
                _("nbgrader_config.py does not call autograder.nbgrader_converter.install()")
            )
        os.environ[STUDENT] = about["student"]  # for stock execution, whose kernel inherits it
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.source_directory, ".", about["assignment"])
        theirs = nbformat.read(Path(folder) / f"{about['notebook']}.ipynb", as_version=4)
        result = put_together(theirs, nb, about["assignment"])
        for remark in result.remarks:
            self.log.warning("%s: %s", line(about["student"]), line(remark))
        if reason := result.notebook.metadata.get(UNREADABLE):
            self.log.error(
                "%s: %s: %s", line(about["student"]), State.NOT_GRADED.value, line(reason)
            )
        return result.notebook, resources


class Examine(NbGraderPreprocessor):  # type: ignore[misc]
    """Execute a notebook with the examiner, in the place of nbgrader's ``Execute``.

    Student code runs in a sandboxed kernel, test cells run here. The verdict is written into the
    outputs in the form that nbgrader scores: the points as the cell's result. Every test cell gets
    one, so that no cell is left without a score.
    """

    isolation: Isolation = Enum(  # type: ignore[assignment]
        ("sandbox", "process"), "sandbox", help="process: where bubblewrap cannot run"
    ).tag(config=True)
    cell_seconds = Float(DEFAULTS.cell_seconds, help="wall time for one cell").tag(config=True)
    notebook_seconds = Float(DEFAULTS.notebook_seconds, help="wall time for all cells").tag(
        config=True
    )
    cpu_seconds = Integer(DEFAULTS.cpu_seconds, help="CPU time of a process").tag(config=True)
    memory_bytes = Integer(
        DEFAULTS.memory_bytes, help="address space of a process, and memory of all together"
    ).tag(config=True)
    disk_bytes = Integer(DEFAULTS.disk_bytes, help="size of all files").tag(config=True)
    file_bytes = Integer(DEFAULTS.file_bytes, help="size of a file").tag(config=True)
    output_bytes = Integer(DEFAULTS.output_bytes, help="output kept per cell").tag(config=True)
    processes = Integer(DEFAULTS.processes, help="number of processes").tag(config=True)

    def limits(self) -> Limits:
        """Return the configured limits."""
        names = (
            "cell_seconds", "notebook_seconds", "cpu_seconds", "memory_bytes", "file_bytes",
            "output_bytes", "processes", "disk_bytes",
        )  # fmt: skip
        return Limits(**{name: getattr(self, name) for name in names})

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Execute the notebook and return it with outputs.

        Raises
        ------
        NoSandbox, DatasetError, CouldNotGrade
            If it could not be graded, for a reason that is not its own: nbgrader then keeps nothing of it.
        """
        student = resources["nbgrader"]["student"]
        secret = os.environ.get(SECRET)
        key = student_key(secret, student) if secret else ""
        for grade in examine_notebook(nb, self.limits(), self.isolation, key):
            if grade.says:
                self.log.info(
                    "%s: %s: %s, %s",
                    line(student), line(grade.id), grade.state.value, line(grade.says),
                )  # fmt: skip
        return nb, resources


class Feedback(NbGraderPreprocessor):  # type: ignore[misc]
    """Prepare an autograded notebook for the feedback page: no hidden tests, scores with reasons first.

    Among ``GenerateFeedback.preprocessors``, behind nbgrader's ``GetGrades``.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Return the notebook without hidden tests, and the rows of the table of scores."""
        resources["autograder"] = {"rows": feedback.rows(nb)}
        for cell in nb.cells:
            feedback.prepare(cell)
        return nb, resources


class PlainLog(LogFormatter):
    """Format log lines as nbgrader does, without colours, and let none of them be a command.

    nbgrader logs names of files and whole tracebacks.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"color": False})

    def format(self, record: LogRecord) -> str:
        """Return the formatted record."""
        return lines(super().format(record))
