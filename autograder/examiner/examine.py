"""What does a notebook do? Its own cells run in the student's kernel, the course's test cells here.

When a kernel dies, the cell that killed it must be found, and be the same one each time:

1. The first death only makes us look closely. All begins anew with another kernel, which gets a pause after each cell up
   to where the first one died, so that threads, timers and processes of a cell kill it before the next cell.
2. A cell at which two kernels in a row died is left out; the rest goes on with another kernel.
3. Where no two of three kernels died at the same cell, nothing counts from the earliest of these cells on.

A cell that cannot be interrupted is left out at once. One that asks for the kernel's end (``exit()``) has killed it: IPython
would only take a tenth of a second longer.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from nbformat import NotebookNode

from autograder import check
from autograder.engine.limits import MachineTooBusy, OutOfTime, time_limit
from autograder.engine.messages import _
from autograder.engine.replies import RemoteFailure
from autograder.engine.results import CheckResult
from autograder.examiner import cells, sandbox
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.kernel import (
    Ending,
    Execution,
    Kernel,
    Limits,
    execution_environment,
    kernel,
)
from autograder.examiner.remote import KernelDied, channel, names_in
from autograder.examiner.sandbox import Isolation

# What may be the doing of an earlier cell, or of the machine.
DEATHS = (Ending.DIED, Ending.DEAF, Ending.LEFT)
NAMES_SECONDS = 10.0
TEST_CELL = "<test cell>"
PACKAGE = str(Path(__file__).parents[1])


class State(StrEnum):
    """The one state in which a graded cell ends."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    UNANSWERED = "not answered"
    TIMED_OUT = "timed out"
    NOT_GRADED = "could not be graded"
    MANUAL = "graded by hand"


@dataclass
class Outcome:
    """What happened in a graded cell: the verdicts of its checks, or why there are none."""

    results: list[CheckResult] = field(default_factory=list)
    state: State | None = None
    says: str = ""


@dataclass
class Examined:
    """What happened in a notebook, by the numbers of its cells."""

    tests: dict[int, Outcome] = field(default_factory=dict)
    executions: dict[int, Execution] = field(default_factory=dict)


def examine(notebook: Sequence[NotebookNode], limits: Limits, isolation: Isolation) -> Examined:
    """Execute a notebook's cells; return the outcome of each test cell and the others' outputs.

    Ordinary cells run in the student's kernel. Test cells run here: the functions that they name are
    called over there.

    Raises
    ------
    CouldNotGrade
        If something fails that is not the notebook's: a kernel does not start, the machine is too busy.
    NoSandbox
        If the sandbox is asked for and does not work here.
    """
    return _Examination(notebook, limits, isolation).run()


