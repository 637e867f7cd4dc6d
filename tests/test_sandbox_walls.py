"""Which walls does the sandbox have? Each is walked along from inside, for forked and for started kernels."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import pytest

from autograder.examiner import leftovers, logs, provisioner, sandbox, watch
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.examine import examine
from autograder.examiner.kernel import Ending, Kernel, Limits, execution_environment, kernel
from autograder.student import seccomp
from tests.conftest import ISOLATION, NO_SANDBOX, ROOT
from tests.test_grade import marked

pytestmark = pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX or "there is a sandbox")
LIMITS = Limits(disk_bytes=50_000_000, file_bytes=20_000_000)
PATHS = pytest.mark.parametrize("forks", [True, False], ids=["forked", "started"])


@pytest.fixture(scope="module", params=["forked", "started"])
def running(request: pytest.FixtureRequest):
    provisioner.FORK_SERVER.refuses = request.param == "started"
    try:
        with kernel(LIMITS, execution_environment(), "sandbox") as started:
            assert provisioner.FORK_SERVER.refuses == (request.param == "started")
            yield started
    finally:
        provisioner.FORK_SERVER.refuses = False


def tried(running: Kernel, source: str, seconds: float = 60) -> str:
    """Execute code; return what it printed, or its error."""
    execution = running.execute(source, seconds)
    assert execution.ending is Ending.FINISHED
    texts = [o.text for o in execution.outputs if o.output_type == "stream"]
    return execution.error or "".join(texts)


# -- what can be written and read


def test_what_is_mounted_writable(running: Kernel) -> None:
    """All but what is named here is mounted read-only; devices are files, /proc is walked below."""
    source = (
        "for line in open('/proc/self/mountinfo'):\n"
        "    about = line.split()\n"
        "    if 'rw' in about[5].split(','): print(about[4])"
    )
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")}
    allowed = {"/tmp", "/dev/shm", "/dev/pts", "/proc"} | devices
    assert set(tried(running, source).split()) <= allowed


WALK = """
import os, json
found = []
for folder, folders, files in os.walk('/proc'):
    if folder == '/proc':
        folders[:] = [f for f in folders if not f.isdigit()]
    for name in files:
        path = os.path.join(folder, name)
        if os.path.islink(path): continue
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            found.append(path)
        except OSError:
            pass
print(json.dumps(found))
"""


def test_nothing_in_proc_can_be_written(running: Kernel) -> None:
    assert json.loads(tried(running, WALK)) == []
    assert "Read-only" in tried(running, "open('/proc/sys/kernel/core_pattern', 'w')")


def test_what_proc_tells(running: Kernel) -> None:
    source = (
        "import os\nfor name in os.listdir('/proc'):\n"
        "    path = '/proc/' + name\n"
        "    if name.isdigit() or os.path.islink(path): continue\n"
        "    try: full = os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1)\n"
        "    except OSError: continue\n"
        "    if full: print(name)"
    )
    assert set(tried(running, source).split()) <= sandbox.PROC


def test_what_the_root_and_its_directories_hold(running: Kernel) -> None:
    shown = json.loads(
        tried(
            running,
            "import os, json\nprint(json.dumps({p: os.listdir(p) for p in ('/', '/dev', '/etc')}))",
        )
    )
    prefixes = {Path(p).parts[1] for p in (sys.prefix, sys.base_prefix, str(ROOT), Path.home())}
    system = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "proc", "dev", "tmp"}
    assert set(shown["/"]) <= system | prefixes
    assert set(shown["/dev"]) <= {
        "null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "core",
        "shm", "pts", "ptmx", "console",
    }  # fmt: skip
    assert set(shown["/etc"]) <= {Path(name).name for name in sandbox.SETTINGS}
    for path in ("/x", "/dev/x", "/etc/x", "/usr/x"):
        assert "Read-only" in tried(running, f"open({path!r}, 'w')")


def test_only_its_own_processes_and_all_of_them_filtered(running: Kernel) -> None:
    """A process without the filter could be made to do what the kernel may not."""
    source = (
        "import glob\nfor path in glob.glob('/proc/[0-9]*/status'):\n"
        "    print([x for x in open(path) if x.startswith('Seccomp:')][0].split()[1])"
    )
    assert set(tried(running, source).split()) == {"2"}


# -- system calls

CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    ctypes.set_errno(0)
    libc.syscall(*numbers)
    return ctypes.get_errno()
"""


