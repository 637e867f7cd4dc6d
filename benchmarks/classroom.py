"""Who hands in what? A synthetic class, and the notebook without its experiments for every system alike."""

from __future__ import annotations

import copy
import importlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.course import nbgrader
from autograder.examiner import cells

ROOT = Path(__file__).parents[1]

# Of twenty students. Nobody loops for ever: that costs the limit of the check, 10 s, wherever it is graded.
KINDS = (
    "right", "right", "wrong", "right", "wrong", "right", "slow", "right", "wrong", "right",
    "untouched", "right", "wrong", "right", "syntax error", "wrong", "right", "no notebook", "right", "wrong",
)  # fmt: skip
SLOW = '''

def slowed(function):
    """Let each call take 2 ms longer, as a loop over the elements does."""
    import functools, time

    @functools.wraps(function)
    def slow(*args, **kwargs):
        end = time.process_time() + 0.002
        while time.process_time() < end:
            pass
        return function(*args, **kwargs)

    return slow


{name} = slowed({name})
'''


def lesson(name: str, training: bool) -> NotebookNode:
    """Return the source notebook of an assignment without experiments, and without training if so wished."""
    notebook = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if not cells.is_experiment(cell)
        and (training or not (cells.is_test(cell) and trains(cell.source)))
    ]
    return notebook


def trains(source: str) -> bool:
    """Tell whether a test cell has networks trained."""
    return any(call.startswith("mnist") for call in cells.check_calls(source))


def make_course(to: Path, name: str, training: bool, configuration: str) -> None:
    """Make a course of one assignment with a given ``nbgrader_config.py``, and release it."""
    folder = to / "source" / name
    folder.mkdir(parents=True)
    nbformat.write(lesson(name, training), folder / f"{name}.ipynb")
    (to / "nbgrader_config.py").write_text(configuration, encoding="utf-8")
    nbgrader(to, "generate_assignment", name)


def hand_in(course: Path, name: str, n: int) -> dict[str, str]:
    """Write the submissions of ``n`` students; return student → kind."""
    shutil.rmtree(course / "submitted", ignore_errors=True)
    released = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    source = nbformat.read(course / "source" / name / f"{name}.ipynb", as_version=4)
    answers = {cells.grade_id(c): c.source for c in source.cells if cells.is_solution(c)}
    mistakes = wrong(name)
    kinds = {}
    for i, kind in enumerate(itertools.islice(itertools.cycle(KINDS), n)):
        student = f"s{i:04}"
        kinds[student] = kind
        folder = course / "submitted" / student / name
        folder.mkdir(parents=True)
        path = folder / f"{name}.ipynb"
        if kind == "no notebook":
            path.write_text('{"cells": [', encoding="utf-8")
            continue
        sources = dict(answers)
        first = next(c for c in answers if cells.defined_functions(answers[c]))
        if kind == "untouched":
            sources = {}
        elif kind == "wrong":
            sources |= next(mistakes)
        elif kind == "syntax error":
            sources[first] = sources[first].replace("return", "retrun this", 1)
        elif kind == "slow":
            function = min(cells.defined_functions(sources[first]))
            sources[first] += SLOW.format(name=function)
        notebook = copy.deepcopy(released)
        for cell in notebook.cells:
            cell.source = sources.get(cells.grade_id(cell), cell.source)
        nbformat.write(notebook, path)
    return kinds


def wrong(name: str) -> Iterator[dict[str, str]]:
    """Yield wrong solutions in catalogued ways, again and again: cell id → source."""
    found: dict[str, dict[str, str]] = importlib.import_module(
        f"autograder.assignments.{name}.submissions"
    ).SUBMISSIONS
    return itertools.cycle(s for student, s in found.items() if "endless" not in student)
