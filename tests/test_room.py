"""Does the student's process see the student's part of this package, and nothing else of it?"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbgrader.api import Gradebook

from autograder.examiner import provisioner
from autograder.examiner.kernel import Limits, execution_environment, kernel
from autograder.student import launch
from tests.conftest import ISOLATION, NO_SANDBOX, ROOT

ROOM = Path(launch.__file__).parent
MODULES = sorted(ROOM.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOM).as_posix())
def test_the_room_needs_nothing_of_the_rest(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert not name.startswith("autograder") or name.startswith("autograder.student")


@pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX)
@pytest.mark.parametrize("forks", [True, False], ids=["forked", "started"])
def test_only_the_room_is_there(forks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not forks:
        monkeypatch.setattr(provisioner.FORK_SERVER, "refuses", True)
    source = (
        "import os, autograder, importlib\n"
        f"assert os.listdir({str(ROOM.parent)!r}) == ['student'], os.listdir({str(ROOM.parent)!r})\n"
        "from autograder import check, datasets, figures, training\n"
        "from autograder.student.training import Recipe, train_mlp\n"
        "from autograder.assignments.dropout.network import Dropout\n"
        "from autograder.assignments.batchnorm.network import BatchNorm, fresh\n"
        "check.dropout_mask(print)\n"
        "for name in ('engine', 'examiner', 'assignments.optimizers.rules', 'secret',\n"
        "             'assignments.dropout.misconceptions', 'assignments.dropout.oracle', 'cli'):\n"
        "    try:\n"
        "        importlib.import_module('autograder.' + name)\n"
        "    except ModuleNotFoundError:\n"
        "        continue\n"
        "    raise AssertionError(name)\n"
    )
    with kernel(Limits(), execution_environment(), ISOLATION) as started:
        assert started.execute(source, 30).error == ""


def test_changed_code_is_refused() -> None:
    settings = json.dumps({"limits": {}, "digest": "0" * 64})
    command = [sys.executable, "-P", launch.__file__, settings, "-f", "none.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "was changed while grading was running" in done.stderr


def test_another_copy_on_the_path_is_not_used(tmp_path: Path) -> None:
    """Whatever ``import autograder`` would find there, a kernel has the examiner's copy."""
    (tmp_path / "autograder").mkdir()
    (tmp_path / "autograder" / "__init__.py").write_text("raise SystemExit('the other copy')")
    source = "import autograder.student.server as s; print(s.__file__)"
    environment = execution_environment(PYTHONPATH=str(tmp_path))
    with kernel(Limits(), environment, ISOLATION, [str(tmp_path)]) as started:
        done = started.execute(source, 30)
    assert done.outputs[0].text.strip() == str(ROOM / "server.py")


def test_a_course_that_is_another_copy_of_the_package(tmp_path: Path, solved: NotebookNode) -> None:
    """The environment has one copy installed, the course's directory is another one, with code of its own."""
    course = tmp_path / "course"
    for name in ("autograder", "source"):
        shutil.copytree(ROOT / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "nbgrader_config.py", course)
    with (course / "autograder" / "student" / "server.py").open("a") as file:
        file.write("# another version\n")
    path = course / "submitted" / "ann" / "dropout" / "dropout.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(solved, path)
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "AUTOGRADER_DATASET": "digits", "MNIST_DIR": ""}
    environment["PATH"] = f"{scripts}:{os.environ['PATH']}"

    def run(*command: str) -> str:
        done = subprocess.run(
            [f"{scripts}/{command[0]}", *command[1:]],
            cwd=course, capture_output=True, text=True, check=False, timeout=300, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("nbgrader", "generate_assignment", "dropout")
    run("nbgrader", "autograde", "dropout")
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assert gradebook.find_submission("dropout", "ann").score == 44
    assert "44 of 44" in run("autograder", "grade", str(path))
    run("autograder", "autograde", "dropout", "--force")
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assert gradebook.find_submission("dropout", "ann").score == 44