@pytest.mark.skipif(seccomp.program() is None, reason="no filter for this processor")
def test_system_calls_are_refused(running: Kernel) -> None:
    which = list(seccomp.AUDIT).index(os.uname().machine)
    numbers = {name: n[which] for name, n in seccomp.DENIED.items() if n[which] is not None}
    source = CALL + f"print({{name: call(n, 0, 0, 0, 0, 0) for name, n in {numbers}.items()}})"
    assert eval(tried(running, source)) == dict.fromkeys(numbers, 1)
    special = {name: n[which] for name, n in seccomp.LOOKED_AT.items()}
    clone, socket_call = special["clone"], special["socket"]
    source = CALL + (
        f"print([call({clone}, 0x{seccomp.NAMESPACES & 0x10000000:x} | 17, 0, 0, 0, 0)])\n"
        f"print([call({special['clone3']}, 0, 0)])\n"
        f"print([call({socket_call}, family, 2, 0) for family in (10, 15, 17, 38, 40)])\n"
        f"print([call({socket_call}, 2, 1, protocol) for protocol in (132, 262)])\n"
        f"print([call({socket_call}, 16, 3, 6), call({socket_call}, 2, 3, 255)])\n"
        f"print([call({special['ioctl']}, 0, 0x5412, 0), call({special['ioctl']}, 0, 0x541c, 0)])\n"
        f"print([call({special['personality']}, 0x0040000)])\n"
    )
    expected = "[1]\n[38]\n[1, 1, 1, 1, 1]\n[1, 1]\n[1, 1]\n[1, 1]\n[1]"
    assert tried(running, source).strip() == expected


def test_the_numbers_are_those_of_the_system() -> None:
    headers = ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h")
    for which, header in enumerate(headers):
        if not Path(header).exists():
            pytest.skip("no headers of the system here")
        lines = [line.split() for line in Path(header).read_text().splitlines()]
        known = {
            w[1].removeprefix("__NR_").removeprefix("__NR3264_"): int(w[2])
            for w in lines
            if len(w) > 2 and w[0] == "#define" and w[1].startswith("__NR") and w[2].isdigit()
        }
        for name, numbers in {**seccomp.DENIED, **seccomp.LOOKED_AT}.items():
            assert name not in known or known[name] == numbers[which], name


def test_no_namespaces_inside(running: Kernel) -> None:
    done = tried(running, "import subprocess\nprint(subprocess.call(['unshare', '-U', 'true']))")
    assert done.strip() != "0"


HONEST = [
    "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(2) as p: print(sum(p.map(abs, [-1, 2])))",
    "import concurrent.futures as f\nwith f.ThreadPoolExecutor(2) as p: print(sum(p.map(abs, [-1, 2])))",
    "import subprocess\nprint(len(subprocess.check_output(['echo', 'ab'])))",
    "import sys, subprocess\nprint(subprocess.check_output([sys.executable, '-c', 'import numpy; print(3)'], text=True))",
    "from multiprocessing import shared_memory as s\nx = s.SharedMemory(create=True, size=3)\nprint(x.size // x.size * 3)\nx.close(); x.unlink()",
    "import asyncio\nasync def f(): return 3\nprint(await f())",
    "import matplotlib.pyplot as plt\nfig = plt.figure(); plt.plot([1, 2]); fig.savefig('x.png'); print(3)",
    "import numpy as np\nprint(int(round(np.linalg.norm(np.linalg.inv(np.eye(9))))))",
    "import tempfile\nwith tempfile.TemporaryFile() as f: print(f.write(b'abc'))",
    "!echo 3",
    "import sklearn.datasets\nprint(3)",
    "import threading\nt = threading.Thread(target=print, args=(3,)); t.start(); t.join()",
]  # fmt: skip


