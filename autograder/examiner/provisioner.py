"""How does Jupyter start a kernel that student code may run in? A provisioner that puts it into the sandbox.

Registered as ``autograder-sandbox``: any kernel specification can name it, with its configuration, under
``metadata.kernel_provisioner``. The kernel gets an empty directory of its own, in the memory of the sandbox, and
Jupyter talks to it over sockets beside it (the ``ipc`` transport), because it has no network. From outside, they are
found through ``/proc/<a process of the sandbox>/root``; when the sandbox ends, they are gone.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict, Enum, Integer, List, Unicode

from autograder.engine.messages import _
from autograder.examiner import leftovers, logs, sandbox, watch
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.sandbox import Isolation
from autograder.secret import SECRET
from autograder.student import launch

NAME = "autograder-sandbox"
ANCHOR = ["/bin/sleep", "infinity"]  # keeps a sandbox alive; its kernel is forked into it
WARM_SECONDS = 60.0
KILL_SECONDS = 5.0
DIGEST = launch.digest()  # of the code that kernels must have


class Told:
    """What processes write to their standard error, as much of it as a socket holds (some 100 kB).

    A socket, and not a file or pipe, because nobody can open it again through ``/proc``. Who writes more
    loses it: nobody waits.
    """

    def __init__(self) -> None:
        self._reading, self.writing = socket.socketpair()
        self._reading.setblocking(False)
        self.writing.setblocking(False)

    def read(self) -> str:
        """Return what was written since the last time."""
        found = b""
        with contextlib.suppress(OSError):
            while chunk := self._reading.recv(1 << 16):
                found += chunk
        return found.decode("utf-8", "replace")

    def close(self) -> None:
        """Close both ends."""
        self._reading.close()
        self.writing.close()


class ForkServer:
    """The process from which this process has its kernels forked; see :mod:`autograder.student.forkserver`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._told: Told | None = None
        self.refuses = False

    def fork(self, request: dict[str, Any], environment: dict[str, str]) -> int | None:
        """Return the id of a process that lives as long as the new kernel; None if it can't be had."""
        with self._lock:
            if self.refuses:
                return None
            self.said()  # by kernels that did start
            try:
                reply = self._ask(request, environment)
                failure = reply["failure"]
            except (OSError, ValueError) as error:
                failure = f"{error}\n{self.said()}"
            self.refuses = bool(failure)
            if failure:
                logs.write(f"kernels are not forked: {failure}")
                return None
            return int(reply["pid"])

    def said(self) -> str:
        """Return what it, and kernels that have not begun, wrote to standard error since the last time."""
        return self._told.read() if self._told is not None else ""

    def close(self) -> None:
        """End the process; it would also end by itself when this one does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._told is not None:
            self._told.close()
            self._told = None

    def _ask(self, request: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._told = Told()
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(launch.__file__), "forkserver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._told.writing.fileno(),
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
            raise OSError("the fork server ended")
        return line


FORK_SERVER = ForkServer()
atexit.register(FORK_SERVER.close)


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
    hidden = List(Unicode(), help="directories that it must not see in visible ones").tag(
        config=True
    )
    masked = List(Unicode(), list(sandbox.MASKED), help="modules that it cannot import").tag(
        config=True
    )
    processes = Integer(0, help="number of processes and threads, 0: no limit").tag(config=True)
    memory = Integer(0, help="bytes that all processes and files have together, 0: no limit").tag(
        config=True
    )
    disk = Integer(500_000_000, help="bytes of files in /tmp, and in /dev/shm").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.roots: list[int] = []  # processes outside of the sandbox, with all of it below them
        self.reason = ""  # why the sandbox was ended by the examiner
        self.directory = self.inside = Path()  # where the sockets are: for us, for the kernel
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self._forked: int | None = None  # a file descriptor of what ForkServer.fork returned
        self._watch = contextlib.ExitStack()
        self._told: Told | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Say where Jupyter finds the sockets, and complete the command.

        Raises
        ------
        NoSandbox
            If the sandbox is asked for and does not work here.
        """
        sandbox.require(self.isolation)
        self._own = tempfile.TemporaryDirectory(prefix="autograder-")
        own = Path(self._own.name).resolve()
        if self.isolation == "sandbox":
            self.directory = self.inside = sandbox.INSIDE
            work = sandbox.WORK
        else:
            self.directory = self.inside = own
            work = own / "work"
            work.mkdir()
        if os.name != "nt":  # instead of ports that anybody on the machine may open
            self.parent.transport = "ipc"
            self.parent.ip = str(self.inside / "kernel")
            self.parent.connection_file = str(own / "connection.json")
        self._told = Told()
        kwargs.update(
            cwd=str(own),
            env=self._whole_environment(work),
            stdout=subprocess.DEVNULL,
            stderr=self._told.writing.fileno(),
        )
        launch: dict[str, Any] = await super().pre_launch(**kwargs)
        return launch

    async def post_launch(self, **kwargs: Any) -> None:
        """Have clients look for the sockets where they are seen from outside."""
        await super().post_launch(**kwargs)
        if os.name != "nt":
            self.parent.ip = str(self.directory / "kernel")

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
        arguments = self._arguments(cmd)
        start = [sys.executable, "-P", str(launch.__file__), json.dumps(self._settings())]
        if self.isolation == "process":
            kwargs["cwd"] = str(self.directory / "work")
            return await super().launch_kernel([*start, *arguments], **kwargs)
        if not FORK_SERVER.refuses:
            info, anchor = await self._start(ANCHOR, kwargs)
            outside = None if anchor is None else self._fork(arguments, anchor, kwargs["env"])
            if outside is not None:
                self._forked = os.pidfd_open(outside)
                self._guard([self.process.pid, outside])
                return info
            self.process.kill()
            self.process.wait()
        info, anchor = await self._start([*start, *arguments], kwargs)
        if anchor is None:
            raise CouldNotGrade(_("the kernel did not start: {why}").format(why=self.why_not()))
        self._guard([self.process.pid])
        return info

    async def _start(self, argv: list[str], kwargs: dict[str, Any]) -> tuple[Any, int | None]:
        """Start a command in a new sandbox; return also its process, None if it ended at once."""
        assert self._own is not None
        with sandbox.filter_pipe() as pipe:
            full = sandbox.command(
                argv,
                filter_fd=pipe.fileno(),
                connection=Path(self._own.name).resolve() / "connection.json",
                visible=list(self.visible),
                masked=list(self.masked),
                hidden=[os.getcwd(), *self.hidden],
                bytes_of_files=self.disk,
            )
            info = await super().launch_kernel(full, **kwargs, pass_fds=[pipe.fileno()])
        anchor = watch.innermost(self.process.pid, WARM_SECONDS)
        if anchor is not None:
            self.directory = Path(f"/proc/{anchor}/root{sandbox.INSIDE}")
        return info, anchor

    def _arguments(self, cmd: list[str]) -> list[str]:
        """Return what a kernel's command says besides which program is to be started."""
        seen = str(self.inside / "connection.json")
        return [
            seen if word == self.parent.connection_file else word for word in cmd[cmd.index("-f") :]
        ]

    def _settings(self) -> dict[str, Any]:
        """Return what :func:`autograder.student.launch.restrict` applies in the kernel's process."""
        filtered = self.isolation == "sandbox"
        return {"limits": dict(self.limits), "digest": DIGEST, "filter": filtered}

    def _fork(self, arguments: list[str], anchor: int, environment: dict[str, str]) -> int | None:
        """Have a kernel forked into the sandbox; None if that is not possible here."""
        request = {
            **self._settings(),
            "anchor": anchor,
            "arguments": arguments,
            "cwd": str(sandbox.WORK),
            "environment": {k: v for k, v in environment.items() if k != "JPY_PARENT_PID"},
        }
        return FORK_SERVER.fork(
            request, {**self.environment, "PATH": "/usr/bin:/bin", "MPLBACKEND": "Agg"}
        )

    def _guard(self, roots: list[int]) -> None:
        self.roots = roots
        places = [self.directory, self.directory.parent / "dev/shm"]
        limits = watch.Limits(self.processes, self.memory)
        self._watch.enter_context(watch.guarded(roots, limits, places, self._ended))

    def _ended(self, reason: str) -> None:
        self.reason = reason

    def why_not(self) -> str:
        """Return why the kernel does not run, as far as its processes told; all they said is in the log."""
        told = (self._told.read() if self._told else "").strip() or FORK_SERVER.said().strip()
        logs.write(f"a kernel did not start: {told or 'its processes said nothing'}")
        last = told.splitlines()[-1] if told else _("its processes said nothing")
        return _("{last}; all of it stands in {log}").format(last=last[:300], log=logs.path())

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
        if self._told is not None:
            self._told.close()
            self._told = None
        if self._own is not None:
            leftovers.remove(Path(self._own.name))
            self._own.cleanup()
            self._own = None
