"""What can hostile code in the student's process reach? Each attempt is made for real."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from autograder.examiner import provisioner, sandbox, shared
from autograder.examiner.kernel import Ending, Kernel, Limits, execution_environment, kernel
from autograder.student import datasets
from tests.conftest import NO_SANDBOX, ROOT

needs_sandbox = pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX or "there is a sandbox")
LIMITS = Limits(memory_bytes=3_000_000_000, file_bytes=2_000_000, output_bytes=10_000)


@pytest.fixture(scope="module", params=["forked", "started"])
def running(request: pytest.FixtureRequest):
    """A sandboxed kernel, forked from the fork server and, for machines that forbid it, started by itself."""
    os.environ["A_SECRET_OF_THE_INSTRUCTOR"] = "hunter2"
    provisioner.FORK_SERVER.refuses = request.param == "started"
    try:
        with kernel(LIMITS, execution_environment(), "sandbox") as started:
            assert provisioner.FORK_SERVER.refuses == (request.param == "started")
            yield started
    finally:
        provisioner.FORK_SERVER.refuses = False
        del os.environ["A_SECRET_OF_THE_INSTRUCTOR"]


def tried(running: Kernel, source: str, seconds: float = 20) -> str:
    """Execute code; return what it printed, or its error."""
    execution = running.execute(source, seconds)
    assert execution.ending is Ending.FINISHED
    texts = [o.text for o in execution.outputs if o.output_type == "stream"]
    return execution.error or "".join(texts)


@needs_sandbox
@pytest.mark.parametrize(
    "path",
    [
        ROOT / "source", ROOT / "reference", ROOT / "release", ROOT / "nbgrader_config.py",
        ROOT / "tests", Path.home() / ".bashrc", Path("/etc/passwd"), Path("/etc/shadow"),
        Path("/var"), Path.home() / ".ssh", Path("/srv"),
    ],
    ids=str,
)  # fmt: skip
def test_files_outside_do_not_exist(running: Kernel, path: Path) -> None:
    assert tried(running, f"import os; print(os.path.exists({str(path)!r}))").strip() == "False"


@needs_sandbox
@pytest.mark.parametrize(
    "target", ["/usr/evil", f"{ROOT}/autograder/student/evil.py", f"{os.sys.prefix}/evil.pth"]
)
def test_what_is_visible_cannot_be_written(running: Kernel, target: str) -> None:
    error = tried(running, f"open({target!r}, 'w').write('x')")
    assert "Read-only" in error or "Permission" in error or "No such file" in error


@needs_sandbox
def test_environment_holds_no_secret(running: Kernel) -> None:
    seen = tried(running, "import os; print(dict(os.environ))")
    assert "hunter2" not in seen
    assert "SECRET" not in seen


@needs_sandbox
def test_there_is_no_network(running: Kernel) -> None:
    source = "import socket; socket.create_connection(('127.0.0.1', 1), timeout=2)"
    assert "Error" in tried(running, source)
    assert tried(running, "import os; print(os.listdir('/sys/class/net'))").startswith(
        ("FileNotFoundError", "['lo']")
    )


@needs_sandbox
@pytest.mark.parametrize("library", ["torch", "torch.nn", "functorch"])
def test_deep_learning_libraries_are_masked(running: Kernel, library: str) -> None:
    assert "Error" in tried(running, f"import {library}\n{library}.tensor")


@needs_sandbox
def test_other_processes_are_invisible(running: Kernel) -> None:
    count = tried(running, "import os; print(sum(n.isdigit() for n in os.listdir('/proc')))")
    assert int(count) < 10
    assert "Error" in tried(running, f"import os; os.kill({os.getpid()}, 9)")


@needs_sandbox
def test_there_are_no_privileges_to_be_had(running: Kernel) -> None:
    status = tried(running, "print(open('/proc/self/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {int(fields[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert fields["NoNewPrivs"] == "1"
    assert "Error" in tried(running, "import os; os.chroot('/tmp')")


@needs_sandbox
def test_nothing_is_left_open(running: Kernel) -> None:
    """No file or socket of the examiner or the fork server, only what the kernel opened itself."""
    kinds = tried(
        running,
        "import os\nfor n in os.listdir('/proc/self/fd'):\n"
        "    try: print(os.readlink('/proc/self/fd/' + n))\n    except OSError: pass",
    )
    files = [line for line in kinds.splitlines() if line.startswith("/") and "/dev/" not in line]
    own = ("/proc/", str(running.directory))
    assert [line for line in files if not line.startswith(own)] == []


@needs_sandbox
def test_training_images_can_be_read_and_not_written(running: Kernel) -> None:
    folder = str(shared.directory())
    assert tried(running, f"import os; print(os.path.isdir({folder!r}))").strip() == "True"
    assert "Read-only" in tried(running, f"open({folder!r} + '/evil', 'w')")


@needs_sandbox
def test_too_many_processes_end_the_sandbox() -> None:
    limits = Limits(processes=100)
    with kernel(limits, execution_environment(), "sandbox") as started:
        source = "import os\nwhile True:\n    os.fork()"
        assert started.execute(source, 60).ending in (Ending.DIED, Ending.FINISHED)
    if os.geteuid() == 0:
        with kernel(limits, execution_environment(), "sandbox") as started:
            source = (
                "import os, time\nfor _ in range(150):\n    if os.fork() == 0: time.sleep(60)\n"
            )
            assert started.execute(source + "time.sleep(30)", 60).ending is Ending.DIED


@needs_sandbox
def test_only_training_data_is_shared(tmp_path: Path) -> None:
    data = datasets.load("digits")
    path = shared.place(data.train_x)
    assert path is not None
    assert np.array_equal(np.load(path), data.train_x)
    assert shared.place(data.test_x) is None
    assert shared.place(data.train_x.copy()) is None


@needs_sandbox
def test_memory_bomb_is_an_error_in_the_cell(running: Kernel) -> None:
    assert "MemoryError" in tried(running, "x = bytearray(20_000_000_000)")


@needs_sandbox
def test_large_files_are_refused(running: Kernel) -> None:
    assert "File too large" in tried(running, "open('big', 'wb').write(bytes(5_000_000))")


@needs_sandbox
def test_background_processes_die_with_the_kernel(tmp_path: Path) -> None:
    with kernel(LIMITS, execution_environment(), "sandbox") as started:
        source = (
            "import subprocess\n"
            "subprocess.Popen(['setsid', 'sleep', '77.31'], start_new_session=True)"
        )
        started.execute(source, 10)
        time.sleep(0.3)
        assert b"77.31" in processes()
    time.sleep(0.5)
    assert b"77.31" not in processes()


def processes() -> bytes:
    out = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            out += path.read_bytes()
        except OSError:
            continue
    return out


@needs_sandbox
def test_interrupt_reaches_the_kernel() -> None:
    with kernel(LIMITS, execution_environment(), "sandbox") as started:
        assert started.execute("while True: pass", 1).ending is Ending.TIMED_OUT
        assert not started.execute("1 + 1", 10).error


def test_without_a_sandbox_grading_refuses(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from autograder.cli import main

    monkeypatch.setattr(sandbox, "why_not", lambda: "bubblewrap is not installed")
    with pytest.raises(sandbox.NoSandbox, match="bubblewrap is not installed"):
        sandbox.require("sandbox")
    sandbox.require("process")
    path = str(ROOT / "release/dropout/dropout.ipynb")
    assert main(["grade", "--course", str(ROOT), path]) == 2
    assert "Install bubblewrap" in capsys.readouterr().err
