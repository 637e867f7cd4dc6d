"""Does `autograder grade` give every submission the grade it deserves, whatever it does?

The submissions run for real, in kernels with limits. Most belong to a small course of three tests, so
that a case takes seconds.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.cli import main
from autograder.examiner.grade import NotebookGrade, State
from autograder.examiner.kernel import Limits
from autograder.examiner.pipeline import Course, grade
from tests.conftest import ISOLATION, ROOT

pytestmark = pytest.mark.usefixtures("digits")
LIMITS = Limits(cell_seconds=20, notebook_seconds=90, output_bytes=50_000)


def marked(cell: NotebookNode, id: str, points: int = 0, **flags: bool) -> NotebookNode:
    cell.id = id
    meta = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = {**meta, **flags, "grade_id": id, "points": points}
    return cell


GOOD = {
    "mask": "def dropout_mask(shape, p, rng):\n"
    "    if not 0 <= p <= 1:\n        raise ValueError(p)\n"
    "    return (rng.random(shape) >= p) * (1 / (1 - p) if p < 1 else 0.0)",
    "classic": "def classic_dropout_forward(x, p, training, rng):\n"
    "    if not 0 <= p <= 1:\n        raise ValueError(p)\n"
    "    if training:\n        return x * (rng.random(x.shape) >= p)\n"
    "    return x * x.dtype.type(1 - p)",
    "mc": "def mc_dropout(predict, x, n_samples, rng):\n"
    "    if n_samples < 1:\n        raise ValueError(n_samples)\n"
    "    y = np.stack([predict(x, True, rng) for _ in range(n_samples)])\n"
    "    return y.mean(0), y.std(0)",
}
TESTS = {"mask": "dropout_mask", "classic": "classic_dropout_forward", "mc": "mc_dropout"}


def mini(solutions: dict[str, str]) -> NotebookNode:
    """The notebook of the small course with these solution cells."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Mini", id="title"),
            marked(
                new_code_cell("import numpy as np\nfrom autograder import check"),
                "setup",
                locked=True,
            ),
        ]
    )
    for key, function in TESTS.items():
        hidden = f"### BEGIN HIDDEN TESTS\ncheck.{function}({function}, hidden=True)\n### END HIDDEN TESTS"
        notebook.cells += [
            marked(new_code_cell(solutions[key]), key, solution=True),
            marked(
                new_code_cell(f"check.{function}({function})\n{hidden}"),
                f"test_{key}",
                points=10,
                grade=True,
                locked=True,
            ),
        ]
    slow = new_code_cell("raise RuntimeError('experiments are not executed')", id="slow")
    slow.metadata["tags"] = ["experiment"]
    question = marked(new_markdown_cell("Why?"), "question", points=5, task=True, locked=True)
    notebook.cells += [slow, question]
    return notebook


@pytest.fixture
def course(tmp_path: Path) -> Course:
    folder = tmp_path / "course" / "source" / "mini"
    folder.mkdir(parents=True)
    nbformat.write(mini(GOOD), folder / "mini.ipynb")
    return Course(tmp_path / "course")


def graded(course: Course, notebook: NotebookNode, limits: Limits = LIMITS) -> NotebookGrade:
    path = course.root.parent / "submission.ipynb"
    nbformat.write(notebook, path)
    return grade(path, course, limits=limits, isolation=ISOLATION)


def submit(course: Course, limits: Limits = LIMITS, **changed: str) -> dict[str, tuple]:
    """Grade the good notebook with some solutions changed; return points and state per test."""
    report = graded(course, mini(GOOD | changed), limits)
    assert report.graded
    return {c.id.removeprefix("test_"): (c.points, c.state) for c in report.cells}


FULL = (10, State.PASSED)


def test_good_notebook(course: Course) -> None:
    report = graded(course, mini(GOOD))
    assert (report.points, report.max_points, report.manual_points) == (30, 30, 5)
    assert report.remarks == ()
    assert [c.state for c in report.cells] == [State.PASSED] * 3 + [State.MANUAL]


def test_partial_credit_and_the_rest_untouched(course: Course) -> None:
    unscaled = "def dropout_mask(shape, p, rng):\n    return (rng.random(shape) >= p) * 1.0"
    report = graded(course, mini(GOOD | {"mask": unscaled}))
    (mask, classic, mc, _question) = report.cells
    assert 0 < mask.points < 10
    assert mask.state is State.PARTIAL
    assert "not divided by 1 - p" in mask.says
    assert (classic.points, mc.points) == (10, 10)


