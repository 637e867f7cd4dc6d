"""Does a class with links, pipes, deep folders and odd notebooks get its grades, from all three commands?

And what goes wrong on our side: is it said, never kept, and tried again?
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from distributed import Client

from autograder.cli import main
from autograder.cohort import run, work
from autograder.cohort.run import cluster
from autograder.course import CommandFailed, nbgrader
from autograder.examiner import cells, pipeline
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.grade import State
from autograder.examiner.kernel import Limits
from tests.conftest import ISOLATION
from tests.redteam import tiny
from tests.test_cohort import CONFIG, scores
from tests.test_grade import GOOD

pytestmark = pytest.mark.usefixtures("digits")
FULL = {"test_dropout_mask": 10.0, "test_classic_dropout_forward": 10.0}
NONE = dict.fromkeys(FULL, 0.0)
HALF = {**FULL, "test_dropout_mask": 0.0}


def solved(mask: str = GOOD["mask"]) -> str:
    notebook = tiny(mask)
    for cell in notebook.cells:
        cell.source = cells.public_part(cell.source)
    return nbformat.writes(notebook)


def put(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text)


def deep(folder: Path) -> None:
    (folder / "tiny.ipynb").write_text(solved())
    here = os.open(folder, os.O_RDONLY)
    for _level in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def odd_files_beside(folder: Path) -> None:
    (folder / "tiny.ipynb").write_text(solved())
    os.mkfifo(folder / "timestamp.txt")
    os.mkfifo(folder / "pipe.txt")
    (folder / "zero.bin").symlink_to("/dev/zero")
    (folder / "config.txt").symlink_to("../../../nbgrader_config.py")
    (folder / "up").symlink_to("../..")
    (folder / "notes.txt").write_text("mine")


def folder_is_a_link(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to(folder.parents[2] / "source" / "tiny")


def surrogate(notebook: str) -> str:
    return notebook.replace("def dropout_mask", "'\\ud800'\\ndef dropout_mask", 1)


# student -> (how the submission is made, its scores, words of the reason, if it has no score by itself)
ODD: dict[str, tuple[Callable[[Path], None], dict[str, float], str]] = {
    "good": (put("tiny.ipynb", solved()), FULL, ""),
    "link": (lambda f: (f / "tiny.ipynb").symlink_to("../../../source/tiny/tiny.ipynb"), NONE, "a link"),
    "dangling": (lambda f: (f / "tiny.ipynb").symlink_to("nowhere"), NONE, "a link"),
    "folder": (lambda f: (f / "tiny.ipynb").mkdir(), NONE, "a folder"),
    "pipe": (lambda f: os.mkfifo(f / "tiny.ipynb"), NONE, "not a regular file"),
    "device": (lambda f: (f / "tiny.ipynb").symlink_to("/dev/zero"), NONE, "a link"),
    "other-pipe": (lambda f: os.mkfifo(f / "tiny (1).ipynb"), NONE, "not a regular file"),
    "other-dangling": (lambda f: (f / "a.ipynb").symlink_to("nowhere"), NONE, "a link"),
    "renamed": (lambda f: [put("tiny (1).ipynb", solved())(f), os.mkfifo(f / "b.ipynb")], FULL, ""),
    "linked-folder": (folder_is_a_link, NONE, "folder is a link"),
    "deep": (deep, FULL, ""),
    "beside": (odd_files_beside, FULL, ""),
    "surrogate": (put("tiny.ipynb", surrogate(solved())), FULL, ""),
    "absurd": (put("tiny.ipynb", '{"cells":' * 5000 + "1" + "}" * 5000), NONE, "nested too deeply"),
    "lines": (put("tiny.ipynb", solved("x=1\n" * 800_000)), HALF, ""),
}  # fmt: skip


def make(course: Path) -> Path:
    (course / "source" / "tiny").mkdir(parents=True)
    nbformat.write(tiny(GOOD["mask"]), course / "source" / "tiny" / "tiny.ipynb")
    (course / "nbgrader_config.py").write_text(CONFIG)
    (course / ".autograder-secret").write_text("the same in every test")
    nbgrader(course, "generate_assignment", "tiny")
    return course


def submit(course: Path, student: str, made: Callable[[Path], object]) -> None:
    folder = course / "submitted" / student / "tiny"
    folder.mkdir(parents=True)
    made(folder)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    course = make(tmp_path / "course")
    for student, (made, _scores, _says) in ODD.items():
        submit(course, student, made)
    yield course
    flatten(course / "submitted" / "deep" / "tiny")


def flatten(folder: Path) -> None:
    """Take folders apart that are nested too deeply for pytest to remove."""
    while (below := folder / "d").is_dir():
        inner = below / "d"
        if inner.is_dir():
            inner.rename(folder / "e")
        below.rmdir()
        if (folder / "e").is_dir():
            (folder / "e").rename(below)


def points(course: Path) -> dict[str, dict[str, float | None]]:
    return {
        student: {name: automatic for name, (automatic, _manual, _needs) in grades.items()}
        for student, grades in scores(course).items()
    }


EXPECTED = {student: expected for student, (_made, expected, _says) in ODD.items()}


def test_nbgrader_and_our_batch_grade_every_one(odd: Path, capsys) -> None:
    log = nbgrader(odd, "autograde", "tiny")
    assert points(odd) == EXPECTED
    for student, (_made, _expected, says) in ODD.items():
        assert not says or re.search(rf"{student}: could not be graded: .*{says}", log)
    copied = odd / "autograded" / "beside" / "tiny"
    assert sorted(path.name for path in copied.iterdir()) == ["notes.txt", "tiny.ipynb"]
    assert not (odd / "autograded" / "deep" / "tiny" / "/".join("d" * 21)).exists()
    nbgrader(odd, "generate_feedback", "tiny")
    assert len(list((odd / "feedback").glob("*/tiny/tiny.html"))) == len(ODD)

    (odd / "gradebook.db").unlink()
    nbgrader(odd, "generate_assignment", "tiny", "--force")
    assert run.autograde(odd, "tiny", workers=1) == run.SOME_NOT
    assert points(odd) == EXPECTED
    table = capsys.readouterr().out
    for student, (_made, _expected, says) in ODD.items():
        assert not says or re.search(rf"✗ {student}: .*{says}", table)
    assert run.autograde(odd, "tiny", workers=1) == run.SOME_NOT
    assert f"{len(ODD)} of them unchanged" in capsys.readouterr().out


def test_single_notebooks(odd: Path, tmp_path: Path) -> None:
    students = [s for s in ODD if not s.startswith(("other", "renamed"))]
    paths = [str(odd / "submitted" / student / "tiny" / "tiny.ipynb") for student in students]
    report = tmp_path / "report.json"
    options = ["--course", str(odd), "--isolation", ISOLATION, "--json", str(report)]
    assert main(["grade", *options, "--assignment", "tiny", *paths]) == 2
    found = json.loads(report.read_text())["notebooks"]
    for student, notebook in zip(students, found, strict=True):
        _made, expected, says = ODD[student]
        assert {c["id"]: c["points"] for c in notebook["cells"]} == expected
        assert says in notebook["reason"]
        assert notebook["graded"] is not bool(says)
        assert not notebook["try_again"]


# -- what is not the student's doing -------------------------------------------------------------

BROKEN = """
import os
from autograder.examiner import pipeline
examine = pipeline.examine
def failing(cells, *rest):
    if not os.path.exists("mended") and any("'ours'" in cell.source for cell in cells):
        raise MemoryError("no memory")
    return examine(cells, *rest)
