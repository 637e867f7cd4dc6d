"""Does `autograder autograde` fill the gradebook exactly as `nbgrader autograde` does, come what may?"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.cohort import run, store
from autograder.course import nbgrader
from autograder.examiner import cells
from autograder.examiner.grade import CellGrade, NotebookGrade, State
from tests.conftest import ISOLATION, ROOT
from tests.redteam import NOTHING, in_function, tiny
from tests.test_grade import GOOD

KILLS = 20
DATABASE = os.environ.get("AUTOGRADER_TEST_DATABASE", "")
CONFIG = f"""
exec(compile(open({str(ROOT / "nbgrader_config.py")!r}).read(), "nbgrader_config.py", "exec"))
c.Examine.cell_seconds = 20
c.Examine.isolation = {ISOLATION!r}
"""
UNSCALED = "def dropout_mask(shape, p, rng):\n    return (rng.random(shape) >= p) * 1.0"
CLASS = {
    "ada": GOOD["mask"],
    "boris": UNSCALED,
    "chen": NOTHING,
    "dora": in_function("import os\nos._exit(1)"),
    "emil": "syntax error",
    "fay": GOOD["mask"] + "\nprint('mine')",
}

Scores = dict[str, dict[str, tuple[float | None, float | None, bool]]]


def make(course: Path, sources: dict[str, str], database: str = "") -> Path:
    """Make a course of two tests with these submissions, and one file that is no notebook."""
    (course / "source" / "tiny").mkdir(parents=True)
    nbformat.write(tiny(GOOD["mask"]), course / "source" / "tiny" / "tiny.ipynb")
    url = f"c.CourseDirectory.db_url = {database!r}\n" if database else ""
    (course / "nbgrader_config.py").write_text(CONFIG + url)
    (course / ".autograder-secret").write_text("the same in every test")
    nbgrader(course, "generate_assignment", "tiny")
    for student, source in sources.items():
        notebook = tiny(source)
        for cell in notebook.cells:
            cell.source = cells.public_part(cell.source)
        submit(course, student, nbformat.writes(notebook))
    submit(course, "jan", "{")
    return course


def submit(course: Path, student: str, text: str) -> None:
    folder = course / "submitted" / student / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.ipynb").write_text(text, encoding="utf-8")


def scores(course: Path, database: str = "") -> Scores:
    with Gradebook(database or f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {
            submission.student_id: {
                grade.name: (grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions("tiny")
        }


def contents(course: Path) -> dict[str, object]:
    """Return the autograded notebooks: cells, sources and outputs."""
    return {
        path.parts[-3]: [
            (c.cell_type, c.source, c.metadata, c.get("outputs"))
            for c in nbformat.read(path, as_version=4).cells
        ]
        for path in sorted(course.glob("autograded/*/tiny/tiny.ipynb"))
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course after `nbgrader autograde`."""
    course = make(tmp_path_factory.mktemp("nbgrader") / "course", CLASS)
    nbgrader(course, "autograde", "tiny")
    return course


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return make(tmp_path / "course", CLASS)


def command(course: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "autograder.cli", "autograde", "tiny", "--course", str(course), *arguments]  # fmt: skip


def autograde(course: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        command(course, *arguments), capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def test_same_as_nbgrader_cell_for_cell_and_then_nothing_to_do(course, undisturbed) -> None:
    status, text = autograde(course, "--workers", "2")
    assert status == 1  # one submission is no notebook
    assert "jan: the file is not JSON" in text
    assert scores(course) == scores(undisturbed)
    assert contents(course) == contents(undisturbed)

    status, text = autograde(course)
    assert status == 1
    assert f"{len(CLASS) + 1} of them unchanged" in text

    submit(course, "chen", nbformat.writes(tiny(GOOD["mask"])))
    status, text = autograde(course, "--student", "chen", "ada", "--workers", "1")
    assert status == 0
    assert "1 of them unchanged" in text
    assert scores(course)["chen"]["test_dropout_mask"][0] == 10


def test_what_got_lost_is_written_again_without_examining(course, undisturbed, monkeypatch) -> None:
    assert run.autograde(course, "tiny", workers=2) == 1
    (course / "gradebook.db").unlink()
    nbgrader(course, "generate_assignment", "tiny", "--force")
    path = course / "autograded" / "ada" / "tiny" / "tiny.ipynb"
    path.write_text(path.read_text()[:100])  # the power failed
    monkeypatch.setattr(run, "cluster", None)
    assert run.autograde(course, "tiny") == 1
    assert scores(course) == scores(undisturbed)
    assert contents(course) == contents(undisturbed)


def test_full_disk(course, undisturbed, monkeypatch, capsys) -> None:
    real, calls = store.replace_file, []

    def full(path: Path, text: str) -> None:
        calls.append(path)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, text)

    monkeypatch.setattr(store, "replace_file", full)
    assert run.autograde(course, "tiny", workers=1) == 2
    assert "No space left" in capsys.readouterr().err
    monkeypatch.setattr(store, "replace_file", real)
    assert run.autograde(course, "tiny", workers=1) == 1
    assert scores(course) == scores(undisturbed)


