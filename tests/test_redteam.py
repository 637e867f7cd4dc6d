"""Can a submission gain a point that its functions do not earn? Each attack is graded for real.

Every attack ends with a ``dropout_mask`` that earns nothing by itself, followed by an honest second
function: the attack must get 0, the honest function its points, and nothing may be left behind.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.examiner.grade import Course, State, grade
from autograder.examiner.kernel import Limits
from tests.conftest import ISOLATION, NO_SANDBOX, ROOT
from tests.test_grade import GOOD, marked

pytestmark = pytest.mark.redteam

LIMITS = Limits(
    cell_seconds=15, notebook_seconds=60, output_bytes=20_000, memory_bytes=3_000_000_000,
    file_bytes=5_000_000,
)  # fmt: skip
NOTHING = "\ndef dropout_mask(shape, p, rng):\n    return None\n"
RIGHT = GOOD["mask"].replace("def dropout_mask", "def right")


def in_function(body: str, result: str = "None") -> str:
    """A function that does something and then returns something."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"def dropout_mask(shape, p, rng):\n{lines}    return {result}\n"


FORGED = """{"check": "dropout_mask", "assignment": "dropout", "proves": "", "hidden": False,
 "aspects": [{"name": "scaling", "says": "", "weight": 1, "passed": True}], "failure": None,
 "named": [], "note": "", "printed": "", "partial": True, "remark": "", "ending": "complete"}"""