pipeline.examine = failing
"""
OURS = solved("'ours'\n" + GOOD["mask"])


@pytest.fixture
def three(tmp_path: Path) -> Path:
    course = make(tmp_path / "course")
    for student, notebook in {"ada": solved(), "eve": OURS, "zoe": solved()}.items():
        submit(course, student, put("tiny (1).ipynb", notebook))
    return course


def fail(marked: str) -> Callable[..., object]:
    real = pipeline.examine

    def failing(notebook: list, *rest: object) -> object:
        if any(marked in cell.source for cell in notebook):
            raise MemoryError("no memory")
        return real(notebook, *rest)

    return failing


def test_nbgrader_keeps_nothing_and_tries_again(three: Path) -> None:
    (three / "nbgrader_config.py").write_text(CONFIG + BROKEN)
    with pytest.raises(CommandFailed):
        nbgrader(three, "autograde", "tiny")
    after = points(three)
    assert (after["ada"], after["zoe"]) == (FULL, FULL)
    assert set(after["eve"].values()) == {None}
    assert not (three / "autograded" / "eve" / "tiny").exists()
    (three / "mended").touch()
    assert "Skipping existing assignment" in nbgrader(three, "autograde", "tiny")
    assert points(three)["eve"] == FULL


def break_examiner() -> None:
    pipeline.examine = fail("'ours'")


@contextlib.contextmanager
def broken_workers(*arguments: Any) -> Iterator[Client]:
    with cluster(*arguments) as client:
        client.run(break_examiner)
        yield client


def test_our_batch_keeps_nothing_and_tries_again(three: Path, monkeypatch, capsys) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(run, "cluster", broken_workers)
        assert run.autograde(three, "tiny") == run.RUN_AGAIN
    out = capsys.readouterr().out
    assert "✗ eve: the grader failed (MemoryError: no memory, in test_odd_files.py" in out
    assert "run the command again" in out
    after = points(three)
    assert (after["ada"], after["zoe"]) == (FULL, FULL)
    assert "eve" not in after
    assert len(list((three / ".autograder" / "results").rglob("*.json"))) == 2
    assert run.autograde(three, "tiny") == run.ALL_GRADED
    assert points(three) == dict.fromkeys(("ada", "eve", "zoe"), FULL)


def test_a_result_that_cannot_be_written_stops_no_other(three: Path, monkeypatch, capsys) -> None:
    real = run.Writer.write

    def write(self: run.Writer, student: str, done: object) -> None:
        if student == "eve":
            raise CouldNotGrade("no")
        real(self, student, done)

    with monkeypatch.context() as broken:
        broken.setattr(run.Writer, "write", write)
        assert run.autograde(three, "tiny") == run.RUN_AGAIN
    assert points(three).keys() == {"ada", "zoe"}
    monkeypatch.setattr(run, "cluster", None)  # it was examined; writing is left
    assert run.autograde(three, "tiny") == run.ALL_GRADED
    assert points(three)["eve"] == FULL


def test_single_notebook_has_no_points(three: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(pipeline, "examine", fail("'ours'"))
    report = tmp_path / "report.json"
    paths = [str(three / "submitted" / s / "tiny" / "tiny (1).ipynb") for s in ("eve", "zoe")]
    options = ["--course", str(three), "--isolation", ISOLATION, "--json", str(report)]
    assert main(["grade", *options, *paths]) == 2
    eve, zoe = json.loads(report.read_text())["notebooks"]
    assert (eve["graded"], eve["try_again"], eve["points"]) == (False, True, None)
    assert zoe["points"] == 20
    assert "the grader failed (MemoryError" in capsys.readouterr().out


def test_without_our_converter_nothing_is_graded(three: Path) -> None:
    config = (three / "nbgrader_config.py").read_text()
    stock = "import autograder.nbgrader_converter as n\nn.install = lambda: None\n"
    (three / "nbgrader_config.py").write_text(stock + config)
    submit(three, "bob", put("tiny.ipynb", solved()))
    with pytest.raises(CommandFailed, match="install"):
        nbgrader(three, "autograde", "tiny", "--student", "bob")
    assert set(points(three)["bob"].values()) == {None}


def test_an_interrupted_submission_is_graded_again(three: Path) -> None:
    nbgrader(three, "autograde", "tiny", "--student", "ada")
    path = three / "autograded" / "ada" / "tiny" / "tiny.ipynb"
    path.chmod(0o644)
    path.write_text(path.read_text()[:50])
    assert "Removing unfinished" in nbgrader(three, "autograde", "tiny", "--student", "ada")
    assert nbformat.read(path, as_version=4).cells


# -- the address of a result ----------------------------------------------------------------------


def piece(**changed: object) -> work.Work:
    values = {
        "student": "ada", "assignment": "tiny", "submitted": "{}", "course": "{}", "key": "k", "dataset": "digits",
        "limits": Limits(), "isolation": ISOLATION, "versions": work.versions(),
    }  # fmt: skip
    return work.Work(**(values | changed))


@pytest.mark.parametrize(
    "changed",
    [{"submitted": "x"}, {"course": "x"}, {"key": "x"}, {"dataset": "mnist"}, {"versions": "x"},
     {"limits": Limits(cell_seconds=1)}, {"isolation": "other"}, {"assignment": "x"}],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_what_a_result_depends_on_is_in_its_address(changed: dict) -> None:
    assert piece(**changed).address() != piece().address()
    assert piece(student="boris").address() == piece().address()


def test_versions_and_the_systems_blas_are_in_the_address(monkeypatch, tmp_path: Path) -> None:
    import numpy as np

    said = work.versions()
    for name in (
        "Python 3",
        "autograder ",
        f"numpy {np.__version__}",
        "torch ",
        "ipykernel ",
        "nbformat ",
    ):
        assert name in said
    before = piece().address()
    library = tmp_path / "libblas.so.3"
    entry = {"user_api": "blas", "filepath": str(library), "architecture": "Zen"}
    monkeypatch.setattr(work, "threadpool_info", lambda: [entry])
    addresses = []
    for content in ("3.11", "3.12"):
        library.write_text(content)
        work.system.cache_clear()
        addresses.append(piece().address())
    work.system.cache_clear()
    assert len({before, *addresses}) == 3


def test_a_worker_of_other_versions_refuses(three: Path) -> None:
    with pytest.raises(CouldNotGrade, match="other versions than the command"):
        work.examine_work(piece(versions="Python 2.7"))


def test_states_of_a_grade_survive_storing() -> None:
    from autograder.examiner.grade import CellGrade, NotebookGrade

    cell = CellGrade("a\ud800", 1.0, 2.0, State.PARTIAL, "why \ud800")
    again = NotebookGrade.from_dict(
        json.loads(json.dumps(NotebookGrade("tiny", (cell,)).to_dict()))
    )
    assert again.cells == (CellGrade("a\ufffd", 1.0, 2.0, State.PARTIAL, "why \ufffd"),)


def test_names_that_are_not_text_stop_nothing(three: Path, tmp_path: Path, capsys) -> None:
    submit(three, os.fsdecode(b"m\xff"), put("tiny.ipynb", solved()))
    assert run.autograde(three, "tiny", workers=1) == run.RUN_AGAIN
    assert points(three) == dict.fromkeys(("ada", "eve", "zoe"), FULL)
    odd = tmp_path / os.fsdecode(b"x\xff.ipynb")
    odd.write_text(solved())
    report = tmp_path / "report.json"
    options = ["--course", str(three), "--isolation", ISOLATION, "--json", str(report)]
    assert main(["grade", *options, str(odd)]) == 0
    assert json.loads(report.read_text())["notebooks"][0]["path"].endswith("x\ufffd.ipynb")
