"""Does a check say the same in the notebook and when graded? Runs it here, and through a real kernel."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from autograder.assignments import all_checks
from autograder.engine.results import CheckResult
from autograder.engine.run import run_check
from autograder.examiner.kernel import Kernel, Limits, execution_environment, kernel
from autograder.examiner.remote import channel, names_in
from tests.conftest import ISOLATION, whole_package

Functions = tuple[Callable[..., Any], ...]
_numbers = itertools.count()


@functools.cache
def _running() -> tuple[Kernel, Path]:
    """Start a kernel, once per test process, that can load functions from a directory."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    answers = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    setup = whole_package(answers) + "import cloudpickle, numpy as np\n"
    arguments = Limits(), execution_environment(), ISOLATION, [str(answers)]
    started = stack.enter_context(kernel(*arguments))
    done = started.execute(setup, 60)
    assert not done.error, done.error
    return started, answers


def graded(check: str, functions: Functions, seed: int | None = None) -> CheckResult:
    """Run a check on functions that live in a kernel: copies of these, with all that they refer to."""
    started, directory = _running()
    names = [f"function_{next(_numbers)}" for _ in functions]
    path = directory / names[0]
    for name in [n for n in sys.modules if n.startswith("tests.") or n.endswith("_solution")]:
        cloudpickle.register_pickle_by_value(sys.modules[name])
    path.write_bytes(cloudpickle.dumps(functions))
    source = f"{', '.join(names)}, = cloudpickle.loads(open({str(path)!r}, 'rb').read())"
    done = started.execute(source, 60)
    assert not done.error, done.error
    with channel(started, 60) as opened:
        found = names_in(opened, names)
        return run_check(all_checks()[check], tuple(found[name] for name in names), seed)


def said(result: CheckResult) -> dict[str, Any]:
    """Return what a student is told: verdict, aspects, names of mistakes, and the sentences of the failure."""
    failure = result.failure
    how = failure and failure.how
    if failure and failure.raised:  # which line it was: in files that the kernel does not see
        how = ""
    return {
        "ending": result.ending,
        "aspects": {aspect.name: aspect.passed for aspect in result.aspects},
        "named": [named.id for named in result.named],
        "failure": failure and (failure.aspect, failure.case, failure.what, failure.actual, how),
    }


def both_ways(check: str, functions: Functions, seed: int | None = None) -> CheckResult:
    """Run a check here and there, demand that it says the same, and return the result."""
    there = graded(check, functions, seed)
    here = run_check(all_checks()[check], functions, seed)
    assert said(here) == said(there), f"here: {said(here)}\nthere: {said(there)}"
    return here
