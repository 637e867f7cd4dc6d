"""Does one `nbgrader autograde` of a whole batch give every submission a definite score, whatever it is?

All rows of what is known to break graders are handed in together, each by a student of its own.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.course import nbgrader
from autograder.examiner import cells
from autograder.examiner.outputs import STATE
from tests.conftest import ISOLATION, NO_SANDBOX, ROOT
from tests.redteam import ATTACKS, NOTHING, in_function, tiny
from tests.test_grade import GOOD

pytestmark = pytest.mark.redteam

CONFIG = f"""
exec(compile(open({str(ROOT / "nbgrader_config.py")!r}).read(), "nbgrader_config.py", "exec"))
c.Examine.cell_seconds = 8
c.Examine.notebook_seconds = 60
c.Examine.isolation = {ISOLATION!r}
"""
Change = Callable[[NotebookNode], None]


def find(notebook: NotebookNode, id: str) -> NotebookNode:
    return next(c for c in notebook.cells if c.id == id)


def source(text: str) -> Change:
    def change(notebook: NotebookNode) -> None:
        find(notebook, "mask").source = text

    return change


def remove_test(notebook: NotebookNode) -> None:
    notebook.cells.remove(find(notebook, "test_dropout_mask"))


def strip_metadata(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata = {}


def meta(id: str, **values: object) -> Change:
    def change(notebook: NotebookNode) -> None:
        find(notebook, id).metadata["nbgrader"].update(values)

    return change


def to_markdown(notebook: NotebookNode) -> None:
    i = next(i for i, c in enumerate(notebook.cells) if c.id == "test_dropout_mask")
    replaced = new_markdown_cell(notebook.cells[i].source, metadata=notebook.cells[i].metadata)
    replaced.id = notebook.cells[i].id
    notebook.cells[i] = replaced


def duplicate(id: str) -> Change:
    def change(notebook: NotebookNode) -> None:
        again = copy.deepcopy(find(notebook, id))
        again.id = "copy"
        notebook.cells.insert(0 if id == "mask" else len(notebook.cells), again)

    return change


def skip_tags(notebook: NotebookNode) -> None:
    source(NOTHING)(notebook)
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "experiment"]


def kernelspec(notebook: NotebookNode) -> None:
    notebook.metadata["kernelspec"] = {"name": "evil", "display_name": "Evil", "language": "R"}


def scripts(notebook: NotebookNode) -> None:
    notebook.cells.append(
        new_markdown_cell("<script>alert('markdown')</script><img src=x onerror=alert(1)>")
    )
    notebook.cells.append(
        new_code_cell(
            "from IPython.display import HTML, display\n"
            "display(HTML('<script>alert(2)</script>'))\n"
            "display({'image/png': '\"><script>alert(3)</script>'}, raw=True)"
        )
    )


def cell(text: str) -> Change:
    """Solve everything, and add a cell that does something in between."""

    def change(notebook: NotebookNode) -> None:
        notebook.cells.insert(1, new_code_cell(text))

    return change


OUTSIDE = str(ROOT)
# student -> (what is done to the solved notebook, points of the first and second task); None where the
# student's own patches may spoil the second
ROWS: dict[str, tuple[Change, float, float | None]] = {
    "solved": (lambda notebook: None, 10, 10),
    "deleted-test": (remove_test, 10, 10),
    "no-metadata": (strip_metadata, 10, 10),
    "more-points": (meta("test_dropout_mask", points=300), 10, 10),
    "not-graded": (meta("test_dropout_mask", grade=False), 10, 10),
    "test-as-solution": (meta("test_dropout_mask", solution=True), 10, 10),
    "test-as-markdown": (to_markdown, 10, 10),
    "duplicated-test": (duplicate("test_dropout_mask"), 10, 10),
    "duplicated-solution": (duplicate("mask"), 10, 10),
    "endless-cell": (source("while True: pass"), 0, 10),
    "endless-function": (source(in_function("while True: pass")), 0, 10),
    "deaf-loop": (
        source("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
               "while True:\n    try:\n        while True: pass\n    except BaseException: pass"), 0, 10),
    "run-cell-broken": (source(ATTACKS["run_cell"]), 0, None),
    "sys-exit": (source("import sys\nsys.exit()"), 0, 10),
    "exit": (source("exit()"), 0, 10),
    "os-exit-in-function": (source(in_function("import os\nos._exit(1)")), 0, 10),
    "output-lines": (cell("for _ in range(5000):\n    print('x' * 10**5)"), 10, 10),
    "output-chunks": (cell("import sys\nfor _ in range(500):\n    sys.stdout.write('x' * 10**6)"), 10, 10),
    "patched-numpy": (source(ATTACKS["numpy comparisons"]), 0, None),
    "patched-exception": (source(ATTACKS["AssertionError"]), 0, 10),
    "skip-tags": (skip_tags, 0, 10),
    "transformer": (source(ATTACKS["input transformer"]), 0, None),
    "displayhook": (source(ATTACKS["displayhook"]), 0, 10),
    "frames": (source(ATTACKS["frames of the caller"]), 0, 10),
    "startup-file": (source(
        "import os\nfolder = os.path.expanduser('~/.ipython/profile_default/startup')\n"
        "os.makedirs(folder, exist_ok=True)\n"
        "open(folder + '/evil.py', 'w').write('import builtins; builtins.print = None')" + NOTHING), 0, 10),
    "writes-config": (source(in_function(
        "for up in ('../../..', '.', COURSE):\n"
        "    open(up + '/nbgrader_config.py', 'a').write('raise SystemExit')")), 0, 10),
    "reads-course": (source(in_function(
        "import os\nraise ValueError(os.listdir(COURSE + '/source'), os.listdir(COURSE + '/submitted'))")), 0, 10),
    "gradebook-trigger": (source(in_function(
        "import sqlite3\ndb = sqlite3.connect(COURSE + '/gradebook.db')\n"
        "db.execute('create trigger t after update on grade begin update grade set manual_score = 99; end')")), 0, 10),
    "gradebook-lock": (source(in_function(
        "import sqlite3, time\ndb = sqlite3.connect(COURSE + '/gradebook.db')\n"
        "db.execute('begin exclusive')\ntime.sleep(20)")), 0, 10),
    "leaves-a-file": (source(in_function("open('leak.txt', 'w').write('leaked')")), 0, 10),
    "kills-the-parent": (source(in_function("import os\nos.kill(os.getppid(), 9)\nos.kill(-1, 9)")), 0, 10),
    "kernelspec": (kernelspec, 10, 10),
    "warns": (cell("import sys, warnings\nwarnings.warn('careful')\nprint('note', file=sys.stderr)"), 10, 10),
    "warns-in-function": (source(GOOD["mask"].replace(
        "    return", "    import warnings; warnings.warn('careful')\n    return")), 10, 10),
    "background": (cell("import subprocess\nsubprocess.Popen(['setsid', 'sleep', '83.19'])"), 10, 10),
    "scripts": (scripts, 10, 10),
}  # fmt: skip
TEXTS = {
    "not-json": ('{"cells": [', "not JSON"),
    "empty": ("", "empty"),
    "json-only": ('{"a": 1}', "not a notebook"),
    "another": (json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "belongs"),
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The course after one autograde and one generate_feedback, and their log."""
    course = tmp_path_factory.mktemp("batch")
    (course / "source" / "tiny").mkdir(parents=True)
    notebook = tiny(GOOD["mask"])
    nbformat.write(notebook, course / "source" / "tiny" / "tiny.ipynb")
    (course / "nbgrader_config.py").write_text(CONFIG)
    nbgrader(course, "generate_assignment", "tiny")
    for student, (change, _first, _second) in ROWS.items():
        submitted = copy.deepcopy(notebook)
        for c in submitted.cells:
            c.source = cells.public_part(c.source)
        change(submitted)
        for c in submitted.cells:
            c.source = c.source.replace("COURSE", repr(str(course)))
        write(course, student, nbformat.writes(submitted))
    for student, (text, _says) in TEXTS.items():
        write(course, student, text)
    good = nbformat.writes(notebook)
    write(course, "renamed", good, "tiny (1).ipynb")
    folder = write(course, "with-files", good.replace("return (rng", "return 0 * (rng"))
    (folder / "numpy.py").write_text("raise SystemExit")
    (folder / "page.html").write_text("<script>alert(4)</script>")
    log = nbgrader(course, "autograde", "tiny")
    return course, log + nbgrader(course, "generate_feedback", "tiny")


