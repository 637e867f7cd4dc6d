"""How is one cell executed? A kernel of our own, with limits on time and output."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode
from nbformat.v4 import new_output, output_from_msg

from autograder.engine.messages import _
from autograder.examiner import provisioner, shared
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.sandbox import MASKED, Isolation

READY_SECONDS = 60.0
ASK_AGAIN = 0.05
LOOK_AGAIN = 0.002
BEGIN_SECONDS = 15.0  # within which a kernel that is not busy begins to execute


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes
    ----------
    cell_seconds, notebook_seconds:
        Wall time for one cell, and for all cells of a notebook.
    output_bytes:
        Output kept per cell; the rest is thrown away as it arrives.
    restarts:
        How often a kernel that died is replaced, so that the remaining cells can be graded.
    cpu_seconds, memory_bytes, file_bytes, open_files, processes:
        Limits of each of its processes: processor time, address space (NumPy maps about 1 GB before
        it computes anything), size of a file, open files. In the sandbox only: how many processes and
        threads there may be, and memory_bytes is also the limit of all of them together, with their files.
    disk_bytes:
        Size of all files in /tmp, and of those in /dev/shm (in the sandbox only, where they lie in memory).
    """

    cell_seconds: float = 240.0
    notebook_seconds: float = 600.0
    output_bytes: int = 1_000_000
    restarts: int = 12
    cpu_seconds: int = 900
    memory_bytes: int = 6_000_000_000
    file_bytes: int = 100_000_000
    open_files: int = 512
    processes: int = 256
    disk_bytes: int = 500_000_000

    def resources(self, isolation: Isolation) -> dict[str, int]:
        """Return the limits by the names of Python's resource module."""
        limits = {
            "RLIMIT_CPU": self.cpu_seconds,
            "RLIMIT_AS": self.memory_bytes,
            "RLIMIT_FSIZE": self.file_bytes,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_CORE": 0,
        }
        return limits | ({"RLIMIT_NPROC": self.processes} if isolation == "sandbox" else {})


class Ending(Enum):
    """How the execution of a cell ended."""

    FINISHED = "finished"
    TIMED_OUT = "timed out"
    UNRESPONSIVE = "could not be interrupted"
    DIED = "kernel died"


@dataclass
class Execution:
    """What happened when a cell was executed."""

    ending: Ending
    outputs: list[NotebookNode] = field(default_factory=list)
    cut: bool = False

    @property
    def error(self) -> str:
        """The exception that the cell ended with, as one line, or an empty string."""
        for output in self.outputs:
            if output.output_type == "error":
                text = f"{output.get('ename', '')}: {output.get('evalue', '')}".strip(": ")
                return (text.splitlines() or [""])[0][:200]
        return ""


class Kernel:
    """A running kernel: executes cells one after the other."""

    def __init__(
        self,
        manager: KernelManager,
        client: BlockingKernelClient,
        limits: Limits,
        directory: Path,
    ) -> None:
        self._manager, self._client, self._limits = manager, client, limits
        self._begun = ""
        self.directory = directory
        self.inside: Path = manager.provisioner.inside  # the directory as the kernel sees it
        self.usable = True

    def is_alive(self) -> bool:
        """Tell whether the kernel's process runs."""
        return bool(self._manager.is_alive())

    def begin(self, source: str) -> None:
        """Start executing ``source`` without waiting for its end."""
        self._begun = self._client.execute(
            source, silent=True, allow_stdin=False, stop_on_error=False
        )

    def finish(self, patience: float) -> None:
        """End what was begun; ``usable`` tells whether the kernel can execute anything after."""
        result = Execution(Ending.FINISHED)
        if self._collect(self._begun, time.monotonic() + patience, result):
            return
        if self.is_alive():
            self._manager.interrupt_kernel()
        self.usable = self._collect(self._begun, time.monotonic() + 5.0, result)

    def execute(self, source: str, seconds: float) -> Execution:
        """Execute ``source`` and collect its outputs; ends within ``seconds`` and a short grace."""
        message_id = self._client.execute(source, allow_stdin=False, stop_on_error=False)
        result = Execution(Ending.FINISHED)
        if self._collect(message_id, time.monotonic() + seconds, result):
            return result
        if not self._manager.is_alive():
            result.ending = Ending.DIED
            return result
        self._manager.interrupt_kernel()
        idle = self._collect(message_id, time.monotonic() + 5.0, result)
        result.ending = Ending.TIMED_OUT if idle else Ending.UNRESPONSIVE
        return result

    def _collect(self, message_id: str, deadline: float, result: Execution) -> bool:
        """Gather outputs until the kernel says that it is idle; False if it did not by then.

        A kernel that does not even say that it has begun has lost its ability to listen (a patched
        ``json``, say) and is given up early.
        """
        room = self._limits.output_bytes - sum(_size(o) for o in result.outputs)
        begin_by = time.monotonic() + BEGIN_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self._client.get_iopub_msg(timeout=min(0.5, left))
            except queue.Empty:
                if not self._manager.is_alive() or time.monotonic() > begin_by:
                    return False
                continue
            if message["parent_header"].get("msg_id") != message_id:
                continue
            begin_by = deadline
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return True
            if kind not in ("stream", "display_data", "execute_result", "error"):
                continue
            output = output_from_msg(message)
            if kind == "error" or _size(output) <= room:
                room -= append_output(result.outputs, output)
            elif not result.cut:
                result.cut = True
                note = _("[more output than {n} bytes: the rest was thrown away]\n")
                text = note.format(n=self._limits.output_bytes)
                result.outputs.append(new_output("stream", name="stdout", text=text))
        return False


