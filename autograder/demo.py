"""What does grading a class look like? Makes a small one and grades it with nbgrader's own commands."""

from __future__ import annotations

import copy
import importlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder import assignments
from autograder.course import nbgrader
from autograder.engine.messages import _
from autograder.engine.results import MIME, CheckResult
from autograder.examiner import cells, handed_in
from autograder.examiner.sandbox import why_not
from autograder.foreign import line
from autograder.student import datasets

SOLVED, TAMPERED, UNTOUCHED = "ada-solved", "iris-tampered", "fay-untouched"
EMPTY, BROKEN = "kim-empty-file", "jan-broken-file"


def demo(course: Path, to: Path, names: Sequence[str] = ()) -> int:
    """Make the class in folder ``to``, grade it, print the tables; return the exit status.

    Parameters
    ----------
    course:
        Folder with ``source/`` and ``nbgrader_config.py``.
    to:
        Folder for the copy of the course; what was there is removed.
    names:
        Assignments to show, all when empty.
    """
    names = names or assignments.names()
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    shutil.copytree(course / "source", to / "source")
    shutil.copy(course / "nbgrader_config.py", to)
    data = datasets.load(n_train=1)
    print(data.note or _("Images: {name}").format(name=data.name))
    if why_not():
        os.environ.setdefault("AUTOGRADER_ISOLATION", "process")
        note = _("No sandbox here ({reason}): the file system is not protected from student code.")
        print(note.format(reason=why_not()))
    ok = True
    for name in names:
        print(f"\n{name}")
        print(_("1. nbgrader generate_assignment {name}").format(name=name), flush=True)
        nbgrader(to, "generate_assignment", name)
        n = make_class(to, name)
        note = _("2. nbgrader autograde {name}: {n} submissions, about 10 s for each")
        print(note.format(name=name, n=n), flush=True)
        nbgrader(to, "autograde", name)
        print(_("3. nbgrader generate_feedback {name}").format(name=name), flush=True)
        nbgrader(to, "generate_feedback", name)
        print()
        ok = print_scores(to, name) and ok
    print()
    print(_("The course is in {to}. There, with this Python environment:").format(to=to))
    print("  " + _("jupyter lab                 # nbgrader > Formgrader: the gradebook"))
    print("  " + _("feedback/<student>/         # the pages that students get"))
    print("  " + _("autograder grade --course . submitted/*/*/*.ipynb"))
    return 0 if ok else 1


def make_class(course: Path, name: str) -> int:
    """Write submissions: solved, wrong in known ways, untouched, and broken; return their number."""
    released = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    source = nbformat.read(course / "source" / name / f"{name}.ipynb", as_version=4)
    answers = {cells.grade_id(c): c.source for c in source.cells if cells.is_solution(c)}
    wrong: dict[str, dict[str, str]] = importlib.import_module(
        f"autograder.assignments.{name}.submissions"
    ).SUBMISSIONS
    for student, sources in {SOLVED: {}, **wrong, TAMPERED: {}}.items():
        notebook = copy.deepcopy(released)
        write(notebook, answers | sources)
        if student == TAMPERED:
            tamper(notebook)
        nbformat.write(notebook, _submission(course, name, student))
    nbformat.write(released, _submission(course, name, UNTOUCHED))
    _submission(course, name, EMPTY).touch()
    _submission(course, name, BROKEN).write_text('{"cells": [', encoding="utf-8")
    return len(wrong) + 5


def write(notebook: NotebookNode, sources: dict[str, str]) -> None:
    """Replace the source of solution cells, by their ids."""
    for cell in notebook.cells:
        if cells.grade_id(cell) in sources:
            cell.source = sources[cells.grade_id(cell)]


def tamper(notebook: NotebookNode) -> None:
    """Delete one test cell, duplicate another, and tag a third so that it would be skipped."""
    tests = [i for i, cell in enumerate(notebook.cells) if cells.is_test(cell)]
    notebook.cells[tests[2]].metadata["tags"] = ["skip-execution", cells.EXPERIMENT]
    again = copy.deepcopy(notebook.cells[tests[1]])
    again.id = "copy"
    notebook.cells.insert(tests[1], again)
    del notebook.cells[tests[0]]


def _submission(course: Path, name: str, student: str) -> Path:
    folder = course / "submitted" / student / name
    folder.mkdir(parents=True)
    return folder / f"{name}.ipynb"


def print_scores(course: Path, name: str) -> bool:
    """Print the gradebook's scores with the mistakes that were named; return whether it looks right."""
    from nbgrader.api import Gradebook, MissingEntry

    print(_("{student:24} {points:>9}  mistakes that were named").format(
        student=_("student"), points=_("points")
    ))  # fmt: skip
    solved = untouched = -1.0
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for folder in sorted((course / "submitted").glob(f"*/{name}")):
            student = folder.parent.name
            path = course / "autograded" / student / name / f"{name}.ipynb"
            try:
                entry = gradebook.find_submission(name, student)
            except MissingEntry:
                continue
            tests = [g for n in entry.notebooks for g in n.grades if g.cell.type == "GradeCell"]
            automatic = [g for g in tests if not g.needs_manual_grade]
            points = sum(g.score for g in automatic)
            maximum = sum(g.cell.max_score for g in automatic)
            solved = points - maximum if student == SOLVED else solved
            untouched = points if student == UNTOUCHED else untouched
            says = _unreadable(folder / f"{name}.ipynb") or ", ".join(named(path))
            print(f"{line(student):24} {points:>4g} / {maximum:g}  {line(says)}")
    return solved == 0 and untouched == 0


def named(path: Path) -> list[str]:
    """Return the ids of the mistakes that an autograded notebook names, and what did not finish."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [o.get("data", {}) for c in notebook["cells"] for o in c.get("outputs", [])]
    results = [CheckResult.from_dict(data[MIME]) for data in outputs if MIME in data]
    unfinished = [r.note.partition(":")[0] for r in results if r.ending == "out of time"]
    return list(dict.fromkeys([*(m.id for r in results for m in r.named), *unfinished]))


def _unreadable(path: Path) -> str:
    try:
        handed_in.read_notebook(path)
    except handed_in.UnreadableNotebook as error:
        return str(error)
    return ""
