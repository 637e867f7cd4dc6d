"""How does nbgrader reach all this? Parts that ``nbgrader_config.py`` names, in the order of their use."""

from __future__ import annotations

import base64
import binascii
import os
import shutil
from pathlib import Path
from typing import Any, TextIO, cast

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_output
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Enum, Float, Integer

from autograder.assignments import all_checks
from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.cells import UnreadableNotebook, read_notebook
from autograder.examiner.grade import (
    CellGrade,
    Course,
    Outcome,
    State,
    examine,
    hidden_cases_of,
    score,
)
from autograder.examiner.kernel import Ending, Execution, Limits
from autograder.examiner.rebuild import rebuild
from autograder.examiner.sandbox import Isolation
from autograder.reports import feedback
from autograder.reports.feedback import STATE
from autograder.secret import SECRET, STUDENT

Result = tuple[NotebookNode, dict[str, Any]]

PICTURES = ("image/png", "image/jpeg")
DEFAULTS = Limits()
UNREADABLE = "autograder_unreadable"  # metadata of a notebook: why it cannot be graded


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
    course = Course(Path())
    name = folder.name
    if name not in course.notebooks or any(p.stem == name for p in paths):
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
        """Convert the notebook in an open file."""
        try:
            notebook = read_notebook(Path(file_stream.name))
        except UnreadableNotebook as error:
            notebook = new_notebook(metadata={UNREADABLE: str(error)})
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
        os.environ[STUDENT] = about["student"]  # for stock execution, whose kernel inherits it
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.source_directory, ".", about["assignment"])
        result = rebuild(read_notebook(Path(folder) / f"{about['notebook']}.ipynb"), nb)
        for remark in result.remarks:
            self.log.warning("%s: %s", about["student"], remark)
        reason = nb.metadata.get(UNREADABLE) or result.refusal(about["assignment"])
        if reason:
            self.log.error("%s: %s: %s", about["student"], State.NOT_GRADED.value, reason)
            result.notebook.metadata[UNREADABLE] = str(reason)
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

    isolation = Enum(
        ("sandbox", "process"), "sandbox", help="process: where bubblewrap cannot run"
    ).tag(config=True)
    cell_seconds = Float(DEFAULTS.cell_seconds, help="wall time for one cell").tag(config=True)
    notebook_seconds = Float(DEFAULTS.notebook_seconds, help="wall time for all cells").tag(
        config=True
    )
    cpu_seconds = Integer(DEFAULTS.cpu_seconds, help="CPU time of a process").tag(config=True)
    memory_bytes = Integer(DEFAULTS.memory_bytes, help="address space of a process").tag(
        config=True
    )
    file_bytes = Integer(DEFAULTS.file_bytes, help="size of a file").tag(config=True)
    output_bytes = Integer(DEFAULTS.output_bytes, help="output kept per cell").tag(config=True)
    processes = Integer(DEFAULTS.processes, help="number of processes").tag(config=True)

    def limits(self) -> Limits:
        """Return the configured limits."""
        names = (
            "cell_seconds", "notebook_seconds", "cpu_seconds", "memory_bytes", "file_bytes",
            "output_bytes", "processes",
        )  # fmt: skip
        return Limits(**{name: getattr(self, name) for name in names})

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Execute the notebook and return it with outputs.

        Raises
        ------
        NoSandbox
            If the sandbox is asked for and does not work here.
        """
        student = resources["nbgrader"]["student"]
        for grade in examined(nb, self.limits(), cast(Isolation, self.isolation), student):
            if grade.says:
                self.log.info("%s: %s: %s, %s", student, grade.id, grade.state.value, grade.says)
        return nb, resources


def examined(
    nb: NotebookNode, limits: Limits, isolation: Isolation, student: str
) -> list[CellGrade]:
    """Examine a rebuilt notebook, write outputs into its cells, and return the grades of its tests."""
    reason = nb.metadata.get(UNREADABLE)
    with hidden_cases_of(student, os.environ.get(SECRET)):
        done = None if reason else examine(nb.cells, limits, isolation)
    grades = []
    for i, cell in enumerate(nb.cells):
        if cells.is_test(cell):
            refused = Outcome(state=State.NOT_GRADED, says=str(reason))
            grade = score(cell, done.tests.get(i) if done else refused)
            cell.outputs = verdict(grade)
            grades.append(grade)
        elif done and i in done.executions:
            cell.outputs = harmless(done.executions[i])
    return grades


def verdict(grade: CellGrade) -> list[NotebookNode]:
    """Return the outputs of a test cell: the results of its checks and, as its result, the points.

    The points carry the state and the reason as metadata, for feedback and for other tools.
    """
    outputs = [
        new_output("display_data", data=result._repr_mimebundle_()) for result in grade.results
    ]
    if not grade.results:
        text = _("{state}: {says}").format(state=_(grade.state.value), says=grade.says)
        outputs.append(new_output("display_data", data={"text/plain": text}))
    points = new_output(
        "execute_result",
        data={"text/plain": f"{grade.points:g}"},
        metadata={STATE: {"state": grade.state.value, "says": grade.says}},
        execution_count=1,
    )
    return [*outputs, points]


def harmless(execution: Execution) -> list[NotebookNode]:
    """Return a cell's outputs without anything that a page would run: text and pictures only."""
    kept = []
    for output in execution.outputs:
        if output.output_type in ("display_data", "execute_result"):
            output.data = {k: v for k, v in output.data.items() if _is_harmless(k, v)}
            output.metadata = {}
            if not output.data:
                continue
        kept.append(output)
    if execution.ending is not Ending.FINISHED:
        kept.append(new_output("stream", name="stdout", text=f"[{execution.ending.value}]\n"))
    return kept


def _is_harmless(kind: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:  # pages put pictures into an attribute as they are
        return kind == "text/plain" or (
            kind in PICTURES and bool(base64.b64decode("".join(value.split()), validate=True))
        )
    except (binascii.Error, ValueError):
        return False


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
