"""Is the same submission given the same grade, in any order, on a machine that has other work?

Two hundred gradings of twenty submissions: right, wrong, dying in a cell, in a function, in a thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest

from autograder.examiner.kernel import Limits
from autograder.examiner.pipeline import Course, grade
from tests.conftest import ISOLATION
from tests.test_grade import GOOD, mini

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("digits")]

TIMES = 10
LIMITS = Limits(cell_seconds=10, notebook_seconds=120)
DIE = {
    "exit()": "exit()",
    "sys.exit()": "import sys\nsys.exit()",
    "os._exit()": "import os\nos._exit(0)",
    "SIGKILL": "import os\nos.kill(os.getpid(), 9)",
    "segfault": "import ctypes\nctypes.string_at(0)",
}
THREAD = "import os, threading, time\nthreading.Thread(target=os._exit, args=(0,)).start()\ntime.sleep(1)"
FUNCTION = "def classic_dropout_forward(x, p, training, rng):\n    "


def in_function(text: str) -> str:
    return FUNCTION + text.replace("\n", "\n    ")


UNSCALED = "def dropout_mask(shape, p, rng):\n    return (rng.random(shape) >= p) * 1.0"
SUBMISSIONS: dict[str, dict[str, str]] = {
    "right": {},
    "unscaled": {"mask": UNSCALED},
    "inverted": {"classic": GOOD["classic"].replace(">=", "<")},
    "unwritten": {"mask": "raise NotImplementedError()"},
    "wrong syntax": {"mc": "def mc_dropout(:"},
    "draws from elsewhere": {"mask": "def dropout_mask(shape, p, rng):\n    return (np.random.random(shape) >= p) / (1 - p)"},
    "interrupted loop": {"mc": "def mc_dropout(predict, x, n_samples, rng):\n    while True: pass"},
    **{f"{name} in the cell": {"classic": text} for name, text in DIE.items()},
    **{f"{name} in the function": {"classic": in_function(text)} for name, text in DIE.items()},
    "thread in the cell": {"classic": THREAD},
    "thread in the function": {"classic": in_function(THREAD)},
    "stops itself": {"classic": "import os\nos.kill(os.getpid(), 19)"},
}  # fmt: skip


@pytest.fixture
def busy() -> Iterator[None]:
    """Have as many other processes compute as there are cores."""
    loop = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(loop) for _ in os.sched_getaffinity(0)]
    yield
    for process in others:
        process.kill()
        process.wait()


def test_same_submission_same_grade(tmp_path: Path, busy: None) -> None:
    assert len(SUBMISSIONS) == 20
    folder = tmp_path / "course" / "source" / "mini"
    folder.mkdir(parents=True)
    nbformat.write(mini(GOOD), folder / "mini.ipynb")
    course = Course(tmp_path / "course")
    for name, changed in SUBMISSIONS.items():
        nbformat.write(mini(GOOD | changed), tmp_path / f"{name.replace('/', '')}.ipynb")
    grades: dict[str, set[tuple[float, ...]]] = {name: set() for name in SUBMISSIONS}
    for name in np.random.default_rng(0).permutation(np.repeat(list(SUBMISSIONS), TIMES)):
        path = tmp_path / f"{name}.ipynb"
        report = grade(path, course, "mini", "x", LIMITS, ISOLATION)
        grades[name].add(tuple(c.points for c in report.cells))
    assert {name: found for name, found in grades.items() if len(found) > 1} == {}
    assert grades["right"] == {(10, 10, 10, 0)}
    for name in SUBMISSIONS:
        if name.split(" in ")[0] in (*DIE, "thread", "stops itself"):
            assert grades[name] == {(10, 0, 10, 0)}, name
    assert grades["wrong syntax"] == {(10, 10, 0, 0)}
    assert grades["interrupted loop"] == {(10, 10, 0, 0)}
    assert 0 < max(grades["unscaled"])[0] < 10
