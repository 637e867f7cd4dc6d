"""Can a submission gain a point that its functions do not earn? Each attack is graded for real.

Every attack ends with a ``dropout_mask`` that earns nothing by itself, followed by an honest second
function: the attack must get 0, the honest function its points, and nothing may be left behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest

from autograder.examiner.grade import State
from autograder.examiner.kernel import Limits
from autograder.examiner.pipeline import Course, grade
from tests.conftest import ISOLATION, NO_SANDBOX
from tests.redteam import ATTACKS, NOTHING, RIGHT, SPOILS_ITS_OWN_KERNEL, in_function, tiny
from tests.test_grade import GOOD

pytestmark = pytest.mark.redteam

LIMITS = Limits(
    cell_seconds=15, notebook_seconds=60, output_bytes=20_000, memory_bytes=3_000_000_000,
    file_bytes=5_000_000,
)  # fmt: skip
NEEDS_SANDBOX = {
    "read the solution", "read the source", "import torch", "torch in a subprocess", "kill the parent",
}  # fmt: skip


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("redteam")
    (root / "source" / "tiny").mkdir(parents=True)
    nbformat.write(tiny(GOOD["mask"]), root / "source" / "tiny" / "tiny.ipynb")
    return Course(root)


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for this test's temporary files; in /tmp, because a socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="redteam-") as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield Path(directory)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_gains_a_point(course: Course, scratch: Path, tmp_path: Path, name: str) -> None:
    if NO_SANDBOX and name in NEEDS_SANDBOX:
        pytest.skip(NO_SANDBOX)
    nbformat.write(tiny(ATTACKS[name]), tmp_path / "x.ipynb")
    report = grade(tmp_path / "x.ipynb", course, limits=LIMITS, isolation=ISOLATION)
    assert report.graded
    attacked, honest = report.cells
    assert attacked.points == 0, attacked.says
    assert attacked.state in (State.FAILED, State.UNANSWERED, State.TIMED_OUT, State.NOT_GRADED)
    if name not in SPOILS_ITS_OWN_KERNEL:
        assert honest.points == 10, honest.says
    assert not leftovers(scratch)


def leftovers(scratch: Path) -> list[str]:
    found = [str(p) for p in scratch.iterdir()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if os.access(path, os.R_OK):
            try:
                if b"61.93" in path.read_bytes():
                    found.append(str(path))
            except OSError:
                continue
    return found


def test_enough_attacks() -> None:
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("calls", [1, 5])
def test_right_at_first_and_wrong_later(course: Course, tmp_path: Path, calls: int) -> None:
    source = f"{RIGHT}\nn = 0\n" + in_function(
        f"global n\nn += 1\nif n > {calls}:\n    return None", "right(shape, p, rng)"
    )
    nbformat.write(tiny(source), tmp_path / "x.ipynb")
    report = grade(tmp_path / "x.ipynb", course, limits=LIMITS, isolation=ISOLATION)
    assert report.cells[0].points == 0


def test_answers_for_the_public_shapes_only(course: Course, tmp_path: Path) -> None:
    public = "(2, 3), (4, 5), (300, 40), (8, 10), (5,), (2, 3, 4), (0, 3), ()"
    source = f"{RIGHT}\n" + in_function(
        f"if shape not in [{public}]:\n    return None", "right(shape, p, rng)"
    )
    nbformat.write(tiny(source), tmp_path / "x.ipynb")
    report = grade(tmp_path / "x.ipynb", course, limits=LIMITS, isolation=ISOLATION)
    assert 0 < report.cells[0].points < 10  # it fails where hidden cases add shapes


def test_same_submission_same_grade_in_any_order(course: Course, tmp_path: Path) -> None:
    """20 times each, hostile and honest ones in between."""
    sources = {
        "unscaled": "def dropout_mask(shape, p, rng):\n    return (rng.random(shape) >= p) * 1.0",
        "right": GOOD["mask"],
        "patches": ATTACKS["check"],
    }
    for name, source in sources.items():
        nbformat.write(tiny(source), tmp_path / f"{name}.ipynb")
    order = np.random.default_rng(0).permutation(np.repeat(list(sources), 20))
    grades: dict[str, set[tuple[float, ...]]] = {name: set() for name in sources}
    for name in order:
        report = grade(tmp_path / f"{name}.ipynb", course, student="x", isolation=ISOLATION)
        grades[name].add(tuple(c.points for c in report.cells))
    assert all(len(found) == 1 for found in grades.values()), grades
    assert grades["right"] == {(10, 10)}


def test_startup_files_do_not_reach_the_next_student(course: Course, tmp_path: Path) -> None:
    evil = (
        "import os\nfolder = os.path.expanduser('~/.ipython/profile_default/startup')\n"
        "os.makedirs(folder, exist_ok=True)\n"
        "open(folder + '/evil.py', 'w').write('import builtins; builtins.print = None')" + NOTHING
    )
    nbformat.write(tiny(evil), tmp_path / "x.ipynb")
    assert grade(tmp_path / "x.ipynb", course, isolation=ISOLATION).points == 10
    nbformat.write(tiny("print('fine')\n" + GOOD["mask"]), tmp_path / "y.ipynb")
    assert grade(tmp_path / "y.ipynb", course, isolation=ISOLATION).points == 20
    assert not (Path.home() / ".ipython/profile_default/startup/evil.py").exists()
