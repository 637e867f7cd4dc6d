"""What is a grade? One type for a cell's and one for a notebook's, as plain data, for all commands.

Fails closed: a graded cell without a readable verdict of exactly the checks it calls earns nothing, and
every cell ends in one definite state with a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from autograder.engine.messages import _
from autograder.engine.results import CheckResult
from autograder.engine.scoring import combined_score
from autograder.examiner import cells
from autograder.examiner.examine import Outcome
from autograder.examiner.examine import State as State
from autograder.examiner.plain import plain


@dataclass(frozen=True)
class CellGrade:
    """The grade of one cell; ``says`` is the reason in one sentence, empty when it passed."""

    id: str
    points: float
    max_points: float
    state: State
    says: str = ""
    results: tuple[CheckResult, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the grade as JSON data that any file takes."""
        data = {
            "id": self.id,
            "points": self.points,
            "max_points": self.max_points,
            "state": self.state.value,
            "says": self.says,
            "misconceptions": sorted({m.id for r in self.results for m in r.named}),
            "results": [r.to_dict() for r in self.results],
        }
        return {key: plain(value) for key, value in data.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellGrade:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            If ``data`` is not of that form.
        """
        return cls(
            str(data["id"]),
            float(data["points"]),
            float(data["max_points"]),
            State(data["state"]),
            str(data["says"]),
            tuple(CheckResult.from_dict(result) for result in data["results"]),
        )


@dataclass(frozen=True)
class NotebookGrade:
    """The grade of one notebook.

    Attributes
    ----------
    assignment:
        Its name; empty if none was recognised.
    cells:
        The grades of the cells that are graded, automatically or by hand.
    remarks:
        What was restored, ignored, or is missing.
    reason:
        Why the notebook could not be graded at all, empty if it was.
    ours:
        Whether that reason is not the submission's doing: then there are no points, and another run may grade it.
    notebook:
        What was graded, with outputs, as JSON text.
    seconds:
        Wall time that it took.
    path:
        Where the notebook was, if it is graded outside a gradebook; for people and programs to read.
    """

    assignment: str = ""
    cells: tuple[CellGrade, ...] = ()
    remarks: tuple[str, ...] = ()
    reason: str = ""
    ours: bool = False
    notebook: str = ""
    seconds: float = 0.0
    path: str = ""

    @property
    def graded(self) -> bool:
        """False when the notebook could not be graded at all."""
        return not self.reason

    @property
    def points(self) -> float:
        """Points reached in automatically graded cells."""
        return round(sum(c.points for c in self.cells if c.state is not State.MANUAL), 6)

    @property
    def max_points(self) -> float:
        """Points of all automatically graded cells."""
        return sum(c.max_points for c in self.cells if c.state is not State.MANUAL)

    @property
    def manual_points(self) -> float:
        """Points that people give, not counted in the others."""
        return sum(c.max_points for c in self.cells if c.state is State.MANUAL)

    def to_dict(self) -> dict[str, Any]:
        """Return the grade as JSON data that any file takes."""
        return {
            "assignment": self.assignment,
            "cells": [cell.to_dict() for cell in self.cells],
            "remarks": list(self.remarks),
            "reason": self.reason,
            "ours": self.ours,
            "notebook": self.notebook,
            "seconds": self.seconds,
            "path": self.path,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NotebookGrade:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            If ``data`` is not of that form.
        """
        cells = tuple(CellGrade.from_dict(cell) for cell in data["cells"])
        return cls(**{**data, "cells": cells, "remarks": tuple(data["remarks"])})


def score(cell: NotebookNode, outcome: Outcome | None) -> CellGrade:
    """Turn what happened in a graded cell into its grade."""
    name, maximum = cells.grade_id(cell), cells.points(cell)

    def none(state: State, says: str) -> CellGrade:
        return CellGrade(name, 0.0, maximum, state, says)

    if cells.is_manual(cell):
        return none(State.MANUAL, "")
    if outcome is None:
        return none(State.TIMED_OUT, _("the notebook ran out of time before this cell"))
    if outcome.state is not None:
        return none(outcome.state, plain(outcome.says))
    results = outcome.results
    if [r.check for r in results] != cells.check_calls(cell.source) or not results:
        return none(State.NOT_GRADED, _("the cell gave no verdict"))
    reached = combined_score(results)
    failed = next((r for r in results if not r.passed), None)
    state = State.PASSED if failed is None else State.PARTIAL if reached else State.FAILED
    if failed is not None and failed.ending == "not written":
        state = State.UNANSWERED
    elif failed is not None and failed.ending == "out of time":
        state = State.TIMED_OUT
    says = plain(failed.reason()) if failed else ""
    return CellGrade(name, round(reached * maximum, 2), maximum, state, says, tuple(results))
