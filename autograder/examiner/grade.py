"""What is a submission worth? Rebuilds, executes and scores one notebook, outside a gradebook.

Fails closed: a graded cell without a readable verdict of exactly the checks it calls earns nothing, and
every cell ends in one definite state with a sentence.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from nbformat import NotebookNode

from autograder import check
from autograder.engine.messages import _
from autograder.engine.results import CheckResult
from autograder.engine.scoring import combined_score
from autograder.examiner import cells, sandbox
from autograder.examiner.kernel import (
    Ending,
    Execution,
    Kernel,
    Limits,
    execution_environment,
    kernel,
)
from autograder.examiner.rebuild import rebuild
from autograder.examiner.remote import KernelDied, channel, names_in
from autograder.examiner.sandbox import Isolation
from autograder.secret import course_secret, hidden_cases, student_key


class State(StrEnum):
    """The one state in which a graded cell ends."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    UNANSWERED = "not answered"
    TIMED_OUT = "timed out"
    NOT_GRADED = "could not be graded"
    MANUAL = "graded by hand"


@dataclass(frozen=True)
class CellGrade:
    """The grade of one cell; ``says`` is the reason in one sentence, empty when it passed."""

    id: str
    points: float
    max_points: float
    state: State
    says: str = ""
    results: tuple[CheckResult, ...] = ()


@dataclass
class NotebookGrade:
    """The grade of one notebook, or the reason why it could not be graded."""

    path: Path
    assignment: str = ""
    cells: list[CellGrade] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0

    @property
    def graded(self) -> bool:
        """False when the notebook could not be graded at all."""
        return not self.reason

    @property
    def points(self) -> float:
        """Points reached in automatically graded cells."""
        return round(sum(c.points for c in self.cells if c.state is not State.MANUAL), 6)

    @property
    def max_points(self) -> float:
        """Points of all automatically graded cells."""
        return sum(c.max_points for c in self.cells if c.state is not State.MANUAL)

    @property
    def manual_points(self) -> float:
        """Points that people give, not counted in the others."""
        return sum(c.max_points for c in self.cells if c.state is State.MANUAL)


class Course:
    """The notebooks of a course: from ``source/``, or from ``release/`` where there is no source."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.has_source = any(self.root.glob("source/*/*.ipynb"))
        folder = "source" if self.has_source else "release"
        self.notebooks = {
            path.parent.name: path for path in sorted(self.root.glob(f"{folder}/*/*.ipynb"))
        }

    def read(self, assignment: str) -> NotebookNode:
        """Return the course's notebook of an assignment."""
        return cells.read_notebook(self.notebooks[assignment])

    def assignment_of(self, submitted: NotebookNode) -> str | None:
        """Return the assignment that most cells of a submission belong to, or None."""
        counts = {name: rebuild(self.read(name), submitted).recognised for name in self.notebooks}
        best = max(counts, key=lambda name: counts[name], default=None)
        return best if best and counts[best] else None


def grade(
    path: Path,
    course: Course,
    assignment: str | None = None,
    student: str = "",
    limits: Limits | None = None,
    isolation: Isolation = "sandbox",
) -> NotebookGrade:
    """Grade one notebook; never raises because of what the notebook holds.

    Parameters
    ----------
    path:
        The submission.
    course:
        Where the assignment's own notebook comes from.
    assignment:
        Its name, or None to find it by the cells of the submission.
    student:
        Decides which hidden cases are drawn.
    limits:
        Limits on time, output and resources.
    isolation:
        ``"sandbox"``, or ``"process"`` where bubblewrap cannot run: then student code is kept apart from
        tests and answers, but the file system is not protected.

    Raises
    ------
    NoSandbox
        If the sandbox is asked for and does not work here.
    """
    sandbox.require(isolation)
    start = time.monotonic()
    report = NotebookGrade(path, assignment or "")
    if assignment is not None and assignment not in course.notebooks:
        report.reason = _("there is no assignment {name} in {root}").format(
            name=assignment, root=course.root
        )
        return report
    try:
        submitted = cells.read_notebook(path)
    except cells.UnreadableNotebook as error:
        report.reason = str(error)
        return report
    name = assignment or course.assignment_of(submitted)
    if name is None:
        report.reason = _("no cell of it belongs to an assignment of this course")
        return report
    report.assignment = name
    rebuilt = rebuild(course.read(name), submitted)
    report.reason = rebuilt.refusal(name)
    if report.reason:
        return report
    report.remarks = rebuilt.remarks
    if rebuilt.missing:
        report.remarks.append(
            _("missing solution cells: {names}").format(names=", ".join(rebuilt.missing))
        )
    key = student_key(course_secret(course.root), student) if course.has_source else ""
    with hidden_cases(key):
        examined = examine(rebuilt.notebook.cells, limits or Limits(), isolation)
    report.cells = [
        score(cell, examined.tests.get(i))
        for i, cell in enumerate(rebuilt.notebook.cells)
        if cells.is_test(cell) or cells.is_manual(cell)
    ]
    report.seconds = time.monotonic() - start
    return report


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


def score(cell: NotebookNode, outcome: Outcome | None) -> CellGrade:
    """Turn what happened in a graded cell into its grade."""
    name, maximum = cells.grade_id(cell), cells.points(cell)

    def none(state: State, says: str) -> CellGrade:
        return CellGrade(name, 0.0, maximum, state, says)

    if cells.is_manual(cell):
        return none(State.MANUAL, "")
    if outcome is None:
        return none(State.TIMED_OUT, _("the notebook ran out of time before this cell"))
    if outcome.state is not None:
        return none(outcome.state, outcome.says)
    results = outcome.results
    if [r.check for r in results] != cells.check_calls(cell.source) or not results:
        return none(State.NOT_GRADED, _("the cell gave no verdict"))
    reached = combined_score(results)
    failed = next((r for r in results if not r.passed), None)
    state = State.PASSED if failed is None else State.PARTIAL if reached else State.FAILED
    if failed is not None and failed.ending == "not written":
        state = State.UNANSWERED
    elif failed is not None and failed.ending == "out of time":
        state = State.TIMED_OUT
    says = failed.reason() if failed else ""
    return CellGrade(name, round(reached * maximum, 2), maximum, state, says, tuple(results))