def test_missing_wrong_and_unwritten_cells(course: Course) -> None:
    result = submit(
        course,
        mask="raise NotImplementedError()",
        classic="def classic_dropout_forward(x, p, training, rng):\n    raise NotImplementedError()",
        mc="def mc_dropout(:\n    syntax error",
    )
    assert result["mask"] == (0, State.UNANSWERED)
    assert result["classic"] == (0, State.UNANSWERED)
    assert result["mc"] == (0, State.UNANSWERED)


def test_missing_package(course: Course) -> None:
    report = graded(course, mini(GOOD | {"mask": "import no_such_package\n" + GOOD["mask"]}))
    assert [c.points for c in report.cells] == [0, 10, 10, 0]
    assert "dropout_mask" in report.cells[0].says


def test_warnings_and_prints_cost_nothing(course: Course) -> None:
    noisy = GOOD["mask"].replace(
        "    return", "    import sys\n    print('!', file=sys.stderr)\n    return"
    )
    assert submit(course, mask=f"import warnings\nwarnings.warn('x')\n{noisy}")["mask"] == FULL


def test_megabytes_of_output_are_cut(course: Course) -> None:
    flood = "for _ in range(300):\n    print('x' * 100_000)\n"
    result = submit(course, mask=flood + GOOD["mask"])
    assert result["mask"] == FULL


def test_endless_cell_is_interrupted_and_the_rest_graded(course: Course) -> None:
    limits = Limits(cell_seconds=3, notebook_seconds=60)
    result = submit(course, limits, classic="while True:\n    pass")
    assert result["mask"] == FULL
    assert result["classic"] == (0, State.UNANSWERED)
    assert result["mc"] == FULL


def test_endless_function_is_ended_by_its_check(course: Course) -> None:
    loop = "def mc_dropout(predict, x, n_samples, rng):\n    while True:\n        pass"
    result = submit(course, mc=loop)
    assert result["mc"] == (0, State.TIMED_OUT)
    assert result["mask"] == FULL


def test_loop_that_ignores_interrupts_is_killed_and_the_rest_graded(course: Course) -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass"
    limits = Limits(cell_seconds=3, notebook_seconds=60)
    result = submit(course, limits, classic=stubborn)
    assert result == {
        "mask": FULL,
        "classic": (0, State.UNANSWERED),
        "mc": FULL,
        "question": (0, State.MANUAL),
    }


def test_time_of_the_whole_notebook_is_limited(course: Course) -> None:
    limits = Limits(cell_seconds=5, notebook_seconds=6)
    slow = "import time\ntime.sleep(60)"
    result = submit(course, limits, mask=slow, classic=slow, mc=slow)
    assert result["mc"] == (0, State.TIMED_OUT)


@pytest.mark.parametrize(
    "way", ["exit()", "import os\nos._exit(0)", "import os\nos.kill(os.getpid(), 9)"]
)
def test_dying_kernel_costs_the_cell_that_killed_it(course: Course, way: str) -> None:
    result = submit(course, classic=way)
    assert result["mask"] == FULL
    assert result["classic"] == (0, State.UNANSWERED)
    assert result["mc"] == FULL


def test_dying_inside_a_check(course: Course) -> None:
    dying = "def classic_dropout_forward(x, p, training, rng):\n    import os\n    os._exit(0)"
    result = submit(course, classic=dying)
    assert result["classic"] == (0, State.FAILED)
    assert result["mask"] == FULL
    assert result["mc"] == FULL


def test_replacing_the_check_has_no_effect(course: Course) -> None:
    fake = (
        "class Fake:\n    def __getattr__(self, name):\n        return lambda *a, **k: None\n"
        "check = Fake()\ndef dropout_mask(shape, p, rng):\n    return 0"
    )
    result = submit(course, mask=fake)
    assert result["mask"][0] == 0
    assert result["mc"] == FULL


def test_extra_files_and_startup_files_have_no_effect(course: Course) -> None:
    (course.root.parent / "numpy.py").write_text("raise RuntimeError('shadowed')")
    assert submit(course)["mask"] == FULL


def test_deleted_duplicated_and_retagged_cells(course: Course) -> None:
    notebook = mini(GOOD | {"mc": "def mc_dropout(predict, x, n_samples, rng): pass"})
    by_id = {c.id: c for c in notebook.cells}
    by_id["test_mc"].metadata["tags"] = ["skip-execution", "experiment"]
    twin = copy.deepcopy(by_id["test_classic"])
    twin.id = "twin"
    notebook.cells = [c for c in notebook.cells if c.id != "test_mask"] + [twin]
    report = graded(course, notebook)
    assert [c.points for c in report.cells] == [10, 10, 0, 0]
    assert len(report.remarks) == 2


