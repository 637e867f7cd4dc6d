"""Which notebook is graded? Ours, with the student's cells put in.

Nothing of a submission is trusted but the *source* of the cells that belong to the student: solution
cells, written answers, and cells that the student added. Test cells, points, ids, tags, kernel and
outputs are those of the course's notebook. So a deleted, duplicated, edited or re-tagged test cell has
no effect, and neither has lost metadata: cells are recognised by nbgrader's id, else by their cell id,
else by the functions they define.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass, field

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.handed_in import REMARKS

STUB = "raise NotImplementedError()"


@dataclass
class Rebuilt:
    """The notebook to grade.

    ``recognised`` counts the cells of the submission that belong to the assignment; ``missing`` are
    the ids of solution cells that the submission lacks; ``remarks`` say what was restored or ignored.
    """

    notebook: NotebookNode
    recognised: int = 0
    missing: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def refusal(self, assignment: str) -> str:
        """Return why the notebook cannot be graded, or an empty string."""
        if self.recognised:
            return ""
        return _("no cell of it belongs to the assignment {name}").format(name=assignment)


def rebuild(course: NotebookNode, submitted: NotebookNode) -> Rebuilt:
    """Return the course's notebook with the student's cells in their places.

    Parameters
    ----------
    course:
        The instructor's notebook (with hidden tests) or the released one.
    submitted:
        What the student handed in, read by :func:`autograder.examiner.handed_in.read_notebook`.
    """
    result = Rebuilt(copy.deepcopy(course), remarks=list(submitted.metadata.get(REMARKS, ())))
    ours = result.notebook.cells
    taken: dict[int, NotebookNode] = {}
    added: dict[int, list[NotebookNode]] = defaultdict(list)
    index = {name: i for i, our in enumerate(ours) if (name := cells.grade_id(our))}
    known = [_Known.of(our) for our in ours]
    place = -1  # index of the course's cell after which an added cell goes
    for cell in submitted.cells:
        i = index.get(cells.grade_id(cell))
        if i is None:
            i = _recognise(known, cell, taken)
        if i is None:
            if cell.cell_type in ("code", "markdown") and cell.source.strip():
                added[place].append(cell)
            continue
        result.recognised += 1
        again, place = i in taken, i
        taken.setdefault(i, cell)
        if again:
            name = cells.grade_id(ours[i]) or ours[i].get("id", "")
            result.remarks.append(_("cell {name} is there more than once").format(name=name))
            if _is_students(ours[i]):
                added[i].append(cell)  # the later definition wins, as in the student's own notebook
        elif _edited(ours[i], cell) and not _is_students(ours[i]):
            if cells.nbgrader(ours[i]):
                name = cells.grade_id(ours[i])
                result.remarks.append(_("cell {name} was edited and is restored").format(name=name))
            elif cell.cell_type == "code" and not cells.is_experiment(ours[i]):
                added[i].append(cell)

    rebuilt: list[NotebookNode] = [_as_added(c) for c in added[-1]]
    for i, cell in enumerate(ours):
        if _is_students(cell):
            if i in taken:
                cell.source = taken[i].source
                if "attachments" in taken[i]:
                    cell.attachments = taken[i].attachments
            elif cells.is_solution(cell):
                cell.source = STUB
                result.missing.append(cells.grade_id(cell))
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        rebuilt += [cell, *(_as_added(c) for c in added[i])]
    result.notebook.cells = rebuilt
    missing_tests = [
        cells.grade_id(c) for i, c in enumerate(ours) if cells.is_test(c) and i not in taken
    ]
    if missing_tests:
        names = ", ".join(missing_tests)
        result.remarks.append(_("missing test cells are restored: {names}").format(names=names))
    if result.missing:
        names = ", ".join(result.missing)
        result.remarks.append(_("missing solution cells: {names}").format(names=names))
    result.remarks = list(dict.fromkeys(result.remarks))
    return result


@dataclass(frozen=True)
class _Known:
    """What one cell of the course's is recognised by: its id and type, its functions, or else its text."""

    id: str
    cell_type: str
    functions: frozenset[str]
    text: str

    @classmethod
    def of(cls, our: NotebookNode) -> _Known:
        written = cells.is_solution(our)
        functions = cells.defined_functions(our.source) if written else ()
        text = "" if written else cells.public_part(our.source)
        return cls(our.get("id", ""), our.cell_type, frozenset(functions), text)


def _recognise(
    known: list[_Known], cell: NotebookNode, taken: dict[int, NotebookNode]
) -> int | None:
    """Return the index of the course's cell that a cell without a known id of nbgrader's is a version of."""
    for i, our in enumerate(known):
        if cell.id and our.id == cell.id and our.cell_type == cell.cell_type:
            return i
    source, defines = cell.source.strip(), cells.defined_functions(cell.source)
    for i, our in enumerate(known):
        if i not in taken and (our.functions & defines or (source and our.text == source)):
            return i
    return None


def _is_students(our: NotebookNode) -> bool:
    """Tell whether the student's source replaces ours: solutions and free text, not questions."""
    return cells.is_solution(our) or (our.cell_type == "markdown" and not cells.nbgrader(our))


def _edited(our: NotebookNode, cell: NotebookNode) -> bool:
    if len(cell.source) > 2 * len(our.source) + 1000:
        return True  # what is much longer need not be looked through
    return cells.public_part(our.source) != cells.public_part(cell.source)


def _as_added(cell: NotebookNode) -> NotebookNode:
    """Return a new cell with nothing but the source of the student's."""
    if cell.cell_type == "code":
        return new_code_cell(cell.source)
    kept = {"attachments": cell.attachments} if "attachments" in cell else {}
    return new_markdown_cell(cell.source, **kept)
