"""What stands in a cell after it was examined? Outputs in the form that nbgrader scores and people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.engine.messages import _
from autograder.examiner.grade import CellGrade
from autograder.examiner.handed_in import PICTURES, is_picture
from autograder.examiner.kernel import Ending, Execution
from autograder.examiner.plain import plain

STATE = "autograder"  # metadata of the output that holds the points: the cell's grade


def verdict(grade: CellGrade) -> list[NotebookNode]:
    """Return the outputs of a test cell: the results of its checks and, as its result, the points.

    The points carry the grade as metadata, without the results, for feedback and for other tools.
    """
    outputs = [
        new_output("display_data", data=plain(result._repr_mimebundle_()))
        for result in grade.results
    ]
    if not grade.results:
        text = _("{state}: {says}").format(state=_(grade.state.value), says=grade.says)
        outputs.append(new_output("display_data", data={"text/plain": plain(text)}))
    stated = {key: value for key, value in grade.to_dict().items() if key != "results"}
    points = new_output(
        "execute_result",
        data={"text/plain": f"{grade.points:g}"},
        metadata={STATE: stated},
        execution_count=1,
    )
    return [*outputs, points]


def harmless(execution: Execution) -> list[NotebookNode]:
    """Return a cell's outputs without anything that a page would run or a file not take: text and pictures."""
    kept = []
    for output in execution.outputs:
        match output.output_type:
            case "stream":
                name = "stderr" if output.get("name") == "stderr" else "stdout"
                kept.append(new_output("stream", name=name, text=_string(output.get("text"))))
            case "error":
                lines = output.get("traceback")
                kept.append(
                    new_output(
                        "error",
                        ename=_string(output.get("ename")),
                        evalue=_string(output.get("evalue")),
                        traceback=list(map(_string, lines)) if isinstance(lines, list) else [],
                    )
                )
            case "display_data" | "execute_result" as kind:
                data = _harmless(output.get("data"))
                count = {"execution_count": 1} if kind == "execute_result" else {}
                kept += [new_output(kind, data=data, **count)] if data else []
    if execution.ending is not Ending.FINISHED:
        kept.append(new_output("stream", name="stdout", text=f"[{execution.ending.value}]\n"))
    return kept


def _string(value: Any) -> str:
    return str(plain(value)) if isinstance(value, str) else ""


def _harmless(data: Any) -> dict[str, str]:
    """Return what can be shown of an output's data: type → text."""
    given = data if isinstance(data, Mapping) else {}
    texts = {kind: given[kind] for kind in ("text/plain", *PICTURES) if kind in given}
    return {
        kind: _string(text)
        for kind, text in texts.items()
        if isinstance(text, str) and (kind == "text/plain" or is_picture(text))
    }