def test_no_process_and_no_file_is_left(course: Course, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    tempfile.tempdir = None
    try:
        submit(
            course, mask="import subprocess\nsubprocess.Popen(['sleep', '61.7'])\n" + GOOD["mask"]
        )
    finally:
        tempfile.tempdir = None
    assert not list(tmp_path.glob("autograder-*"))
    if Path("/proc").exists():
        running = [
            p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if os.access(p, os.R_OK)
        ]
        assert not any(b"61.7" in line for line in running)


# -- from the command line ---------------------------------------------------------------------


def run(course: Course, *arguments: str) -> int:
    return main(["grade", "--course", str(course.root), "--isolation", ISOLATION, *arguments])


def written(path: Path, notebook: NotebookNode) -> str:
    nbformat.write(notebook, path)
    return str(path)


def test_exit_status_and_table(course: Course, tmp_path: Path, capsys) -> None:
    good = written(tmp_path / "mini (1).ipynb", mini(GOOD))
    assert run(course, good) == 0
    out = capsys.readouterr().out
    assert "30 of 30 points, 5 more are given by hand" in out
    assert "✓ test_mask" in out


def test_batch_goes_on_after_bad_files(course: Course, tmp_path: Path, capsys) -> None:
    broken, empty = tmp_path / "broken.ipynb", tmp_path / "empty.ipynb"
    broken.write_text("{")
    empty.write_text("")
    other = written(tmp_path / "other.ipynb", new_notebook(cells=[new_code_cell("1 + 1")]))
    bad = written(tmp_path / "bad.ipynb", mini(GOOD | {"mask": "raise NotImplementedError()"}))
    report = tmp_path / "report.json"
    status = run(course, str(broken), str(empty), other, bad, "--json", str(report))
    assert status == 2
    out = capsys.readouterr().out
    assert "not JSON" in out
    assert "is empty" in out
    assert "no cell of it belongs to an assignment" in out
    document = json.loads(report.read_text())
    assert [n["graded"] for n in document["notebooks"]] == [False, False, False, True]
    last = document["notebooks"][-1]
    assert (last["points"], last["max_points"], last["assignment"]) == (20, 30, "mini")
    assert last["cells"][0]["state"] == "not answered"


def test_not_all_points_is_status_1_unless_enough(course: Course, tmp_path: Path) -> None:
    wrong = GOOD["mask"].replace("raise ValueError(p)", "pass")
    path = written(tmp_path / "x.ipynb", mini(GOOD | {"mask": wrong}))
    assert run(course, path) == 1
    assert run(course, path, "--min-score", "28") == 0


def test_unknown_assignment_and_no_course(course: Course, tmp_path: Path, capsys) -> None:
    path = written(tmp_path / "x.ipynb", mini(GOOD))
    assert run(course, path, "--assignment", "nope") == 2
    assert "there is no assignment nope" in capsys.readouterr().out
    assert main(["grade", "--course", str(tmp_path), path]) == 2


def test_public_part_is_graded_from_the_release(course: Course, tmp_path: Path) -> None:
    """In a student's own CI there is no source/ and no secret."""
    public = mini(dict.fromkeys(GOOD, "raise NotImplementedError()"))
    for cell in public.cells:
        cell.source = cell.source.split("\n### BEGIN HIDDEN")[0]
    folder = tmp_path / "public" / "release" / "mini"
    folder.mkdir(parents=True)
    nbformat.write(public, folder / "mini.ipynb")
    report = graded(Course(tmp_path / "public"), mini(GOOD))
    assert (report.points, report.max_points) == (30, 30)
    assert [len(c.results) for c in report.cells] == [1, 1, 1, 0]
    assert not (tmp_path / "public" / ".autograder-secret").exists()


# -- the real assignment -----------------------------------------------------------------------


def test_dropout_solved_and_untouched(solved, released, tmp_path: Path) -> None:
    course = Course(ROOT)
    full = graded_in(course, solved, tmp_path)
    assert (full.points, full.max_points, full.manual_points) == (44, 44, 6)
    assert all(len(c.results) == 2 for c in full.cells if c.state is not State.MANUAL)
    untouched = nbformat.read(ROOT / "release/dropout/dropout.ipynb", as_version=4)
    none = graded_in(course, untouched, tmp_path)
    assert none.points == 0
    assert {c.state for c in none.cells} == {State.UNANSWERED, State.MANUAL}


def graded_in(course: Course, notebook: NotebookNode, tmp_path: Path) -> NotebookGrade:
    nbformat.write(notebook, tmp_path / "submission.ipynb")
    return grade(tmp_path / "submission.ipynb", course, isolation=ISOLATION)


def test_command_is_installed() -> None:
    done = subprocess.run(
        ["autograder", "grade", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Exit status" in done.stdout