def write(course: Path, student: str, text: str, name: str = "tiny.ipynb") -> Path:
    folder = course / "submitted" / student / "tiny"
    folder.mkdir(parents=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def scores(graded: tuple[Path, str]) -> dict[str, dict[str, float | None]]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded[0] / 'gradebook.db'}") as gradebook:
        return {
            submission.student.id: {
                grade.cell.name: grade.auto_score
                for notebook in submission.notebooks
                for grade in notebook.grades
                if grade.manual_score is None and not grade.needs_manual_grade
            }
            for submission in gradebook.assignment_submissions("tiny")
        }


@pytest.mark.parametrize("student", ROWS)
def test_every_row_has_its_score(scores, student: str) -> None:
    if NO_SANDBOX and student in ("writes-config", "reads-course", "gradebook-trigger",
                                  "gradebook-lock", "kills-the-parent"):  # fmt: skip
        pytest.skip(NO_SANDBOX)
    _change, first, second = ROWS[student]
    assert scores[student].keys() == {"test_dropout_mask", "test_classic_dropout_forward"}
    assert scores[student]["test_dropout_mask"] == first
    assert scores[student]["test_classic_dropout_forward"] == second or second is None


@pytest.mark.parametrize("student", TEXTS)
def test_what_is_no_notebook_has_a_score_and_a_reason(graded, scores, student: str) -> None:
    course, log = graded
    assert set(scores[student].values()) == {0.0}
    reason = TEXTS[student][1]
    page = (course / "feedback" / student / "tiny" / "tiny.html").read_text(encoding="utf-8")
    assert reason in page
    assert any(student in line and reason in line for line in log.splitlines())


