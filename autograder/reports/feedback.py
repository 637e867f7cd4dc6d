"""A student in a browser: what a feedback page shows of an autograded notebook, and what it must not run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from traitlets.config import Config

from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.grade import State
from autograder.examiner.outputs import STATE
from autograder.reports import clean

TEMPLATES = str(Path(__file__).parents[1] / "templates")
KINDS = {State.PASSED: "passed", State.PARTIAL: "partial", State.MANUAL: "manual"}


class FeedbackExporter(HTMLExporter):
    """Makes the page that a student gets; for ``GenerateFeedback.exporter_class``.

    A class of its own, since the settings of ``HTMLExporter`` are the Formgrader's as well.
    """

    def __init__(self, config: Config | None = None, **kwargs: Any) -> None:
        ours = Config(
            {
                "FeedbackExporter": {
                    **clean.SETTINGS,
                    "filters": {
                        **clean.SETTINGS["filters"],
                        "translated": "autograder.reports.feedback.translated",
                    },
                    "template_name": "autograder_feedback",
                    "extra_template_basedirs": [TEMPLATES],
                }
            }
        )
        merged = Config(config or {})
        merged.merge(ours)
        super().__init__(config=merged, **kwargs)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Row:
    """One line of the table of scores."""

    id: str
    score: float
    points: float
    kind: str
    state: str
    says: str
    comment: str


def rows(notebook: NotebookNode) -> list[Row]:
    """Return a row per graded cell of a notebook in which nbgrader's ``GetGrades`` has put the scores."""
    return [_row(cell) for cell in notebook.cells if cells.is_test(cell) or cells.is_manual(cell)]


def _row(cell: NotebookNode) -> Row:
    meta = cells.nbgrader(cell)
    score, points = float(meta.get("score") or 0), float(meta.get("points") or 0)
    kept = [o.get("metadata", {}).get(STATE) for o in cell.get("outputs", [])]
    stated: dict[str, Any] = next((m for m in kept if m), {})
    state, says = str(stated.get("state", "")), str(stated.get("says", ""))
    if cells.is_manual(cell):
        state = State.MANUAL.value
    known = next((s for s in State if s.value == state), None)
    fallback = "passed" if points and score >= points else "partial" if score else "failed"
    kind = KINDS.get(known, "failed") if known else fallback
    return Row(
        cells.grade_id(cell), score, points, kind, state, says, str(meta.get("comment") or "")
    )


def prepare(cell: NotebookNode) -> None:
    """Take hidden tests and mark schemes out of a cell, and the bare number of its points."""
    if cells.is_test(cell) or cells.is_manual(cell):
        cell.source = cells.public_part(cell.source)
    if cells.is_test(cell):
        cell.outputs = [o for o in cell.outputs if STATE not in o.get("metadata", {})]


def translated(message: str) -> str:
    """Return a sentence of the template, or a state, in the reader's language."""
    return _(message)
