"""Is every kernel's message harmless, every death the fault of one cell, and a busy machine nobody's?"""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.engine import limits as engine_limits
from autograder.engine.limits import MachineTooBusy, OutOfTime, measured_by, time_limit
from autograder.examiner import examine as examining
from autograder.examiner import kernel as kernels
from autograder.examiner import provisioner, remote
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.examine import State, examine
from autograder.examiner.kernel import Ending, Kernel, Limits, execution_environment, kernel
from autograder.examiner.meter import TICK, Meter
from autograder.examiner.said import MAX_OUTPUTS, Outputs, Said, plain
from autograder.student.plain import Opaque
from tests.conftest import ISOLATION
from tests.test_grade import GOOD, mini

LIMITS = Limits(cell_seconds=20, notebook_seconds=120, output_bytes=50_000)
MEGABYTES = 300  # by which the examiner may grow, whatever is sent


def send(kind: str, content: str, parent: str = "k.get_parent()", more: str = "") -> str:
    return f"k.session.send(k.iopub_socket, {kind!r}, content={content}, parent={parent}{more})"


RAW = (
    "import json\np = k.get_parent()\nhead = json.dumps(k.session.msg('stream')['header'], default=str).encode()\n"
    "about = json.dumps(p['header'], default=str).encode()\n"
)


def raw(frames: str) -> str:
    return f"{RAW}k.iopub_socket.send_multipart([b'x', b'<IDS|MSG>', *{frames}])"


