"""How does a class get from its submissions into the gradebook? Work goes out to a cluster, results come in.

The cluster is Dask's: one of this machine's cores, started here, or one that runs already. Results are kept
as they come, and written by this process alone.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed
from tqdm import tqdm

from autograder.cohort.gradebook import NotReady, Writer
from autograder.cohort.store import Store
from autograder.cohort.work import Work, examine_work, versions
from autograder.engine.messages import _
from autograder.examiner import handed_in, sandbox
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.grade import NotebookGrade, State
from autograder.examiner.pipeline import Course, ours
from autograder.examiner.plain import plain
from autograder.examiner.rebuild import rebuild
from autograder.foreign import line
from autograder.secret import course_secret, student_key
from autograder.student import datasets

ALL_GRADED, SOME_NOT, COULD_NOT, RUN_AGAIN, INTERRUPTED = 0, 1, 2, 3, 130
WORKER_MEMORY = "3GiB"  # PyTorch and the data set need 0.5; kernels are processes of their own
AHEAD = 3  # pieces of work per core that are on their way


@dataclass
class Batch:
    """What became of the submissions of a run, by student.

    ``failed`` says why there was nothing to grade, ``again`` what went wrong that is not the student's doing:
    nothing is kept of that, and the next run tries again.
    """

    done: dict[str, NotebookGrade] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)

    def not_graded(self) -> dict[str, str]:
        """Return the students without a grade of their work, and why."""
        found = self.failed | self.again
        for student, done in self.done.items():
            for grade in done.cells:
                if grade.state is State.NOT_GRADED:
                    found.setdefault(student, grade.says)
        return found


def autograde(
    root: Path,
    assignment: str,
    students: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
) -> int:
    """Grade the submissions of an assignment, and return the exit status.

    Parameters
    ----------
    root:
        The course directory.
    assignment:
        Name of the assignment.
    students:
        Whose submissions; all when empty.
    workers:
        Number of processes on this machine; None means one per core.
    scheduler:
        Address of a Dask scheduler whose workers are to be used instead.
    force:
        Examine everything anew, also what was examined before.
    """
    root = root.resolve()
    store = Store(root)
    batch = Batch()
    try:
        writer = Writer(root, assignment)
        works = prepare(root, writer, students, batch)
        if scheduler is None:
            sandbox.require(writer.examine.isolation)
        interrupted = interrupts()
        bar = tqdm(total=len(works), desc=assignment, unit=_("submission"), file=sys.stderr)
        with bar:
            todo = settle(works, writer, store, batch, bar, force)
            if todo:
                with cluster(workers, scheduler, len(todo)) as client:
                    for work, done in examined(client, todo, batch):
                        if done is not None:
                            store.put(work.address(), done)
                            commit(work, done, writer, store, batch)
                        bar.set_postfix_str(_("{n} not graded").format(n=len(batch.not_graded())))
                        bar.update()
                        if interrupted():
                            raise KeyboardInterrupt
    except KeyboardInterrupt:
        print(
            _("\nInterrupted. The same command continues where this one stopped."), file=sys.stderr
        )
        return INTERRUPTED
    except (NotReady, sandbox.NoSandbox, datasets.DatasetError, OSError) as error:
        print(f"\nautograder: {line(error)}", file=sys.stderr)
        return COULD_NOT
    print(plain(table(batch)))
    if batch.again:
        return RUN_AGAIN
    return SOME_NOT if batch.not_graded() else ALL_GRADED


def interrupts() -> Callable[[], bool]:
    """Return a function that tells whether Ctrl-C was pressed, also where a library swallowed it."""
    pressed: list[int] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        pressed.append(signum)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handle)
    return lambda: bool(pressed)


def prepare(root: Path, writer: Writer, students: Sequence[str], batch: Batch) -> list[Work]:
    """Return the work for the submissions that are there; the batch says why there is none for some students.

    Raises
    ------
    NotReady
        If there is no such assignment, or a student handed in nothing.
    """
    course = Course(root)
    name = writer.assignment
    if not course.has_source or name not in course.notebooks:
        raise NotReady(_("there is no source/{name}").format(name=name))
    notebook, text = course.read(name), course.notebooks[name].read_text(encoding="utf-8")
    folders = {path.parent.name: path for path in sorted(root.glob(f"submitted/*/{name}"))}
    missing = [student for student in students if student not in folders]
    if missing or not folders:
        who = ", ".join(missing) or _("anybody")
        raise NotReady(_("nothing was handed in by {who}").format(who=who))
    secret, dataset = course_secret(root), datasets.load(n_train=1).name
    limits, isolation = writer.examine.limits(), writer.examine.isolation
    works = []
    for student in students or folders:
        try:
            with ours():
                if student != plain(student):
                    raise CouldNotGrade(_("the name of the student's folder is not UTF-8 text"))
                path = handed_in.choose(
                    folders[student], name, lambda nb: rebuild(notebook, nb).recognised
                )
                if path is None:
                    batch.failed[student] = _("the folder holds no notebook of this assignment")
                    continue
                submitted = handed_in.notebook_or_reason(
                    functools.partial(handed_in.read_notebook, path)
                )
        except CouldNotGrade as error:
            batch.again[student] = str(error)
            continue
        works.append(
            Work(
                student, name, json.dumps(submitted), text, student_key(secret, student), dataset,
                limits, isolation, versions(),
            )
        )  # fmt: skip
    return works


def settle(
    works: Sequence[Work], writer: Writer, store: Store, batch: Batch, bar: Any, force: bool
) -> list[Work]:
    """Write what was examined before and is not in the gradebook; return what is left to examine."""
    scores = writer.scores()
    todo = []
    for work in works:
        done = None if force else store.get(work.address())
        if done is None:
            todo.append(work)
            continue
        there = scores.get(work.student, {})
        notebook = writer.autograded(work.student)
        if all(
            there.get(g.id) == g.points for g in done.cells if g.state is not State.MANUAL
        ) and store.is_written(work.student, work.assignment, work.address(), notebook):
            batch.unchanged.append(work.student)
            batch.done[work.student] = done
        else:
            commit(work, done, writer, store, batch)
        bar.update()
    return todo


def commit(work: Work, done: NotebookGrade, writer: Writer, store: Store, batch: Batch) -> None:
    """Write a result into the gradebook, and note that it is there."""
    try:
        writer.write(work.student, done)
    except CouldNotGrade as error:
        batch.again[work.student] = str(error)
        return
    store.note_written(
        work.student, work.assignment, work.address(), writer.autograded(work.student)
    )
    batch.done[work.student] = done


def examined(
    client: Client, works: Sequence[Work], batch: Batch
) -> Iterator[tuple[Work, NotebookGrade | None]]:
    """Have work done and yield it with its result as it comes; None if it could not be done.

    Raises
    ------
    NoSandbox, DatasetError
        If the workers lack what grading needs.
    """
    queue = iter(works)
    running: dict[str, Work] = {}
    room = AHEAD * max(1, sum(client.ncores().values()))
    results = as_completed(raise_errors=False)

    def submit(count: int) -> None:
        for work in itertools.islice(queue, count):
            future = client.submit(
                examine_work, work, key=f"{work.student}-{work.address()}", pure=False
            )
            running[future.key] = work
            results.add(future)

    submit(room)
    for future in results:
        work = running.pop(future.key)
        done = None
        if future.status == "finished":
            done = future.result()
        else:
            error = future.exception()
            if isinstance(error, sandbox.NoSandbox | datasets.DatasetError):
                raise error
            killed = isinstance(error, KilledWorker)
            says = _("the process that graded it was killed, several times")
            batch.again[work.student] = says if killed else str(error) or repr(error)
        future.release()
        submit(1)
        yield work, done


@contextlib.contextmanager
def cluster(workers: int | None, scheduler: str | None, n: int) -> Iterator[Client]:
    """Connect to a cluster, or start one on this machine with as many workers as are of use."""
    settings = {
        "distributed.scheduler.work-stealing": False,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.worker.daemon": True,
        "distributed.worker.profile.enabled": False,  # would look at the worker 100 times a second
        "distributed.admin.system-monitor.gil.enabled": False,
        "distributed.admin.tick.interval": "500ms",  # what runs in between costs 5 % of a core
        "distributed.worker.memory.monitor-interval": "500ms",
    }
    with dask.config.set(settings):
        if scheduler is not None:
            with Client(scheduler, timeout=30) as client:
                yield client
            return
        # Workers look for modules where we do, but nbgrader has put the current directory, which may hold another copy of
        # this package, before the place that we were loaded from.
        sys.path.insert(0, str(sandbox.PACKAGE.parent))
        count = min(workers or len(os.sched_getaffinity(0)), n)
        with (
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                memory_limit=WORKER_MEMORY,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            ) as local,
            Client(local) as client,
        ):
            yield client


def table(batch: Batch) -> str:
    """Return what became of the batch, as a few lines of text."""
    grades = [grade for done in batch.done.values() for grade in done.cells]
    states = Counter(grade.state for grade in grades if grade.state is not State.MANUAL)
    lines = [
        _("{n} submissions: {done} graded, {unchanged} of them unchanged").format(
            n=len(batch.done) + len(batch.failed) + len(batch.again),
            done=len(batch.done),
            unchanged=len(batch.unchanged),
        )
    ]
    if batch.done:
        shares = [d.points / d.max_points for d in batch.done.values() if d.max_points]
        seconds = [d.seconds for d in batch.done.values()]
        if shares:
            lines.append(
                _("mean {mean:.0f} % of the points, {full} with all of them").format(
                    mean=100 * sum(shares) / len(shares), full=sum(s > 1 - 1e-9 for s in shares)
                )
            )
        lines.append(
            _("longest {seconds:.1f} s; graded cells: {cells}").format(
                seconds=max(seconds),
                cells=", ".join(f"{count} {_(state)}" for state, count in states.most_common()),
            )
        )
    lines += [f"  ✗ {line(who)}: {line(why)}" for who, why in sorted(batch.not_graded().items())]
    if batch.again:
        lines.append(
            _(
                "{n} could not be graded for a reason that is not theirs: run the command again"
            ).format(n=len(batch.again))
        )
    return "\n".join(lines)
