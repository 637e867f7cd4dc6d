"""A student in a browser: what a feedback page shows of an autograded notebook, and what it must not run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bleach
from bleach.css_sanitizer import CSSSanitizer
from nbformat import NotebookNode

from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.grade import State
from autograder.examiner.outputs import STATE

TEMPLATES = str(Path(__file__).parents[1] / "templates")
KINDS = {State.PASSED: "passed", State.PARTIAL: "partial", State.MANUAL: "manual"}
TAGS = frozenset(bleach.ALLOWED_TAGS) | {
    "br", "dd", "del", "details", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "p",
    "pre", "s", "span", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr",
}  # fmt: skip


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


def cleaned(html: str) -> str:
    """Return HTML without scripts, handlers, forms, styles that cover the page, and foreign pictures."""
    clean: str = bleach.clean(
        html,
        tags=TAGS,
        attributes=_is_allowed,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=["text-align", "color"]),
    )
    return clean


def _is_allowed(tag: str, name: str, value: str) -> bool:
    if tag == "img":
        pictures = ("data:image/png;", "data:image/jpeg;", "data:image/gif;")
        return name in ("alt", "title", "width", "height") or (
            name == "src" and value.startswith(pictures)
        )
    if tag == "a":
        return name in ("title", "id", "class") or (
            name == "href" and not value.lower().lstrip().startswith("data:")
        )
    return name in ("class", "id", "style", "title", "open", "align")