MESSAGES = {
    "no text": send("stream", "{'name': 'stdout'}"),
    "no name": send("stream", "{'text': 'x'}"),
    "a number for text": send("stream", "{'name': 'stdout', 'text': 5}"),
    "a list for a name": send("stream", "{'name': ['stdout'], 'text': 'x'}"),
    "an unknown stream": send("stream", "{'name': 'stdin', 'text': 'x'}"),
    "a number for data": send("display_data", "{'data': 5, 'metadata': {}}"),
    "numbers in data": send("display_data", "{'data': {'text/plain': 5}, 'metadata': {}}"),
    "no data": send("display_data", "{}"),
    "a list for metadata": send("display_data", "{'data': {'text/plain': 'x'}, 'metadata': [1]}"),
    "a text for a count": send("execute_result", "{'data': {'text/plain': 'x'}, 'execution_count': 'x'}"),
    "no data in a result": send("execute_result", "{'execution_count': 1}"),
    "an empty error": send("error", "{}"),
    "numbers in an error": send("error", "{'ename': 1, 'evalue': 2, 'traceback': 3}"),
    "numbers in a traceback": send("error", "{'ename': 'E', 'evalue': 'v', 'traceback': [1, None]}"),
    "a state that is a list": send("status", "{'execution_state': []}"),
    "no state": send("status", "{}"),
    "idle before the end": send("status", "{'execution_state': 'idle'}"),
    "an unknown kind": send("nonsense", "{'a': 1}"),
    "no parent": send("stream", "{'name': 'stdout', 'text': 'x'}", parent="None"),
    "lone surrogates": send("stream", "{'name': 'stdout', 'text': '\\ud800'}"),
    "wrong signature": raw("[b'0' * 64, head, about, b'{}', b'{\"name\": \"stdout\", \"text\": \"x\"}']"),
    "garbage": "k.iopub_socket.send_multipart([bytes(range(256))] * 9)",
    "nothing": "k.iopub_socket.send_multipart([b''])",
    "too few frames": raw("[b'', head]"),
    "no JSON": raw("[b'', b'{', about, b'{}', b'{}']"),
    "lists for objects": raw("[b'', b'[]', b'[]', b'[]', b'[]']"),
    "a number for the kind": raw("[b'', b'{\"msg_type\": 5}', about, b'{}', b'{}']"),
    "a list for the parent": raw("[b'', head, b'{\"msg_id\": []}', b'{}', b'{}']"),
    "text that is no UTF-8": raw("[b'', head, about, b'{}', b'{\"text\": \"\\xff\"}']"),
    "deep nesting": raw("[b'', head, about, b'{}', b'[' * 30_000]"),
    "deep objects": raw("[b'', head, about, b'{}', b'{\"a\":' * 8_000 + b'1' + b'}' * 8_000]"),
    "a long number": raw("[b'', head, about, b'{}', b'{\"text\": ' + b'9' * 40_000 + b'}']"),
    "many frames": "k.iopub_socket.send_multipart([b'x' * 9] * 100_000)",
    "many large frames": "k.iopub_socket.send_multipart([bytes(5_000_000)] * 200, copy=True)",
    "large messages": "for _ in range(40):\n    k.iopub_socket.send_multipart([bytes(50_000_000)])",
    "large texts": "for _ in range(10):\n    print('x' * 20_000_000, flush=True)",
    "many small messages": "for _ in range(20_000):\n    " + send("stream", "{'name': 'stdout', 'text': 'x'}"),
    "many small displays": "for _ in range(5_000):\n    " + send("display_data", "{'data': {'text/plain': 'x'}}"),
    "many representations": send("display_data", "{'data': {f'text/{i}': 'x' for i in range(1_000)}}"),
    "a large exception": "raise Exception('x' * 150_000_000)",
    "an exception with lone surrogates": "raise Exception('\\ud800')",
    "printed lone surrogates": "print('\\ud800')",
    "a name that is no name": "raise type('\\ud800' * 1_000, (Exception,), {})('x')",
    "a deep traceback": "def f(n):\n    return f(n - 1) if n else 1 / 0\nf(900)",
    "an escaped lone surrogate": raw("[b'', head, about, b'{}', b'{\"text\": \"\\\\ud800\"}']"),
    "a reply on the wrong channel": send("execute_reply", "{'payload': [{'source': 'ask_exit'}]}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Kernel]:
    with kernel(LIMITS, execution_environment(), ISOLATION) as started:
        assert not started.execute("k = get_ipython().kernel", 20).error
        yield started


class Growth:
    """Megabytes by which this process grew at most; use as a context manager around something."""

    def __enter__(self) -> Growth:
        self._begin = self._peak = self._now()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self._peak = max(self._peak, self._now())

    def _now(self) -> float:
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return pages * resource.getpagesize() / 1e6
        except OSError:
            return 0.0

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._thread.join()
        self.megabytes = self._peak - self._begin


@pytest.mark.parametrize("name", MESSAGES)
def test_no_message_does_harm(running: Kernel, name: str) -> None:
    with Growth() as growth:
        execution = running.execute(MESSAGES[name], 20)
    assert execution.ending is Ending.FINISHED
    assert growth.megabytes < MEGABYTES
    assert sum(len(json.dumps(o)) for o in execution.outputs) < 4 * LIMITS.output_bytes
    cell = new_code_cell("", outputs=execution.outputs)
    nbformat.validate(new_notebook(cells=[cell]))
    json.dumps(execution.outputs, ensure_ascii=False).encode()
    after = running.execute("print(6 * 7)", 20)
    assert after.ending is Ending.FINISHED
    assert "42\n" in "".join(o.get("text", "") for o in after.outputs)


def test_outputs_are_what_was_shown(running: Kernel) -> None:
    done = running.execute(
        "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\n"
        "from IPython.display import display, HTML\ndisplay(HTML('<b>'))\n6 * 7",
        20,
    )
    kinds = [(o.output_type, o.get("name")) for o in done.outputs]
    assert ("stream", "stdout") in kinds
    assert ("stream", "stderr") in kinds
    display, result = done.outputs[-2:]
    assert display.data["text/html"] == "<b>"
    assert (result.output_type, result.data) == ("execute_result", {"text/plain": "42"})
    assert running.execute("1 / 0", 20).error == "ZeroDivisionError: division by zero"


def test_what_is_too_large_is_cut_and_says_so(running: Kernel) -> None:
    done = running.execute("print('x' * 49_000)\nprint('y' * 49_000)", 20)
    assert done.cut
    assert done.outputs[-1].text.startswith("[more output than 50000 bytes")
    huge = running.execute("raise ValueError('x' * 3_000_000)", 20)
    assert huge.cut
    assert huge.error


def test_number_of_outputs_is_limited() -> None:
    outputs = Outputs(10**6)
    for _ in range(MAX_OUTPUTS + 5):
        outputs.add(Said("display_data", "", {"data": {"text/plain": "x"}}))
    assert len(outputs.all()) == MAX_OUTPUTS + 1
    assert outputs.cut


def test_plain_text() -> None:
    assert plain("a\ud800b") == "a\ufffdb"
    assert plain("a\U0001f600b") == "a\U0001f600b"
    assert plain(5) == ""


# -- death ------------------------------------------------------------------------------------------

WAYS = {
    "exit()": "exit()",
    "quit()": "quit()",
    "os._exit": "import os; os._exit(0)",
    "SIGKILL": "import os; os.kill(os.getpid(), 9)",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "do_shutdown": "get_ipython().kernel.do_shutdown(False)",
}
LATER = {
    "thread": "import threading, time\ndef go():\n    time.sleep({s})\n    {way}\nthreading.Thread(target=go).start()\n",
}  # fmt: skip
OTHERS = {
    "timer of the system": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.4)\n",
    "timer of asyncio": "import asyncio, os\nasyncio.get_event_loop().call_later(0.4, os._exit, 0)\n",
    "process": "import os, subprocess\nsubprocess.Popen(['sh', '-c', f'sleep 0.4; kill -9 {os.getpid()}'])\n",
    "a child that holds the sockets": "import os, time\nif os.fork() == 0:\n    time.sleep(30)\nos._exit(0)\n",
}
PASSED = [State.PASSED, State.UNANSWERED, State.PASSED]
CLASSIC = GOOD["classic"]
FUNCTION = "def classic_dropout_forward(x, p, training, rng):\n    "


def states(limits: Limits = LIMITS, **changed: str) -> list[State]:
    """The states of the three tests of the small course; those without one passed or failed by their checks."""
    notebook = mini(GOOD | changed)
    tests = examine(notebook.cells, limits, ISOLATION).tests
    return [
        tests[i].state
        or (State.PASSED if all(r.passed for r in tests[i].results) else State.FAILED)
        for i in sorted(tests)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_dying_in_a_cell_costs_what_it_defines(way: str) -> None:
    assert states(classic=f"{CLASSIC}\n{WAYS[way]}") == PASSED


@pytest.mark.parametrize("way", WAYS)
def test_dying_in_a_function_costs_its_test(way: str) -> None:
    assert states(classic=FUNCTION + WAYS[way]) == [State.PASSED, State.FAILED, State.PASSED]


@pytest.mark.parametrize("seconds", [0, 0.3, 1.5])
@pytest.mark.parametrize("way", ["exit()", "os._exit", "segmentation fault", "do_shutdown"])
def test_dying_in_a_thread_costs_the_cell_that_began_it(way: str, seconds: float) -> None:
    thread = LATER["thread"].format(s=seconds, way=WAYS[way])
    assert states(classic=thread + CLASSIC) == PASSED


def test_whatever_stands_where_the_sockets_lie_costs_nothing() -> None:
    source = "import os, shutil\nshutil.rmtree('..', ignore_errors=True)\nos.makedirs('../calls')\n"
    assert states(classic=source + CLASSIC) == [State.PASSED] * 3


def test_a_directory_that_cannot_be_used_is_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    with kernel(LIMITS, execution_environment(), ISOLATION) as started:
        monkeypatch.setattr(started, "directory", Path("/nonexistent"))
        with pytest.raises(remote.KernelDied), remote.channel(started, 5):
            pass


@pytest.mark.parametrize("what", OTHERS)
def test_dying_by_what_a_cell_left_behind(what: str) -> None:
    assert states(classic=OTHERS[what] + CLASSIC) == PASSED


def test_a_thread_that_a_function_began() -> None:
    begins = (
        "    import threading, os\n    threading.Timer(0.3, os._exit, [0]).start()\n    if training"
    )
    source = CLASSIC.replace("    if training", begins, 1)
    assert states(classic=source) == [State.PASSED, State.FAILED, State.PASSED]


def test_sys_exit_ends_the_cell_only() -> None:
    assert states(classic=f"{CLASSIC}\nimport sys\nsys.exit()") == [State.PASSED] * 3


def test_two_cells_that_die() -> None:
    result = states(mask="import os\nos._exit(0)", classic="exit()")
    assert result == [State.UNANSWERED, State.UNANSWERED, State.PASSED]


def scripted(monkeypatch: pytest.MonkeyPatch, *deaths: int | None) -> list[State | None]:
    """Examine the small course with kernels that die at these cells; return the states of its tests."""
    notebook = mini(GOOD).cells
    script = iter(deaths)

    def attempt(self: examining._Examination) -> tuple[int, Ending] | None:
        death = next(script)
        for i in self.todo:
            if i == death:
                return i, Ending.DIED
            if examining.cells.is_test(notebook[i]) and i not in self.examined.tests:
                self.examined.tests[i] = examining.Outcome(state=State.PASSED)
            if i <= self.watched:
                self.cleared.add(i)
        return None

    monkeypatch.setattr(examining._Examination, "attempt", attempt)
    tests = examine(notebook, LIMITS, ISOLATION).tests
    assert next(script, "all used") == "all used"
    return [tests[i].state if i in tests else None for i in (3, 5, 7)]


def test_a_kernel_that_dies_once_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scripted(monkeypatch, 4, None) == [State.PASSED] * 3


def test_dying_at_different_cells_nothing_counts_from_the_earliest_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert scripted(monkeypatch, 6, 4, 7) == [State.PASSED, State.FAILED, State.FAILED]


def test_the_second_and_third_death_find_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scripted(monkeypatch, 6, 5, 5, None) == [State.PASSED, State.FAILED, State.PASSED]


def test_dying_for_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(restarts=1)
    notebook = mini(GOOD).cells
    monkeypatch.setattr(examining._Examination, "attempt", lambda self: (4, Ending.UNRESPONSIVE))
    tests = examine(notebook, limits, ISOLATION).tests
    assert [tests[i].state for i in (3, 5, 7)] == [State.FAILED] * 3


# -- ours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), MemoryError(), ValueError("x")]
)
def test_a_kernel_that_does_not_start_is_no_grade(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fails(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(provisioner.SandboxProvisioner, "launch_kernel", fails)
    with pytest.raises(CouldNotGrade, match="did not start"):
        states()


def test_a_kernel_that_ends_at_once_is_no_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels.sys, "executable", "/bin/false")
    monkeypatch.setattr(provisioner.SandboxProvisioner, "_fork", lambda *_arguments: None)
    with pytest.raises(CouldNotGrade, match="did not start"):
        states()


@pytest.mark.parametrize(
    "error", [ImportError("ours"), TypeError("ours"), NameError("ours"), OSError(28, "ours")]
)
def test_an_error_of_ours_is_no_grade(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr("autograder.check.run_check", fails)
    with pytest.raises(CouldNotGrade, match="ours"):
        states()


def test_a_name_that_is_no_function_is_the_students() -> None:
    assert states(mask="dropout_mask = 5") == [State.FAILED, State.PASSED, State.PASSED]


# -- time ------------------------------------------------------------------------------------------


class Waiting(Meter):
    """A meter of a process that gets a tenth of the time."""

    def _waited(self) -> float:
        return 0.9 * time.monotonic()

    def _look(self) -> dict[int, tuple[float, float]]:
        return {}


class Standing(Waiting):
    """A meter of a process that gets no time at all."""

    def _waited(self) -> float:
        return time.monotonic()


def test_waiting_for_a_processor_is_not_counted() -> None:
    meter = Waiting([1])
    meter.start()
    begin = time.monotonic()
    time.sleep(0.3)
    assert meter.tick() < 0.2 * (time.monotonic() - begin)


def test_a_process_that_starves_itself_gains_nothing() -> None:
    class Busy(Standing):
        def _look(self) -> dict[int, tuple[float, float]]:
            return {thread: (time.monotonic(), time.monotonic()) for thread in range(3)}

    meter = Busy([1])
    meter.start()
    for _ in range(2):
        time.sleep(TICK)
        meter.tick()
    assert meter.seconds >= TICK / 2


@pytest.mark.parametrize("source", ["import time\ntime.sleep(10**6)", "while True:\n    pass", "input()",
                                    "import threading\nthreading.Lock().acquire()\nx = threading.Lock()\nx.acquire()\nx.acquire()"])  # fmt: skip
def test_sleeping_and_computing_are_counted(running: Kernel, source: str) -> None:
    before = running.meter.seconds
    done = running.execute(source, 1.0)
    if source == "input()":
        assert done.error.startswith("StdinNotImplementedError")
    else:
        assert done.ending is Ending.TIMED_OUT
        assert running.meter.seconds - before >= 0.9


def test_a_cell_on_a_busy_machine_is_no_grade(
    running: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "SPARE_SECONDS", 0.0)
    monkeypatch.setattr(running, "meter", Standing(running.meter.roots))
    with pytest.raises(CouldNotGrade, match="too busy"):
        running.execute("import time\ntime.sleep(2)", 0.3)
    monkeypatch.undo()
    time.sleep(2)


def test_a_function_on_a_busy_machine_is_no_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_limits, "PATIENCE", 0.02)
    monkeypatch.setattr(kernels, "Meter", Standing)
    with pytest.raises(CouldNotGrade, match="too busy"):
        states(mask="import time\ndef dropout_mask(shape, p, rng):\n    time.sleep(3)")


def test_limits_count_the_clock_that_they_are_given() -> None:
    now = 0.0
    with measured_by(lambda: now), time_limit(1.0):
        now = 0.5
        assert engine_limits.remaining() == 0.5
    with pytest.raises(OutOfTime), time_limit(0.05):
        time.sleep(1)
    with pytest.raises(MachineTooBusy), measured_by(lambda: now), time_limit(0.02):
        time.sleep(1)


# -- replies ----------------------------------------------------------------------------------------

REPLIES = {
    "colliding numbers": "{i * (2**61 - 1): 0 for i in range(20_000)}",
    "a large text": "'x' * 3_000_000",
    "a large array": "np.zeros(5_000_000)",
    "many empty lists": "[[]] * 3_000_000",
    "deep lists": "__import__('functools').reduce(lambda x, _: [x], range(500), 0)",
}
FORCED = """
import msgpack
from autograder.student import server, wire
genuine, honest = server.answer, {honest}
def answer(*given):
    global honest
    honest -= 1
    if honest >= 0:
        return genuine(*given)
    reply = [value, None, [], None, ""]
    if isinstance(value, np.ndarray):
        return wire.dumps(reply, back=True)
    text = msgpack.packb(reply)
    return wire.LENGTH.pack(len(text)) + text
server.answer = answer
"""
"""A server that sends what ours would not, after some honest replies."""


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("where", ["first", "later"])
def test_what_is_too_large_stays_over_there(name: str, where: str) -> None:
    source = f"import numpy as np\nvalue = {REPLIES[name]}\ndef later():\n    return value"
    with kernel(LIMITS, execution_environment(), ISOLATION) as started:
        assert not started.execute(source, 30).error
        with Growth() as growth, remote.channel(started, 20) as opened:
            obtained = obtain(opened, where)
    found = obtained["value"] if where == "first" else obtained
    while isinstance(found, list) and len(found) == 1:  # of deep lists, the outermost are carried
        (found,) = found
    assert isinstance(found, Opaque)
    assert growth.megabytes < MEGABYTES


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("where", ["first", "later"])
def test_replies_are_limited_the_first_one_too(name: str, where: str) -> None:
    source = f"import numpy as np\nvalue = {REPLIES[name]}\ndef later():\n    return value"
    forced = FORCED.format(honest=0 if where == "first" else 1)
    with kernel(LIMITS, execution_environment(), ISOLATION) as started:
        assert not started.execute(source + forced, 30).error
        with (
            Growth() as growth,
            remote.channel(started, 20) as opened,
            pytest.raises(remote.KernelDied),
        ):
            obtain(opened, where)
    assert growth.megabytes < MEGABYTES


def obtain(opened: remote.Channel, where: str) -> object:
    if where == "first":
        return remote.names_in(opened, ["value"])
    return remote.names_in(opened, ["later"])["later"]()


def test_all_replies_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_REPLIES", 1_000_000)
    with kernel(LIMITS, execution_environment(), ISOLATION) as started:
        started.execute("import numpy as np\ndef f():\n    return np.zeros(50_000)", 30)
        with remote.channel(started, 20) as opened:
            f = remote.names_in(opened, ["f"])["f"]
            assert [f().shape for _ in range(2)] == [(50_000,)] * 2
            with pytest.raises(remote.KernelDied):
                f()
