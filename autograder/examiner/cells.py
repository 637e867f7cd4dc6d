"""What kind of cell is this? Reads nbgrader's metadata, which a submission may have lost or forged."""

from __future__ import annotations

import ast
import builtins
import re
from typing import Any

from nbformat import NotebookNode

EXPERIMENT = "experiment"
_NOT_RELEASED = re.compile(
    r"^[^\n]*BEGIN (HIDDEN TESTS|MARK SCHEME)[^\n]*$.*?^[^\n]*END \1[^\n]*$\n?", re.M | re.S
)


def nbgrader(cell: NotebookNode) -> dict[str, Any]:
    """Return the cell's nbgrader metadata, empty if it has none."""
    found = cell.metadata.get("nbgrader")
    return found if isinstance(found, dict) else {}


def grade_id(cell: NotebookNode) -> str:
    """Return the id that nbgrader knows the cell by, or an empty string."""
    return str(nbgrader(cell).get("grade_id", ""))


def is_solution(cell: NotebookNode) -> bool:
    """Tell whether students write into this cell."""
    return nbgrader(cell).get("solution") is True


def is_test(cell: NotebookNode) -> bool:
    """Tell whether the cell is graded automatically."""
    return nbgrader(cell).get("grade") is True and not is_solution(cell)


def is_manual(cell: NotebookNode) -> bool:
    """Tell whether people grade the cell."""
    meta = nbgrader(cell)
    return meta.get("task") is True or (meta.get("grade") is True and is_solution(cell))


def is_experiment(cell: NotebookNode) -> bool:
    """Tell whether the cell only experiments, so that no graded cell depends on it."""
    tags = cell.metadata.get("tags")
    return isinstance(tags, list) and EXPERIMENT in tags


def points(cell: NotebookNode) -> float:
    """Return the points that the cell is worth."""
    return float(nbgrader(cell).get("points", 0))


def public_part(source: str) -> str:
    """Return the source of a cell as students get it: without hidden tests and mark schemes."""
    return _NOT_RELEASED.sub("", source).strip()


def defined_functions(source: str) -> set[str]:
    """Return the names of the functions that a cell defines at its top level.

    Found by the beginnings of lines: a parser needs gigabytes for some sources, and ends this process on others.
    """
    return set(re.findall(r"^def +(\w+)", source, re.M))


def names_used(source: str) -> list[str]:
    """Return the names that a cell reads and does not define itself, sorted."""
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    return sorted({node.id for node in nodes} - stored - set(dir(builtins)))


def names_stored(source: str) -> set[str]:
    """Return the names that a cell defines or assigns, in any scope."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=alias):
                names.add((alias or name).split(".")[0])
    return names


def depending_on_experiments(notebook: NotebookNode) -> dict[str, list[str]]:
    """Return the cells that use what only experiments define, which are not executed in grading.

    Returns
    -------
    dict
        Cell id → the names that would be missing there, sorted.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    experiments = [cell for cell in code if is_experiment(cell)]
    others = [cell for cell in code if not is_experiment(cell)]
    there = set().union(*(names_stored(cell.source) for cell in others))
    missing = set().union(*(names_stored(cell.source) for cell in experiments)) - there
    found = {cell.get("id", ""): sorted(set(names_used(cell.source)) & missing) for cell in others}
    return {cell: names for cell, names in found.items() if names}


def check_calls(source: str) -> list[str]:
    """Return the names of the checks that a test cell calls, in order."""
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "check"
    ]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return [call.func.attr for call in calls if isinstance(call.func, ast.Attribute)]