def test_replacing_a_file_keeps_the_old_one_when_it_fails(tmp_path, monkeypatch) -> None:
    path = tmp_path / "x.json"
    store.replace_file(path, "old")
    monkeypatch.setattr(os, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        store.replace_file(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_results_count_as_missing(tmp_path) -> None:
    kept = store.Store(tmp_path)
    cell = CellGrade("a", 1.0, 2.0, State.PARTIAL, "why")
    done = NotebookGrade("tiny", (cell,), ("remark",), notebook="{}", seconds=0.5)
    kept.put("ab12", done)
    assert kept.get("ab12") == done
    (path,) = tmp_path.rglob("ab12.json")
    path.write_text(path.read_text()[:-5])
    assert kept.get("ab12") is None
    assert kept.get("cd34") is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--student", "nobody"], "nothing was handed in by nobody"),
        (["--course", "/nonexistent"], "autograder:"),
    ],
)
def test_refusals_say_what_to_do(undisturbed, change, says) -> None:
    status, text = autograde(undisturbed, *change)
    assert status == 2
    assert says in text


def test_without_the_assignment_in_the_gradebook(tmp_path) -> None:
    (tmp_path / "source" / "tiny").mkdir(parents=True)
    nbformat.write(tiny(GOOD["mask"]), tmp_path / "source" / "tiny" / "tiny.ipynb")
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    status, text = autograde(tmp_path)
    assert status == 2
    assert "run `nbgrader generate_assignment tiny`" in text


def test_a_folder_without_a_notebook_is_named(course, capsys) -> None:
    folder = course / "submitted" / "kim" / "tiny"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("forgot")
    assert run.autograde(course, "tiny", students=["kim"]) == run.SOME_NOT
    assert "kim: the folder holds no notebook" in capsys.readouterr().out


def test_interrupt_from_the_keyboard(course, undisturbed) -> None:
    process = subprocess.Popen(
        command(course, "--workers", "1"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: written(course) >= 2 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _out, text = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "continues where this one stopped" in text
    before = len(contents(course))
    status, text = autograde(course)
    assert status == 1
    assert int(text.split(" of them unchanged")[0].split()[-1]) >= before - 1
    assert scores(course) == scores(undisturbed)


def written(course: Path) -> int:
    """Return the number of results that were written; a notebook may be half written at any moment."""
    return len(list((course / ".autograder" / "written").rglob("*.json")))


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.redteam
def test_killed_at_random_moments(tmp_path) -> None:
    """SIGKILL for the whole command or for one worker, again and again; then it is as if nothing had been."""
    sources = {f"{name}{i}": source for i in range(4) for name, source in CLASS.items()}
    expected = make(tmp_path / "expected", sources)
    nbgrader(expected, "autograde", "tiny")
    course = make(tmp_path / "course", sources)
    moments = random.Random(0)
    for kill in range(KILLS):
        process = subprocess.Popen(
            command(course, "--workers", "2"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(moments.uniform(1, 12))
        victims = [process.pid] if kill % 2 else workers_of(process.pid)[-1:]
        for victim in victims:
            kill_if_there(victim)
        if kill % 2 == 0:
            time.sleep(moments.uniform(0, 2))
            process.kill()
        process.wait()
    status, text = autograde(course, "--workers", "2")
    assert status == 1, text
    assert scores(course) == scores(expected)
    assert contents(course) == contents(expected)
    wait_for(lambda: not left_of(course))


def kill_if_there(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *children_of(child)]
    return found


def workers_of(pid: int) -> list[int]:
    """Return the processes that examine, without the kernels below them: one that dies is the student's doing."""
    found = []
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def left_of(course: Path) -> list[str]:
    """Return processes that still have to do with a course."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(course).encode() in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue
    return found


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler and two workers, started with Dask's own commands, each in a directory of its own."""
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0", "--no-dashboard"]
    processes = [subprocess.Popen([*dask, *options, "--scheduler-file", str(file)], **quiet)]
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        worker = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            "--scheduler-file",
            str(file),
        ]
        options = [
            "--nthreads",
            "1",
            "--no-dashboard",
            "--local-directory",
            str(folder),
            "--name",
            name,
        ]
        processes.append(subprocess.Popen([*worker, *options], cwd=folder, **quiet))
    wait_for(lambda: file.exists() and file.read_text().strip().endswith("}"))
    yield json.loads(file.read_text())["address"], processes
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.mark.parametrize("kill", [False, True], ids=["both work", "one is killed midway"])
def test_workers_of_another_cluster(course, undisturbed, scheduler, kill: bool) -> None:
    address, processes = scheduler
    process = subprocess.Popen(
        command(course, "--scheduler", address), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )  # fmt: skip
    if kill:
        wait_for(lambda: written(course) >= 2 or process.poll() is not None)
        for victim in [*children_of(processes[1].pid), processes[1].pid]:
            kill_if_there(victim)
    text, _none = process.communicate(timeout=300)
    assert process.returncode == 1, text
    assert scores(course) == scores(undisturbed)
    assert contents(course) == contents(undisturbed)


@pytest.mark.skipif(not DATABASE, reason="AUTOGRADER_TEST_DATABASE names no PostgreSQL server")
def test_postgresql(tmp_path, undisturbed) -> None:
    course = make(tmp_path / "course", CLASS, DATABASE)
    assert autograde(course)[0] == 1
    assert scores(course, DATABASE) == scores(undisturbed)
    assert not (course / "gradebook.db").exists()
    status, text = autograde(course)
    assert "of them unchanged" in text
    assert status == 1
