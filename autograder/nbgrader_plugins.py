"""How does nbgrader reach all this? Preprocessors that ``nbgrader_config.py`` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Enum, Float, Integer

from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.cells import read_notebook
from autograder.examiner.grade import CellGrade, examine, hidden_cases_of, score
from autograder.examiner.kernel import Ending, Execution, Limits
from autograder.examiner.rebuild import rebuild
from autograder.examiner.sandbox import Isolation
from autograder.secret import SECRET, STUDENT

# What may stand in a page that others open: no HTML, no scripts, no SVG.
SAFE = ("text/plain", "image/png", "image/jpeg")
DEFAULTS = Limits()


class Rebuild(NbGraderPreprocessor):  # type: ignore[misc]
    """Put the student's cells into the instructor's notebook, before anything else looks at them.

    Must come first among ``Autograde.sanitize_preprocessors``.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the rebuilt notebook."""
        about = resources["nbgrader"]
        os.environ[STUDENT] = about["student"]  # for stock execution, whose kernel inherits it
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.source_directory, ".", about["assignment"])
        result = rebuild(read_notebook(Path(folder) / f"{about['notebook']}.ipynb"), nb)
        for remark in result.remarks:
            self.log.warning("%s: %s", about["student"], remark)
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

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Execute the notebook and return it with outputs.

        Raises
        ------
        NoSandbox
            If the sandbox is asked for and does not work here.
        """
        names = (
            "cell_seconds", "notebook_seconds", "cpu_seconds", "memory_bytes", "file_bytes",
            "output_bytes", "processes",
        )  # fmt: skip
        limits = Limits(**{name: getattr(self, name) for name in names})
        student = resources["nbgrader"]["student"]
        with hidden_cases_of(student, os.environ.get(SECRET)):
            examined = examine(nb.cells, limits, cast(Isolation, self.isolation))
        for i, cell in enumerate(nb.cells):
            if cells.is_test(cell):
                grade = score(cell, examined.tests.get(i))
                cell.outputs = verdict(grade)
                if grade.says:
                    self.log.info(
                        "%s: %s: %s, %s", student, grade.id, grade.state.value, grade.says
                    )
            elif i in examined.executions:
                cell.outputs = harmless(examined.executions[i])
        return nb, resources


def verdict(grade: CellGrade) -> list[NotebookNode]:
    """Return the outputs of a test cell: the results of its checks and, as its result, the points."""
    outputs = [
        new_output("display_data", data=result._repr_mimebundle_()) for result in grade.results
    ]
    if not grade.results:
        text = _("{state}: {says}").format(state=grade.state.value, says=grade.says)
        outputs.append(new_output("display_data", data={"text/plain": text}))
    points = new_output(
        "execute_result", data={"text/plain": f"{grade.points:g}"}, execution_count=1
    )
    return [*outputs, points]


def harmless(execution: Execution) -> list[NotebookNode]:
    """Return a cell's outputs without anything that a page would run."""
    kept = []
    for output in execution.outputs:
        if output.output_type in ("display_data", "execute_result"):
            output.data = {kind: output.data[kind] for kind in SAFE if kind in output.data}
            output.metadata = {}
            if not output.data:
                continue
        kept.append(output)
    if execution.ending is not Ending.FINISHED:
        kept.append(new_output("stream", name="stdout", text=f"[{execution.ending.value}]\n"))
    return kept
