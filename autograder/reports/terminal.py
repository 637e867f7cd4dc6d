"""A person at a terminal: a table per notebook."""

from __future__ import annotations

import textwrap

from autograder.engine.messages import _
from autograder.examiner.grade import NotebookGrade, State
from autograder.foreign import line

SYMBOLS = {State.PASSED: "✓", State.PARTIAL: "◐", State.MANUAL: "…"}
WIDTH = 100


def table(report: NotebookGrade) -> str:
    """Return a notebook's grade as text: a line per graded cell, the reasons, the total."""
    if not report.graded:
        reason = _("could not be graded: {reason}.").format(reason=line(report.reason))
        return f"{line(report.path)}: {reason}"
    lines = [f"{line(report.path)} ({line(report.assignment)})"]
    width = max((len(line(c.id, 80)) for c in report.cells), default=0)
    for cell in report.cells:
        mark, name = SYMBOLS.get(cell.state, "✗"), line(cell.id, 80)
        if cell.state is State.MANUAL:
            lines.append(f"  {mark} {name:{width}}     - / {cell.max_points:g}  {cell.state.value}")
            continue
        row = f"  {mark} {name:{width}}  {cell.points:>5.4g} / {cell.max_points:g}"
        lines.append(row if cell.state is State.PASSED else f"{row}  {cell.state.value}")
        lines += textwrap.wrap(
            line(cell.says), WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    lines += [f"  ! {line(remark)}" for remark in report.remarks]
    total = _("{points:g} of {maximum:g} points").format(
        points=report.points, maximum=report.max_points
    )
    if report.manual_points:
        total += _(", {n:g} more are given by hand").format(n=report.manual_points)
    lines.append("  " + total)
    return "\n".join(lines)
