"""Hostile submissions, and a course of two tests in which they are tried.

Every attack is a ``dropout_mask`` that earns nothing by itself; an honest second function follows. Also used by
``benchmarks/redteam.py``, which tries the same attacks under stock nbgrader.
"""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from tests.conftest import ROOT
from tests.test_grade import GOOD, marked

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
    "import system": "import sys\nsys.modules['autograder.student.server'] = None" + NOTHING,
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
    "forged reply": "import autograder.student.server as i\n"
    "i.answer = lambda *a: i.wire.dumps((np.ones((2, 3)), None, [], None, ''))\n"
    + NOTHING,
    "garbage reply": "import autograder.student.server as i\ni.answer = lambda *a: bytes(range(256))"
    + NOTHING,
    "endless reply": "import autograder.student.server as i\n"
    "i.send = lambda c, d: c.sendall(i.HEADER.pack(2**60) + bytes(100))" + NOTHING,
    "half a reply": "import autograder.student.server as i\n"
    "i.send = lambda c, d: (c.sendall(i.HEADER.pack(len(d)) + d[:5]), c.close())" + NOTHING,
    "deep reply": "import autograder.student.server as i\ni.answer = lambda *a: b'[' * 10**6" + NOTHING,
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
    "fork bomb": in_function("import os\nwhile True:\n    os.fork()"),
    "thread bomb": in_function(
        "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(61.93,)).start()"
    ),
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
    "test images": in_function(
        "from autograder import datasets\nassert len(datasets.load('mnist').test_x)\n" + RIGHT,
        "right(shape, p, rng)",
    ),
    "the machine's network": in_function(
        "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)\n" + RIGHT, "right(shape, p, rng)"
    ),
    # -- being graded
    "detecting the examiner": in_function(
        "import sys\nif 'autograder.student.server' not in sys.modules:\n" + RIGHT.replace("\n", "\n    ").join(["    ", ""])
        + "\n    return right(shape, p, rng)"
    ),
    "right only when graded": in_function(
        "import os\nif 'NBGRADER_EXECUTION' not in os.environ:\n    return None\n" + RIGHT, "right(shape, p, rng)"
    ),
    # -- other people's dropout
    "import torch": in_function(
        "import torch", "torch.nn.functional.dropout(torch.ones(shape), p).numpy()"
    ),
    "import torch from its file": in_function(
        "import glob, importlib.util, sys\n"
        "path = glob.glob(sys.prefix + '/lib/python3*/site-packages/torch/__init__.py')[0]\n"
        "spec = importlib.util.spec_from_file_location('torch', path)\n"
        "torch = importlib.util.module_from_spec(spec)\nsys.modules['torch'] = torch\n"
        "spec.loader.exec_module(torch)",
        "torch.nn.functional.dropout(torch.ones(shape), p).numpy()",
    ),
    "the course's own oracle": in_function(
        "from autograder.assignments.dropout import oracle",
        "oracle.keep_mask(shape, p, rng) / (1 - p)",
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

# What is patched here stays patched for the student's other functions: they lose, nobody else does.
SPOILS_ITS_OWN_KERNEL = {
    "builtins", "json", "import system", "numpy comparisons", "forged reply", "garbage reply",
    "endless reply", "half a reply", "deep reply", "run_cell", "input transformer", "exit in a thread",
}  # fmt: skip


def tiny(mask: str) -> NotebookNode:
    """Return the notebook of the course with this source for the first function."""

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