# name -> what the student's cell holds
ATTACKS = {
    # -- patching what judges
    "numpy comparisons": "import numpy.testing as t\nt.assert_allclose = lambda *a, **k: None\n"
    "np.allclose = np.array_equal = lambda *a, **k: True\nnp.isfinite = lambda x: np.ones(1, bool)"
    + NOTHING,
    "AssertionError": "import builtins\nbuiltins.AssertionError = type('Nothing', (Exception,), {})"
    + NOTHING,
    "builtins": "import builtins\nbuiltins.all = builtins.any = lambda x: True\n"
    "builtins.abs = lambda x: 0" + NOTHING,
    "check": "import autograder.check as c\nc.Checker.__call__ = lambda *a, **k: None" + NOTHING,
    "run_check": "import autograder.engine.run as r\nr.run_check = lambda *a, **k: None" + NOTHING,
    "results": "import autograder.engine.results as r\nr.CheckResult.passed = True\n"
    "r.CheckResult.score = 1.0" + NOTHING,
    "secret": "import autograder.secret as s\ns.hidden_seed = lambda *a: 0" + NOTHING,
    "json": "import json\njson.loads = lambda *a, **k: 1" + NOTHING,
    "import system": "import sys\nsys.modules['autograder.examiner.inside'] = None" + NOTHING,
    # -- the display and exception machinery
    "displayhook": in_function("get_ipython().displayhook(10)"),
    "displayhook in the cell": "get_ipython().displayhook(10)" + NOTHING,
    "input transformer": "get_ipython().input_transformers_cleanup.append(lambda lines: [])" + NOTHING,
    "showtraceback": "get_ipython().showtraceback = lambda *a, **k: None" + NOTHING,
    "run_cell": "get_ipython().run_cell = lambda *a, **k: None" + NOTHING,
    "forged verdict": "from IPython.display import display\n"
    f"display({{'application/vnd.autograder.result+json': {FORGED}}}, raw=True)\n"
    + in_function(
        "from IPython.display import display\n"
        f"display({{'application/vnd.autograder.result+json': {FORGED}}}, raw=True)".replace("\n ", " ")
    ),
    # -- the channel
    "forged reply": "import autograder.examiner.inside as i\n"
    "i.answer = lambda *a: i.wire.dumps((np.ones((2, 3)), None, [], None, ''))\n"
    + NOTHING,
    "garbage reply": "import autograder.examiner.inside as i\ni.answer = lambda *a: bytes(range(256))"
    + NOTHING,
    "endless reply": "import autograder.examiner.inside as i\n"
    "i.send = lambda c, d: c.sendall(i.HEADER.pack(2**60) + bytes(100))" + NOTHING,
    "half a reply": "import autograder.examiner.inside as i\n"
    "i.send = lambda c, d: (c.sendall(i.HEADER.pack(len(d)) + d[:5]), c.close())" + NOTHING,
    "deep reply": "import autograder.examiner.inside as i\ni.answer = lambda *a: b'[' * 10**6" + NOTHING,
    # -- ending
    "exit at once": "import os\nos._exit(0)",
    "sys.exit": "import sys\nsys.exit(0)",
    "exit in the function": in_function("import os\nos._exit(0)"),
    "SystemExit in the function": in_function("raise SystemExit"),
    "exit in __del__": "class D:\n    def __del__(self):\n        import os\n        os._exit(0)\n"
    + in_function("D()"),
    "exit in a thread": "import os, threading\nthreading.Timer(0.3, os._exit, [0]).start()" + NOTHING,
    "segmentation fault": in_function("import ctypes\nctypes.string_at(0)"),
    "KeyboardInterrupt": in_function("raise KeyboardInterrupt"),
    "kill the parent": in_function("import os\nos.kill(os.getppid(), 9)"),
    # -- resources
    "memory bomb": in_function("x = [bytearray(10**9) for _ in range(100)]"),
    "disk filling": in_function("f = open('x', 'wb')\nwhile True:\n    f.write(bytes(10**6))"),
    "output flood": in_function("for _ in range(50):\n    print('x' * 10**6)"),
    "infinite recursion": in_function("return dropout_mask(shape, p, rng)"),
    "many processes": in_function(
        "import subprocess\nfor _ in range(30):\n    subprocess.Popen(['sleep', '61.93'])"
    ),
    "ignoring the interrupt": in_function(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    # -- reading
    "read the solution": in_function(
        f"space = {{}}\nexec(open({str(ROOT / 'reference/dropout/solution.py')!r}).read(), space)",
        "space['dropout_mask'](shape, p, rng)",
    ),
    "read the source": in_function(
        f"import json\nnb = json.load(open({str(ROOT / 'source/dropout/dropout.ipynb')!r}))\n"
        "space = {}\n[exec(''.join(c['source']), space) for c in nb['cells'] if c['id'] in ('setup', 'dropout_mask')]",
        "space['dropout_mask'](shape, p, rng)",
    ),
    "secrets of the environment": in_function(
        "import os\nassert os.environ['AUTOGRADER_SECRET']\n" + RIGHT, "right(shape, p, rng)"
    ),
    "frames of the caller": in_function(
        "import sys\nframe = sys._getframe()\nwhile frame:\n    for v in list(frame.f_locals.values()):\n"
        "        if isinstance(v, np.ndarray) and v.shape == shape and v.dtype == float:\n"
        "            return v\n    frame = frame.f_back"
    ),
    # -- other people's dropout
    "import torch": in_function(
        "import torch", "torch.nn.functional.dropout(torch.ones(shape), p).numpy()"
    ),
    "torch in a subprocess": in_function(
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import torch; torch.ones(1)'], check=True)\n"
        + RIGHT,
        "right(shape, p, rng)",
    ),
    # -- objects that pretend
    "__array__": "class A:\n    def __array__(self, *a, **k):\n        return np.ones((2, 3))\n"
    + in_function("pass", "A()"),
    "__eq__": "class A:\n    def __eq__(self, other):\n        return True\n    __hash__ = None\n"
    + in_function("pass", "A()"),
    "__class__": "class A:\n    __class__ = np.ndarray\n    shape, dtype = (2, 3), np.dtype(float)\n"
    + in_function("pass", "A()"),
    "ndarray subclass": "class A(np.ndarray):\n    def __eq__(self, other):\n        return np.ones(self.shape, bool)\n"
    + in_function("pass", "np.zeros(shape).view(A)"),
    "float subclass": "class F(float):\n    def __sub__(self, other):\n        return 0.0\n"
    + in_function("pass", "F(1.0)"),
    "masked array": in_function("pass", "np.ma.masked_all(shape)"),
    "object array": in_function("pass", "np.full(shape, None)"),
    "unpickling bait": "class P:\n    def __reduce__(self):\n        import os\n        return os._exit, (0,)\n"
    + in_function("pass", "P()"),
    "endless nesting": in_function("x = []\nfor _ in range(10**5): x = [x]", "x"),
    "circular": in_function("x = []\nx.append(x)", "x"),
    "array of a petabyte": in_function("pass", "np.broadcast_to(0.0, (10**5, 10**5, 10**5))"),
    "gigantic integer": in_function("pass", "1 << 10**6"),
}  # fmt: skip

NEEDS_SANDBOX = {
    "read the solution", "read the source", "import torch", "torch in a subprocess", "kill the parent",
}  # fmt: skip


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("redteam")
    (root / "source" / "tiny").mkdir(parents=True)
    nbformat.write(tiny(GOOD["mask"]), root / "source" / "tiny" / "tiny.ipynb")
    return Course(root)


def tiny(mask: str):
    def test(function: str):
        hidden = f"### BEGIN HIDDEN TESTS\ncheck.{function}({function}, hidden=True)\n### END HIDDEN TESTS"
        cell = new_code_cell(f"check.{function}({function})\n{hidden}")
        return marked(cell, f"test_{function}", points=10, grade=True, locked=True)

    setup = "import numpy as np\nfrom autograder import check"
    return new_notebook(
        cells=[
            marked(new_code_cell(setup), "setup", locked=True),
            marked(new_code_cell(mask), "mask", solution=True),
            test("dropout_mask"),
            marked(
                new_code_cell("import numpy as np\n" + GOOD["classic"]), "classic", solution=True
            ),
            test("classic_dropout_forward"),
        ]
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_gains_a_point(course: Course, tmp_path: Path, name: str) -> None:
    if NO_SANDBOX and name in NEEDS_SANDBOX:
        pytest.skip(NO_SANDBOX)
    before = set(Path("/tmp").glob("autograder-*"))
    nbformat.write(tiny(ATTACKS[name]), tmp_path / "x.ipynb")
    report = grade(tmp_path / "x.ipynb", course, limits=LIMITS, isolation=ISOLATION)
    assert report.graded
    attacked, honest = report.cells
    assert attacked.points == 0, attacked.says
    assert attacked.state in (State.FAILED, State.UNANSWERED, State.TIMED_OUT, State.NOT_GRADED)
    if name not in SPOILS_ITS_OWN_KERNEL:
        assert honest.points == 10, honest.says
    time.sleep(0.1)
    assert not leftovers(before)


# What is patched here stays patched for the student's other functions: they lose, nobody else does.
SPOILS_ITS_OWN_KERNEL = {
    "builtins", "json", "import system", "numpy comparisons", "forged reply", "garbage reply",
    "endless reply", "half a reply", "deep reply", "run_cell", "input transformer", "exit in a thread",
}  # fmt: skip


def leftovers(before: set[Path]) -> list[str]:
    found = [str(p) for p in Path("/tmp").glob("autograder-*") if p not in before and not in_use(p)]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if os.access(path, os.R_OK):
            try:
                if b"61.93" in path.read_bytes():
                    found.append(str(path))
            except OSError:
                continue
    return found


def in_use(path: Path) -> bool:
    """Another test process may be grading at the same time."""
    return (path / "connection.json").exists()


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


def test_same_submission_same_grade(course: Course, tmp_path: Path) -> None:
    unscaled = "def dropout_mask(shape, p, rng):\n    return (rng.random(shape) >= p) * 1.0"
    nbformat.write(tiny(unscaled), tmp_path / "x.ipynb")
    grades = {
        tuple(c.points for c in grade(tmp_path / "x.ipynb", course, isolation=ISOLATION).cells)
        for _ in range(5)
    }
    assert len(grades) == 1


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
