"""What stands in a notebook after it was examined? Outputs in the form that nbgrader scores and people read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_output

from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.grade import CellGrade, Outcome, State, examine, score
from autograder.examiner.kernel import Ending, Execution, Limits
from autograder.examiner.rebuild import Rebuilt, rebuild
from autograder.examiner.sandbox import Isolation
from autograder.secret import hidden_cases

PICTURES = ("image/png", "image/jpeg")
UNREADABLE = "autograder_unreadable"  # metadata of a notebook: why it cannot be graded
STATE = "autograder"  # metadata of the output that holds the points: state and reason


def rebuilt_notebook(course: NotebookNode, submitted: NotebookNode, assignment: str) -> Rebuilt:
    """Rebuild a submission; where it cannot be graded, its notebook's metadata say why.

    ``submitted`` may be what :func:`notebook_or_reason` returned.
    """
    result = rebuild(course, submitted)
    reason = submitted.metadata.get(UNREADABLE) or result.refusal(assignment)
    if reason:
        result.notebook.metadata[UNREADABLE] = str(reason)
    return result


def notebook_or_reason(read: Callable[[], NotebookNode]) -> NotebookNode:
    """Read what was handed in; what is no notebook becomes an empty one that says why."""
    try:
        return read()
    except cells.UnreadableNotebook as error:
        return new_notebook(metadata={UNREADABLE: str(error)})


def examine_into(
    nb: NotebookNode, limits: Limits, isolation: Isolation, key: str
) -> list[CellGrade]:
    """Examine a rebuilt notebook, write outputs into its cells, and return the grades of its tests.

    Parameters
    ----------
    nb:
        The notebook, changed in place.
    limits, isolation:
        See :func:`autograder.examiner.grade.examine`.
    key:
        The student's key, from which hidden cases are drawn; see :mod:`autograder.secret`.
    """
    reason = nb.metadata.get(UNREADABLE)
    with hidden_cases(key):
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
