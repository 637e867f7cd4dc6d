"""How does Jupyter start a kernel that student code may run in? A provisioner that puts it into the sandbox.

Registered as ``autograder-sandbox``: any kernel specification can name it, with its configuration, under
``metadata.kernel_provisioner``. The kernel gets an empty directory of its own, and Jupyter talks to it over
sockets in that directory (the ``ipc`` transport), because it has no network.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict, Enum, Instance, Integer, List, Unicode

from autograder.examiner import sandbox, watch
from autograder.examiner.sandbox import Isolation
from autograder.secret import SECRET
from autograder.student import launch

NAME = "autograder-sandbox"
ANCHOR = ["/bin/sleep", "infinity"]  # keeps a sandbox alive; its kernel is forked into it
WARM_SECONDS = 60.0
KILL_SECONDS = 5.0
DIGEST = launch.digest()  # of the code that kernels must have


class Zygote:
    """The process from which this process has its kernels forked; see :mod:`autograder.student.forkserver`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self.refuses = False

    def fork(self, request: dict[str, Any], environment: dict[str, str]) -> int | None:
        """Return the id of a process that lives as long as the new kernel; None if it can't be had."""
        with self._lock:
            if self.refuses:
                return None
            try:
                reply = self._ask(request, environment)
                self.refuses = bool(reply["failure"])
            except (OSError, ValueError):
                self.refuses = True
            return None if self.refuses else int(reply["pid"])

    def close(self) -> None:
        """End the process; it would also end by itself when this one does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, request: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(launch.__file__), "forkserver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
                start_new_session=True,  # an interrupt from the keyboard is for the examiner
            )
            self._line()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._line())
        return reply

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise OSError("the zygote ended")
        return line


def _arguments(cmd: list[str]) -> list[str]:
    """Return what a kernel's command says besides which program is to be started."""
    return cmd[cmd.index("-f") :]


ZYGOTE = Zygote()
atexit.register(ZYGOTE.close)


class SandboxProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Start a kernel under bubblewrap, with resource limits, in an empty directory.

    Files that a submission brings (a ``numpy.py``) are not there, IPython start-up files of the user are
    not read, and of the environment the kernel sees what ``environment`` holds.
    """

    isolation: Isolation = Enum(  # type: ignore[assignment]
        ("sandbox", "process"), "sandbox", help="process: resource limits only"
    ).tag(config=True)
    limits = Dict(help="values by the names of Python's resource module").tag(config=True)
    environment = Dict(help="environment variables of the kernel").tag(config=True)
    visible = List(Unicode(), help="directories that it may read besides").tag(config=True)
    processes = Integer(0, help="number of processes and threads, 0: no limit").tag(config=True)
    directory = Instance(Path)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.roots: list[int] = []  # processes outside of the sandbox, with all of it below them
        self._forked: int | None = (
            None  # a file descriptor of the process that Zygote.fork returned
        )
        self._watch = contextlib.ExitStack()

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Make the directory, have Jupyter put its sockets there, and complete the command.

        Raises
        ------
        NoSandbox
            If the sandbox is asked for and does not work here.
        """
        sandbox.require(self.isolation)
        self.directory = Path(tempfile.mkdtemp(prefix="autograder-")).resolve()
        work = self.directory / "work"
        work.mkdir()
        if os.name != "nt":  # instead of ports that anybody on the machine may open
            self.parent.transport = "ipc"
            self.parent.ip = str(self.directory / "kernel")
            self.parent.connection_file = str(self.directory / "connection.json")
        kwargs.update(
            cwd=str(work),
            env=self._whole_environment(work),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        launch: dict[str, Any] = await super().pre_launch(**kwargs)
        return launch

    def _whole_environment(self, work: Path) -> dict[str, str]:
        own = {
            "HOME": str(work),
            "IPYTHONDIR": str(work / ".ipython"),
            "LANG": "C.UTF-8",
            "MPLBACKEND": "Agg",
            "PATH": "/usr/bin:/bin",
            "PYTHONSAFEPATH": "1",
        }
        if self.isolation == "process":  # this process is not hidden: hiding the rest gains nothing
            own = {**os.environ, **own}
            own.pop(SECRET, None)
        return {**own, **self.environment}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel: forked into a new sandbox, or else by its command."""
        if self.isolation == "sandbox":
            anchored = self._command(ANCHOR)
            info = await super().launch_kernel(anchored, **kwargs)
            outside = self._fork(cmd, kwargs)
            if outside is not None:
                self._forked = os.pidfd_open(outside)
                self._count([self.process.pid, outside])
                return info
            self.process.kill()
            self.process.wait()
        start = [sys.executable, "-P", str(launch.__file__), json.dumps(self._settings())]
        info = await super().launch_kernel(self._command([*start, *_arguments(cmd)]), **kwargs)
        self._count([self.process.pid])
        return info

    def _command(self, cmd: list[str]) -> list[str]:
        return sandbox.command(cmd, self.directory, self.isolation, list(self.visible))

    def _settings(self) -> dict[str, Any]:
        """Return what :func:`autograder.student.launch.restrict` applies in the kernel's process."""
        return {"limits": dict(self.limits), "digest": DIGEST}

    def _fork(self, cmd: list[str], launch: dict[str, Any]) -> int | None:
        """Have the zygote fork a kernel into the sandbox; None if that is not possible here."""
        anchor = watch.innermost(self.process.pid, WARM_SECONDS)
        if anchor is None:
            return None
        request = {
            **self._settings(),
            "anchor": anchor,
            "arguments": _arguments(cmd),
            "cwd": launch["cwd"],
            "environment": {k: v for k, v in launch["env"].items() if k != "JPY_PARENT_PID"},
        }
        return ZYGOTE.fork(
            request, {**self.environment, "PATH": "/usr/bin:/bin", "MPLBACKEND": "Agg"}
        )

    def _count(self, roots: list[int]) -> None:
        self.roots = roots
        if self.processes and self.isolation == "sandbox":
            self._watch.enter_context(watch.processes(roots, self.processes))

    async def poll(self) -> int | None:
        """Return None while the kernel runs."""
        if self._forked is not None and select.select([self._forked], [], [], 0)[0]:
            return 1
        status: int | None = await super().poll()
        return status

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel with all that it started, and wait for that: Jupyter would look only every 0.1 s."""
        await super().kill(restart)
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(KILL_SECONDS)
        if self._forked is not None:
            select.select([self._forked], [], [], KILL_SECONDS)  # its namespace is being taken down

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the directory, and what the kernel wrote there."""
        await super().cleanup(restart)
        self._watch.close()
        if self._forked is not None:
            os.close(self._forked)
            self._forked = None
        if self.trait_has_value("directory"):
            shutil.rmtree(self.directory, ignore_errors=True)
