"""How is one cell executed? A kernel of our own, with limits on time and output.

Nothing that a kernel sends is believed: see :mod:`autograder.examiner.zmtp` for how it is read, and
:mod:`autograder.examiner.said` for what becomes of it.
"""

from __future__ import annotations

import contextlib
import select
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode

from autograder.engine.limits import PATIENCE
from autograder.engine.messages import _
from autograder.examiner import provisioner, shared
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.meter import TICK, Meter
from autograder.examiner.said import Outputs, Said, last_error, plain
from autograder.examiner.sandbox import MASKED, Isolation, NoSandbox
from autograder.examiner.zmtp import Connection

READY_SECONDS = 60.0
ASK_AGAIN = 0.05
LOOK_AGAIN = 0.005
BEGIN_SECONDS = 5.0  # within which a kernel that is not busy begins to execute
INTERRUPT_SECONDS = 5.0  # within which an interrupted cell ends
IDLE_SECONDS = 1.0  # within which the outputs of a cell arrive after its reply
DEATH_SECONDS = 5.0  # between the end of a process's sockets and its own
REST_SECONDS = 1.0
LINGER_SECONDS = 3.0
REPLY_BYTES = 1_000_000  # of a message on the shell channel
SPARE_BYTES = 100_000  # of a message with outputs, besides the outputs
SPARE_SECONDS = 5.0
# What a reply then tells besides: that IPython was told to exit (by whatever way), that a timer is running. And tqdm
# needs no thread.
PREPARE = """
import signal, sys
from IPython import get_ipython
shell = get_ipython()
tell = shell.payload_manager.write_payload
timers = shell.kernel.io_loop.asyncio_loop._scheduled
shell.observe(
    lambda change: change.new and tell({"source": "ask_exit", "keepkernel": False}), "exit_now"
)
shell.events.register(
    "post_execute",
    lambda: (timers or any(signal.getitimer(signal.ITIMER_REAL))) and tell({"source": "timer"}),
)
if "tqdm" in sys.modules:
    sys.modules["tqdm"].tqdm.monitor_interval = 0
"""


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes
    ----------
    cell_seconds, notebook_seconds:
        Time for one cell, and for all cells of a notebook, without that in which the machine had no
        processor free; see :class:`autograder.examiner.meter.Meter`.
    output_bytes:
        Output kept per cell; the rest is thrown away as it arrives.
    restarts:
        How often a kernel that died is replaced, so that the remaining cells can be graded; each cell
        that kills it takes two.
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
    restarts: int = 30
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
    DEAF = "kernel does not answer"
    DIED = "kernel died"
    LEFT = "kernel was told to exit"


@dataclass
class Execution:
    """What happened when a cell was executed."""

    ending: Ending
    outputs: list[NotebookNode] = field(default_factory=list)
    cut: bool = False

    @property
    def error(self) -> str:
        """The exception that the cell ended with, as one line, or an empty string."""
        return last_error(self.outputs)


class Silence(Exception):
    """The kernel will not do what is awaited; ``ending`` tells why."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.value)
        self.ending = ending


class Manager(KernelManager):  # type: ignore[misc]
    """Jupyter's manager, without its own socket to the kernel: libzmq would collect all that comes from there."""

    def _connect_control_socket(self) -> None:
        pass

    async def _async_interrupt_kernel(self) -> None:
        pass  # it is about to be killed

    def socket(self, channel: str) -> Path:
        """Return the file of one of the kernel's sockets."""
        return Path(f"{self.ip}-{getattr(self, f'{channel}_port')}")