@pytest.mark.parametrize("source", HONEST)
def test_what_honest_code_needs_works(running: Kernel, source: str) -> None:
    assert tried(running, source).strip() == "3"


# -- the network


def test_listeners_of_the_machine_are_not_reached(running: Kernel) -> None:
    name = f"autograder-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket() as tcp:
        abstract.bind(f"\0{name}")
        tcp.bind(("127.0.0.1", 0))
        for listener in (abstract, tcp):
            listener.listen(5)
        connect = (
            "import socket\nfor family, at in "
            f"((socket.AF_UNIX, '\\0{name}'), (socket.AF_INET, ('127.0.0.1', {tcp.getsockname()[1]}))):\n"
            "    try:\n        socket.socket(family).connect(at)\n        print('connected')\n"
            "    except OSError: print('refused')"
        )
        here = subprocess.run([sys.executable, "-c", connect], capture_output=True, text=True)
        assert here.stdout.split() == ["connected", "connected"]
        assert tried(running, connect).split() == ["refused", "refused"]
    assert os.readlink("/proc/self/ns/net") not in tried(
        running, "import os\nprint(os.readlink('/proc/self/ns/net'))"
    )


# -- quotas


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_files_have_a_limit_together(running: Kernel, place: str) -> None:
    source = (
        f"import os\ntry:\n    for i in range(9): open(f'{place}/big{{i}}', 'wb').write(bytes(15_000_000))\n"
        "except OSError as error: print(error.errno)\n"
        f"print(sum(os.path.getsize(f'{place}/big{{i}}') for i in range(9) if os.path.exists(f'{place}/big{{i}}')))\n"
        f"[os.unlink(f'{place}/big{{i}}') for i in range(9) if os.path.exists(f'{place}/big{{i}}')]\n"
    )
    number, size = map(int, tried(running, source).split())
    assert number == 28  # ENOSPC
    assert size <= LIMITS.disk_bytes


FORKS = (
    "import os, time\nfor _ in range(6):\n"
    "    if os.fork() == 0:\n        x = bytearray(b'1') * 400_000_000\n        time.sleep(60)\n"
    "time.sleep(60)"
)
HIDDEN = (
    "import mmap, os, time\nfor _ in range(6):\n    if os.fork() == 0:\n"
    "        x = mmap.mmap(-1, 400_000_000)\n"
    "        for i in range(0, len(x), 4096): x[i] = 1\n"
    "        x.madvise(mmap.MADV_DONTNEED)\n        time.sleep(60)\n"
    "time.sleep(60)"
)


