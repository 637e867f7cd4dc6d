"""Can a submission read the answers? On disk, in memory, in libraries that were meant for others."""

from __future__ import annotations

from tests.attacks.kinds import RIGHT, Attack, in_function, wall
from tests.conftest import ROOT

WALK = """import os
def everywhere(wanted):
    for top, folders, files in os.walk('/'):
        if top == '/':
            folders[:] = [f for f in folders if f not in ('proc', 'sys')]
        for name in files + folders:
            if wanted(top, name):
                return os.path.join(top, name)
    raise LookupError
"""
LIBRARIES = "torch torchgen functorch torchvision tensorflow keras jax jaxlib flax mxnet paddle tinygrad mlx"
LIKE_RIGHT = "right(shape, p, rng)"

ATTACKS = {
    # -- the course and this package
    "read the solution": Attack(
        in_function(
            f"space = {{}}\nexec(open({str(ROOT / 'reference/dropout/solution.py')!r}).read(), space)",
            "space['dropout_mask'](shape, p, rng)",
        ),
        walls=True,
    ),
    "read the source": Attack(
        in_function(
            f"import json\nnb = json.load(open({str(ROOT / 'source/dropout/dropout.ipynb')!r}))\n"
            "space = {}\n[exec(''.join(c['source']), space) for c in nb['cells'] if c['id'] in ('setup', 'dropout_mask')]",
            "space['dropout_mask'](shape, p, rng)",
        ),
        walls=True,
    ),
    "read the course that is graded": wall("import os\nassert os.listdir(COURSE)"),
    "read the gradebook": wall("open(COURSE + '/gradebook.db', 'rb').read()"),
    "read other submissions": wall("import os\nassert os.listdir(COURSE + '/submitted')"),
    "the secret's file": wall("open(COURSE + '/.autograder-secret').read()"),
    "the catalogue's sound optimizer": Attack(
        "from autograder.assignments.optimizers.rules import sound\nadam = sound('adam')\nmomentum = sound('momentum')",
        walls=True,
    ),
    "the catalogue's sound dropout": Attack(
        "from autograder.assignments.dropout import misconceptions as m\ndropout_forward = m._forward(m._mask())\n"
        "dropout_mask = m._mask()\ndropout_backward = lambda dout, cache: dout * cache",
        walls=True,
    ),
    "the catalogue's folding": Attack(
        "from autograder.assignments.batchnorm import inference_misconceptions as m\nfold_batchnorm = m._fold()",
        walls=True,
    ),
    "the course's own oracle": Attack(
        in_function(
            "from autograder.assignments.dropout import oracle",
            "oracle.keep_mask(shape, p, rng) / (1 - p)",
        )
    ),
    "the package by its path": wall(
        "import importlib.util, autograder\n"
        "path = list(autograder.__path__)[0] + '/assignments/dropout/misconceptions.py'\n"
        "spec = importlib.util.spec_from_file_location('m', path)\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))"
    ),
    "answers anywhere on the disk": wall(
        f"{WALK}everywhere(lambda top, name: name.startswith(('misconceptions.', 'wrong_steps.', 'wrong_schedules.'))\n"
        "    or name in ('dropout.ipynb', 'optimizers.ipynb', 'batchnorm.ipynb', 'solution.py')\n"
        "    or name.startswith('oracle.') and 'autograder' in top)"
    ),
    "the history of a repository": wall(
        f"{WALK}everywhere(lambda top, name: name in ('.git', 'packed-refs'))"
    ),
    "bytecode of this package": wall(
        f"{WALK}everywhere(lambda top, name: 'autograder' in top and name.endswith('.pyc')\n"
        "    and '/student/' not in top + '/')"
    ),
    # -- other people's layers and optimizers
    "import torch": Attack(
        in_function("import torch", "torch.nn.functional.dropout(torch.ones(shape), p).numpy()")
    ),
    "import torch from its file": Attack(
        in_function(
            "import glob, importlib.util, sys\n"
            "path = glob.glob(sys.prefix + '/lib/python3*/site-packages/torch/__init__.py')[0]\n"
            "spec = importlib.util.spec_from_file_location('torch', path)\n"
            "torch = importlib.util.module_from_spec(spec)\nsys.modules['torch'] = torch\n"
            "spec.loader.exec_module(torch)",
            "torch.nn.functional.dropout(torch.ones(shape), p).numpy()",
        )
    ),
    "torch in a subprocess": Attack(
        in_function(
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import torch; torch.ones(1)'], check=True)\n"
            + RIGHT,
            LIKE_RIGHT,
        ),
        walls=True,
    ),
    "torch in another interpreter": wall(
        "import glob, subprocess, sys\n"
        "for python in glob.glob(sys.base_prefix + '/bin/python3*') + glob.glob('/usr/bin/python3*'):\n"
        "    if subprocess.run([python, '-c', 'import torch; torch.ones(1)']).returncode == 0:\n"
        "        return\n"
        "raise LookupError"
    ),
    "a deep-learning library anywhere": wall(
        f"{WALK}names = {LIBRARIES!r}.split()\n"
        "everywhere(lambda top, name: name in names and top.endswith('packages')\n"
        "    and any(f.endswith(('.py', '.so', '.pyc')) for f in os.listdir(os.path.join(top, name))))"
    ),
    "torch's shared objects": wall(
        f"{WALK}import ctypes\n"
        "ctypes.CDLL(everywhere(lambda top, name: name.startswith(('libtorch', 'libc10', 'xla_extension'))))"
    ),
    "torch's wheel": wall(
        f"{WALK}everywhere(lambda top, name: name.startswith('torch-') and name.endswith(('.whl', '.tar.gz', '.conda')))"
    ),
    "scikit-learn's optimizer": wall(
        "from sklearn.neural_network._stochastic_optimizers import AdamOptimizer"
    ),
    "scikit-learn's optimizer by its bytecode": wall(
        f"{WALK}import marshal\n"
        "path = everywhere(lambda top, name: name.startswith('_stochastic_optimizers.') and name.endswith('.pyc'))\n"
        "exec(marshal.loads(open(path, 'rb').read()[16:]), {'__name__': 'm'})"
    ),
    "scikit-learn's optimizer by its file": wall(
        f"{WALK}open(everywhere(lambda top, name: name == '_stochastic_optimizers.py')).read()"
    ),
    "test images": Attack(
        in_function(
            "from autograder import datasets\nassert len(datasets.load('mnist').test_x)\n" + RIGHT,
            LIKE_RIGHT,
        )
    ),
    "test images anywhere": wall(f"{WALK}everywhere(lambda top, name: name.startswith('t10k'))"),
    # -- other processes
    "secrets of the environment": Attack(
        in_function("import os\nassert os.environ['AUTOGRADER_SECRET']\n" + RIGHT, LIKE_RIGHT)
    ),
    "environments of other processes": wall(
        "import glob\n"
        "assert any(b'INSTRUCTOR' in open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/environ'))"
    ),
    "roots of other processes": wall(
        "import glob, os\n"
        "assert any(os.path.exists(p + '/' + COURSE) for p in glob.glob('/proc/[0-9]*/root'))"
    ),
    "directories of other processes": wall(
        "import glob, os\n"
        "assert any(os.path.exists(p + '/nbgrader_config.py') for p in glob.glob('/proc/[0-9]*/cwd'))"
    ),
    "open files of other processes": wall(
        "import glob, os\n"
        "for path in glob.glob('/proc/[0-9]*/fd/*'):\n"
        "    try:\n        target = os.readlink(path)\n    except OSError:\n        continue\n"
        "    if path.split('/')[2] != str(os.getpid()) and target.startswith(('/root/', '/home/', '/etc/')):\n"
        "        return\n"
        "raise LookupError"
    ),
    "memory of all processes": wall(
        "import glob\n"
        "backwards = b'=ROTCURTSNI_EHT_FO_TERCES_A'  # forwards it would find itself\n"
        "for maps in glob.glob('/proc/[0-9]*/maps') + ['/proc/self/maps']:\n"
        "    try:\n"
        "        memory = open(maps.replace('maps', 'mem'), 'rb', 0)\n"
        "        for line in open(maps):\n"
        "            if 'rw-p' in line:\n"
        "                start, end = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "                memory.seek(start)\n"
        "                if end - start < 10**8 and backwards in memory.read(end - start)[::-1]:\n"
        "                    return\n"
        "    except (OSError, ValueError):\n        continue\n"
        "raise LookupError"
    ),
    "command lines of other processes": wall(
        "import glob\n"
        "assert any(COURSE.encode() in open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/cmdline'))"
    ),
    "another process's open files by pidfd": wall(
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for pid in (1, os.getppid()):\n"
        "    for n in range(20):\n"
        "        if libc.syscall(438, os.pidfd_open(pid), n, 0) >= 0:\n            return\n"
        "raise LookupError"
    ),
    # -- the process that asks
    "frames of the caller": Attack(
        in_function(
            "import sys\nframe = sys._getframe()\nwhile frame:\n    for v in list(frame.f_locals.values()):\n"
            "        if isinstance(v, np.ndarray) and v.shape == shape and v.dtype == float:\n"
            "            return v\n    frame = frame.f_back"
        )
    ),
    "all objects of the process": Attack(
        in_function(
            "import gc\n"
            "for found in gc.get_objects():\n"
            "    for v in found if type(found) in (list, tuple) else list(found.values()) if type(found) is dict else ():\n"
            "        if type(v) is np.ndarray and v.shape == shape and v.dtype == float and v.size and 0 in v:\n"
            "            return v"
        )
    ),
    "requests that were sent ahead": Attack(
        in_function(
            "import gc\n"
            "from autograder.student import server, wire\n"
            "for r in gc.get_objects():\n"
            "    if type(r).__name__ == 'Requests':\n"
            "        for value in vars(r).values():\n"
            "            if type(value) is bytearray and len(value) > 8:\n"
            "                return wire.loads(bytes(value[8:]), own=True)"
        )
    ),
    "detecting the examiner": Attack(
        in_function(
            "import sys\nif 'autograder.student.server' in sys.modules:\n    return None\n" + RIGHT,
            LIKE_RIGHT,
        )
    ),
    "right only in a notebook": Attack(
        in_function(
            "import os\nif os.getcwd().endswith('/work'):\n    return None\n" + RIGHT, LIKE_RIGHT
        )
    ),
    "right only under stock nbgrader": Attack(
        in_function("import os\nif 'NBGRADER_EXECUTION' not in os.environ:\n    return None\n" + RIGHT, LIKE_RIGHT)
    ),
}  # fmt: skip