class Kernel:
    """A running kernel: executes cells one after the other.

    Attributes
    ----------
    directory:
        Where its sockets lie.
    inside:
        The same directory as the kernel sees it.
    meter:
        Counts the time that its processes use.
    ending:
        How the last execution ended.
    """

    def __init__(self, manager: Manager, limits: Limits) -> None:
        self._manager, self._limits = manager, limits
        self.directory: Path = manager.provisioner.directory
        self.inside: Path = manager.provisioner.inside
        self.meter = Meter(manager.provisioner.roots)
        self.ending = Ending.FINISHED
        self._begun = ""
        self._early: Ending | None = None  # how that ended, if it was heard already
        self._silences = 0  # times that the kernel replied and then did not say that it was idle
        self._timer = False  # whether one was running after the last reply
        self._known: set[int] = set()  # threads that do not belong to the last cell
        self._channels: dict[str, Connection] = {}
        try:
            for channel, kind, most in (
                ("shell", "DEALER", REPLY_BYTES),
                ("iopub", "SUB", limits.output_bytes + SPARE_BYTES),
                ("control", "DEALER", 0),  # nothing is ever read from it
            ):
                self._channels[channel] = Connection(manager.socket(channel), kind, most)
            self._wait_until_ready()
            self._request(f"exec({PREPARE!r}, {{}})", silent=True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self.meter.close()
        for connection in self._channels.values():
            connection.close()

    @property
    def usable(self) -> bool:
        """Whether the kernel can execute anything after what it did last."""
        return self.ending in (Ending.FINISHED, Ending.TIMED_OUT)

    def is_alive(self) -> bool:
        """Tell whether the kernel's process runs."""
        return bool(self._manager.is_alive())

    def begin(self, source: str) -> None:
        """Start executing ``source`` without waiting for its end."""
        self._begun, self._early = self._request(source, silent=True), None

    def has_ended(self) -> bool:
        """Tell whether what was begun has ended already, or the kernel has."""
        try:
            for _channel, said in self._hear(0.0):
                if said.kind == "execute_reply" and said.parent == self._begun:
                    self._early = self._ending_of(said)
        except Silence as silence:
            self._early = silence.ending
        return self._early is not None

    def finish(self, patience: float) -> None:
        """End what was begun within some seconds; ``ending`` tells how that went."""
        self._await(self._begun, patience, Outputs(0))

    def execute(self, source: str, seconds: float) -> Execution:
        """Execute ``source`` and collect its outputs; ends within ``seconds`` and a short grace.

        Raises
        ------
        CouldNotGrade
            If the machine is so busy that the kernel cannot use ``seconds`` in five times as many.
        """
        outputs = Outputs(self._limits.output_bytes)
        ending = self._await(self._request(source), seconds, outputs)
        return Execution(ending, outputs.all(), outputs.cut)

    def settle(self, careful: bool) -> Ending:
        """Wait, for some seconds, until what the last cell started has ended; return how that went.

        A kernel that dies while it has nothing to do is killed by what a cell left behind: a thread, a process, a timer.
        To know which cell, let that end before the next one begins.

        Parameters
        ----------
        careful:
            Wait a moment even if no thread and no process is seen.
        """
        started = self.meter.threads() - self._known
        if not (started or careful or self._timer):
            return self.ending
        ending, begin = self.ending, time.monotonic()
        self.meter.start()
        try:
            self._rest(started, begin + (REST_SECONDS if careful else 0.0), begin + LINGER_SECONDS)
        except Silence as silence:
            self.ending = silence.ending
            return self.ending
        finally:
            self.meter.tick()
        self._known = self.meter.threads()
        # A kernel that was told to exit says so when it is asked for something.
        barrier = self._await(self._request("", silent=True), BEGIN_SECONDS, Outputs(0))
        self.ending = ending if barrier is Ending.FINISHED else barrier
        return self.ending

    def _rest(self, started: set[int], not_before: float, not_after: float) -> None:
        """Wait until these threads have ended and no timer can be running any more.

        Raises
        ------
        Silence
            If the kernel dies meanwhile.
        """
        while (now := time.monotonic()) < not_after:
            if not self._timer and now >= not_before and not started & self.meter.threads():
                return
            self._hear(LOOK_AGAIN)

    def get_used_to(self) -> None:
        """Take the threads and processes that run now for the kernel's own."""
        self._known = self.meter.threads()

    def _request(self, source: str, silent: bool = False) -> str:
        """Send a request to execute something; return its id."""
        content = {
            "code": plain(source), "silent": silent, "store_history": not silent, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": False,
        }  # fmt: skip
        return self._send("shell", "execute_request", content)

    def _send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        session = self._manager.session
        message = session.msg(kind, content)
        with contextlib.suppress(OSError):  # it died; who waits for the reply will notice
            self._channels[channel].send(session.serialize(message))
        return str(message["header"]["msg_id"])

    def _wait_until_ready(self) -> None:
        """Wait until the kernel answers, on the channel of its outputs too.

        Raises
        ------
        OSError, Silence
            If it does not.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self._send(
                "shell", "kernel_info_request", {}
            )  # what it said before we heard it is lost
            if any(channel == "iopub" for channel, _said in self._hear(ASK_AGAIN)):
                return
            if not self.is_alive():
                break
        raise OSError(_("it does not answer"))

    def _await(self, request: str, seconds: float, outputs: Outputs) -> Ending:
        """Wait for the end of a request, interrupt it when its time is over; set and return the ending."""
        self.meter.start()
        try:
            self.ending = self._listen(request, seconds, outputs)
            if self.ending is Ending.TIMED_OUT:
                self.ending = Ending.UNRESPONSIVE
                self._send("control", "interrupt_request", {})
                with contextlib.suppress(Silence):
                    if self._listen(request, INTERRUPT_SECONDS, outputs) is Ending.FINISHED:
                        self.ending = Ending.TIMED_OUT
        except Silence as silence:
            self.ending = silence.ending
        finally:
            self.meter.tick()
        return self.ending

    def _listen(self, request: str, seconds: float, outputs: Outputs) -> Ending:
        """Gather outputs until the kernel has replied and said that it is idle.

        A kernel that does not even say that it has begun has lost its ability to listen (a patched
        ``json``, say) and is given up early.

        Raises
        ------
        Silence
            If it dies, or does not begin.
        """
        reply = self._early if request == self._begun else None
        start, begin = self.meter.tick(), time.monotonic()
        looked = replied = begin
        begun = idle = False
        every = max(0.0, min(TICK, seconds))
        while reply is None or not idle:
            for channel, said in self._hear(every):
                if said.parent != request:
                    continue
                begun = True
                if channel == "iopub":
                    outputs.add(said)
                    idle = idle or said.is_idle
                elif said.kind == "execute_reply" and reply is None:
                    reply, replied = self._ending_of(said), time.monotonic()
            now = time.monotonic()
            if reply is not None:
                idle = idle or "iopub" not in self._channels
                if not idle and now - replied >= (IDLE_SECONDS if self._silences < 3 else 0.0):
                    self._silences += 1
                    outputs.cut = idle = True
            elif now - looked >= every:
                looked = now
                self._look(self.meter.tick() - start, seconds, now - begin, begun)
                if self.meter.seconds - start >= seconds:
                    return Ending.TIMED_OUT
        return reply

    def _look(self, used: float, seconds: float, wall: float, begun: bool) -> None:
        """Give up a request on which the kernel, or the machine, is not working."""
        if not self.is_alive():
            raise Silence(Ending.DIED)
        if not begun and used >= BEGIN_SECONDS:
            raise Silence(Ending.DEAF)
        require_time(used, seconds, wall)

    def _hear(self, seconds: float) -> list[tuple[str, Said]]:
        """Wait for messages; return those that are there, with their channels.

        Raises
        ------
        Silence
            If the kernel closed its side of the shell channel.
        """
        heard: list[tuple[str, Said]] = []
        listening = [name for name in ("shell", "iopub") if name in self._channels]
        ready = select.select([self._channels[name] for name in listening], [], [], seconds)[0]
        for name in listening:
            if (connection := self._channels[name]) not in ready:
                continue
            try:
                said = [Said.of(message) for message in connection.receive()]
            except OSError:
                if name == "shell":
                    raise Silence(self._hung_up()) from None
                self._channels.pop(name).close()
                continue
            heard += [(name, one) for one in said if one is not None]
        return heard

    def _ending_of(self, reply: Said) -> Ending:
        self._timer = "timer" in reply.announced
        return Ending.LEFT if "ask_exit" in reply.announced else Ending.FINISHED

    def _hung_up(self) -> Ending:
        """Return whether a kernel that closed its channel dies; its sockets end a moment before its process."""
        deadline = time.monotonic() + DEATH_SECONDS
        while time.monotonic() < deadline:
            if not self.is_alive():
                return Ending.DIED
            time.sleep(LOOK_AGAIN)
        return Ending.UNRESPONSIVE


def require_time(used: float, seconds: float, wall: float) -> None:
    """Give up when the machine is too busy to let the kernel use the time that it may.

    Parameters
    ----------
    used, seconds:
        The time that the kernel used, and that it may use.
    wall:
        The time that went by.

    Raises
    ------
    CouldNotGrade
        If it is far more.
    """
    if used < seconds and wall > PATIENCE * seconds + SPARE_SECONDS:
        raise CouldNotGrade(
            _(
                "the machine was too busy: of {wall:.0f} s the notebook could use {used:.0f} s; grade again with fewer workers"
            ).format(wall=wall, used=used)
        )


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
    settings = {
        "isolation": isolation,
        "limits": limits.resources(isolation),
        "environment": dict(environment),
        "visible": [str(shared.directory()), *visible],
        "masked": [*masked],
        "hidden": [*hidden],
        "processes": limits.processes,
        "memory": limits.memory_bytes,
        "disk": limits.disk_bytes,
    }
    # A context of its own would wait 0.1 s at its end.
    manager = Manager(kernel_name="python3", context=zmq.Context.instance())
    try:
        running = _started(manager, limits, settings)
        try:
            yield running
        finally:
            running.close()
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _started(manager: Manager, limits: Limits, settings: Mapping[str, Any]) -> Kernel:
    try:
        manager.kernel_spec.argv = [
            sys.executable, "-f", "{connection_file}", "--HistoryManager.enabled=False",
        ]  # fmt: skip
        manager.kernel_spec.interrupt_mode = "message"  # signals do not reach into a PID namespace
        manager.kernel_spec.metadata = {
            "kernel_provisioner": {"provisioner_name": provisioner.NAME, "config": settings}
        }
        manager.start_kernel()
        wait_for_sockets(manager)
        return Kernel(manager, limits)
    except (NoSandbox, CouldNotGrade):
        raise
    except Exception as error:
        why = manager.provisioner.why_not() if manager.provisioner else str(error)
        raise CouldNotGrade(_("the kernel did not start: {why}").format(why=why)) from error


def wait_for_sockets(manager: Manager) -> None:
    """Wait until a kernel has made the files of its sockets.

    Raises
    ------
    OSError
        If it does not.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not manager.socket("hb").exists():  # the last one
        if time.monotonic() > deadline or not manager.is_alive():
            raise OSError(_("it makes no sockets"))
        time.sleep(LOOK_AGAIN)


def append_output(outputs: list[NotebookNode], output: NotebookNode) -> None:
    """Add an output, joining streams."""
    last = outputs[-1] if outputs else None
    if last and output.output_type == "stream" == last.output_type and output.name == last.name:
        last.text += output.text
    else:
        outputs.append(output)


def execution_environment(**more: Any) -> dict[str, str]:
    """Return environment variables that make a run repeatable, and those given."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(threads, "1") | {k: str(v) for k, v in more.items()}
