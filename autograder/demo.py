"""What does grading a class look like? Makes a small one and grades it with nbgrader's own commands."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder import datasets
from autograder.course import nbgrader
from autograder.engine.messages import _
from autograder.engine.results import MIME, CheckResult
from autograder.examiner import cells
from autograder.examiner.sandbox import why_not

ASSIGNMENT = "dropout"
Change = Callable[[NotebookNode], None]


def write(**sources: str) -> Change:
    """Return a change that replaces the source of solution cells."""

    def change(notebook: NotebookNode) -> None:
        for cell in notebook.cells:
            if cells.grade_id(cell) in sources:
                cell.source = sources[cells.grade_id(cell)]

    return change


def tamper(notebook: NotebookNode) -> None:
    """Delete one test cell, duplicate another, and tag a third so that it would be skipped."""
    tests = [i for i, cell in enumerate(notebook.cells) if cells.is_test(cell)]
    notebook.cells[tests[2]].metadata["tags"] = ["skip-execution", cells.EXPERIMENT]
    again = copy.deepcopy(notebook.cells[tests[1]])
    again.id = "copy"
    notebook.cells.insert(tests[1], again)
    del notebook.cells[tests[0]]


UNSCALED = """
def dropout_mask(shape, p, rng):
    if p < 0 or p > 1:
        raise ValueError("p must be a probability")
    return (rng.random(shape) >= p).astype(float)
"""
SWAPPED = """
def dropout_mask(shape, p, rng):
    if p < 0 or p > 1:
        raise ValueError("p must be a probability")
    mask = rng.uniform(size=shape) < p
    return mask / p if p > 0 else mask * 0.0
"""
FROM_OUTPUT = """
def dropout_forward(x, p, training, rng):
    if not 0 <= p <= 1:
        raise ValueError("p must be a probability")
    if not training:
        return x, (x, 0.0, False)
    out = x * dropout_mask(x.shape, p, rng).astype(x.dtype)
    return out, (out, p, True)
"""
FROM_OUTPUT_BACKWARD = """
def dropout_backward(dout, cache):
    out, p, training = cache
    if not training:
        return dout.copy()
    dx = np.zeros_like(dout)
    kept = out != 0
    dx[kept] = dout[kept] / (1 - p)
    return dx
"""
CHATTY = """
import warnings

def dropout_mask(shape, p, rng):
    if not 0 <= p <= 1:
        raise ValueError("p must be a probability")
    warnings.warn("drawing a mask")
    print("mask of shape", shape)
    mask = np.zeros(shape)
    if p < 1:
        mask[rng.random(shape) >= p] = 1 / (1 - p)
    return mask
"""
ALWAYS_ON = """
def dropout_forward(x, p, training, rng):
    if not 0 <= p <= 1:
        raise ValueError("p must be a probability")
    mask = dropout_mask(x.shape, p, rng)
    x *= mask
    return x, mask
"""
ENDLESS = """
def mc_dropout(predict, x, n_samples, rng):
    samples = []
    while len(samples) != -1:
        samples.append(predict(x, True, rng).mean())
    return np.mean(samples), np.std(samples)
"""

SOLVED: dict[str, Change | None] = {
    "ada-solved": write(),
    "boris-unscaled": write(dropout_mask=UNSCALED),
    "chen-keep-and-drop": write(dropout_mask=SWAPPED),
    "dora-mask-from-output": write(
        dropout_forward=FROM_OUTPUT, dropout_backward=FROM_OUTPUT_BACKWARD
    ),
    "emil-always-on": write(dropout_forward=ALWAYS_ON),
    "gita-warns-and-prints": write(dropout_mask=CHATTY),
    "hugo-endless-loop": write(mc_dropout=ENDLESS),
    "iris-tampered": tamper,
}


def demo(course: Path, to: Path) -> int:
    """Make the class in folder ``to``, grade it, print the table; return the exit status."""
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
    print(_("1. nbgrader generate_assignment {name}").format(name=ASSIGNMENT), flush=True)
    nbgrader(to, "generate_assignment", ASSIGNMENT)
    print(_("2. Making {n} submissions").format(n=len(SOLVED) + 3), flush=True)
    make_class(to)
    print(
        _("3. nbgrader autograde {name} (about 15 s for each)").format(name=ASSIGNMENT), flush=True
    )
    nbgrader(to, "autograde", ASSIGNMENT, check=False)  # status 1: one submission is not JSON
    print(_("4. nbgrader generate_feedback {name}").format(name=ASSIGNMENT), flush=True)
    nbgrader(to, "generate_feedback", ASSIGNMENT)
    print()
    ok = print_scores(to)
    print()
    print(_("The course is in {to}. There, with this Python environment:").format(to=to))
    print("  " + _("jupyter lab                    # nbgrader > Formgrader: the gradebook"))
    print(
        "  "
        + _("feedback/<student>/{name}/    # the pages that students get").format(name=ASSIGNMENT)
    )
    print(
        "  "
        + _("autograder grade --course . submitted/*/{name}/{name}.ipynb").format(name=ASSIGNMENT)
    )
    return 0 if ok else 1


def make_class(course: Path) -> None:
    """Write submissions: solved, wrong in known ways, untouched, and broken."""
    release = course / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    released = nbformat.read(release, as_version=4)
    source = nbformat.read(course / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    answers = {cells.grade_id(c): c.source for c in source.cells if cells.is_solution(c)}
    for student, change in SOLVED.items():
        notebook = copy.deepcopy(released)
        write(**answers)(notebook)
        if change:
            change(notebook)
        nbformat.write(notebook, _submission(course, student))
    nbformat.write(released, _submission(course, "fay-untouched"))
    _submission(course, "kim-empty-file").touch()
    _submission(course, "jan-broken-file").write_text('{"cells": [', encoding="utf-8")


def _submission(course: Path, student: str) -> Path:
    folder = course / "submitted" / student / ASSIGNMENT
    folder.mkdir(parents=True)
    return folder / f"{ASSIGNMENT}.ipynb"


def print_scores(course: Path) -> bool:
    """Print the gradebook's scores with the mistakes that were named; return whether it looks right."""
    from nbgrader.api import Gradebook, MissingEntry

    print(_("{student:24} {points:>9}  mistakes that were named").format(
        student=_("student"), points=_("points")
    ))  # fmt: skip
    solved = untouched = -1.0
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for folder in sorted((course / "submitted").iterdir()):
            student = folder.name
            path = course / "autograded" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
            if not path.exists():
                reason = _unreadable(folder / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
                print(f"{student:24} {'-':>9}  {reason}")
                continue
            try:
                entry = gradebook.find_submission(ASSIGNMENT, student)
            except MissingEntry:
                continue
            tests = [g for n in entry.notebooks for g in n.grades if g.cell.type == "GradeCell"]
            automatic = [g for g in tests if not g.needs_manual_grade]
            points = sum(g.score for g in automatic)
            maximum = sum(g.cell.max_score for g in automatic)
            solved = points - maximum if student == "ada-solved" else solved
            untouched = points if student == "fay-untouched" else untouched
            print(f"{student:24} {points:>4g} / {maximum:g}  {', '.join(named(path))}")
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
        cells.read_notebook(path)
    except cells.UnreadableNotebook as error:
        return str(error)
    return _("nbgrader could not grade it")