class _Examination:
    """The state of one examination.

    Attributes
    ----------
    masked:
        Modules that cannot be imported: none in an assignment that does not use our checks.
    left_out:
        Cells that are not executed any more.
    watched:
        The number of the last cell after which there is a pause.
    cleared:
        Cells that a kernel survived, pause included.
    used:
        Seconds used so far, by all kernels.
    """

    def __init__(
        self, notebook: Sequence[NotebookNode], limits: Limits, isolation: Isolation
    ) -> None:
        self.notebook, self.limits, self.isolation = notebook, limits, isolation
        self.todo = [
            i
            for i, c in enumerate(notebook)
            if c.cell_type == "code" and not cells.is_experiment(c)
        ]
        checked = any(cells.is_test(c) and cells.check_calls(c.source) for c in notebook)
        self.masked = sandbox.MASKED if checked else ()
        self.examined = Examined()
        self.left_out: set[int] = set()
        self.cleared: set[int] = set()
        self.watched = -1
        self.used = 0.0

    def run(self) -> Examined:
        deaths: list[int] = []  # at which nobody was blamed yet
        for _kernel in range(1 + self.limits.restarts):
            stopped = self.attempt()
            if stopped is None:
                return self.examined
            i, ending = stopped
            if ending in DEATHS:
                deaths.append(i)
            if ending not in DEATHS or deaths[-2:] == [i, i]:
                self.leave_out(i, ending)
                deaths.clear()
            elif len(deaths) == 3:
                self.give_up(
                    min(deaths), _("the kernel died, each time at another cell"), self.todo
                )
                return self.examined
            else:
                self.look_closely(i)
        done = self.examined.tests
        self.give_up(0, _("the kernel died too often"), [i for i in self.todo if i not in done])
        return self.examined

    def attempt(self) -> tuple[int, Ending] | None:
        """Execute what is to be executed; return the cell at which the kernel became unusable, and how."""
        before = self.used
        with kernel(
            self.limits, execution_environment(), self.isolation, masked=self.masked
        ) as running:
            for i in self.todo:
                if i in self.left_out or i in self.examined.tests:
                    continue
                self.used = before + running.meter.seconds
                seconds = min(self.limits.cell_seconds, self.limits.notebook_seconds - self.used)
                if seconds <= 0:
                    break
                self.execute(i, running, seconds)
                self.used = before + running.meter.seconds
                if not running.usable:
                    return i, running.ending
                if i <= self.watched:
                    self.cleared.add(i)
        return None

    def execute(self, i: int, running: Kernel, seconds: float) -> None:
        """Execute one cell, and wait for what it leaves behind."""
        cell = self.notebook[i]
        if cells.is_test(cell):
            self.examined.tests[i] = run_test(cell.source, running, seconds)
        else:
            self.examined.executions[i] = running.execute(cell.source, seconds)
        if _is_ours(cell):
            running.get_used_to()
        elif running.usable:
            ending = running.settle(careful=i <= self.watched and i not in self.cleared)
            if i in self.examined.executions:
                self.examined.executions[i].ending = ending

    def leave_out(self, i: int, ending: Ending) -> None:
        """Do without a cell; a test at which the kernel died has failed."""
        self.left_out.add(i)
        if cells.is_test(self.notebook[i]) and ending is not Ending.UNRESPONSIVE:
            self.examined.tests[i] = Outcome(
                state=State.FAILED, says=_("the kernel died in your function")
            )

    def look_closely(self, i: int) -> None:
        """Have the next kernel pause after all cells up to this one, and forget what tests said that had no pause."""
        self.watched = max(self.watched, i)
        for test in list(self.examined.tests):
            if test not in self.cleared and test not in self.left_out:
                del self.examined.tests[test]

    def give_up(self, first: int, says: str, which: Sequence[int]) -> None:
        """Let none of these tests count from a cell on."""
        for i in which:
            if i >= first and cells.is_test(self.notebook[i]):
                self.examined.tests[i] = Outcome(state=State.FAILED, says=says)


def run_test(source: str, running: Kernel, seconds: float) -> Outcome:
    """Run a test cell of the course here, on the functions of the student's kernel.

    Raises
    ------
    CouldNotGrade
        If something fails here, and not over there.
    """
    outcome = Outcome()
    names = [name for name in cells.names_used(source) if name != "check"]
    try:
        with channel(running, seconds) as opened:
            with time_limit(NAMES_SECONDS):
                namespace = {"check": check, **names_in(opened, names)}
            with check.collecting() as outcome.results:
                exec(compile(source, TEST_CELL, "exec"), namespace)
    except CouldNotGrade:
        raise
    except MachineTooBusy as error:
        raise CouldNotGrade(str(error) or _("the machine was too busy; grade again")) from error
    except OutOfTime:
        outcome.state, outcome.says = State.TIMED_OUT, _("the notebook's names cannot be read")
    except NameError as error:
        _require_students(error)
        outcome.state, outcome.says = State.UNANSWERED, str(error)
    except KernelDied as error:
        outcome.state, outcome.says = State.FAILED, str(error)
    except Exception as error:
        _require_students(error)
        outcome.state, outcome.says = State.FAILED, f"{type(error).__name__}: {error}"[:300]
    return outcome


def _require_students(error: Exception) -> None:
    """Check that an exception comes from the student's functions, or from what the test cell did with their values.

    Raises
    ------
    CouldNotGrade
        If it comes from this package.
    """
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first one is that of `run_test`
    ours = [frame for frame in frames if frame.filename.startswith(PACKAGE)]
    if isinstance(error, RemoteFailure) or not ours:
        return
    if isinstance(error, TypeError) and frames[-1] is ours[-1] and frames[-1].name == "__call__":
        return  # a check was given something else than functions
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    raise CouldNotGrade(
        _("an error of the grader: {name}: {says} ({where})").format(
            name=type(error).__name__, says=str(error)[:200], where=where
        )
    ) from error


def _is_ours(cell: NotebookNode) -> bool:
    """Tell whether an ordinary cell is the course's, so that what it starts belongs to the kernel."""
    return cells.nbgrader(cell).get("locked") is True and not cells.is_test(cell)
