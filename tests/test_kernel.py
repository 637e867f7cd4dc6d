"""Does a dying, lying or flooding kernel cost what the guilty cell defines, and nothing else?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autograder.examiner.examine import examine
from autograder.examiner.grade import State
from autograder.examiner.kernel import Ending, Kernel, Limits, execution_environment, kernel
from tests.conftest import ISOLATION
from tests.test_grade import FULL, GOOD, course, graded, mini, submit

__all__ = ["course"]  # a fixture

LIMITS = Limits(cell_seconds=20)
SEGFAULT = "import ctypes\nctypes.string_at(0)"
LATER = """
import os, threading, time
def leave():
    time.sleep({seconds})
    os._exit(0)
threading.Thread(target=leave{daemon}).start()
"""
DEATHS = {
    "exit()": "exit()",
    "quit()": "quit()",
    "exit(keep_kernel=False)": "get_ipython().ask_exit()",
    "do_shutdown": "get_ipython().kernel.do_shutdown(False)",
    "os._exit": "import os\nos._exit(0)",
    "os.abort": "import os\nos.abort()",
    "kill -9": "import os\nos.kill(os.getpid(), 9)",
    "segmentation fault": SEGFAULT,
    "thread": LATER.format(seconds=0, daemon=""),
    "thread, in 0.2 s": LATER.format(seconds=0.2, daemon=""),
    "daemonic thread, in 0.5 s": LATER.format(seconds=0.5, daemon=", daemon=True"),
}


@pytest.mark.parametrize("way", DEATHS)
def test_only_what_the_deadly_cell_defines_is_missing(course, way: str) -> None:
    result = submit(course, LIMITS, classic=DEATHS[way])
    assert {key: value for key, value in result.items() if key != "question"} == {
        "mask": FULL,
        "classic": (0, State.UNANSWERED),
        "mc": FULL,
    }


@pytest.mark.parametrize("way", ["sys.exit", "exit"])
def test_leaving_by_exception_is_an_exception(course, way: str) -> None:
    """``sys.exit()`` ends the cell, as at home; in a function it is what the function raised."""
    body = "import sys\n    sys.exit()" if way == "sys.exit" else "raise SystemExit"
    function = f"def classic_dropout_forward(x, p, training, rng):\n    {body}"
    result = submit(course, LIMITS, classic=function)
    assert result["classic"][0] == 0
    assert (result["mask"], result["mc"]) == (FULL, FULL)


@pytest.mark.parametrize("way", ["os._exit", "kill -9", "segmentation fault", "exit()", "thread"])
def test_a_function_that_kills_fails_alone(course, way: str) -> None:
    body = DEATHS[way].strip().replace("\n", "\n    ")
    function = f"def classic_dropout_forward(x, p, training, rng):\n    {body}\n    return x"
    result = submit(course, LIMITS, classic=function)
    assert result["classic"][0] == 0
    assert (result["mask"], result["mc"]) == (FULL, FULL)


def test_a_kernel_that_dies_each_time_elsewhere_loses_all_from_the_earliest_cell(course) -> None:
    """Nobody can be blamed: a counter outside of the sandbox is not to be had, so chance plays it."""
    endings = iter([(3, Ending.DIED), (5, Ending.DIED), (1, Ending.DIED)])
    notebook = mini(GOOD)

    class Dying:
        usable = True

    with pytest.MonkeyPatch.context() as patch:
        from autograder.examiner import examine as module

        patch.setattr(module._Examination, "attempt", lambda self: next(endings))
        done = module.examine(notebook.cells, LIMITS, ISOLATION)
    assert {i: o.state for i, o in done.tests.items()} == dict.fromkeys([3, 5, 7], State.FAILED)


# -- messages ----------------------------------------------------------------------------------

SEND = """
k = get_ipython().kernel
def say(kind, content, **more):
    k.session.send(k.iopub_socket, kind, content=content, parent=k.get_parent(), **more)
