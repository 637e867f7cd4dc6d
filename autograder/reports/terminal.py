"""A person at a terminal: a table per notebook."""

from __future__ import annotations

import textwrap

from autograder.engine.messages import _
from autograder.examiner.grade import NotebookGrade, State

SYMBOLS = {State.PASSED: "✓", State.PARTIAL: "◐", State.MANUAL: "…"}
WIDTH = 100


def table(report: NotebookGrade) -> str:
    """Return a notebook's grade as text: a line per graded cell, the reasons, the total."""
    if not report.graded:
        return f"{report.path}: " + _("could not be graded: {reason}.").format(reason=report.reason)
    lines = [f"{report.path} ({report.assignment})"]
    width = max((len(c.id) for c in report.cells), default=0)
    for cell in report.cells:
        mark = SYMBOLS.get(cell.state, "✗")
        if cell.state is State.MANUAL:
            lines.append(
                f"  {mark} {cell.id:{width}}     - / {cell.max_points:g}  {cell.state.value}"
            )
            continue
        line = f"  {mark} {cell.id:{width}}  {cell.points:>5.4g} / {cell.max_points:g}"
        lines.append(line if cell.state is State.PASSED else f"{line}  {cell.state.value}")
        lines += textwrap.wrap(cell.says, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    lines += [f"  ! {remark}" for remark in report.remarks]
    total = _("{points:g} of {maximum:g} points").format(
        points=report.points, maximum=report.max_points
    )
    if report.manual_points:
        total += _(", {n:g} more are given by hand").format(n=report.manual_points)
    lines.append("  " + total)
    return "\n".join(lines)