@PATHS
@pytest.mark.parametrize("source", [FORKS, HIDDEN], ids=["processes", "shared memory"])
def test_memory_has_a_limit_together(
    source: str, forks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process has more than its own limit, but all of them together do."""
    monkeypatch.setattr(provisioner.FORK_SERVER, "refuses", not forks)
    limits = Limits(memory_bytes=2_000_000_000)
    with kernel(limits, execution_environment(), "sandbox") as started:
        assert started.execute(source, 60).ending is Ending.DIED
        assert "memory" in started._manager.provisioner.reason


def test_many_open_files_end_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "OPEN_FILES", 300)
    with kernel(Limits(), execution_environment(), "sandbox") as started:
        source = (
            "import socket, time\nx = [socket.socketpair() for _ in range(200)]\ntime.sleep(30)"
        )
        assert started.execute(source, 60).ending is Ending.DIED
        assert "files" in started._manager.provisioner.reason


def test_inodes_count(tmp_path: Path) -> None:
    with kernel(Limits(), execution_environment(), "sandbox") as started:
        before = watch.bytes_in(started.directory)
        assert not started.execute("for i in range(2000): open(f'f{i}', 'w')", 60).error
        assert watch.bytes_in(started.directory) - before >= 2000 * watch.BYTES_OF_INODE


def test_a_full_disk_is_not_a_hang() -> None:
    """With no room left for anything, cells and calls end."""
    with kernel(LIMITS, execution_environment(), "sandbox") as started:
        source = "f = [open(f'x{i}', 'wb', buffering=0) for i in range(9)]\nfor x in f:\n    while x.write(bytes(10**5)): pass"
        assert started.execute(source, 60).error


def test_the_machine_takes_a_students_process_first(running: Kernel) -> None:
    assert tried(running, "print(open('/proc/self/oom_score_adj').read())").strip() == "1000"


# -- what is hidden

LIBRARIES = ("lib/python3.11/site-packages", "lib/python3/dist-packages", ".")


@PATHS
def test_masked_modules_wherever_they_are(
    tmp_path: Path, forks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioner.FORK_SERVER, "refuses", not forks)
    for library in LIBRARIES:
        folder = tmp_path / library
        for package in ("jax", "sklearn/neural_network"):
            (folder / package / "__pycache__").mkdir(parents=True)
            (folder / package / "__init__.py").write_text("adam = 1")
        (folder / "optax.py").write_text("adam = 1")
        (folder / "keras.cpython-311-x86_64-linux-gnu.so").write_text("adam = 1")
        (folder / "harmless.py").write_text("adam = 1")
    source = (
        "import os, json\nfound = []\n"
        f"for folder, _, files in os.walk({str(tmp_path)!r}):\n"
        "    for name in files:\n"
        "        try:\n            if open(os.path.join(folder, name)).read(): found.append(name)\n"
        "        except OSError: pass\n"
        "print(json.dumps(sorted(found)))"
    )
    for masked, seen in ((sandbox.MASKED, 3), ((), 15)):
        with kernel(
            Limits(), execution_environment(), "sandbox", [str(tmp_path)], masked
        ) as started:
            found = json.loads(tried(started, source))
        assert len(found) == seen
        assert set(found) == {"harmless.py"} or not masked


@pytest.mark.parametrize("name", ["torch", "torchgen", "functorch", "sklearn.neural_network"])
def test_the_environments_own_are_masked(running: Kernel, name: str) -> None:
    path = name.replace(".", "/")
    source = (
        "import sys, os\nfor folder in sys.path:\n"
        f"    place = os.path.join(folder, {path!r})\n"
        "    if folder and os.path.isdir(place): print(place, os.listdir(place))"
    )
    seen = tried(running, source).splitlines()
    assert all(line.endswith("[]") for line in seen)
    assert "Error" in tried(
        running, f"from {name} import nn, MLPClassifier, _stochastic_optimizers"
    )
    if name != "sklearn.neural_network":
        return
    assert "Error" in tried(running, "from sklearn.neural_network import _stochastic_optimizers")


def test_an_assignment_without_our_checks_sees_everything() -> None:
    from nbformat.v4 import new_code_cell

    cell = marked(
        new_code_cell("import torch\nprint(float(torch.ones(3).sum()))"), "a", solution=True
    )
    test = marked(new_code_cell("assert True"), "t", points=1, grade=True, locked=True)
    ours = marked(new_code_cell("check.dropout_mask(f)"), "t", points=1, grade=True, locked=True)
    done = examine([cell, test], Limits(), ISOLATION)
    assert done.executions[0].outputs[0].text == "3.0\n"
    assert "Error" in examine([cell, ours], Limits(), ISOLATION).executions[0].error


def test_a_course_in_a_visible_directory_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of /usr and an environment only the parts with programs are shown, and never the directory we grade in."""
    course = tmp_path / "course"
    (course / "source").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(course)
    with kernel(Limits(), execution_environment(), "sandbox", [str(tmp_path)]) as started:
        seen = tried(
            started, f"import os\nprint(os.listdir({str(tmp_path)!r}), os.listdir({str(course)!r}))"
        )
    assert seen.strip() in ("['course', 'data'] []", "['data', 'course'] []")
    assert not any(Path(p) in (Path("/usr"), Path("/usr/local")) for p in sandbox._shown(()))
    for root in (sys.prefix, sys.base_prefix, "/usr", "/usr/local"):
        assert root not in sandbox._shown(())
        assert f"{root}/src" not in sandbox._shown(())


def test_another_copy_of_the_package_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "lib" / "python3.11" / "site-packages"
    (library / "autograder" / "assignments").mkdir(parents=True)
    (library / "autograder" / "assignments" / "rules.py").write_text("sound = 1")
    monkeypatch.setattr(sandbox, "ROOTS", (*sandbox.ROOTS, str(tmp_path)))
    for cached in (sandbox._shown, sandbox._answers):
        cached.cache_clear()
    try:
        with kernel(Limits(), execution_environment(), "sandbox") as started:
            source = f"import os\nprint(os.listdir({str(library / 'autograder')!r}))"
            assert tried(started, source).strip() == "[]"
    finally:
        for cached in (sandbox._shown, sandbox._answers):
            cached.cache_clear()


# -- when it fails, and what is left


@PATHS
def test_a_kernel_that_does_not_start_says_why(
    forks: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from autograder.cli import main

    monkeypatch.setattr(provisioner, "FORK_SERVER", provisioner.ForkServer())
    monkeypatch.setattr(provisioner.FORK_SERVER, "refuses", not forks)
    monkeypatch.setattr(provisioner, "DIGEST", "0" * 64)
    with (
        pytest.raises(CouldNotGrade, match="was changed while grading was running") as caught,
        kernel(Limits(), execution_environment(), "sandbox"),
    ):
        pass
    assert str(logs.path()) in str(caught.value)
    assert "was changed while grading was running" in logs.path().read_text(encoding="utf-8")
    path = str(ROOT / "release/dropout/dropout.ipynb")
    assert main(["grade", "--course", str(ROOT), path]) == 2
    shown = capsys.readouterr()
    assert "was changed while grading was running" in " ".join((shown.out + shown.err).split())


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "path", lambda: tmp_path / "kernels.log")
    for _ in range(40):
        logs.write("x" * 10_000_000)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 2 * logs.MAX_BYTES
    assert len(list(tmp_path.iterdir())) == 2


def test_an_old_bubblewrap_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = types.SimpleNamespace(stdout="    --tmpfs DEST", stderr="")
    monkeypatch.setattr(sandbox.subprocess, "run", lambda *a, **k: told)
    sandbox.options.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            command = sandbox.command(["/bin/true"], filter_fd=9)
    finally:
        sandbox.options.cache_clear()
    for option in ("--disable-userns", "--size", "--remount-ro"):
        assert option in caplog.text
        assert option not in command


LEAVE = """
import os, sys
sys.setrecursionlimit(10**5)
os.chdir(sys.argv[1])
os.mkdir('deep'); os.chdir('deep')
for _ in range(1500):
    os.mkdir('d' * 200); open('file', 'w').close(); os.symlink('/', 'link'); os.chdir('d' * 200)
os.chdir(sys.argv[1])
os.makedirs('closed/inner/more'); os.chmod('closed/inner', 0); os.chmod('closed', 0)
"""


def test_whatever_is_left_is_removed_by_an_ordinary_user() -> None:
    folder = Path(tempfile.mkdtemp(prefix="left-"))
    python, user = sys.executable, {}
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        python, user = "/usr/bin/python3", {"user": 65534, "group": 65534, "extra_groups": []}
    code = Path(leftovers.__file__).read_text(encoding="utf-8")
    empty = f"{code}\nimport sys\n_empty(os.open(sys.argv[1], os.O_RDONLY))\n"
    for source in (LEAVE, empty):
        subprocess.run([python, "-c", source, str(folder)], check=True, timeout=60, **user)
    assert list(folder.iterdir()) == []
    leftovers.remove(folder)
    assert not folder.exists()


@PATHS
def test_nothing_is_left_on_the_disk(
    forks: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(provisioner.FORK_SERVER, "refuses", not forks)
    monkeypatch.setattr(provisioner.tempfile, "tempdir", str(tmp_path))
    with kernel(Limits(), execution_environment(), "sandbox") as started:
        assert not started.execute("open('left', 'w').write('x' * 1000)", 20).error
        inside = [p.name for p in tmp_path.rglob("*") if p.is_file()]
        assert inside == ["connection.json"]
    assert list(tmp_path.iterdir()) == []