"""
MALFORMED = {
    "no text": "say('stream', {'name': 'stdout'})",
    "text is a number": "say('stream', {'name': 'stdout', 'text': 5})",
    "name is a list": "say('stream', {'name': [], 'text': 'x'})",
    "data is a number": "say('display_data', {'data': 5, 'metadata': {}})",
    "data holds numbers": "say('display_data', {'data': {'text/plain': 5, 'image/png': 7}, 'metadata': {}})",
    "metadata is a number": "say('display_data', {'data': {'text/plain': 'x'}, 'metadata': 3})",
    "traceback is a number": "say('error', {'ename': 'E', 'evalue': 'v', 'traceback': 3})",
    "traceback of numbers": "say('error', {'ename': 1, 'evalue': [], 'traceback': [1, {}]})",
    "status is a list": "say('status', {'execution_state': ['idle']})",
    "content is a list": "say('stream', [1, 2])",
    "unknown kind": "say('nonsense', {})",
    "kind is a number": "say(7, {})",
    "wrong signature": "s = k.session.sign\nk.session.sign = lambda m: b'0' * 64\nsay('stream', {'name': 'stdout', 'text': 'x'})\nk.session.sign = s",
    "garbage frames": "k.iopub_socket.send_multipart([b'', b'\\xff\\x00', b'<IDS|MSG>'])",
    "no frames": "k.iopub_socket.send_multipart([b''])",
    "many frames": "k.iopub_socket.send_multipart([b'x'] * 5000)",
    "not JSON": "k.iopub_socket.send_multipart([b't', b'<IDS|MSG>', b's', b'{', b'{', b'{', b'{'])",
    "deep JSON": "d = b'[' * 200_000\nk.iopub_socket.send_multipart([b't', b'<IDS|MSG>', b's', d, d, d, d])",
    "lone surrogate": "print('\\ud800')\nsay('stream', {'name': 'stdout', 'text': '\\ud800'})",
    "surrogate in an exception": "raise Exception('\\ud800')",
    "exception of 150 MB": "raise Exception('x' * 150_000_000)",
    "50 MB, ten times": "for _ in range(10):\n    say('stream', {'name': 'stdout', 'text': 'x' * 50_000_000})",
    "many tiny ones": "for _ in range(20_000):\n    say('display_data', {'data': {'text/plain': 'x'}, 'metadata': {}})",
    "many streams in turn": "import sys\nfor _ in range(5_000):\n    print(1, flush=True)\n    print(2, file=sys.stderr, flush=True)",
}


@pytest.mark.parametrize("which", MALFORMED)
def test_whatever_is_said_nothing_stops_and_nothing_is_lost(course, which: str) -> None:
    talking = f"{SEND}\n{GOOD['classic']}\ntry:\n    pass\nfinally:\n" + "\n".join(
        "    " + line for line in MALFORMED[which].splitlines()
    )
    result = submit(course, LIMITS, classic=talking)
    assert (result["mask"], result["classic"], result["mc"]) == (FULL, FULL, FULL)


def test_a_shower_of_output_leaves_a_bounded_notebook(course) -> None:
    loud = "raise Exception('y' * 30_000_000)"
    report = graded(course, mini(GOOD | {"mask": GOOD["mask"] + "\n" + loud}), LIMITS)
    assert len(report.notebook) < 500_000


# -- clocks ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Kernel]:
    with kernel(Limits(), execution_environment(), ISOLATION) as started:
        yield started


@pytest.mark.parametrize(
    "source",
    ["while True: pass", "import time; time.sleep(1e6)", "import threading as t; t.Event().wait()"],
)
def test_a_cell_ends_at_its_limit_whether_it_computes_or_sleeps(
    running: Kernel, source: str
) -> None:
    done = running.execute(source, 1.0)
    assert done.ending is Ending.TIMED_OUT
    assert not running.execute("1 + 1", 10).error


def test_a_kernel_that_does_not_start_is_not_the_students_doing(course, monkeypatch) -> None:
    from autograder.examiner import provisioner
    from autograder.examiner.errors import CouldNotGrade

    monkeypatch.setattr(provisioner, "DIGEST", "0" * 64)
    with pytest.raises(CouldNotGrade, match="did not start"):
        examine(mini(GOOD).cells, LIMITS, ISOLATION)
