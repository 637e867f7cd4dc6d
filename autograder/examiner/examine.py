"""What happens when a notebook is executed? Its cells run in the student's kernel, its tests here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nbformat import NotebookNode

from autograder import check
from autograder.engine.results import CheckResult
from autograder.examiner import cells
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
    called over there. When the kernel dies or hangs, the cell that did it is left out, a new kernel
    repeats the ordinary cells before it, and the rest follows.
    """
    examined = Examined()
    done = examined.tests
    left_out: set[int] = set()
    end = time.monotonic() + limits.notebook_seconds
    todo = [
        i for i, c in enumerate(notebook) if c.cell_type == "code" and not cells.is_experiment(c)
    ]
    for _attempt in range(1 + limits.restarts):
        with kernel(limits, execution_environment(), isolation) as running:
            for i in todo:
                is_test = cells.is_test(notebook[i])
                if i in left_out or (is_test and i in done):
                    continue
                seconds = min(limits.cell_seconds, end - time.monotonic())
                if seconds <= 0:
                    return examined
                if is_test:
                    done[i] = run_test(notebook[i].source, running, seconds)
                else:
                    execution = running.execute(notebook[i].source, seconds)
                    examined.executions[i] = execution
                    if execution.ending in (Ending.DIED, Ending.UNRESPONSIVE):
                        left_out.add(i)
                        running.usable = False
                if not running.usable:
                    break
            else:
                return examined
    return examined


def run_test(source: str, running: Kernel, seconds: float) -> Outcome:
    """Run a test cell of the course here, on the functions of the student's kernel."""
    outcome = Outcome()
    names = [name for name in cells.names_used(source) if name != "check"]
    try:
        with channel(running, seconds) as opened:
            namespace = {"check": check, **names_in(opened, names)}
            with check.collecting() as outcome.results:
                exec(compile(source, "<test cell>", "exec"), namespace)
    except NameError as error:
        outcome.state, outcome.says = State.UNANSWERED, str(error)
    except KernelDied as error:
        outcome.state, outcome.says = State.NOT_GRADED, str(error)
    except Exception as error:
        outcome.state, outcome.says = State.FAILED, f"{type(error).__name__}: {error}"[:300]
    return outcome
