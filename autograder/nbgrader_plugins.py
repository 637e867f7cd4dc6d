"""How does nbgrader reach all this? Parts that ``nbgrader_config.py`` names, in the order of their use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, TextIO

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Enum, Float, Integer

from autograder.assignments import all_checks
from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.cells import UnreadableNotebook, read_notebook
from autograder.examiner.grade import Course, State
from autograder.examiner.kernel import Limits
from autograder.examiner.outputs import (
    UNREADABLE,
    examine_into,
    notebook_or_reason,
    rebuilt_notebook,
)
from autograder.examiner.rebuild import rebuild
from autograder.examiner.sandbox import Isolation
from autograder.reports import feedback
from autograder.secret import SECRET, STUDENT, student_key

Result = tuple[NotebookNode, dict[str, Any]]

DEFAULTS = Limits()
EXAMINED: dict[tuple[str, str], NotebookNode] = {}
"""Notebooks that were examined already, by student and assignment: `autograder autograde` puts them here."""


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


def rename_submission(assignment: str, student: str, notebooks: list[str]) -> None:
    """Copy a notebook that was handed in under another name to the name that nbgrader looks for.

    The ``pre_convert_hook`` of ``Autograde``, called in the course directory once per submission, with the
    paths of its notebooks (``student`` may be a pattern). Browsers make ``dropout (1).ipynb`` of a second
    download. Of several, the one that has most cells of the assignment is taken.
    """
    paths = [Path(name) for name in notebooks]
    if not paths:
        return
    folder = paths[0].parent
    name = folder.name
    if any(p.stem == name for p in paths):
        return
    course = Course(Path())
    if name not in course.notebooks:
        return
    ours = course.read(name)

    def recognised(path: Path) -> int:
        try:
            return rebuild(ours, read_notebook(path)).recognised
        except UnreadableNotebook:
            return -1

    best = max(paths, key=lambda p: (recognised(p), p.stat().st_mtime))
    notebooks[:] = [str(shutil.copy2(best, folder / f"{name}.ipynb"))]


class AnyNotebook(NotebookExporter):
    """Read whatever was handed in: what is no notebook becomes an empty one that says why.

    The ``exporter_class`` of ``Autograde``. Stock nbgrader leaves such a submission without a score.
    """

    def from_file(
        self, file_stream: TextIO, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        """Convert the notebook in an open file; of one that was examined, what came of it."""
        about = (resources or {}).get("nbgrader", {})
        notebook = EXAMINED.get((about.get("student"), about.get("assignment")))
        if notebook is None:
            notebook = notebook_or_reason(lambda: read_notebook(Path(file_stream.name)))
        converted: tuple[str, dict[str, Any]] = self.from_notebook_node(  # type: ignore[no-untyped-call]
            notebook, resources=resources, **kwargs
        )
        return converted


class Rebuild(NbGraderPreprocessor):  # type: ignore[misc]
    """Put the student's cells into the instructor's notebook, before anything else looks at them.

    Must come first among ``Autograde.sanitize_preprocessors``.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Return the rebuilt notebook."""
        about = resources["nbgrader"]
        known = EXAMINED.get((about["student"], about["assignment"]))
        if known is not None:  # rebuilt where it was examined
            return known, resources
        os.environ[STUDENT] = about["student"]  # for stock execution, whose kernel inherits it
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.source_directory, ".", about["assignment"])
        ours = read_notebook(Path(folder) / f"{about['notebook']}.ipynb")
        result = rebuilt_notebook(ours, nb, about["assignment"])
        for remark in result.remarks:
            self.log.warning("%s: %s", about["student"], remark)
        if UNREADABLE in result.notebook.metadata:
            reason = result.notebook.metadata[UNREADABLE]
            self.log.error("%s: %s: %s", about["student"], State.NOT_GRADED.value, reason)
        else:
            for missing in result.missing:
                self.log.warning("%s: solution cell %s is missing", about["student"], missing)
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
        NoSandbox
            If the sandbox is asked for and does not work here.
        """
        about = resources["nbgrader"]
        student = about["student"]
        known = EXAMINED.get((student, about["assignment"]))
        if known is not None:
            adopt_outputs(nb, known)
            return nb, resources
        secret = os.environ.get(SECRET)
        key = student_key(secret, student) if secret else ""
        for grade in examine_into(nb, self.limits(), self.isolation, key):
            if grade.says:
                self.log.info("%s: %s: %s, %s", student, grade.id, grade.state.value, grade.says)
        return nb, resources


def adopt_outputs(nb: NotebookNode, known: NotebookNode) -> None:
    """Take over the outputs of a notebook that was examined before.

    Raises
    ------
    ValueError
        If it is not the same notebook.
    """
    if [(c.cell_type, c.source) for c in nb.cells] != [
        (c.cell_type, c.source) for c in known.cells
    ]:
        raise ValueError("the examined notebook is not the one that is to be graded")
    for cell, examined in zip(nb.cells, known.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = examined.outputs, examined.execution_count


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