def test_a_renamed_notebook_is_graded(scores) -> None:
    assert set(scores["renamed"].values()) == {10.0}


def test_files_that_were_handed_in_have_no_effect(graded, scores) -> None:
    course, _log = graded
    assert scores["with-files"]["test_classic_dropout_forward"] == 10
    assert not list((course / "feedback").rglob("page.html"))


def test_every_graded_cell_says_its_state(graded) -> None:
    course, _log = graded
    for student in (course / "submitted").iterdir():
        path = course / "autograded" / student.name / "tiny" / "tiny.ipynb"
        for c in nbformat.read(path, as_version=4).cells:
            if cells.is_test(c):
                stated = [o.metadata[STATE] for o in c.outputs if STATE in o.get("metadata", {})]
                assert len(stated) == 1
                assert stated[0]["state"] == "passed" or stated[0]["says"]


def test_nothing_is_left_behind(graded) -> None:
    course, _log = graded
    assert (course / "nbgrader_config.py").read_text() == CONFIG
    assert not list(course.rglob("leak.txt"))
    assert not (Path.home() / ".ipython/profile_default/startup/evil.py").exists()
    time.sleep(0.2)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if os.access(path, os.R_OK):
            try:
                assert b"83.19" not in path.read_bytes()
            except OSError:
                continue


def test_feedback_runs_nothing_of_the_students(graded) -> None:
    course, _log = graded
    page = (course / "feedback/scripts/tiny/tiny.html").read_text(encoding="utf-8")
    assert "alert(" in page  # it is shown
    assert "<script>alert" not in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert", "")
    assert "hidden=True" not in page