def append_output(outputs: list[NotebookNode], output: NotebookNode) -> int:
    """Add an output, joining streams; return its size."""
    last = outputs[-1] if outputs else None
    if last and output.output_type == "stream" == last.output_type and output.name == last.name:
        last.text += output.text
    else:
        outputs.append(output)
    return _size(output)


def _size(output: NotebookNode) -> int:
    text = output.get("text")
    return len(text) if isinstance(text, str) else len(json.dumps(output, default=str))


@contextlib.contextmanager
def kernel(
    limits: Limits,
    environment: Mapping[str, str],
    isolation: Isolation = "sandbox",
    visible: Sequence[str] = (),
    masked: Sequence[str] = MASKED,
    hidden: Sequence[str] = (),
) -> Iterator[Kernel]:
    """Start a kernel of this very Python, isolated, and kill it afterwards with all it started.

    ``visible`` are directories that it may read besides, ``hidden`` those in visible ones that it may not, ``masked``
    modules that it cannot import.

    Raises
    ------
    NoSandbox
        If the sandbox is asked for and does not work here.
    CouldNotGrade
        If the kernel does not start.
    """
    # The context is shared: ending one waits 0.1 s for messages that a killed kernel will not read.
    manager = KernelManager(kernel_name="python3", context=zmq.Context.instance())
    manager.kernel_spec.argv = [
        sys.executable, "-f", "{connection_file}", "--HistoryManager.enabled=False",
    ]  # fmt: skip
    manager.kernel_spec.interrupt_mode = "message"  # signals do not reach into a PID namespace
    settings = {
        "isolation": isolation,
        "limits": limits.resources(isolation),
        "environment": dict(environment),
        "visible": [str(shared.directory()), *visible],
        "masked": list(masked),
        "hidden": [*hidden],
        "processes": limits.processes,
        "memory": limits.memory_bytes,
        "disk": limits.disk_bytes,
    }
    manager.kernel_spec.metadata = {
        "kernel_provisioner": {"provisioner_name": provisioner.NAME, "config": settings}
    }
    try:
        manager.start_kernel()
        wait_for_sockets(manager)
        client = manager.blocking_client()
        client.start_channels()
        directory = manager.provisioner.directory
        try:
            wait_until_ready(manager, client)
            yield Kernel(manager, client, limits, directory)
        finally:
            client.stop_channels()
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def wait_for_sockets(manager: KernelManager) -> None:
    """Wait until a kernel has made the files of its sockets: who connects earlier tries again after 0.1 s."""
    last = Path(f"{manager.ip}-{manager.hb_port}")
    deadline = time.monotonic() + READY_SECONDS
    while manager.transport == "ipc" and not last.exists():
        if time.monotonic() > deadline or not manager.is_alive():
            raise did_not_start(manager)
        time.sleep(LOOK_AGAIN)


def wait_until_ready(manager: KernelManager, client: BlockingKernelClient) -> None:
    """Wait until a kernel answers, on the channel of its outputs too.

    Jupyter's own ``wait_for_ready`` also waits 0.2 s for outputs of earlier users; this kernel had none.

    Raises
    ------
    CouldNotGrade
        If it does not.
    """
    deadline = time.monotonic() + READY_SECONDS
    while manager.is_alive() and time.monotonic() < deadline:
        client.kernel_info()  # asked again: what it said before we could hear it is lost
        with contextlib.suppress(queue.Empty):
            client.get_iopub_msg(timeout=ASK_AGAIN)
            return
    raise did_not_start(manager)


def did_not_start(manager: KernelManager) -> CouldNotGrade:
    """Return the error that says what the kernel's processes said, and where all of it stands."""
    why = manager.provisioner.why_not()
    return CouldNotGrade(_("the kernel did not start: {why}").format(why=why))


def execution_environment(**more: Any) -> dict[str, str]:
    """Return environment variables that make a run repeatable, and those given."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(threads, "1") | {k: str(v) for k, v in more.items()}
